//! The host as read, as a table.

use super::cells::{Cache, cells, wrap};
use super::diagram::format_diagram;
use crate::cpuset::CpuSet;
use crate::placement::Placement;
use crate::topology::Topology;

/// One row for each group of like cores (socket, node, cache, number and width
/// of the cores, speed, CPUs), then what is offline or isolated, then, on hosts
/// of up to 64 threads, every core as a box. `width`: columns, at least 72.
#[must_use]
pub fn format_topology(topology: &Topology, width: usize) -> String {
    let width = width.max(72);
    let head = [
        "socket", "node", "cache", "cores", "threads", "speed", "CPUs",
    ];
    let mut rows = vec![head.map(String::from)];
    for cell in cells(topology) {
        let cache = match cell.cache {
            Cache::L3(label) => format!("L3 {label}"),
            Cache::Smaller(label) => format!("{label} (no L3)"),
            Cache::Private => "none".into(),
        };
        let threads = match cell.smt() {
            (least, most) if least == most => format!("{most} each"),
            (least, most) => format!("{least}-{most} each"),
        };
        rows.push([
            cell.socket.to_string(),
            cell.node.to_string(),
            cache,
            cell.cores.len().to_string(),
            threads,
            format!("{}.{} %", cell.perf / 10, cell.perf % 10),
            cell.cpus().to_string(),
        ]);
    }
    let last = head.len() - 1;
    let widths: Vec<usize> = (0..last)
        .map(|at| rows.iter().map(|row| row[at].len()).max().unwrap_or(0))
        .collect();
    let indent: usize = widths.iter().map(|w| w + 2).sum();
    let mut text = String::new();
    for row in &rows {
        for (line, part) in wrap(&row[last], (width - indent).max(16))
            .iter()
            .enumerate()
        {
            for (cell, width) in row.iter().zip(&widths) {
                let cell = if line == 0 { cell } else { "" };
                text.push_str(&format!("{cell:>width$}  "));
            }
            text.push_str(part);
            text.push('\n');
        }
    }
    let select = |wanted: fn(&crate::topology::Cpu) -> bool| -> CpuSet {
        topology
            .cpus
            .iter()
            .filter(|c| wanted(c))
            .map(|c| c.id)
            .collect()
    };
    let notes = [
        ("offline", topology.offline()),
        ("isolated", select(|cpu| cpu.isolated)),
        ("nohz_full", select(|cpu| cpu.nohz_full)),
    ];
    for (name, set) in notes.iter().filter(|(_, set)| !set.is_empty()) {
        for line in wrap(&format!("{name}: {set}"), width) {
            text.push_str(&line);
            text.push('\n');
        }
    }
    let none = Placement::new();
    let boxes = format_diagram(topology, &none, &none, width);
    if !boxes.is_empty() {
        text.push('\n');
        text.push_str(&boxes);
    }
    text
}
