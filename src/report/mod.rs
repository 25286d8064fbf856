//! Text for people: CPU diagrams, tables, escaped names.

mod escape;

pub use escape::{UnescapeError, escape_name, unescape_name};
