//! The techniques of the engine, each switchable by name.

macro_rules! techniques {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $on:literal;)*) => {
        /// A technique that can be switched on or off.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[non_exhaustive]
        #[repr(u8)]
        pub enum Technique { $($(#[$doc])* $variant,)* }

        impl Technique {
            /// Every technique.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name on the command line and in logs.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The technique with this name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|technique| technique.name() == name)
            }

            /// Whether it is on by default: measured to pay, see `BENCHMARK.md`.
            #[must_use]
            pub fn is_default(self) -> bool {
                match self { $(Self::$variant => $on,)* }
            }
        }
    };
}

techniques! {
    /// All reductions before the search.
    Presolve = "presolve", true;
    /// Reductions that may cut off optimal points, but never all.
    DualReductions = "dual-reductions", true;
    /// Coefficient tightening.
    CoefficientTightening = "coefficient-tightening", true;
    /// Parallel rows and columns.
    Parallel = "parallel", true;
    /// Dominated columns.
    Dominated = "dominated", true;
    /// Doubleton and free column substitution.
    Substitution = "substitution", true;
    /// Fixing a binary to both values, looking at what follows.
    Probing = "probing", true;
    /// Cliques extended and merged.
    CliqueMerging = "clique-merging", true;
    /// Independent parts solved on their own.
    Components = "components", true;
    /// A crash basis for the first relaxation.
    Crash = "crash", false;
    /// Gomory mixed integer cuts.
    Gomory = "gomory", true;
    /// Complemented mixed integer rounding of aggregated rows.
    Cmir = "cmir", true;
    /// Lifted knapsack cover cuts.
    KnapsackCover = "knapsack-cover", true;
    /// Lifted flow cover cuts.
    FlowCover = "flow-cover", true;
    /// Clique cuts.
    CliqueCuts = "clique-cuts", true;
    /// Cuts from products of cliques that rows state one by one.
    ProductCuts = "product-cuts", true;
    /// Zero-half cuts.
    ZeroHalf = "zero-half", true;
    /// Implied bound cuts.
    ImpliedBound = "implied-bound", true;
    /// Cuts below the root, valid everywhere.
    LocalCuts = "local-cuts", false;
    /// Reliability branching (off: most fractional).
    Reliability = "reliability", true;
    /// Bound propagation at nodes.
    Propagation = "propagation", true;
    /// Fixing by reduced costs.
    ReducedCostFixing = "reduced-cost-fixing", true;
    /// Learning from infeasible nodes.
    Conflicts = "conflicts", true;
    /// Restarts after much was fixed at the root.
    Restarts = "restarts", true;
    /// Bounds shared by symmetric columns (orbital fixing).
    Symmetry = "symmetry", true;
    /// Feasibility jump before the first relaxation.
    FeasibilityJump = "feasibility-jump", true;
    /// Rounding and shifting.
    Rounding = "rounding", true;
    /// Diving on fractionality.
    FractionalDive = "fractional-dive", true;
    /// Diving on locks.
    CoefficientDive = "coefficient-dive", true;
    /// Diving towards the incumbent.
    GuidedDive = "guided-dive", true;
    /// Diving on pseudocosts.
    PseudocostDive = "pseudocost-dive", true;
    /// Relaxation-induced neighbourhood.
    Rins = "rins", true;
    /// Relaxation-enforced neighbourhood.
    Rens = "rens", true;
    /// Shifting single integers of an incumbent.
    OneOpt = "one-opt", true;
    /// Feasibility pump.
    FeasibilityPump = "feasibility-pump", true;
    /// The surroundings of the incumbent as a sub-MIP.
    LocalBranching = "local-branching", false;
    /// What two incumbents share, as a sub-MIP.
    Crossover = "crossover", false;
}

/// A set of techniques.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Techniques(u64);

impl Default for Techniques {
    fn default() -> Self {
        Technique::ALL
            .iter()
            .filter(|technique| technique.is_default())
            .fold(Self::none(), |set, &technique| set.with(technique))
    }
}

impl Techniques {
    /// All of them, those that are off by default too.
    #[must_use]
    pub fn all() -> Self {
        Technique::ALL
            .iter()
            .fold(Self::none(), |set, &technique| set.with(technique))
    }

    /// None: a plain branch and bound.
    #[must_use]
    pub fn none() -> Self {
        Self(0)
    }

    /// The set with `technique` in it.
    #[must_use]
    pub fn with(self, technique: Technique) -> Self {
        Self(self.0 | 1 << technique as u8)
    }

    /// The set without `technique`.
    #[must_use]
    pub fn without(self, technique: Technique) -> Self {
        Self(self.0 & !(1 << technique as u8))
    }

    /// Whether `technique` is in the set.
    #[must_use]
    pub fn has(self, technique: Technique) -> bool {
        self.0 >> (technique as u8) & 1 == 1
    }
}
