//! Families of models made from small integers.

mod blocks;

use branchcut::{Column, Model, Row, Sense};

pub(crate) const FAMILIES: [&str; 19] = [
    "mixed",
    "equality-heavy",
    "free-columns",
    "unbounded",
    "infeasible",
    "degenerate",
    "badly-scaled",
    "general-integers",
    "big-m",
    "packing",
    "fixed-charge",
    "knapsack",
    "medium",
    "symmetric",
    "blocks",
    "implied-boxes",
    "linear",
    "parts",
    "edge",
];

/// SplitMix64 (G. Steele, D. Lea, C. Flood 2014).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 to `n` - 1.
    pub(crate) fn below(&mut self, n: i64) -> i64 {
        (self.next() % n as u64) as i64
    }

    /// `low` to `high`.
    fn within(&mut self, low: i64, high: i64) -> i64 {
        low + self.below(high - low + 1)
    }

    /// True `percent` times in a hundred.
    fn chance(&mut self, percent: i64) -> bool {
        self.below(100) < percent
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Col {
    pub(crate) cost: i64,
    pub(crate) lower: Option<i64>,
    pub(crate) upper: Option<i64>,
    pub(crate) integer: bool,
    /// A box that the rows imply, for the enumeration alone.
    pub(crate) within: Option<(i64, i64)>,
    /// The model's column is the value divided by this.
    pub(crate) scale: f64,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line {
    pub(crate) coefficients: Vec<(usize, i64)>,
    pub(crate) lower: Option<i64>,
    pub(crate) upper: Option<i64>,
    /// The model's row is this times the line.
    pub(crate) scale: f64,
}

/// A model before scaling.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Case {
    pub(crate) maximize: bool,
    pub(crate) offset: i64,
    pub(crate) columns: Vec<Col>,
    pub(crate) rows: Vec<Line>,
    /// Scales taken away by [`Case::plain`].
    taken: Vec<f64>,
}

type ColumnLiteral = (i64, Option<i64>, Option<i64>, bool);
type RowLiteral<'a> = (&'a [(usize, i64)], Option<i64>, Option<i64>);

