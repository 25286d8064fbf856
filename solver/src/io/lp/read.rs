//! Text to model: a recursive descent over the words.

use std::collections::BTreeMap;

use super::super::Fault;
use super::lexer::{Section, Token, Word, words};
use crate::model::{Column, Model, ModelError, Row, Sense};

struct Parser<'a> {
    words: Vec<Word<'a>>,
    at: usize,
    section: &'static str,
    columns: Vec<Column>,
    index: BTreeMap<&'a str, usize>,
}

/// `sum coefficient column + constant`.
#[derive(Default)]
struct Expression {
    terms: Vec<(usize, f64)>,
    constant: f64,
}

/// A relation, seen from the expression on its left.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Relation {
    Less,
    Greater,
    Equal,
}

impl Relation {
    fn flipped(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::Greater => Self::Less,
            Self::Equal => Self::Equal,
        }
    }
}

/// Reads a model in LP form.
///
/// # Errors
/// The first place that cannot be understood.
pub fn read(text: &[u8]) -> Result<Model, Fault> {
    let mut parser = Parser {
        words: words(text)?,
        at: 0,
        section: "start",
        columns: vec![],
        index: BTreeMap::new(),
    };
    let sense = match parser.next_section("Minimize or Maximize")? {
        Section::Minimize => Sense::Minimize,
        Section::Maximize => Sense::Maximize,
        _ => return Err(parser.fault_at(parser.at - 1, "Minimize or Maximize")),
    };
    let mut model = Model::new(sense);
    parser.label();
    let objective = parser.expression()?;
    model.offset = objective.constant;
    for (column, cost) in objective.terms {
        parser.columns[column].cost += cost;
    }
    let mut rows = vec![];
    loop {
        match parser.next_section("Subject To, Bounds, General, Binary or End")? {
            Section::Rows => {
                while parser.is_in_section() {
                    let row = parser.row()?;
                    rows.push(row);
                }
            }
            Section::Bounds => {
                while parser.is_in_section() {
                    parser.bound()?;
                }
            }
            Section::General => {
                while parser.is_in_section() {
                    let column = parser.column()?;
                    parser.columns[column].integer = true;
                }
            }
            Section::Binary => {
                while parser.is_in_section() {
                    let column = parser.column()?;
                    let column = &mut parser.columns[column];
                    (column.integer, column.lower, column.upper) = (true, 0.0, 1.0);
                }
            }
            Section::End => break,
            Section::Minimize | Section::Maximize => {
                return Err(parser.fault_at(parser.at - 1, "one objective"));
            }
        }
    }
    let line = parser.words.last().map_or(1, |word| word.line);
    let fault =
        |error: ModelError| Fault::new(line, "End", b"End", format!("a valid model: {error}"));
    for column in parser.columns {
        model.add_column(column).map_err(fault)?;
    }
    for row in rows {
        model.add_row(row).map_err(fault)?;
    }
    Ok(model)
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<Token<'a>> {
        self.words.get(self.at).map(|word| word.token)
    }

    fn fault(&self, expected: &str) -> Fault {
        self.fault_at(self.at, expected)
    }

    fn fault_at(&self, at: usize, expected: &str) -> Fault {
        match self.words.get(at) {
            Some(word) => Fault::new(word.line, self.section, word.text.as_bytes(), expected),
            None => {
                let line = self.words.last().map_or(1, |word| word.line);
                Fault::at_end(line, self.section, expected)
            }
        }
    }

    fn is_in_section(&self) -> bool {
        !matches!(self.peek(), None | Some(Token::Section(_)))
    }

    fn next_section(&mut self, expected: &str) -> Result<Section, Fault> {
        match self.peek() {
            Some(Token::Section(section)) => {
                self.at += 1;
                self.section = section.name();
                Ok(section)
            }
            _ => Err(self.fault(expected)),
        }
    }

    /// A name with a colon, if there is one.
    fn label(&mut self) -> Option<&'a str> {
        if let (Some(Token::Name(name)), Some(next)) = (self.peek(), self.words.get(self.at + 1))
            && next.token == Token::Colon
        {
            self.at += 2;
            return Some(name);
        }
        if self.peek() == Some(Token::Colon) {
            self.at += 1; // `max: x`
        }
        None
    }

    /// The index of the column named next.
    fn column(&mut self) -> Result<usize, Fault> {
        let Some(Token::Name(name)) = self.peek() else {
            return Err(self.fault("the name of a column"));
        };
        self.at += 1;
        let fresh = self.columns.len();
        let index = *self.index.entry(name).or_insert(fresh);
        if index == fresh {
            self.columns.push(Column {
                name: name.to_owned(),
                cost: 0.0,
                lower: 0.0,
                upper: f64::INFINITY,
                integer: false,
            });
        }
        Ok(index)
    }

    /// Signs, as a factor; none if there is no sign.
    fn signs(&mut self) -> Option<f64> {
        let mut factor = None;
        while let Some(token @ (Token::Plus | Token::Minus)) = self.peek() {
            let sign = if token == Token::Minus { -1.0 } else { 1.0 };
            factor = Some(factor.unwrap_or(1.0) * sign);
            self.at += 1;
        }
        factor
    }

    /// Terms up to a relation, a section or a label.
    fn expression(&mut self) -> Result<Expression, Fault> {
        let mut expression = Expression::default();
        let mut is_first = true;
        loop {
            let before = self.at;
            let signs = self.signs();
            match self.peek() {
                Some(Token::Number(value)) if is_first || signs.is_some() => {
                    if value.is_infinite() {
                        return Err(self.fault("a finite number"));
                    }
                    self.at += 1;
                    let factor = signs.unwrap_or(1.0) * value;
                    if matches!(self.peek(), Some(Token::Name(_))) && !self.is_label() {
                        let column = self.column()?;
                        expression.terms.push((column, factor));
                    } else {
                        expression.constant += factor;
                    }
                }
                Some(Token::Name(_)) if is_first || signs.is_some() => {
                    let column = self.column()?;
                    expression.terms.push((column, signs.unwrap_or(1.0)));
                }
                _ if signs.is_some() => return Err(self.fault("a number or a name after the sign")),
                _ => {
                    self.at = before;
                    return Ok(expression);
                }
            }
            is_first = false;
        }
    }

    /// Whether a name and a colon come next.
    fn is_label(&self) -> bool {
        self.words
            .get(self.at + 1)
            .is_some_and(|next| next.token == Token::Colon)
    }

    fn relation(&mut self) -> Option<Relation> {
        let relation = match self.peek()? {
            Token::Less => Relation::Less,
            Token::Greater => Relation::Greater,
            Token::Equal => Relation::Equal,
            _ => return None,
        };
        self.at += 1;
        Some(relation)
    }

    /// A number with signs.
    fn value(&mut self) -> Result<f64, Fault> {
        let sign = self.signs().unwrap_or(1.0);
        let Some(Token::Number(value)) = self.peek() else {
            return Err(self.fault("a number"));
        };
        self.at += 1;
        Ok(sign * value)
    }

    /// `name: [value <=] expression <= value`.
    fn row(&mut self) -> Result<Row, Fault> {
        let name = self.label().unwrap_or_default().to_owned();
        let (mut lower, mut upper) = (f64::NEG_INFINITY, f64::INFINITY);
        let start = self.at;
        // A value and a relation first, or else an expression.
        let left = self
            .value()
            .ok()
            .and_then(|value| Some((value, self.relation()?)));
        if let Some((value, relation)) = left {
            apply(relation.flipped(), value, &mut lower, &mut upper);
        } else {
            self.at = start;
        }
        let expression_at = self.at;
        let expression = self.expression()?;
        if expression.terms.is_empty() {
            return Err(self.fault_at(expression_at, "an expression with columns"));
        }
        if expression.constant.abs() > 0.0 {
            return Err(self.fault_at(expression_at, "no constant beside a row's columns"));
        }
        match self.relation() {
            Some(relation) => {
                let value = self.value()?;
                apply(relation, value, &mut lower, &mut upper);
            }
            None if left.is_some() => {}
            None => return Err(self.fault("<=, >= or =")),
        }
        Ok(Row {
            name,
            lower,
            upper,
            coefficients: expression.terms,
        })
    }

    /// `x free`, `x <= v`, `v <= x`, `v <= x <= w`.
    fn bound(&mut self) -> Result<(), Fault> {
        let left = if matches!(self.peek(), Some(Token::Name(_))) {
            None
        } else {
            let value = self.value()?;
            let Some(relation) = self.relation() else {
                return Err(self.fault("<=, >= or ="));
            };
            Some((value, relation))
        };
        let index = self.column()?;
        let column = &mut self.columns[index];
        if let Some((value, relation)) = left {
            apply(
                relation.flipped(),
                value,
                &mut column.lower,
                &mut column.upper,
            );
        } else if let Some(Token::Name(word)) = self.peek()
            && word.eq_ignore_ascii_case("free")
        {
            self.at += 1;
            let column = &mut self.columns[index];
            (column.lower, column.upper) = (f64::NEG_INFINITY, f64::INFINITY);
            return Ok(());
        }
        match self.relation() {
            Some(relation) => {
                let value = self.value()?;
                let column = &mut self.columns[index];
                apply(relation, value, &mut column.lower, &mut column.upper);
                Ok(())
            }
            None if left.is_some() => Ok(()),
            None => Err(self.fault("<=, >=, = or free")),
        }
    }
}

/// Sets the side that `relation` means; an infinite value takes it away.
fn apply(relation: Relation, value: f64, lower: &mut f64, upper: &mut f64) {
    match relation {
        Relation::Less => *upper = value,
        Relation::Greater => *lower = value,
        Relation::Equal => (*lower, *upper) = (value, value),
    }
}
