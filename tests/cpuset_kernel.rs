//! The list parser against the kernel's own: random texts are written to a real
//! v1 `cpuset.cpus`, and what is accepted, and as which set, is compared.
//!
//! The kernel knows only CPUs below `nr_cpu_ids`, our parser any, so an answer
//! "out of range" is judged apart: it must have a number in the text to blame,
//! and says nothing about the parser.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "test code"
)]

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use cpufence::cpuset::CpuSet;

// Numbers of include/uapi/asm-generic/errno*.h, the same on x86 and ARM.
const EACCES: i32 = 13;
const EINVAL: i32 = 22;
const ERANGE: i32 = 34;
const EOVERFLOW: i32 = 75;

const TEXTS: usize = 12_000;

/// A cgroup directory of our own, removed when dropped, also by a panic.
struct OwnCgroup(PathBuf);

impl Drop for OwnCgroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

impl OwnCgroup {
    fn cpus(&self) -> PathBuf {
        self.0.join("cpuset.cpus")
    }

    /// Writes `text` in one `write(2)`.
    fn write(&self, text: &str) -> io::Result<()> {
        let mut file = fs::OpenOptions::new().write(true).open(self.cpus())?;
        file.write(text.as_bytes()).map(drop)
    }

    /// Clears the set, writes `text`, reads the set back.
    fn try_text(&self, text: &str) -> io::Result<String> {
        self.write("\n").unwrap();
        assert_eq!(fs::read_to_string(self.cpus()).unwrap().trim(), "");
        self.write(text)?;
        Ok(fs::read_to_string(self.cpus()).unwrap().trim().to_string())
    }
}

/// Mount point of the v1 cpuset hierarchy.
fn cpuset_v1() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    mounts.lines().find_map(|line| {
        let (fields, tail) = line.split_once(" - ")?;
        let mut tail = tail.split(' ');
        let (kind, options) = (tail.next()?, tail.nth(1)?);
        let cpuset = kind == "cgroup" && options.split(',').any(|o| o == "cpuset");
        cpuset.then(|| PathBuf::from(fields.split(' ').nth(4).unwrap()))
    })
}

fn system_cpus(name: &str) -> CpuSet {
    let text = fs::read_to_string(Path::new("/sys/devices/system/cpu").join(name)).unwrap();
    CpuSet::parse_list(&text).unwrap()
}

/// xorshift64*: Vigna, "An experimental exploration of Marsaglia's xorshift
/// generators, scrambled", 2016.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(high).unwrap() % n
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    fn number(&mut self, nr_cpu_ids: usize) -> String {
        match self.below(40) {
            0 => format!("{:03}", self.below(nr_cpu_ids)),
            1 => (nr_cpu_ids + self.below(3)).to_string(),
            2 => self
                .pick(&[
                    "8191",
                    "65536",
                    "4294967296",
                    "99999999999999999999",
                    "-1",
                    "+1",
                    "0x1",
                    "",
                ])
                .to_string(),
            3 => self.pick(&["N", "n", "all", "aLL", "al", "x"]).to_string(),
            _ => self.below(nr_cpu_ids).to_string(),
        }
    }

    fn region(&mut self, nr_cpu_ids: usize) -> String {
        let mut text = self.number(nr_cpu_ids);
        if self.below(2) == 0 {
            text = format!("{text}-{}", self.number(nr_cpu_ids));
        }
        if self.below(5) == 0 {
            text = format!("{text}:{}", self.below(4));
            if self.below(8) != 0 {
                text = format!(
                    "{text}/{}",
                    self.pick(&["0", "1", "2", "3", "4", "5", "1000000"])
                );
            }
        }
        text
    }

    fn text(&mut self, nr_cpu_ids: usize) -> String {
        const SEPARATORS: [&str; 12] = [
            ",", ",", ",", ",,", " ", ", ", " ,", "\t", "\n", "\x0b", "\x0c", "\r",
        ];
        let mut text = String::new();
        if self.below(6) == 0 {
            text += self.pick(&SEPARATORS);
        }
        for item in 0..1 + self.below(4) {
            if item > 0 {
                text += self.pick(&SEPARATORS);
            }
            text += &self.region(nr_cpu_ids);
        }
        if self.below(3) == 0 {
            text += self.pick(&["\n", " ", ",", ", ", "\0", "\n\n", "\0x"]);
        }
        // Now and then one character more or less.
        const STRAY: [&str; 16] = [
            "0", "1", "-", ":", "/", ",", " ", "\n", "\t", "\0", "x", ".", "+", "N", "\u{a0}", "%",
        ];
        if self.below(4) == 0 {
            let at = self.below(text.len() + 1);
            if text.is_char_boundary(at) {
                text.insert_str(at, self.pick(&STRAY));
            }
        }
        if self.below(8) == 0 && !text.is_empty() {
            let at = self.below(text.len());
            if text.is_char_boundary(at) {
                text.remove(at);
            }
        }
        text
    }
}

