//! The compact form of an ensemble in a file; see `model`.
//!
//! A tree's splits are bytes. First (LEB128) twice the column plus whether the
//! split is categorical. Numeric: number of the threshold in the column's list, then missing
//! kind plus 4 if missing goes left. Categorical: first word, number of words. Then
//! both children: twice the index, plus 1 for a leaf.

use serde::{Deserialize, Serialize};

use super::ModelError;
use crate::predict::forest::{Child, Column, Forest, Missing, Node, Split, Tree};

#[derive(Serialize, Deserialize)]
pub(super) struct Packed {
    columns: Vec<Column>,
    quantiles: Vec<f64>,
    base: Vec<f64>,
    /// Thresholds of each column, ascending.
    thresholds: Vec<Vec<f64>>,
    trees: Vec<PackedTree>,
}

#[derive(Serialize, Deserialize)]
struct PackedTree {
    splits: u32,
    nodes: Vec<u8>,
    sets: Vec<u32>,
    leaves: Leaves,
}

/// Leaf values, as narrow as they are exact.
#[derive(Serialize, Deserialize)]
enum Leaves {
    Narrow(Vec<f32>),
    Wide(Vec<f64>),
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "only used where the caller compares with the original"
)]
fn narrow(value: f64) -> f32 {
    value as f32
}

pub(super) fn pack(forest: &Forest) -> Packed {
    let mut thresholds = vec![Vec::new(); forest.columns().len()];
    for node in forest.trees().iter().flat_map(|tree| &tree.nodes) {
        if let Split::Numeric { threshold, .. } = node.split {
            thresholds[usize::from(node.feature)].push(threshold);
        }
    }
    for list in &mut thresholds {
        list.sort_unstable_by(f64::total_cmp);
        list.dedup_by(|a, b| a.total_cmp(b).is_eq());
    }
    let trees = forest.trees().iter().map(|t| pack_tree(t, &thresholds));
    Packed {
        columns: forest.columns().to_vec(),
        quantiles: forest.quantiles().to_vec(),
        base: forest.base().to_vec(),
        trees: trees.collect(),
        thresholds,
    }
}

fn pack_tree(tree: &Tree, thresholds: &[Vec<f64>]) -> PackedTree {
    let mut nodes = Vec::new();
    for node in &tree.nodes {
        let column = 2 * u64::from(node.feature);
        match node.split {
            Split::Numeric {
                threshold,
                missing,
                missing_left,
            } => {
                put(&mut nodes, column);
                let list = &thresholds[usize::from(node.feature)];
                put(
                    &mut nodes,
                    list.partition_point(|t| t.total_cmp(&threshold).is_lt()) as u64,
                );
                let kind = match missing {
                    Missing::None => 0,
                    Missing::Zero => 1,
                    Missing::NaN => 2,
                };
                put(&mut nodes, kind + 4 * u64::from(missing_left));
            }
            Split::Categorical { start, words } => {
                put(&mut nodes, column + 1);
                put(&mut nodes, start.into());
                put(&mut nodes, words.into());
            }
        }
        for child in [node.left, node.right] {
            put(
                &mut nodes,
                match child.get() {
                    Ok(split) => 2 * split as u64,
                    Err(leaf) => 2 * leaf as u64 + 1,
                },
            );
        }
    }
    let exact = |v: &f64| f64::from(narrow(*v)).to_bits() == v.to_bits();
    let leaves = if tree.leaves.iter().all(exact) {
        Leaves::Narrow(tree.leaves.iter().map(|v| narrow(*v)).collect())
    } else {
        Leaves::Wide(tree.leaves.clone())
    };
    PackedTree {
        splits: u32::try_from(tree.nodes.len()).unwrap_or(u32::MAX),
        nodes,
        sets: tree.sets.clone(),
        leaves,
    }
}

pub(super) fn unpack(packed: Packed) -> Result<Forest, ModelError> {
    let trees = packed.trees.into_iter();
    let trees = trees.map(|t| unpack_tree(t, &packed.thresholds));
    let trees = trees.collect::<Result<_, _>>()?;
    Ok(Forest::new(
        packed.columns,
        packed.quantiles,
        packed.base,
        trees,
    )?)
}

fn unpack_tree(packed: PackedTree, thresholds: &[Vec<f64>]) -> Result<Tree, ModelError> {
    let mut tree = Tree {
        nodes: Vec::new(),
        sets: packed.sets,
        leaves: match packed.leaves {
            Leaves::Narrow(values) => values.into_iter().map(f64::from).collect(),
            Leaves::Wide(values) => values,
        },
    };
    let mut bytes = packed.nodes.as_slice();
    let broken = ModelError::Packed("a split is cut short or out of range");
    for _ in 0..packed.splits {
        let Some(node) = unpack_node(&mut bytes, thresholds) else {
            return Err(broken);
        };
        tree.nodes.push(node);
    }
    if bytes.is_empty() {
        Ok(tree)
    } else {
        Err(broken)
    }
}

fn unpack_node(bytes: &mut &[u8], thresholds: &[Vec<f64>]) -> Option<Node> {
    let head = take(bytes)?;
    let feature = u16::try_from(head / 2).ok()?;
    let split = if head % 2 == 0 {
        let number = usize::try_from(take(bytes)?).ok()?;
        let kind = take(bytes)?;
        Split::Numeric {
            threshold: *thresholds.get(usize::from(feature))?.get(number)?,
            missing: match kind & 3 {
                0 => Missing::None,
                1 => Missing::Zero,
                2 => Missing::NaN,
                _ => return None,
            },
            missing_left: match kind >> 2 {
                0 => false,
                1 => true,
                _ => return None,
            },
        }
    } else {
        Split::Categorical {
            start: u32::try_from(take(bytes)?).ok()?,
            words: u32::try_from(take(bytes)?).ok()?,
        }
    };
    let mut child = || {
        let code = take(bytes)?;
        let index = usize::try_from(code / 2).ok()?;
        if code % 2 == 0 {
            Child::node(index)
        } else {
            Child::leaf(index)
        }
    };
    let (left, right) = (child()?, child()?);
    Some(Node {
        split,
        feature,
        left,
        right,
    })
}

/// Appends a number in groups of seven bits, least first; the top bit of a
/// byte says that more follow.
fn put(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    bytes.push(value.to_le_bytes()[0]);
}

/// The number at the front, of at most 63 bits; none if there is none.
fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..63).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
