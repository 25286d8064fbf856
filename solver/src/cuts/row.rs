//! Base inequalities: weighted sums of rows, and their bound substitution.
//!
//! Weights w on rows give `sum_i w_i (a_i x - r_i) = 0`, an equation over the
//! columns and the row activities r_i (variable `columns + i`, within the row's
//! sides). Taken as `<=` or, negated, as `>=`, it is a **base inequality**.
//! Each variable is then measured from one of its bounds,
//!
//! ```text
//! v = l + t,   v = u - t,   v = (a z + b) + t,   v = (a z + b) - t,   t >= 0
//! ```
//!
//! the last two by variable bounds with binary z, whose coefficient takes the
//! `a`. What comes out is a [`Mixed`] row
//!
//! ```text
//! sum_j a_j y_j + sum_k c_k t_k <= b,   0 <= y_j <= u_j integer, t_k >= 0
//! ```
//!
//! on which the cut-generating functions work. [`Frame::restore`] takes their
//! result back to the columns; activities are replaced by their rows, so it
//! holds for every point of the problem whatever rows the relaxation has.
//! Activities of rows of integers with integral coefficients count as integer.
//!
//! Source: H. Marchand, L. Wolsey 2001, "Aggregation and mixed integer rounding
//! to solve MIPs", Operations Research 49, section 3 (bound substitution).

use super::params;
use crate::mip::Mip;
use crate::sparse::{Index, Matrix, index};
use crate::structure::implications::{VarBound, VariableBounds};
use crate::whole::is_whole;

/// The rows of a relaxation: the problem's, then cuts.
pub(crate) trait Rows {
    /// Columns and coefficients of row `i`.
    fn entries(&self, i: usize) -> (&[Index], &[f64]);
}

impl Rows for Matrix {
    fn entries(&self, i: usize) -> (&[Index], &[f64]) {
        self.get(i)
    }
}

/// What a relaxation's rows and solution are, in arrays.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) rows: &'a dyn Rows,
    pub(crate) row_lower: &'a [f64],
    pub(crate) row_upper: &'a [f64],
    /// By row; zeros where unknown.
    pub(crate) duals: &'a [f64],
    /// Solution by column, activity by row.
    pub(crate) x: &'a [f64],
    pub(crate) activity: &'a [f64],
}

/// One relaxation solution, as the separators of a round see it. Vectors by
/// variable: columns first, then row activities.
pub(crate) struct Frame<'a> {
    pub(crate) mip: &'a Mip,
    pub(crate) source: Source<'a>,
    pub(crate) columns: usize,
    pub(crate) lower: Vec<f64>,
    pub(crate) upper: Vec<f64>,
    pub(crate) value: Vec<f64>,
    pub(crate) integer: Vec<bool>,
    variable_bounds: &'a VariableBounds,
}

/// Length over touched entries below which a [`Scratch`] counts as dense.
const DENSE: usize = 16;

/// A vector by variable that is cleared in time of its nonzeros.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    values: Vec<f64>,
    is_touched: Vec<bool>,
    touched: Vec<Index>,
}

impl Scratch {
    /// Makes room for `variables` entries.
    pub(crate) fn resize(&mut self, variables: usize) {
        self.values.resize(variables, 0.0);
        self.is_touched.resize(variables, false);
    }

    pub(crate) fn add(&mut self, variable: usize, value: f64) {
        if !self.is_touched[variable] {
            self.is_touched[variable] = true;
            self.touched.push(index(variable));
        }
        self.values[variable] += value;
    }

    /// The entries in ascending order; the vector is empty afterwards.
    pub(crate) fn take(&mut self) -> Vec<(Index, f64)> {
        // Reading a dense vector through is cheaper than sorting.
        if self.touched.len() > self.values.len() / DENSE {
            self.touched.clear();
            let touched = self.is_touched.iter().enumerate();
            self.touched
                .extend(touched.filter(|&(_, &is)| is).map(|(v, _)| index(v)));
        } else {
            self.touched.sort_unstable();
        }
        let values = &mut self.values;
        let is_touched = &mut self.is_touched;
        self.touched
            .drain(..)
            .map(|v| {
                is_touched[v as usize] = false;
                (v, std::mem::take(&mut values[v as usize]))
            })
            .filter(|&(_, value)| value != 0.0)
            .collect()
    }
}

