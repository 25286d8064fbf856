//! How fast the online offsets move, and towards what: fitted on the calibration part.
//!
//! **Problem.** An offset that steps towards 0.95 covers less than 0.95 of all outcomes: those
//! above the limit are never covered, those that repeat a value to the last digit are missed by a hair
//! after each step down, and a large step pays for its coverage in loss.
//!
//! **Approach.** The paths of the model's predictions along the calibration part of each trace are
//! kept, and the offsets of a host are run along them (`follow`). With c(a, g) the coverage
//! and L(a, g) the pinball loss of the clamped predictions at aim a and step g:
//!
//! ```text
//! a(g) : c(a, g) = q + (1 - q) / 20        by Brent's method
//! g    = argmin L(a(g), g)                 by golden sections over log g
//! ```
//!
//! The twentieth of the misses is a margin: growth was stopped and the split conformal offsets set
//! by the same rows, so that later ones are covered less.

use argmin::core::{CostFunction, Error, Executor};
use argmin::solver::brent::BrentRoot;
use argmin::solver::goldensectionsearch::GoldenSectionSearch;

use super::dataset::{AHEAD_S, TraceInfo};
use super::follow::{Asked, Follower, Step};
use super::grow::pinball;
use super::online::Pace;

/// Share of the misses by which coverage on the calibration rows is to be better.
const MARGIN: f64 = 0.05;

/// Least and largest aim, in misses that are wanted: four times as many, a hundredth.
const AIMS: [f64; 2] = [4.0, 0.01];

/// Least and largest step.
const STEPS: [f64; 2] = [0.005, 0.1];

/// Outcomes below which nothing is fitted.
const LEAST_ROWS: usize = 1_000;

/// Tolerances: of the aim, and of the logarithm of the step.
const TOLERANCES: [f64; 2] = [1e-4, 0.1];

/// Rounds of each search at most.
const ROUNDS: u64 = 30;

/// Predictions along traces; see the module's documentation.
#[derive(Clone, Debug, Default)]
pub struct Paths {
    paths: Vec<Path>,
    rows: usize,
}

#[derive(Clone, Debug)]
struct Path {
    limit: f64,
    weight: f64,
    steps: Vec<Step>,
}

/// Coverage and loss of a pace.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Fare {
    coverage: f64,
    loss: f64,
}

impl Paths {
    /// Adds what `asked` says along a trace, of outcomes that do not overlap.
    pub fn add(
        &mut self,
        asked: Asked<'_>,
        info: &TraceInfo,
        samples: &[(f64, f64)],
        wanted: impl Fn(f64) -> bool,
    ) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a small count; a cast saturates"
        )]
        let stride = (AHEAD_S / info.interval_s).ceil() as usize;
        let asked = Asked { stride, ..asked };
        let mut steps = Vec::new();
        asked.walk(info, samples, wanted, |_, _, step, _| steps.push(step));
        if steps.is_empty() {
            return;
        }
        steps.shrink_to_fit();
        self.rows += steps.len();
        self.paths.push(Path {
            limit: info.limit().unwrap_or(f64::INFINITY),
            weight: asked.weight(info.interval_s),
            steps,
        });
    }

    /// The pace for quantile `q`; the default one where there are too few outcomes.
    #[must_use]
    pub fn fit(&self, q: f64) -> Pace {
        let default = Pace::default().with(q, None);
        if self.rows < LEAST_ROWS {
            return default;
        }
        let [least, most] = STEPS.map(f64::ln);
        let search = GoldenSectionSearch::new(least, most)
            .and_then(|search| search.with_tolerance(TOLERANCES[1]));
        let found = search.and_then(|search| {
            Executor::new(ByStep { paths: self, q }, search)
                .configure(|state| state.param(default.step.ln()).max_iters(ROUNDS))
                .run()
        });
        match found.ok().and_then(|found| found.state.best_param) {
            Some(log_step) => self.aimed(q, log_step.exp()),
            None => default,
        }
    }

    /// With the aim that reaches the coverage, or the nearest to it.
    fn aimed(&self, q: f64, step: f64) -> Pace {
        let pace = |aim| Pace {
            coverage: q,
            aim,
            step,
        };
        let [low, high] = AIMS.map(|misses| (1.0 - misses * (1.0 - q)).max(0.0));
        let lacking = ByAim {
            paths: self,
            q,
            step,
        };
        if lacking.at(low) >= 0.0 {
            return pace(low);
        }
        if lacking.at(high) <= 0.0 {
            return pace(high);
        }
        let search = BrentRoot::new(low, high, TOLERANCES[0]);
        let found = Executor::new(lacking, search).configure(|state| state.max_iters(ROUNDS));
        let found = found.run().ok().and_then(|found| found.state.best_param);
        pace(found.unwrap_or(q))
    }

    fn fare(&self, pace: Pace) -> Fare {
        let (mut covered, mut loss, mut rows) = (0.0, 0.0, 0.0);
        for path in &self.paths {
            let mut follower = Follower::new(pace, path.weight);
            for &step in &path.steps {
                let said = follower.lifted(step).clamp(0.0, path.limit);
                covered += f64::from(u8::from(step.outcome <= said));
                loss += pinball(step.outcome - said, pace.coverage);
                rows += 1.0;
            }
        }
        Fare {
            coverage: covered / rows,
            loss: loss / rows,
        }
    }
}

