//! A data line's fields, in free or fixed form.

/// Where fields are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// Separated by blanks.
    Free,
    /// In fixed columns.
    Fixed,
}

/// What a section's lines look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Type, name.
    Row,
    /// Column, row, value, and perhaps row, value.
    Column,
    /// Perhaps a set, row, value, and perhaps row, value.
    Side,
    /// Type, perhaps a set, column, perhaps a value.
    Bound,
}

impl Shape {
    /// What an error says was expected.
    pub(super) fn expected(self) -> &'static str {
        match self {
            Self::Row => "a row type and a name",
            Self::Column => "a column's name, then one or two pairs of row and value",
            Self::Side => "an optional set name, then one or two pairs of row and value",
            Self::Bound => {
                "a bound type, an optional set name, a column's name and (but for FR, MI, PL, BV) a value"
            }
        }
    }
}

/// A data line, sorted.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Fields<'a> {
    /// Type of a row or bound.
    pub(super) kind: &'a str,
    /// Name of the row, column or set; empty where a set has none.
    pub(super) first: &'a str,
    /// The name and value pairs that follow.
    pub(super) pairs: Vec<(&'a str, &'a str)>,
}

/// Whether a bound of this type has a value.
pub(super) fn has_value(kind: &str) -> bool {
    !matches!(kind, "FR" | "MI" | "PL" | "BV")
}

/// The fields of `line`; none if they do not fit the shape.
pub(super) fn split(layout: Layout, shape: Shape, line: &str) -> Option<Fields<'_>> {
    match layout {
        Layout::Free => split_free(shape, line),
        Layout::Fixed => split_fixed(shape, line),
    }
}

fn split_free(shape: Shape, line: &str) -> Option<Fields<'_>> {
    // No line has more than five fields: a sixth is enough to refuse it.
    let words: Vec<&str> = line.split_ascii_whitespace().take(6).collect();
    let (kind, rest) = match shape {
        Shape::Row | Shape::Bound => words.split_first().map(|(kind, rest)| (*kind, rest))?,
        Shape::Column | Shape::Side => ("", words.as_slice()),
    };
    let is_bare = shape == Shape::Bound && !has_value(kind);
    let (first, pairs) = match (shape, rest) {
        (Shape::Row, [name]) => (*name, vec![]),
        (Shape::Column | Shape::Side, [first, r, v]) => (*first, vec![(*r, *v)]),
        (Shape::Column | Shape::Side, [first, r, v, s, w]) => (*first, vec![(*r, *v), (*s, *w)]),
        (Shape::Side, [r, v]) => ("", vec![(*r, *v)]),
        (Shape::Side, [r, v, s, w]) => ("", vec![(*r, *v), (*s, *w)]),
        (Shape::Bound, [column]) if is_bare => ("", vec![(*column, "")]),
        (Shape::Bound, [set, column]) if is_bare => (*set, vec![(*column, "")]),
        (Shape::Bound, [column, value]) => ("", vec![(*column, *value)]),
        (Shape::Bound, [set, column, value]) => (*set, vec![(*column, *value)]),
        _ => return None,
    };
    Some(Fields { kind, first, pairs })
}

/// Byte ranges of the six fields in fixed form.
const COLUMNS: [(usize, usize); 6] = [(1, 3), (4, 12), (14, 22), (24, 36), (39, 47), (49, 61)];

fn split_fixed(shape: Shape, line: &str) -> Option<Fields<'_>> {
    let mut fields = [""; 6];
    let mut end = 0;
    for (field, (from, to)) in fields.iter_mut().zip(COLUMNS) {
        // What stands between the fields must be blank.
        if !line
            .get(end.min(line.len())..from.min(line.len()))?
            .trim()
            .is_empty()
        {
            return None;
        }
        *field = line.get(from.min(line.len())..to.min(line.len()))?.trim();
        end = to;
    }
    if !line.get(end.min(line.len())..)?.trim().is_empty() {
        return None;
    }
    let [kind, first, r, v, s, w] = fields;
    let mut pairs = vec![];
    if !r.is_empty() {
        pairs.push((r, v));
    }
    if !s.is_empty() {
        pairs.push((s, w));
    }
    let fits = match shape {
        Shape::Row => !kind.is_empty() && !first.is_empty() && pairs.is_empty(),
        Shape::Column => kind.is_empty() && !first.is_empty() && !pairs.is_empty(),
        Shape::Side => kind.is_empty() && !pairs.is_empty(),
        Shape::Bound => !kind.is_empty() && pairs.len() == 1,
    };
    fits.then_some(Fields { kind, first, pairs })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_fields_may_hold_blanks_and_a_blank_set() {
        let fields = split(
            Layout::Fixed,
            Shape::Column,
            "    COL 1     ROW 2              1.5   ROW 3              -2",
        );
        assert_eq!(
            fields,
            Some(Fields {
                kind: "",
                first: "COL 1",
                pairs: vec![("ROW 2", "1.5"), ("ROW 3", "-2")],
            })
        );
        let fields = split(
            Layout::Fixed,
            Shape::Side,
            "              ROW 2              1.5",
        );
        assert_eq!(
            fields,
            Some(Fields {
                kind: "",
                first: "",
                pairs: vec![("ROW 2", "1.5")],
            })
        );
        assert_eq!(split(Layout::Fixed, Shape::Row, " N OBJ"), None);
        assert_eq!(split(Layout::Fixed, Shape::Row, "\u{e9}"), None);
    }

    #[test]
    fn free_bounds_with_and_without_set_and_value() {
        let bound = |line| split(Layout::Free, Shape::Bound, line);
        let fields = |kind, first, pair| {
            Some(Fields {
                kind,
                first,
                pairs: vec![pair],
            })
        };
        assert_eq!(bound(" UP B x 3"), fields("UP", "B", ("x", "3")));
        assert_eq!(bound(" UP x 3"), fields("UP", "", ("x", "3")));
        assert_eq!(bound(" FR B x"), fields("FR", "B", ("x", "")));
        assert_eq!(bound(" FR x"), fields("FR", "", ("x", "")));
        assert_eq!(bound(" BV B x 1"), fields("BV", "B", ("x", "1")));
        assert_eq!(bound(" UP x"), None);
        assert_eq!(bound(" UP B x 3 4"), None);
    }
}
