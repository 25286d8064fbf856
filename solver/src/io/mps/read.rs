//! Text to model.

use std::collections::BTreeMap;

use super::super::{Fault, number};
use super::fields::{Fields, Layout, Shape, has_value, split};
use crate::model::{Column, Model, Row, Sense};
use crate::tol;

/// A row's type letter.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Less,
    Greater,
    Equal,
}

/// What a row's name stands for.
#[derive(Clone, Copy)]
enum Target {
    Objective,
    /// A further `N` row: what is said of it is dropped.
    Dropped,
    /// Index among the rows.
    Row(usize),
}

struct RowData {
    name: String,
    kind: Kind,
    rhs: Option<f64>,
    range: Option<f64>,
    coefficients: Vec<(usize, f64)>,
    /// Column of the last coefficient, to find repeated entries.
    seen_by: Option<usize>,
}

struct ColumnData {
    column: Column,
    /// Between the integer markers and not bounded yet: still binary.
    is_implied_binary: bool,
    is_lower_given: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    Start,
    Name,
    ObjSense,
    Rows,
    Columns,
    Rhs,
    Ranges,
    Bounds,
}

impl Section {
    fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Name => "NAME",
            Self::ObjSense => "OBJSENSE",
            Self::Rows => "ROWS",
            Self::Columns => "COLUMNS",
            Self::Rhs => "RHS",
            Self::Ranges => "RANGES",
            Self::Bounds => "BOUNDS",
        }
    }
}

struct Reader {
    layout: Layout,
    section: Section,
    line: usize,
    name: String,
    sense: Sense,
    offset: Option<f64>,
    rows: Vec<RowData>,
    targets: BTreeMap<String, Target>,
    has_objective: bool,
    columns: Vec<ColumnData>,
    column_index: BTreeMap<String, usize>,
    in_integers: bool,
    /// The objective already has an entry in the current column.
    cost_given: bool,
    /// Name of the set in use, for RHS, RANGES and BOUNDS.
    sets: [Option<String>; 3],
}

/// What is refused, in the words of the error.
const SECTIONS: &str =
    "NAME, OBJSENSE, ROWS, COLUMNS, RHS, RANGES, BOUNDS or ENDATA (no other section is supported)";

/// Reads `text` in one layout.
pub(super) fn read(text: &[u8], layout: Layout) -> Result<Model, Fault> {
    let mut reader = Reader {
        layout,
        section: Section::Start,
        line: 0,
        name: String::new(),
        sense: Sense::Minimize,
        offset: None,
        rows: vec![],
        targets: BTreeMap::new(),
        has_objective: false,
        columns: vec![],
        column_index: BTreeMap::new(),
        in_integers: false,
        cost_given: false,
        sets: [None, None, None],
    };
    for raw in text.split(|&byte| byte == b'\n') {
        reader.line += 1;
        if raw.first() == Some(&b'*') || raw.trim_ascii().is_empty() {
            continue;
        }
        let Ok(line) = std::str::from_utf8(raw.trim_ascii_end()) else {
            return Err(reader.fault(raw, "text in UTF-8"));
        };
        if line.starts_with([' ', '\t']) {
            reader.data(line)?;
        } else if reader.header(line)? {
            return reader.finish();
        }
    }
    Err(Fault::at_end(reader.line, reader.section.name(), "ENDATA"))
}

impl Reader {
    fn fault(&self, token: impl AsRef<[u8]>, expected: impl Into<String>) -> Fault {
        Fault::new(self.line, self.section.name(), token.as_ref(), expected)
    }

