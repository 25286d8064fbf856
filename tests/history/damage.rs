//! Files that are cut, flipped, foreign, full or half-written.

use std::fs;
use std::path::{Path, PathBuf};

use cpufence::history::{ArchiveReader, ArchiveRow, History, Limits};
use proptest::prelude::*;

use super::{key, round, scratch, seen, told};

const HEADER: usize = 12;

fn hot(dir: &Path) -> PathBuf {
    dir.join("usage.hot")
}

fn segment(dir: &Path) -> PathBuf {
    dir.join("archive/2026-01-01.arc")
}

/// Records `containers` busy ones every 10 s from `begin` to `end` (s of
/// uptime), saving every round.
fn run(history: &mut History, dir: &Path, containers: u64, begin: u32, end: u32) {
    for i in (begin..end).step_by(10) {
        let now = round(f64::from(i));
        let all: Vec<_> = (1..=containers)
            .map(|c| seen(&now, c, f64::from(i) * c as f64 / 10.0))
            .collect();
        assert_eq!(history.record(&now, &all), []);
        assert_eq!(history.save(dir, &Limits::default()), []);
    }
}

fn rows(dir: &Path) -> Vec<ArchiveRow> {
    ArchiveReader::open(dir).unwrap().collect()
}

/// Begins of the frames of a file of ours, and its end.
fn frames(bytes: &[u8]) -> Vec<usize> {
    let mut at = HEADER;
    let mut begins = vec![at];
    while at < bytes.len() {
        at += 8 + u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        begins.push(at);
    }
    begins
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn what_is_saved_is_loaded_and_saved_the_same() {
    let dir = scratch();
    let (empty, notes) = History::load(dir.path());
    assert_eq!((empty, notes), (History::default(), vec![]));
    assert_eq!(names(dir.path()), [""; 0], "loading writes nothing");
    let mut history = History::default();
    run(&mut history, dir.path(), 3, 0, 1_000);
    let bytes = fs::read(hot(dir.path())).unwrap();
    let (mut loaded, notes) = History::load(dir.path());
    assert_eq!(notes, []);
    assert_eq!(loaded, history);
    assert_eq!(loaded.save(dir.path(), &Limits::default()), []);
    assert_eq!(fs::read(hot(dir.path())).unwrap(), bytes);
    assert_eq!(names(dir.path()), ["archive", "usage.hot"]);
}

#[test]
fn a_cut_hot_file_costs_only_what_was_cut() {
    let dir = scratch();
    let mut history = History::default();
    run(&mut history, dir.path(), 4, 0, 200);
    let bytes = fs::read(hot(dir.path())).unwrap();
    let begins = frames(&bytes);
    // The head, then one frame a container.
    assert_eq!(begins.len(), 6);
    for cut in 0..bytes.len() {
        fs::write(hot(dir.path()), &bytes[..cut]).unwrap();
        let (loaded, notes) = History::load(dir.path());
        let whole = begins[1..].iter().filter(|&&end| end <= cut).count();
        assert_eq!(loaded.len(), whole.saturating_sub(1), "cut at {cut}");
        // Only a cut between two frames can look whole.
        assert!(
            !notes.is_empty() || begins[1..].contains(&cut),
            "cut at {cut}"
        );
    }
}

#[test]
fn a_flipped_bit_costs_one_frame() {
    let dir = scratch();
    let mut history = History::default();
    run(&mut history, dir.path(), 4, 0, 200);
    let bytes = fs::read(hot(dir.path())).unwrap();
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        fs::write(hot(dir.path()), &flipped).unwrap();
        let (loaded, notes) = History::load(dir.path());
        assert!(!notes.is_empty(), "flipped at {at}");
        let least = if at < HEADER { 0 } else { 3 };
        assert!(
            loaded.len() >= least,
            "flipped at {at}: {} left",
            loaded.len()
        );
        for inode in 1..=4 {
            let now = round(200.0);
            let features = |h: &History| h.features(&now, &seen(&now, inode, 0.0), None);
            let found = features(&loaded);
            assert!(
                found.last_hour.is_empty() || found == features(&history),
                "flipped at {at}"
            );
        }
    }
}

