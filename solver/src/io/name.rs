//! Names for columns and rows in files.
//!
//! A model built in memory may have empty, repeated or unprintable names. A
//! file needs names that are unique and that its format can hold, so where one
//! name of a kind does not do, that one is replaced by `c<index>` or
//! `r<index>`, prolonged by underscores until it is unique.

use std::collections::BTreeSet;

/// A name for each of `given`: its own where `is_valid` and not seen before,
/// else `<prefix><index>`.
#[must_use]
pub fn names<'a>(
    given: impl Iterator<Item = &'a str> + Clone,
    prefix: &str,
    is_valid: impl Fn(&str) -> bool,
) -> Vec<String> {
    let own: BTreeSet<&str> = given.clone().collect();
    let mut used = BTreeSet::new();
    given
        .enumerate()
        .map(|(index, name)| {
            if is_valid(name) && used.insert(name.to_owned()) {
                return name.to_owned();
            }
            let mut made = format!("{prefix}{index}");
            while own.contains(made.as_str()) || !used.insert(made.clone()) {
                made.push('_');
            }
            made
        })
        .collect()
}

/// Whether `name` is one word of printable characters.
pub(super) fn is_word(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| !c.is_whitespace() && !c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unusable_names_are_replaced_and_stay_unique() {
        let given = ["x", "", "x", "a b", "c1"];
        assert_eq!(
            names(given.into_iter(), "c", is_word),
            ["x", "c1_", "c2", "c3", "c1"]
        );
    }
}
