//! Numbers for random models.

/// A generator of numbers that are the same on every machine (the constants of
/// D. Knuth's MMIX).
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    /// A whole number below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % limit) as f64
    }
}
