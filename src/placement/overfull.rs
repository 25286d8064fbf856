//! Over-full hosts: the containers request more threads than are offered.
//!
//! Every container still gets as many distinct threads as it requests; only
//! exclusivity is given up, by as few containers as possible, in this order:
//! the pool first, then lowest priority, then least predicted use
//! (`predicted_p95`), then smallest id. In detail:
//!
//! 1. A request for more than all threads becomes one for all of them. Such a
//!    container runs everywhere and is left out of what follows.
//! 2. The pool gives way first: it shrinks, though to no less than its largest
//!    member needs and the reserve. If the rest fits now, that is all.
//! 3. Otherwise the shortest prefix of the order shares: it is long enough when
//!    the others leave at least as many threads as the largest sharer requests.
//!    The sharers then stand in the problem as one container, `@shared`, that
//!    requests all these threads and has their load.
//! 4. On the threads of `@shared`, sharers are placed one by one, those with
//!    the highest predicted use of a thread first, each on the least loaded
//!    cores, there on the least loaded threads; at equal load where it was
//!    before, then on the smallest CPU number.
//!
//! A plan's cost is then that of this problem (containers that run everywhere
//! left out, the sharers as one): it prices the exclusive ones exactly, the
//! sharers only as a whole. A bound for plans with several owners a thread is
//! not known, hence 0.

use std::cmp::Reverse;

use super::pool::{POOL, micro};
use super::problem::{ProblemError, rho};
use super::types::{ContainerSpec, Instance, Kind, Placement};
use crate::cpuset::{CpuId, CpuSet};

/// Id of the pseudo-container that stands for the sharers.
pub(super) const SHARED: &str = "@shared";

/// Indices of `containers` in the order in which they give up exclusivity.
#[must_use]
pub(super) fn giving_up_order(containers: &[ContainerSpec]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..containers.len()).collect();
    order.sort_by_key(|&i| {
        let c = &containers[i];
        (
            c.kind != Kind::Pooled,
            c.priority,
            micro(c.predicted_p95),
            &c.id,
        )
    });
    order
}

/// An over-full host turned into one that fits.
#[derive(Debug)]
pub(super) struct Relaxed {
    /// What to solve.
    pub(super) instance: Instance,
    /// Run on every thread, ascending by id.
    everywhere: Vec<ContainerSpec>,
    /// Share the threads of `@shared`, in the order of placement.
    sharers: Vec<ContainerSpec>,
    /// What was given up, in words.
    pub(super) reasons: Vec<String>,
}

/// Turns a normalised instance whose requests exceed `offered` (never empty)
/// into one that fits. `least_pool` is the least that the pool may shrink to,
/// in threads.
///
/// # Errors
/// If a container's use is no number.
pub(super) fn relax(
    instance: &Instance,
    offered: &CpuSet,
    least_pool: u32,
) -> Result<Relaxed, ProblemError> {
    let threads = offered.len();
    let mut reasons = vec![format!(
        "the host is over-full: {} threads requested, {threads} offered",
        requested(&instance.containers)
    )];
    let (everywhere, mut rest): (Vec<_>, Vec<_>) = instance
        .containers
        .iter()
        .cloned()
        .partition(|c| c.cpus as usize >= threads && c.kind != Kind::Pooled);
    for c in &everywhere {
        reasons.push(format!(
            "{} requests {} of {threads} threads: it runs on all of them and shares them",
            name(&c.id),
            c.cpus
        ));
    }
    shrink_pool(&mut rest, threads, least_pool, &mut reasons);
    let sharers = if requested(&rest) > threads {
        choose_sharers(&mut rest, threads)
    } else {
        Vec::new()
    };
    let mut relaxed = Relaxed {
        instance: Instance {
            weights: instance.weights,
            topology: instance.topology.clone(),
            containers: rest,
            constraints: instance.constraints.clone(),
            system: instance.system.clone(),
            lending: instance.lending.clone(),
        },
        everywhere,
        sharers,
        reasons,
    };
    relaxed.merge_sharers(threads)?;
    Ok(relaxed)
}

fn requested(containers: &[ContainerSpec]) -> usize {
    containers.iter().map(|c| c.cpus as usize).sum()
}

/// An id as it may be shown.
fn name(id: &str) -> String {
    id.escape_debug().to_string()
}

fn shrink_pool(
    rest: &mut [ContainerSpec],
    threads: usize,
    least_pool: u32,
    reasons: &mut Vec<String>,
) {
    let all = requested(rest);
    if let Some(pool) = rest.iter_mut().find(|c| c.id == POOL)
        && all > threads
    {
        let wanted = pool.cpus;
        let left = threads.saturating_sub(all - wanted as usize);
        let least = (least_pool.clamp(1, wanted) as usize).min(threads);
        pool.cpus = u32::try_from(left.max(least)).map_or(wanted, |size| size.min(wanted));
        if pool.cpus < wanted {
            reasons.push(format!(
                "the pooled containers get {} threads instead of {wanted}: they give way first",
                pool.cpus
            ));
        }
    }
}

