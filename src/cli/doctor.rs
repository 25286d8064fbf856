//! `cpufence doctor`: whether this host can be fenced, and who else sets CPUs
//! here. Reads only, needs no root.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;

use super::exit::{self, Failure};
use super::settings::Session;
use crate::cgroup::survey::{self, Finding, Level};
use crate::cgroup::{ContainerRule, Hierarchy, Host, Version, observe};
use crate::config::Config;
use crate::cpuset::CpuSet;
use crate::topology::{Summary, read_topology};

/// `--json` of `doctor` (schema `doctor/1`).
#[derive(Debug, Serialize)]
pub(crate) struct DoctorReport {
    schema: &'static str,
    /// Whether `apply` can work here: no finding is a problem.
    fit: bool,
    kernel: Option<String>,
    /// Which version holds the cpuset controller.
    cgroup: Option<Version>,
    hybrid: bool,
    /// Where the cpuset controller is mounted, safe for a terminal.
    cpuset_mount: Option<String>,
    host: Option<Summary>,
    findings: Vec<Finding>,
}

/// Examines `host` with the settings' container entries.
pub(crate) fn doctor(host: &dyn Host, config: &Config) -> DoctorReport {
    let mut findings = Vec::new();
    let kernel = survey::kernel_release(host);
    let hierarchy = Hierarchy::read(host);
    let version = hierarchy.as_ref().ok().map(|h| h.version);
    findings.extend(survey::kernel(kernel.as_deref(), version));
    let topology = read_topology(host);
    match &topology {
        Ok(topology) => findings.extend(offline(&topology.online(), topology.cpus.len())),
        Err(error) => findings.push(Finding::new(
            Level::Problem,
            "cpus",
            crate::error::chain(error),
        )),
    }
    match &hierarchy {
        Ok(hierarchy) => {
            let (rules, wrong) = rules(config);
            findings.extend(wrong);
            let observation = observe(host, hierarchy, &rules, &BTreeMap::new());
            findings.extend(survey::hierarchy(host, hierarchy));
            findings.push(survey::permission(host, hierarchy, &observation.containers));
            findings.extend(survey::containers(host, hierarchy, &observation));
            // Those of blocked containers are findings already.
            let notes = observation
                .notes
                .iter()
                .take(observation.notes.len() - observation.blocked.len());
            findings.extend(notes.map(|note| Finding::new(Level::Info, "notes", note.as_str())));
            let idle = observation.idle_entries.iter();
            findings.extend(idle.map(|note| Finding::new(Level::Info, "settings", note.as_str())));
        }
        Err(error) => findings.push(Finding::new(Level::Problem, "cgroups", error.to_string())),
    }
    findings.extend(survey::other_managers(host, hierarchy.as_ref().ok()));
    DoctorReport {
        schema: "doctor/1",
        fit: findings.iter().all(|f| f.level < Level::Problem),
        kernel,
        cgroup: version,
        hybrid: hierarchy.as_ref().is_ok_and(|h| h.hybrid),
        cpuset_mount: hierarchy
            .ok()
            .map(|h| crate::report::escape_name(h.cpuset.point.as_os_str().as_encoded_bytes())),
        host: topology.ok().map(|t| t.summary()),
        findings,
    }
}

fn offline(online: &CpuSet, present: usize) -> Option<Finding> {
    let missing = present.saturating_sub(online.len());
    (missing > 0).then(|| {
        Finding::new(
            Level::Info,
            "cpus",
            format!("{missing} of {present} CPUs are offline"),
        )
        .next("they are not given to containers; v1 cpusets lose them for good")
    })
}

/// The checked `[[containers]]` entries, and what is wrong with the others.
fn rules(config: &Config) -> (Vec<ContainerRule>, Vec<Finding>) {
    let (mut rules, mut wrong) = (Vec::new(), Vec::new());
    for entry in &config.containers {
        match ContainerRule::new(&entry.pattern, entry.kind, entry.cpus) {
            Ok(rule) => rules.push(rule),
            Err(error) => wrong.push(Finding::new(
                Level::Problem,
                "settings",
                format!(
                    "containers, match \"{}\": {error}",
                    entry.pattern.escape_debug()
                ),
            )),
        }
    }
    (rules, wrong)
}

/// Prints the report; exit code 0 if the host is fit, else 4.
pub(super) fn run(session: &Session, json: bool, out: &mut dyn Write) -> Result<u8, Failure> {
    let report = doctor(&session.host, &session.config()?);
    if json {
        serde_json::to_writer(&mut *out, &report).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        print(&report, out)?;
    }
    Ok(if report.fit {
        exit::DONE
    } else {
        exit::NOT_FIT
    })
}

fn print(report: &DoctorReport, out: &mut dyn Write) -> io::Result<()> {
    let topics = report
        .findings
        .iter()
        .map(|f| f.topic.len())
        .max()
        .unwrap_or(0);
    for finding in &report.findings {
        let level = match finding.level {
            Level::Ok => "ok",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Problem => "PROBLEM",
        };
        writeln!(
            out,
            "{level:<7}  {:<topics$}  {}",
            finding.topic, finding.found
        )?;
        if let Some(next) = &finding.next {
            writeln!(out, "{:<7}  {:<topics$}    -> {next}", "", "")?;
        }
    }
    let verdict = if report.fit {
        "this host can be fenced"
    } else {
        "this host cannot be fenced yet"
    };
    writeln!(out, "\n{verdict}")
}
