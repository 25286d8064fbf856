//! Between the model's points and counts per cell.

use super::super::counts::{CellCounts, Kept, State};
use super::super::labels::Labels;
use super::super::problem::{LEVEL_NAMES, Problem};
use super::super::rebuild::rebuild;
use super::super::rule_rows::set_present;
use super::Aggregated;
use super::levels::previous_in;

impl Aggregated {
    /// The owners of each thread for `counts`; none where the counts contradict
    /// each other or the host.
    pub(in super::super) fn rebuild(
        &self,
        problem: &Problem,
        counts: &[CellCounts],
    ) -> Option<Vec<Option<u32>>> {
        rebuild(problem, &self.cells, &self.classes, counts, &self.core_sets)
    }

    /// The model's point for `counts`.
    pub(in super::super) fn point(&self, problem: &Problem, counts: &[CellCounts]) -> Vec<f64> {
        let mut point = vec![0.0; self.columns];
        for (h, (columns, counts)) in self.of_cell.iter().zip(counts).enumerate() {
            if let Some(wide) = &columns.wide {
                wide.set(&mut point, &self.cells[h], &self.classes[h], &counts.cores);
            }
            for (k, &column) in columns.threads.iter().enumerate() {
                point[column] = counts.threads(k) as f64;
                if let Some(column) = columns.whole[k] {
                    point[column] = counts.whole[k] as f64;
                }
                if let Some(column) = columns.shared[k] {
                    point[column] = counts.shared[k] as f64;
                }
            }
            if let Some(column) = columns.shared_cores {
                point[column] = counts.shared_cores() as f64;
            }
            for &(class, state, column) in &columns.kept {
                let kept = counts
                    .kept
                    .iter()
                    .find(|kept| kept.class == class && kept.state == state);
                point[column] = kept.map_or(0, |kept| kept.count) as f64;
            }
        }
        for (level, columns) in self.of_level.iter().enumerate() {
            let groups = problem.levels[level].groups.len();
            let mut now = vec![vec![0i64; problem.containers.len()]; groups];
            for (cell, counts) in self.cells.iter().zip(counts) {
                for (k, now) in now[cell.group[level]].iter_mut().enumerate() {
                    *now += counts.threads(k) as i64;
                }
            }
            for (g, now) in now.iter().enumerate() {
                let had = previous_in(problem, level, g);
                let mut load = 0;
                for (k, &n) in now.iter().enumerate() {
                    load += problem.containers[k].rho * n;
                    if let Some(column) = columns.used[g][k] {
                        point[column] = f64::from(u8::from(n > 0));
                    }
                    if let Some(column) = columns.short[g][k] {
                        point[column] = (had[k] - n).max(0) as f64;
                    }
                }
                if let Some(column) = columns.excess[g] {
                    let excess = (load - problem.levels[level].groups[g].share).max(0);
                    point[column] = excess as f64;
                }
            }
        }
        set_present(&mut point, &self.present, &|level, group, k| {
            let cells = self.cells.iter().zip(counts);
            let inside = cells.filter(|(cell, _)| cell.group[level] == group);
            inside.map(|(_, counts)| counts.threads(k)).sum()
        });
        point
    }

    /// The counts at an integral `point`; none where they contradict each
    /// other, which a point that meets the rows cannot.
    pub(in super::super) fn counts(&self, point: &[f64]) -> Option<Vec<CellCounts>> {
        let whole_number = |column: usize| -> Option<usize> {
            let value = point.get(column)?.round();
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "checked to be a small nonnegative integer"
            )]
            (0.0..1e9).contains(&value).then_some(value as usize)
        };
        let optional = |column: &Option<usize>| column.map_or(Some(0), whole_number);
        self.of_cell
            .iter()
            .zip(self.cells.iter().zip(&self.classes))
            .map(|(columns, (cell, classes))| {
                if let Some(wide) = &columns.wide {
                    let threads = &columns.threads;
                    return Some(CellCounts {
                        cores: wide.content(&whole_number, cell, classes, threads)?,
                        ..CellCounts::empty(threads.len())
                    });
                }
                let whole: Vec<usize> =
                    columns.whole.iter().map(optional).collect::<Option<_>>()?;
                let shared: Vec<usize> =
                    columns.shared.iter().map(optional).collect::<Option<_>>()?;
                let lone = columns
                    .threads
                    .iter()
                    .zip(whole.iter().zip(&shared))
                    .map(|(&column, (f, m))| whole_number(column)?.checked_sub(2 * f + m))
                    .collect::<Option<_>>()?;
                let kept = columns
                    .kept
                    .iter()
                    .map(|&(class, state, column)| {
                        let count = whole_number(column)?;
                        Some(Kept {
                            class,
                            state,
                            count,
                        })
                    })
                    .collect::<Option<_>>()?;
                Some(CellCounts {
                    whole,
                    lone,
                    shared,
                    kept,
                    cores: Vec::new(),
                })
            })
            .collect()
    }

    /// A name for each column: its letter, the cell h or the level's group g,
    /// the container, the class by their labels (`docs/placement.md` lists the letters).
    pub(in super::super) fn names(&self, labels: &Labels) -> Vec<String> {
        let mut names = vec![String::new(); self.columns];
        let mut put = |column: Option<usize>, name: String| {
            if let Some(column) = column {
                names[column] = name;
            }
        };
        let of = &labels.container;
        for (h, columns) in self.of_cell.iter().enumerate() {
            let class = &labels.class[h];
            for (k, &column) in columns.threads.iter().enumerate() {
                put(Some(column), format!("n_h{h}_{}", of[k]));
                put(columns.whole[k], format!("f_h{h}_{}", of[k]));
                put(columns.shared[k], format!("m_h{h}_{}", of[k]));
            }
            put(columns.shared_cores, format!("M_h{h}"));
            for (column, name) in columns.wide.iter().flat_map(|wide| wide.names(h, labels)) {
                put(Some(column), name);
            }
            for &(o, state, column) in &columns.kept {
                let name = match state {
                    State::Whole(k) => format!("F_h{h}_{}_{}", class[o], of[k]),
                    State::Lone(k) => format!("S_h{h}_{}_{}", class[o], of[k]),
                    State::Part(k) => format!("P_h{h}_{}_{}", class[o], of[k]),
                    State::Both => format!("X_h{h}_{}", class[o]),
                };
                put(Some(column), name);
            }
        }
        for (level, columns) in LEVEL_NAMES.iter().zip(&self.of_level) {
            for (g, &column) in columns.excess.iter().enumerate() {
                put(column, format!("E_{level}{g}"));
            }
            for (letter, by_group) in [('y', &columns.used), ('v', &columns.short)] {
                for (g, row) in by_group.iter().enumerate() {
                    for (k, &column) in row.iter().enumerate() {
                        put(column, format!("{letter}_{level}{g}_{}", of[k]));
                    }
                }
            }
        }
        for &(column, level, group, k) in &self.present {
            names[column] = format!("z_{}{group}_{}", LEVEL_NAMES[level], of[k]);
        }
        names
    }
}
