//! `bench.csv`, `bench.md` and `techniques.csv`.
#![expect(clippy::disallowed_methods, reason = "writes the reports")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use super::Row;
use super::catalogue::{Expected, Folder, Peer};
use super::child;
use super::judge::Verdict;
use crate::cli::args::Bench;

/// Shift of the geometric mean, in seconds: below it differences count less.
const SHIFT_S: f64 = 1.0;

/// exp(mean log(t + shift)) - shift.
fn shifted_mean(seconds: &[f64]) -> f64 {
    if seconds.is_empty() {
        return 0.0;
    }
    let logs: f64 = seconds.iter().map(|t| (t + SHIFT_S).ln()).sum();
    (logs / seconds.len() as f64).exp() - SHIFT_S
}

/// Seconds that count for a row.
fn seconds(row: &Row, limit: f64) -> f64 {
    match row.verdict {
        Verdict::Solved => row.run.cpu_s.unwrap_or(row.run.wall_s).min(limit),
        _ => limit,
    }
}

fn peer_seconds(peer: &Peer, limit: f64) -> f64 {
    if peer.is_solved && peer.cpu_s <= limit {
        peer.cpu_s
    } else {
        limit
    }
}

/// Writes the files; their paths.
pub(super) fn write(args: &Bench, tables: &[(Folder, Vec<Row>)]) -> Result<[PathBuf; 3], String> {
    std::fs::create_dir_all(&args.out)
        .map_err(|error| format!("cannot make {}: {error}", args.out.display()))?;
    let paths = ["bench.csv", "bench.md", "techniques.csv"].map(|name| args.out.join(name));
    let texts = [csv(tables), markdown(args, tables), deeds(tables)];
    for (path, text) in paths.iter().zip(texts) {
        std::fs::write(path, text)
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    Ok(paths)
}

fn csv(tables: &[(Folder, Vec<Row>)]) -> String {
    let mut text = String::from(
        "folder,instance,verdict,status,objective,bound,gap,nodes,lp_iterations,cpu_s,wall_s,elapsed_s,first_incumbent_s,peak_mib\n",
    );
    let number = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
    for (folder, rows) in tables {
        for row in rows {
            let verdict = match row.verdict {
                Verdict::Solved => "solved",
                Verdict::Unsolved => "unsolved",
                Verdict::Wrong(_) => "wrong",
            };
            let answer = row.run.answer.as_ref();
            let of = |pick: fn(&child::Answer) -> Option<f64>| number(answer.and_then(pick));
            let _ = writeln!(
                text,
                "{},{},{verdict},{},{},{},{},{},{},{},{:.4},{},{},{}",
                folder.name,
                row.instance.name,
                answer.map_or("none", |answer| answer.status.as_str()),
                of(|answer| answer.objective),
                of(|answer| answer.bound),
                of(|answer| answer.gap),
                answer.map_or(0, |answer| answer.nodes),
                answer.map_or(0, |answer| answer.lp_iterations),
                number(row.run.cpu_s),
                row.run.wall_s,
                of(|answer| Some(answer.elapsed_s)),
                of(|answer| answer.first_incumbent_s),
                number(row.run.peak_mib),
            );
        }
    }
    text
}

/// A line for each technique (and kind) that did anything on an instance.
fn deeds(tables: &[(Folder, Vec<Row>)]) -> String {
    let mut text = String::from("folder,instance,technique,kind,calls,found,used,ticks\n");
    for (folder, rows) in tables {
        for row in rows {
            for deed in row.run.answer.iter().flat_map(|answer| &answer.techniques) {
                let _ = writeln!(
                    text,
                    "{},{},{},{},{},{},{},{}",
                    folder.name,
                    row.instance.name,
                    deed.technique,
                    deed.kind,
                    deed.calls,
                    deed.found,
                    deed.used,
                    deed.ticks,
                );
            }
        }
    }
    text
}

/// How many instances each technique (and kind) had an effect on.
fn firing(text: &mut String, rows: &[Row]) {
    let mut sums: BTreeMap<(&str, &str), (usize, u64, u64)> = BTreeMap::new();
    for row in rows {
        for deed in row.run.answer.iter().flat_map(|answer| &answer.techniques) {
            let sum = sums.entry((&deed.technique, &deed.kind)).or_default();
            sum.0 += usize::from(deed.used > 0);
            sum.1 += deed.used;
            sum.2 += deed.ticks;
        }
    }
    if sums.is_empty() {
        return;
    }
    text.push_str(
        "\n| technique | kind | instances with an effect | effects | ticks |\n|-|-|-|-|-|\n",
    );
    for ((technique, kind), (instances, used, ticks)) in sums {
        let _ = writeln!(
            text,
            "| {technique} | {kind} | {instances} | {used} | {ticks} |"
        );
    }
}

fn markdown(args: &Bench, tables: &[(Folder, Vec<Row>)]) -> String {
    let limit = args.time_limit.as_secs_f64();
    let mut text = format!(
        "# branchcut {} on {}\n\nEach solve: `branchcut FILE {}`, {} at a time; limit {limit} s of {} time. Seconds are CPU time of the process, reading included. `.`: not solved; shifted geometric means (shift {SHIFT_S} s) count the limit for it.\n",
        env!("CARGO_PKG_VERSION"),
        args.dir.display(),
        child::arguments(args).join(" "),
        args.jobs,
        if args.cpu { "CPU" } else { "wall" },
    );
    for (folder, rows) in tables {
        let title = if folder.name == "." {
            "Instances"
        } else {
            &folder.name
        };
        let _ = writeln!(text, "\n## {title}\n");
        summary(&mut text, folder, rows, limit);
        details(&mut text, folder, rows, limit);
        firing(&mut text, rows);
    }
    text
}

fn summary(text: &mut String, folder: &Folder, rows: &[Row], limit: f64) {
    let all: Vec<f64> = rows.iter().map(|row| seconds(row, limit)).collect();
    let solved = |rows: &[Row]| {
        rows.iter()
            .filter(|row| row.verdict == Verdict::Solved)
            .count()
    };
    let wrong = rows
        .iter()
        .filter(|row| matches!(row.verdict, Verdict::Wrong(_)))
        .count();
    let _ = writeln!(
        text,
        "| solver | instances | solved | wrong | shifted mean, s | branchcut on the same |\n|-|-|-|-|-|-|\n| branchcut | {} | {} | {wrong} | {:.3} | |",
        rows.len(),
        solved(rows),
        shifted_mean(&all),
    );
    for (name, results) in &folder.peers {
        let pairs: Vec<(&Row, &Peer)> = rows
            .iter()
            .filter_map(|row| Some((row, results.get(&row.instance.name)?)))
            .collect();
        if pairs.is_empty() {
            continue;
        }
        let theirs: Vec<f64> = pairs
            .iter()
            .map(|(_, peer)| peer_seconds(peer, limit))
            .collect();
        let ours: Vec<f64> = pairs.iter().map(|(row, _)| seconds(row, limit)).collect();
        let _ = writeln!(
            text,
            "| {name} | {} | {} | | {:.3} | {:.3} |",
            pairs.len(),
            pairs
                .iter()
                .filter(|(_, peer)| peer.is_solved && peer.cpu_s <= limit)
                .count(),
            shifted_mean(&theirs),
            shifted_mean(&ours),
        );
    }
}

fn details(text: &mut String, folder: &Folder, rows: &[Row], limit: f64) {
    let names: Vec<&String> = folder.peers.keys().collect();
    text.push_str("\n| instance | tier | right | status | objective | bound | gap % | nodes | MiB | branchcut, s |");
    for name in &names {
        let _ = write!(text, " {name}, s |");
    }
    text.push_str(&format!("\n|{}\n", "-|".repeat(10 + names.len())));
    let mut order: Vec<&Row> = rows.iter().collect();
    // The slowest first.
    order.sort_by(|a, b| {
        seconds(b, limit)
            .total_cmp(&seconds(a, limit))
            .then_with(|| a.instance.name.cmp(&b.instance.name))
    });
    for row in order {
        let answer = row.run.answer.as_ref();
        let number = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
        let expected = match row.instance.expected {
            Expected::Optimum(optimum) => optimum.to_string(),
            Expected::Infeasible => "infeasible".to_owned(),
            Expected::Unbounded => "unbounded".to_owned(),
            Expected::Unknown => "?".to_owned(),
        };
        let shown = match &row.verdict {
            Verdict::Solved => format!("{:.2}", seconds(row, limit)),
            Verdict::Unsolved => ".".to_owned(),
            Verdict::Wrong(what) => format!("**wrong: {what}**"),
        };
        let _ = write!(
            text,
            "| {} | {} | {expected} | {} | {} | {} | {} | {} | {} | {shown} |",
            row.instance.name,
            row.instance.tier,
            answer.map_or("none", |answer| answer.status.as_str()),
            number(answer.and_then(|answer| answer.objective)),
            number(answer.and_then(|answer| answer.bound)),
            answer
                .and_then(|answer| answer.gap)
                .map_or(String::new(), |gap| format!("{:.4}", 100.0 * gap)),
            answer.map_or(0, |answer| answer.nodes),
            row.run
                .peak_mib
                .map_or(String::new(), |peak| format!("{peak:.0}")),
        );
        for name in &names {
            let peer = folder.peers[*name].get(&row.instance.name);
            let time = peer.map_or(String::new(), |peer| {
                let memory = peer
                    .peak_mib
                    .map_or(String::new(), |peak| format!(" ({peak:.0} MiB)"));
                if peer.is_solved && peer.cpu_s <= limit {
                    format!("{:.2}{memory}", peer.cpu_s)
                } else {
                    format!(".{memory}")
                }
            });
            let _ = write!(text, " {time} |");
        }
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shifted_mean_by_hand() {
        // sqrt((1 + 1) (7 + 1)) - 1.
        assert!((shifted_mean(&[1.0, 7.0]) - 3.0).abs() < 1e-12);
        assert!(shifted_mean(&[]).abs() < 1e-12);
    }
}