#[test]
fn a_damaged_hot_file_is_set_aside_and_the_round_goes_on() {
    let dir = scratch();
    let mut history = History::default();
    run(&mut history, dir.path(), 4, 0, 200);
    for n in 1..=7 {
        let mut bytes = fs::read(hot(dir.path())).unwrap();
        // In a frame's payload, then in the magic.
        let at = if n % 2 == 0 { HEADER + 300 } else { 3 };
        bytes[at] ^= 0x40;
        fs::write(hot(dir.path()), &bytes).unwrap();
        let (mut loaded, notes) = History::load(dir.path());
        assert!(!notes.is_empty());
        // plan and status load too: nothing moved yet.
        assert_eq!(fs::read(hot(dir.path())).unwrap(), bytes);
        let now = round(200.0 + f64::from(n));
        let all: Vec<_> = (1..=4).map(|c| seen(&now, c, 1e6)).collect();
        let _ = loaded.record(&now, &all);
        let notes = loaded.save(dir.path(), &Limits::default());
        assert!(
            notes[0]
                .to_string()
                .contains(&format!(".unreadable-{}", n.min(5))),
            "{notes:?}"
        );
        assert_eq!(
            fs::read(
                dir.path()
                    .join(format!("usage.hot.unreadable-{}", n.min(5)))
            )
            .unwrap(),
            bytes
        );
        let (again, notes) = History::load(dir.path());
        assert_eq!((again.len(), notes), (4, vec![]));
    }
    // At most five are kept.
    assert_eq!(names(dir.path()).len(), 7);
}

#[test]
fn another_releases_file_is_set_aside_not_guessed_at() {
    let dir = scratch();
    let mut history = History::default();
    run(&mut history, dir.path(), 1, 0, 700);
    for path in [hot(dir.path()), segment(dir.path())] {
        let mut bytes = fs::read(&path).unwrap();
        bytes[8] = 9;
        fs::write(&path, bytes).unwrap();
    }
    let mut reader = ArchiveReader::open(dir.path()).unwrap();
    assert_eq!(reader.by_ref().count(), 0);
    assert!(
        reader.notes()[0].to_string().contains("schema version 9"),
        "{:?}",
        reader.notes()
    );
    let (mut loaded, notes) = History::load(dir.path());
    assert!(
        notes[0].to_string().contains("schema version 9"),
        "{notes:?}"
    );
    // Long enough that a bucket closes and the segment is opened.
    let mut notes = Vec::new();
    for i in 70..140 {
        let now = round(f64::from(i) * 10.0);
        notes.extend(loaded.record(&now, &[seen(&now, 1, f64::from(i))]));
        notes.extend(loaded.save(dir.path(), &Limits::default()));
    }
    let aside: Vec<_> = notes
        .iter()
        .filter(|n| n.text.contains("set aside"))
        .collect();
    assert_eq!(aside.len(), 2, "{notes:?}");
    assert!(
        names(&dir.path().join("archive")).contains(&"2026-01-01.arc.unreadable-1".to_string())
    );
    assert_eq!(rows(dir.path()).len(), 2);
}

#[test]
fn a_damaged_segment_costs_one_frame_of_rows() {
    let dir = scratch();
    let mut history = History::default();
    run(&mut history, dir.path(), 2, 0, 1_530);
    let bytes = fs::read(segment(dir.path())).unwrap();
    // Five buckets, each a frame of two rows.
    let all = rows(dir.path());
    assert_eq!((frames(&bytes).len(), all.len()), (6, 10));
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        fs::write(segment(dir.path()), &flipped).unwrap();
        let mut reader = ArchiveReader::open(dir.path()).unwrap();
        let found: Vec<ArchiveRow> = reader.by_ref().collect();
        assert!(!reader.notes().is_empty(), "flipped at {at}");
        assert!(
            found.len() >= if at < HEADER { 0 } else { 8 },
            "flipped at {at}"
        );
        let bare = |r: &ArchiveRow| ArchiveRow {
            info: None,
            ..r.clone()
        };
        let known: Vec<ArchiveRow> = all.iter().map(bare).collect();
        assert!(
            found.iter().all(|r| known.contains(&bare(r))),
            "flipped at {at}"
        );
        fs::write(segment(dir.path()), &bytes[..at]).unwrap();
        let whole = frames(&bytes)[1..].iter().filter(|&&end| end <= at).count();
        assert_eq!(rows(dir.path()).len(), 2 * whole, "cut at {at}");
    }
}

