//! Durable per-container usage store: the last hour at sample resolution, a
//! 24 h decaying histogram, a 30-day archive of 5-minute mean, max and P95.
//!
//! **Problem.** A run from cron or a timer lives for milliseconds and sees one
//! counter a container: CPU time since its start. Use is the difference of two
//! counters, so what is seen must survive between runs, be cheap to write every
//! 10 s, and never block a start, whatever happened to clock, disk or host.
//!
//! **Path of the data.**
//!
//! ```text
//! Observation -> Track (counter, hour, histogram, open 5-min bucket) -> Row -> archive/YYYY-MM-DD.arc
//!                  \-> Features -> predict            usage.hot  <-/   (closed, not yet appended)
//! ```
//!
//! **Clocks.** Rates, the hour and the histogram live on the uptime clock: a
//! container belongs to one boot ([`ContainerKey`]), so there it never jumps.
//! Wall time is used for one thing only, naming the 5-minute bucket and day of
//! the archive; an interval's wall time is its end's, counted back by uptime.
//!
//! **Identity.** Boot id and cgroup inode. A recreated container, or the same
//! one after a reboot, starts anew: nothing is inherited through a path. What
//! was seen stays in the archive, by the key it had.
//!
//! **Invariants.** Usage is never negative. CPU time in the archive (rows
//! handed over and the open buckets) is the sum of the counter's differences,
//! to the nanosecond, over all intervals up to an hour that gave a sample. A row is
//! appended once, also when a crash falls between archive and hot file.
//! `docs/history.md` tells the same to operators, with the bounds.
//!
//! [`ContainerKey`]: crate::cgroup::ContainerKey

mod archive;
mod bucket;
mod frames;
mod histogram;
mod hot;
mod record;
mod store;
pub mod trace;
mod track;

pub use archive::{ArchiveRow, Info};
pub use histogram::{HALF_LIFE_S, Histogram};
pub use record::{History, Note, Observation, Round};
pub use store::{ArchiveReader, Limits, Segment};

/// The window kept at sample resolution, milliseconds of uptime.
const HOUR_MS: u64 = 3_600_000;

/// Length of an archive bucket, milliseconds.
const BUCKET_MS: u64 = 300_000;

/// Milliseconds in `seconds`, at least 0; none unless finite and sane.
fn millis(seconds: f64) -> Option<u64> {
    // 10^11 s is 3,000 years: products with it stay far from overflow.
    if !seconds.is_finite() || seconds.abs() > 1e11 {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to 10^14 by the check above"
    )]
    Some((seconds.max(0.0) * 1000.0).round() as u64)
}

/// Seconds in `ms`.
#[expect(
    clippy::cast_precision_loss,
    reason = "durations far below 2^53 milliseconds"
)]
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

/// CPUs in micro-CPU.
fn cpus(micro_cpu: u32) -> f64 {
    f64::from(micro_cpu) / 1e6
}