    /// A section's line; whether it was the last.
    fn header(&mut self, line: &str) -> Result<bool, Fault> {
        let mut words = line.split_ascii_whitespace();
        let keyword = words.next().unwrap_or_default();
        let rest = line.get(keyword.len()..).unwrap_or_default().trim();
        if self.section == Section::ObjSense && self.sense_word(keyword) && rest.is_empty() {
            return Ok(false);
        }
        let next = match keyword {
            "NAME" => Section::Name,
            "OBJSENSE" => Section::ObjSense,
            "ROWS" => Section::Rows,
            "COLUMNS" => Section::Columns,
            "RHS" => Section::Rhs,
            "RANGES" => Section::Ranges,
            "BOUNDS" => Section::Bounds,
            "ENDATA" => return Ok(true),
            _ => return Err(self.fault(keyword, SECTIONS)),
        };
        self.section = next;
        match next {
            Section::Name => rest.clone_into(&mut self.name),
            Section::ObjSense if !rest.is_empty() && !self.sense_word(rest) => {
                return Err(self.fault(rest, "MAX or MIN"));
            }
            Section::ObjSense => {}
            // A data line that is not indented looks like this.
            _ if !rest.is_empty() => {
                return Err(self.fault(rest, "nothing after the section's keyword"));
            }
            _ => {}
        }
        Ok(false)
    }

    fn sense_word(&mut self, word: &str) -> bool {
        self.sense = match word.to_ascii_uppercase().as_str() {
            "MAX" | "MAXIMIZE" | "MAXIMISE" => Sense::Maximize,
            "MIN" | "MINIMIZE" | "MINIMISE" => Sense::Minimize,
            _ => return false,
        };
        true
    }

    fn data(&mut self, line: &str) -> Result<(), Fault> {
        let shape = match self.section {
            Section::Start | Section::Name => return Err(self.fault(line.trim(), SECTIONS)),
            Section::ObjSense => {
                return if self.sense_word(line.trim()) {
                    Ok(())
                } else {
                    Err(self.fault(line.trim(), "MAX or MIN"))
                };
            }
            Section::Rows => Shape::Row,
            Section::Columns => Shape::Column,
            Section::Rhs | Section::Ranges => Shape::Side,
            Section::Bounds => Shape::Bound,
        };
        let Some(fields) = split(self.layout, shape, line) else {
            return Err(self.fault(line.trim(), shape.expected()));
        };
        match self.section {
            Section::Rows => self.row(&fields),
            Section::Columns => self.column(&fields),
            Section::Rhs => self.rhs(&fields),
            Section::Ranges => self.range(&fields),
            _ => self.bound(&fields),
        }
    }

    fn row(&mut self, fields: &Fields<'_>) -> Result<(), Fault> {
        let kind = match fields.kind.to_ascii_uppercase().as_str() {
            "N" => None,
            "L" => Some(Kind::Less),
            "G" => Some(Kind::Greater),
            "E" => Some(Kind::Equal),
            _ => return Err(self.fault(fields.kind, "N, L, G or E")),
        };
        let target = match kind {
            None if self.has_objective => Target::Dropped,
            None => Target::Objective,
            Some(_) => Target::Row(self.rows.len()),
        };
        if self
            .targets
            .insert(fields.first.to_owned(), target)
            .is_some()
        {
            return Err(self.fault(fields.first, "a row's name that was not used before"));
        }
        match kind {
            None => self.has_objective = true,
            Some(kind) => self.rows.push(RowData {
                name: fields.first.to_owned(),
                kind,
                rhs: None,
                range: None,
                coefficients: vec![],
                seen_by: None,
            }),
        }
        Ok(())
    }

    fn target(&self, name: &str) -> Result<Target, Fault> {
        self.targets
            .get(name)
            .copied()
            .ok_or_else(|| self.fault(name, "the name of a row of the section ROWS"))
    }

    fn finite(&self, token: &str) -> Result<f64, Fault> {
        number::parse(token)
            .filter(|value| value.is_finite())
            .ok_or_else(|| self.fault(token, "a finite number"))
    }

    fn number(&self, token: &str) -> Result<f64, Fault> {
        number::parse(token).ok_or_else(|| self.fault(token, "a number"))
    }