/// Where a substituted variable is measured from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Origin {
    /// `v = l + t`.
    Lower(f64),
    /// `v = u - t`.
    Upper(f64),
    /// `v = (a z + b) + t`.
    VariableLower(VarBound),
    /// `v = (a z + b) - t`.
    VariableUpper(VarBound),
}

/// A variable of a [`Mixed`] row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Term {
    pub(crate) variable: Index,
    pub(crate) coefficient: f64,
    /// Upper bound of the substituted variable; may be infinite.
    pub(crate) width: f64,
    /// The substituted variable at the relaxation's solution.
    pub(crate) value: f64,
    pub(crate) origin: Origin,
}

/// `sum_integers + sum_continuous <= rhs`, all variables from 0 upwards.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Mixed {
    pub(crate) integers: Vec<Term>,
    pub(crate) continuous: Vec<Term>,
    pub(crate) rhs: f64,
}

/// A valid inequality for a [`Mixed`] row: coefficients of its terms, side.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Valid {
    pub(crate) integers: Vec<f64>,
    pub(crate) continuous: Vec<f64>,
    pub(crate) rhs: f64,
}

/// Which bounds continuous variables are measured from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Preference {
    /// The closest, a variable bound before a simple one as close.
    Closest,
    /// Simple bounds alone.
    Simple,
}

impl<'a> Frame<'a> {
    /// `lower` and `upper`: bounds of the columns that the cuts may use.
    pub(crate) fn new(
        mip: &'a Mip,
        source: Source<'a>,
        lower: &[f64],
        upper: &[f64],
        variable_bounds: &'a VariableBounds,
    ) -> Self {
        let columns = mip.columns();
        let mut frame = Self {
            mip,
            source,
            columns,
            lower: lower.to_vec(),
            upper: upper.to_vec(),
            value: source.x.to_vec(),
            integer: mip.integer.clone(),
            variable_bounds,
        };
        for i in 0..source.row_lower.len() {
            let (mut l, mut u) = (source.row_lower[i], source.row_upper[i]);
            let (indices, values) = source.rows.entries(i);
            let integral = !indices.is_empty()
                && indices.iter().zip(values).all(|(&j, &a)| {
                    mip.integer[j as usize] && is_whole(a) && a.abs() < params::LARGEST_INTEGER
                });
            if integral {
                l = (l - params::INTEGRAL_SIDE).ceil();
                u = (u + params::INTEGRAL_SIDE).floor();
            }
            frame.lower.push(l);
            frame.upper.push(u);
            frame.value.push(source.activity[i]);
            frame.integer.push(integral);
        }
        frame
    }

    /// Number of rows of the relaxation.
    pub(crate) fn rows(&self) -> usize {
        self.source.row_lower.len()
    }

    /// Number of variables: columns and rows.
    pub(crate) fn variables(&self) -> usize {
        self.lower.len()
    }

    /// Adds `weight (a_i x - r_i)`.
    pub(crate) fn add_row(&self, i: usize, weight: f64, scratch: &mut Scratch) {
        let (indices, values) = self.source.rows.entries(i);
        for (&j, &a) in indices.iter().zip(values) {
            scratch.add(j as usize, weight * a);
        }
        scratch.add(self.columns + i, -weight);
    }

    /// Distance of variable `v` to the closest of its own and variable bounds,
    /// at the relaxation's solution; infinite for a free variable.
    pub(crate) fn bound_distance(&self, v: usize) -> f64 {
        let (below, above) = (self.closest_lower(v), self.closest_upper(v));
        (self.value[v] - below.0).min(above.0 - self.value[v])
    }

