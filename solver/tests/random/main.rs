//! Random models against enumeration and microlp.
//!
//! Every model is made from small integers by one of the families of
//! [`generate`], so that [`oracle`] can say what is right: by enumeration of
//! the integer columns (with at most two continuous columns, whose linear
//! program is solved by its vertices), or, where that is too much, by microlp.
//! A disagreement with microlp counts against the engine unless the engine has
//! a point that proves microlp wrong.
//!
//! Each model is solved with the default techniques and with one other set of
//! [`configs`] (each technique alone, each left out, none, all) in turn, some
//! also with limits, with a start point, with a random basis, and with a debug solution. A failure
//! is made smaller by [`shrink`] and printed as an MPS file.
//!
//! | variable | meaning |
//! |-|-|
//! | `BRANCHCUT_RANDOM_MODELS` | how many models (default 22,800) |
//! | `BRANCHCUT_RANDOM_SEED` | where the seeds begin (default 0) |
//! | `BRANCHCUT_RANDOM_FAMILY` | one family alone |
//! | `BRANCHCUT_RANDOM_ENGINE` | `microlp`: tests the test |
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "test code"
)]

mod generate;
mod oracle;
mod shrink;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use branchcut::{
    Basis, BasisStatus, Engine, Model, Observer, Options, Outcome, Sense, Status, Technique,
    Techniques, check, io, solve_with,
};
use generate::{Case, FAMILIES, Random};
use oracle::Answer;

/// Models in an ordinary run: 1,200 of each family.
const MODELS: usize = 22_800;

/// A solve that takes this long on such a model hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// Share of the badly scaled models that may end in `numerical_trouble`.
const TROUBLE_SHARE: f64 = 0.01;

/// The catalogue's rule for a right objective.
fn tolerance(optimum: f64) -> f64 {
    1e-5 * optimum.abs().max(1.0)
}

/// What a model is solved with.
#[derive(Clone, Debug)]
struct Config {
    label: String,
    techniques: Techniques,
}

fn configs() -> Vec<Config> {
    let mut all = vec![
        Config {
            label: "none".to_owned(),
            techniques: Techniques::none(),
        },
        Config {
            label: "all".to_owned(),
            techniques: Techniques::all(),
        },
    ];
    for &technique in Technique::ALL {
        all.push(Config {
            label: format!("{} alone", technique.name()),
            techniques: Techniques::none().with(technique),
        });
        all.push(Config {
            label: format!("without {}", technique.name()),
            techniques: Techniques::default().without(technique),
        });
    }
    all
}

/// What is asked beyond the techniques.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ask {
    Plain,
    Nodes(u64),
    Work(u64),
    Iterations(u64),
    Gap(f64),
    Start,
    /// A random basis of that seed.
    Basis(u64),
    Debug,
    Cutoff(f64),
    Milliseconds(u64),
}

#[derive(Clone, Debug)]
struct Trial {
    config: Config,
    ask: Ask,
}

/// Checks every incumbent as it comes.
struct Witness<'a> {
    model: &'a Model,
    complaint: Option<String>,
}

impl Observer for Witness<'_> {
    fn incumbent(&mut self, point: &[f64], objective: f64) {
        if let Err(what) = recheck(self.model, point, objective) {
            self.complaint = Some(format!("incumbent {objective}: {what}"));
        }
    }
}

/// The caller's rows, evaluated here and not by the engine.
fn recheck(model: &Model, point: &[f64], objective: f64) -> Result<(), String> {
    check::check(model, point).map_err(|refusal| refusal.to_string())?;
    for (index, (column, &x)) in model.columns().iter().zip(point).enumerate() {
        if column.integer && (x - x.round()).abs() > 0.0 {
            return Err(format!("column {index} has {x}"));
        }
        if x < column.lower - 1e-6 || x > column.upper + 1e-6 {
            return Err(format!("column {index} has {x}, out of its bounds"));
        }
    }
    for (index, row) in model.rows().iter().enumerate() {
        let (mut activity, mut size) = (0.0, 1.0);
        for &(column, value) in &row.coefficients {
            activity += value * point[column];
            size += (value * point[column]).abs();
        }
        let slack = 1e-6 + 1e-12 * size;
        if activity < row.lower - slack || activity > row.upper + slack {
            return Err(format!("row {index} has {activity}"));
        }
    }
    let evaluated = model.objective(point);
    if (evaluated - objective).abs() > 1e-9 * objective.abs().max(1.0) {
        return Err(format!("objective {evaluated}"));
    }
    Ok(())
}

