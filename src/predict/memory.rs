//! What is remembered of a container beyond its last hour, in a bounded size.
//!
//! **Problem.** The next ten minutes depend on more than the last hour: on what
//! the same time of yesterday and of last week brought, on how often and how far
//! use jumps, on how long ago the last peak was. All of it must be had at each
//! sample in constant time, from samples up to now alone.
//!
//! **Approach.** Use is followed by exponentially weighted means (half-lives of
//! [`HALF_LIVES_S`]) and the 24 h decaying [`Histogram`]; and by *slots*, ten
//! minutes aligned to the epoch, of which each that closed leaves one number,
//! the nearest-rank P95 of its samples (the target's own statistic), in a ring
//! that goes back eight days. Figures that need a walk over the ring are made
//! when a slot closes and kept.
//!
//! Use is in CPUs (of a trace: hundredths of its percents). All but counts and
//! times scale with it.

use serde::{Deserialize, Serialize};

use super::rank::nearest_rank_95;
use crate::history::Histogram;

/// Half-lives of the weighted means, seconds.
pub(super) const HALF_LIVES_S: [f64; 5] = [900.0, 3_600.0, 14_400.0, 86_400.0, 604_800.0];

/// Length of a slot, seconds.
pub(super) const SLOT_S: f64 = 600.0;

/// Slots in an hour, a day, a week.
const HOUR: i64 = 6;
const DAY: i64 = 144;
const WEEK: i64 = 7 * DAY;

/// Slots in the ring: eight days.
const RING: usize = 8 * 144;

/// Half-life of what is remembered of jumps, slots: one day.
const JUMP_HALF_LIFE: f64 = 144.0;

/// A slot is a peak of its day from this share of the day's largest on.
const PEAK_SHARE: f64 = 0.9;

/// A weighted mean and mean square whose weights halve every half-life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Decayed {
    weight: f64,
    sum: f64,
    squares: f64,
}

impl Decayed {
    fn add(&mut self, keep: f64, value: f64, weight: f64) {
        self.weight = self.weight * keep + weight;
        self.sum = self.sum * keep + weight * value;
        self.squares = self.squares * keep + weight * value * value;
    }

    fn mean(&self) -> f64 {
        self.sum / self.weight
    }

    fn deviation(&self) -> f64 {
        let mean = self.mean();
        (self.squares / self.weight - mean * mean).max(0.0).sqrt()
    }
}

/// Figures made when a slot closes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Walked {
    /// Largest slot of the last 2, 3, 6, 12, 24 hours and 7 days.
    pub(super) largest: [f64; 6],
    /// Slots since one reached [`PEAK_SHARE`] of the day's largest.
    pub(super) since_peak: f64,
    /// Slots of the day that did.
    pub(super) peaks: f64,
    /// Ascending: slots of the last day, for ranks.
    pub(super) smallest: f64,
}

