//! What is right: enumeration of the integer columns, with the at most two
//! continuous ones solved by their vertices; else microlp.
//!
//! With two continuous columns y and rows a y <= b (bounds are rows too), the
//! least cost over the polygon is at a vertex, the crossing of two rows. A
//! polygon without vertices is made to have some by a wide box. It is
//! unbounded where a direction d with a d <= 0 for all rows has c d < 0; if
//! there is one, there is one among -c and the directions along the rows.

use branchcut::{Engine, Model, Options, Status, solve};

use super::generate::{Case, Col};

/// Most points to enumerate.
const POINTS: f64 = 6000.0;

/// Beyond every vertex of a polygon with coefficients of this size.
const WIDE: f64 = 1e7;

/// Far below the least distance of two crossings of such rows, far above
/// round-off.
const EXACT: f64 = 1e-8;

#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Optimal {
        value: f64,
        /// In the model's own columns; none where microlp answered.
        point: Option<Vec<f64>>,
    },
    Infeasible {
        certain: bool,
    },
    Unbounded {
        certain: bool,
    },
    /// microlp did not say.
    Unknown,
}

impl Answer {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Optimal { .. } => "optimal",
            Self::Infeasible { .. } => "infeasible",
            Self::Unbounded { .. } => "unbounded",
            Self::Unknown => "unknown",
        }
    }

    pub(crate) fn optimum(&self) -> Option<f64> {
        match self {
            Self::Optimal { value, .. } => Some(*value),
            _ => None,
        }
    }

    pub(crate) fn point(&self) -> Option<Vec<f64>> {
        match self {
            Self::Optimal { point, .. } => point.clone(),
            _ => None,
        }
    }

    pub(crate) fn is_certain(&self) -> bool {
        match self {
            Self::Optimal { point, .. } => point.is_some(),
            Self::Infeasible { certain } | Self::Unbounded { certain } => *certain,
            Self::Unknown => false,
        }
    }

    /// A start point: an optimum, or nonsense.
    pub(crate) fn some_point(&self, model: &Model) -> Vec<f64> {
        self.point()
            .unwrap_or_else(|| vec![1.0; model.columns().len()])
    }
}

pub(crate) fn answer(case: &Case) -> Answer {
    enumerate(case).unwrap_or_else(|| ask_microlp(case))
}

fn ask_microlp(case: &Case) -> Answer {
    // The model as it was before any scaling is the kinder one.
    let mut case = case.plain();
    let open: Vec<usize> = (0..case.columns.len())
        .filter(|&j| case.columns[j].integer && case.columns[j].upper.is_none())
        .collect();
    if open.is_empty() || case.columns.iter().any(|c| c.integer && c.lower.is_none()) {
        return microlp(&case.model());
    }
    // microlp makes no claim on integers without bounds. With coefficients of
    // this size an optimum that exists is attained well within either box.
    let mut within = |size: i64| {
        for &j in &open {
            case.columns[j].upper = case.columns[j].lower.map(|lower| lower + size);
        }
        microlp(&case.model())
    };
    match (within(1000), within(2000)) {
        (Answer::Optimal { value: one, .. }, Answer::Optimal { value: two, .. })
            if (one - two).abs() > 1.0 =>
        {
            Answer::Unbounded { certain: false }
        }
        (_, answer) => answer,
    }
}

fn microlp(model: &Model) -> Answer {
    let options = Options::default()
        .with_engine(Engine::Microlp)
        .with_time_limit(std::time::Duration::from_secs(20));
    let outcome = solve(model, &options);
    match outcome.status {
        Status::Optimal => Answer::Optimal {
            value: outcome.objective.unwrap(),
            point: None,
        },
        Status::Infeasible => Answer::Infeasible { certain: false },
        Status::Unbounded => Answer::Unbounded { certain: false },
        _ => Answer::Unknown,
    }
}

/// `a y <= b`.
struct Side {
    a: [f64; 2],
    b: f64,
}

enum Polygon {
    Empty,
    Least(f64, [f64; 2]),
    Unbounded,
}

