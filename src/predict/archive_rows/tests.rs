#![expect(clippy::disallowed_methods, reason = "archives in temporary files")]

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::cgroup::Context;
use crate::history::{History, Limits, Observation, Round};

const BOOT: &str = "c0ffee00-1111-4222-8333-444455556666";

/// 2026-01-01, 00:00 UTC.
const BEGIN_S: f64 = 1_767_225_600.0;

/// Two hosts whose archives grow, and a directory for kept rows.
struct Fleet {
    dir: TempDir,
    histories: [History; 2],
    step: u32,
}

impl Fleet {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            histories: Default::default(),
            step: 0,
        }
    }

    fn kept(&self) -> PathBuf {
        self.dir.path().join("kept/rows")
    }

    fn archives(&self) -> Vec<(String, PathBuf)> {
        let of = |host: &str| (host.to_string(), self.dir.path().join(host));
        ["one", "two"].map(of).into()
    }

    /// Lets `hours` pass: containers come and go, one changes its request and its image,
    /// one is not seen for an hour each day.
    fn pass(&mut self, hours: u32) {
        for _ in 0..hours * 12 {
            for (host, history) in (0..).zip(&mut self.histories) {
                let passed_s = 300.0 * f64::from(self.step);
                let now = Round {
                    boot_id: BOOT.into(),
                    wall_s: BEGIN_S + passed_s,
                    uptime_s: 1_000.0 + passed_s,
                    cpus_online: 16,
                };
                let seen = (0..6).filter_map(|k| observed(&now, host, k, self.step));
                let _ = history.record(&now, &seen.collect::<Vec<_>>());
            }
            self.step += 1;
        }
        let archives = self.archives();
        for (history, (_, archive)) in self.histories.iter_mut().zip(archives) {
            assert_eq!(history.save(&archive, &Limits::default()), []);
        }
    }

    /// The parts without and with kept rows, and what was said.
    fn both(&self, most: u64) -> [(Parts, Vec<String>); 2] {
        [None, Some(self.kept())].map(|kept| {
            let mut notes = Vec::new();
            let parts = read(&self.archives(), most, kept.as_deref(), &mut notes).unwrap();
            (parts, notes)
        })
    }

    fn kept_files(&self) -> Vec<PathBuf> {
        let host = |(host, _): (String, PathBuf)| cache::path_of(&self.kept(), &host);
        self.archives().into_iter().map(host).collect()
    }

    fn segments(&self, host: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.dir.path().join(host).join("archive")).unwrap();
        let mut paths: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
        paths.sort();
        paths
    }
}

fn observed(now: &Round, host: u32, k: u32, step: u32) -> Option<Observation> {
    let (day, of_day) = (step / 288, step % 288);
    let seen = match k {
        0 => of_day >= 12,
        1 => step >= 700,
        2 => step < 500,
        3 => (20..24).contains(&(of_day / 12)) || day % 2 == 0,
        _ => true,
    };
    // A counter whose differences jump: the squares' remainders.
    let step = u64::from(step);
    let used = step * 150 + (step * step * u64::from(k + 3 + host)) % 97;
    seen.then(|| Observation {
        key: ContainerKey {
            boot_id: BOOT.into(),
            inode: u64::from(k) + 2,
        },
        id: format!("batch/c{k}"),
        context: Context {
            app: Some(format!("app{}", k % 3)),
            image: Some(if k == 4 && day >= 3 { "new" } else { "old" }.into()),
            ..Context::default()
        },
        request: match k {
            4 if day >= 2 => Some(4.0),
            5 => None,
            _ => Some(2.0),
        },
        wall_s: now.wall_s,
        uptime_s: now.uptime_s,
        usage_ns: Some(used * 1_000_000_000),
    })
}

fn bits(parts: &Parts) -> Vec<(Vec<u32>, Vec<u32>, Vec<u16>)> {
    let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect();
    let of = |r: &Rows| (bits(&r.values), bits(&r.targets), r.groups.clone());
    parts.rows.iter().map(of).collect()
}