#[test]
fn a_crash_between_archive_and_hot_file_doubles_no_row() {
    let dir = scratch();
    let mut history = History::default();
    run(&mut history, dir.path(), 2, 0, 300);
    // The hot file of the first rows' save before they are appended: as after
    // an archive without room, which stops a save at that point.
    let mut stopped = history.clone();
    let full = Limits {
        archive_bytes: 0,
        ..Limits::default()
    };
    for i in [300, 310] {
        let now = round(f64::from(i));
        let all: Vec<_> = (1..=2)
            .map(|c| seen(&now, c, f64::from(i) * c as f64 / 10.0))
            .collect();
        let _ = stopped.record(&now, &all);
        let notes = stopped.save(dir.path(), &full);
        assert_eq!(notes.len(), usize::from(i == 310), "{notes:?}");
    }
    assert!(!segment(dir.path()).exists());
    let first = fs::read(hot(dir.path())).unwrap();
    run(&mut history, dir.path(), 2, 300, 600);
    assert_eq!(rows(dir.path()).len(), 2);
    // The same for the second bucket, whose segment is there already.
    let second = fs::read(hot(dir.path())).unwrap();
    run(&mut history, dir.path(), 2, 600, 620);
    let segments = fs::read(segment(dir.path())).unwrap();
    let wanted = rows(dir.path());
    assert_eq!(wanted.len(), 4);
    for (hot_file, begin, vouched) in [(&first, 320, 0), (&second, 600, frames(&segments)[1])] {
        // What the crashed save appended: nothing, a part, all of it.
        for cut in (vouched..segments.len())
            .step_by(23)
            .chain([segments.len()])
        {
            fs::write(hot(dir.path()), hot_file).unwrap();
            fs::write(segment(dir.path()), &segments[..cut]).unwrap();
            let (mut loaded, notes) = History::load(dir.path());
            assert_eq!(notes, []);
            run(&mut loaded, dir.path(), 2, begin, 620);
            assert_eq!(rows(dir.path()), wanted, "{begin}, cut at {cut}");
        }
    }
}

#[test]
fn a_lost_hot_file_leaves_the_archive_and_cuts_a_torn_end() {
    let dir = scratch();
    let mut history = History::default();
    run(&mut history, dir.path(), 2, 0, 620);
    let bytes = fs::read(segment(dir.path())).unwrap();
    let known = rows(dir.path());
    let last = frames(&bytes)[1];
    for cut in [last, last + 1, bytes.len() - 1, bytes.len()] {
        fs::remove_file(hot(dir.path())).unwrap();
        fs::write(segment(dir.path()), &bytes[..cut]).unwrap();
        let (mut loaded, notes) = History::load(dir.path());
        assert_eq!(notes, []);
        let mut notes = Vec::new();
        for i in (620..920).step_by(10) {
            let now = round(f64::from(i));
            notes.extend(loaded.record(&now, &[seen(&now, 1, f64::from(i))]));
            notes.extend(loaded.save(dir.path(), &Limits::default()));
        }
        let torn = ![last, bytes.len()].contains(&cut);
        assert_eq!(
            notes.iter().any(|n| n.text.contains("torn end")),
            torn,
            "{notes:?}"
        );
        let kept = if cut == bytes.len() { 4 } else { 2 };
        let found = rows(dir.path());
        assert_eq!(found[..kept], known[..kept], "cut at {cut}");
        // From 620 to 900 s, closed by the sample that ends at 910 s.
        assert_eq!((found.len(), found[kept].covered_s), (kept + 1, 280.0));
    }
}

#[test]
fn a_half_written_file_beside_the_hot_one_is_no_harm() {
    let dir = scratch();
    let mut history = History::default();
    run(&mut history, dir.path(), 2, 0, 100);
    let bytes = fs::read(hot(dir.path())).unwrap();
    for cut in [0, 1, bytes.len() / 2, bytes.len()] {
        fs::write(dir.path().join("usage.hot.tmp"), &bytes[..cut]).unwrap();
        let (mut loaded, notes) = History::load(dir.path());
        assert_eq!((&loaded, notes), (&history, vec![]));
        assert_eq!(loaded.save(dir.path(), &Limits::default()), []);
        assert_eq!(names(dir.path()), ["archive", "usage.hot"]);
    }
}