fn run(model: &Model, trial: &Trial, answer: &Answer, engine: Engine) -> (Outcome, Option<String>) {
    let mut options = Options::default()
        .with_engine(engine)
        .with_time_limit(PATIENCE)
        .with_techniques(trial.config.techniques);
    options = match trial.ask {
        Ask::Plain => options,
        Ask::Nodes(limit) => options.with_node_limit(limit),
        Ask::Work(limit) => options.with_work_limit(limit),
        Ask::Iterations(limit) => options.with_lp_iteration_limit(limit),
        Ask::Gap(gap) => options.with_gap_relative(gap),
        Ask::Start => options.with_start(answer.some_point(model)),
        Ask::Basis(seed) => options.with_basis(any_basis(model, &mut Random::new(seed))),
        Ask::Cutoff(worse) => {
            options.with_cutoff(answer.optimum().map(|optimum| match model.sense {
                Sense::Minimize => optimum + worse,
                Sense::Maximize => optimum - worse,
            }))
        }
        Ask::Debug => {
            let point = answer.point();
            options = options.with_debug_solution(point);
            // Techniques that may cut off a given optimum.
            options.techniques = [
                Technique::DualReductions,
                Technique::Symmetry,
                Technique::Dominated,
            ]
            .iter()
            .fold(options.techniques, |set, &technique| set.without(technique));
            options
        }
        Ask::Milliseconds(limit) => options.with_time_limit(Duration::from_millis(limit)),
    };
    let mut witness = Witness {
        model,
        complaint: None,
    };
    let outcome = solve_with(model, &options, &mut witness);
    (outcome, witness.complaint)
}

/// Any statuses at all: mostly no basis.
fn any_basis(model: &Model, random: &mut Random) -> Basis {
    let mut any = |count: usize| {
        let all = [
            BasisStatus::Basic,
            BasisStatus::Lower,
            BasisStatus::Upper,
            BasisStatus::Unknown,
        ];
        (0..count).map(|_| all[random.below(4) as usize]).collect()
    };
    Basis {
        columns: any(model.columns().len()),
        rows: any(model.rows().len()),
    }
}

/// What is wrong with an outcome; a complaint that starts with `trouble` is
/// `numerical_trouble` alone.
fn complaint(model: &Model, trial: &Trial, answer: &Answer, engine: Engine) -> Option<String> {
    let (outcome, witnessed) = run(model, trial, answer, engine);
    if witnessed.is_some() {
        return witnessed;
    }
    judge(model, trial, answer, &outcome).map(|what| {
        format!(
            "{what}; right is {answer:?}; got {} objective {:?} bound {:?} reason {:?} {:?}",
            outcome.status.name(),
            outcome.objective,
            outcome.bound,
            outcome.reason,
            outcome.counters
        )
    })
}

fn judge(model: &Model, trial: &Trial, answer: &Answer, outcome: &Outcome) -> Option<String> {
    let better = |a: f64, b: f64| match model.sense {
        Sense::Minimize => a < b,
        Sense::Maximize => a > b,
    };
    if let (Some(point), Some(objective)) = (&outcome.point, outcome.objective)
        && let Err(what) = recheck(model, point, objective)
    {
        return Some(what);
    }
    let wrong = |what: &str| Some(what.to_owned());
    match *answer {
        Answer::Infeasible { .. } if outcome.point.is_some() => {
            // A point that passed proves microlp wrong.
            if answer.is_certain() {
                return wrong("a point of an infeasible model");
            }
            return None;
        }
        Answer::Optimal { value, .. } => {
            let slack = tolerance(value);
            if let Some(objective) = outcome.objective
                && better(objective, value)
                && (objective - value).abs() > slack
            {
                if answer.is_certain() {
                    return wrong("a point better than the optimum");
                }
                return None;
            }
            if let Some(bound) = outcome.bound
                && better(value, bound)
                && (bound - value).abs() > slack
                && !matches!(trial.ask, Ask::Cutoff(_))
            {
                return wrong("a bound beyond the optimum");
            }
        }
        _ => {}
    }
    let has_limit = matches!(
        trial.ask,
        Ask::Nodes(_) | Ask::Work(_) | Ask::Iterations(_) | Ask::Milliseconds(_)
    );
    match (outcome.status, answer) {
        // Known limits of microlp's.
        (Status::NumericalTrouble, _)
            if outcome.reason.as_ref().is_some_and(|reason| {
                reason.contains("microlp cannot hold") || reason.contains("integers rounded")
            }) =>
        {
            None
        }
        (Status::NumericalTrouble, _) => wrong("trouble"),
        (_, Answer::Unknown) => None,
        (Status::Optimal | Status::GapReached, Answer::Optimal { value, .. }) => {
            let objective = outcome.objective?;
            let gap = match trial.ask {
                Ask::Gap(gap) => gap * objective.abs().max(1.0),
                _ => 0.0,
            };
            ((objective - value).abs() > tolerance(*value) + gap)
                .then(|| "not the optimum".to_owned())
        }
        (Status::Infeasible, Answer::Optimal { .. }) => match trial.ask {
            // Nothing is better than a cutoff at the optimum.
            Ask::Cutoff(worse) if worse <= 0.0 => None,
            _ => wrong("a feasible model is called infeasible"),
        },
        (Status::Infeasible | Status::InfeasibleOrUnbounded, Answer::Infeasible { .. })
        | (Status::Unbounded | Status::InfeasibleOrUnbounded, Answer::Unbounded { .. }) => None,
        (Status::TimeLimit | Status::NodeLimit | Status::IterationLimit, _) if has_limit => None,
        (Status::TimeLimit, _) => wrong("no end in 20 s"),
        _ => wrong("another status"),
    }
}

