//! What a model says along a trace, and the offset that follows its outcomes as on a host.

use std::collections::VecDeque;

use super::dataset::{AHEAD_S, TraceInfo, walk};
use super::features::{COUNT, HOUR_MAX, Moment, fill_row};
use super::online::{Pace, WAIT_MS, offset_scale, stepped};
use super::scorer::Scorer;

/// One predicted moment, in the trace's unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Seconds since the epoch.
    pub now_s: f64,
    /// Main quantile, not clamped.
    pub predicted: f64,
    /// What one unit of the offset is.
    pub scale: f64,
    /// What came.
    pub outcome: f64,
}

/// A model and what is asked of it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The model.
    pub scorer: &'a Scorer,
    /// Index of the main quantile.
    pub main: usize,
    /// Every so many eligible rows.
    pub stride: usize,
}

impl<'a> Asked<'a> {
    /// The quantile nearest to `wanted`, of all rows.
    #[must_use]
    pub fn new(scorer: &'a Scorer, wanted: f64) -> Self {
        let quantiles = scorer.model().quantiles();
        let far = |i: &usize| (quantiles[*i] - wanted).abs();
        let nearest = (0..quantiles.len()).min_by(|a, b| far(a).total_cmp(&far(b)));
        Self {
            scorer,
            main: nearest.unwrap_or(0),
            stride: 1,
        }
    }

    /// The main quantile.
    #[must_use]
    pub fn quantile(&self) -> f64 {
        self.scorer.model().quantiles()[self.main]
    }

    /// Visits the predictions of a trace in order of time: the moment, its row, what
    /// is predicted, all quantiles of the model. `wanted` tells by time which rows count.
    pub fn walk(
        &self,
        info: &TraceInfo,
        samples: &[(f64, f64)],
        wanted: impl Fn(f64) -> bool,
        mut visit: impl FnMut(&Moment<'_>, &[f32; COUNT], Step, &[f64]),
    ) {
        let quantiles = self.scorer.model().quantiles();
        let median = quantiles.iter().position(|q| (q - 0.5).abs() < 1e-9);
        let codes = self.scorer.codes(&info.categories);
        let mut row = [0.0; COUNT];
        let (mut columns, mut out) = (Vec::new(), vec![0.0; quantiles.len()]);
        let mut number = 0_usize;
        let percent = info.limit().map_or(1.0, |limit| limit / 100.0);
        walk(info, samples, codes, wanted, |moment, outcome| {
            let counts = number.is_multiple_of(self.stride);
            number += 1;
            if !counts {
                return;
            }
            fill_row(moment, &mut row);
            self.scorer.predict(&row, &mut columns, &mut out);
            let predicted = out[self.main];
            let hour_max = f64::from(row[HOUR_MAX]);
            let step = Step {
                now_s: moment.now_s,
                predicted,
                scale: offset_scale(predicted, median.map(|i| out[i]), hour_max, percent),
                outcome,
            };
            visit(moment, &row, step, &out);
        });
    }

    /// Share of an independent outcome that each of a trace's counts.
    #[must_use]
    pub fn weight(&self, interval_s: f64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a small count")]
        let stride = self.stride as f64;
        (interval_s * stride / AHEAD_S).min(1.0)
    }
}

/// The offset of one trace.
#[derive(Clone, Debug)]
pub struct Follower {
    pace: Pace,
    weight: f64,
    offset: f64,
    waiting: VecDeque<Step>,
}

impl Follower {
    /// Without outcomes yet, each of which counts `weight`.
    #[must_use]
    pub fn new(pace: Pace, weight: f64) -> Self {
        Self {
            pace,
            weight,
            offset: 0.0,
            waiting: VecDeque::new(),
        }
    }

    /// What a host would say in place of `step.predicted`, not clamped, from the outcomes that are
    /// known by then. Its own outcome is kept until it is due.
    pub fn lifted(&mut self, step: Step) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of minutes")]
        let wait_s = WAIT_MS as f64 / 1_000.0;
        while let Some(due) = self.waiting.front().copied()
            && due.now_s + wait_s <= step.now_s
        {
            self.waiting.pop_front();
            let said = (due.predicted + self.offset * due.scale).max(0.0);
            self.offset = stepped(self.offset, self.pace, self.weight, due.outcome > said);
        }
        self.waiting.push_back(step);
        step.predicted + self.offset * step.scale
    }
}
