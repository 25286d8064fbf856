//! Globs over control group paths.
//!
//! A pattern matches the whole path below the mount, byte by byte:
//!
//! | pattern | matches |
//! |-|-|
//! | `*` | any bytes within one name, none included |
//! | `?` | one byte, not `/` |
//! | `**` | as a whole name: any number of directories, none included |
//! | `\x` | the byte x |
//! | else | itself (`[` and `{` have no special meaning) |
//!
//! So `a/**/b` matches `a/b`, and `a/**` matches `a` itself.
//!
//! A path is matched name by name while the tree is walked: [`Glob::step`]
//! advances the set of places in the pattern that are reachable, which also
//! tells when nothing deeper can match. One step costs at most (bytes of the
//! pattern) x (bytes of the name), whatever the pattern.

/// Longest pattern accepted, bytes: the kernel's longest path (`PATH_MAX`).
const LONGEST: usize = 4096;

/// Why a pattern is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GlobError {
    /// Nothing would match.
    #[error("the pattern is empty: expected a path below the mount, e.g. 'docker/*'")]
    Empty,
    /// Paths have no leading slash.
    #[error("'{}' begins with a slash: a pattern starts below the mount, e.g. 'docker/*'", .0.escape_debug())]
    LeadingSlash(String),
    /// Two slashes in a row, or one at the end.
    #[error("'{}' has an empty name: remove the double or trailing slash", .0.escape_debug())]
    EmptyName(String),
    /// `**` beside other characters.
    #[error("'{}': '**' must be a whole name between slashes, as in 'a/**/b'; within a name use '*'", .0.escape_debug())]
    PartialDoubleStar(String),
    /// A backslash with nothing after it.
    #[error("'{}' ends with a backslash: '\\\\' stands for the backslash itself", .0.escape_debug())]
    TrailingBackslash(String),
    /// `.` and `..` are no names of control groups.
    #[error("'{}' holds the name '.' or '..': a pattern is a plain path", .0.escape_debug())]
    DotName(String),
    /// Above 4096 bytes.
    #[error("the pattern has {0} bytes: at most {LONGEST} are accepted")]
    TooLong(usize),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Byte(u8),
    AnyByte,
    AnyBytes,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Name {
    /// `**`.
    AnyDirectories,
    One(Vec<Token>),
}

/// A checked pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    text: String,
    names: Vec<Name>,
}

/// The places in a pattern that are reachable after some names of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places(Vec<bool>);

impl Places {
    /// Whether no longer path can match.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        !self.0.contains(&true)
    }
}

impl Glob {
    /// Reads a pattern.
    ///
    /// # Errors
    /// Says what is wrong and what to write instead.
    pub fn new(text: &str) -> Result<Self, GlobError> {
        let fail = |error: fn(String) -> GlobError| Err(error(text.to_string()));
        if text.is_empty() {
            return Err(GlobError::Empty);
        }
        if text.len() > LONGEST {
            return Err(GlobError::TooLong(text.len()));
        }
        if text.starts_with('/') {
            return fail(GlobError::LeadingSlash);
        }
        let mut names = Vec::new();
        for part in text.split('/') {
            names.push(match part {
                "" => return fail(GlobError::EmptyName),
                "." | ".." => return fail(GlobError::DotName),
                "**" => Name::AnyDirectories,
                _ => Name::One(tokens(part, text)?),
            });
        }
        Ok(Self {
            text: text.to_string(),
            names,
        })
    }

    /// The pattern as written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The places reachable at the mount itself.
    #[must_use]
    pub fn start(&self) -> Places {
        let mut places = vec![false; self.names.len() + 1];
        self.reach(&mut places, 0);
        Places(places)
    }

    /// The places reachable after one more name of the path.
    #[must_use]
    pub fn step(&self, places: &Places, name: &[u8]) -> Places {
        let mut next = vec![false; self.names.len() + 1];
        for (i, pattern) in self.names.iter().enumerate().filter(|(i, _)| places.0[*i]) {
            match pattern {
                Name::AnyDirectories => self.reach(&mut next, i),
                Name::One(tokens) if matches_name(tokens, name) => self.reach(&mut next, i + 1),
                Name::One(_) => {}
            }
        }
        Places(next)
    }

