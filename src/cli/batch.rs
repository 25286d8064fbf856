//! `plan --batch IN.jsonl --out OUT.jsonl`: many hosts, one answer a line.
//!
//! A reader hands lines to workers, the caller's thread writes their answers in
//! the order of the input. A line is read only when it has one of a fixed
//! number of tickets, and gives it back when it is written: so however uneven
//! the lines, no more than [`AHEAD`] lines a worker are in memory.
//!
//! A run that was stopped is gone on with: what it wrote is compared with the
//! input line by line (number and checksum), a torn last line is dropped.
#![expect(
    clippy::disallowed_methods,
    reason = "reads and writes the batch's files and the clock: an edge"
)]

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, bounded};

use super::args::{BatchArgs, SearchLimits};
use super::exit::{self, Failure};
use super::log::Log;
use super::progress::Progress;
use super::settings::{Session, with_limits};
use crate::placement::{Checksum, HostModels, Origin, SolveSettings, batch_answer, batch_error};
use crate::report::escape_name;

/// Lines in memory for each worker.
const AHEAD: usize = 4;
/// Longest line; a host of 65,536 CPUs and as many containers takes half of it.
const LONGEST: usize = 64 << 20;
/// How every answer begins.
const ANSWER: &[u8] = b"{\"schema\":\"";
/// Columns of the progress bar's bar.
const BAR: usize = 30;

pub(super) fn run(
    session: &Session,
    arguments: &BatchArgs,
    limits: &SearchLimits,
    log: &Log,
) -> Result<u8, Failure> {
    let (Some(from), Some(to)) = (&arguments.batch, &arguments.out) else {
        return Err(Failure::new(
            exit::USAGE,
            "--batch IN.jsonl needs --out OUT.jsonl",
        ));
    };
    let config = session.config()?;
    if limits.lending.is_some() {
        let text =
            "--lending does not go with --batch: each host of a batch says its own lending.policy";
        return Err(Failure::new(exit::USAGE, text));
    }
    let settings = with_limits(&config.solve, limits);
    let name = escape_name(from.as_os_str().as_encoded_bytes());
    let input = File::open(from)
        .map_err(|e| Failure::bad_input(format_args!("cannot read the batch {name}: {e}")))?;
    let size = input.metadata().map_or(0, |data| data.len());
    let mut lines = Lines {
        reader: BufReader::new(input),
        settings: &settings,
        number: 0,
        bytes: 0,
    };
    let mut output = Output::open(to)?;
    let resumed = output.resume(&mut lines, &name)?;
    if resumed > 0 {
        log.note(&format!(
            "{resumed} lines are answered already; going on after them"
        ));
    }
    let workers = arguments.threads.map_or(1, usize::from);
    let mut progress = Progress::new();
    let mut show =
        |bytes, tally: &Tally| progress.show(|elapsed| bar(bytes, size.max(1), tally, elapsed));
    let told = plan_all(lines, &name, workers, &settings, &mut output, &mut show);
    progress.end();
    let tally = told?;
    if tally.refused > 0 {
        log.note(&format!(
            "{} of {} lines have no plan: look for \"error/1\" in {}",
            tally.refused, tally.lines, output.name
        ));
    }
    Ok(exit::DONE)
}

/// What was answered in this run.
#[derive(Default)]
struct Tally {
    lines: u64,
    refused: u64,
}

/// A line on its way to a worker.
struct Job {
    origin: Origin,
    line: Line,
    /// Bytes of the input up to its end.
    bytes: u64,
}

/// An answer on its way to the writer.
struct Done {
    number: u64,
    text: String,
    is_plan: bool,
    bytes: u64,
}

