//! The history of all containers: what one round adds, and what a predictor
//! may know of one container. Pure; [`super::store`] reads and writes it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::cgroup::{Container, ContainerKey, Context};
use crate::predict::Features;
use crate::predict::online::Sample;

use super::archive::Info;
use super::track::{Closed, Reading, Track, Trouble};
use super::{HOUR_MS, cpus, millis, seconds};

/// Wall time may drift from uptime by this much between two rounds, and by a
/// thousandth of the time between them, before it is called a step.
const STEP_MS: u64 = 2_000;

/// A container that is not seen keeps its history this long: a round that
/// could not read its directory must not cost a day of history.
const ABSENT_MS: u64 = HOUR_MS;

/// Absent containers kept at most; those longest gone go first.
const MAX_ABSENT: usize = 1_024;

/// Rows kept while the archive cannot be written; the oldest go first.
pub(super) const MAX_PENDING: usize = 50_000;

/// Quantile read from the 24 h histogram.
const DAY_QUANTILE: f64 = 0.95;

/// One moment of one host.
#[derive(Clone, Debug, PartialEq)]
pub struct Round {
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
    /// Seconds since the epoch, UTC.
    pub wall_s: f64,
    /// Seconds since boot (`/proc/uptime`, first number).
    pub uptime_s: f64,
    /// CPUs online.
    pub cpus_online: u32,
}

/// One container in a round.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// Identity.
    pub key: ContainerKey,
    /// Display name.
    pub id: String,
    /// What is known beside the cgroup.
    pub context: Context,
    /// Request, CPUs; none if unknown.
    pub request: Option<f64>,
    /// When the counter was read, seconds since the epoch, UTC.
    pub wall_s: f64,
    /// When the counter was read, seconds since boot.
    pub uptime_s: f64,
    /// CPU time used since the container's start, nanoseconds; none: no
    /// accounting, or it could not be read this time.
    pub usage_ns: Option<u64>,
}

impl Observation {
    /// A container as discovered, its counter read at the given times. The
    /// request is the one before rounding up where it is known.
    #[must_use]
    pub fn of(container: &Container, wall_s: f64, uptime_s: f64) -> Self {
        let request = &container.request;
        #[expect(clippy::cast_precision_loss, reason = "milli-CPU far below 2^53")]
        let exact = request.mcpu.map(|m| m as f64 / 1000.0);
        Self {
            key: container.key.clone(),
            id: container.id.clone(),
            context: container.context.clone(),
            request: exact.or(request.cpus.map(f64::from)),
            wall_s,
            uptime_s,
            usage_ns: container.usage_ns,
        }
    }
}

/// Something a user should know; never a reason to stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Display name of the container it is about; none: the store.
    pub id: Option<String>,
    /// What happened, a lower-case fragment.
    pub text: String,
}

impl Note {
    pub(super) fn store(text: String) -> Self {
        Self { id: None, text }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.id {
            Some(id) => write!(f, "history of {id}: {}", self.text),
            None => write!(f, "history: {}", self.text),
        }
    }
}

/// The last round, to see clock steps and reboots.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Stamp {
    pub boot_id: String,
    pub wall_ms: u64,
    pub uptime_ms: u64,
}

/// Usage of all containers; see the module's documentation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    pub(super) last: Option<Stamp>,
    pub(super) tracks: BTreeMap<ContainerKey, Track>,
    /// Closed rows that the archive does not have yet, oldest first.
    pub(super) pending: Vec<Closed>,
    /// Bytes of the archive's segments that count, by day since the epoch.
    pub(super) committed: BTreeMap<u32, u64>,
    /// The hot file could not be read (in full): `save` sets it aside first.
    pub(super) set_aside: bool,
}

