//! Text for people: CPU diagrams, tables, escaped names.

mod cells;
mod diagram;
mod escape;
mod forecast;
mod host;
pub mod html;

pub use diagram::{DETAILED, format_diagram};
pub use escape::{UnescapeError, display_name, escape_name, unescape_name};
pub use forecast::format_plot;
pub use host::format_topology;

#[cfg(test)]
mod tests;
