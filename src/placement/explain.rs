//! Why each container is where it is, in numbers and in words.
//!
//! A move is explained by the plan in which it alone is taken back: the
//! container keeps the threads that it had, and whoever has them now takes the
//! ones it got in exchange. Both plans give everybody as many threads, so their
//! costs compare part by part: what is higher there is what the move saves,
//! what is lower is what it costs. A container that stays is explained the same
//! way, by the plan in which it moves to free threads.
//!
//! Amounts are CPUs, from micro-CPU, to three decimals.

use std::collections::BTreeMap;

use serde::Serialize;

use super::cost::cost;
use super::greedy::{Fitter, Style};
use super::lend::{lent_words, risk};
use super::place::Placed;
use super::pool::POOL;
use super::problem::{Owners, Problem};
use super::state::State;
use super::types::{ContainerSpec, CostParts, Instance, Kind, Status};
use crate::cpuset::CpuSet;

/// What the model does not know about a container but a reader should.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Annotation {
    /// Where the request comes from: `quota 400000/100000`.
    pub request_source: Option<String>,
    /// CPU quota, milli-CPU.
    pub quota_mcpu: Option<u64>,
    /// Which link of the prediction was used and why.
    pub prediction: Option<String>,
    /// Anything else worth a sentence.
    pub notes: Vec<String>,
}

/// What happened to a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It had no threads before.
    New,
    /// It stays where it was.
    Kept,
    /// It stays where it was, with threads more or less.
    Resized,
    /// Some of its threads are others now.
    Moved,
}

/// One container's part of an explanation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// Its id; `@pool` for the pooled ones together.
    pub container: String,
    /// What happened to it.
    pub change: Change,
    /// Base threads before.
    pub from: CpuSet,
    /// Base threads now.
    pub to: CpuSet,
    /// What the other choice would cost more, by part (negative: less); none
    /// where there was no other choice or threads have several owners.
    pub saved: Option<CostParts>,
    /// The same in words.
    pub text: String,
}

/// Explains `placed`, the answer of [`super::place()`] for `instance` and
/// `unavailable`; ascending by id. `annotations` are by container id.
#[must_use]
pub fn explain(
    instance: &Instance,
    unavailable: &CpuSet,
    placed: &Placed,
    annotations: &BTreeMap<String, Annotation>,
) -> Vec<Explained> {
    let other = OtherChoices::new(placed);
    let offered = instance.topology.online().difference(unavailable);
    placed
        .normal
        .containers
        .iter()
        .map(|spec| {
            let to = placed
                .answer
                .placement
                .get(&spec.id)
                .cloned()
                .unwrap_or_default();
            let was: CpuSet = spec.previous.iter().flatten().copied().collect();
            let from = was.intersection(&offered);
            let change = if was.is_empty() {
                Change::New
            } else if from == to {
                Change::Kept
            } else if from.is_subset(&to) || to.is_subset(&from) {
                Change::Resized
            } else {
                Change::Moved
            };
            let mut explained = Explained {
                container: spec.id.clone(),
                change,
                from,
                to,
                saved: None,
                text: String::new(),
            };
            let why = other.why(&mut explained, placed);
            let mut text = vec![format!("{}: {}", shown(&spec.id), what(&explained))];
            text.extend(why);
            text.extend(owners(spec, &explained, placed));
            text.extend(members(spec, instance, placed));
            text.extend(lending(spec, placed));
            text.extend(request(spec, annotations.get(&spec.id)));
            text.extend(home(spec, instance, &explained.to));
            text.extend(annotated(annotations.get(&spec.id), &explained.to));
            explained.text = text.join("; ");
            explained
        })
        .collect()
}

fn shown(id: &str) -> String {
    id.escape_debug().to_string()
}

fn what(explained: &Explained) -> String {
    let Explained { from, to, .. } = explained;
    match explained.change {
        Change::New => format!("new, gets {to}"),
        Change::Kept => format!("stays on {to}"),
        Change::Resized if from.len() < to.len() => {
            format!("keeps {from} and gets {} too", to.difference(from))
        }
        Change::Resized => format!("keeps {to} and gives up {}", from.difference(to)),
        Change::Moved => {
            let stays = from.intersection(to);
            let mut text = format!(
                "moves from {} to {}",
                from.difference(to),
                to.difference(from)
            );
            if !stays.is_empty() {
                text.push_str(&format!(" and stays on {stays}"));
            }
            text
        }
    }
}

/// The plans that were not chosen.
struct OtherChoices<'a> {
    state: State<'a>,
    parts: CostParts,
}