/// A trial that went wrong.
struct Failure {
    seed: u64,
    family: &'static str,
    text: String,
}

struct Tally {
    failures: Mutex<Vec<Failure>>,
    trouble: AtomicUsize,
    badly_scaled: AtomicUsize,
    by_status: Mutex<std::collections::BTreeMap<(&'static str, &'static str), usize>>,
}

fn number(name: &str, default: usize) -> usize {
    std::env::var(name)
        .ok()
        .map_or(default, |text| text.parse().expect(name))
}

fn ask(random: &mut Random, seed: u64, answer: &Answer) -> Ask {
    let optimum = answer.optimum();
    match seed % 12 {
        0 => Ask::Nodes(random.below(6) as u64),
        1 => Ask::Work(random.below(8) as u64),
        2 => Ask::Iterations(random.below(30) as u64),
        3 => Ask::Gap([1e-3, 0.05, 0.5][random.below(3) as usize]),
        4 => Ask::Start,
        5 | 6 if answer.point().is_some() => Ask::Debug,
        7 if optimum.is_some() => Ask::Cutoff(f64::from(random.below(3) as i32)),
        9 => Ask::Basis(seed),
        8 if seed % 120 == 8 => Ask::Milliseconds(1 + random.below(3) as u64),
        _ => Ask::Plain,
    }
}

