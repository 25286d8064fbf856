//! A Lagrangian bound by container, and what each way of dividing a container
//! between the cells costs under it: exact in integers, without an LP.
//!
//! A *division* of container k is a vector n = (n_h) with sum n_h = r_k over
//! the cells h (see [`super::cells`]). What it costs whoever else is there:
//!
//! ```text
//! own_k(n) = spread + slow + away + M_level sum_g max(0, P_gk - n_g)
//! ```
//!
//! In a cell, n threads are treated in one of a few *ways* (f, m): f cores
//! wholly k's, m threads on cores shared with others, s = n - 2 f - m alone.
//! A way takes u = 2 f + 2 s + m half cores and costs
//!
//! ```text
//! c(f, m) = 2 A_busy rho f + (A_busy + A_foreign) rho m - (kept threads) M_thread
//! ```
//!
//! # The bound
//!
//! What containers have in common are the half cores of a cell, 2 C_h, the
//! load of a charged group and the cores that two of them had. Any
//! lambda_h >= 0, 0 <= mu_g <= B_g and pi_o in {0, M_thread} give
//!
//! ```text
//! cost >= M_thread sum |P_k| - sum_h lambda_h 2 C_h - sum_g mu_g tau_g - sum_o pi_o |o|
//!       + sum_k min_n [own_k(n) + sum_h psi_hk(n_h) + sum_g mu_g rho_k n_g]
//! psi_hk(n) = min over ways of c + lambda_h u
//! ```
//!
//! *Proof.* In a placement the half cores used are sum u <= 2 C_h, so adding
//! lambda (sum u - 2 C) does not raise its cost; nor does replacing B E_g, E_g =
//! max(0, load_g - tau_g), by mu (load_g - tau_g). A core of class o = {A,B} is
//! kept by A alone, by B alone (1 thread) or by both (2 threads, each with m):
//! a + b + x <= |o|, a profit of M (a + b + 2 x) at most M (a + b + 2 x) +
//! pi (|o| - a - b - x). With pi = M that is M |o| + M x: nothing for keeping
//! alone, M / 2 for each of A and B for each x. With pi = 0 A and B claim the
//! core as if alone. A container then keeps, with its own claims first (cores
//! that it had whole: min(f, those) give 2), one for each further core that it
//! touches and had a thread of. The containers no longer depend on each other.
//!
//! The multipliers are found by subgradient steps (Held, Wolfe and Crowder,
//! "Validation of subgradient optimization", Math. Programming 6, 1974) and
//! rounded: every integer is as valid as any other.

use super::aggregated::shares_once;
use super::cells::{Cell, cells};
use super::classes::{Class, claims, classes};
use super::divisions::{Divisions, divisions, grid, order};
use super::lower::uses;
use super::problem::Problem;
use super::ways::{Had, Treatment, Way, Ways};

/// Most divisions of all containers together: 20 to 250 on hosts of two
/// groups, a few thousand with four; hosts of many L3s have millions.
const LARGEST: usize = 1 << 13;
/// Subgradient steps: the search over divisions closes what is left sooner than
/// twice as many would.
const STEPS: u32 = 30;
/// Steps without a better bound after which they become shorter.
const PATIENCE: u32 = 4;
/// Work of a subgradient step: about as many nodes of the search.
pub(super) const STEP_WORK: u64 = 64;

/// A container as the bound sees it.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) container: usize,
    pub(super) had: Vec<Had>,
    /// By cell.
    pub(super) ways: Vec<Ways>,
    pub(super) divisions: Divisions,
}

/// Load above the even share of a group that is charged.
#[derive(Clone, Debug)]
pub(super) struct Charged {
    pub(super) share: i64,
    pub(super) balance: i64,
    /// Whether each cell is in it.
    pub(super) cells: Vec<bool>,
}

/// The multipliers: of half cores by cell, of load by charged group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Multipliers {
    pub(super) halves: Vec<i64>,
    pub(super) load: Vec<i64>,
}

/// A problem with its divisions.
#[derive(Clone, Debug)]
pub(super) struct Relaxation<'a> {
    pub(super) problem: &'a Problem,
    pub(super) cells: Vec<Cell>,
    pub(super) classes: Vec<Vec<Class>>,
    pub(super) parts: Vec<Part>,
    pub(super) charged: Vec<Charged>,
    /// M_thread sum |P_k|.
    pub(super) constant: i64,
    /// By cell: whether its pair classes have pi = M_thread in the bound.
    split: Vec<bool>,
    /// Every cost is a multiple of it.
    pub(super) grid: i64,
}

