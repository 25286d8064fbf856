//! Linear programs: bounded dual and primal simplex in revised form.
//!
//! ```text
//! minimize c x   subject to   A x - r = 0,  l <= x <= u,  row_lower <= r <= row_upper
//! ```
//!
//! Row i has the logical variable r_i, its activity. Variables are numbered
//! columns first: j for column j, `columns + i` for r_i.