impl Case {
    pub(crate) fn of(columns: &[ColumnLiteral], rows: &[RowLiteral<'_>]) -> Self {
        let mut case = Self::default();
        for &(cost, lower, upper, integer) in columns {
            case.column(cost, lower, upper, integer);
        }
        for &(coefficients, lower, upper) in rows {
            case.row(coefficients.to_vec(), lower, upper);
        }
        case
    }

    fn column(
        &mut self,
        cost: i64,
        lower: Option<i64>,
        upper: Option<i64>,
        integer: bool,
    ) -> usize {
        self.columns.push(Col {
            cost,
            lower,
            upper,
            integer,
            within: None,
            scale: 1.0,
        });
        self.columns.len() - 1
    }

    fn binary(&mut self, cost: i64) -> usize {
        self.column(cost, Some(0), Some(1), true)
    }

    fn row(&mut self, coefficients: Vec<(usize, i64)>, lower: Option<i64>, upper: Option<i64>) {
        self.rows.push(Line {
            coefficients,
            lower,
            upper,
            scale: 1.0,
        });
    }

    /// Without scales.
    pub(crate) fn plain(&self) -> Self {
        let mut plain = self.clone();
        plain.taken = self.columns.iter().map(|column| column.scale).collect();
        for row in &mut plain.rows {
            row.scale = 1.0;
        }
        for column in &mut plain.columns {
            column.scale = 1.0;
        }
        plain
    }

    pub(crate) fn column_scale(&self, j: usize) -> f64 {
        self.taken.get(j).copied().unwrap_or(1.0)
    }

    #[expect(clippy::unused_self, reason = "the scales are in the point already")]
    pub(crate) fn rescaled_point(&self, point: Vec<f64>) -> Vec<f64> {
        point
    }

    pub(crate) fn drop_column(&mut self, j: usize) {
        self.columns.remove(j);
        for row in &mut self.rows {
            row.coefficients.retain(|entry| entry.0 != j);
            for entry in &mut row.coefficients {
                entry.0 -= usize::from(entry.0 > j);
            }
        }
    }

    pub(crate) fn model(&self) -> Model {
        let mut model = Model::new(if self.maximize {
            Sense::Maximize
        } else {
            Sense::Minimize
        });
        model.offset = self.offset as f64;
        let side = |value: Option<i64>, scale: f64, none: f64| {
            value.map_or(none, |value| value as f64 * scale)
        };
        for (index, column) in self.columns.iter().enumerate() {
            model
                .add_column(Column {
                    name: format!("x{index}"),
                    cost: column.cost as f64 * column.scale,
                    lower: side(column.lower, 1.0 / column.scale, f64::NEG_INFINITY),
                    upper: side(column.upper, 1.0 / column.scale, f64::INFINITY),
                    integer: column.integer,
                })
                .unwrap();
        }
        for (index, row) in self.rows.iter().enumerate() {
            model
                .add_row(Row {
                    name: format!("r{index}"),
                    lower: side(row.lower, row.scale, f64::NEG_INFINITY),
                    upper: side(row.upper, row.scale, f64::INFINITY),
                    coefficients: row
                        .coefficients
                        .iter()
                        .map(|&(j, a)| (j, a as f64 * row.scale * self.columns[j].scale))
                        .collect(),
                })
                .unwrap();
        }
        model
    }

    /// What the line has at a point.
    fn activity(row: &[(usize, i64)], point: &[i64]) -> i64 {
        row.iter().map(|&(j, a)| a * point[j]).sum()
    }
}

/// Entries in some of the `columns`, none zero.
fn entries(random: &mut Random, columns: usize, percent: i64, size: i64) -> Vec<(usize, i64)> {
    let mut row = vec![];
    for j in 0..columns {
        if random.chance(percent) {
            let value = random.within(1, size);
            row.push((j, if random.chance(50) { value } else { -value }));
        }
    }
    row
}

fn positive(random: &mut Random, columns: usize, percent: i64, size: i64) -> Vec<(usize, i64)> {
    let mut row = entries(random, columns, percent, size);
    for entry in &mut row {
        entry.1 = entry.1.abs();
    }
    row
}

/// A point in the boxes; open sides count as 5 away.
fn some_point(random: &mut Random, case: &Case) -> Vec<i64> {
    case.columns
        .iter()
        .map(|column| {
            let low = column.lower.unwrap_or(column.upper.unwrap_or(5) - 5);
            let high = column.upper.unwrap_or(low + 5);
            random.within(low, high.max(low))
        })
        .collect()
}

pub(crate) fn case(family: usize, random: &mut Random) -> Case {
    let mut case = Case {
        maximize: random.chance(50),
        offset: if random.chance(30) {
            random.within(-9, 9)
        } else {
            0
        },
        ..Case::default()
    };
    match FAMILIES[family] {
        "mixed" => mixed(&mut case, random),
        "equality-heavy" => equality_heavy(&mut case, random),
        "free-columns" => free_columns(&mut case, random),
        "unbounded" => unbounded(&mut case, random),
        "infeasible" => infeasible(&mut case, random),
        "degenerate" => degenerate(&mut case, random),
        "badly-scaled" => badly_scaled(&mut case, random),
        "general-integers" => general_integers(&mut case, random),
        "big-m" => big_m(&mut case, random),
        "packing" => packing(&mut case, random),
        "fixed-charge" => fixed_charge(&mut case, random),
        "knapsack" => knapsack(&mut case, random),
        "medium" => medium(&mut case, random),
        "symmetric" => symmetric(&mut case, random),
        "blocks" => blocks::blocks(&mut case, random),
        "implied-boxes" => implied_boxes(&mut case, random),
        "linear" => linear(&mut case, random),
        "parts" => parts(&mut case, random),
        _ => edge(&mut case, random),
    }
    case
}

/// Boxed integers and up to two continuous columns, sides around a point of
/// the box.
fn mixed(case: &mut Case, random: &mut Random) {
    for _ in 0..random.within(1, 6) {
        let lower = random.within(-3, 1);
        let upper = lower + random.within(0, 3);
        case.column(random.within(-9, 9), Some(lower), Some(upper), true);
    }
    for _ in 0..random.below(3) {
        let lower = random.within(-4, 2);
        let upper = lower + random.within(0, 6);
        case.column(random.within(-9, 9), Some(lower), Some(upper), false);
    }
    sides_around(case, random, 6, 70, 5);
}

/// Rows whose sides are near what a point of the box has.
fn sides_around(case: &mut Case, random: &mut Random, most: i64, percent: i64, size: i64) {
    let point = some_point(random, case);
    for _ in 0..random.within(1, most) {
        let row = entries(random, case.columns.len(), percent, size);
        let at = Case::activity(&row, &point);
        let (lower, upper) = match random.below(10) {
            0..=4 => (None, Some(at + random.within(-2, 3))),
            5..=7 => (Some(at - random.within(-2, 3)), None),
            8 => (Some(at - random.below(4)), Some(at + random.below(4))),
            _ => (Some(at), Some(at)),
        };
        case.row(row, lower, upper);
    }
}

fn equality_heavy(case: &mut Case, random: &mut Random) {
    for _ in 0..random.within(2, 6) {
        let lower = random.within(-2, 1);
        case.column(
            random.within(-9, 9),
            Some(lower),
            Some(lower + random.within(1, 4)),
            true,
        );
    }
    for _ in 0..random.below(3) {
        case.column(
            random.within(-5, 5),
            Some(random.within(-3, 0)),
            Some(random.within(1, 9)),
            false,
        );
    }
    let point = some_point(random, case);
    for _ in 0..random.within(1, 4) {
        let row = entries(random, case.columns.len(), 65, 6);
        let at = Case::activity(&row, &point) + i64::from(random.chance(10));
        case.row(row, Some(at), Some(at));
    }
}

fn free_columns(case: &mut Case, random: &mut Random) {
    for _ in 0..random.within(1, 5) {
        let lower = random.within(-3, 0);
        case.column(random.within(-9, 9), Some(lower), Some(lower + 3), true);
    }
    for _ in 0..random.within(1, 2) {
        let cost = random.within(-3, 3);
        case.column(
            cost,
            None,
            random.chance(20).then(|| random.within(-3, 9)),
            false,
        );
    }
    let real = case.columns.len() - 1;
    sides_around(case, random, 5, 75, 5);
    // Rows that hold the free column from both sides.
    for sign in [1, -1] {
        let mut row = entries(random, real, 60, 4);
        row.push((real, sign * random.within(1, 3)));
        let at = random.within(-4, 9);
        case.row(row, None, Some(at));
    }
}

fn unbounded(case: &mut Case, random: &mut Random) {
    for _ in 0..random.within(1, 4) {
        case.column(
            random.within(-5, 5),
            Some(0),
            Some(random.within(1, 4)),
            true,
        );
    }
    for _ in 0..random.within(1, 2) {
        case.column(random.within(-3, 3), Some(0), None, false);
    }
    if random.chance(30) {
        // An integer that grows: microlp has to say.
        case.column(random.within(-3, 3), Some(0), None, true);
    }
    sides_around(case, random, 4, 60, 4);
}

fn infeasible(case: &mut Case, random: &mut Random) {
    for _ in 0..random.within(2, 6) {
        let lower = random.within(-2, 0);
        case.column(
            random.within(-9, 9),
            Some(lower),
            Some(lower + random.within(1, 4)),
            true,
        );
    }
    if random.chance(40) {
        case.column(random.within(-5, 5), Some(0), Some(5), false);
    }
    let integers = case.columns.iter().filter(|column| column.integer).count();
    sides_around(case, random, 3, 60, 4);
    match random.below(3) {
        // Even on the left, odd on the right.
        0 => {
            let mut row = entries(random, integers, 80, 4);
            for entry in &mut row {
                entry.1 *= 2;
            }
            let odd = 2 * random.within(-3, 3) + 1;
            case.row(row, Some(odd), Some(odd));
        }
        // The same line on both sides of a gap.
        1 => {
            let row = entries(random, case.columns.len(), 70, 5);
            let at = random.within(-4, 6);
            case.row(row.clone(), Some(at + 1), None);
            case.row(row, None, Some(at));
        }
        // Three lines that add up to nothing.
        _ => {
            let one = entries(random, case.columns.len(), 60, 4);
            let two = entries(random, case.columns.len(), 60, 4);
            let mut sum = one.clone();
            sum.extend(&two);
            case.row(one, None, Some(2));
            case.row(two, None, Some(3));
            case.row(sum, Some(5 + random.below(2)), None);
        }
    }
}

fn degenerate(case: &mut Case, random: &mut Random) {
    let cost = random.within(-2, 2);
    for _ in 0..random.within(3, 9) {
        case.binary(if random.chance(70) {
            cost
        } else {
            random.within(-2, 2)
        });
    }
    for _ in 0..random.below(3) {
        case.column(cost, Some(0), Some(3), false);
    }
    let columns = case.columns.len();
    for _ in 0..random.within(2, 5) {
        let mut row = positive(random, columns, 60, 1);
        let upper = random.within(0, 3);
        case.row(row.clone(), None, Some(upper));
        // The same again: as it is, twice, and with one more.
        if random.chance(50) {
            case.row(row.clone(), Some(0), Some(upper));
        }
        if random.chance(50) {
            for entry in &mut row {
                entry.1 *= 2;
            }
            case.row(row.clone(), None, Some(2 * upper + 1));
        }
        if random.chance(50) {
            row.pop();
            case.row(row, None, Some(2 * upper));
        }
    }
    if random.chance(30) {
        case.row(vec![], Some(0), Some(0));
    }
}

/// Rows larger, continuous columns finer: what counts as feasible in the
/// scaled model does so in the plain one.
fn badly_scaled(case: &mut Case, random: &mut Random) {
    match random.below(3) {
        0 => mixed(case, random),
        1 => equality_heavy(case, random),
        _ => big_m(case, random),
    }
    for row in &mut case.rows {
        row.scale = 10f64.powi(random.below(7) as i32);
    }
    for column in &mut case.columns {
        if !column.integer {
            column.scale = 10f64.powi(-(random.below(5) as i32));
        }
    }
}

fn general_integers(case: &mut Case, random: &mut Random) {
    for _ in 0..random.within(2, 3) {
        let lower = random.within(-12, 2);
        case.column(
            random.within(-9, 9),
            Some(lower),
            Some(lower + random.within(2, 15)),
            true,
        );
    }
    for _ in 0..random.below(2) {
        case.column(random.within(-9, 9), Some(-20), Some(20), false);
    }
    sides_around(case, random, 5, 85, 12);
}

fn big_m(case: &mut Case, random: &mut Random) {
    let m = [50, 1_000, 100_000, 1_000_000][random.below(4) as usize];
    let reals = random.within(1, 2) as usize;
    for _ in 0..reals {
        case.column(
            random.within(-6, 3),
            Some(0),
            random.chance(60).then_some(20),
            false,
        );
    }
    for _ in 0..random.within(1, 6) {
        case.binary(random.within(-3, 12));
    }
    let columns = case.columns.len();
    for j in reals..columns {
        let mut row = vec![(j, -m)];
        let real = random.below(reals as i64) as usize;
        row.insert(0, (real, random.within(1, 3)));
        let slack = random.within(0, 3);
        case.row(row, None, Some(slack));
    }
    // Something to reach and something that ends it.
    for real in 0..reals {
        case.row(vec![(real, 1)], Some(random.within(0, 6)), Some(40));
    }
    sides_around(case, random, 3, 60, 5);
}

fn packing(case: &mut Case, random: &mut Random) {
    for _ in 0..random.within(4, 12) {
        case.binary(random.within(-9, 15));
    }
    let columns = case.columns.len();
    for _ in 0..random.within(2, 7) {
        let row = positive(random, columns, 40, 1);
        let (lower, upper) = match random.below(4) {
            0 | 1 => (None, Some(1)),
            2 => (Some(1), Some(1)),
            _ => (Some(1), None),
        };
        // A literal the other way round.
        let mut row = row;
        let mut shift = 0;
        if random.chance(20)
            && let Some(entry) = row.last_mut()
        {
            entry.1 = -1;
            shift = -1;
        }
        case.row(row, lower.map(|v| v + shift), upper.map(|v| v + shift));
    }
    if random.chance(30) {
        let row = positive(random, columns, 80, 9);
        let sum: i64 = row.iter().map(|entry| entry.1).sum();
        case.row(row, None, Some(sum / 2));
    }
}

/// A small network: flows with fixed costs.
fn fixed_charge(case: &mut Case, random: &mut Random) {
    case.maximize = false;
    let nodes = random.within(3, 5) as usize;
    let mut balance: Vec<Vec<(usize, i64)>> = vec![vec![]; nodes];
    for from in 0..nodes {
        for to in 0..nodes {
            if from == to || !random.chance(55) {
                continue;
            }
            let capacity = random.within(2, 9);
            let integer = random.chance(30);
            let flow = case.column(random.within(0, 5), Some(0), None, integer);
            let open = case.binary(random.within(0, 20));
            case.columns[flow].within = Some((0, capacity));
            balance[from].push((flow, 1));
            balance[to].push((flow, -1));
            case.row(vec![(flow, 1), (open, -capacity)], None, Some(0));
        }
    }
    let demand = random.within(1, 7);
    let split = random.within(0, demand);
    let supply = |node: usize| match node {
        0 => demand,
        1 => -split,
        2 => split - demand,
        _ => 0,
    };
    for (node, row) in balance.into_iter().enumerate() {
        case.row(row, Some(supply(node)), Some(supply(node)));
    }
}

fn knapsack(case: &mut Case, random: &mut Random) {
    let columns = random.within(5, 12);
    let size = if random.chance(50) { 20 } else { 100 };
    case.maximize = true;
    for _ in 0..columns {
        case.binary(random.within(1, size));
    }
    for _ in 0..random.within(1, 3) {
        let row = positive(random, columns as usize, 95, size);
        let sum: i64 = row.iter().map(|entry| entry.1).sum();
        case.row(row, None, Some(sum * random.within(2, 7) / 10));
    }
    if random.chance(30) {
        // At most, or exactly, so many.
        let row = (0..columns as usize).map(|j| (j, 1)).collect();
        let many = random.within(1, columns);
        case.row(row, random.chance(50).then_some(many), Some(many));
    }
    if random.chance(30) {
        let real = case.column(-random.within(1, 9), Some(0), Some(30), false);
        let last = case.rows.len() - 1;
        case.rows[last].coefficients.push((real, -1));
    }
}

/// More columns than can be enumerated: microlp has to say.
fn medium(case: &mut Case, random: &mut Random) {
    for _ in 0..random.within(10, 22) {
        match random.below(4) {
            0 | 1 => case.binary(random.within(-9, 9)),
            2 => case.column(
                random.within(-9, 9),
                Some(random.within(-5, 0)),
                Some(random.within(1, 9)),
                true,
            ),
            _ => case.column(
                random.within(-9, 9),
                Some(0),
                random.chance(70).then_some(12),
                false,
            ),
        };
    }
    sides_around(case, random, 12, 30, 9);
}

fn symmetric(case: &mut Case, random: &mut Random) {
    let groups = random.within(2, 4) as usize;
    let members = random.within(2, 3) as usize;
    let costs: Vec<i64> = (0..groups).map(|_| random.within(-6, 9)).collect();
    // Column (group g, member k) is g * members + k; members are alike.
    for &cost in &costs {
        for _ in 0..members {
            case.binary(cost);
        }
    }
    let sizes: Vec<i64> = (0..groups).map(|_| random.within(1, 5)).collect();
    let capacity = random.within(3, 9);
    for k in 0..members {
        let row = (0..groups).map(|g| (g * members + k, sizes[g])).collect();
        case.row(row, None, Some(capacity));
    }
    for g in 0..groups {
        let row = (0..members).map(|k| (g * members + k, 1)).collect();
        match random.below(3) {
            0 => case.row(row, Some(1), Some(1)),
            1 => case.row(row, None, Some(random.within(1, 2))),
            _ => case.row(row, Some(1), None),
        }
    }
}

/// Integers without bounds, which rows bound.
fn implied_boxes(case: &mut Case, random: &mut Random) {
    let integers = random.within(1, 3) as usize;
    for _ in 0..integers {
        case.column(random.within(-9, 9), None, None, true);
    }
    for j in 0..integers {
        let low = random.within(-4, 0);
        let high = low + random.within(1, 8);
        case.columns[j].within = Some((low, high));
        let a = random.within(1, 3);
        if random.chance(50) {
            case.row(vec![(j, a)], Some(a * low), Some(a * high));
        } else {
            case.row(vec![(j, a)], Some(a * low), None);
            case.row(vec![(j, -a)], Some(-a * high), None);
        }
    }
    if random.chance(60) {
        case.column(random.within(-4, 4), None, Some(9), false);
        let real = case.columns.len() - 1;
        case.row(vec![(0, 1), (real, random.within(1, 2))], Some(-6), None);
    }
    sides_around(case, random, 4, 70, 6);
}

fn linear(case: &mut Case, random: &mut Random) {
    for _ in 0..random.within(1, 12) {
        let lower = random.chance(80).then(|| random.within(-5, 2));
        let upper = random
            .chance(60)
            .then(|| lower.unwrap_or(0) + random.within(0, 9));
        case.column(random.within(-9, 9), lower, upper, false);
    }
    sides_around(case, random, 10, 50, 7);
}

/// Two to four blocks that no row links, their columns in turn; now and then
/// one is infeasible, may grow without end, or has rows that decide its bounds.
fn parts(case: &mut Case, random: &mut Random) {
    let blocks = random.within(2, 4);
    // Few enough points for the enumeration, or too many: microlp then.
    let most = if random.chance(15) { 6 } else { 6 / blocks };
    let mut real = 2;
    let mut columns: Vec<Vec<Col>> = vec![];
    let mut rows: Vec<Vec<Line>> = vec![];
    for _ in 0..blocks {
        let mut block = Case::default();
        for _ in 0..random.within(1, most + 1) {
            let lower = random.within(-2, 1);
            let upper = lower + random.within(1, 2);
            block.column(random.within(-9, 9), Some(lower), Some(upper), true);
        }
        if real > 0 && random.chance(40) {
            real -= 1;
            let upper = random.chance(85).then(|| random.within(1, 6));
            block.column(
                random.within(-5, 5),
                Some(random.within(-3, 0)),
                upper,
                false,
            );
        }
        match random.below(12) {
            // Even on the left, odd on the right.
            0 => {
                let integers = block.columns.iter().filter(|column| column.integer).count();
                let mut row = entries(random, integers, 90, 4);
                for entry in &mut row {
                    entry.1 *= 2;
                }
                let odd = 2 * random.within(-2, 2) + 1;
                block.row(row, Some(odd), Some(odd));
            }
            // A chain that holds the block together.
            1..=6 => {
                let point = some_point(random, &block);
                for j in 1..block.columns.len() {
                    let row = vec![(j - 1, random.within(1, 4)), (j, random.within(1, 4))];
                    let at = Case::activity(&row, &point);
                    block.row(row, None, Some(at + random.below(3)));
                }
            }
            _ => {}
        }
        sides_around(&mut block, random, 4, 80, 5);
        columns.push(block.columns);
        rows.push(block.rows);
    }
    // By block: where its columns go.
    let longest = columns.iter().map(Vec::len).max().unwrap_or(0);
    let mut places: Vec<Vec<usize>> = vec![vec![]; columns.len()];
    for j in 0..longest {
        for (block, places) in columns.iter().zip(&mut places) {
            if let Some(column) = block.get(j) {
                places.push(case.columns.len());
                case.columns.push(column.clone());
            }
        }
    }
    for (block, places) in rows.into_iter().zip(&places) {
        for mut row in block {
            for entry in &mut row.coefficients {
                entry.0 = places[entry.0];
            }
            case.rows.push(row);
        }
    }
}

/// Fixed columns, empty rows, rows of one entry, columns in no row, crossed
/// bounds, free rows.
fn edge(case: &mut Case, random: &mut Random) {
    for _ in 0..random.below(5) {
        let lower = random.within(-2, 2);
        let width = match random.below(12) {
            0 => -1,
            1..=4 => 0,
            _ => random.within(1, 3),
        };
        case.column(
            random.within(-3, 3),
            Some(lower),
            Some(lower + width),
            random.chance(60),
        );
    }
    if random.chance(20) {
        case.column(0, None, None, false);
    }
    while case.columns.iter().filter(|column| !column.integer).count() > 2 {
        let at = case
            .columns
            .iter()
            .position(|column| !column.integer)
            .unwrap();
        case.columns[at].integer = true;
        case.columns[at].lower.get_or_insert(0);
        case.columns[at].upper.get_or_insert(1);
    }
    let columns = case.columns.len();
    for _ in 0..random.below(5) {
        let percent = [0, 20, 60][random.below(3) as usize];
        let row = entries(random, columns, percent, 3);
        let lower = random.chance(40).then(|| random.within(-3, 1));
        let upper = random.chance(60).then(|| random.within(-1, 4));
        case.row(row, lower, upper);
    }
}
