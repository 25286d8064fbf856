//! What a container may have of an L3 domain and what that costs: the parts of
//! a pattern.
//!
//! A *unit* is an L3 domain. Units that nothing tells apart form a *class*:
//! equal cores, threads and charges, on nodes that are alike, no previous owner.
//! Of the n threads that container k has in a unit, f cores are wholly its own,
//! m threads lie on cores shared with another and s = n - 2 f - m are alone. They
//! take 2 f + 2 s + m halves of cores, and cost
//!
//! ```text
//!   2 A_busy rho f + (A_busy + A_foreign) rho m + (slow + away) rho n
//! + S p_k [n > 0] + M max(0, P_gk - n) - M_thread kept(f, s, m)
//! ```
//!
//! with slow the least charge of a thread of the unit, and kept the most threads
//! of P_k that k can keep there if no other container stands in its way: with c2
//! cores of which it had both threads among c of which it had any,
//!
//! ```text
//! x = min(f, c2);   kept = 2 x + min(f - x + s + m, c - x)
//! ```
//!
//! A whole core on one of the c2 keeps two threads, any other core of the c
//! one; so many whole cores as can lie on the c2 is best, since putting one elsewhere
//! changes a two for at most a one.
//!
//! Exact where the unit is one cell (see [`super::super::cells`]) and no core had
//! two owners; otherwise below what any placement pays.
//!
//! *Cores of w > 2 threads.* Of n threads m lie on cores shared with others, s on
//! cores alone, the others, o = n - s - m, on b full or partly full cores wholly k's (w b >= o,
//! o >= 2 b). In place of halves they take w s + w b + m w-ths of cores: cores of their
//! own are whole numbers, so a sum of at most w C leaves ceil(sum m / w) cores for those
//! that share, whatever m are. They cost A_busy rho (n - s) + A_foreign rho m and what
//! is above, and keep at most
//!
//! ```text
//! min(|P_gk|, min(o, most threads of P_gk on b cores) + min(s, c) + m)
//! ```
//!
//! each sum being at least what its threads keep. Beyond c cores b adds nothing.

use super::super::aggregated::shares_once;
use super::super::problem::{L3, NUMA, Problem};

/// Prices and costs in here are in this part of a micro-CPU, so that rounded
/// prices lose next to nothing.
pub(super) const SCALE: i64 = 64;

/// A container's part of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    /// n.
    pub(super) threads: usize,
    /// 2 f + 2 s + m; odd exactly if m is. On cores of w > 2 threads w-ths of cores.
    pub(super) halves: usize,
    /// In 1 / [`SCALE`] micro-CPU.
    pub(super) cost: i64,
}

/// Units that nothing tells apart.
#[derive(Clone, Debug)]
pub(super) struct Class {
    /// How many there are.
    pub(super) size: usize,
    /// Threads of its widest core, at least 2.
    pub(super) width: usize,
    /// Halves of cores in a unit; w-ths where w > 2.
    pub(super) halves: usize,
    /// Threads in a unit.
    pub(super) threads: usize,
    /// Its even share of the load, milli-CPU.
    pub(super) share: i64,
    /// By container, ascending by threads.
    pub(super) choices: Vec<Vec<Choice>>,
}

/// A NUMA node, or the whole host where nodes are not charged.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Its units: their classes.
    pub(super) units: Vec<usize>,
    /// Its even share of the load, milli-CPU.
    pub(super) share: i64,
    /// Threads that each container had in it.
    pub(super) before: Vec<i64>,
}

/// The units of a host by class and node.
#[derive(Clone, Debug)]
pub(super) struct Units {
    pub(super) classes: Vec<Class>,
    pub(super) nodes: Vec<Node>,
    /// The L3 group of each unit, node by node, unit by unit.
    pub(super) groups: Vec<Vec<usize>>,
    /// Whether nodes are charged: every L3 lies in one.
    pub(super) is_nested: bool,
}

/// What tells a unit from others.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Look {
    cores: usize,
    width: usize,
    wide: usize,
    threads: usize,
    slow: i64,
    is_even: bool,
    /// None where a container is away from home, by container.
    away: Vec<bool>,
    /// Some for a unit like no other: had threads, or on a node like no other.
    own: Option<usize>,
}

