//! Who is there when, and what each wants: drawn once from the seed, the same
//! for every policy.
//!
//! Arrivals of a stream are a Poisson process, lifetimes exponential, sizes
//! uniform on the list. Times are rounded up to rounds; everybody stays for a
//! round at least. Use of a process, in requests, at time t of the scenario:
//!
//! ```text
//! mean + swing sin(2 pi t / period) + w,   w' = memory w + sqrt(1 - memory^2) noise z
//! ```
//!
//! with z of unit variance (the sum of twelve uniform numbers, less six), held
//! between 0 and `most`. Every container draws from a stream of its own, so
//! that one more container leaves the others as they were.

use std::f64::consts::TAU;

use super::run::SimulationError;
use super::scenario::{Model, PercentOf, Scenario, Usage};
use crate::history::trace::Trace;
use crate::splitmix::{SplitMix64, mix};

/// Most container-rounds of a scenario: bounds memory at 80 MB.
const MOST_CELLS: u64 = 10_000_000;

/// Traces and what their numbers are.
#[derive(Clone, Debug, Default)]
pub(super) struct Recorded {
    pub(super) traces: Vec<Trace>,
    /// Percent, not CPUs.
    pub(super) is_percent: bool,
}

/// One container of a run.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Load {
    pub(super) id: String,
    pub(super) cpus: u32,
    pub(super) model: Model,
    /// First round.
    pub(super) first: usize,
    /// CPUs wanted in each round from the first on.
    pub(super) wants: Vec<f64>,
}

impl Load {
    /// CPUs wanted in a round; none if it is not there.
    pub(super) fn at(&self, round: usize) -> Option<f64> {
        self.wants.get(round.checked_sub(self.first)?).copied()
    }
}

/// A seeded generator.
struct Random(SplitMix64);

impl Random {
    /// The generator of one part of a scenario.
    fn of(seed: u64, part: u64) -> Self {
        Self(SplitMix64(
            mix(seed) ^ part.wrapping_mul(0x9e37_79b9_7f4a_7c15),
        ))
    }

    /// From 0 to below 1.
    fn unit(&mut self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let unit = (self.0.next() >> 11) as f64 / (1u64 << 53) as f64;
        unit
    }

    /// Exponential with this mean.
    fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// Mean 0, variance 1.
    fn bell(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }
}

/// Somebody who will be there, before what it wants is drawn.
struct Guest<'a> {
    id: String,
    cpus: u32,
    model: &'a Model,
    arrives_s: f64,
    leaves_s: f64,
}

/// Draws the containers of a scenario.
///
/// # Errors
/// An unknown trace, or more than memory is set aside for.
pub(super) fn draw(
    scenario: &Scenario,
    seed: u64,
    recorded: &Recorded,
) -> Result<Vec<Load>, SimulationError> {
    let end_s = scenario.interval_s * f64::from(scenario.rounds);
    let mut guests: Vec<Guest<'_>> = scenario
        .named
        .iter()
        .map(|c| Guest {
            id: c.id.clone(),
            cpus: c.cpus,
            model: &c.model,
            arrives_s: c.arrives_s,
            leaves_s: c.leaves_s,
        })
        .collect();
    for (stream, part) in scenario.streams.iter().zip(1u64..) {
        let mut random = Random::of(seed, part << 32);
        let mut now_s = 0.0;
        let mut number = 0;
        loop {
            now_s += random.exponential(3600.0 / stream.per_hour);
            if now_s >= end_s {
                break;
            }
            number += 1;
            let stays_s = random.exponential(stream.lifetime_s);
            let pick = random.0.next() % stream.sizes.len() as u64;
            guests.push(Guest {
                id: format!("{}-{number}", stream.name),
                cpus: stream.sizes[usize::try_from(pick).unwrap_or(0)],
                model: &stream.model,
                arrives_s: now_s,
                leaves_s: now_s + stays_s,
            });
        }
    }
    let mut loads = Vec::new();
    let mut cells = 0;
    for (guest, part) in guests.iter().zip(1u64..) {
        let (first, last) = rounds(guest, scenario);
        cells += (last - first) as u64;
        if cells > MOST_CELLS {
            return Err(SimulationError::TooLarge { most: MOST_CELLS });
        }
        if first == last {
            continue;
        }
        let mut random = Random::of(seed, part);
        loads.push(Load {
            id: guest.id.clone(),
            cpus: guest.cpus,
            model: guest.model.clone(),
            first,
            wants: wants(
                guest,
                first..last,
                scenario.interval_s,
                recorded,
                &mut random,
            )?,
        });
    }
    loads.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(loads)
}

/// The rounds in which a guest is there, the last one excluded.
fn rounds(guest: &Guest<'_>, scenario: &Scenario) -> (usize, usize) {
    let end = scenario.rounds as usize;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float cast saturates; times are not negative"
    )]
    let round = |time_s: f64| ((time_s / scenario.interval_s).ceil() as usize).min(end);
    let first = round(guest.arrives_s);
    (first, round(guest.leaves_s).max(first + 1).min(end))
}

fn wants(
    guest: &Guest<'_>,
    rounds: std::ops::Range<usize>,
    interval_s: f64,
    recorded: &Recorded,
    random: &mut Random,
) -> Result<Vec<f64>, SimulationError> {
    let request = f64::from(guest.cpus);
    let most = guest.model.most * request;
    let first = rounds.start;
    #[expect(clippy::cast_precision_loss, reason = "rounds: far below 2^53")]
    let at = |round: usize| round as f64 * interval_s;
    match &guest.model.usage {
        Usage::Trace {
            id,
            percent_of,
            offset_s,
        } => {
            let trace = recorded.traces.iter().find(|t| t.id == *id);
            let trace = trace.ok_or_else(|| SimulationError::NoTrace {
                container: guest.id.clone(),
                trace: id.clone(),
            })?;
            let unit = match (recorded.is_percent, percent_of) {
                (false, _) => 1.0,
                (true, PercentOf::Request) => request / 100.0,
                (true, PercentOf::Cpu) => 0.01,
            };
            let read = |round| value(trace, offset_s + at(round) - at(first));
            Ok(rounds.map(|r| (read(r) * unit).clamp(0.0, most)).collect())
        }
        Usage::Process {
            mean,
            swing,
            period_s,
            noise,
            memory,
        } => {
            let fresh = (1.0 - memory * memory).sqrt() * noise;
            let mut w = noise * random.bell();
            let mut list = Vec::with_capacity(rounds.len());
            for round in rounds {
                let wave = swing * (TAU * at(round) / period_s).sin();
                list.push(((mean + wave + w) * request).clamp(0.0, most));
                w = memory * w + fresh * random.bell();
            }
            Ok(list)
        }
    }
}

/// A trace's sample at a time after its beginning, repeated from its end on.
/// A sample stands for the interval that ends with it.
fn value(trace: &Trace, time_s: f64) -> f64 {
    let samples = &trace.samples;
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else {
        return 0.0;
    };
    let step_s = match samples.get(1) {
        Some(second) => second.0 - first.0,
        None => 1.0,
    };
    let begin_s = first.0 - step_s;
    let now_s = begin_s + time_s.rem_euclid(last.0 - begin_s);
    let next = samples.partition_point(|s| s.0 <= now_s);
    samples.get(next).unwrap_or(last).1
}