fn assert_same(a: &Parts, b: &Parts) {
    assert!(bits(a) == bits(b));
    assert!(bits(a).iter().all(|part| !part.1.is_empty()));
    assert_eq!(
        (&a.levels, &a.groups, a.cuts),
        (&b.levels, &b.groups, b.cuts)
    );
    assert_eq!(a.followed, b.followed);
    assert_eq!((a.samples, a.left_out), (b.samples, b.left_out));
    let times = |p: &Parts| p.rows.each_ref().map(|r| (r.newest_s, r.intervals_s));
    assert_eq!(times(a), times(b));
}

#[test]
fn kept_rows_are_those_made_anew() {
    // All rows; one in three, of which one in two is kept; one in two and seven, as many as are kept.
    for most in [u64::MAX, 4_000, 900] {
        let mut fleet = Fleet::new();
        let mut reused = Vec::new();
        for hours in [30, 24, 7, 30, 1, 48, 0] {
            fleet.pass(hours);
            let [(anew, _), (kept, notes)] = fleet.both(most);
            assert_same(&anew, &kept);
            assert_eq!(anew.reused, 0);
            reused.push(kept.reused);
            let told_only_of_stride = notes.iter().all(|n| n.contains("may be taken now"));
            assert!(told_only_of_stride, "{notes:?}");
        }
        assert!(reused[0] == 0 && reused[6] > 0, "{reused:?}");
        assert!(reused[6] >= reused[5], "{reused:?}");
    }
}

#[test]
fn fewer_rows_may_be_taken_of_those_kept_but_not_more() {
    let mut fleet = Fleet::new();
    fleet.pass(5 * 24);
    let [(few, _), _] = fleet.both(1_000);
    for (most, reuses) in [
        (2_000, false),
        (1_000, true),
        (u64::MAX, false),
        (1_000, true),
    ] {
        let [(anew, _), (kept, notes)] = fleet.both(most);
        assert_same(&anew, &kept);
        assert_eq!(kept.reused > 0, reuses, "{most}: {notes:?}");
    }
    let rows: usize = few.rows.iter().map(Rows::len).sum();
    assert!((700..1_300).contains(&rows), "{rows}");
}

#[test]
fn a_damaged_file_is_told_and_made_anew() {
    let mut fleet = Fleet::new();
    fleet.pass(4 * 24);
    let [(anew, _), _] = fleet.both(u64::MAX);
    let [path, other] = <[PathBuf; 2]>::try_from(fleet.kept_files()).unwrap();
    let whole = fs::read(&path).unwrap();
    let spread = |i: usize| i * whole.len() / 23;
    for i in 0..23 {
        let mut flipped = whole.clone();
        flipped[spread(i)] ^= 4;
        for (bytes, what) in [(&flipped[..], "flipped"), (&whole[..spread(i)], "cut")] {
            fs::write(&path, bytes).unwrap();
            let [_, (kept, notes)] = fleet.both(u64::MAX);
            assert_same(&anew, &kept);
            assert!(
                notes.len() == 1 && notes[0].starts_with("one: kept rows are made anew"),
                "{what} at {}: {notes:?}",
                spread(i)
            );
            assert!(fs::read(&path).unwrap() == whole);
        }
    }
    // Whole frames that end too early, and another host's rows.
    fs::copy(&other, &path).unwrap();
    let [_, (kept, notes)] = fleet.both(u64::MAX);
    assert_same(&anew, &kept);
    assert!(notes[0].contains("it is of host two"), "{notes:?}");
}

#[test]
fn a_day_that_changed_is_seen() {
    let mut fleet = Fleet::new();
    fleet.pass(5 * 24);
    let _ = fleet.both(u64::MAX);
    let [.., (before, notes)] = fleet.both(u64::MAX);
    assert!(before.reused > 0 && notes.is_empty(), "{notes:?}");
    // Cut short.
    let second = &fleet.segments("two")[1];
    let bytes = fs::read(second).unwrap();
    fs::write(second, &bytes[..bytes.len() * 2 / 3]).unwrap();
    let [(anew, told), (kept, notes)] = fleet.both(u64::MAX);
    assert_same(&anew, &kept);
    assert!(kept.reused > 0 && kept.reused < before.reused);
    assert!(
        notes[0].contains("2026-01-02.arc is not as it was"),
        "{notes:?}"
    );
    assert_eq!(notes[1..], told);
    // Gone, not as the oldest.
    fs::remove_file(second).unwrap();
    let [(anew, _), (kept, notes)] = fleet.both(u64::MAX);
    assert_same(&anew, &kept);
    assert!(
        notes[0].contains("2026-01-02.arc is not as it was"),
        "{notes:?}"
    );
}