/// Whether the text names a number that the kernel has no bit for.
fn names_large_number(text: &str, nr_cpu_ids: usize) -> bool {
    text.split(|c: char| !c.is_ascii_digit())
        .filter(|digits| !digits.is_empty())
        .any(|digits| digits.parse::<usize>().map_or(true, |n| n >= nr_cpu_ids))
}

fn names_kernel_word(text: &str) -> bool {
    text.contains('N') || text.to_ascii_lowercase().contains("all")
}

#[derive(Debug, Default)]
struct Counts {
    accepted: usize,
    refused: usize,
    out_of_range: usize,
    kernel_words: usize,
}

#[test]
fn the_parser_agrees_with_the_kernel() {
    let Some(mount) = cpuset_v1() else {
        eprintln!("SKIPPED the_parser_agrees_with_the_kernel: no v1 cpuset hierarchy");
        return;
    };
    let dir = mount.join(format!("cpufence-test-{}-parser", std::process::id()));
    if let Err(error) = fs::create_dir(&dir) {
        eprintln!(
            "SKIPPED the_parser_agrees_with_the_kernel: cannot make {}: {error}",
            dir.display()
        );
        return;
    }
    let own = OwnCgroup(dir);
    let online = system_cpus("online");
    let last = system_cpus("possible").iter().last().unwrap();
    let nr_cpu_ids = usize::try_from(last.0).unwrap() + 1;

    let mut random = Random(0x5eed_0fc0_ffee_1234);
    let mut counts = Counts::default();
    for _ in 0..TEXTS {
        let text = random.text(nr_cpu_ids);
        // A write of no bytes does not reach the parser.
        if !text.is_empty() {
            compare(&own, &text, nr_cpu_ids, &online, &mut counts);
        }
    }
    eprintln!("{counts:?}");
    // Neither side may be all of one kind, or the comparison means nothing.
    assert!(counts.accepted > TEXTS / 5, "{counts:?}");
    assert!(counts.refused > TEXTS / 10, "{counts:?}");
    assert!(counts.out_of_range > TEXTS / 100, "{counts:?}");
    assert!(counts.kernel_words > TEXTS / 400, "{counts:?}");
}

fn compare(own: &OwnCgroup, text: &str, nr_cpu_ids: usize, online: &CpuSet, counts: &mut Counts) {
    let ours = CpuSet::parse_list(text);
    // Somebody else's exclusive cpuset refuses any overlap for as long as it
    // lives: EINVAL for a set that is online is asked again.
    let mut kernel = own.try_text(text);
    for _ in 0..50 {
        let refused = kernel
            .as_ref()
            .is_err_and(|e| e.raw_os_error() == Some(EINVAL));
        if !refused || !ours.as_ref().is_ok_and(|set| set.is_subset(online)) {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
        kernel = own.try_text(text);
    }
    match kernel {
        Ok(list) => match &ours {
            Ok(set) => {
                counts.accepted += 1;
                assert_eq!(set.to_string(), list, "{text:?}: the sets differ");
            }
            Err(error) => {
                counts.kernel_words += 1;
                assert!(
                    names_kernel_word(text),
                    "{text:?}: the kernel reads {list:?}, we refuse: {error}"
                );
            }
        },
        Err(error) => match error.raw_os_error() {
            Some(EINVAL) => {
                counts.refused += 1;
                if let Ok(set) = &ours {
                    assert!(
                        !set.is_subset(online),
                        "{text:?}: the kernel refuses, we read {set}"
                    );
                }
            }
            Some(ERANGE | EOVERFLOW) => {
                counts.out_of_range += 1;
                assert!(
                    names_large_number(text, nr_cpu_ids),
                    "{text:?}: the kernel says {error}"
                );
            }
            // Online, but not in the set of the mount's root cgroup.
            Some(EACCES) => assert!(ours.is_ok(), "{text:?}: the kernel says {error}"),
            _ => panic!("{text:?}: {error}"),
        },
    }
}