impl History {
    /// Containers with a history.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tracks.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tracks.is_empty()
    }

    /// Takes one round in: every container that is there now. Containers that
    /// are not, end: after an hour, or at once if they are of another boot.
    /// Pure; [`History::save`] makes it last. `plan` may call it on a loaded
    /// history and never save, and so sees the newest interval too.
    pub fn record(&mut self, round: &Round, observations: &[Observation]) -> Vec<Note> {
        let mut notes = Vec::new();
        let (Some(wall_ms), Some(uptime_ms)) = (millis(round.wall_s), millis(round.uptime_s))
        else {
            notes.push(Note::store(format!(
                "the time is unreadable (wall {} s, uptime {} s): nothing is recorded",
                round.wall_s, round.uptime_s
            )));
            return notes;
        };
        let now = Stamp {
            boot_id: round.boot_id.clone(),
            wall_ms,
            uptime_ms,
        };
        let step = self.clock_step(&now, &mut notes);
        let mut present = BTreeSet::new();
        for observation in observations {
            present.insert(&observation.key);
            self.observe(round, observation, step, &mut notes);
        }
        self.retire(&now, &present, &mut notes);
        if self.pending.len() > MAX_PENDING {
            let surplus = self.pending.len() - MAX_PENDING;
            self.pending.drain(..surplus);
            notes.push(Note::store(format!(
                "the archive could not be written for long: the oldest {surplus} waiting rows are dropped"
            )));
        }
        self.last = Some(now);
        notes
    }

    /// What a predictor may know of a container at `round`: its stored
    /// samples, and from the observation what is known now. `limit` is the
    /// upper clamp of a prediction, CPUs. Containers never recorded give
    /// features without samples.
    #[must_use]
    pub fn features(
        &self,
        round: &Round,
        observation: &Observation,
        limit: Option<f64>,
    ) -> Features {
        let mut features = Features {
            now_s: round.wall_s,
            request: observation.request,
            limit,
            context: observation.context.clone(),
            ..Features::default()
        };
        if observation.usage_ns.is_none() {
            features.doubts.push("no CPU time accounting".into());
        }
        let now_ms = millis(round.uptime_s);
        let (Some(track), Some(now_ms)) = (self.tracks.get(&observation.key), now_ms) else {
            return features;
        };
        let ago = |ms: u64| now_ms.checked_sub(ms);
        features.last_hour = track
            .hour
            .iter()
            .filter_map(|s| Some((ago(s.end_ms)?, s)))
            .filter(|(ago_ms, _)| *ago_ms < HOUR_MS)
            .map(|(ago_ms, s)| (seconds(ago_ms), cpus(s.ucpu)))
            .collect();
        features.day_p95 = track.day.quantile(DAY_QUANTILE);
        features.age_s = track.first_ms.and_then(ago).map_or(0.0, seconds);
        let recent = track.troubles.iter().filter_map(|(at, what)| {
            let ago_ms = ago(*at).filter(|&ms| ms <= HOUR_MS)?;
            Some(format!("{} s ago: {}", ago_ms / 1000, what.text()))
        });
        features.doubts.extend(recent);
        features
    }

    /// The container's samples of the last hour, oldest first; none of one that
    /// was never recorded.
    pub fn samples(&self, key: &ContainerKey) -> impl Iterator<Item = Sample> {
        let hour = self.tracks.get(key).map(|track| track.hour.iter());
        hour.into_iter().flatten().map(|s| Sample {
            end_ms: s.end_ms,
            length_ms: u64::from(s.length_ms),
            cpus: cpus(s.ucpu),
        })
    }

    /// Whether the container is there, or was within the last hour.
    #[must_use]
    pub fn knows(&self, key: &ContainerKey) -> bool {
        self.tracks.contains_key(key)
    }

    /// Whether wall time moved against uptime since the last round, seconds.
    fn clock_step(&self, now: &Stamp, notes: &mut Vec<Note>) -> Option<Trouble> {
        let last = self.last.as_ref()?;
        if last.boot_id != now.boot_id {
            let others = self.tracks.len();
            if others > 0 {
                notes.push(Note::store(format!(
                    "the host was rebooted: {others} containers of the last boot go to the archive"
                )));
            }
            return None;
        }
        let passed = now.uptime_ms.checked_sub(last.uptime_ms)?;
        let moved = i128::from(now.wall_ms) - i128::from(last.wall_ms) - i128::from(passed);
        if moved.unsigned_abs() <= u128::from(STEP_MS + passed / 1000) {
            return None;
        }
        let step = Trouble::ClockStep {
            seconds: i64::try_from(moved / 1000).unwrap_or(i64::MAX),
        };
        notes.push(Note::store(step.text()));
        Some(step)
    }

    fn observe(
        &mut self,
        round: &Round,
        observation: &Observation,
        step: Option<Trouble>,
        notes: &mut Vec<Note>,
    ) {
        let mut note = |text: String| {
            notes.push(Note {
                id: Some(observation.id.clone()),
                text,
            });
        };
        let times = (millis(observation.wall_s), millis(observation.uptime_s));
        let (Some(wall_ms), Some(uptime_ms)) = times else {
            note(format!(
                "its time is unreadable (wall {} s, uptime {} s): not recorded",
                observation.wall_s, observation.uptime_s
            ));
            return;
        };
        let track = self
            .tracks
            .entry(observation.key.clone())
            .or_insert_with(|| {
                let info = Info {
                    id: observation.id.clone(),
                    context: observation.context.clone(),
                };
                Track::new(info, uptime_ms)
            });
        track.describe(&observation.id, &observation.context);
        track.seen_ms = uptime_ms;
        track.request_mcpu = observation.request.and_then(milli_cpu);
        if let Some(step) = step {
            track.trouble(uptime_ms, step);
        }
        let Some(usage_ns) = observation.usage_ns else {
            return;
        };
        let reading = Reading {
            wall_ms,
            uptime_ms,
            usage_ns,
            cpus_online: round.cpus_online,
        };
        let ContainerKey { boot_id, inode } = &observation.key;
        let pending = &mut self.pending;
        let trouble = track.observe(*inode, &reading, |row, info| {
            pending.push(Closed {
                boot_id: boot_id.clone(),
                info,
                row,
            });
        });
        if let Some(trouble) = trouble {
            note(trouble.text());
        }
    }

    /// Ends containers that are gone and hands over what they had open.
    fn retire(&mut self, now: &Stamp, present: &BTreeSet<&ContainerKey>, notes: &mut Vec<Note>) {
        let mut absent: Vec<(u64, ContainerKey)> = Vec::new();
        let mut gone: Vec<ContainerKey> = Vec::new();
        for (key, track) in &self.tracks {
            if present.contains(key) {
                continue;
            }
            let away_ms = now.uptime_ms.saturating_sub(track.seen_ms);
            if key.boot_id != now.boot_id || away_ms > ABSENT_MS {
                gone.push(key.clone());
            } else {
                absent.push((track.seen_ms, key.clone()));
            }
        }
        if absent.len() > MAX_ABSENT {
            absent.sort();
            let surplus = absent.len() - MAX_ABSENT;
            gone.extend(absent.drain(..surplus).map(|(_, key)| key));
            notes.push(Note::store(format!(
                "more than {MAX_ABSENT} containers ended within an hour: the {surplus} longest gone go to the archive at once"
            )));
        }
        let mut close = |key: &ContainerKey, track: &mut Track, wall_ms| {
            track.flush(key.inode, wall_ms, |row, info| {
                self.pending.push(Closed {
                    boot_id: key.boot_id.clone(),
                    info,
                    row,
                });
            });
        };
        for key in gone {
            if let Some(mut track) = self.tracks.remove(&key) {
                close(&key, &mut track, u64::MAX);
            }
        }
        // A container that lost its accounting must not keep a bucket open for ever.
        let stale = now.wall_ms.saturating_sub(HOUR_MS);
        for (key, track) in &mut self.tracks {
            close(key, track, stale);
        }
    }
}

/// CPUs in milli-CPU; none unless finite and not negative.
fn milli_cpu(cpus: f64) -> Option<u32> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast from a float saturates; sign and NaN are checked"
    )]
    (cpus.is_finite() && cpus >= 0.0).then(|| (cpus * 1000.0).round() as u32)
}