impl Units {
    /// None where a core spans L3s.
    pub(super) fn new(problem: &Problem) -> Option<Self> {
        let groups = &problem.levels[L3].groups;
        let count = groups.len();
        let mut cores: Vec<Vec<usize>> = vec![Vec::new(); count];
        for (core, threads) in problem.cores.iter().enumerate() {
            let group = problem.threads[*threads.first()?].group[L3];
            let inside = |&t: &usize| problem.threads[t].group[L3] == group;
            if !threads.iter().all(inside) {
                return None;
            }
            cores[group].push(core);
        }
        let node_of = |thread: usize| problem.threads[thread].group[NUMA];
        let is_nested = groups.iter().all(|group| {
            let first = group.threads.first().map(|&t| node_of(t));
            group.threads.iter().all(|&t| Some(node_of(t)) == first)
        });
        let node = |g: usize| match groups[g].threads.first() {
            Some(&thread) if is_nested => node_of(thread),
            _ => 0,
        };
        let nodes = if is_nested {
            problem.levels[NUMA].groups.len()
        } else {
            1
        };
        let mut had = vec![false; count];
        let mut before = vec![vec![0; problem.containers.len()]; nodes];
        for (k, container) in problem.containers.iter().enumerate() {
            for &thread in container.previous() {
                let group = problem.threads[thread].group[L3];
                had[group] = true;
                before[node(group)][k] += 1;
            }
        }
        let mut looks: Vec<Look> = (0..count)
            .map(|g| look(problem, g, &cores[g], is_nested.then(|| node(g))))
            .collect();
        // Prices may be shared between alike nodes alone.
        let members = |n: usize| (0..count).filter(move |&g| node(g) == n);
        let alike = |a: usize, b: usize| {
            let plain = members(a).chain(members(b)).all(|g| !had[g]);
            let mut left: Vec<usize> = members(b).collect();
            plain
                && members(a).all(|g| {
                    let twin = left.iter().position(|&h| looks[h] == looks[g]);
                    twin.map(|at| left.swap_remove(at)).is_some()
                })
                && left.is_empty()
        };
        let twins: Vec<usize> = (0..nodes)
            .map(|n| (0..n).find(|&m| alike(m, n)).unwrap_or(n))
            .collect();
        for (g, look) in looks.iter_mut().enumerate() {
            look.own = Some(if had[g] { nodes + g } else { twins[node(g)] });
        }

        let mut known: Vec<Look> = Vec::new();
        let mut units = Self {
            classes: Vec::new(),
            nodes: (0..nodes)
                .map(|n| Node {
                    units: Vec::new(),
                    share: problem.levels[NUMA].groups.get(n).map_or(0, |g| g.share),
                    before: before[n].clone(),
                })
                .collect(),
            groups: vec![Vec::new(); nodes],
            is_nested,
        };
        for (g, look) in looks.into_iter().enumerate() {
            let at = match known.iter().position(|k| *k == look) {
                Some(at) => at,
                None => {
                    units.classes.push(class(problem, g, &look, &cores[g]));
                    known.push(look);
                    known.len() - 1
                }
            };
            units.classes[at].size += 1;
            units.nodes[node(g)].units.push(at);
            units.groups[node(g)].push(g);
        }
        // Equal classes side by side.
        for (node, groups) in units.nodes.iter_mut().zip(&mut units.groups) {
            let mut both: Vec<(usize, usize)> = node
                .units
                .iter()
                .copied()
                .zip(groups.iter().copied())
                .collect();
            both.sort_unstable();
            (node.units, *groups) = both.into_iter().unzip();
        }
        Some(units)
    }

    /// L3 group and class of each unit, in the order of the nodes.
    pub(super) fn domains(&self) -> Vec<(usize, usize)> {
        let groups = self.groups.iter().flatten().copied();
        let classes = self
            .nodes
            .iter()
            .flat_map(|node| node.units.iter().copied());
        groups.zip(classes).collect()
    }
}

fn look(problem: &Problem, g: usize, cores: &[usize], node: Option<usize>) -> Look {
    let threads = &problem.levels[L3].groups[g].threads;
    let slow = threads.iter().map(|&t| problem.threads[t].slow);
    let (least, most) = (slow.clone().min().unwrap_or(0), slow.max().unwrap_or(0));
    let width = cores.iter().map(|&c| problem.cores[c].len()).max();
    let wide = cores
        .iter()
        .filter(|&&c| problem.cores[c].len() == 2)
        .count();
    Look {
        cores: cores.len(),
        width: width.unwrap_or(0).max(2),
        wide,
        threads: threads.len(),
        slow: least,
        is_even: least == most && (wide == 0 || wide == cores.len()),
        away: match node {
            Some(node) => problem.containers.iter().map(|k| k.away[node]).collect(),
            None => vec![false; problem.containers.len()],
        },
        own: None,
    }
}

fn class(problem: &Problem, g: usize, look: &Look, cores: &[usize]) -> Class {
    let share = problem.levels[L3].groups[g].share;
    let choices = (0..problem.containers.len())
        .map(|k| choices(problem, look, cores, k))
        .collect();
    Class {
        size: 0,
        width: look.width,
        halves: look.width * look.cores,
        threads: look.threads,
        share,
        choices,
    }
}

