//! `replay` of a journal that was recorded in a virtual machine with 16 threads
//! (`fixtures/README.md`), and of copies of it that are damaged or changed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "test code"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use cpufence::cgroup::journal::{MAGIC, Payload, Record, SCHEMA, decisions};
use cpufence::codec::{HEADER_LEN, decode_frames, decode_header, encode_frame, encode_header};
use cpufence::cpuset::CpuSet;
use cpufence::engine::record::Round;
use serde_json::Value;
use tempfile::TempDir;

/// Rounds that the short copies hold.
const SHORT: usize = 12;

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/replay/vm16.journal")
}

fn replay(journal: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cpufence"))
        .args(["replay", "--json"])
        .arg(journal)
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn summary(output: &Output) -> Value {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(
        text.lines().count(),
        1,
        "one line expected: {text}{}",
        stderr(output)
    );
    serde_json::from_str(&text).unwrap()
}

fn count(summary: &Value, key: &str) -> u64 {
    summary[key]
        .as_u64()
        .unwrap_or_else(|| panic!("no number {key} in {summary}"))
}

/// The fixture's first records, up to and with the end of its 12th round.
fn short_records() -> Vec<Record> {
    let bytes = std::fs::read(fixture().join("00000001.seg")).unwrap();
    let body = decode_header(&bytes, MAGIC, SCHEMA).unwrap();
    let (mut records, _, damage) = decode_frames::<Record>(body);
    assert!(damage.is_none(), "{damage:?}");
    let ends = records
        .iter()
        .enumerate()
        .filter(|(_, r)| matches!(r, Record::Commit { .. }));
    let (last, _) = ends.take(SHORT).last().unwrap();
    records.truncate(last + 1);
    records
}

/// A segment of `records`, and where each one's frame begins.
fn segment(records: &[Record]) -> (Vec<u8>, Vec<usize>) {
    let mut bytes = encode_header(MAGIC, SCHEMA);
    let mut starts = Vec::new();
    for record in records {
        starts.push(bytes.len());
        bytes.extend(encode_frame(record).unwrap());
    }
    (bytes, starts)
}

fn save(bytes: &[u8]) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("copy.seg");
    std::fs::write(&path, bytes).unwrap();
    (dir, path)
}

#[test]
fn every_recorded_plan_is_made_again() {
    let start = Instant::now();
    let output = replay(&fixture());
    let took_s = start.elapsed().as_secs_f64();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let found = summary(&output);
    assert_eq!(found["schema"], "replay/1");
    assert_eq!(found["different"], serde_json::json!([]));
    let rounds = count(&found, "rounds");
    assert!(rounds >= 200, "{rounds} rounds");
    assert_eq!(count(&found, "same"), rounds);
    let kinds = ["add", "remove", "rebalance"].map(|kind| count(&found, kind));
    // A kind that hardly occurs would prove little of it.
    assert!(
        kinds.iter().all(|&n| n >= 20),
        "add, remove, rebalance: {kinds:?}"
    );
    assert_eq!(kinds.iter().sum::<u64>(), rounds);

    // What was recorded: real rounds on the stated host, in order, that moved containers.
    let mut times = Vec::new();
    let mut written = 0;
    for (record, seq) in decisions(&fixture()).unwrap().zip(1..) {
        let record = record.unwrap();
        assert_eq!(record.seq, seq);
        let round = Round::decode(&record.payload).unwrap();
        let host = round.state.topology.summary();
        assert_eq!(
            (host.sockets, host.numa, host.cores, host.threads),
            (2, 2, 8, 16)
        );
        times.push(round.state.now_s);
        written += u64::from(!record.writes.is_empty());
    }
    assert_eq!(u64::try_from(times.len()).unwrap(), rounds);
    assert!(written >= 100, "only {written} rounds wrote anything");
    let recorded_s = times.last().unwrap() - times.first().unwrap();
    assert!(
        took_s < recorded_s,
        "{took_s} s for {recorded_s} s of recording: slower than real time"
    );
}

#[test]
fn a_short_copy_is_replayed_too() {
    let (bytes, _) = segment(&short_records());
    let (_dir, path) = save(&bytes);
    let output = replay(&path);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let found = summary(&output);
    assert_eq!(count(&found, "rounds"), SHORT as u64);
    assert_eq!(count(&found, "same"), SHORT as u64);
}

