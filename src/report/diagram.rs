//! The host drawn in text: which container has which hyper-thread.
//!
//! Each core is a column whose rows are its threads; the cores of one cache on
//! one node are a block, the blocks of a node stand side by side. Up to
//! [`DETAILED`] threads every core is a box with CPU numbers:
//!
//! ```text
//! node 0 (socket 0)
//!   L3 0
//!   +-----+-----+
//!   | 0 A | 1 B |
//!   | 2 A | 3 . |
//!   +-----+-----+
//! ```
//!
//! Larger hosts get one label a thread and the block's CPU list instead.
//! Owners are upper-case letters in the order of their ids (two letters from 27
//! owners on), lower case where the thread is only lent, with an apostrophe
//! where it is lent besides. Plain text of at most
//! the width asked for, no colour codes.

use std::collections::{BTreeMap, BTreeSet};

use super::cells::{Cache, Cell, cells, cut, wrap};
use super::escape::display_name;
use crate::cpuset::{CpuId, CpuSet};
use crate::placement::Placement;
use crate::topology::Topology;

/// Most online threads drawn with their CPU numbers.
pub const DETAILED: usize = 64;

/// Narrowest width drawn for, columns.
const LEAST_WIDTH: usize = 40;

/// Longest name in the legend, characters.
const LONGEST_NAME: usize = 44;

const INDENT: &str = "  ";

/// Draws the host's online threads with their owners.
///
/// `placement` holds the base threads by id, `lent` the threads lent besides;
/// a CPU may be in several sets of either. Both empty: CPU numbers alone, or
/// nothing on a host above [`DETAILED`] threads. `width`: columns, at least 40.
#[must_use]
pub fn format_diagram(
    topology: &Topology,
    placement: &Placement,
    lent: &Placement,
    width: usize,
) -> String {
    let width = width.max(LEAST_WIDTH);
    let labels = Labels::new(placement, lent);
    let detailed = topology.online().len() <= DETAILED;
    if labels.ids.is_empty() && !detailed {
        return String::new();
    }
    let cells = cells(topology);
    let mut lines: Vec<String> = Vec::new();
    let nodes: BTreeSet<u32> = cells.iter().map(|cell| cell.node).collect();
    for node in nodes {
        let mine: Vec<&Cell> = cells.iter().filter(|cell| cell.node == node).collect();
        let sockets: BTreeSet<u32> = mine.iter().map(|cell| cell.socket).collect();
        let names: Vec<String> = sockets.iter().map(ToString::to_string).collect();
        let word = if names.len() == 1 {
            "socket"
        } else {
            "sockets"
        };
        let heading = format!("node {node} ({word} {})", names.join(","));
        lines.extend(wrap(&heading, width));
        let room = width - INDENT.len();
        let blocks: Vec<Vec<String>> = mine
            .iter()
            .flat_map(|cell| draw(cell, topology, &labels, detailed, sockets.len() > 1, room))
            .collect();
        lines.extend(side_by_side(&blocks, width));
    }
    lines.extend(labels.legend(placement, lent, width));
    lines.join("\n") + "\n"
}

/// The label of each owner and of each thread.
struct Labels<'a> {
    ids: Vec<&'a str>,
    base: BTreeMap<CpuId, Vec<usize>>,
    lent: BTreeMap<CpuId, Vec<usize>>,
    /// Letters a label.
    letters: usize,
    /// Characters a label.
    width: usize,
}

