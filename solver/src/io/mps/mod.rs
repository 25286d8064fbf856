//! The MPS format, fixed and free.
//!
//! A file is sections, each opened by a keyword in the first column; data
//! lines start with a blank. `*` in the first column is a comment.
//!
//! | section | line |
//! |-|-|
//! | `NAME name` | |
//! | `OBJSENSE` | `MAX` or `MIN`, on the same line or the next |
//! | `ROWS` | type `N`, `L`, `G`, `E`, name; the first `N` row is the objective, further ones are dropped |
//! | `COLUMNS` | column, row, value, and once more row, value; columns between the markers `'INTORG'` and `'INTEND'` are integer |
//! | `RHS` | \[set\], row, value, row, value; on the objective: its constant with the sign reversed |
//! | `RANGES` | \[set\], row, R, ...: `L` rhs - abs R to rhs; `G` rhs to rhs + abs R; `E` rhs to rhs + R, or from rhs + R where R < 0 |
//! | `BOUNDS` | type, \[set\], column, \[value\]: `UP`, `LO`, `FX`, `FR`, `MI`, `PL`, `BV`, `LI`, `UI` |
//! | `ENDATA` | |
//!
//! A continuous column without bounds is \[0, inf), an integer one between
//! markers is \[0, 1\]; any bound on the latter makes it start from \[0, inf).
//! A negative `UP` on a column whose lower bound is not given takes that away
//! (the rule of CPLEX). A value of 1e20 and more is infinite.
//!
//! In **free** form, fields are separated by blanks and a set's name may be
//! missing. In **fixed** form they stand in columns 2-3, 5-12, 15-22, 25-36,
//! 40-47, 50-61, so names may hold blanks. Files do not say which form they
//! have. One that can be read as free is; where names hold blanks that fails,
//! since a row's name then is two words where one is expected, and the file is
//! read as fixed.
//!
//! Everything else is refused by name: semicontinuous columns (`SC`), SOS,
//! quadratic sections, indicators, lazy rows.

mod fields;
mod read;
mod write;

pub use write::{WriteError, write};

use super::Fault;
use crate::model::Model;
use fields::Layout;

/// Reads a model in either form.
///
/// # Errors
/// The first place that cannot be understood, in the form that understood
/// more of the text.
pub fn read(text: &[u8]) -> Result<Model, Fault> {
    read::read(text, Layout::Free).or_else(|free| {
        read::read(text, Layout::Fixed).map_err(
            |fixed| {
                if fixed.line > free.line { fixed } else { free }
            },
        )
    })
}
