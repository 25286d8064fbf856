//! Whether an answer is right.

use super::catalogue::{Expected, Instance};
use super::child::{Answer, Run};
use crate::cli::args::Bench;

/// The catalogue's rule: how far may a value be from the optimum, relative to
/// max(1, |optimum|)?
const TOLERANCE: f64 = 1e-5;

/// What an answer counts for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Solved,
    /// A limit, or no claim.
    Unsolved,
    /// It says what is not so, or the process failed.
    Wrong(String),
}

pub(super) fn judge(instance: &Instance, run: &Run, args: &Bench) -> Verdict {
    let Some(answer) = &run.answer else {
        return Verdict::Wrong(run.trouble.clone().unwrap_or_default());
    };
    let limit = args.time_limit.as_secs_f64();
    let is_late = args.cpu && run.cpu_s.is_some_and(|cpu| cpu > limit);
    match verdict(instance, answer) {
        Verdict::Solved if is_late => Verdict::Unsolved,
        verdict => verdict,
    }
}

fn verdict(instance: &Instance, answer: &Answer) -> Verdict {
    let wrong = |what: String| Verdict::Wrong(what);
    match instance.expected {
        Expected::Optimum(optimum) => against(instance, answer, optimum),
        Expected::Infeasible if answer.objective.is_some() => {
            wrong("a point of an infeasible model".to_owned())
        }
        Expected::Infeasible | Expected::Unbounded => {
            let right = if instance.expected == Expected::Infeasible {
                "infeasible"
            } else {
                "unbounded"
            };
            match answer.status.as_str() {
                status if status == right => Verdict::Solved,
                "infeasible_or_unbounded" => Verdict::Solved,
                status if is_claim(status) => wrong(format!("{status}, expected {right}")),
                _ => Verdict::Unsolved,
            }
        }
        Expected::Unknown if is_claim(&answer.status) => Verdict::Solved,
        Expected::Unknown => Verdict::Unsolved,
    }
}

/// Whether the status says something of the model.
fn is_claim(status: &str) -> bool {
    matches!(
        status,
        "optimal" | "gap_reached" | "infeasible" | "unbounded" | "infeasible_or_unbounded"
    )
}

fn against(instance: &Instance, answer: &Answer, optimum: f64) -> Verdict {
    let slack = TOLERANCE * optimum.abs().max(1.0);
    // How much better than the optimum a value is.
    let excess = |value: f64| {
        if instance.is_max {
            value - optimum
        } else {
            optimum - value
        }
    };
    if let Some(objective) = answer.objective
        && excess(objective) > slack
    {
        return Verdict::Wrong(format!("objective {objective} beats the optimum {optimum}"));
    }
    if let Some(bound) = answer.bound
        && -excess(bound) > slack
    {
        return Verdict::Wrong(format!("bound {bound} excludes the optimum {optimum}"));
    }
    match answer.status.as_str() {
        "optimal" => match answer.objective {
            Some(objective) if excess(objective).abs() <= slack => Verdict::Solved,
            other => Verdict::Wrong(format!("optimal with {other:?}, optimum {optimum}")),
        },
        status @ ("infeasible" | "unbounded" | "infeasible_or_unbounded") => {
            Verdict::Wrong(format!("{status}, but the optimum is {optimum}"))
        }
        _ => Verdict::Unsolved,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: &str, objective: Option<f64>, bound: Option<f64>) -> Answer {
        Answer {
            status: status.to_owned(),
            objective,
            bound,
            gap: None,
            nodes: 1,
            lp_iterations: 1,
            elapsed_s: 0.0,
            first_incumbent_s: None,
            techniques: vec![],
        }
    }

    fn instance(expected: Expected, is_max: bool) -> Instance {
        Instance {
            name: "test".to_owned(),
            path: std::path::PathBuf::new(),
            is_max,
            expected,
            tier: String::new(),
        }
    }

    #[test]
    fn right_and_wrong_answers() {
        let least = instance(Expected::Optimum(100.0), false);
        let most = instance(Expected::Optimum(100.0), true);
        let none = instance(Expected::Infeasible, false);
        let endless = instance(Expected::Unbounded, false);
        // 1e-5 of 100 is 1e-3.
        let cases = [
            (&least, answer("optimal", Some(100.0009), Some(100.0)), 's'),
            (&least, answer("optimal", Some(100.002), Some(100.0)), 'w'),
            (&least, answer("optimal", None, None), 'w'),
            (&least, answer("time_limit", Some(120.0), Some(90.0)), 'u'),
            (&least, answer("time_limit", Some(99.0), Some(90.0)), 'w'),
            (&least, answer("time_limit", None, Some(101.0)), 'w'),
            (&most, answer("time_limit", Some(90.0), Some(110.0)), 'u'),
            (&most, answer("time_limit", Some(110.0), None), 'w'),
            (&most, answer("time_limit", None, Some(99.0)), 'w'),
            (&least, answer("gap_reached", Some(101.0), Some(99.0)), 'u'),
            (&least, answer("infeasible", None, None), 'w'),
            (&least, answer("numerical_trouble", None, None), 'u'),
            (&none, answer("infeasible", None, None), 's'),
            (&none, answer("infeasible_or_unbounded", None, None), 's'),
            (&none, answer("unbounded", None, None), 'w'),
            (&none, answer("time_limit", None, None), 'u'),
            (&none, answer("time_limit", Some(1.0), None), 'w'),
            (&endless, answer("unbounded", None, None), 's'),
            (&endless, answer("infeasible_or_unbounded", None, None), 's'),
            (&endless, answer("optimal", Some(1.0), Some(1.0)), 'w'),
        ];
        for (instance, answer, expected) in cases {
            let found = match verdict(instance, &answer) {
                Verdict::Solved => 's',
                Verdict::Unsolved => 'u',
                Verdict::Wrong(_) => 'w',
            };
            assert_eq!(found, expected, "{answer:?}");
        }
    }
}
