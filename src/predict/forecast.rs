//! Predictions for all containers of a host: the chain from trees to request,
//! with what is remembered from round to round. Pure; `store` keeps it.
//!
//! **Chain.** With `seen` what [`Fallback`] says (24 h P95, maximum of the last
//! hour, request) and t the calibrated trees:
//!
//! ```text
//! p = w t + (1 - w) seen      w = 0 below 1 h of age, (age - 1 h) / 1 h up to 2 h, then 1
//! ```
//!
//! and `seen` alone where the trees are refused, with the reason. Below an hour
//! the request in `seen` is replaced by a prior where one is known: with three or more
//! containers on this host of the same image, else app, else owner that are an hour
//! old and have a request, the largest share that any of them uses (24 h P95),
//! of this one's request. It is never above the request.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::online::{Online, Pace, Record, Sample};
use super::trees::{Spoken, Trees};
use super::{Confidence, Fallback, Features, Link, Memory, Prediction};
use crate::cgroup::{ContainerKey, Context};
use crate::history::{History, Observation, Round};

/// From this age on the trees have a say, and from twice it the only one, seconds.
const SEASONED_S: f64 = 3_600.0;

/// Containers that make a prior.
const LEAST_PEERS: usize = 3;

/// Least prediction, CPUs.
const FLOOR_CPUS: f64 = 0.001;

/// What is remembered of one container.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    id: String,
    /// End of the newest sample that the memory has, uptime.
    taken_ms: u64,
    memory: Memory,
    online: Online,
}

/// What is remembered of a host's containers and of how its model fares.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Forecast {
    /// The model that the record is about.
    model: Option<u32>,
    record: Record,
    containers: BTreeMap<ContainerKey, Entry>,
}

/// What the chain is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Chain<'a> {
    /// The model, or why there is none.
    pub trees: Result<&'a Trees, &'a str>,
    /// Wanted coverage.
    pub coverage: f64,
    /// Step of the offsets; none: the model's.
    pub step: Option<f64>,
}

impl Chain<'_> {
    /// How the offsets move.
    fn pace(&self) -> Pace {
        let model = self.trees.ok().map(Trees::model);
        let fitted = model.map_or(Pace::default(), |model| model.metadata().pace);
        fitted.with(self.coverage, self.step)
    }

    /// Why no container is predicted by trees; none: they may be.
    #[must_use]
    pub fn refusal(&self, forecast: &Forecast, now_s: f64) -> Option<String> {
        match self.trees {
            Err(reason) => Some(reason.to_string()),
            Ok(trees) => trees.refusal(now_s, self.coverage).or_else(|| {
                if trees.is_on_trial() {
                    forecast.record.trial()
                } else {
                    forecast.record.refusal()
                }
            }),
        }
    }
}

impl Forecast {
    /// How the model fares on this host.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Takes a round in, after the history did: new samples into memory, due
    /// outcomes into offsets and record. Containers that the history forgot go.
    pub fn observe(
        &mut self,
        history: &History,
        now: &Round,
        present: &[Observation],
        chain: &Chain<'_>,
    ) {
        let model = chain.trees.ok().map(Trees::id);
        // A model that is gone for a while, as while it is replaced, keeps its record.
        if model.is_some() && model != self.model {
            self.model = model;
            self.record = Record::default();
            for entry in self.containers.values_mut() {
                entry.online.reset();
            }
        }
        let now_ms = millis(now.uptime_s);
        let pace = chain.pace();
        for observation in present {
            if !self.containers.contains_key(&observation.key) {
                let entry = self.newcomer(observation, present);
                self.containers.insert(observation.key.clone(), entry);
            }
            let Some(entry) = self.containers.get_mut(&observation.key) else {
                continue;
            };
            entry.id.clone_from(&observation.id);
            let samples: Vec<Sample> = history.samples(&observation.key).collect();
            for sample in samples.iter().filter(|s| s.end_ms > entry.taken_ms) {
                let time_s = now.wall_s - seconds(now_ms.saturating_sub(sample.end_ms));
                entry
                    .memory
                    .push(time_s, sample.cpus, seconds(sample.length_ms));
            }
            entry.taken_ms = samples.last().map_or(entry.taken_ms, |s| s.end_ms);
            let outcomes = entry.online.settle(now_ms, now.wall_s, pace, &samples);
            for outcome in &outcomes {
                let unit = observation.request.filter(|r| *r > 0.0).unwrap_or(1.0);
                self.record.add(now.wall_s, outcome, unit);
            }
        }
        self.containers.retain(|key, _| history.knows(key));
    }