/// Rows by group and bits, without those of the first hours of a later day, which are young anew.
fn all_rows(parts: &Parts) -> std::collections::BTreeSet<(u16, Vec<u32>)> {
    let mut all = std::collections::BTreeSet::new();
    for rows in &parts.rows {
        for i in 0..rows.len() {
            let row = rows.row(i).iter().map(|v| v.to_bits()).collect();
            all.insert((rows.groups[i], row));
        }
    }
    all
}

#[test]
fn a_day_that_the_archive_dropped_is_remembered_by_the_rows_after_it() {
    let mut fleet = Fleet::new();
    fleet.pass(6 * 24);
    let _ = fleet.both(u64::MAX);
    let before = all_rows(&fleet.both(u64::MAX)[1].0);
    for host in ["one", "two"] {
        fs::remove_file(&fleet.segments(host)[0]).unwrap();
    }
    let [(anew, _), (kept, notes)] = fleet.both(u64::MAX);
    assert!(notes.is_empty(), "{notes:?}");
    assert!(kept.reused > 0);
    assert_eq!((kept.samples, kept.cuts), (anew.samples, anew.cuts));
    // As with the whole archive, but for rows near the new cuts; made anew, ages begin later.
    let (kept_rows, anew_rows) = (all_rows(&kept), all_rows(&anew));
    let unknown = kept_rows.difference(&before).count();
    assert!(unknown < 200, "{unknown}");
    assert!(anew_rows.difference(&before).count() > 2_000);
    // Nothing of the day that is gone.
    assert!(
        kept_rows.len() < anew_rows.len() + 100,
        "{} {}",
        kept_rows.len(),
        anew_rows.len()
    );
}

#[test]
fn a_directory_that_cannot_be_written_costs_only_the_rows() {
    let mut fleet = Fleet::new();
    fleet.pass(4 * 24);
    fs::write(fleet.dir.path().join("kept"), "a file").unwrap();
    let [(anew, _), (kept, notes)] = fleet.both(u64::MAX);
    assert_same(&anew, &kept);
    assert!(
        notes
            .iter()
            .any(|n| n.contains("one: its rows are not kept")),
        "{notes:?}"
    );
}

/// Behind the checksums: bytes of a walk and its rows changed at random, the checksums made right.
#[test]
fn nonsense_with_right_checksums_is_refused_or_harmless() {
    let mut fleet = Fleet::new();
    fleet.pass(3 * 24);
    let [(anew, _), _] = fleet.both(u64::MAX);
    let path = &fleet.kept_files()[0];
    let whole = fs::read(path).unwrap();
    let frame_at = |at: usize| {
        let length = u32::from_le_bytes(*whole[at..].first_chunk().unwrap());
        at..at + 8 + usize::try_from(length).unwrap()
    };
    let head = frame_at(crate::codec::HEADER_LEN);
    let series = frame_at(head.end);
    let (mut state, mut refused, mut harmless) = (1_u64, 0, 0);
    for _ in 0..300 {
        state = crate::splitmix::mix(state);
        let mut bytes = whole.clone();
        let payload = series.start + 8..series.end;
        // Half of them in what comes first: key, context, memory, last samples.
        let near = if state.is_multiple_of(2) {
            300
        } else {
            payload.len()
        };
        let at = payload.start + usize::try_from(state >> 8).unwrap() % near.min(payload.len());
        bytes[at] ^= 1 << (state % 8);
        let sum = crc32fast::hash(&bytes[payload]).to_le_bytes();
        bytes[series.start + 4..series.start + 8].copy_from_slice(&sum);
        fs::write(path, &bytes).unwrap();
        let mut notes = Vec::new();
        match read(
            &fleet.archives()[..1],
            u64::MAX,
            Some(&fleet.kept()),
            &mut notes,
        ) {
            Ok(parts) => {
                assert!(parts.samples < anew.samples);
                harmless += 1;
            }
            Err(error) => {
                let told = crate::error::chain(&error);
                assert!(
                    told.contains(".rows: ") && told.contains("remove it"),
                    "{told}"
                );
                refused += 1;
            }
        }
    }
    assert!(refused > 10 && harmless > 100, "{refused} {harmless}");
}
