//! The shell around `decide`: clock, lock, observation, journal, writes.
//!
//! A round of `apply`: lock, read the journal, observe the host, store the
//! sample, predict, decide, record the intent durably, write, verify, record
//! the outcome. `plan` and `status` take the same way without lock, store,
//! journal and writes.
#![expect(
    clippy::disallowed_methods,
    reason = "the run itself: the clock is read here"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::decide::{decide, pool_base, problem_of};
use super::record::Round;
use super::state::{Event, Managed, Settings, State};
use crate::cgroup::journal::{
    Journal, JournalError, JournalState, Limits, Lock, LockError, read_state,
};
use crate::cgroup::{
    Blocked, Container, ContainerRule, CpusetTree, Fence, FenceError, Hierarchy, HierarchyError,
    Host, RequestSource, RestoreReport, Version, describe_emptied, fence, is_emptied,
    observe as observe_containers, restore as restore_originals,
};
use crate::config::Config;
use crate::cpuset::CpuSet;
use crate::error::chain;
use crate::history::{self, History, Observation};
use crate::placement::{HostModels, Lending, Overrun, SolveSettings, Status, idle_rules};
use crate::predict::Features;
use crate::predict::forecast::{Chain, Forecast};
use crate::predict::store::host_model;
use crate::predict::trees::Trees;
use crate::topology::{TopologyError, read_topology};

/// The history's directory below the state directory.
pub const HISTORY: &str = "history";

/// A host and where its state is kept.
#[derive(Clone, Copy)]
pub struct Site<'a> {
    /// The host's files.
    pub host: &'a dyn Host,
    /// Directory of journal and history.
    pub state_dir: &'a Path,
    /// Checked settings.
    pub config: &'a Config,
}

impl std::fmt::Debug for Site<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Site")
            .field("state_dir", &self.state_dir)
            .finish_non_exhaustive()
    }
}

/// Why a round could not take place. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum ShellError {
    /// The CPUs cannot be read.
    #[error("cannot read the host's CPUs")]
    Topology(#[from] TopologyError),
    /// No usable cpuset hierarchy.
    #[error("this host is not fit")]
    Hierarchy(#[from] HierarchyError),
    /// The lock is held, or cannot be taken.
    #[error("cannot start a round")]
    Lock(#[from] LockError),
    /// The journal cannot be used.
    #[error("cannot use the journal")]
    Journal(#[from] JournalError),
    /// A rule of the settings file cannot be used.
    #[error("{0}")]
    Rule(String),
    /// No permission to write.
    #[error("no permission for {path}; run as root")]
    Permission {
        /// What cannot be written.
        path: String,
    },
    /// The round is too large to be recorded.
    #[error("cannot record the round")]
    Record(#[from] crate::codec::CodecError),
}

/// What one look at the host found.
#[derive(Debug)]
pub struct Sight {
    /// What the decision is made from.
    pub state: State,
    /// Why the round happens.
    pub event: Event,
    /// The last committed round.
    pub last: Option<Round>,
    /// The cpuset hierarchy.
    pub hierarchy: Hierarchy,
    /// Usage history with this round's sample.
    pub history: History,
    /// What the predictor remembers, with this round's samples.
    pub forecast: Forecast,
    /// The host's model.
    pub model: ModelState,
    /// Containers that lack the cpuset controller, with what to do.
    pub blocked: Vec<Blocked>,
    /// For the operator.
    pub notes: Vec<String>,
    /// Which `[[containers]]` entries name no directory, in words.
    pub idle_entries: Vec<String>,
}

/// The host's model, and whether it is used.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelState {
    /// `used`, `refused`, or `trial`: the built-in one, which has not won here yet.
    pub state: &'static str,
    /// Whether it is the built-in one.
    pub built_in: bool,
    /// Why it is not used.
    pub reason: Option<String>,
    /// Its quantiles.
    pub quantiles: Vec<f64>,
    /// Time of its newest training data, seconds since the epoch, UTC.
    pub newest_s: Option<f64>,
    /// Share of this host's recent outcomes that the calibrated trees covered.
    pub coverage: Option<f64>,
    /// Independent outcomes that this stands on.
    pub outcomes: f64,
    /// Mean losses on them, shares of the request: trees, maximum of the last hour.
    pub losses: Option<(f64, f64)>,
}

/// How a round ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Nothing needed to be written, or all was and holds.
    Done,
    /// A guardrail kept the old placement, for this reason.
    Kept(String),
    /// A write failed and the round was undone, for this reason.
    RolledBack(String),
}

/// Seconds since the epoch, UTC.
fn wall_clock_s() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |d| d.as_secs_f64())
}

