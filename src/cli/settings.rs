//! From arguments to checked settings: where things are, what is asked for.
#![expect(
    clippy::disallowed_methods,
    reason = "reads the settings file: an edge"
)]

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::args::{Global, SearchLimits};
use super::exit::Failure;
use crate::cgroup::RealHost;
use crate::config::{Config, DEFAULT_PATH, parse_config};
use crate::engine::shell::Site;
use crate::placement::SolveSettings;

/// Where a run reads and writes.
#[derive(Debug)]
pub(crate) struct Session {
    /// The host's files.
    pub(crate) host: RealHost,
    /// Directory of journal and history.
    pub(crate) state: PathBuf,
    /// Whether done work is reported even when stdout is no terminal.
    pub(crate) verbose: bool,
    config: Option<PathBuf>,
}

impl Session {
    pub(crate) fn new(global: &Global) -> Self {
        let host = RealHost::new(&global.root);
        let state = global
            .state
            .clone()
            .unwrap_or_else(|| host.locate(Path::new("/var/lib/cpufence")));
        Self {
            host,
            state,
            verbose: global.verbose,
            config: global.config.clone(),
        }
    }

    /// The host and its state, for the shell.
    pub(crate) fn site<'a>(&'a self, config: &'a Config) -> Site<'a> {
        Site {
            host: &self.host,
            state_dir: &self.state,
            config,
        }
    }

    /// The settings file, or the defaults where none is named and none exists.
    pub(crate) fn config(&self) -> Result<Config, Failure> {
        let default = self.host.locate(Path::new(DEFAULT_PATH));
        let path = self.config.as_ref().unwrap_or(&default);
        let file = crate::report::escape_name(path.as_os_str().as_encoded_bytes());
        match fs::read_to_string(path) {
            Ok(text) => parse_config(&text, &file).map_err(Failure::bad_input),
            Err(error) if error.kind() == ErrorKind::NotFound && self.config.is_none() => {
                Ok(Config::default())
            }
            Err(error) => Err(Failure::bad_input(format_args!(
                "cannot read the settings file {file}: {error}"
            ))),
        }
    }
}

/// The settings with the lending policy of the command line.
pub(crate) fn with_policy(mut config: Config, limits: &SearchLimits) -> Config {
    if let Some(policy) = limits.lending {
        config.lending.policy = policy;
    }
    config
}

/// The settings with what the command line says instead.
pub(crate) fn with_limits(settings: &SolveSettings, limits: &SearchLimits) -> SolveSettings {
    let mut settings = settings.clone();
    if let Some(budget) = limits.budget {
        settings.budget = Some(budget);
    }
    if let Some(work) = limits.work {
        settings.work_limit = Some(work);
        settings.budget = None;
    }
    settings.gap_stop = limits.gap.unwrap_or(settings.gap_stop);
    settings.seed = limits.seed.unwrap_or(settings.seed);
    settings
}