/// One model: what is right, and what is answered.
fn try_model(seed: u64, family: usize, engine: Engine, all: &[Config], tally: &Tally) {
    let mut random = Random::new(seed);
    let case = generate::case(family, &mut random);
    let model = case.model();
    let answer = oracle::answer(&case);
    let name = FAMILIES[family];
    *tally
        .by_status
        .lock()
        .unwrap()
        .entry((name, answer.name()))
        .or_default() += 1;
    let is_badly_scaled = name == "badly-scaled";
    if is_badly_scaled {
        tally.badly_scaled.fetch_add(1, Ordering::Relaxed);
    }
    let default = Config {
        label: "default".to_owned(),
        techniques: Techniques::default(),
    };
    let mut trials = vec![Trial {
        config: default.clone(),
        ask: Ask::Plain,
    }];
    if engine == Engine::Branchcut {
        let nth = (seed as usize / FAMILIES.len()) % all.len();
        trials.push(Trial {
            config: all[nth].clone(),
            ask: Ask::Plain,
        });
    }
    if engine == Engine::Branchcut && name == "parts" {
        let with_presolve = Techniques::none()
            .with(Technique::Presolve)
            .with(Technique::Components);
        trials.push(Trial {
            config: Config {
                label: "components alone".to_owned(),
                techniques: with_presolve.without(Technique::Presolve),
            },
            ask: Ask::Plain,
        });
        trials.push(Trial {
            config: Config {
                label: "components with presolve".to_owned(),
                techniques: with_presolve,
            },
            ask: Ask::Plain,
        });
    }
    let asked = ask(&mut random, seed, &answer);
    if asked != Ask::Plain {
        trials.push(Trial {
            config: default,
            ask: asked,
        });
    }
    for trial in trials {
        let Some(what) = complaint(&model, &trial, &answer, engine) else {
            continue;
        };
        if is_badly_scaled && what.starts_with("trouble") {
            tally.trouble.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        let is_slow = what.starts_with("no end");
        let kind = what.split(';').next().unwrap().to_owned();
        let small = if is_slow {
            case.clone()
        } else {
            shrink::shrink(&case, &|case: &Case| {
                let answer = oracle::answer(case);
                complaint(&case.model(), &trial, &answer, engine)
                    .is_some_and(|what| what.starts_with(&kind))
            })
        };
        let again = complaint(&small.model(), &trial, &oracle::answer(&small), engine);
        tally.failures.lock().unwrap().push(Failure {
            seed,
            family: name,
            text: format!(
                "{} {:?}: {what}\nmade smaller: {}\n{}",
                trial.config.label,
                trial.ask,
                again.unwrap_or_default(),
                io::mps::write(&small.model()).unwrap_or_default()
            ),
        });
        return;
    }
}

#[test]
fn random_models_are_answered_right() {
    let models = number("BRANCHCUT_RANDOM_MODELS", MODELS);
    let first = number("BRANCHCUT_RANDOM_SEED", 0) as u64;
    let only = std::env::var("BRANCHCUT_RANDOM_FAMILY").ok();
    let engine = match std::env::var("BRANCHCUT_RANDOM_ENGINE").as_deref() {
        Ok("microlp") => Engine::Microlp,
        _ => Engine::Branchcut,
    };
    let all = configs();
    let tally = Tally {
        failures: Mutex::new(vec![]),
        trouble: AtomicUsize::new(0),
        badly_scaled: AtomicUsize::new(0),
        by_status: Mutex::default(),
    };
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let nth = next.fetch_add(1, Ordering::Relaxed);
                    if nth >= models || tally.failures.lock().unwrap().len() >= 8 {
                        return;
                    }
                    let seed = first + nth as u64;
                    let family = (seed % FAMILIES.len() as u64) as usize;
                    if only.as_ref().is_none_or(|name| name == FAMILIES[family]) {
                        try_model(seed, family, engine, &all, &tally);
                    }
                }
            });
        }
    });
    for ((family, answer), count) in tally.by_status.lock().unwrap().iter() {
        eprintln!("{family:>20} {answer:<12} {count}");
    }
    let trouble = tally.trouble.into_inner();
    let badly_scaled = tally.badly_scaled.into_inner();
    eprintln!("numerical trouble: {trouble} of {badly_scaled} badly scaled models");
    let mut failures = tally.failures.into_inner().unwrap();
    failures.sort_by_key(|failure| failure.seed);
    let text: Vec<String> = failures
        .iter()
        .map(|failure| format!("seed {} {}: {}", failure.seed, failure.family, failure.text))
        .collect();
    assert!(text.is_empty(), "{}", text.join("\n"));
    assert!(trouble as f64 <= TROUBLE_SHARE * badly_scaled as f64);
}

/// The vertex method against answers by hand.
#[test]
fn the_oracle_is_right_by_hand() {
    // min -x - y, x + 2y <= 4, 3x + y <= 6, x, y >= 0: vertex (1.6, 1.2), -2.8.
    let case = Case::of(
        &[(-1, Some(0), None, false), (-1, Some(0), None, false)],
        &[
            (&[(0, 1), (1, 2)], None, Some(4)),
            (&[(0, 3), (1, 1)], None, Some(6)),
        ],
    );
    let Answer::Optimal { value, .. } = oracle::answer(&case) else {
        panic!()
    };
    assert!((value + 2.8).abs() < 1e-9);
    // Without the second row x grows along (1, 0)... of cost -1: unbounded only
    // if the first goes too.
    let case = Case::of(
        &[(-1, Some(0), None, false), (0, None, None, false)],
        &[(&[(0, 1), (1, 2)], None, Some(4))],
    );
    assert_eq!(oracle::answer(&case).name(), "unbounded");
    // x - y = 1 and x - y = 2.
    let case = Case::of(
        &[(0, None, None, false), (0, None, None, false)],
        &[
            (&[(0, 1), (1, -1)], Some(1), Some(1)),
            (&[(0, 1), (1, -1)], Some(2), Some(2)),
        ],
    );
    assert_eq!(oracle::answer(&case).name(), "infeasible");
    // Integers: 2 x0 + y = 3, x0 in 0..1, y in [0, 2]: x0 = 1, y = 1, cost 5.
    let case = Case::of(
        &[(4, Some(0), Some(1), true), (1, Some(0), Some(2), false)],
        &[(&[(0, 2), (1, 1)], Some(3), Some(3))],
    );
    let Answer::Optimal { value, .. } = oracle::answer(&case) else {
        panic!()
    };
    assert!((value - 5.0).abs() < 1e-9);
}