/// Looks at the host: CPUs, containers, usage, predictions.
///
/// # Errors
/// If CPUs or cgroups cannot be read at all; what else cannot be read is
/// noted and treated as absent.
pub fn observe(
    site: &Site<'_>,
    journal: &JournalState,
    solve: &SolveSettings,
) -> Result<Sight, ShellError> {
    let host = site.host;
    let topology = read_topology(host)?;
    let hierarchy = Hierarchy::read(host)?;
    let rules = rules(site.config)?;
    let first: BTreeMap<_, CpuSet> = journal
        .originals
        .iter()
        .map(|(key, original)| (key.clone(), original.cpus.clone()))
        .collect();
    let mut observation = observe_containers(host, &hierarchy, &rules, &first);
    let online = topology.online();
    let tree = cpuset_tree(host, &hierarchy);
    let mut notes = observation.notes;
    for container in &mut observation.containers {
        if let Some(reason) = changed_by_another(container, journal, hierarchy.version, &online) {
            container.fence = Fence::LeftAlone(reason);
        }
        notes.extend(describe_emptied(&tree, journal, container));
    }
    let last = journal
        .last_decision
        .as_ref()
        .and_then(|d| Round::decode(&d.payload.0).ok());
    let blocked = observation.blocked;
    notes.extend(
        blocked
            .iter()
            .map(|b| format!("{}: cannot be fenced: {}", b.id, b.error)),
    );
    let now = history::Round {
        boot_id: boot_id(host),
        wall_s: wall_clock_s(),
        uptime_s: uptime_s(host),
        cpus_online: u32::try_from(online.len()).unwrap_or(u32::MAX),
    };
    let (mut history, read_notes) = History::load(&site.state_dir.join(HISTORY));
    let samples: Vec<Observation> = observation
        .containers
        .iter()
        .map(|c| Observation::of(c, now.wall_s, now.uptime_s))
        .collect();
    let record_notes = history.record(&now, &samples);
    notes.extend(
        read_notes
            .iter()
            .chain(&record_notes)
            .map(ToString::to_string),
    );
    let (mut forecast, forecast_note) = Forecast::load(&site.state_dir.join(HISTORY));
    notes.extend(forecast_note);
    let trees = host_model(site.state_dir);
    let chain = Chain {
        trees: trees.as_ref().map_err(String::as_str),
        coverage: site.config.predict.coverage,
        step: site.config.predict.step,
    };
    forecast.observe(&history, &now, &samples, &chain);
    let known: Vec<_> = observation
        .containers
        .iter()
        .zip(&samples)
        .map(|(container, sample)| {
            let features = history.features(&now, sample, use_limit(container));
            (container.key.clone(), features)
        })
        .collect();
    let predictions = forecast.predict(&now, &known, &chain);
    let model = model_state(&chain, &forecast, now.wall_s);
    let mut containers = Vec::new();
    let seen = known.iter().map(|(_, features)| features);
    for ((container, prediction), features) in observation
        .containers
        .into_iter()
        .zip(predictions)
        .zip(seen)
    {
        let assigned = assigned_before(&container, last.as_ref(), journal);
        let overrun = overrun(&container, last.as_ref(), features);
        containers.push(Managed {
            container,
            prediction,
            assigned,
            overrun,
        });
    }
    let pool_assigned = last
        .as_ref()
        .and_then(|round| pool_base(&round.decision.plan.answer));
    let ids = |containers: &[Managed]| {
        containers
            .iter()
            .map(|m| m.container.id.clone())
            .collect::<Vec<_>>()
    };
    let before = last
        .as_ref()
        .map(|round| ids(&round.state.containers))
        .unwrap_or_default();
    let event = Event::infer(
        before.iter().map(String::as_str),
        ids(&containers).iter().map(String::as_str),
    );
    let settings = Settings {
        solve: solve.clone(),
        system: site.config.system.clone(),
        weights: site.config.weights,
        constraints: site.config.constraints.clone(),
        lending: Lending {
            before: last.as_ref().map(lent_in).unwrap_or_default(),
            ..site.config.lending.clone()
        },
    };
    check_reserve(&settings.lending, &online)?;
    let first_sets = nested_sets(journal, &containers);
    let version = hierarchy.version;
    let state = State {
        now_s: now.wall_s,
        version,
        topology,
        settings,
        containers,
        pool_assigned,
        first_sets,
        warm: last
            .as_ref()
            .and_then(|round| round.decision.warm.clone())
            .unwrap_or_default(),
    };
    Ok(Sight {
        state,
        event,
        last,
        hierarchy,
        history,
        forecast,
        model,
        blocked,
        notes,
        idle_entries: observation.idle_entries,
    })
}