    /// Value at the solution, and origin, of the highest lower bound.
    fn closest_lower(&self, v: usize) -> (f64, Origin) {
        let mut best = (self.lower[v], Origin::Lower(self.lower[v]));
        if v < self.columns && !self.integer[v] {
            for bound in self.variable_bounds.lower(v) {
                let at = bound.at(self.value[bound.binary as usize]);
                if at >= best.0 - params::TIE && self.is_usable(bound) {
                    best = (at, Origin::VariableLower(*bound));
                }
            }
        }
        best
    }

    /// Value at the solution, and origin, of the lowest upper bound.
    fn closest_upper(&self, v: usize) -> (f64, Origin) {
        let mut best = (self.upper[v], Origin::Upper(self.upper[v]));
        if v < self.columns && !self.integer[v] {
            for bound in self.variable_bounds.upper(v) {
                let at = bound.at(self.value[bound.binary as usize]);
                if at <= best.0 + params::TIE && self.is_usable(bound) {
                    best = (at, Origin::VariableUpper(*bound));
                }
            }
        }
        best
    }

    /// Whether `bound` says more than the simple bounds in reach, in numbers
    /// that floating point can use.
    fn is_usable(&self, bound: &VarBound) -> bool {
        let z = bound.binary as usize;
        self.lower[z] < self.upper[z]
            && bound.a.abs() <= params::LARGEST_BOUND
            && bound.b.abs() <= params::LARGEST_BOUND
    }

    /// The base inequality `sign * sum terms <= 0` measured from bounds; none
    /// where a variable has no bound to measure from.
    pub(crate) fn substitute(
        &self,
        terms: &[(Index, f64)],
        sign: f64,
        preference: Preference,
        scratch: &mut Scratch,
    ) -> Option<Mixed> {
        let mut mixed = Mixed::default();
        let mut is_bounded = true;
        for &(v, a) in terms {
            let (v, a) = (v as usize, sign * a);
            let (l, u) = (self.lower[v], self.upper[v]);
            if l >= u {
                mixed.rhs -= a * l;
            } else if self.integer[v] {
                scratch.add(v, a);
            } else if let Some(term) = self.continuous(v, a, preference) {
                let mut coefficient = a;
                match term.origin {
                    Origin::Lower(l) => mixed.rhs -= a * l,
                    Origin::Upper(u) => {
                        mixed.rhs -= a * u;
                        coefficient = -a;
                    }
                    Origin::VariableLower(bound) => {
                        mixed.rhs -= a * bound.b;
                        scratch.add(bound.binary as usize, a * bound.a);
                    }
                    Origin::VariableUpper(bound) => {
                        mixed.rhs -= a * bound.b;
                        scratch.add(bound.binary as usize, a * bound.a);
                        coefficient = -a;
                    }
                }
                mixed.continuous.push(Term {
                    coefficient,
                    ..term
                });
            } else {
                is_bounded = false;
                break;
            }
        }
        for (v, a) in scratch.take() {
            if is_bounded {
                is_bounded = self.add_integer(v as usize, a, &mut mixed);
            }
        }
        (is_bounded && mixed.rhs.abs() <= params::LARGEST_SIDE).then_some(mixed)
    }

    /// Continuous variable `v` measured from a bound; `a` breaks ties so that
    /// its term can be left out of a cut.
    fn continuous(&self, v: usize, a: f64, preference: Preference) -> Option<Term> {
        let x = self.value[v];
        let (mut below, mut above) = (
            (self.lower[v], Origin::Lower(self.lower[v])),
            (self.upper[v], Origin::Upper(self.upper[v])),
        );
        if preference != Preference::Simple {
            below = self.closest_lower(v);
            above = self.closest_upper(v);
        }
        let usable = |bound: f64| bound.abs() <= params::LARGEST_BOUND;
        let (l, u) = (usable(below.0), usable(above.0));
        let (to_lower, to_upper) = (x - below.0, above.0 - x);
        let variable =
            |origin| matches!(origin, Origin::VariableLower(_) | Origin::VariableUpper(_));
        let from_lower = match (l, u) {
            (false, false) => return None,
            (true, false) => true,
            (false, true) => false,
            (true, true) => {
                if (to_lower - to_upper).abs() <= params::TIE {
                    a > 0.0
                } else {
                    to_lower < to_upper
                }
            }
        };
        let (origin, value) = if from_lower {
            (below.1, to_lower)
        } else {
            (above.1, to_upper)
        };
        Some(Term {
            variable: index(v),
            coefficient: a,
            width: if variable(origin) {
                f64::INFINITY
            } else {
                self.upper[v] - self.lower[v]
            },
            value: value.max(0.0),
            origin,
        })
    }