    /// Whether the names so far are a match.
    #[must_use]
    pub fn accepts(&self, places: &Places) -> bool {
        places.0[self.names.len()]
    }

    /// Whether `path` (below the mount, no leading slash) matches.
    #[must_use]
    pub fn matches(&self, path: &[u8]) -> bool {
        if path.is_empty() {
            return false;
        }
        let end = path
            .split(|&b| b == b'/')
            .fold(self.start(), |places, name| self.step(&places, name));
        self.accepts(&end)
    }

    /// Marks place `i` and, past each `**` there, the next.
    fn reach(&self, places: &mut [bool], mut i: usize) {
        places[i] = true;
        while self.names.get(i) == Some(&Name::AnyDirectories) {
            i += 1;
            places[i] = true;
        }
    }
}

fn tokens(part: &str, whole: &str) -> Result<Vec<Token>, GlobError> {
    let mut tokens = Vec::new();
    let mut bytes = part.bytes();
    while let Some(byte) = bytes.next() {
        tokens.push(match byte {
            b'*' if tokens.last() == Some(&Token::AnyBytes) => {
                return Err(GlobError::PartialDoubleStar(whole.to_string()));
            }
            b'*' => Token::AnyBytes,
            b'?' => Token::AnyByte,
            b'\\' => Token::Byte(
                bytes
                    .next()
                    .ok_or_else(|| GlobError::TrailingBackslash(whole.to_string()))?,
            ),
            byte => Token::Byte(byte),
        });
    }
    Ok(tokens)
}