/// Takes the sharers out of `rest`.
fn choose_sharers(rest: &mut Vec<ContainerSpec>, threads: usize) -> Vec<ContainerSpec> {
    let order = giving_up_order(rest);
    let mut exclusive = requested(rest);
    let mut largest = 0;
    let mut count = 0;
    for &index in &order {
        if exclusive + largest <= threads && count > 0 {
            break;
        }
        let request = rest[index].cpus as usize;
        exclusive -= request;
        largest = largest.max(request);
        count += 1;
    }
    let mut chosen: Vec<usize> = order[..count].to_vec();
    chosen.sort_unstable();
    // From the back, so that the indices before stay valid.
    chosen.into_iter().rev().map(|i| rest.remove(i)).collect()
}

impl Relaxed {
    /// Puts `@shared` into the instance and orders the sharers.
    fn merge_sharers(&mut self, threads: usize) -> Result<(), ProblemError> {
        if self.sharers.is_empty() {
            return Ok(());
        }
        let mut keyed = Vec::with_capacity(self.sharers.len());
        for c in std::mem::take(&mut self.sharers) {
            keyed.push((Reverse(rho(&c)?), c));
        }
        keyed.sort_by(|a, b| (a.0, &a.1.id).cmp(&(b.0, &b.1.id)));
        let load: i64 = keyed
            .iter()
            .map(|(Reverse(rho), c)| rho.saturating_mul(i64::from(c.cpus)))
            .fold(0, i64::saturating_add);
        self.sharers = keyed.into_iter().map(|(_, c)| c).collect();

        let zone = threads - requested(&self.instance.containers);
        let size = i64::try_from(zone).unwrap_or(i64::MAX).max(1);
        let was: CpuSet = self
            .sharers
            .iter()
            .flat_map(|c| c.previous.iter().flatten().copied())
            .collect();
        let mut names: Vec<String> = self.sharers.iter().map(|c| name(&c.id)).collect();
        names.sort();
        self.reasons.push(format!(
            "{} share {zone} threads: pooled, lowest priority, least predicted use give up exclusivity first",
            names.join(", ")
        ));
        self.instance.containers.push(ContainerSpec {
            rho_mcpu: Some((load / size).clamp(50, 1000)),
            previous: Some(was.iter().collect()).filter(|p: &Vec<_>| !p.is_empty()),
            ..ContainerSpec::new(SHARED, u32::try_from(zone).unwrap_or(u32::MAX), 0.0)
        });
        Ok(())
    }

    /// Whether some thread has several owners.
    pub(super) fn is_shared(&self) -> bool {
        !self.sharers.is_empty() || !self.everywhere.is_empty()
    }

    /// Replaces `@shared` by the sharers and adds those that run everywhere.
    ///
    /// # Errors
    /// If a container's use is no number.
    pub(super) fn unmerge(
        &self,
        placement: &mut Placement,
        offered: &CpuSet,
    ) -> Result<(), ProblemError> {
        if let Some(zone) = placement.remove(SHARED) {
            placement.extend(self.place_sharers(&zone)?);
        }
        for c in &self.everywhere {
            placement.insert(c.id.clone(), offered.clone());
        }
        Ok(())
    }

    /// Step 4 of the module's text.
    fn place_sharers(&self, zone: &CpuSet) -> Result<Placement, ProblemError> {
        let mut slots: Vec<Slot> = self
            .instance
            .topology
            .cpus
            .iter()
            .filter(|c| zone.contains(c.id))
            // A CPU without a core label is a core of its own.
            .map(|c| Slot {
                cpu: c.id,
                core: c.core.map_or((1, c.id.0), |core| (0, core)),
                core_load: 0,
                load: 0,
            })
            .collect();
        slots.sort_by_key(|s| s.cpu);
        let mut placement = Placement::new();
        for sharer in &self.sharers {
            let rho = rho(sharer)?;
            let was: CpuSet = sharer.previous.iter().flatten().copied().collect();
            let mut own = CpuSet::new();
            while own.len() < sharer.cpus as usize {
                let best = slots
                    .iter()
                    .filter(|s| !own.contains(s.cpu))
                    .min_by_key(|s| (s.core_load, s.load, !was.contains(s.cpu), s.cpu));
                let Some(&Slot { cpu, core, .. }) = best else {
                    break;
                };
                own.insert(cpu);
                for slot in slots.iter_mut().filter(|s| s.core == core) {
                    slot.core_load += rho;
                    slot.load += if slot.cpu == cpu { rho } else { 0 };
                }
            }
            placement.insert(sharer.id.clone(), own);
        }
        Ok(placement)
    }
}

/// A thread of the shared part.
struct Slot {
    cpu: CpuId,
    core: (u8, u32),
    /// Predicted use of the core's threads by sharers, milli-CPU.
    core_load: i64,
    /// Of this thread.
    load: i64,
}