impl<'a> Labels<'a> {
    fn new(placement: &'a Placement, lent: &'a Placement) -> Self {
        let ids: BTreeSet<&str> = placement
            .keys()
            .chain(lent.keys())
            .map(String::as_str)
            .collect();
        let ids: Vec<&str> = ids.into_iter().collect();
        let by_cpu = |sets: &Placement| {
            let mut owners: BTreeMap<CpuId, Vec<usize>> = BTreeMap::new();
            for (index, id) in ids.iter().enumerate() {
                for cpu in sets.get(*id).iter().flat_map(|set| set.iter()) {
                    owners.entry(cpu).or_default().push(index);
                }
            }
            owners
        };
        let mut letters = 1;
        let mut names = 26;
        while names < ids.len() {
            names *= 26;
            letters += 1;
        }
        let (base, lent) = (by_cpu(placement), by_cpu(lent));
        let is_both = base.keys().any(|cpu| lent.contains_key(cpu));
        Self {
            base,
            lent,
            ids,
            letters,
            width: letters + usize::from(is_both),
        }
    }

    /// Whether some thread has an owner and is lent besides.
    fn has_both(&self) -> bool {
        self.width > self.letters
    }

    /// The owner's letters, most significant first.
    fn letters(&self, mut index: usize) -> String {
        let mut letters = Vec::new();
        for _ in 0..self.letters {
            letters.push(('A'..='Z').nth(index % 26).unwrap_or('?'));
            index /= 26;
        }
        letters.iter().rev().collect()
    }

    fn of(&self, cpu: CpuId) -> String {
        let owners = |map: &BTreeMap<CpuId, Vec<usize>>| map.get(&cpu).cloned().unwrap_or_default();
        let text = match (&owners(&self.base)[..], &owners(&self.lent)[..]) {
            ([owner], []) => self.letters(*owner),
            ([owner], [_, ..]) => self.letters(*owner) + "'",
            ([_, ..], []) => "*".into(),
            ([_, ..], [_, ..]) => "*'".into(),
            ([], []) => ".".into(),
            ([], [owner]) => self.letters(*owner).to_ascii_lowercase(),
            ([], [_, ..]) => "+".into(),
        };
        format!("{text:<width$}", width = self.width)
    }

    fn legend(&self, placement: &Placement, lent: &Placement, width: usize) -> Vec<String> {
        if self.ids.is_empty() {
            return Vec::new();
        }
        let room = LONGEST_NAME.min(width / 2);
        let names: Vec<String> = self
            .ids
            .iter()
            .map(|id| cut(&display_name(id), room))
            .collect();
        let longest = names
            .iter()
            .map(|name| name.chars().count())
            .max()
            .unwrap_or(0);
        let mut lines = vec![String::new()];
        for (index, (id, name)) in self.ids.iter().zip(&names).enumerate() {
            let base = placement.get(*id).cloned().unwrap_or_default();
            let more = lent.get(*id).cloned().unwrap_or_default();
            let mut text = if base.is_empty() {
                "-".into()
            } else {
                base.to_string()
            };
            if !more.is_empty() {
                text = format!("{text} lent {more}");
            }
            let head = format!(
                "{}  {name:<longest$}  {:>3}  ",
                self.letters(index),
                base.len()
            );
            let indent = head.chars().count();
            for (line, part) in wrap(&text, width.saturating_sub(indent).max(12))
                .iter()
                .enumerate()
            {
                let head = if line == 0 {
                    head.clone()
                } else {
                    " ".repeat(indent)
                };
                lines.push(head + part);
            }
        }
        let shared = self.base.values().any(|owners| owners.len() > 1);
        let only_lent = || {
            let lent = self
                .lent
                .iter()
                .filter(|(cpu, _)| !self.base.contains_key(cpu));
            lent.map(|(_, owners)| owners.len())
        };
        let mut notes = vec![". free".to_string()];
        if only_lent().any(|owners| owners == 1) {
            let letters = self.letters(0);
            notes.push(format!(
                "{} lent to {letters}",
                letters.to_ascii_lowercase()
            ));
        }
        if only_lent().any(|owners| owners > 1) {
            notes.push("+ lent to several".into());
        }
        if self.has_both() {
            notes.push(format!("{}' lent besides", self.letters(0)));
        }
        if shared {
            notes.push("* several owners".into());
        }
        lines.extend(wrap(&notes.join(", "), width));
        lines
    }
}