    /// Integer variable `v` with coefficient `a`, measured from the closer
    /// bound; false if it has none.
    fn add_integer(&self, v: usize, a: f64, mixed: &mut Mixed) -> bool {
        let (l, u, x) = (self.lower[v], self.upper[v], self.value[v]);
        if a.abs() <= params::TINY {
            // a v >= the least that it can be
            let least = if a > 0.0 { a * l } else { a * u };
            mixed.rhs -= least;
            return least.is_finite();
        }
        let usable = |bound: f64| bound.abs() <= params::LARGEST_BOUND;
        let from_lower = match (usable(l), usable(u)) {
            (false, false) => return false,
            (true, false) => true,
            (false, true) => false,
            (true, true) => x - l <= u - x,
        };
        let (origin, value, coefficient) = if from_lower {
            mixed.rhs -= a * l;
            (Origin::Lower(l), x - l, a)
        } else {
            mixed.rhs -= a * u;
            (Origin::Upper(u), u - x, -a)
        };
        mixed.integers.push(Term {
            variable: index(v),
            coefficient,
            width: u - l,
            value: value.max(0.0),
            origin,
        });
        true
    }

    /// A valid inequality of `mixed`, over the columns: terms ascending, side.
    pub(crate) fn restore(
        &self,
        mixed: &Mixed,
        valid: &Valid,
        scratch: &mut Scratch,
    ) -> (Vec<(Index, f64)>, f64) {
        let mut rhs = valid.rhs;
        let pairs = mixed
            .integers
            .iter()
            .zip(&valid.integers)
            .chain(mixed.continuous.iter().zip(&valid.continuous));
        for (term, &g) in pairs {
            if g == 0.0 {
                continue;
            }
            let v = term.variable as usize;
            match term.origin {
                Origin::Lower(l) => {
                    rhs += g * l;
                    self.add_variable(v, g, scratch);
                }
                Origin::Upper(u) => {
                    rhs -= g * u;
                    self.add_variable(v, -g, scratch);
                }
                Origin::VariableLower(bound) => {
                    rhs += g * bound.b;
                    self.add_variable(v, g, scratch);
                    scratch.add(bound.binary as usize, -g * bound.a);
                }
                Origin::VariableUpper(bound) => {
                    rhs -= g * bound.b;
                    self.add_variable(v, -g, scratch);
                    scratch.add(bound.binary as usize, g * bound.a);
                }
            }
        }
        (scratch.take(), rhs)
    }

    /// Adds `g v` over the columns.
    fn add_variable(&self, v: usize, g: f64, scratch: &mut Scratch) {
        if v < self.columns {
            scratch.add(v, g);
        } else {
            let (indices, values) = self.source.rows.entries(v - self.columns);
            for (&j, &a) in indices.iter().zip(values) {
                scratch.add(j as usize, g * a);
            }
        }
    }
}

impl Term {
    /// Whether the variable, if integer, is binary.
    pub(crate) fn is_binary(&self) -> bool {
        (self.width - 1.0).abs() <= params::TINY
    }
}

impl Mixed {
    /// Number of terms.
    pub(crate) fn len(&self) -> usize {
        self.integers.len() + self.continuous.len()
    }

    /// By how much `valid` is violated at the solution, over its norm, both in
    /// the substituted variables.
    pub(crate) fn efficacy(&self, valid: &Valid) -> f64 {
        let (mut violation, mut square) = (-valid.rhs, 0.0);
        for (term, &g) in self
            .integers
            .iter()
            .zip(&valid.integers)
            .chain(self.continuous.iter().zip(&valid.continuous))
        {
            violation += g * term.value;
            square += g * g;
        }
        if square > 0.0 {
            violation / square.sqrt()
        } else {
            0.0
        }
    }
}