#[test]
fn a_full_disk_is_a_note_and_the_old_file_stays() {
    if !Path::new("/dev/full").exists() {
        eprintln!("SKIPPED a_full_disk_is_a_note_and_the_old_file_stays: no /dev/full");
        return;
    }
    let dir = scratch();
    let mut history = History::default();
    run(&mut history, dir.path(), 2, 0, 100);
    let bytes = fs::read(hot(dir.path())).unwrap();
    std::os::unix::fs::symlink("/dev/full", dir.path().join("usage.hot.tmp")).unwrap();
    let now = round(110.0);
    let _ = history.record(&now, &[seen(&now, 1, 11.0), seen(&now, 2, 22.0)]);
    let notes = history.save(dir.path(), &Limits::default());
    assert!(notes[0].to_string().contains("cannot write"), "{notes:?}");
    assert_eq!(fs::read(hot(dir.path())).unwrap(), bytes);
    // The next round covers the lost one: 20 s since the last stored sample.
    let (mut loaded, _) = History::load(dir.path());
    let _ = told(&mut loaded, &[(120.0, 12.0)]);
    let hour = super::features(&loaded, 120.0).last_hour;
    assert_eq!(hour[hour.len() - 2..], [(30.0, 0.1), (0.0, 0.1)]);
}

#[test]
fn rows_wait_while_the_archive_cannot_be_written() {
    let dir = scratch();
    fs::create_dir_all(segment(dir.path())).unwrap();
    let mut history = History::default();
    let mut notes = Vec::new();
    let mut rounds = |history: &mut History, from: u32, to: u32| {
        for i in (from..to).step_by(10) {
            let now = round(f64::from(i));
            let _ = history.record(&now, &[seen(&now, 1, f64::from(i) / 10.0)]);
            notes.extend(history.save(dir.path(), &Limits::default()));
        }
    };
    rounds(&mut history, 0, 700);
    // Through the hot file, as between two runs.
    let (mut loaded, _) = History::load(dir.path());
    fs::remove_dir(segment(dir.path())).unwrap();
    rounds(&mut loaded, 700, 1_000);
    assert!(notes[0].to_string().contains("its rows wait"), "{notes:?}");
    let starts: Vec<f64> = rows(dir.path())
        .iter()
        .map(|r| r.start_s - super::NEW_YEAR_S)
        .collect();
    assert_eq!(starts, [0.0, 300.0, 600.0]);
}

#[test]
fn no_directory_is_a_note() {
    let dir = scratch();
    let path = dir.path().join("file");
    fs::write(&path, "").unwrap();
    let mut history = History::default();
    let _ = told(&mut history, &[(10.0, 0.0)]);
    let notes = history.save(&path, &Limits::default());
    assert!(notes[0].to_string().contains("cannot create"), "{notes:?}");
    let (loaded, notes) = History::load(&path);
    assert!(
        loaded.is_empty() && notes[0].to_string().contains("cannot read"),
        "{notes:?}"
    );
}

