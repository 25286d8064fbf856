//! Exact quantiles of residuals: the values of leaves.
//!
//! The quantile q of n numbers is the `ceil(q n)`-th smallest (nearest rank); of
//! weighted ones the first whose weights, summed from the smallest, reach q of
//! the total. Residuals are selected as integers in the order of the floats,
//! which is faster.

/// An integer in the order of floats that are not NaN.
fn key(value: f32) -> u32 {
    let bits = value.to_bits();
    // Negative numbers: all bits turned; others: the sign alone.
    if bits >> 31 == 1 {
        !bits
    } else {
        bits | 1 << 31
    }
}

/// The inverse of [`key`].
fn value(key: u32) -> f32 {
    f32::from_bits(if key >> 31 == 1 {
        key & !(1 << 31)
    } else {
        !key
    })
}

/// The quantile `q` of `residuals`, 0 of none. `keys` is scratch.
pub(super) fn quantile(residuals: impl Iterator<Item = f32>, q: f64, keys: &mut Vec<u32>) -> f32 {
    keys.clear();
    keys.extend(residuals.map(key));
    if keys.is_empty() {
        return 0.0;
    }
    let index = rank(q, keys.len()) - 1;
    value(*keys.select_nth_unstable(index).1)
}

/// `ceil(q n)`, from 1 to n.
fn rank(q: f64, n: usize) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a part of a count"
    )]
    let rank = (q * n as f64 - 1e-9).ceil() as usize;
    rank.clamp(1, n)
}

/// The same with weights, of `(residual, weight)`.
pub(super) fn weighted_quantile(pairs: &mut [(f32, u32)], q: f64) -> f32 {
    pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let total: u64 = pairs.iter().map(|p| u64::from(p.1)).sum();
    #[expect(
        clippy::cast_precision_loss,
        reason = "weights add up to less than 2^32"
    )]
    let wanted = q * total as f64 - 1e-9;
    let mut sum = 0;
    for &(residual, weight) in pairs.iter() {
        sum += u64::from(weight);
        #[expect(
            clippy::cast_precision_loss,
            reason = "weights add up to less than 2^32"
        )]
        if sum as f64 >= wanted {
            return residual;
        }
    }
    pairs.last().map_or(0.0, |p| p.0)
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "values are selected, not computed")]
mod tests {
    use super::*;

    #[test]
    fn nearest_ranks_by_hand() {
        let mut keys = Vec::new();
        let values = [3.5_f32, -1.0, 0.0, -0.5, 8.0];
        let mut at = |q| quantile(values.into_iter(), q, &mut keys);
        // ceil(0.5 x 5) = 3, ceil(0.2 x 5) = 1, ceil(0.21 x 5) = 2, ceil(0.95 x 5) = 5.
        let found = [at(0.5), at(0.2), at(0.21), at(0.95)];
        assert_eq!(found, [0.0, -1.0, -0.5, 8.0]);
        assert_eq!(rank(0.95, 20), 19);
        assert_eq!(rank(0.95, 100), 95);
        assert_eq!(quantile(std::iter::empty(), 0.5, &mut keys), 0.0);
    }

    #[test]
    fn weights_count() {
        // Weights 1, 1, 8 of 10: 0.2 is reached at the second, 0.21 at the third.
        let mut pairs = [(5.0, 8), (1.0, 1), (2.0, 1)];
        assert_eq!(weighted_quantile(&mut pairs, 0.2), 2.0);
        assert_eq!(weighted_quantile(&mut pairs, 0.21), 5.0);
    }
}
