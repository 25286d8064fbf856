//! SPDX licence expressions, as far as crates use them: `OR`, `AND`, `WITH`,
//! parentheses, and the old `A/B` for `A OR B`. `AND` binds tighter than `OR`
//! (SPDX 2.3, annex D.4).

/// Whether some choice that the expression offers uses `allowed` licences alone.
/// A licence with an exception (`X WITH Y`) is one name of its own.
pub(crate) fn is_allowed(expression: &str, allowed: &[&str]) -> Result<bool, String> {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser {
        tokens: &tokens,
        allowed,
    };
    let answer = parser.any()?;
    match parser.tokens {
        [] => Ok(answer),
        rest => Err(format!("{expression:?}: cannot read from {rest:?} on")),
    }
}

struct Parser<'a> {
    tokens: &'a [&'a str],
    allowed: &'a [&'a str],
}

impl Parser<'_> {
    fn take(&mut self, word: &str) -> bool {
        let found = self.tokens.first() == Some(&word);
        if found {
            self.tokens = &self.tokens[1..];
        }
        found
    }

    fn any(&mut self) -> Result<bool, String> {
        let mut answer = self.all()?;
        while self.take("OR") {
            answer |= self.all()?;
        }
        Ok(answer)
    }

    fn all(&mut self) -> Result<bool, String> {
        let mut answer = self.one()?;
        while self.take("AND") {
            answer &= self.one()?;
        }
        Ok(answer)
    }

    fn one(&mut self) -> Result<bool, String> {
        if self.take("(") {
            let answer = self.any()?;
            return match self.take(")") {
                true => Ok(answer),
                false => Err("a parenthesis is not closed".into()),
            };
        }
        let (name, rest) = self.tokens.split_first().ok_or("a licence is missing")?;
        if ["AND", "OR", "WITH", ")"].contains(name) {
            return Err(format!("{name:?} stands where a licence should"));
        }
        self.tokens = rest;
        let mut licence = (*name).to_owned();
        if self.take("WITH") {
            let (exception, rest) = self.tokens.split_first().ok_or("an exception is missing")?;
            licence = format!("{licence} WITH {exception}");
            self.tokens = rest;
        }
        Ok(self.allowed.contains(&licence.as_str()))
    }
}

#[test]
fn expressions_are_read_as_spdx_says() {
    let allowed = ["MIT", "Zlib", "Apache-2.0 WITH LLVM-exception"];
    for (expression, expected) in [
        ("MIT", true),
        ("GPL-3.0-only", false),
        ("GPL-3.0-only OR MIT", true),
        ("GPL-3.0-only/MIT", true),
        ("GPL-3.0-only AND MIT", false),
        ("MIT AND Zlib", true),
        // AND before OR: GPL or (MIT and Zlib), then (GPL and MIT) or GPL.
        ("GPL-3.0-only OR MIT AND Zlib", true),
        ("GPL-3.0-only AND MIT OR GPL-3.0-only", false),
        ("(GPL-3.0-only OR MIT) AND Zlib", true),
        ("Apache-2.0", false),
        ("Apache-2.0 WITH LLVM-exception", true),
    ] {
        assert_eq!(
            is_allowed(expression, &allowed),
            Ok(expected),
            "{expression}"
        );
    }
    for broken in ["", "MIT OR", "(MIT", "MIT)", "MIT Zlib", "MIT WITH", "OR"] {
        assert!(is_allowed(broken, &allowed).is_err(), "{broken:?}");
    }
}