#[test]
fn whole_days_go_oldest_first_and_nothing_else() {
    let dir = scratch();
    let archive = dir.path().join("archive");
    let limits = Limits {
        archive_days: 4,
        archive_bytes: 1 << 20,
    };
    let mut history = History::default();
    fs::create_dir_all(&archive).unwrap();
    fs::write(archive.join("notes.txt"), "mine").unwrap();
    fs::write(archive.join("2001-02-30.arc"), "no such day").unwrap();
    // Six days, every 40 minutes.
    for i in 0..216_u32 {
        let now = round(f64::from(i) * 2_400.0);
        let _ = history.record(&now, &[seen(&now, 1, f64::from(i))]);
        assert_eq!(history.save(dir.path(), &limits), []);
    }
    let days = [
        "2026-01-03.arc",
        "2026-01-04.arc",
        "2026-01-05.arc",
        "2026-01-06.arc",
    ];
    let foreign = ["2001-02-30.arc", "notes.txt"];
    assert_eq!(
        names(&archive),
        [&foreign[..1], &days[..], &foreign[1..]].concat()
    );
    // By size: room for the newest two days.
    let size = |name: &str| fs::metadata(archive.join(name)).unwrap().len();
    let limits = Limits {
        archive_bytes: size(days[2]) + size(days[3]) + 600,
        ..limits
    };
    let now = round(216.0 * 2_400.0);
    let _ = history.record(&now, &[seen(&now, 1, 216.0)]);
    let notes = history.save(dir.path(), &limits);
    assert!(
        notes.iter().all(|n| n.text.contains("passed its limit")),
        "{notes:?}"
    );
    let left: u64 = ArchiveReader::open(dir.path())
        .map(|_| names(&archive))
        .unwrap()
        .iter()
        .filter(|n| n.starts_with("2026"))
        .map(|n| size(n))
        .sum();
    assert!(left <= limits.archive_bytes && names(&archive).contains(&days[3].to_string()));
    assert!(!names(&archive).contains(&days[0].to_string()));
}

#[test]
fn a_clock_in_the_far_future_deletes_no_month() {
    let dir = scratch();
    let mut history = History::default();
    run(&mut history, dir.path(), 1, 0, 700);
    for i in 70..140 {
        let mut now = round(f64::from(i) * 10.0);
        now.wall_s += 70.0 * 365.25 * 86_400.0;
        let _ = history.record(&now, &[seen(&now, 1, f64::from(i))]);
        assert_eq!(history.save(dir.path(), &Limits::default()), []);
    }
    assert_eq!(
        names(&dir.path().join("archive")),
        ["2026-01-01.arc", "2096-01-01.arc"]
    );
}

#[test]
fn one_day_never_passes_the_limit_alone() {
    let dir = scratch();
    let limits = Limits {
        archive_days: 31,
        archive_bytes: 600,
    };
    let mut history = History::default();
    let mut notes = Vec::new();
    for i in 0..300 {
        let now = round(f64::from(i) * 10.0);
        let _ = history.record(&now, &[seen(&now, 1, f64::from(i))]);
        notes.extend(history.save(dir.path(), &limits));
    }
    assert!(
        notes[0].to_string().contains("limit of 600 bytes"),
        "{notes:?}"
    );
    assert!(fs::metadata(segment(dir.path())).unwrap().len() <= 600);
}

#[test]
fn ended_containers_stay_in_the_archive_with_their_names() {
    let dir = scratch();
    let mut history = History::default();
    run(&mut history, dir.path(), 2, 0, 100);
    let now = round(3_800.0);
    let _ = history.record(&now, &[]);
    let _ = history.save(dir.path(), &Limits::default());
    let (loaded, _) = History::load(dir.path());
    assert!(loaded.is_empty());
    let rows = rows(dir.path());
    let ids: Vec<&str> = rows.iter().map(|r| &*r.info.as_ref().unwrap().id).collect();
    assert_eq!(ids, ["app/1", "app/2"]);
    assert_eq!(rows[1].key, key(2));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn random_bytes_break_no_reader(
        bytes in prop::collection::vec(any::<u8>(), 0..600),
        headed in any::<bool>(),
        frame in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let dir = scratch();
        fs::create_dir_all(dir.path().join("archive")).unwrap();
        for (path, magic) in [(hot(dir.path()), b"cpfhot\r\n"), (segment(dir.path()), b"cpfarc\r\n")] {
            let mut file = Vec::new();
            if headed {
                file.extend(magic);
                file.extend(1_u32.to_le_bytes());
                // A frame whose length and checksum are right and whose payload is noise.
                file.extend((frame.len() as u32).to_le_bytes());
                file.extend(crc32fast::hash(&frame).to_le_bytes());
                file.extend(&frame);
            }
            file.extend(&bytes);
            fs::write(path, file).unwrap();
        }
        let (mut loaded, _) = History::load(dir.path());
        let _ = ArchiveReader::open(dir.path()).unwrap().count();
        let now = round(1e6);
        let _ = loaded.record(&now, &[seen(&now, 1, 1.0)]);
        let _ = loaded.save(dir.path(), &Limits::default());
        prop_assert_eq!(History::load(dir.path()).1, []);
    }
}
