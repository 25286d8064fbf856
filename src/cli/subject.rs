//! What a plan is asked for: a host file, or this machine as a round sees it.
#![expect(
    clippy::disallowed_methods,
    reason = "reads the host file and the clock: an edge"
)]

use std::fs;
use std::path::Path;
use std::time::Instant;

use super::args::SearchLimits;
use super::exit::Failure;
use super::log::Log;
use super::plan::{failure, no_search};
use super::settings::{Session, with_limits, with_policy};
use crate::cpuset::CpuSet;
use crate::engine::{problem_of, shell};
use crate::error::chain;
use crate::placement::{
    HostModels, Instance, Placed, PlanReport, SolveSettings, idle_rules, parse_host, plan_instance,
};
use crate::report::escape_name;

/// A placement problem with the settings to solve it by.
pub(super) struct Subject {
    /// How errors name it.
    pub(super) name: String,
    /// Host, containers, weights. A host file brings its own weights.
    pub(super) instance: Instance,
    /// Online CPUs that containers do not get.
    pub(super) unavailable: CpuSet,
    /// Budget, gaps, guardrails, seed.
    pub(super) settings: SolveSettings,
}

impl Subject {
    /// Reads `host`, or this machine where there is none.
    pub(super) fn new(
        session: &Session,
        host: Option<&Path>,
        limits: &SearchLimits,
        log: &Log,
    ) -> Result<Self, Failure> {
        let config = with_policy(session.config()?, limits);
        let settings = with_limits(&config.solve, limits);
        let Some(file) = host else {
            let (sight, round) =
                shell::plan(&session.site(&config), &no_search(&config)).map_err(failure)?;
            sight.notes.iter().for_each(|note| log.note(note));
            let (instance, unavailable) = problem_of(&round.state);
            return Ok(Self {
                name: "this machine".into(),
                instance,
                unavailable,
                settings,
            });
        };
        let name = escape_name(file.as_os_str().as_encoded_bytes());
        let bytes = fs::read(file).map_err(|e| {
            Failure::bad_input(format_args!("cannot read the host file {name}: {e}"))
        })?;
        let mut instance = parse_host(&bytes, &name).map_err(|e| Failure::bad_input(chain(&e)))?;
        if let Some(policy) = limits.lending {
            instance.lending.policy = policy;
        }
        idle_rules(&instance).iter().for_each(|note| log.note(note));
        Ok(Self {
            name,
            unavailable: instance.withheld(),
            instance,
            settings,
        })
    }

    /// Plans `instance`, which is this one or a variation of it.
    pub(super) fn plan(&self, instance: &Instance) -> Result<(Placed, PlanReport), Failure> {
        let start = Instant::now();
        let (mut hosts, clock) = (HostModels::default(), || start.elapsed());
        plan_instance(
            instance,
            &self.unavailable,
            &self.settings,
            &mut hosts,
            &clock,
        )
        .map_err(|e| Failure::bad_input(format_args!("{}: {}", self.name, chain(&e))))
    }
}