    /// A container that was not there before; it may take the place of one of
    /// the same name.
    fn newcomer(&self, observation: &Observation, present: &[Observation]) -> Entry {
        let gone = |key: &ContainerKey| present.iter().all(|o| o.key != *key);
        let before = self.containers.iter().rev();
        let before = before.filter(|(key, entry)| entry.id == observation.id && gone(key));
        let online = before.map(|(_, entry)| entry.online.inherit()).next();
        Entry {
            id: observation.id.clone(),
            taken_ms: 0,
            memory: Memory::new(),
            online: online.unwrap_or_default(),
        }
    }

    /// The predictions, in the order of `containers`; what the trees say is
    /// remembered until its outcome is known.
    pub fn predict(
        &mut self,
        now: &Round,
        containers: &[(ContainerKey, Features)],
        chain: &Chain<'_>,
    ) -> Vec<Prediction> {
        let refusal = chain.refusal(self, now.wall_s);
        let priors = Priors::of(containers.iter().map(|c| &c.1));
        let now_ms = millis(now.uptime_s);
        let one = |(key, features): &(ContainerKey, Features)| {
            let mut entry = self.containers.get_mut(key);
            let interval_s = super::fallback::typical_interval(&features.last_hour);
            let memory = entry.as_ref().map(|e| &e.memory);
            let spoken = match chain.trees {
                Ok(trees) => trees.speak(features, memory, interval_s, chain.coverage),
                Err(reason) => Err(reason.to_string()),
            };
            if let (Some(entry), Ok(spoken)) = (entry.as_mut(), &spoken) {
                entry
                    .online
                    .expect(now_ms, spoken.p95, spoken.scale, spoken.hour_max);
            }
            let unknown = Online::default();
            let online = entry.as_deref().map_or(&unknown, |e| &e.online);
            match (&refusal, spoken) {
                (Some(reason), _) => seen(features, &priors, reason),
                (None, Err(reason)) => seen(features, &priors, &reason),
                (None, Ok(spoken)) => by_trees(features, &priors, spoken, online, interval_s),
            }
        };
        containers.iter().map(one).collect()
    }
}

/// What the chain says of one container of which no outcome is known.
#[must_use]
pub fn predict_once(features: &Features, memory: &Memory, chain: &Chain<'_>) -> Prediction {
    let priors = Priors::default();
    let interval_s = super::fallback::typical_interval(&features.last_hour);
    let spoken = chain.trees.map_err(ToString::to_string).and_then(|trees| {
        match chain.refusal(&Forecast::default(), features.now_s) {
            Some(reason) => Err(reason),
            None => trees.speak(features, Some(memory), interval_s, chain.coverage),
        }
    });
    match spoken {
        Ok(spoken) => by_trees(features, &priors, spoken, &Online::default(), interval_s),
        Err(reason) => seen(features, &priors, &reason),
    }
}

/// What the chain says without trees.
fn seen(features: &Features, priors: &Priors, reason: &str) -> Prediction {
    let prior = priors
        .share(features)
        .filter(|_| features.age_s < SEASONED_S);
    let (Some((share, peers)), Some(request)) = (prior, features.request) else {
        return Fallback.predict_without(features, reason);
    };
    let instead = Features {
        request: Some(request * share.min(1.0)),
        ..features.clone()
    };
    let mut prediction = Fallback.predict_without(&instead, reason);
    prediction.why += &format!(
        "; for the request {request:.3} stands {:.0} % of it, the most that {peers} like it use here",
        100.0 * share.min(1.0)
    );
    prediction
}