/// The memory; see the module's documentation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Memory {
    last_s: Option<f64>,
    decayed: [Decayed; HALF_LIVES_S.len()],
    day: Histogram,
    /// The open slot's number since the epoch, and its samples.
    slot: i64,
    open: Vec<f64>,
    /// P95 of closed slots by number modulo the length; NaN: none.
    ring: Vec<f32>,
    /// Slot minus largest of the six before it, if positive; whether it was.
    jumps: Decayed,
    exceeds: Decayed,
    /// Difference of neighbouring slots, absolute.
    steps: Decayed,
    walked: Option<Walked>,
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl Memory {
    /// Of nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            last_s: None,
            decayed: [Decayed::default(); HALF_LIVES_S.len()],
            day: Histogram::new(),
            slot: i64::MIN,
            open: Vec::new(),
            ring: vec![f32::NAN; RING],
            jumps: Decayed::default(),
            exceeds: Decayed::default(),
            steps: Decayed::default(),
            walked: None,
        }
    }

    /// Whether its parts fit each other: what was read from a file may be anything.
    pub(super) fn is_sound(&self) -> bool {
        let open = match self.last_s {
            None => self.open.is_empty() && self.slot == i64::MIN,
            Some(last_s) => last_s.abs() < 1e11 && self.slot == slot_of(last_s),
        };
        open && self.ring.len() == RING
    }

    /// Takes in the mean use `cpus` over `length_s` up to `time_s` (seconds
    /// since the epoch, UTC). Times that do not ascend and values that are not
    /// finite are ignored.
    pub fn push(&mut self, time_s: f64, cpus: f64, length_s: f64) {
        let ascends = self.last_s.is_none_or(|last| time_s > last);
        if !(ascends && time_s.is_finite() && cpus.is_finite() && length_s > 0.0) {
            return;
        }
        let since = self.last_s.map_or(0.0, |last| time_s - last);
        self.last_s = Some(time_s);
        // As in the store: a mean over a long gap must not outweigh the many beside it.
        let weight = length_s.min(300.0);
        for (decayed, half_life) in self.decayed.iter_mut().zip(HALF_LIVES_S) {
            decayed.add((-since / half_life).exp2(), cpus, weight);
        }
        self.day.add(time_s, cpus, weight);
        let slot = slot_of(time_s);
        if slot != self.slot {
            self.close();
            // Slots that were skipped are missing; after eight days all are.
            let skipped = slot.saturating_sub(self.slot).min(as_slots(RING));
            for i in 0..skipped {
                let at = ring_index(slot - i);
                self.ring[at] = f32::NAN;
            }
            self.slot = slot;
        }
        self.open.push(cpus);
    }

    /// Puts the open slot into the ring and walks it.
    fn close(&mut self) {
        let Some(p95) = nearest_rank_95(&mut self.open) else {
            return;
        };
        self.open.clear();
        let before = self.largest_of(1, HOUR);
        if !before.is_nan() {
            let keep = (-1.0 / JUMP_HALF_LIFE).exp2();
            self.jumps.add(keep, (p95 - before).max(0.0), 1.0);
            self.exceeds
                .add(keep, f64::from(u8::from(p95 > before)), 1.0);
            let previous = self.at(self.slot - 1);
            if !previous.is_nan() {
                self.steps.add(keep, (p95 - previous).abs(), 1.0);
            }
        }
        #[expect(clippy::cast_possible_truncation, reason = "a use, to seven digits")]
        let kept = p95 as f32;
        self.ring[ring_index(self.slot)] = kept;
        self.walked = Some(self.walk());
    }

    /// The closed slot `number`; NaN if there is none.
    fn at(&self, number: i64) -> f64 {
        let back = self.slot.saturating_sub(number);
        if (0..as_slots(RING)).contains(&back) {
            f64::from(self.ring[ring_index(number)])
        } else {
            f64::NAN
        }
    }

    /// Largest of the slots `from..=to` before the current one; NaN if all are missing.
    fn largest_of(&self, from: i64, to: i64) -> f64 {
        let [older, newer] = self.slots(from, to);
        largest(older).max(largest(newer))
    }

    /// The slots `from..=to` before the current one, fewer than the ring has: oldest first, in
    /// two parts where the ring begins anew between them.
    fn slots(&self, from: i64, to: i64) -> [&[f32]; 2] {
        let begin = ring_index(self.slot - to);
        let length = usize::try_from(to - from + 1).unwrap_or(0);
        let older = length.min(RING - begin);
        [
            &self.ring[begin..begin + older],
            &self.ring[..length - older],
        ]
    }

    fn walk(&self) -> Walked {
        let hours = [2, 3, 6, 12, 24];
        let mut largest = [f64::NAN; 6];
        let mut from = 0;
        let mut sofar = f64::NAN;
        for (place, hours) in largest.iter_mut().zip(hours) {
            sofar = sofar.max(self.largest_of(from, hours * HOUR - 1));
            from = hours * HOUR;
            *place = sofar;
        }
        largest[5] = sofar.max(self.largest_of(DAY, WEEK - 1));
        let (mut since_peak, mut peaks, mut smallest) = (f64::NAN, 0.0, f64::NAN);
        let mut back_slots = 0.0;
        let [older, newer] = self.slots(0, DAY - 1);
        for value in newer.iter().rev().chain(older.iter().rev()) {
            let value = f64::from(*value);
            smallest = smallest.min(value);
            if value >= PEAK_SHARE * largest[4] {
                peaks += 1.0;
                since_peak = since_peak.min(back_slots);
            }
            back_slots += 1.0;
        }
        Walked {
            largest,
            since_peak,
            peaks,
            smallest,
        }
    }

    /// Weighted means, one a half-life, CPUs.
    pub(super) fn means(&self) -> [f64; HALF_LIVES_S.len()] {
        self.decayed.map(|d| d.mean())
    }

    /// Weighted standard deviations, CPUs.
    pub(super) fn deviations(&self) -> [f64; HALF_LIVES_S.len()] {
        self.decayed.map(|d| d.deviation())
    }

    /// The 24 h decaying histogram.
    pub(super) fn day(&self) -> &Histogram {
        &self.day
    }

    /// Mean jump above the hour before, share of slots that jumped, mean step.
    pub(super) fn jumps(&self) -> [f64; 3] {
        [self.jumps.mean(), self.exceeds.mean(), self.steps.mean()]
    }

    /// What was made when the last slot closed.
    pub(super) fn walked(&self) -> Option<&Walked> {
        self.walked.as_ref()
    }

    /// Largest of the slots `ahead`, `back` slots ago, with `margin` slots more on
    /// each side; NaN if all are missing. Only closed slots are looked at.
    pub(super) fn analog(&self, ahead: Ahead, back: i64, margin: i64) -> f64 {
        (ahead.first - back - margin..=ahead.last - back + margin).fold(
            f64::NAN,
            |largest, number| {
                if number < self.slot {
                    largest.max(self.at(number))
                } else {
                    largest
                }
            },
        )
    }
}

