//! Refinement of the basic values with a residual in twice the precision.
//!
//! With an ill-conditioned basis, `B x_B = -N x_N` solved once leaves a residual
//! far above round-off. One step `x_B += B^-1 r` of the true residual r takes
//! most of it away, provided that r itself, a difference of almost equal sums,
//! is not round-off; so its products and sums are kept as unevaluated pairs of
//! numbers (T. Dekker 1971, "A floating-point technique for extending the
//! available precision"; N. Higham 2002, "Accuracy and Stability of Numerical
//! Algorithms", chapter 12).

use super::problem::Problem;
use super::state::{NONBASIC, State, each_entry};
use crate::work::Budget;

/// An unevaluated sum high + low, |low| at most half a unit of high.
#[derive(Clone, Copy, Debug, Default)]
struct Double {
    high: f64,
    low: f64,
}

impl Double {
    /// Adds a * b; the error is of second order.
    fn add_product(&mut self, a: f64, b: f64) {
        let product = a * b;
        let error = a.mul_add(b, -product);
        // Knuth's exact sum.
        let sum = self.high + product;
        let part = sum - self.high;
        let rest = (self.high - (sum - part)) + (product - part);
        let low = self.low + rest + error;
        self.high = sum + low;
        self.low = low - (self.high - sum);
    }

    fn value(self) -> f64 {
        self.high + self.low
    }
}

impl State {
    /// One step of refinement of the basic values. Returns the largest change
    /// relative to 1 + the value.
    pub(super) fn refine_primal(&mut self, problem: &Problem, budget: &mut Budget) -> f64 {
        let mut sums = vec![Double::default(); problem.m()];
        for v in 0..self.x.len() {
            let x = match self.position[v] {
                NONBASIC => self.x[v],
                p => self.xb[p as usize],
            };
            if x != 0.0 {
                problem.each(v, |i, a| sums[i].add_product(a, x));
                // A product in twice the precision is about ten operations.
                budget.spend_entries(10 * problem.count(v));
                if budget.is_over() {
                    return 0.0;
                }
            }
        }
        self.flips.clear();
        for (i, sum) in sums.iter().enumerate() {
            let residual = sum.value();
            if residual != 0.0 {
                self.flips.set(i, residual);
            }
        }
        self.factor.ftran(&mut self.flips, false);
        let mut change = 0.0_f64;
        let xb = &mut self.xb;
        each_entry!(self.flips, |p, value| {
            change = change.max(value.abs() / (1.0 + xb[p].abs()));
            xb[p] -= value;
        });
        self.flips.clear();
        self.compute_violations();
        budget.spend_entries(self.x.len());
        self.spend(budget);
        change
    }
}

#[cfg(test)]
mod tests {
    use super::Double;

    #[test]
    fn cancelling_products_leave_their_low_parts() {
        // (1 + e)^2 - 1 - 2 e = e^2 with e = 2^-40, below the unit of 1.
        let e = 2.0_f64.powi(-40);
        let mut sum = Double::default();
        sum.add_product(1.0 + e, 1.0 + e);
        sum.add_product(-1.0, 1.0);
        sum.add_product(-2.0, e);
        assert_eq!(sum.value().to_bits(), (e * e).to_bits());
        // 1e16 + 1 - 1e16 = 1.
        let mut sum = Double::default();
        for (a, b) in [(1e8, 1e8), (1.0, 1.0), (-1e8, 1e8)] {
            sum.add_product(a, b);
        }
        assert_eq!(sum.value().to_bits(), 1.0_f64.to_bits());
    }
}