fn model_state(chain: &Chain<'_>, forecast: &Forecast, now_s: f64) -> ModelState {
    let reason = chain.refusal(forecast, now_s);
    let model = chain.trees.ok().map(Trees::model);
    let coverage = forecast.record().coverage();
    let built_in = chain.trees.is_ok_and(Trees::is_on_trial);
    ModelState {
        state: match &reason {
            None => "used",
            Some(_) if built_in => "trial",
            Some(_) => "refused",
        },
        built_in,
        reason,
        quantiles: model.map(|m| m.quantiles().to_vec()).unwrap_or_default(),
        newest_s: model.map(|m| m.metadata().newest_s),
        coverage: coverage.map(|c| c.0),
        outcomes: coverage.map_or(0.0, |c| c.1),
        losses: forecast.record().losses(),
    }
}

/// The journal's knowledge of containers with nested directories, which alone
/// the order of writes depends on.
fn nested_sets(journal: &JournalState, containers: &[Managed]) -> JournalState {
    let keys: std::collections::BTreeSet<_> = containers
        .iter()
        .filter(|m| m.container.subtree.len() > 1 || m.container.dir().cpus.is_empty())
        .flat_map(|m| m.container.subtree.iter().map(|dir| &dir.key))
        .collect();
    let mut known = JournalState {
        originals: journal.originals.clone(),
        expected: journal.expected.clone(),
        ..JournalState::default()
    };
    known.originals.retain(|key, _| keys.contains(key));
    known.expected.retain(|key, _| keys.contains(key));
    known
}

fn rules(config: &Config) -> Result<Vec<ContainerRule>, ShellError> {
    let rule = |entry: &crate::config::ContainerEntry| {
        let rule = ContainerRule::new(&entry.pattern, entry.kind, entry.cpus).map_err(|e| {
            ShellError::Rule(format!(
                "containers, match \"{}\": {e}",
                entry.pattern.escape_debug()
            ))
        })?;
        Ok(ContainerRule {
            priority: entry.priority,
            fixed: entry.fixed,
            ..rule
        })
    };
    config.containers.iter().map(rule).collect()
}

fn uptime_s(host: &dyn Host) -> f64 {
    let text = host.text(Path::new("/proc/uptime")).unwrap_or_default();
    text.split_whitespace()
        .next()
        .and_then(|s| s.parse().ok())
        .unwrap_or(0.0)
}

/// Why a container whose cpuset is not as we left it is left alone.
fn changed_by_another(
    container: &Container,
    journal: &JournalState,
    version: Version,
    online: &CpuSet,
) -> Option<String> {
    let dir = container.subtree.iter().find(|dir| {
        // Without what is offline, or what the parent no longer offers.
        let offered = [online, &container.parent_effective];
        !offered
            .iter()
            .any(|cpus| journal.is_ours(&dir.key, &dir.cpus, cpus))
            && !is_emptied(journal, version, &dir.key, &dir.cpus)
    })?;
    let ours = journal
        .last_committed
        .get(&dir.key)
        .or_else(|| journal.originals.get(&dir.key).map(|o| &o.cpus));
    let ours = ours.map_or_else(|| "ours".into(), ToString::to_string);
    Some(format!(
        "another program changed its cpuset from {ours} to {}; `cpufence restore` accepts what it has now",
        if dir.cpus.is_empty() {
            "empty".into()
        } else {
            dir.cpus.to_string()
        }
    ))
}