/// Coverage less the wanted one, by aim.
struct ByAim<'a> {
    paths: &'a Paths,
    q: f64,
    step: f64,
}

impl ByAim<'_> {
    fn at(&self, aim: f64) -> f64 {
        let pace = Pace {
            coverage: self.q,
            aim,
            step: self.step,
        };
        self.paths.fare(pace).coverage - (self.q + MARGIN * (1.0 - self.q))
    }
}

impl CostFunction for ByAim<'_> {
    type Param = f64;
    type Output = f64;
    fn cost(&self, aim: &f64) -> Result<f64, Error> {
        Ok(self.at(*aim))
    }
}

/// Loss by the logarithm of the step.
struct ByStep<'a> {
    paths: &'a Paths,
    q: f64,
}

impl CostFunction for ByStep<'_> {
    type Param = f64;
    type Output = f64;
    fn cost(&self, log_step: &f64) -> Result<f64, Error> {
        let pace = self.paths.aimed(self.q, log_step.exp());
        Ok(self.paths.fare(pace).loss)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Traces whose outcomes are uniform in [0, 1) each time, beside a model that says
    /// `predicted`; a share `above` of them is beyond the limit of 2, and the model knows.
    fn paths(predicted: f64, above: f64) -> Paths {
        let mut paths = Paths::default();
        for trace in 0..20_u32 {
            let step = |i: u32| {
                // The golden ratio's multiples are spread evenly.
                let spread = f64::from(i * 20 + trace) * 0.618_033_988_749_894_9;
                let beyond = (f64::from(i) * 0.414_213_562_373_095).fract() < above;
                Step {
                    now_s: 600.0 * f64::from(i),
                    predicted: if beyond { 3.5 } else { predicted },
                    scale: 1.0,
                    outcome: if beyond { 3.0 } else { spread.fract() },
                }
            };
            paths.paths.push(Path {
                limit: 2.0,
                weight: 1.0,
                steps: (0..1_000).map(step).collect(),
            });
            paths.rows += 1_000;
        }
        paths
    }

    #[test]
    fn the_fit_covers_what_is_wanted() {
        for (predicted, above) in [(0.5, 0.0), (0.9, 0.0), (1.5, 0.0), (0.9, 0.02)] {
            let paths = paths(predicted, above);
            let pace = paths.fit(0.95);
            let coverage = paths.fare(pace).coverage;
            assert!(
                (coverage - 0.9525).abs() < 0.002,
                "{predicted} {above}: {pace:?} covers {coverage}"
            );
            assert!((0.005..=0.1).contains(&pace.step), "{pace:?}");
        }
    }

    #[test]
    fn what_is_above_the_limit_is_made_up_for() {
        let [without, with] = [0.0, 0.02].map(|above| paths(0.9, above).fit(0.95));
        assert!(with.aim > without.aim + 0.005, "{without:?} {with:?}");
    }

    #[test]
    fn the_step_found_is_no_worse_than_others() {
        let paths = paths(0.9, 0.0);
        let loss = |step| paths.fare(paths.aimed(0.95, step)).loss;
        let found = loss(paths.fit(0.95).step);
        for step in [0.005, 0.02, 0.05, 0.1] {
            assert!(
                found <= loss(step) * 1.002,
                "{step}: {} {found}",
                loss(step)
            );
        }
    }

    #[test]
    fn few_outcomes_fit_nothing() {
        let mut few = paths(0.9, 0.0);
        few.rows = LEAST_ROWS - 1;
        assert_eq!(few.fit(0.95), Pace::default());
    }
}
