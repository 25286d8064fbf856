//! A basis to start from, as the caller sees it: by the columns and rows of the
//! model, not of what presolve makes of it.
//!
//! A basis says which columns and rows are basic and at which of their bounds
//! the others are (G. Dantzig 1951). Where a model differs a little from one
//! that was solved before, the old optimal basis is near the new one, and the
//! simplex method ends after a few iterations (a warm start; R. Bixby 1992,
//! "Implementing the simplex method: the initial basis", ORSA Journal on
//! Computing 4; I. Maros 2003, "Computational techniques of the simplex
//! method"). It steers the way to the optimum alone: no status, point or
//! bound is worse founded for a bad one.

use crate::lp;
use crate::lp::VarStatus;
use crate::sparse::Index;

/// Where a column is; of a row, its activity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BasisStatus {
    /// Not known, or without bounds and not basic. In a start: a column is not
    /// basic, a row is.
    #[default]
    Unknown,
    /// Determined by the others.
    Basic,
    /// At its lower bound or side, or fixed.
    Lower,
    /// At its upper bound or side.
    Upper,
}

/// A basis of a model's relaxation: to start from ([`crate::Options::basis`]), and
/// as a solve leaves it ([`crate::Outcome::basis`]).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Basis {
    /// By column of the model.
    pub columns: Vec<BasisStatus>,
    /// By row of the model.
    pub rows: Vec<BasisStatus>,
}

impl Basis {
    /// Nothing known of that many columns and rows.
    #[must_use]
    pub fn unknown(columns: usize, rows: usize) -> Self {
        Self {
            columns: vec![BasisStatus::Unknown; columns],
            rows: vec![BasisStatus::Unknown; rows],
        }
    }

    /// How many columns and rows are basic.
    #[must_use]
    pub fn basic(&self) -> usize {
        let all = self.columns.iter().chain(&self.rows);
        all.filter(|&&status| status == BasisStatus::Basic).count()
    }

    /// The part of these columns and rows.
    pub(crate) fn part(&self, columns: &[Index], rows: &[Index]) -> Self {
        let of =
            |all: &[BasisStatus], kept: &[Index]| kept.iter().map(|&k| all[k as usize]).collect();
        Self {
            columns: of(&self.columns, columns),
            rows: of(&self.rows, rows),
        }
    }

    /// Takes over `part`, which is of these columns and rows.
    pub(crate) fn take_part(&mut self, part: &Self, columns: &[Index], rows: &[Index]) {
        for (&j, &status) in columns.iter().zip(&part.columns) {
            self.columns[j as usize] = status;
        }
        for (&i, &status) in rows.iter().zip(&part.rows) {
            self.rows[i as usize] = status;
        }
    }
}

impl From<Basis> for lp::Basis {
    fn from(basis: Basis) -> Self {
        let status = |of: BasisStatus, unknown: VarStatus| match of {
            BasisStatus::Basic => VarStatus::Basic,
            BasisStatus::Lower => VarStatus::Lower,
            BasisStatus::Upper => VarStatus::Upper,
            BasisStatus::Unknown => unknown,
        };
        let all = |of: Vec<BasisStatus>, unknown| of.into_iter().map(move |of| status(of, unknown));
        Self {
            columns: all(basis.columns, VarStatus::Free).collect(),
            rows: all(basis.rows, VarStatus::Basic).collect(),
        }
    }
}

impl From<lp::Basis> for Basis {
    fn from(basis: lp::Basis) -> Self {
        let status = |of: VarStatus| match of {
            VarStatus::Basic => BasisStatus::Basic,
            VarStatus::Lower => BasisStatus::Lower,
            VarStatus::Upper => BasisStatus::Upper,
            VarStatus::Free => BasisStatus::Unknown,
        };
        Self {
            columns: basis.columns.into_iter().map(status).collect(),
            rows: basis.rows.into_iter().map(status).collect(),
        }
    }
}