/// The bound at some multipliers.
#[derive(Clone, Debug)]
pub(super) struct Evaluated {
    pub(super) bound: i64,
    /// What every division adds to: the constants without the load's.
    pub(super) base: i64,
    /// By part and division: its cost with the multipliers, load's included.
    pub(super) reduced: Vec<Vec<i64>>,
    /// The same without the load's.
    pub(super) bare: Vec<Vec<i64>>,
}

#[derive(Clone, Debug)]
struct Bound {
    bound: i64,
    base: i64,
    /// Use beyond the room: half cores by cell, load by charged group.
    excess: (Vec<i64>, Vec<i64>),
}

impl<'a> Relaxation<'a> {
    /// None where the host has no cells or wide ones, has rules, or has so many cells that
    /// the divisions are too many; or where previous sets overlap.
    pub(super) fn new(problem: &'a Problem) -> Option<Self> {
        if !problem.rules.is_empty() || problem.containers.is_empty() {
            return None;
        }
        let cells = cells(problem)?;
        if cells.iter().any(|cell| cell.is_wide) {
            return None;
        }
        let claims = claims(problem);
        if claims.ignored > 0 {
            return None;
        }
        let classes: Vec<Vec<Class>> = cells
            .iter()
            .map(|cell| match problem.weights.movement.thread {
                0 => Vec::new(),
                _ => classes(problem, cell, &claims),
            })
            .collect();
        let mut left = LARGEST;
        let mut parts = Vec::with_capacity(problem.containers.len());
        for k in order(problem) {
            let divisions = divisions(problem, &cells, k, &mut left)?;
            let had: Vec<Had> = classes.iter().map(|c| Had::of(c, k)).collect();
            parts.push(Part {
                container: k,
                ways: Vec::new(),
                had,
                divisions,
            });
        }
        let mut charged = Vec::new();
        let load: i64 = problem.containers.iter().map(|k| k.load).sum();
        for (level, data) in problem.levels.iter().enumerate() {
            for (g, group) in data.groups.iter().enumerate() {
                if data.balance > 0 && load > group.share {
                    charged.push(Charged {
                        share: group.share,
                        balance: data.balance,
                        cells: cells.iter().map(|c| c.group[level] == g).collect(),
                    });
                }
            }
        }
        let previous: usize = problem.containers.iter().map(|k| k.previous().len()).sum();
        let mut relaxation = Self {
            problem,
            split: vec![true; cells.len()],
            cells,
            classes,
            parts,
            charged,
            constant: problem.weights.movement.thread * previous as i64,
            grid: grid(problem),
        };
        for index in 0..relaxation.parts.len() {
            let part = &relaxation.parts[index];
            let ways = (0..relaxation.cells.len()).map(|h| relaxation.ways_in(part, h));
            relaxation.parts[index].ways = ways.collect();
        }
        Some(relaxation)
    }

    /// What [`Ways`] are made of, but for who keeps what.
    fn treatment(&self, h: usize, k: usize) -> Treatment {
        let weights = &self.problem.weights;
        Treatment {
            rho: self.problem.containers[k].rho,
            smt_busy: weights.smt_busy,
            smt_foreign: weights.smt_foreign,
            each: weights.movement.thread,
            most_shared: match self.cells[h].width == 2 && self.problem.containers.len() > 1 {
                false => 0,
                true if shares_once(self.problem, k) => 1,
                true => self.cells[h].cores.len(),
            },
            is_paired: self.cells[h].width == 2,
        }
    }

    /// The ways of a part in cell `h` as the bound sees them.
    fn ways_in(&self, part: &Part, h: usize) -> Ways {
        let k = part.container;
        let most = self.problem.containers[k].request;
        let split = self.split[h];
        self.treatment(h, k).list(
            part.had[h].claims(|_| split),
            most.min(self.cells[h].threads()),
        )
    }

    /// The ways of `threads` of a container in cell `h`. `split` says which
    /// pairs have pi = M_thread.
    pub(super) fn ways(
        &self,
        part: &Part,
        h: usize,
        threads: usize,
        split: impl Fn(usize) -> bool,
    ) -> Vec<Way> {
        let treatment = self.treatment(h, part.container);
        treatment.best(part.had[h].claims(split), threads)
    }