/// The most CPUs a container can use, where that is declared.
#[expect(clippy::cast_precision_loss, reason = "milli-CPU far below 2^53")]
fn use_limit(container: &Container) -> Option<f64> {
    let quota = container.quota_mcpu.map(|m| m as f64 / 1000.0);
    let declared = matches!(
        container.request.source,
        RequestSource::Config | RequestSource::OriginalCpuset
    );
    let request = container.request.cpus.filter(|_| declared).map(f64::from);
    match (quota, request) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// The CPUs that a round lent.
fn lent_in(round: &Round) -> CpuSet {
    let lent = round.decision.plan.answer.lent.values();
    lent.fold(CpuSet::new(), |all, set| all.union(set))
}

/// A container as that round saw it.
fn known_in<'a>(round: &'a Round, container: &Container) -> Option<&'a Managed> {
    let mut containers = round.state.containers.iter();
    containers.find(|m| m.container.key == container.key)
}

/// That a container used more in the newest sample, if that is newer than the
/// last round, than that round predicted.
fn overrun(container: &Container, last: Option<&Round>, features: &Features) -> Option<Overrun> {
    let last = last?;
    let known = known_in(last, container)?;
    let predicted = known.prediction.p95;
    let &(ago_s, used) = features.last_hour.last()?;
    let is_newer = features.now_s - ago_s > last.state.now_s;
    (is_newer && used > predicted).then_some(Overrun { used, predicted })
}

/// A reserve that no host of this size can keep.
fn check_reserve(lending: &Lending, online: &CpuSet) -> Result<(), ShellError> {
    if lending.reserve as usize <= online.len() {
        return Ok(());
    }
    Err(ShellError::Rule(format!(
        "lending.reserve = {}: this host has {} CPUs online; lower it, or leave it out for 1",
        lending.reserve,
        online.len()
    )))
}

/// The base set of the last committed round, while it holds.
fn assigned_before(
    container: &Container,
    last: Option<&Round>,
    journal: &JournalState,
) -> Option<CpuSet> {
    journal.last_committed.get(&container.key)?;
    let last = last?;
    let known = known_in(last, container)?;
    last.decision
        .plan
        .answer
        .placement
        .get(&known.container.id)
        .cloned()
}

/// Decides what to do; changes nothing.
///
/// # Errors
/// As [`observe`].
pub fn plan(site: &Site<'_>, solve: &SolveSettings) -> Result<(Sight, Round), ShellError> {
    // Without permission to read it, the state counts as absent, and is named.
    let (journal, notes) = read_state(site.state_dir)
        .unwrap_or_else(|error| (JournalState::default(), vec![chain(&error)]));
    let mut sight = observe(site, &journal, solve)?;
    sight.notes.extend(notes);
    // For whoever asks, not for the log of every round.
    sight.notes.append(&mut sight.idle_entries);
    sight.notes.extend(idle_rules(&problem_of(&sight.state).0));
    let round = decide_now(&sight);
    Ok((sight, round))
}

fn decide_now(sight: &Sight) -> Round {
    let start = Instant::now();
    let clock = || start.elapsed();
    let mut hosts = HostModels::default();
    let decision = decide(&sight.state, &sight.event, &mut hosts, &clock);
    let elapsed: Duration = start.elapsed();
    Round {
        state: sight.state.clone(),
        event: sight.event.clone(),
        decision,
        elapsed_s: elapsed.as_secs_f64(),
    }
}