    fn column(&mut self, fields: &Fields<'_>) -> Result<(), Fault> {
        if fields.pairs[0].0 == "'MARKER'" {
            let words = [fields.pairs[0].1, fields.pairs.get(1).map_or("", |p| p.0)];
            self.in_integers = if words.contains(&"'INTORG'") {
                true
            } else if words.contains(&"'INTEND'") {
                false
            } else {
                return Err(self.fault(words.concat(), "'INTORG' or 'INTEND'"));
            };
            return Ok(());
        }
        let index = self.column_of(fields.first)?;
        for &(row, value) in &fields.pairs {
            let value = self.finite(value)?;
            match self.target(row)? {
                Target::Dropped => {}
                Target::Objective if self.cost_given => {
                    return Err(self.fault(row, "one entry for each row in a column"));
                }
                Target::Objective => {
                    self.cost_given = true;
                    self.columns[index].column.cost = value;
                }
                Target::Row(at) => {
                    let data = &mut self.rows[at];
                    if data.seen_by.replace(index) == Some(index) {
                        return Err(self.fault(row, "one entry for each row in a column"));
                    }
                    data.coefficients.push((index, value));
                }
            }
        }
        Ok(())
    }

    /// The index of the column named, which is the last one or new.
    fn column_of(&mut self, name: &str) -> Result<usize, Fault> {
        if let Some(last) = self.columns.last()
            && last.column.name == name
        {
            return Ok(self.columns.len() - 1);
        }
        let index = self.columns.len();
        if self.column_index.insert(name.to_owned(), index).is_some() {
            return Err(self.fault(name, "all lines of a column in one place"));
        }
        self.columns.push(ColumnData {
            column: Column {
                name: name.to_owned(),
                cost: 0.0,
                lower: 0.0,
                upper: if self.in_integers { 1.0 } else { f64::INFINITY },
                integer: self.in_integers,
            },
            is_implied_binary: self.in_integers,
            is_lower_given: false,
        });
        self.cost_given = false;
        Ok(index)
    }

    /// Refuses a second set of right-hand sides, ranges or bounds.
    fn use_set(&mut self, which: usize, name: &str) -> Result<(), Fault> {
        let known = self.sets[which].get_or_insert_with(|| name.to_owned());
        if known == name {
            return Ok(());
        }
        let known = super::super::shown(known.as_bytes());
        let expected = format!("the set {known} (a second set is not supported)");
        Err(self.fault(name, expected))
    }

    fn rhs(&mut self, fields: &Fields<'_>) -> Result<(), Fault> {
        self.use_set(0, fields.first)?;
        for &(row, value) in &fields.pairs {
            let target = self.target(row)?;
            let slot = match target {
                Target::Dropped => continue,
                Target::Objective => &mut self.offset,
                Target::Row(at) => &mut self.rows[at].rhs,
            };
            if slot.is_some() {
                return Err(self.fault(row, "one right-hand side for each row"));
            }
            match target {
                Target::Objective => self.offset = Some(-self.finite(value)?),
                Target::Row(at) => self.rows[at].rhs = Some(self.number(value)?),
                Target::Dropped => {}
            }
        }
        Ok(())
    }

    fn range(&mut self, fields: &Fields<'_>) -> Result<(), Fault> {
        self.use_set(1, fields.first)?;
        for &(row, value) in &fields.pairs {
            match self.target(row)? {
                Target::Dropped => {}
                Target::Objective => {
                    return Err(self.fault(row, "a row that is not the objective"));
                }
                Target::Row(at) => {
                    let value = self.number(value)?;
                    if self.rows[at].range.replace(value).is_some() {
                        return Err(self.fault(row, "one range for each row"));
                    }
                }
            }
        }
        Ok(())
    }

