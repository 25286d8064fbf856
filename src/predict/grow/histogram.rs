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

/// Rows that are copied together: their bins stay in the second-level cache.
const TOGETHER: usize = 1_024;

/// Columns counted at a time: 24 KiB of sums stay in the first-level cache.
const BLOCK: usize = 12;

/// One column.
pub(super) type Column = [u64; BINS];

/// Masks of a word: all of it, the weight alone, the weight above alone.
pub(super) const BOTH: u64 = u64::MAX;
pub(super) const WEIGHT: u64 = 0xffff_ffff;
pub(super) const ABOVE: u64 = !WEIGHT;

/// Weight and weight above of a word.
pub(super) fn sums(word: u64) -> (u64, u64) {
    (word & WEIGHT, word >> 32)
}

/// Fills `histogram` (one entry a used column) with the rows; `mask` is applied to their words.
pub(super) fn fill(
    histogram: &mut [Column],
    binned: &Binned,
    words: &[u64],
    rows: &[u32],
    (mask, threads): (u64, usize),
) {
    for column in histogram.iter_mut() {
        column.fill(0);
    }
    add(histogram, binned, words, rows, (mask, threads));
}

/// Adds the rows to `histogram`.
pub(super) fn add(
    histogram: &mut [Column],
    binned: &Binned,
    words: &[u64],
    rows: &[u32],
    (mask, threads): (u64, usize),
) {
    let workers = threads.min(rows.len() / ROWS_A_THREAD).max(1);
    if workers == 1 {
        count(histogram, binned, words, rows, mask);
        return;
    }
    let length = rows.len().div_ceil(workers);
    let part = |rows| {
        let mut part = vec![[0; BINS]; binned.width];
        count(&mut part, binned, words, rows, mask);
        part
    };
    let (mine, others) = rows.split_at(length);
    let parts = crossbeam::thread::scope(|scope| {
        let spawned: Vec<_> = others
            .chunks(length)
            .map(|rows| (rows, scope.spawn(move |_| part(rows))))
            .collect();
        count(histogram, binned, words, mine, mask);
        // What a thread could not count is counted here.
        spawned
            .into_iter()
            .map(|(rows, spawned)| spawned.join().unwrap_or_else(|_| part(rows)))
            .collect::<Vec<_>>()
    });
    for part in parts.unwrap_or_default() {
        for (sum, part) in histogram.iter_mut().zip(&part) {
            for (sum, part) in sum.iter_mut().zip(part) {
                *sum += part;
            }
        }
    }
}

/// Rows are first copied together, as reading them apart waits for memory, then counted
/// for a few columns at a time.
fn count(histogram: &mut [Column], binned: &Binned, words: &[u64], rows: &[u32], mask: u64) {
    let width = binned.width;
    let mut bins = Vec::with_capacity(TOGETHER.min(rows.len()) * width);
    let mut weights = Vec::with_capacity(TOGETHER.min(rows.len()));
    for rows in rows.chunks(TOGETHER) {
        bins.clear();
        weights.clear();
        for &row in rows {
            let row = row as usize;
            bins.extend_from_slice(&binned.bins[row * width..][..width]);
            weights.push(words[row] & mask);
        }
        for (block, columns) in histogram.chunks_mut(BLOCK).enumerate() {
            for (row, word) in bins.chunks_exact(width).zip(&weights) {
                let row = &row[block * BLOCK..];
                for (column, &bin) in columns.iter_mut().zip(row) {
                    column[usize::from(bin)] += word;
                }
            }
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