fn plan_all(
    lines: Lines<'_>,
    name: &str,
    workers: usize,
    settings: &SolveSettings,
    output: &mut Output,
    show: &mut dyn FnMut(u64, &Tally),
) -> Result<Tally, Failure> {
    let room = workers * AHEAD;
    let (give_ticket, tickets) = bounded::<()>(room);
    let (give_job, jobs) = bounded::<Job>(room);
    let (give_done, done) = bounded::<Done>(room);
    for _ in 0..room {
        // There is room for as many.
        let _ = give_ticket.try_send(());
    }
    let first = lines.number + 1;
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || read_all(lines, &tickets, &give_job));
        for _ in 0..workers {
            let (jobs, give_done) = (jobs.clone(), give_done.clone());
            scope.spawn(move || work(&jobs, name, settings, &give_done));
        }
        drop((jobs, give_done));
        let written = write_all(first, done, give_ticket, output, show);
        let read = reader
            .join()
            .map_err(|_| Failure::new(exit::BUG, "the batch's reader panicked"))?;
        let tally = written?;
        read.map_err(|e| Failure::bad_input(format_args!("cannot read the batch {name}: {e}")))?;
        Ok(tally)
    })
}

fn read_all(
    mut lines: Lines<'_>,
    tickets: &Receiver<()>,
    jobs: &Sender<Job>,
) -> std::io::Result<()> {
    // A closed channel means that the writer stopped; it knows why.
    while tickets.recv().is_ok() {
        let Some((origin, line)) = lines.next()? else {
            break;
        };
        let bytes = lines.bytes;
        if jobs
            .send(Job {
                origin,
                line,
                bytes,
            })
            .is_err()
        {
            break;
        }
    }
    Ok(())
}

fn work(jobs: &Receiver<Job>, name: &str, settings: &SolveSettings, done: &Sender<Done>) {
    let mut hosts = HostModels::default();
    for Job {
        origin,
        line,
        bytes,
    } in jobs
    {
        let start = Instant::now();
        let (text, is_plan) = match line {
            Line::Text(text) => {
                let clock = || start.elapsed();
                batch_answer(&text, name, origin, settings, &mut hosts, &clock)
            }
            Line::TooLong(length) => {
                let error = format!(
                    "{name}, line {}: {length} bytes; expected at most {LONGEST}",
                    origin.line
                );
                (batch_error(&error, origin), false)
            }
        };
        let answer = Done {
            number: origin.line,
            text,
            is_plan,
            bytes,
        };
        if done.send(answer).is_err() {
            return;
        }
    }
}

fn write_all(
    mut next: u64,
    done: Receiver<Done>,
    tickets: Sender<()>,
    output: &mut Output,
    show: &mut dyn FnMut(u64, &Tally),
) -> Result<Tally, Failure> {
    let mut tally = Tally::default();
    let mut waiting: BTreeMap<u64, Done> = BTreeMap::new();
    for answer in &done {
        waiting.insert(answer.number, answer);
        while let Some(answer) = waiting.remove(&next) {
            output.write(&answer.text)?;
            next += 1;
            tally.lines += 1;
            tally.refused += u64::from(!answer.is_plan);
            show(answer.bytes, &tally);
            let _ = tickets.try_send(());
        }
        if done.is_empty() {
            output.flush()?;
        }
    }
    output.flush()?;
    Ok(tally)
}

/// A line of the input, without its end.
enum Line {
    Text(Vec<u8>),
    /// Its length in bytes.
    TooLong(usize),
}

/// The input, line by line.
struct Lines<'a> {
    reader: BufReader<File>,
    settings: &'a SolveSettings,
    /// Lines read.
    number: u64,
    /// Bytes read.
    bytes: u64,
}

impl Lines<'_> {
    fn next(&mut self) -> std::io::Result<Option<(Origin, Line)>> {
        let mut checksum = Checksum::new(self.settings);
        let mut text = Vec::new();
        let (mut length, mut ended) = (0, false);
        while !ended {
            let piece = self.reader.fill_buf()?;
            if piece.is_empty() {
                break;
            }
            let end = piece.iter().position(|&byte| byte == b'\n');
            ended = end.is_some();
            let part = &piece[..end.unwrap_or(piece.len())];
            checksum.update(part);
            length += part.len();
            if length <= LONGEST {
                text.extend_from_slice(part);
            } else {
                text = Vec::new();
            }
            let read = part.len() + usize::from(ended);
            self.reader.consume(read);
            self.bytes += read as u64;
        }
        if length == 0 && !ended {
            return Ok(None);
        }
        self.number += 1;
        let origin = Origin {
            line: self.number,
            input: checksum.value(),
        };
        let line = if length <= LONGEST {
            Line::Text(text)
        } else {
            Line::TooLong(length)
        };
        Ok(Some((origin, line)))
    }
}