    /// The ways of two parts that had `cores` cores together, and with nobody
    /// else who is in the cell: of both together, and of each. Of the cores x
    /// are shared by the two again (2 threads kept each), the others kept by
    /// whoever touches a core beyond its own claims.
    pub(super) fn pair_ways(
        &self,
        h: usize,
        pair: [usize; 2],
        threads: [usize; 2],
        cores: usize,
    ) -> (Vec<Way>, Vec<[Way; 2]>) {
        let each = self.problem.weights.movement.thread;
        let parts = pair.map(|j| &self.parts[j]);
        // Its claims on cores with the other, or with one who is not here.
        let split = |part: usize, k: usize| k == parts[1 - part].container;
        let all = [0, 1].map(|i| {
            let treatment = self.treatment(h, parts[i].container);
            let claims = parts[i].had[h].claims(|k| split(i, k));
            let ways = treatment.all(threads[i], usize::MAX);
            ways.map(|way| (way, claims.kept([threads[i], way.whole, way.shared])))
                .collect::<Vec<_>>()
        });
        // The cheapest by half cores, whose parity is that of m.
        let width = 2 * (threads[0] + threads[1]) + 1;
        let mut least: Vec<Option<(Way, [Way; 2])>> = vec![None; width];
        for &(a, [twice_a, touched_a, own_a]) in &all[0] {
            for &(b, [twice_b, touched_b, own_b]) in &all[1] {
                let kept = (0..=a.shared.min(b.shared).min(cores)).map(|x| {
                    let once = (touched_a - x).min(own_a) + (touched_b - x).min(own_b);
                    let further = touched_a + touched_b - 2 * x - once;
                    2 * (twice_a + twice_b) + once + 2 * x + further.min(cores - x)
                });
                let both = Way {
                    whole: 0,
                    shared: a.shared + b.shared,
                    halves: a.halves + b.halves,
                    cost: a.cost + b.cost - each * kept.max().unwrap_or(0) as i64,
                };
                let slot = &mut least[both.halves];
                if slot.is_none_or(|(other, _)| both.cost < other.cost) {
                    *slot = Some((both, [a, b]));
                }
            }
        }
        least.into_iter().flatten().unzip()
    }

    /// What the pair classes of a cell add to the bound where pi = M_thread.
    fn split_constant(&self) -> i64 {
        let of_cell = |(classes, split): (&Vec<Class>, &bool)| -> i64 {
            let pairs = classes.iter().filter(|c| *split && c.pair().is_some());
            pairs.map(|class| class.cores.len() as i64).sum()
        };
        let cores: i64 = self.classes.iter().zip(&self.split).map(of_cell).sum();
        -self.problem.weights.movement.thread * cores
    }

    /// The bound at `multipliers` and what the divisions cost there.
    pub(super) fn evaluate(&self, multipliers: &Multipliers) -> Evaluated {
        let mut evaluated = Evaluated {
            bound: 0,
            base: 0,
            reduced: self
                .parts
                .iter()
                .map(|p| Vec::with_capacity(p.divisions.len()))
                .collect(),
            bare: self
                .parts
                .iter()
                .map(|p| Vec::with_capacity(p.divisions.len()))
                .collect(),
        };
        let bound = self.bound(multipliers, &mut |j, bare, reduced| {
            evaluated.bare[j].push(bare);
            evaluated.reduced[j].push(reduced);
        });
        evaluated.bound = bound.bound;
        evaluated.base = bound.base;
        evaluated
    }

    /// The bound at `multipliers`; `hear` is told of every division's price
    /// without and with the load's.
    fn bound(&self, multipliers: &Multipliers, hear: &mut impl FnMut(usize, i64, i64)) -> Bound {
        let cells = self.cells.len();
        let mut base = self.constant + self.split_constant();
        let mut excess = (vec![0; cells], vec![0; self.charged.len()]);
        for (h, cell) in self.cells.iter().enumerate() {
            let room = 2 * cell.cores.len() as i64;
            base -= multipliers.halves[h] * room;
            excess.0[h] = -room;
        }
        let mut bound = base;
        let mut load_price = vec![0; cells];
        for (c, charged) in self.charged.iter().enumerate() {
            bound -= multipliers.load[c] * charged.share;
            excess.1[c] = -charged.share;
            for (price, inside) in load_price.iter_mut().zip(&charged.cells) {
                *price += if *inside { multipliers.load[c] } else { 0 };
            }
        }
        // psi and its half cores, by cell and threads.
        let most = self.problem.containers.iter().map(|k| k.request).max();
        let width = most.unwrap_or(0) + 1;
        let mut psi = vec![(0, 0); cells * width];
        for (j, part) in self.parts.iter().enumerate() {
            let rho = self.problem.containers[part.container].rho;
            for (h, (of_cell, &price)) in part.ways.iter().zip(&multipliers.halves).enumerate() {
                for (slot, least) in psi[h * width..].iter_mut().zip(of_cell.least(price)) {
                    *slot = least;
                }
            }
            let mut best = (i64::MAX, 0);
            for (index, (threads, own)) in part.divisions.iter().enumerate() {
                let (mut cost, mut load) = (own, 0);
                for (h, &n) in threads.iter().enumerate() {
                    cost += psi[h * width + n].0;
                    load += load_price[h] * n as i64;
                }
                let with_load = cost + rho * load;
                hear(j, cost, with_load);
                best = best.min((with_load, index));
            }
            bound += best.0;
            let chosen = part.divisions.threads(best.1);
            for (h, &n) in chosen.iter().enumerate() {
                excess.0[h] += psi[h * width + n].1;
                for (excess, charged) in excess.1.iter_mut().zip(&self.charged) {
                    *excess += if charged.cells[h] { rho * n as i64 } else { 0 };
                }
            }
        }
        Bound {
            bound,
            base,
            excess,
        }
    }

