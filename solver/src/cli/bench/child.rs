//! One solve in a process of its own.
#![expect(
    clippy::disallowed_methods,
    reason = "the wall clock around a child process"
)]

use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::cli::args::Bench;
use crate::cli::usage::{PREFIX, Usage};

/// What a child may take beyond its limit, to start, read and end.
const GRACE: Duration = Duration::from_secs(60);

/// How often a child is looked after. It costs the child's core little, and
/// its time is not measured so.
const POLL: Duration = Duration::from_millis(10);

/// The child's JSON.
#[derive(Clone, Debug, serde::Deserialize)]
pub(super) struct Answer {
    pub(super) status: String,
    pub(super) objective: Option<f64>,
    pub(super) bound: Option<f64>,
    pub(super) gap: Option<f64>,
    pub(super) nodes: u64,
    pub(super) lp_iterations: u64,
    pub(super) elapsed_s: f64,
    pub(super) first_incumbent_s: Option<f64>,
    pub(super) techniques: Vec<Deed>,
}

/// What a technique, or a kind of what it does, came to.
#[derive(Clone, Debug, serde::Deserialize)]
pub(super) struct Deed {
    pub(super) technique: String,
    pub(super) kind: String,
    pub(super) calls: u64,
    pub(super) found: u64,
    pub(super) used: u64,
    pub(super) ticks: u64,
}

/// What a child did.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) answer: Option<Answer>,
    pub(super) cpu_s: Option<f64>,
    pub(super) peak_mib: Option<f64>,
    pub(super) wall_s: f64,
    /// Why there is no answer.
    pub(super) trouble: Option<String>,
}

/// Wall-clock limit of a child: with a limit on CPU time, thrice that.
fn wall_limit(args: &Bench) -> Duration {
    args.time_limit * if args.cpu { 3 } else { 1 }
}

/// The command line of a solve, but for the program and the file.
pub(super) fn arguments(args: &Bench) -> Vec<String> {
    let mut arguments = vec![
        "--json".to_owned(),
        "--verbose".to_owned(),
        "--usage".to_owned(),
        format!("--time-limit={}s", wall_limit(args).as_secs_f64()),
        format!("--gap={}", args.gap),
        format!("--seed={}", args.seed),
        format!("--engine={}", args.engine.name()),
    ];
    arguments.extend(args.switches.arguments());
    arguments
}

pub(super) fn solve(program: &Path, args: &Bench, file: &Path) -> Run {
    let start = Instant::now();
    let mut run = Run {
        answer: None,
        cpu_s: None,
        peak_mib: None,
        wall_s: 0.0,
        trouble: None,
    };
    match talk(program, args, file, start) {
        Ok((out, err)) => {
            run.answer = serde_json::from_str(&out).ok();
            let usage = err.lines().find_map(|line| line.strip_prefix(PREFIX));
            if let Some(usage) = usage.and_then(|text| serde_json::from_str::<Usage>(text).ok()) {
                run.cpu_s = Some(usage.cpu_s);
                run.peak_mib = usage.peak_mib;
            }
            if run.answer.is_none() {
                run.trouble = Some(format!("no answer; {}", err.trim()));
            }
        }
        Err(what) => run.trouble = Some(what),
    }
    run.wall_s = start.elapsed().as_secs_f64();
    run
}

/// Standard output and error of a child that ended in time.
fn talk(
    program: &Path,
    args: &Bench,
    file: &Path,
    start: Instant,
) -> Result<(String, String), String> {
    let mut child = Command::new(program)
        .arg(file)
        .args(arguments(args))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start {}: {error}", program.display()))?;
    let limit = wall_limit(args) + GRACE;
    let has_ended = wait(&mut child, start, limit);
    if !has_ended {
        let _ = child.kill();
        let _ = child.wait();
        return Err(format!("still running after {} s", limit.as_secs()));
    }
    // A few lines: they fit in the pipes, so that the child never waited.
    let mut text = [String::new(), String::new()];
    if let Some(mut out) = child.stdout.take() {
        let _ = out.read_to_string(&mut text[0]);
    }
    if let Some(mut err) = child.stderr.take() {
        let _ = err.read_to_string(&mut text[1]);
    }
    let [out, err] = text;
    Ok((out, err))
}

/// Whether the child ended within the limit.
fn wait(child: &mut Child, start: Instant, limit: Duration) -> bool {
    while start.elapsed() < limit {
        match child.try_wait() {
            Ok(None) => thread::sleep(POLL),
            Ok(Some(_)) | Err(_) => return true,
        }
    }
    false
}
