//! From [`Forest`] to text, one file a quantile.

use std::fmt::Write as _;

use crate::predict::forest::{Child, Forest, Kind, Missing, Split, Tree};

/// Why an ensemble cannot be written.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum WriteError {
    /// It has no such quantile.
    #[error("the model has no quantile {wanted}; it has {has:?}")]
    Quantile {
        /// The quantile asked for.
        wanted: f64,
        /// Those that are there.
        has: Vec<f64>,
    },
    /// LightGBM could not read the name.
    #[error("column '{0}': a name must be one word of letters, digits, '_', '.', '-'")]
    Name(String),
}

/// The text model of one quantile. A base score that is not 0 is a first tree
/// of one leaf, so that the sums are the same to the last bit.
///
/// # Errors
/// If the ensemble lacks the quantile or a column's name cannot be written.
pub fn format_model(forest: &Forest, quantile: f64) -> Result<String, WriteError> {
    let quantiles = forest.quantiles();
    let at = quantiles
        .iter()
        .position(|q| q.total_cmp(&quantile).is_eq());
    let at = at.ok_or_else(|| WriteError::Quantile {
        wanted: quantile,
        has: quantiles.to_vec(),
    })?;
    let fits = |name: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        !name.is_empty() && name.chars().all(plain)
    };
    if let Some(column) = forest.columns().iter().find(|c| !fits(&c.name)) {
        return Err(WriteError::Name(column.name.escape_debug().to_string()));
    }
    let base = forest.base()[at];
    let stump = Tree {
        leaves: vec![base; quantiles.len()],
        ..Tree::default()
    };
    let stump = (base != 0.0 || forest.trees().is_empty()).then_some(&stump);
    let blocks: Vec<String> = stump
        .into_iter()
        .chain(forest.trees())
        .enumerate()
        .map(|(number, tree)| format_tree(tree, number, at, quantiles.len()))
        .collect();
    let names: Vec<&str> = forest.columns().iter().map(|c| c.name.as_str()).collect();
    let infos: Vec<String> = forest.columns().iter().map(|c| info(&c.kind)).collect();
    let sizes: Vec<String> = blocks.iter().map(|b| b.len().to_string()).collect();
    Ok(format!(
        "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx={}\n\
         objective=quantile\nfeature_names={}\nfeature_infos={}\ntree_sizes={}\n\n{}\
         end of trees\n\nfeature_importances:\n\nparameters:\n[objective: quantile]\n[alpha: {quantile}]\n\
         [categorical_feature: {}]\nend of parameters\n\npandas_categorical:{}\n",
        names.len().saturating_sub(1),
        names.join(" "),
        infos.join(" "),
        sizes.join(" "),
        blocks.concat(),
        categorical(forest)
            .map(|(i, ..)| i.to_string())
            .collect::<Vec<_>>()
            .join(","),
        pandas_categorical(forest),
    ))
}

/// The dictionaries of the categorical columns as one JSON object, name to list.
#[must_use]
pub fn format_dictionaries(forest: &Forest) -> String {
    let entries = categorical(forest).map(|(_, name, levels)| (name.to_string(), levels.into()));
    let object: serde_json::Map<String, serde_json::Value> = entries.collect();
    serde_json::Value::Object(object).to_string()
}

/// Index, name and dictionary of the categorical columns.
fn categorical(forest: &Forest) -> impl Iterator<Item = (usize, &str, &[String])> {
    let columns = forest.columns().iter().enumerate();
    columns.filter_map(|(i, column)| match &column.kind {
        Kind::Categorical { levels } => Some((i, column.name.as_str(), levels.as_slice())),
        Kind::Numeric { .. } => None,
    })
}

fn pandas_categorical(forest: &Forest) -> String {
    let lists: Vec<&[String]> = categorical(forest).map(|c| c.2).collect();
    if lists.is_empty() {
        return "null".into();
    }
    serde_json::Value::Array(lists.into_iter().map(Into::into).collect()).to_string()
}

fn info(kind: &Kind) -> String {
    match kind {
        Kind::Numeric { least, most } if least > most => "none".into(),
        Kind::Numeric { least, most } => format!("[{}:{}]", number(*least), number(*most)),
        Kind::Categorical { levels } if levels.is_empty() => "none".into(),
        Kind::Categorical { levels } => {
            let numbers: Vec<String> = (0..levels.len()).map(|i| i.to_string()).collect();
            numbers.join(":")
        }
    }
}

/// The shortest text that reads back as the same number. Infinities, which
/// LightGBM does not read, are the largest finite ones: no finite number of a
/// row tells them apart.
fn number(value: f64) -> String {
    let value = value.clamp(f64::MIN, f64::MAX);
    if value == 0.0 || (1e-5..1e17).contains(&value.abs()) {
        format!("{value}")
    } else {
        format!("{value:e}")
    }
}

fn list<T: ToString>(out: &mut String, key: &str, values: impl IntoIterator<Item = T>) {
    let values: Vec<String> = values.into_iter().map(|v| v.to_string()).collect();
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{key}={}", values.join(" "));
}

fn child(child: Child) -> i64 {
    let signed = |i: usize| i64::try_from(i).unwrap_or(i64::MAX);
    match child.get() {
        Ok(node) => signed(node),
        Err(leaf) => !signed(leaf),
    }
}

fn format_tree(tree: &Tree, index: usize, quantile: usize, quantiles: usize) -> String {
    // One word at least a set: LightGBM reads no empty list.
    let mut words: Vec<u32> = Vec::new();
    let mut boundaries = vec![0];
    let mut thresholds = Vec::new();
    for node in &tree.nodes {
        match node.split {
            Split::Numeric { threshold, .. } => thresholds.push(number(threshold)),
            Split::Categorical {
                start,
                words: count,
            } => {
                thresholds.push((boundaries.len() - 1).to_string());
                let set = &tree.sets[start as usize..][..count as usize];
                words.extend(if set.is_empty() { &[0][..] } else { set });
                boundaries.push(words.len());
            }
        }
    }
    let decision = |split: &Split| match split {
        Split::Categorical { .. } => 1,
        Split::Numeric {
            missing,
            missing_left,
            ..
        } => {
            let kind = match missing {
                Missing::None => 0,
                Missing::Zero => 1,
                Missing::NaN => 2,
            };
            2 * i32::from(*missing_left) + 4 * kind
        }
    };
    let nodes = || tree.nodes.iter();
    let mut out = format!(
        "Tree={index}\nnum_leaves={}\nnum_cat={}\n",
        nodes().len() + 1,
        boundaries.len() - 1
    );
    let values = tree.leaves.iter().skip(quantile).step_by(quantiles);
    let values = values.map(|v| number(*v));
    if tree.nodes.is_empty() {
        list(&mut out, "leaf_value", values);
    } else {
        list(&mut out, "split_feature", nodes().map(|n| n.feature));
        list(&mut out, "threshold", thresholds);
        list(
            &mut out,
            "decision_type",
            nodes().map(|n| decision(&n.split)),
        );
        list(&mut out, "left_child", nodes().map(|n| child(n.left)));
        list(&mut out, "right_child", nodes().map(|n| child(n.right)));
        list(&mut out, "leaf_value", values);
        if boundaries.len() > 1 {
            list(&mut out, "cat_boundaries", boundaries);
            list(&mut out, "cat_threshold", words);
        }
    }
    out.push_str("is_linear=0\nshrinkage=1\n\n\n");
    out
}