fn enumerate(case: &Case) -> Option<Answer> {
    let case = case.plain();
    let reals: Vec<usize> = (0..case.columns.len())
        .filter(|&j| !case.columns[j].integer)
        .collect();
    let integers: Vec<usize> = (0..case.columns.len())
        .filter(|&j| case.columns[j].integer)
        .collect();
    if reals.len() > 2 {
        return None;
    }
    let mut boxes = vec![];
    let mut points = 1.0;
    for &j in &integers {
        let Col {
            lower,
            upper,
            within,
            ..
        } = case.columns[j];
        let low = lower.or(within.map(|w| w.0))?;
        let high = upper.or(within.map(|w| w.1))?;
        if low > high {
            return Some(Answer::Infeasible { certain: true });
        }
        points *= (high - low + 1) as f64;
        boxes.push((low, high));
    }
    if points > POINTS {
        return None;
    }
    if case
        .columns
        .iter()
        .any(|column| matches!((column.lower, column.upper), (Some(l), Some(u)) if l > u))
    {
        return Some(Answer::Infeasible { certain: true });
    }
    let sign = if case.maximize { -1.0 } else { 1.0 };
    let cost = |j: usize| sign * case.columns[j].cost as f64;
    let costs = [
        reals.first().map_or(0.0, |&j| cost(j)),
        reals.get(1).map_or(0.0, |&j| cost(j)),
    ];
    // Coefficients by row: of the integers in their order, of the reals.
    let rows: Vec<(Vec<i64>, [f64; 2])> = case
        .rows
        .iter()
        .map(|row| {
            let of = |j: usize| {
                row.coefficients
                    .iter()
                    .filter(|entry| entry.0 == j)
                    .map(|entry| entry.1)
                    .sum::<i64>()
            };
            let ints = integers.iter().map(|&j| of(j)).collect();
            let real = |nth: usize| reals.get(nth).map_or(0.0, |&j| of(j) as f64);
            (ints, [real(0), real(1)])
        })
        .collect();
    let mut x: Vec<i64> = boxes.iter().map(|b| b.0).collect();
    let mut best: Option<(f64, Vec<i64>, [f64; 2])> = None;
    loop {
        let mut sides = vec![];
        let mut is_feasible = true;
        for (row, (ints, a)) in case.rows.iter().zip(&rows) {
            let fixed: i64 = ints.iter().zip(&x).map(|(a, x)| a * x).sum();
            if a[0].abs() + a[1].abs() <= 0.0 {
                is_feasible &= row.lower.is_none_or(|lower| fixed >= lower)
                    && row.upper.is_none_or(|upper| fixed <= upper);
                if !is_feasible {
                    break;
                }
                continue;
            }
            if let Some(upper) = row.upper {
                let b = (upper - fixed) as f64;
                sides.push(Side { a: *a, b });
            }
            if let Some(lower) = row.lower {
                let b = (fixed - lower) as f64;
                sides.push(Side {
                    a: [-a[0], -a[1]],
                    b,
                });
            }
        }
        if is_feasible {
            for (nth, &j) in reals.iter().enumerate() {
                let unit = |v: f64| if nth == 0 { [v, 0.0] } else { [0.0, v] };
                if let Some(upper) = case.columns[j].upper {
                    sides.push(Side {
                        a: unit(1.0),
                        b: upper as f64,
                    });
                }
                if let Some(lower) = case.columns[j].lower {
                    sides.push(Side {
                        a: unit(-1.0),
                        b: -lower as f64,
                    });
                }
            }
            let polygon = match reals.len() {
                0 => Polygon::Least(0.0, [0.0; 2]),
                // A second column that is always zero.
                1 => {
                    sides.push(Side {
                        a: [0.0, 1.0],
                        b: 0.0,
                    });
                    sides.push(Side {
                        a: [0.0, -1.0],
                        b: 0.0,
                    });
                    least(&sides, costs)
                }
                _ => least(&sides, costs),
            };
            match polygon {
                Polygon::Empty => {}
                Polygon::Unbounded => return Some(Answer::Unbounded { certain: true }),
                Polygon::Least(value, y) => {
                    let fixed: f64 = integers
                        .iter()
                        .zip(&x)
                        .map(|(&j, &x)| cost(j) * x as f64)
                        .sum();
                    let value = value + fixed;
                    if best.as_ref().is_none_or(|known| value < known.0) {
                        best = Some((value, x.clone(), y));
                    }
                }
            }
        }
        // The next point, or all have been seen.
        let mut at = 0;
        while at < x.len() && x[at] == boxes[at].1 {
            x[at] = boxes[at].0;
            at += 1;
        }
        if at == x.len() {
            break;
        }
        x[at] += 1;
    }
    Some(match best {
        None => Answer::Infeasible { certain: true },
        Some((value, ints, y)) => {
            let mut point = vec![0.0; case.columns.len()];
            for (&j, &x) in integers.iter().zip(&ints) {
                point[j] = x as f64;
            }
            for (nth, &j) in reals.iter().enumerate() {
                point[j] = y[nth] / case.column_scale(j);
            }
            Answer::Optimal {
                value: sign * value + case.offset as f64,
                point: Some(case.rescaled_point(point)),
            }
        }
    })
}

fn least(sides: &[Side], costs: [f64; 2]) -> Polygon {
    let mut all: Vec<Side> = sides.iter().map(|s| Side { a: s.a, b: s.b }).collect();
    for a in [[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]] {
        all.push(Side { a, b: WIDE });
    }
    let mut best: Option<(f64, [f64; 2])> = None;
    for (i, p) in all.iter().enumerate() {
        for q in &all[..i] {
            let det = p.a[0] * q.a[1] - p.a[1] * q.a[0];
            if det.abs() <= 0.0 {
                continue;
            }
            let y = [
                (p.b * q.a[1] - p.a[1] * q.b) / det,
                (p.a[0] * q.b - p.b * q.a[0]) / det,
            ];
            let size = 1.0 + y[0].abs() + y[1].abs();
            let fits = all
                .iter()
                .all(|s| s.a[0] * y[0] + s.a[1] * y[1] <= s.b + EXACT * size);
            let value = costs[0] * y[0] + costs[1] * y[1];
            if fits && best.is_none_or(|known| value < known.0) {
                best = Some((value, y));
            }
        }
    }
    let Some((value, y)) = best else {
        return Polygon::Empty;
    };
    let mut directions = vec![[-costs[0], -costs[1]]];
    for side in sides {
        directions.push([side.a[1], -side.a[0]]);
        directions.push([-side.a[1], side.a[0]]);
    }
    let is_unbounded = directions.iter().any(|d| {
        costs[0] * d[0] + costs[1] * d[1] < 0.0
            && sides
                .iter()
                .all(|side| side.a[0] * d[0] + side.a[1] * d[1] <= 0.0)
    });
    if is_unbounded {
        Polygon::Unbounded
    } else {
        Polygon::Least(value, y)
    }
}