/// One whole round.
///
/// # Errors
/// If the round could not take place; nothing was written to a cgroup then.
pub fn apply(site: &Site<'_>, solve: &SolveSettings) -> Result<(Sight, Round, End), ShellError> {
    let lock = Lock::acquire(site.state_dir)?;
    let mut journal = Journal::open(&lock, Limits::default())?;
    let mut sight = observe(site, journal.state(), solve)?;
    sight.notes.extend(journal.notes().iter().cloned());
    check_fit(site, &sight)?;
    let stored = sight
        .history
        .save(&site.state_dir.join(HISTORY), &history::Limits::default());
    sight.notes.extend(stored.iter().map(ToString::to_string));
    let forgotten = sight.forecast.save(&site.state_dir.join(HISTORY));
    sight.notes.extend(forgotten);
    let round = decide_now(&sight);
    let answer = &round.decision.plan.answer;
    let is_told = matches!(answer.status, Status::Kept | Status::Relaxed);
    let kept = is_told.then(|| answer.reasons.join("; "));
    let end = match (carry_out(site, &mut journal, &mut sight, &round)?, kept) {
        (End::Done, Some(reason)) => End::Kept(reason),
        (end, _) => end,
    };
    Ok((sight, round, end))
}

/// Whether there is anything that can be written, before anything is.
fn check_fit(site: &Site<'_>, sight: &Sight) -> Result<(), ShellError> {
    if let (true, Some(first)) = (sight.state.containers.is_empty(), sight.blocked.first()) {
        return Err(first.error.clone().into());
    }
    let Some(first) = sight
        .state
        .containers
        .iter()
        .find(|m| m.container.fence == Fence::Managed)
    else {
        return Ok(());
    };
    let file = sight.hierarchy.cpus_file(&first.container.dir().path);
    match site.host.check_writable(&file) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            Err(ShellError::Permission {
                path: crate::report::escape_name(file.as_os_str().as_encoded_bytes()),
            })
        }
        _ => Ok(()),
    }
}

fn carry_out(
    site: &Site<'_>,
    journal: &mut Journal,
    sight: &mut Sight,
    round: &Round,
) -> Result<End, ShellError> {
    let tree = cpuset_tree(site.host, &sight.hierarchy);
    let cpusets = &round.decision.plan.cpusets;
    let moves: Vec<(&Container, CpuSet)> = round
        .state
        .containers
        .iter()
        .filter_map(|m| Some((&m.container, cpusets.get(&m.container.id)?.clone())))
        .collect();
    let online = round.state.topology.online();
    match fence(&tree, journal, &moves, &online, round.encode()?, |_| {
        Vec::new()
    }) {
        Ok(fenced) => {
            sight.notes.extend(fenced.notes);
            Ok(End::Done)
        }
        Err(error @ FenceError::Undone(_)) => Ok(End::RolledBack(chain(&error))),
        Err(error) => Ok(End::Kept(chain(&error))),
    }
}

fn cpuset_tree<'a>(host: &'a dyn Host, hierarchy: &Hierarchy) -> CpusetTree<'a> {
    CpusetTree {
        host,
        mount: hierarchy.cpuset.point.clone(),
        version: hierarchy.version,
        boot_id: boot_id(host),
    }
}

fn boot_id(host: &dyn Host) -> String {
    host.text(Path::new("/proc/sys/kernel/random/boot_id"))
        .unwrap_or_default()
}

/// Puts every living container back as it was before the first round.
///
/// # Errors
/// If that could not be tried; no cgroup was written then.
pub fn restore(site: &Site<'_>) -> Result<RestoreReport, ShellError> {
    if !has_state(site.state_dir)? {
        return Ok(RestoreReport::default());
    }
    let lock = Lock::acquire(site.state_dir)?;
    let mut journal = Journal::open(&lock, Limits::default())?;
    let hierarchy = Hierarchy::read(site.host)?;
    let mut report = restore_originals(&cpuset_tree(site.host, &hierarchy), &mut journal);
    report.notes.extend(journal.notes().iter().cloned());
    Ok(report)
}

/// Whether there ever was a round.
fn has_state(state_dir: &Path) -> Result<bool, ShellError> {
    let journal = state_dir.join(crate::cgroup::journal::DIRECTORY);
    match std::fs::metadata(&journal) {
        Ok(found) => Ok(found.is_dir()),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            Err(ShellError::Permission {
                path: crate::report::escape_name(journal.as_os_str().as_encoded_bytes()),
            })
        }
        Err(_) => Ok(false),
    }
}
