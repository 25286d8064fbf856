//! Words of an LP file.

use super::super::{Fault, number};

/// A word.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Token<'a> {
    Name(&'a str),
    Number(f64),
    Plus,
    Minus,
    Colon,
    Less,
    Greater,
    Equal,
    Section(Section),
}

/// What a keyword at the beginning of a line opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Minimize,
    Maximize,
    Rows,
    Bounds,
    General,
    Binary,
    End,
}

impl Section {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Minimize => "Minimize",
            Self::Maximize => "Maximize",
            Self::Rows => "Subject To",
            Self::Bounds => "Bounds",
            Self::General => "General",
            Self::Binary => "Binary",
            Self::End => "End",
        }
    }
}

/// A word with its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word<'a> {
    pub(super) token: Token<'a>,
    pub(super) text: &'a str,
    pub(super) line: usize,
}

/// Keywords and what they open; longer ones first.
const KEYWORDS: [(&str, Section); 20] = [
    ("minimize", Section::Minimize),
    ("minimise", Section::Minimize),
    ("minimum", Section::Minimize),
    ("min", Section::Minimize),
    ("maximize", Section::Maximize),
    ("maximise", Section::Maximize),
    ("maximum", Section::Maximize),
    ("max", Section::Maximize),
    ("such that", Section::Rows),
    ("s.t.", Section::Rows),
    ("st.", Section::Rows),
    ("st", Section::Rows),
    ("bounds", Section::Bounds),
    ("bound", Section::Bounds),
    ("generals", Section::General),
    ("general", Section::General),
    ("gen", Section::General),
    ("binaries", Section::Binary),
    ("binary", Section::Binary),
    ("bin", Section::Binary),
];

/// More keywords; of two words where the second may stand apart.
const MORE: [(&str, Section); 5] = [
    ("subject to", Section::Rows),
    ("integers", Section::General),
    ("integer", Section::General),
    ("int", Section::General),
    ("end", Section::End),
];

/// Sections that are known and refused.
const REFUSED: [&str; 12] = [
    "semi-continuous",
    "semicontinuous",
    "semis",
    "semi",
    "sos1",
    "sos2",
    "sos",
    "lazy constraints",
    "user cuts",
    "general constraints",
    "pwlobj",
    "scenarios",
];

/// Splits `text` into words. Words of one line at a time, so that a keyword is
/// known by its place.
pub(super) fn words(text: &[u8]) -> Result<Vec<Word<'_>>, Fault> {
    let mut words = Vec::new();
    let mut section = "start";
    for (index, raw) in text.split(|&byte| byte == b'\n').enumerate() {
        let line = index + 1;
        let code = raw.split(|&byte| byte == b'\\').next().unwrap_or_default();
        let Ok(code) = std::str::from_utf8(code) else {
            return Err(Fault::new(line, section, code, "text in UTF-8"));
        };
        let code = code.trim();
        let lower = code.to_ascii_lowercase();
        if let Some(refused) = REFUSED.iter().find(|known| begins(&lower, known).is_some()) {
            return Err(Fault::new(
                line,
                section,
                code.get(..refused.len()).unwrap_or(code).as_bytes(),
                "Subject To, Bounds, General, Binary or End (no other section is supported)",
            ));
        }
        let mut rest = code;
        let keyword = MORE
            .iter()
            .chain(&KEYWORDS)
            .find_map(|&(known, opens)| Some((opens, begins(&lower, known)?)));
        if let Some((opens, length)) = keyword {
            section = opens.name();
            let (text, after) = code.split_at(length);
            words.push(Word {
                token: Token::Section(opens),
                text,
                line,
            });
            rest = after;
            if opens == Section::End {
                return Ok(words);
            }
        }
        while let Some((word, after)) = next_word(rest, line, section)? {
            words.push(word);
            rest = after;
        }
    }
    Ok(words)
}

