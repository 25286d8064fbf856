//! Plans for people: short and aligned.

use std::fmt::Write;

use crate::cpuset::CpuSet;
use crate::placement::{CostParts, Instance, Status};
use crate::topology::Topology;

/// Rows of text cells, each column as wide as its widest cell; the last column
/// is not padded.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |c: usize| {
        rows.iter()
            .filter_map(|r| r.get(c))
            .map(|t| t.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, "{cell:width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Micro-CPU as CPUs with three decimals.
#[expect(clippy::cast_precision_loss, reason = "for display")]
pub(crate) fn cpus(micro: i64) -> String {
    format!("{:.3}", micro as f64 / 1e6)
}

/// The line that says what the host is.
pub(crate) fn host_line(topology: &Topology) -> String {
    let s = topology.summary();
    let count =
        |n: usize, one: &str, many: &str| format!("{n} {}", if n == 1 { one } else { many });
    format!(
        "{} on {}, {}, {}, {}",
        count(s.threads, "thread", "threads"),
        count(s.cores, "core", "cores"),
        count(s.l3, "L3 cache", "L3 caches"),
        count(s.numa, "NUMA node", "NUMA nodes"),
        count(s.sockets, "socket", "sockets"),
    )
}

/// What a status means, in words.
pub(crate) fn status_words(status: Status) -> &'static str {
    match status {
        Status::Optimal => "optimal: no placement costs less (proved)",
        Status::GapReached => "within the gap asked for",
        Status::TimeLimit => "best found within the budget",
        Status::Kept => "kept: the old placement stays",
        Status::Relaxed => "relaxed: the rules contradict each other, the softest were given up",
        Status::Fallback => "fallback: greedy or keep-and-fit",
    }
}

/// The proof of an answer in one line.
pub(crate) fn proof_line(cost: i64, lower_bound: i64, gap: f64) -> String {
    format!(
        "cost {} CPUs lost, at least {} for any placement (gap {:.2} %)",
        cpus(cost),
        cpus(lower_bound),
        gap * 100.0
    )
}

/// The cost by cause, in one line, zero parts left out.
pub(crate) fn parts_line(parts: &CostParts) -> String {
    let all = [
        ("busy siblings", parts.smt),
        ("spread", parts.spread),
        ("balance", parts.balance),
        ("movement", parts.movement),
        ("slow cores", parts.slow),
        ("away from home", parts.away),
    ];
    let named: Vec<String> = all
        .iter()
        .filter(|(_, value)| *value != 0)
        .map(|(name, value)| format!("{name} {}", cpus(*value)))
        .collect();
    if named.is_empty() {
        "nothing".into()
    } else {
        named.join(", ")
    }
}

/// A set for people.
pub(crate) fn shown(set: &CpuSet) -> String {
    if set.is_empty() {
        "-".into()
    } else {
        set.to_string()
    }
}

/// One row a container: what it asks for, will use, had and gets.
pub(crate) fn container_table(
    instance: &Instance,
    before: impl Fn(&str) -> CpuSet,
    cpusets: &std::collections::BTreeMap<String, CpuSet>,
) -> String {
    let head = ["CONTAINER", "KIND", "CPUS", "P95", "BEFORE", "CPUSET", ""]
        .map(String::from)
        .to_vec();
    let mut rows = vec![head];
    for c in &instance.containers {
        let (old, new) = (
            before(&c.id),
            cpusets.get(&c.id).cloned().unwrap_or_default(),
        );
        rows.push(vec![
            c.id.clone(),
            format!("{:?}", c.kind).to_lowercase(),
            if c.cpus == 0 {
                "-".into()
            } else {
                c.cpus.to_string()
            },
            format!("{:.2}", c.predicted_p95),
            shown(&old),
            shown(&new),
            if old == new {
                String::new()
            } else {
                "changes".into()
            },
        ]);
    }
    table(&rows)
}

/// Lines beside a heading, two columns to its right.
pub(crate) fn hanging(heading: &str, lines: &[String]) -> String {
    let indent = " ".repeat(heading.chars().count());
    let head = std::iter::once(heading).chain(std::iter::repeat(indent.as_str()));
    let pairs = head.zip(lines);
    pairs
        .map(|(head, line)| format!("{head}  {line}\n"))
        .collect()
}

/// Indented lines under a heading; nothing for no lines.
pub(crate) fn section(heading: &str, lines: &[String]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let body: String = lines.iter().map(|line| format!("  {line}\n")).collect();
    format!("{heading}\n{body}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let row = |cells: &[&str]| cells.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(
            table(&[row(&["A", "B"]), row(&["long", "x"])]),
            "A     B\nlong  x\n"
        );
    }

    #[test]
    fn zero_parts_are_left_out() {
        let parts = CostParts {
            smt: 1_500_000,
            movement: 5000,
            ..CostParts::default()
        };
        assert_eq!(parts_line(&parts), "busy siblings 1.500, movement 0.005");
        assert_eq!(parts_line(&CostParts::default()), "nothing");
    }
}