/// A cell as blocks of lines, each at most `room` wide.
fn draw(
    cell: &Cell,
    topology: &Topology,
    labels: &Labels<'_>,
    detailed: bool,
    several_sockets: bool,
    room: usize,
) -> Vec<Vec<String>> {
    let digits = topology
        .cpus
        .last()
        .map_or(1, |cpu| cpu.id.to_string().len());
    let text = |cpu: CpuId| match (detailed, labels.ids.is_empty()) {
        (true, true) => format!("{cpu:>digits$}"),
        (true, false) => format!("{cpu:>digits$} {}", labels.of(cpu)),
        (false, _) => labels.of(cpu),
    };
    let inner = match (detailed, labels.ids.is_empty()) {
        (true, true) => digits,
        (true, false) => digits + 1 + labels.width,
        (false, _) => labels.width,
    };
    let (first, between, last) = match (detailed, labels.width) {
        (true, _) => ("| ", " | ", " |"),
        (false, 1) => ("|", "", "|"),
        (false, _) => ("|", " ", "|"),
    };
    let step = inner + between.len();
    let fit = ((room + between.len()).saturating_sub(first.len() + last.len()) / step).max(1);
    let rows = cell.smt().1;
    let mut blocks = Vec::new();
    for cores in cell.cores.chunks(fit) {
        let mut body = Vec::new();
        for row in 0..rows {
            let texts: Vec<String> = cores
                .iter()
                .map(|core| core.iter().nth(row).map_or(" ".repeat(inner), text))
                .collect();
            body.push(format!("{first}{}{last}", texts.join(between)));
        }
        if detailed {
            let edge = format!(
                "+{}",
                format!("{}+", "-".repeat(inner + 2)).repeat(cores.len())
            );
            body.insert(0, edge.clone());
            body.push(edge);
        }
        let wide = body
            .iter()
            .map(|line| line.chars().count())
            .max()
            .unwrap_or(0);
        let mut title = match cell.cache {
            Cache::L3(label) => format!("L3 {label}"),
            Cache::Smaller(label) => format!("cache {label}, no L3"),
            Cache::Private => "no shared cache".into(),
        };
        if several_sockets {
            title = format!("{title}, socket {}", cell.socket);
        }
        if cell.perf != 1000 {
            title = format!("{title}, speed {}.{} %", cell.perf / 10, cell.perf % 10);
        }
        if !detailed {
            let all = cores
                .iter()
                .fold(CpuSet::new(), |all, core| all.union(core));
            title = format!("{title}: {all}");
        }
        body.insert(0, cut(&title, wide.max(30).min(room)));
        blocks.push(body);
    }
    blocks
}

/// Blocks in rows as wide as `width` allows, indented.
fn side_by_side(blocks: &[Vec<String>], width: usize) -> Vec<String> {
    let wide = |block: &Vec<String>| {
        block
            .iter()
            .map(|line| line.chars().count())
            .max()
            .unwrap_or(0)
    };
    let mut rows: Vec<Vec<&Vec<String>>> = Vec::new();
    let mut used = 0;
    for block in blocks {
        let needed = INDENT.len() + wide(block);
        match rows.last_mut() {
            Some(row) if used + needed <= width => row.push(block),
            _ => {
                rows.push(vec![block]);
                used = 0;
            }
        }
        used += needed;
    }
    let mut lines = Vec::new();
    for row in rows {
        let height = row.iter().map(|block| block.len()).max().unwrap_or(0);
        for at in 0..height {
            let mut line = String::new();
            for block in &row {
                let text = block.get(at).map_or("", String::as_str);
                line.push_str(INDENT);
                line.push_str(text);
                line.push_str(&" ".repeat(wide(block) - text.chars().count()));
            }
            lines.push(line.trim_end().to_string());
        }
    }
    lines
}