    /// Lists the ways of those anew who had cores of cell `h` with another; what
    /// they were, by part.
    fn renew_pairs(&mut self, h: usize) -> Vec<(usize, Ways)> {
        let mut before = Vec::new();
        for j in 0..self.parts.len() {
            if !self.parts[j].had[h].pairs.is_empty() {
                let ways = self.ways_in(&self.parts[j], h);
                before.push((j, std::mem::replace(&mut self.parts[j].ways[h], ways)));
            }
        }
        before
    }

    /// Good multipliers' bound; fewer steps where `may` says no or the bound
    /// proves that nothing costs less than `cost`.
    pub(super) fn ascend(&mut self, cost: i64, may: &mut dyn FnMut() -> bool) -> Evaluated {
        let mut point = self.start();
        let mut nobody = |_, _, _| {};
        let mut best = (point.clone(), self.bound(&point, &mut nobody));
        for h in 0..self.cells.len() {
            if self.classes[h].iter().any(|c| c.pair().is_some()) && may() {
                self.split[h] = false;
                let before = self.renew_pairs(h);
                let other = self.bound(&point, &mut nobody);
                if other.bound > best.1.bound {
                    best.1 = other;
                } else {
                    self.split[h] = true;
                    for (j, ways) in before {
                        self.parts[j].ways[h] = ways;
                    }
                }
            }
        }
        // Half cores are worth about what sharing one costs, load its weight.
        let rho: i64 = self.problem.containers.iter().map(|k| k.rho).sum();
        let weights = &self.problem.weights;
        let scale =
            (weights.smt_busy + weights.smt_foreign) * rho / self.problem.containers.len() as i64;
        let scales: Vec<f64> = vec![scale.max(1) as f64; self.cells.len()];
        let load_scales: Vec<f64> = self.charged.iter().map(|c| c.balance as f64).collect();
        let (mut part, mut since) = (1.0, 0);
        let mut current = best.1.clone();
        for _ in 0..STEPS {
            if best.1.bound > cost - self.grid || !may() {
                break;
            }
            let slopes: Vec<f64> = scaled(&current.excess.0, &scales)
                .chain(scaled(&current.excess.1, &load_scales))
                .collect();
            let square: f64 = slopes.iter().map(|s| s * s).sum();
            if square <= 0.0 {
                break;
            }
            let step = part * (cost - current.bound) as f64 / square;
            let all_scales = scales.iter().chain(&load_scales);
            let moved: Vec<i64> = slopes
                .iter()
                .zip(all_scales)
                .map(|(slope, scale)| whole(step * slope * scale))
                .collect();
            for (value, by) in point.halves.iter_mut().zip(&moved) {
                *value = (*value + by).max(0);
            }
            let of_load = &moved[self.cells.len()..];
            for ((value, by), charged) in point.load.iter_mut().zip(of_load).zip(&self.charged) {
                *value = (*value + by).clamp(0, charged.balance);
            }
            current = self.bound(&point, &mut nobody);
            if current.bound > best.1.bound {
                best = (point.clone(), current.clone());
                since = 0;
            } else {
                since += 1;
                if since == PATIENCE {
                    since = 0;
                    part /= 2.0;
                    point = best.0.clone();
                    current = best.1.clone();
                }
            }
        }
        self.evaluate(&best.0)
    }

    /// Where the steps begin: lambda = A_busy rho of the thread up to which
    /// threads have to share a core.
    fn start(&self) -> Multipliers {
        let problem = self.problem;
        let uses = uses(problem);
        let doubled = 2 * uses.len().saturating_sub(problem.cores.len());
        let price = match doubled.min(uses.len()) {
            0 => 0,
            n => problem.weights.smt_busy * uses[n - 1],
        };
        Multipliers {
            halves: vec![price; self.cells.len()],
            load: self.charged.iter().map(|c| c.balance / 2).collect(),
        }
    }
}

fn scaled<'b>(excess: &'b [i64], scales: &'b [f64]) -> impl Iterator<Item = f64> + 'b {
    excess
        .iter()
        .zip(scales)
        .map(|(&e, scale)| e as f64 * scale)
}

/// The nearest integer; costs are far below 2^53.
#[expect(clippy::cast_possible_truncation, reason = "clamped first")]
fn whole(value: f64) -> i64 {
    value.round().clamp(-9e15, 9e15) as i64
}