#[test]
fn one_flipped_byte_is_bad_input() {
    let records = short_records();
    let (bytes, starts) = segment(&records);
    let middle = starts[starts.len() / 2];
    let last = *starts.last().unwrap();
    // Where, and what the message says of it. Damage is given by the offset of its frame.
    let frame = |at: usize| format!("damaged at byte {at}: the checksum does not match");
    let cases = [
        (0, "not a file of this kind".to_owned()),
        (8, "schema version".to_owned()),
        (HEADER_LEN + 4, frame(HEADER_LEN)),
        (HEADER_LEN + 8, frame(HEADER_LEN)),
        (middle, frame(middle)),
        (
            middle + 3,
            format!("damaged at byte {middle}: a frame claims"),
        ),
        (middle + 4, frame(middle)),
        (middle + 8, frame(middle)),
        (last + 8, frame(last)),
        (bytes.len() - 1, frame(last)),
    ];
    for (at, expected) in cases {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x40;
        let (_dir, path) = save(&damaged);
        let output = replay(&path);
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(3), "byte {at}: {message}");
        assert!(output.stdout.is_empty(), "byte {at}");
        assert!(
            message.contains(path.to_str().unwrap()),
            "byte {at}: no file in: {message}"
        );
        assert!(
            message.contains(&expected),
            "byte {at}: {message}, expected {expected}"
        );
    }
}

#[test]
fn a_last_record_that_is_cut_short_is_an_interrupted_round() {
    let (bytes, starts) = segment(&short_records());
    // The end of the round is torn: the round counts, and how it ended is not known.
    let (_dir, path) = save(&bytes[..bytes.len() - 1]);
    let output = replay(&path);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let found = summary(&output);
    assert_eq!(
        (count(&found, "rounds"), count(&found, "interrupted")),
        (SHORT as u64, 1)
    );
    // Its beginning is torn: there was no round.
    let (_dir, path) = save(&bytes[..starts[starts.len() - 1] - 1]);
    let output = replay(&path);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let found = summary(&output);
    assert_eq!(
        (count(&found, "rounds"), count(&found, "interrupted")),
        (SHORT as u64 - 1, 0)
    );
}

/// The payload of a round.
fn payload(records: &mut [Record], seq: u64) -> &mut Payload {
    let found = records.iter_mut().find_map(|record| match record {
        Record::Intent(intent) if intent.decision.seq == seq => Some(&mut intent.decision.payload),
        _ => None,
    });
    found.unwrap()
}

/// Changes a round, keeping its record whole.
fn change(records: &mut [Record], seq: u64, change: impl FnOnce(&mut Round)) {
    let payload = payload(records, seq);
    let mut round = Round::decode(&payload.0).unwrap();
    change(&mut round);
    payload.0 = round.encode().unwrap();
}

#[test]
fn a_round_of_another_release_is_bad_input() {
    let mut records = short_records();
    // The round's own schema version comes first.
    payload(&mut records, 4).0[..4].copy_from_slice(&250_u32.to_le_bytes());
    let (bytes, _) = segment(&records);
    let (_dir, path) = save(&bytes);
    let output = replay(&path);
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(3), "{message}");
    let expected = "round 4 cannot be read: schema version 250, this release reads";
    assert!(
        message.contains(path.to_str().unwrap()) && message.contains(expected),
        "{message}"
    );
}

#[test]
fn a_plan_that_was_changed_is_reported() {
    let mut records = short_records();
    // A thread more for somebody; other evidence; another set to be written; other words.
    change(&mut records, 3, |round| {
        let base = round
            .decision
            .plan
            .answer
            .placement
            .values_mut()
            .next()
            .unwrap();
        *base = base.union(&CpuSet::parse_list("63").unwrap());
    });
    change(&mut records, 5, |round| {
        round.decision.plan.answer.lower_bound -= 1
    });
    change(&mut records, 6, |round| {
        round.decision.plan.cpusets.pop_first().unwrap();
    });
    change(&mut records, 8, |round| {
        round.decision.explanation.push("and so on".into())
    });
    // Times are not compared.
    change(&mut records, 9, |round| {
        round.elapsed_s += 1.0;
        round.decision.build_s += 1.0;
    });
    let (bytes, _) = segment(&records);
    let (_dir, path) = save(&bytes);
    let output = replay(&path);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let found = summary(&output);
    assert_eq!(found["different"], serde_json::json!([3, 5, 6, 8]));
    assert_eq!(count(&found, "same"), SHORT as u64 - 4);
    let message = stderr(&output);
    for expected in [
        "round 3: the placement of ",
        "round 5: the evidence differs",
        "round 8: the explanation differs",
    ] {
        assert!(message.contains(expected), "no '{expected}' in: {message}");
    }
}

#[test]
fn what_is_no_journal_is_bad_input() {
    let empty = tempfile::tempdir().unwrap();
    let text = empty.path().join("notes.txt");
    let missing = empty.path().join("missing");
    let cases = [
        (empty.path(), "no journal segments"),
        (&missing, "cannot read"),
    ];
    for (path, expected) in cases {
        let output = replay(path);
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(3), "{message}");
        assert!(
            message.contains(path.to_str().unwrap()) && message.contains(expected),
            "{message}"
        );
    }
    std::fs::write(&text, "no journal at all\n").unwrap();
    let output = replay(&text);
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(3), "{message}");
    assert!(
        message.contains("notes.txt is not a readable journal segment"),
        "{message}"
    );
}
