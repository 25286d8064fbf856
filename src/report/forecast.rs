//! An evaluation as one SVG: calibration curve, loss by group, a trace with its band.

use std::fmt::Write as _;

use super::html::escape;
use crate::predict::evaluate::{BASELINES, Drawn, Evaluation};

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 640.0;
/// Side of the two upper panels' plots.
const UPPER: f64 = 260.0;
/// Moments of the trace that are drawn at most.
const MOMENTS: usize = 288;
/// Colours of the model and of the baselines.
const COLOURS: [&str; 5] = ["#0b62a4", "#b5b5b5", "#d0b070", "#b090c0", "#80b090"];

/// The picture; `quantiles` are the model's, `main` the one that is used.
#[must_use]
pub fn format_plot(evaluation: &Evaluation, quantiles: &[f64], main: usize) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n"
    );
    calibration(&mut svg, evaluation, quantiles);
    groups(&mut svg, evaluation);
    if let Some((id, drawn)) = &evaluation.drawn {
        trace(&mut svg, id, drawn, quantiles[main]);
    }
    svg.push_str("</svg>\n");
    svg
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, words: &str) {
    let words = escape(words);
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>"
    );
}

fn line(svg: &mut String, from: (f64, f64), to: (f64, f64), colour: &str) {
    let _ = writeln!(
        svg,
        "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"{colour}\"/>",
        from.0, from.1, to.0, to.1
    );
}

/// Nominal against observed, both from 0.4 to 1.
fn calibration(svg: &mut String, evaluation: &Evaluation, quantiles: &[f64]) {
    let (left, top) = (60.0, 40.0);
    let place = |q: f64| (q - 0.4).max(0.0) / 0.6 * UPPER;
    let rows = f64_of(evaluation.pooled().raw.rows.max(1));
    text(
        svg,
        left,
        24.0,
        "start",
        "Calibration: share of outcomes at or below the quantile",
    );
    line(
        svg,
        (left, top + UPPER),
        (left + UPPER, top + UPPER),
        "#444",
    );
    line(svg, (left, top), (left, top + UPPER), "#444");
    line(svg, (left, top + UPPER), (left + UPPER, top), "#bbb");
    for tick in [0.5, 0.7, 0.9, 1.0] {
        text(
            svg,
            left + place(tick),
            top + UPPER + 16.0,
            "middle",
            &format!("{tick}"),
        );
        text(
            svg,
            left - 6.0,
            top + UPPER - place(tick) + 4.0,
            "end",
            &format!("{tick}"),
        );
    }
    for (q, &covered) in quantiles.iter().zip(&evaluation.covered) {
        let observed = f64_of(covered) / rows;
        let (x, y) = (left + place(*q), top + UPPER - place(observed));
        let _ = writeln!(
            svg,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{}\"/>",
            COLOURS[0]
        );
        text(svg, x - 8.0, y - 6.0, "end", &format!("{observed:.3}"));
    }
}

/// Loss of each group relative to the last hour's maximum.
fn groups(svg: &mut String, evaluation: &Evaluation) {
    let (left, top) = (420.0, 40.0);
    text(
        svg,
        left,
        24.0,
        "start",
        "Pinball loss by group, of that of the last hour's maximum = 1",
    );
    let count = f64_of(u64::try_from(evaluation.groups.len().max(1)).unwrap_or(1));
    let step = 500.0 / count;
    let bar = step / 6.0;
    let base = top + UPPER;
    line(svg, (left, base), (left + 500.0, base), "#444");
    let mut x = left;
    for (name, both) in &evaluation.groups {
        let loss = |i: usize| {
            let tally = evaluation.baselines[i].get(name);
            tally.map_or(0.0, |t| t.score().pinball)
        };
        let unit = loss(0).max(1e-12);
        let model = both.calibrated.score().pinball;
        let losses = [model, loss(0), loss(1), loss(2), loss(3)];
        let mut at = x + bar / 2.0;
        for (loss, colour) in losses.iter().zip(COLOURS) {
            let height = (loss / unit * UPPER / 2.0).min(UPPER);
            let _ = writeln!(
                svg,
                "<rect x=\"{at:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{height:.1}\" fill=\"{colour}\"/>",
                base - height,
                bar * 0.9
            );
            at += bar;
        }
        text(svg, x + step / 2.0, base + 16.0, "middle", name);
        text(
            svg,
            x + step / 2.0,
            base + 31.0,
            "middle",
            &format!("{model:.3}"),
        );
        x += step;
    }
    let mut y = top + 8.0;
    for (name, colour) in std::iter::once(&"model").chain(&BASELINES).zip(COLOURS) {
        let _ = writeln!(
            svg,
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"10\" height=\"10\" fill=\"{colour}\"/>",
            left + 370.0,
            y - 9.0
        );
        text(svg, left + 385.0, y, "start", name);
        y += 15.0;
    }
}

/// Outcomes, the band of the outermost quantiles, and what a host would use.
fn trace(svg: &mut String, id: &str, drawn: &[Drawn], main: f64) {
    let (left, top, width, height) = (60.0, 390.0, 860.0, 200.0);
    let drawn = &drawn[drawn.len().saturating_sub(MOMENTS)..];
    let (Some(first), Some(last)) = (drawn.first(), drawn.last()) else {
        return;
    };
    let span = (last.now_s - first.now_s).max(1.0);
    let high = |d: &Drawn| d.quantiles.last().copied().unwrap_or(0.0);
    let low = |d: &Drawn| d.quantiles.first().copied().unwrap_or(0.0);
    let most = drawn
        .iter()
        .map(|d| d.outcome.max(d.calibrated).max(high(d)));
    let most = most.fold(1e-9, f64::max);
    let place = |now_s: f64, value: f64| {
        let x = left + (now_s - first.now_s) / span * width;
        format!("{x:.1},{:.1}", top + height - value / most * height)
    };
    let path = |value: &dyn Fn(&Drawn) -> f64| {
        let points: Vec<String> = drawn.iter().map(|d| place(d.now_s, value(d))).collect();
        points
    };
    text(
        svg,
        left,
        top - 10.0,
        "start",
        &format!(
            "{id}: outcomes (dots), lowest to highest quantile (band), what is used at {main} (line), up to {most:.1}, {:.1} h",
            span / 3_600.0
        ),
    );
    let mut band = path(&high);
    band.extend(path(&low).into_iter().rev());
    let _ = writeln!(
        svg,
        "<polygon points=\"{}\" fill=\"#0b62a4\" fill-opacity=\"0.15\"/>",
        band.join(" ")
    );
    let used = path(&|d| d.calibrated);
    let _ = writeln!(
        svg,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\"/>",
        used.join(" "),
        COLOURS[0]
    );
    for point in path(&|d| d.outcome) {
        if let Some((x, y)) = point.split_once(',') {
            let _ = writeln!(
                svg,
                "<circle cx=\"{x}\" cy=\"{y}\" r=\"1.4\" fill=\"#333\"/>"
            );
        }
    }
    line(
        svg,
        (left, top + height),
        (left + width, top + height),
        "#444",
    );
    line(svg, (left, top), (left, top + height), "#444");
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
fn f64_of(count: u64) -> f64 {
    count as f64
}