impl<'a> OtherChoices<'a> {
    fn new(placed: &'a Placed) -> Self {
        let problem = &placed.problem;
        let mut owners = vec![None; problem.threads.len()];
        for (k, container) in (0u32..).zip(&problem.containers) {
            let base = placed.base.get(&container.id);
            for (thread, owner) in problem.threads.iter().zip(&mut owners) {
                if base.is_some_and(|set| set.contains(thread.cpu)) {
                    *owner = Some(k);
                }
            }
        }
        Self {
            parts: cost(problem, &owners),
            state: State::new(problem, &owners),
        }
    }

    fn problem(&self) -> &'a Problem {
        self.state.problem
    }

    /// Sets `saved`; the reason in words.
    fn why(&self, explained: &mut Explained, placed: &Placed) -> Option<String> {
        let k = self
            .problem()
            .containers
            .iter()
            .position(|c| c.id == explained.container)?;
        let k = u32::try_from(k).ok()?;
        match explained.change {
            Change::Moved => {
                let staying = self.taken_back(k);
                if self.breaks_a_rule(&staying) {
                    return Some("staying alone would break a rule".to_owned());
                }
                let saved = difference(cost(self.problem(), &staying), self.parts);
                explained.saved = Some(saved);
                Some(moved_text(saved))
            }
            Change::Kept => {
                let Some((threads, moved)) = self.moved_to_free(k) else {
                    return Some("no other threads are free for it".to_owned());
                };
                if self.breaks_a_rule(&moved) {
                    return Some(format!("moving to the free {threads} would break a rule"));
                }
                let saved = difference(cost(self.problem(), &moved), self.parts);
                explained.saved = Some(saved);
                Some(kept_text(saved, &threads, placed.answer.status))
            }
            Change::New | Change::Resized => None,
        }
    }

    fn breaks_a_rule(&self, owners: &Owners) -> bool {
        let rules = &self.problem().rules;
        let broken = |owners: &Owners| rules.broken(self.problem(), owners);
        !rules.is_empty() && broken(owners) > broken(self.state.owners())
    }

    /// The plan in which `k` alone does not move.
    fn taken_back(&self, k: u32) -> Vec<Option<u32>> {
        let mut owners: Vec<Option<u32>> = self.state.owners().to_vec();
        let is_before = |t: usize| self.state.was(t) == Some(k);
        let (mut left, mut entered) = (Vec::new(), Vec::new());
        for (t, owner) in owners.iter().enumerate() {
            match (is_before(t), *owner == Some(k)) {
                (true, false) => left.push(t),
                (false, true) => entered.push(t),
                _ => {}
            }
        }
        for (&a, &b) in left.iter().zip(&entered) {
            owners.swap(a, b);
        }
        owners
    }

    /// The plan in which `k` alone moves to free threads, and these; none if
    /// too few are free.
    fn moved_to_free(&self, k: u32) -> Option<(CpuSet, Vec<Option<u32>>)> {
        let mut state = self.state.clone();
        let own: Vec<usize> = (0..state.owners().len())
            .filter(|&t| state.owner(t) == Some(k))
            .collect();
        let mut fitter = Fitter::new(&state);
        let given = fitter.fit(&mut state, k, own.len(), Style::Spread);
        if given.len() < own.len() {
            return None;
        }
        for thread in own {
            state.set(thread, None);
        }
        let cpus = given.iter().map(|&t| self.problem().threads[t].cpu);
        let owners: &Owners = state.owners();
        Some((cpus.collect(), owners.to_vec()))
    }
}

/// `a - b`, part by part.
fn difference(a: CostParts, b: CostParts) -> CostParts {
    CostParts {
        smt: a.smt - b.smt,
        spread: a.spread - b.spread,
        balance: a.balance - b.balance,
        movement: a.movement - b.movement,
        slow: a.slow - b.slow,
        away: a.away - b.away,
    }
}

/// The parts of one sign, largest first; empty if there are none.
fn list(parts: CostParts, sign: i64) -> String {
    let mut named = [
        ("core sharing", parts.smt),
        ("spread", parts.spread),
        ("balance", parts.balance),
        ("movement", parts.movement),
        ("slower cores", parts.slow),
        ("memory away", parts.away),
    ]
    .map(|(name, value)| (name, value * sign))
    .to_vec();
    named.retain(|n| n.1 > 0);
    named.sort_by_key(|n| std::cmp::Reverse(n.1));
    let texts: Vec<String> = named
        .iter()
        .map(|(name, value)| format!("{name} {}", cpu(*value)))
        .collect();
    texts.join(", ")
}

