//! A simulation as one SVG: a bar for each counter and policy, each counter
//! on its own scale. No script, no font file, the same bytes for the same
//! counters.

use std::fmt::Write;

use super::report::figures;
use super::run::Outcome;
use super::scenario::Scenario;
use crate::report::html::escape;

/// Width of the longest bar.
const BAR: f64 = 360.0;
/// Left edge of the bars.
const LEFT: u32 = 220;
/// Height of a bar with its gap.
const STEP: u32 = 18;
/// Colours of the policies, in their order.
const COLOURS: [&str; 3] = ["#9a9a9a", "#d9822b", "#2b6cb0"];

/// The chart.
#[must_use]
pub fn chart(scenario: &Scenario, outcome: &Outcome) -> String {
    let columns: Vec<_> = outcome
        .runs
        .iter()
        .map(|run| figures(run, scenario))
        .collect();
    let counters = columns.first().map_or(0, Vec::len);
    let mut body = String::new();
    let mut y = 30;
    for (place, run) in outcome.runs.iter().enumerate() {
        let x = LEFT + 130 * u32::try_from(place).unwrap_or(0);
        let colour = COLOURS[place % COLOURS.len()];
        let _ = writeln!(
            body,
            "<rect x=\"{x}\" y=\"34\" width=\"12\" height=\"12\" fill=\"{colour}\"/>\
             <text x=\"{}\" y=\"44\">{}</text>",
            x + 18,
            run.policy.name()
        );
    }
    y += 34;
    for counter in 0..counters {
        let of = |column: usize| &columns[column][counter];
        let most = (0..columns.len()).map(|c| of(c).value).fold(0.0, f64::max);
        let first = of(0);
        let _ = writeln!(
            body,
            "<text x=\"10\" y=\"{}\">{}, {}</text>",
            y + 13,
            first.name,
            first.unit
        );
        for column in 0..columns.len() {
            let value = of(column).value;
            let width = if most > 0.0 { value / most * BAR } else { 0.0 };
            let _ = writeln!(
                body,
                "<rect x=\"{LEFT}\" y=\"{y}\" width=\"{width:.1}\" height=\"14\" fill=\"{}\"/>\
                 <text x=\"{:.1}\" y=\"{}\">{value:.3}</text>",
                COLOURS[column % COLOURS.len()],
                f64::from(LEFT) + width + 6.0,
                y + 12
            );
            y += STEP;
        }
        y += 8;
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"700\" height=\"{y}\" viewBox=\"0 0 700 {y}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"700\" height=\"{y}\" fill=\"white\"/>\n\
         <text x=\"10\" y=\"20\" font-size=\"14\">{}</text>\n{body}</svg>\n",
        escape(&scenario.name)
    )
}
