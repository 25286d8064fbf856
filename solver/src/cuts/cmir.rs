//! Aggregation: rows added up until the cut-generating functions find a cut.
//!
//! From each start row, best score first: try the row; while there is no cut,
//! take the continuous column furthest from its bounds, variable bounds
//! included (such columns spoil the rounding), find the best row that has it,
//! add the multiple that cancels it, try again; [`AGGREGATED`] rows at most.
//! Scores prefer tight rows, rows of large duals and short rows.
//!
//! Source: H. Marchand, L. Wolsey 2001, section 4; T. Achterberg 2007,
//! "Constraint integer programming", section 8.2 (scores).

use super::params;
use super::pass::Pass;
use super::row::{Preference, Scratch};
use crate::sparse::Index;
use crate::technique::Technique;
use crate::whole::fractionality;

/// Rows added up, at most.
const AGGREGATED: usize = 6;

/// Rows longer than this, and than the columns over [`LONG_DIVISOR`], are left
/// out.
const LONG: usize = 500;
/// See [`LONG`].
const LONG_DIVISOR: usize = 10;

/// Multiples of a row, at most, and at least its inverse: beyond, the sum has
/// coefficients of two kinds and cancels badly.
const WEIGHT: f64 = 1e6;

/// Start rows without a cut in a row, after which the rest is left alone.
const FAILURES: usize = 400;

/// A row's slack over its norm beyond which it is not tight enough to add.
const LOOSE: f64 = 0.1;

/// Scores by row; negative: not to be used.
fn scores(pass: &mut Pass<'_, '_>) -> Vec<f64> {
    let frame = pass.frame;
    let largest_dual = frame
        .source
        .duals
        .iter()
        .fold(0.0_f64, |m, y| m.max(y.abs()))
        .max(params::TINY);
    let longest = LONG.max(frame.columns / LONG_DIVISOR);
    (0..frame.rows())
        .map(|i| {
            let (indices, values) = frame.source.rows.entries(i);
            let count = indices.len();
            if count == 0 || count > longest {
                return -1.0;
            }
            let norm = values.iter().map(|a| a * a).sum::<f64>().sqrt();
            let v = frame.columns + i;
            let slack = (frame.value[v] - frame.lower[v])
                .min(frame.upper[v] - frame.value[v])
                .max(0.0);
            let tightness = 1.0 - slack / norm / LOOSE;
            let dual = frame.source.duals[i].abs() / largest_dual;
            let density = count as f64 / frame.columns as f64;
            if tightness < 0.0 {
                0.0
            } else {
                1.0 + dual + 0.1 * (1.0 - density) + 0.1 * tightness
            }
        })
        .collect()
}

/// Finds cuts of aggregated rows.
pub(crate) fn separate(pass: &mut Pass<'_, '_>) {
    let frame = pass.frame;
    let scores = scores(pass);
    pass.budget
        .spend_entries(frame.mip.by_row.nonzeros() + frame.rows());
    let mut order: Vec<usize> = (0..frame.rows()).filter(|&i| scores[i] >= 0.0).collect();
    order.sort_by(|&p, &q| scores[q].total_cmp(&scores[p]).then(p.cmp(&q)));
    // By continuous column strictly between its bounds: its distance.
    let distance: Vec<f64> = (0..frame.columns)
        .map(|j| {
            if frame.mip.integer[j] || frame.lower[j] >= frame.upper[j] {
                0.0
            } else {
                let distance = frame.bound_distance(j);
                if distance > params::BETWEEN {
                    distance
                } else {
                    0.0
                }
            }
        })
        .collect();
    let mut uses = vec![0_u32; frame.rows()];
    let mut aggregate = Scratch::default();
    aggregate.resize(frame.variables());
    let mut failures = 0;
    for start in order {
        if pass.is_spent() || failures > FAILURES {
            break;
        }
        if has_fraction(pass, start) || scores[start] > 0.0 {
            if from_row(pass, start, &scores, &distance, &mut uses, &mut aggregate) {
                failures = 0;
            } else {
                failures += 1;
            }
        }
    }
}

/// Whether row `i` has an integer column off its integers.
fn has_fraction(pass: &Pass<'_, '_>, i: usize) -> bool {
    let (indices, _) = pass.frame.source.rows.entries(i);
    indices.iter().any(|&j| {
        let x = pass.frame.value[j as usize];
        pass.frame.mip.integer[j as usize] && fractionality(x) > params::FRACTIONAL
    })
}

/// Aggregates from row `start`; whether a cut was found.
fn from_row(
    pass: &mut Pass<'_, '_>,
    start: usize,
    scores: &[f64],
    distance: &[f64],
    uses: &mut [u32],
    aggregate: &mut Scratch,
) -> bool {
    let frame = pass.frame;
    let mut used = vec![start];
    let mut eliminated: Vec<Index> = Vec::new();
    frame.add_row(start, 1.0, aggregate);
    let mut terms = aggregate.take();
    loop {
        pass.budget.spend_entries(4 * terms.len());
        if pass.separate_base(&terms, Preference::Closest, Technique::Cmir) {
            for &i in &used {
                uses[i] += 1;
            }
            return true;
        }
        if used.len() >= AGGREGATED || pass.is_spent() {
            return false;
        }
        // The continuous column to cancel, and the row to do it with.
        let mut candidates: Vec<(f64, Index, f64)> = terms
            .iter()
            .filter(|&&(v, _)| (v as usize) < frame.columns && distance[v as usize] > 0.0)
            .filter(|&&(v, _)| !eliminated.contains(&v))
            .map(|&(v, a)| (distance[v as usize], v, a))
            .collect();
        candidates.sort_by(|p, q| q.0.total_cmp(&p.0).then(p.1.cmp(&q.1)));
        let mut next: Option<(usize, f64, Index)> = None;
        for &(_, v, a) in candidates.iter().take(8) {
            let mut best = 0.0;
            pass.budget
                .spend_entries(frame.mip.by_column.count(v as usize));
            for (i, b) in frame.mip.by_column.iter(v as usize) {
                let score = scores[i] / (1.0 + f64::from(uses[i]));
                if score > best && !used.contains(&i) {
                    best = score;
                    next = Some((i, -a / b, v));
                }
            }
            if next.is_some() {
                break;
            }
        }
        let Some((row, weight, column)) = next else {
            return false;
        };
        if !(1.0 / WEIGHT..=WEIGHT).contains(&weight.abs()) {
            return false;
        }
        for &(v, a) in &terms {
            aggregate.add(v as usize, a);
        }
        frame.add_row(row, weight, aggregate);
        used.push(row);
        eliminated.push(column);
        terms = aggregate.take();
        terms.retain(|&(v, _)| v != column);
        pass.budget.spend_entries(2 * terms.len());
    }
}