/// Matches one name. Only the last `*` seen ever needs to take more bytes: what
/// an earlier one could gain, the later one can take as well.
fn matches_name(tokens: &[Token], name: &[u8]) -> bool {
    let (mut t, mut n) = (0, 0);
    let mut last_star = None;
    while n < name.len() {
        match tokens.get(t) {
            Some(Token::AnyBytes) => {
                last_star = Some((t, n));
                t += 1;
            }
            Some(Token::AnyByte) => {
                t += 1;
                n += 1;
            }
            Some(Token::Byte(byte)) if *byte == name[n] => {
                t += 1;
                n += 1;
            }
            _ => match last_star {
                Some((star, taken)) => {
                    last_star = Some((star, taken + 1));
                    t = star + 1;
                    n = taken + 1;
                }
                None => return false,
            },
        }
    }
    tokens[t..].iter().all(|token| *token == Token::AnyBytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, path: &str) -> bool {
        Glob::new(pattern).unwrap().matches(path.as_bytes())
    }

    #[test]
    fn stars_stop_at_slashes() {
        assert!(matches("docker/*", "docker/abc"));
        assert!(!matches("docker/*", "docker/abc/def"));
        assert!(!matches("docker/*", "docker"));
        assert!(!matches("*", "a/b"));
        assert!(matches("a?c", "abc"));
        assert!(!matches("a?c", "a/c"));
        assert!(matches("a*", "a"));
        assert!(matches("*a*b*", "xaybz"));
        assert!(!matches("*a*b*", "xbya"));
    }

    #[test]
    fn double_stars_span_directories_none_included() {
        assert!(matches("a/**/b", "a/b"));
        assert!(matches("a/**/b", "a/x/y/b"));
        assert!(!matches("a/**/b", "ab"));
        assert!(matches("**/b", "b"));
        assert!(matches("**/b", "x/y/b"));
        assert!(matches("a/**", "a"));
        assert!(matches("a/**", "a/b/c"));
        assert!(!matches("a/**", "ab"));
        assert!(matches("**", "any/thing"));
        assert!(matches("**/x/**/y", "x/y"));
        assert!(matches("**/x/**/**/y", "1/x/x/2/y"));
        assert!(!matches("**", ""));
    }

    #[test]
    fn escapes_and_plain_bytes() {
        assert!(matches(r"a\*b", "a*b"));
        assert!(!matches(r"a\*b", "axb"));
        assert!(matches(r"\*\*", "**"));
        assert!(matches(r"a\\b", r"a\b"));
        assert!(matches("[ab]{c}", "[ab]{c}"));
        assert!(Glob::new("x/?").unwrap().matches(b"x/\xff"));
        assert!(Glob::new("*\n*").unwrap().matches(b"a\nb\xfe"));
        assert!(matches("*", ".hidden"));
    }

    #[test]
    fn every_refusal_says_what_to_write() {
        for (pattern, part) in [
            ("", "is empty"),
            ("/a", "begins with a slash"),
            ("a//b", "empty name"),
            ("a/", "empty name"),
            ("a**", "whole name"),
            ("**a/b", "whole name"),
            ("***", "whole name"),
            ("a/\\", "ends with a backslash"),
            ("a/../b", "'.' or '..'"),
        ] {
            let error = Glob::new(pattern).unwrap_err().to_string();
            assert!(error.contains(part), "{pattern}: {error}");
        }
        assert_eq!(Glob::new(&"a".repeat(5000)), Err(GlobError::TooLong(5000)));
    }

    #[test]
    fn walking_tells_where_nothing_can_match() {
        let glob = Glob::new("a/*/c").unwrap();
        let a = glob.step(&glob.start(), b"a");
        assert!(!a.is_dead() && !glob.accepts(&a));
        assert!(glob.step(&glob.start(), b"b").is_dead());
        let end = glob.step(&glob.step(&a, b"x"), b"c");
        assert!(glob.accepts(&end) && !end.is_dead());
        assert!(glob.step(&end, b"d").is_dead());
    }

    #[test]
    fn hostile_patterns_stay_cheap() {
        // Backtracking over every star would need about 2^100 steps.
        let pattern = format!("{}b", "a*".repeat(100));
        assert!(!matches(&pattern, &"a".repeat(255)));
        let pattern = format!("{}x", "**/a/".repeat(300));
        assert!(!matches(&pattern, "a/".repeat(400).trim_end_matches('/')));
    }

    /// The definition, read literally: exponential, hence for short inputs.
    fn slow(tokens: &[Token], name: &[u8]) -> bool {
        match (tokens.split_first(), name.split_first()) {
            (None, rest) => rest.is_none(),
            (Some((Token::AnyBytes, rest)), _) => (0..=name.len()).any(|n| slow(rest, &name[n..])),
            (Some((Token::AnyByte, rest)), Some((_, tail))) => slow(rest, tail),
            (Some((Token::Byte(b), rest)), Some((c, tail))) => b == c && slow(rest, tail),
            _ => false,
        }
    }

    fn slow_path(names: &[Name], path: &[&[u8]]) -> bool {
        match (names.split_first(), path.split_first()) {
            (None, rest) => rest.is_none(),
            (Some((Name::AnyDirectories, rest)), _) => {
                (0..=path.len()).any(|n| slow_path(rest, &path[n..]))
            }
            (Some((Name::One(tokens), rest)), Some((name, tail))) => {
                slow(tokens, name) && slow_path(rest, tail)
            }
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_literal_definition(pattern in "(\\*\\*|[ab*?]{1,3})(/(\\*\\*|[ab*?]{1,3})){0,4}", path in "[ab]{1,3}(/[ab]{1,3}){0,4}") {
            if let Ok(glob) = Glob::new(&pattern) {
                let names: Vec<&[u8]> = path.as_bytes().split(|&b| b == b'/').collect();
                prop_assert_eq!(glob.matches(path.as_bytes()), slow_path(&glob.names, &names));
            }
        }

        #[test]
        fn no_input_panics(pattern in "\\PC{0,40}", path in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(glob) = Glob::new(&pattern) {
                let _ = glob.matches(&path);
            }
        }
    }
}
