//! `SplitMix64`: hashes, and numbers random enough for ties, seeds and tests,
//! the same everywhere.
//!
//! Source: G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number
//! generators", OOPSLA 2014.

/// What a state grows by: the golden ratio's first 64 bits.
pub(crate) const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// A good 64-bit mix of `value`: what a generator in this state gives next. The
/// state after it is `value` plus [`GOLDEN`].
pub(crate) fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(GOLDEN);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::{GOLDEN, mix};

    /// The first outputs for seed 1234567, as published with the reference code.
    #[test]
    fn reference_sequence() {
        let mut state = 1_234_567_u64;
        for expected in [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
        ] {
            assert_eq!(mix(state), expected);
            state = state.wrapping_add(GOLDEN);
        }
    }
}