fn by_trees(
    features: &Features,
    priors: &Priors,
    spoken: Spoken,
    online: &Online,
    interval_s: Option<f64>,
) -> Prediction {
    let offset = online.offset() * spoken.scale;
    let trees = (spoken.p95 + offset).max(0.0);
    let say = ((features.age_s - SEASONED_S) / SEASONED_S).clamp(0.0, 1.0);
    // What has no say is not asked.
    let rest = (say < 1.0).then(|| {
        let reason = "the trees have a say only from an hour of age on";
        seen(features, priors, reason)
    });
    let rest = match rest {
        Some(rest) if say <= 0.0 => return rest,
        rest => rest,
    };
    let limit = features.limit.filter(|l| l.is_finite() && *l >= 0.0);
    let limit = limit.unwrap_or(f64::INFINITY);
    let p95 = rest
        .as_ref()
        .map_or(trees, |rest| say * trees + (1.0 - say) * rest.p95);
    let mut why = format!("trees {:.3}", spoken.p95);
    if offset.abs() >= 0.0005 {
        why += &format!(" and {offset:+.3} from its own outcomes");
    }
    if let Some(rest) = &rest {
        why += &format!(
            ", {:.0} % of the way from {:.3} ({}) while younger than two hours",
            100.0 * say,
            rest.p95,
            rest.why
        );
    }
    if let Some((covered, outcomes)) = online.coverage() {
        why += &format!(
            "; covered {:.0} % of {outcomes:.1} outcomes",
            100.0 * covered
        );
    }
    if p95 > limit {
        why += &format!("; held at the limit of {limit:.3}");
    }
    if !features.doubts.is_empty() {
        why += &format!("; doubts: {}", features.doubts.join(", "));
    }
    Prediction {
        p95: p95.max(FLOOR_CPUS).min(limit),
        p50: spoken.p50.map(|p50| p50.min(p95).min(limit)),
        link: Link::Trees,
        age_s: features.age_s,
        interval_s,
        confidence: online
            .coverage()
            .map(|(coverage, outcomes)| Confidence { coverage, outcomes }),
        why,
    }
}

/// Largest share of the request in use, and how many say so, by image, app and owner.
#[derive(Debug, Default)]
struct Priors {
    groups: [BTreeMap<String, (f64, usize)>; 3],
}

/// From the most telling.
fn names(context: &Context) -> [Option<&String>; 3] {
    [
        context.image.as_ref(),
        context.app.as_ref(),
        context.owner.as_ref(),
    ]
}

impl Priors {
    fn of<'a>(containers: impl Iterator<Item = &'a Features>) -> Self {
        let mut priors = Self::default();
        for features in containers.filter(|f| f.age_s >= SEASONED_S) {
            let request = features.request.filter(|r| r.is_finite() && *r > 0.0);
            let Some((used, request)) = features.day_p95.zip(request) else {
                continue;
            };
            for (group, name) in priors.groups.iter_mut().zip(names(&features.context)) {
                let Some(name) = name else { continue };
                let known = group.entry(name.clone()).or_insert((0.0, 0));
                *known = (known.0.max(used / request), known.1 + 1);
            }
        }
        priors
    }

    fn share(&self, features: &Features) -> Option<(f64, usize)> {
        let named = self.groups.iter().zip(names(&features.context));
        let mut known = named.filter_map(|(group, name)| group.get(name?).copied());
        known.find(|(_, peers)| *peers >= LEAST_PEERS)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast from a float saturates"
)]
fn millis(seconds: f64) -> u64 {
    (seconds.max(0.0) * 1000.0).round() as u64
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds since boot")]
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}
