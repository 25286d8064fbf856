//! The LP format of CPLEX, for linear models.
//!
//! ```text
//! \ a comment, to the end of the line
//! Minimize                          or Maximize
//!  cost: 3 x + 2 y - z + 10         name optional; a number alone is a constant
//! Subject To                        or such that, st, s.t.
//!  r1: x + y >= 2                   name optional
//!  r2: -1 <= x - z <= 4
//! Bounds                            default: 0 to infinity
//!  0 <= x <= 4
//!  y free
//!  z >= -infinity
//! General                           or Integer: integer columns, bounds as above
//!  x
//! Binary                            integer, 0 to 1
//!  w
//! End
//! ```
//!
//! Columns are numbered as they appear first. `<`, `<=`, `=<` are the same, so
//! are `>`, `>=`, `=>`. Section keywords are recognised in any case where they
//! begin a line. Numbers of 1e20 and more are infinite. A column that occurs
//! twice in an expression has the sum of its coefficients.
//!
//! Refused by name: semicontinuous columns, SOS, quadratic terms (`[`, `^`,
//! `*`), indicators (`->`), lazy constraints and user cuts, and any other
//! section.

mod lexer;
mod read;
mod write;

pub use read::read;
pub use write::write;