    fn bound(&mut self, fields: &Fields<'_>) -> Result<(), Fault> {
        let kind = fields.kind.to_ascii_uppercase();
        self.use_set(2, fields.first)?;
        let (name, value) = fields.pairs[0];
        let Some(&index) = self.column_index.get(name) else {
            return Err(self.fault(name, "the name of a column of the section COLUMNS"));
        };
        match kind.as_str() {
            "UP" | "LO" | "FX" | "FR" | "MI" | "PL" | "BV" | "LI" | "UI" => {}
            "SC" | "SI" => {
                let expected = "no semicontinuous column (they are not supported)";
                return Err(self.fault(fields.kind, expected));
            }
            _ => return Err(self.fault(fields.kind, "UP, LO, FX, FR, MI, PL, BV, LI or UI")),
        }
        let value = if has_value(&kind) {
            self.number(value)?
        } else {
            0.0
        };
        let data = &mut self.columns[index];
        let column = &mut data.column;
        if std::mem::take(&mut data.is_implied_binary) {
            column.upper = f64::INFINITY;
        }
        match kind.as_str() {
            "UP" | "UI" => {
                column.upper = value;
                if value < 0.0 && !data.is_lower_given {
                    column.lower = f64::NEG_INFINITY;
                }
            }
            "LO" | "LI" => {
                column.lower = value;
                data.is_lower_given = true;
            }
            "FX" => {
                (column.lower, column.upper) = (value, value);
                data.is_lower_given = true;
            }
            "FR" => {
                (column.lower, column.upper) = (f64::NEG_INFINITY, f64::INFINITY);
                data.is_lower_given = true;
            }
            "MI" => {
                column.lower = f64::NEG_INFINITY;
                data.is_lower_given = true;
            }
            "PL" => column.upper = f64::INFINITY,
            // BV
            _ => {
                (column.lower, column.upper) = (0.0, 1.0);
                data.is_lower_given = true;
            }
        }
        column.integer |= matches!(kind.as_str(), "LI" | "UI" | "BV");
        Ok(())
    }

    fn finish(self) -> Result<Model, Fault> {
        let (line, section) = (self.line, self.section.name());
        let fault = |error: crate::model::ModelError| {
            Fault::new(line, section, b"ENDATA", format!("a valid model: {error}"))
        };
        let mut model = Model::new(self.sense);
        model.name = self.name;
        model.offset = self.offset.unwrap_or(0.0);
        for data in self.columns {
            model.add_column(data.column).map_err(fault)?;
        }
        for row in self.rows {
            let rhs = row.rhs.unwrap_or(0.0);
            if rhs.is_infinite() && row.range.is_some() {
                let expected = "a finite right-hand side on a row with a range";
                return Err(Fault::new(line, section, row.name.as_bytes(), expected));
            }
            let (lower, upper) = if rhs.is_infinite() {
                infinite_sides(row.kind, rhs)
            } else {
                sides(row.kind, rhs, row.range)
            };
            model
                .add_row(Row {
                    name: row.name,
                    lower,
                    upper,
                    coefficients: row.coefficients,
                })
                .map_err(fault)?;
        }
        Ok(model)
    }
}

/// A row's sides where its right-hand side is infinite.
fn infinite_sides(kind: Kind, rhs: f64) -> (f64, f64) {
    match kind {
        Kind::Less => (f64::NEG_INFINITY, rhs),
        Kind::Greater => (rhs, f64::INFINITY),
        Kind::Equal => (rhs, rhs),
    }
}

/// A row's sides from its type, finite right-hand side and range.
fn sides(kind: Kind, rhs: f64, range: Option<f64>) -> (f64, f64) {
    let width = range.map_or(f64::INFINITY, f64::abs);
    match (kind, range) {
        (Kind::Less, _) => (open(rhs - width), rhs),
        (Kind::Greater, _) => (rhs, open(rhs + width)),
        (Kind::Equal, None) => (rhs, rhs),
        (Kind::Equal, Some(range)) if range < 0.0 => (open(rhs - width), rhs),
        (Kind::Equal, Some(_)) => (rhs, open(rhs + width)),
    }
}

/// A side, infinite from [`tol::INFINITE`] on.
fn open(side: f64) -> f64 {
    if side.abs() >= tol::INFINITE {
        f64::INFINITY.copysign(side)
    } else {
        side
    }
}
