//! Zero-half cuts: rows added up, halved and rounded.
//!
//! For rows of integers with integral data, weights of one half on a set of
//! them give a violated Chvatal-Gomory cut if, modulo 2, every column strictly
//! between its bounds cancels, the sum of the sides (columns measured from the
//! bounds they sit at) is odd, and the slacks sum up to less than 1. Gaussian
//! elimination modulo 2 over the tight rows finds such sets: for each fractional
//! column, the tightest row with it is added to all others and retired. The
//! halved sums go through the mixed integer rounding with divisor 1.
//!
//! Source: A. Caprara, M. Fischetti 1996, "{0, 1/2}-Chvatal-Gomory cuts";
//! A. Koster, A. Zymolka, M. Kutschka 2009, "Algorithms to separate
//! {0, 1/2}-Chvatal-Gomory cuts", Algorithmica 55.

use super::params;
use super::pass::Pass;
use super::row::Scratch;
use crate::technique::Technique;
use crate::whole::{is_whole, round};

/// Slack of a row that takes part, at most, and of a sum.
const LARGEST_SLACK: f64 = 0.9;

/// Rows that take part, at most.
const ROWS: usize = 1_500;

/// Columns of the system, at most.
const COLUMNS: usize = 3_000;

/// Rows in one sum, at most.
const SUM: usize = 60;

/// A sum of rows modulo 2.
struct Parity {
    /// Bits: fractional columns, then the side.
    bits: Vec<u64>,
    /// Rows of the relaxation in the sum, ascending, with the sign that makes
    /// their slack the small one.
    rows: Vec<(usize, f64)>,
    slack: f64,
}

impl Parity {
    fn get(&self, bit: usize) -> bool {
        self.bits[bit / 64] >> (bit % 64) & 1 == 1
    }

    fn flip(&mut self, bit: usize) {
        self.bits[bit / 64] ^= 1 << (bit % 64);
    }

    fn add(&mut self, other: &Self) {
        for (a, b) in self.bits.iter_mut().zip(&other.bits) {
            *a ^= b;
        }
        let mut rows = Vec::with_capacity(self.rows.len() + other.rows.len());
        let (mut p, mut q) = (0, 0);
        while p < self.rows.len() || q < other.rows.len() {
            let a = self.rows.get(p).copied();
            let b = other.rows.get(q).copied();
            match (a, b) {
                (Some(a), Some(b)) if a.0 == b.0 => {
                    // Twice a row says nothing modulo 2.
                    p += 1;
                    q += 1;
                }
                (Some(a), b) if b.is_none_or(|b| a.0 < b.0) => {
                    rows.push(a);
                    p += 1;
                }
                (_, Some(b)) => {
                    rows.push(b);
                    q += 1;
                }
                (Some(a), None) => {
                    rows.push(a);
                    p += 1;
                }
                (None, None) => {}
            }
        }
        self.rows = rows;
        self.slack += other.slack;
    }
}

/// Whether the integer `value` is odd.
fn is_odd(value: f64) -> bool {
    !is_whole(round(value) * 0.5)
}

/// Finds zero-half cuts.
pub(crate) fn separate(pass: &mut Pass<'_, '_>) {
    let frame = pass.frame;
    let columns = frame.columns;
    let mut position = vec![None; columns];
    let mut fractional = 0;
    for (j, position) in position.iter_mut().enumerate() {
        let x = frame.value[j];
        if frame.mip.integer[j]
            && x - frame.lower[j] > params::BETWEEN
            && frame.upper[j] - x > params::BETWEEN
        {
            *position = Some(fractional);
            fractional += 1;
        }
    }
    if fractional == 0 || fractional > COLUMNS {
        return;
    }
    let words = (fractional + 1).div_ceil(64);
    let mut system = Vec::new();
    for i in 0..frame.rows() {
        if system.len() >= ROWS {
            break;
        }
        let v = columns + i;
        if !frame.integer[v] {
            continue;
        }
        let (below, above) = (
            frame.value[v] - frame.lower[v],
            frame.upper[v] - frame.value[v],
        );
        let (slack, side, sign) = if above <= below {
            (above, frame.upper[v], 1.0)
        } else {
            (below, frame.lower[v], -1.0)
        };
        if slack > LARGEST_SLACK {
            continue;
        }
        let mut parity = Parity {
            bits: vec![0; words],
            rows: vec![(i, sign)],
            slack: slack.max(0.0),
        };
        let mut has_column = false;
        if is_odd(side) {
            parity.flip(fractional);
        }
        let (indices, values) = frame.source.rows.entries(i);
        pass.budget.spend_entries(indices.len());
        for (&j, &a) in indices.iter().zip(values) {
            if !is_odd(a) {
                continue;
            }
            let j = j as usize;
            if let Some(bit) = position[j] {
                parity.flip(bit);
                has_column = true;
            } else {
                let (l, u, x) = (frame.lower[j], frame.upper[j], frame.value[j]);
                let bound = if x - l <= u - x { l } else { u };
                if is_odd(bound) {
                    parity.flip(fractional);
                }
            }
        }
        if has_column || parity.get(fractional) {
            system.push(parity);
        }
    }
    eliminate(pass, system, fractional, words);
}

/// Gaussian elimination, and the cuts of what is left.
fn eliminate(pass: &mut Pass<'_, '_>, mut system: Vec<Parity>, fractional: usize, words: usize) {
    let mut scratch = Scratch::default();
    scratch.resize(pass.frame.variables());
    system.sort_by(|p, q| {
        p.slack
            .total_cmp(&q.slack)
            .then(p.rows[0].0.cmp(&q.rows[0].0))
    });
    for bit in 0..fractional {
        if pass.is_spent() {
            return;
        }
        pass.budget.spend_entries(system.len());
        let Some(pivot) = (0..system.len())
            .filter(|&k| system[k].get(bit))
            .min_by(|&p, &q| {
                system[p]
                    .slack
                    .total_cmp(&system[q].slack)
                    .then(system[p].rows.len().cmp(&system[q].rows.len()))
                    .then(p.cmp(&q))
            })
        else {
            continue;
        };
        let pivot = system.swap_remove(pivot);
        for row in &mut system {
            if row.get(bit) {
                row.add(&pivot);
                pass.budget.spend_entries(words + row.rows.len());
            }
        }
        system.retain(|row| row.slack <= LARGEST_SLACK && row.rows.len() <= SUM);
    }
    system.sort_by(|p, q| {
        p.slack
            .total_cmp(&q.slack)
            .then(p.rows.len().cmp(&q.rows.len()))
            .then_with(|| p.rows.iter().map(|r| r.0).cmp(q.rows.iter().map(|r| r.0)))
    });
    for row in &system {
        if pass.is_spent() {
            return;
        }
        if row.get(fractional) && !row.rows.is_empty() {
            for &(i, sign) in &row.rows {
                pass.frame.add_row(i, 0.5 * sign, &mut scratch);
            }
            let terms = scratch.take();
            pass.round_base(&terms, Technique::ZeroHalf);
        }
    }
}
