//! The nearest-rank P95, the statistic that is predicted.

/// Places from the top up to which one pass finds a value: up to 160 values.
const TOP: usize = 8;

/// The `ceil(0.95 n)`-th smallest of `values`, which are put out of order;
/// none without values.
pub(super) fn nearest_rank_95(values: &mut [f64]) -> Option<f64> {
    let rank = (95 * values.len()).div_ceil(100);
    let index = rank.checked_sub(1)?;
    if index + 1 == values.len() {
        // Below 20 values: the largest, in one pass.
        return values.iter().copied().reduce(f64::max);
    }
    let place = values.len() - index;
    if place <= TOP {
        return Some(from_top(values, place));
    }
    Some(*values.select_nth_unstable_by(index, f64::total_cmp).1)
}

/// The `place`-th largest value (1 to [`TOP`], and not above their number), in one pass:
/// few values are above the largest so far.
fn from_top(values: &[f64], place: usize) -> f64 {
    let (first, rest) = values.split_at(place);
    let mut top = [0.0; TOP];
    let top = &mut top[..place];
    top.copy_from_slice(first);
    top.sort_unstable_by(f64::total_cmp);
    for value in rest {
        if value.total_cmp(&top[0]).is_gt() {
            let smaller = top.partition_point(|t| t.total_cmp(value).is_lt());
            top.copy_within(1..smaller, 0);
            top[smaller - 1] = *value;
        }
    }
    top[0]
}

#[cfg(test)]
mod tests {
    use super::nearest_rank_95;

    #[test]
    fn ranks_by_hand() {
        // ceil(0.95 x 19) = 19, ceil(0.95 x 20) = 19, ceil(0.95 x 60) = 57.
        for (n, rank) in [
            (1, 1),
            (2, 2),
            (19, 19),
            (20, 19),
            (60, 57),
            (160, 152),
            (200, 190),
        ] {
            // Descending, ascending, and scrambled by a factor that shares no divisor with n.
            for order in [|i, n| n - i, |i, _| i + 1, |i, n| 1 + i * 10_007 % n] {
                let mut values: Vec<f64> = (0..n).map(|i: u32| f64::from(order(i, n))).collect();
                assert_eq!(nearest_rank_95(&mut values), Some(f64::from(rank)), "{n}");
            }
        }
        assert_eq!(nearest_rank_95(&mut []), None);
    }
}