/// The largest value; NaN if all are missing. Eight at a time, each in its own lane, since a walk
/// over a week's slots is most of what a closed slot costs.
fn largest(values: &[f32]) -> f64 {
    let mut lanes = [f32::NEG_INFINITY; 8];
    let (eights, rest) = values.as_chunks::<8>();
    for eight in eights {
        for (lane, &value) in lanes.iter_mut().zip(eight) {
            // False for NaN.
            *lane = if value > *lane { value } else { *lane };
        }
    }
    let largest = rest.iter().chain(&lanes).copied();
    let largest = largest.fold(f32::NEG_INFINITY, f32::max);
    if largest == f32::NEG_INFINITY {
        f64::NAN
    } else {
        f64::from(largest)
    }
}

/// The slots that the next ten minutes touch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ahead {
    first: i64,
    last: i64,
}

impl Ahead {
    /// Those of `(now_s, now_s + 600 s]`.
    pub(super) fn of(now_s: f64) -> Self {
        Self {
            first: slot_of(now_s + 1.0),
            last: slot_of(now_s + SLOT_S),
        }
    }
}

/// Distances of what comes back daily, weekly, hourly, slots.
pub(super) const DAYS: [i64; 7] = [DAY, 2 * DAY, 3 * DAY, 4 * DAY, 5 * DAY, 6 * DAY, WEEK];
pub(super) const HOURS: [i64; 6] = [2 * HOUR, 3 * HOUR, 4 * HOUR, 5 * HOUR, 6 * HOUR, 12 * HOUR];

/// The slot in which a sample that ends at `time_s` lies: `(600 k, 600 (k + 1)]`.
fn slot_of(time_s: f64) -> i64 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "seconds since the epoch; a cast saturates"
    )]
    let slot = (time_s / SLOT_S).ceil() as i64 - 1;
    slot
}

fn as_slots(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

fn ring_index(number: i64) -> usize {
    usize::try_from(number.rem_euclid(as_slots(RING))).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Walks over the ring in parts are those slot by slot: over three times round the ring,
    /// with gaps of up to nine days, and one sample to several a slot.
    #[test]
    fn the_largest_of_slots_is_that_of_each() {
        let mut memory = Memory::new();
        let (mut state, mut time_s) = (1_u32, 1e9);
        for _ in 0..6_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            time_s += match state >> 24 {
                0 => f64::from(state % 800_000),
                1..16 => 1_500.0,
                _ => 290.0,
            };
            memory.push(time_s, f64::from(state >> 8) / 1e6, 290.0);
            for (from, to) in [(0, 11), (1, 6), (12, 17), (144, 1_007), (0, 1_007), (7, 7)] {
                let each = (from..=to).map(|back| memory.at(memory.slot - back));
                let each = each.fold(f64::NAN, f64::max);
                let found = memory.largest_of(from, to);
                assert_eq!(found.to_bits(), each.to_bits(), "{from} to {to}");
            }
        }
    }
}