/// Length of the keyword `known` at the start of `line` (lower case), if it is
/// there as a whole and not the name of a row or column in an expression. The
/// blank of a keyword of two words may be any number of blanks.
fn begins(line: &str, known: &str) -> Option<usize> {
    let mut at = 0;
    for (nth, part) in known.split(' ').enumerate() {
        if nth > 0 {
            let rest = line.get(at..)?;
            let trimmed = rest.trim_start();
            if trimmed.len() == rest.len() {
                return None;
            }
            at = line.len() - trimmed.len();
        }
        if !line.get(at..)?.starts_with(part) {
            return None;
        }
        at += part.len();
    }
    let rest = line.get(at..)?;
    let next = rest.chars().next();
    if next.is_some_and(is_name_char) {
        return None;
    }
    // `st: x + y <= 1` is a row; `max: x` is how some writers name nothing.
    let is_row = rest.trim_start().starts_with(':') && !known.starts_with('m');
    // `bin >= 1` is a column's bound.
    let is_column = rest.trim_start().starts_with(['<', '>', '=']);
    (!is_row && !is_column).then_some(at)
}

/// Characters of a name; a name does not begin with a digit or a dot.
pub(super) fn is_name_char(c: char) -> bool {
    c.is_alphanumeric() || "!\"#$%&(),.;?@_'`{}~|/".contains(c)
}

/// Whether `name` can be written and is read back as one name.
pub(super) fn is_name(name: &str) -> bool {
    let mut chars = name.chars();
    let begins_well = chars
        .next()
        .is_some_and(|c| is_name_char(c) && !c.is_ascii_digit() && c != '.');
    let lower = name.to_ascii_lowercase();
    let is_reserved = MORE
        .iter()
        .chain(&KEYWORDS)
        .any(|&(known, _)| known == lower)
        || REFUSED.contains(&lower.as_str())
        || matches!(
            lower.as_str(),
            "free" | "inf" | "infinity" | "subject" | "such" | "lazy" | "user"
        );
    begins_well && chars.all(is_name_char) && !is_reserved && !looks_like_exponent(&lower)
}

/// `e5` after a number would be read as its exponent.
fn looks_like_exponent(lower: &str) -> bool {
    lower
        .strip_prefix(['e', 'd'])
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

type Next<'a> = Option<(Word<'a>, &'a str)>;

fn next_word<'a>(rest: &'a str, line: usize, section: &str) -> Result<Next<'a>, Fault> {
    let rest = rest.trim_start();
    let Some(first) = rest.chars().next() else {
        return Ok(None);
    };
    let (token, length) = match first {
        '+' => (Token::Plus, 1),
        '-' if rest.starts_with("->") => {
            return Err(Fault::new(
                line,
                section,
                b"->",
                "no indicator (they are not supported)",
            ));
        }
        '-' => (Token::Minus, 1),
        ':' => (Token::Colon, 1),
        '<' => (Token::Less, if rest.starts_with("<=") { 2 } else { 1 }),
        '>' => (Token::Greater, if rest.starts_with(">=") { 2 } else { 1 }),
        '=' if rest.starts_with("=<") => (Token::Less, 2),
        '=' if rest.starts_with("=>") => (Token::Greater, 2),
        '=' => (Token::Equal, 1),
        '[' | ']' | '^' | '*' => {
            return Err(Fault::new(
                line,
                section,
                &rest.as_bytes()[..1],
                "a linear expression (quadratic terms are not supported)",
            ));
        }
        c if c.is_ascii_digit() || c == '.' => {
            let length = number_length(rest);
            let value = number::parse(&rest[..length])
                .ok_or_else(|| Fault::new(line, section, &rest.as_bytes()[..length], "a number"))?;
            (Token::Number(value), length)
        }
        c if is_name_char(c) => {
            let length = rest.find(|c| !is_name_char(c)).unwrap_or(rest.len());
            let name = &rest[..length];
            let token = match name.to_ascii_lowercase().as_str() {
                "inf" | "infinity" => Token::Number(f64::INFINITY),
                _ => Token::Name(name),
            };
            (token, length)
        }
        other => {
            let mut buffer = [0; 4];
            let token = other.encode_utf8(&mut buffer).as_bytes();
            return Err(Fault::new(
                line,
                section,
                token,
                "a name, a number or an operator",
            ));
        }
    };
    let (text, after) = rest.split_at(length);
    Ok(Some((Word { token, text, line }, after)))
}

/// Length of the number at the start of `text`: digits, a dot, digits, and an
/// exponent if digits follow it.
fn number_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let digits = |from: usize| {
        bytes[from..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count()
    };
    let mut end = digits(0);
    if bytes.get(end) == Some(&b'.') {
        end += 1;
        end += digits(end);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E' | b'd' | b'D')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent = digits((end + 1 + sign).min(bytes.len()));
        if exponent > 0 {
            end += 1 + sign + exponent;
        }
    }
    end
}
