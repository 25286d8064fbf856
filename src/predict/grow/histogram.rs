//! Histograms of a leaf: for each column and bin the weight of its rows and the
//! weight of those above the prediction.
//!
//! The gradient of the pinball loss takes two values, 1 - q at or below the
//! prediction and -q above it, so both sums are integers: W (weight) and E (weight
//! above), and the gradient's sum is `(1 - q) W - E`. They share a 64-bit word,
//! E in the upper half; one addition counts a row. Integer sums do not depend on their
//! order, so any number of threads gives the same histogram, and a sibling is the
//! parent less the other, exactly. Weights add up to less than 2^32.

use crate::predict::binning::Binned;

/// Bins of a column.
pub(super) const BINS: usize = 256;

/// Rows from which on a second thread pays.
const ROWS_A_THREAD: usize = 40_000;

/// One column.
pub(super) type Column = [u64; BINS];

/// Weight and weight above of a word.
pub(super) fn sums(word: u64) -> (u64, u64) {
    (word & 0xffff_ffff, word >> 32)
}

/// Fills `histogram` (one entry a used column) with the rows.
pub(super) fn fill(
    histogram: &mut [Column],
    binned: &Binned,
    words: &[u64],
    rows: &[u32],
    threads: usize,
) {
    let workers = threads.min(rows.len() / ROWS_A_THREAD).max(1);
    for column in histogram.iter_mut() {
        column.fill(0);
    }
    if workers == 1 {
        count(histogram, binned, words, rows);
        return;
    }
    let (mine, others) = rows.split_at(rows.len() / workers);
    let width = binned.width;
    let partial = crossbeam::thread::scope(|scope| {
        let length = others.len().div_ceil(workers - 1);
        let spawned: Vec<_> = others
            .chunks(length)
            .map(|rows| {
                scope.spawn(move |_| {
                    let mut partial = vec![[0; BINS]; width];
                    count(&mut partial, binned, words, rows);
                    partial
                })
            })
            .collect();
        count(histogram, binned, words, mine);
        let joined: Result<Vec<_>, _> = spawned.into_iter().map(|s| s.join()).collect();
        joined
    });
    match partial {
        Ok(Ok(partials)) => {
            for partial in partials {
                for (sum, part) in histogram.iter_mut().zip(&partial) {
                    for (sum, part) in sum.iter_mut().zip(part) {
                        *sum += part;
                    }
                }
            }
        }
        // A thread that could not run: count its rows here.
        _ => {
            for column in histogram.iter_mut() {
                column.fill(0);
            }
            count(histogram, binned, words, rows);
        }
    }
}

fn count(histogram: &mut [Column], binned: &Binned, words: &[u64], rows: &[u32]) {
    let width = binned.width;
    for &row in rows {
        let row = row as usize;
        let word = words[row];
        let bins = &binned.bins[row * width..][..width];
        for (column, &bin) in histogram.iter_mut().zip(bins) {
            column[usize::from(bin)] += word;
        }
    }
}

/// Takes `part` away.
pub(super) fn subtract(whole: &mut [Column], part: &[Column]) {
    for (whole, part) in whole.iter_mut().zip(part) {
        for (whole, part) in whole.iter_mut().zip(part) {
            *whole -= part;
        }
    }
}