fn choices(problem: &Problem, look: &Look, cores: &[usize], k: usize) -> Vec<Choice> {
    let container = &problem.containers[k];
    let weights = &problem.weights;
    let level = &problem.levels[L3];
    let had = |core: usize| {
        let own = |t: &&usize| container.previous().binary_search(t).is_ok();
        problem.cores[core].iter().filter(own).count()
    };
    let both = cores.iter().filter(|&&c| had(c) == 2).count();
    let any = cores.iter().filter(|&&c| had(c) > 0).count();
    let before: usize = cores.iter().map(|&c| had(c)).sum();
    let most_kept = match look.width {
        3.. => most_kept(cores.iter().map(|&c| had(c))),
        _ => Vec::new(),
    };
    let most = container.request.min(look.threads);
    let elsewhere = problem.threads.len() - look.threads;
    let least = container.request.saturating_sub(elsewhere);
    let rate = look.slow + if look.away[k] { weights.away } else { 0 };
    let mut choices: Vec<Choice> = Vec::new();
    for n in least..=most {
        let mut fixed = rate * container.rho * n as i64;
        if n > 0 {
            fixed += level.spread * container.load;
        }
        fixed += level.movement * before.saturating_sub(n) as i64;
        if look.width > 2 {
            choices.extend(wide_choices(problem, look, k, n, fixed, &most_kept));
            continue;
        }
        let shared = match look.wide {
            0 => 0,
            _ if look.is_even && problem.rules.is_empty() && shares_once(problem, k) => n.min(1),
            wide => n.min(wide),
        };
        let mut own: Vec<Choice> = Vec::new();
        for m in 0..=shared {
            for f in 0..=((n - m) / 2).min(look.wide) {
                let alone = n - m - 2 * f;
                if f + alone > look.cores {
                    continue;
                }
                let x = f.min(both);
                let kept = 2 * x + (f - x + alone + m).min(any - x);
                let busy = weights.smt_busy * (2 * f + m) as i64;
                let cost = fixed + (busy + weights.smt_foreign * m as i64) * container.rho
                    - weights.movement.thread * kept as i64;
                own.push(Choice {
                    threads: n,
                    halves: 2 * f + 2 * alone + m,
                    cost: cost * SCALE,
                });
            }
        }
        // What takes no fewer halves, of the same parity, and costs no less is of no use.
        own.sort_unstable_by_key(|choice| (choice.halves, choice.cost));
        let mut least = [i64::MAX; 2];
        own.retain(|choice| {
            let least = &mut least[choice.halves % 2];
            let is_less = choice.cost < *least;
            *least = choice.cost.min(*least);
            is_less
        });
        choices.extend(own);
    }
    choices
}

/// By number of cores: the most threads of P_gk on so many, `had` on each core.
fn most_kept(had: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut most: Vec<usize> = had.filter(|&n| n > 0).collect();
    most.sort_unstable_by_key(|&n| std::cmp::Reverse(n));
    most.insert(0, 0);
    for b in 1..most.len() {
        most[b] += most[b - 1];
    }
    most
}

/// The choices of `n` threads on cores of more than two; `most_kept` by number of
/// cores up to c.
fn wide_choices(
    problem: &Problem,
    look: &Look,
    k: usize,
    n: usize,
    fixed: i64,
    most_kept: &[usize],
) -> Vec<Choice> {
    let (w, weights, rho) = (look.width, &problem.weights, problem.containers[k].rho);
    let any = most_kept.len() - 1;
    let mut least: Vec<Option<i64>> = vec![None; w * look.cores + 1];
    for s in 0..=n.min(look.cores) {
        for m in 0..=n - s {
            let own = n - s - m;
            let fewest = own.div_ceil(w);
            // A core of one thread is one of the s.
            for b in fewest..=(own / 2).min(any.max(fewest)) {
                let Some(least) = least.get_mut(w * (s + b) + m) else {
                    break;
                };
                let kept = own.min(most_kept[b.min(any)]) + s.min(any) + m;
                let cost = fixed
                    + (weights.smt_busy * (n - s) as i64 + weights.smt_foreign * m as i64) * rho
                    - weights.movement.thread * kept.min(most_kept[any]) as i64;
                *least = Some(least.map_or(cost, |least| least.min(cost)));
            }
        }
    }
    let mut cheapest = i64::MAX;
    let priced = (0..).zip(least);
    let cheaper = priced.filter_map(|(halves, cost)| {
        let cost = cost.filter(|&cost| cost < cheapest)?;
        cheapest = cost;
        Some(Choice {
            threads: n,
            halves,
            cost: cost * SCALE,
        })
    });
    cheaper.collect()
}
