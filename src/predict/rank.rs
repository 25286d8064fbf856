//! The nearest-rank P95, the statistic that is predicted.

/// The `ceil(0.95 n)`-th smallest of `values`, which are put out of order;
/// none without values.
pub(super) fn nearest_rank_95(values: &mut [f64]) -> Option<f64> {
    let rank = (95 * values.len()).div_ceil(100);
    let index = rank.checked_sub(1)?;
    if index + 1 == values.len() {
        // Below 20 values: the largest, in one pass.
        return values.iter().copied().reduce(f64::max);
    }
    Some(*values.select_nth_unstable_by(index, f64::total_cmp).1)
}

#[cfg(test)]
mod tests {
    use super::nearest_rank_95;

    #[test]
    fn ranks_by_hand() {
        // ceil(0.95 x 19) = 19, ceil(0.95 x 20) = 19, ceil(0.95 x 60) = 57.
        for (n, rank) in [(1_u32, 1), (2, 2), (19, 19), (20, 19), (60, 57)] {
            let mut values: Vec<f64> = (1..=n).rev().map(f64::from).collect();
            assert_eq!(nearest_rank_95(&mut values), Some(f64::from(rank)), "{n}");
        }
        assert_eq!(nearest_rank_95(&mut []), None);
    }
}