/// The answers' file.
struct Output {
    name: String,
    writer: BufWriter<File>,
}

impl Output {
    /// Opens it for this run alone, and makes it if it is not there.
    fn open(path: &Path) -> Result<Self, Failure> {
        let name = escape_name(path.as_os_str().as_encoded_bytes());
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(|e| Failure::bad_input(format_args!("cannot write {name}: {e}")))?;
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Err(Failure::bad_input(format_args!(
                "another run is writing {name}; wait for it, or name another file with --out"
            )));
        }
        Ok(Self {
            name,
            writer: BufWriter::new(file),
        })
    }

    /// Passes over the lines that are answered already; how many.
    fn resume(&mut self, lines: &mut Lines<'_>, input: &str) -> Result<u64, Failure> {
        let name = self.name.clone();
        let failed = |e: std::io::Error| {
            Failure::bad_input(format_args!("cannot read {name}, to go on with it: {e}"))
        };
        let file = self.writer.get_ref().try_clone().map_err(failed)?;
        let mut reader = BufReader::new(file);
        let (mut whole, mut answers) = (0, 0);
        let mut text = Vec::new();
        loop {
            text.clear();
            let read = reader.read_until(b'\n', &mut text).map_err(failed)?;
            if text.last() != Some(&b'\n') {
                // What a run that was stopped left of its last answer.
                let is_ours = text.iter().zip(ANSWER).all(|(a, b)| a == b);
                if is_ours {
                    break;
                }
            }
            let found: Option<Origin> = serde_json::from_slice(&text).ok();
            let asked = lines.next().map_err(failed)?;
            if found.is_none() || found != asked.map(|(origin, _)| origin) {
                return Err(Failure::bad_input(format_args!(
                    "{name} answers another batch than {input}, or was planned with other settings: \
                     line {} does not belong; name another file with --out, or remove it",
                    answers + 1
                )));
            }
            whole += read as u64;
            answers += 1;
        }
        let file = self.writer.get_mut();
        let end = file
            .set_len(whole)
            .and_then(|()| file.seek(SeekFrom::End(0)));
        end.map_err(|e| Failure::bad_input(format_args!("cannot write {name}: {e}")))?;
        Ok(answers)
    }

    fn write(&mut self, line: &str) -> Result<(), Failure> {
        let written = self
            .writer
            .write_all(line.as_bytes())
            .and_then(|()| self.writer.write_all(b"\n"));
        self.checked(written)
    }

    fn flush(&mut self) -> Result<(), Failure> {
        let flushed = self.writer.flush();
        self.checked(flushed)
    }

    fn checked(&self, result: std::io::Result<()>) -> Result<(), Failure> {
        result.map_err(|e| {
            Failure::bad_input(format_args!(
                "cannot write {}: {e}; the same command goes on after the lines that are there",
                self.name
            ))
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "for display")]
fn bar(bytes: u64, size: u64, tally: &Tally, elapsed: Duration) -> String {
    let part = bytes.min(size) * 100 / size;
    let full = usize::try_from(part).unwrap_or(0) * BAR / 100;
    let rate = tally.lines as f64 / elapsed.as_secs_f64().max(1e-3);
    let mut text = format!(
        "[{}{}] {part:3} %  {} hosts, {rate:.0} a second",
        "#".repeat(full),
        " ".repeat(BAR - full),
        tally.lines
    );
    if tally.refused > 0 {
        text.push_str(&format!(", {} without a plan", tally.refused));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_fills_by_bytes() {
        let tally = Tally {
            lines: 50,
            refused: 2,
        };
        assert_eq!(
            bar(500, 1000, &tally, Duration::from_secs(5)),
            "[###############               ]  50 %  50 hosts, 10 a second, 2 without a plan"
        );
    }
}