/// Micro-CPU as CPUs.
fn cpu(micro: i64) -> String {
    let milli = (micro.abs() + 500) / 1000;
    if milli == 0 && micro != 0 {
        return "less than 0.001 CPU".to_owned();
    }
    format!("{}.{:03} CPU", milli / 1000, milli % 1000)
}

fn moved_text(saved: CostParts) -> String {
    let (gains, costs) = (list(saved, 1), list(saved, -1));
    let net = saved.total();
    if net <= 0 {
        return "taken alone the move does not pay; it makes room for others".to_owned();
    }
    let mut text = format!("saves {} in all: {gains}", cpu(net));
    if !costs.is_empty() {
        text.push_str(&format!(", for {costs} more"));
    }
    text
}

fn kept_text(saved: CostParts, threads: &CpuSet, status: Status) -> String {
    let (gains, costs) = (list(saved, 1), list(saved, -1));
    let net = saved.total();
    if net >= 0 {
        let more = if net == 0 {
            "no less".to_owned()
        } else {
            format!("{} more", cpu(net))
        };
        let mut text = format!("moving to the free {threads} would cost {more}");
        if !gains.is_empty() {
            text.push_str(&format!(" ({gains}"));
            if !costs.is_empty() {
                text.push_str(&format!(", against {costs} saved"));
            }
            text.push(')');
        }
        return text;
    }
    let reason = if status == Status::Kept {
        "a guardrail keeps the old placement"
    } else {
        "the search ended before it was found"
    };
    format!(
        "moving to the free {threads} would save {}, but {reason}",
        cpu(net)
    )
}

/// Who else runs on its threads.
fn owners(spec: &ContainerSpec, explained: &Explained, placed: &Placed) -> Option<String> {
    let sharing: Vec<String> = placed
        .answer
        .placement
        .iter()
        .filter(|(id, set)| **id != spec.id && !set.is_disjoint(&explained.to))
        .map(|(id, _)| shown(id))
        .collect();
    (!sharing.is_empty()).then(|| format!("shares threads with {}", sharing.join(", ")))
}

/// Whom the pool stands for.
fn members(spec: &ContainerSpec, instance: &Instance, placed: &Placed) -> Option<String> {
    if spec.id != POOL {
        return None;
    }
    let count = instance
        .containers
        .iter()
        .filter(|c| c.kind == Kind::Pooled)
        .count();
    let mut text = format!("stands for {count} pooled containers");
    let answer = &placed.answer;
    if let Some(lent) = lent_words(POOL, &answer.placement, &answer.lent) {
        text.push_str(&format!(", {lent}"));
    }
    Some(text)
}

/// What it is lent, or what lending its threads means for it.
fn lending(spec: &ContainerSpec, placed: &Placed) -> Option<String> {
    let answer = &placed.answer;
    match spec.kind {
        Kind::Static => risk(
            &placed.normal,
            &answer.placement,
            &answer.lent,
            spec,
            placed.is_shared,
        ),
        Kind::Burst => lent_words(&spec.id, &answer.placement, &answer.lent),
        Kind::Pooled => None,
    }
}

fn request(spec: &ContainerSpec, annotation: Option<&Annotation>) -> Vec<String> {
    let plural = if spec.cpus == 1 { "" } else { "s" };
    let mut request = format!("requests {} thread{plural}", spec.cpus);
    if let Some(source) = annotation.and_then(|a| a.request_source.as_ref()) {
        request.push_str(&format!(" ({source})"));
    }
    let mut used = format!("predicted P95 {:.3} CPU", spec.predicted_p95);
    if let Some(why) = annotation.and_then(|a| a.prediction.as_ref()) {
        used.push_str(&format!(" ({why})"));
    }
    vec![request, used]
}

fn home(spec: &ContainerSpec, instance: &Instance, to: &CpuSet) -> Option<String> {
    let home = spec.home?;
    let away = instance
        .topology
        .cpus
        .iter()
        .filter(|c| to.contains(c.id) && c.numa.is_some_and(|node| node != home))
        .count();
    Some(if away == 0 {
        format!("all on node {home}, where its memory is")
    } else {
        format!(
            "{away} of {} threads away from node {home}, where its memory is",
            to.len()
        )
    })
}

fn annotated(annotation: Option<&Annotation>, cpuset: &CpuSet) -> Vec<String> {
    let Some(annotation) = annotation else {
        return Vec::new();
    };
    let mut text = Vec::new();
    if let Some(quota) = annotation.quota_mcpu
        && quota < cpuset.len() as u64 * 1000
    {
        text.push(format!(
            "a quota of {}.{:03} CPU below its cpuset of {} throttles it",
            quota / 1000,
            quota % 1000,
            cpuset.len()
        ));
    }
    text.extend(annotation.notes.iter().cloned());
    text
}
