//! From text to [`Forest`].

use std::collections::BTreeMap;

use crate::predict::forest::{
    Child, Column, Forest, ForestError, Kind, Missing, Node, Split, Tree,
};

/// Names of categories by column, as a sidecar file tells them.
pub type Dictionaries = BTreeMap<String, Vec<String>>;

/// Why a text is no model that can be evaluated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The first line is not `tree`.
    #[error("not a LightGBM text model: its first line is not 'tree'")]
    Foreign,
    /// It ends too early.
    #[error("the file is cut short: no 'end of trees'")]
    CutShort,
    /// It needs what is not evaluated here.
    #[error("line {line}: {what} cannot be evaluated; {advice}")]
    Unsupported {
        /// Where, from 1.
        line: usize,
        /// What it is.
        what: String,
        /// What to do.
        advice: &'static str,
    },
    /// It does not say for which quantile it is.
    #[error("the file does not say its quantile (no parameter 'alpha'); name it with --quantile")]
    Quantile,
    /// A key that must be there is not.
    #[error("{place}: '{key}' is missing")]
    Absent {
        /// The head or a tree.
        place: String,
        /// The key.
        key: &'static str,
    },
    /// A value that is not what its key needs.
    #[error("line {line}: {key}: {reason}")]
    Value {
        /// Where, from 1.
        line: usize,
        /// The key.
        key: String,
        /// What is wrong.
        reason: String,
    },
    /// The parts do not make an ensemble.
    #[error(transparent)]
    Forest(#[from] ForestError),
}

const ADVICE_SAVE: &str = "load it with LightGBM 4 and save it again";
const ADVICE_TRAIN: &str = "train with objective=quantile, one model a quantile";
const ADVICE_LINEAR: &str = "train with linear_tree=false";
const ADVICE_BOOSTING: &str = "train with boosting=gbdt, dart or goss";

/// A value and its line.
type Entry<'a> = (usize, &'a str);

/// The entries of the head or of a tree.
struct Block<'a> {
    place: String,
    entries: BTreeMap<&'a str, Entry<'a>>,
}

impl<'a> Block<'a> {
    fn new(place: String) -> Self {
        Self {
            place,
            entries: BTreeMap::new(),
        }
    }

    fn get(&self, key: &'static str) -> Result<Entry<'a>, ReadError> {
        let absent = || ReadError::Absent {
            place: self.place.clone(),
            key,
        };
        self.entries.get(key).copied().ok_or_else(absent)
    }

    fn number<T: std::str::FromStr>(&self, key: &'static str) -> Result<T, ReadError> {
        let (line, text) = self.get(key)?;
        parse(line, key, text)
    }

    /// The numbers of a list that must have `count` of them; none are needed
    /// for an absent key with `count` 0.
    fn list<T: std::str::FromStr>(
        &self,
        key: &'static str,
        count: usize,
    ) -> Result<Vec<T>, ReadError> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let (line, text) = self.get(key)?;
        let values = text.split_ascii_whitespace();
        let values: Vec<T> = values
            .map(|word| parse(line, key, word))
            .collect::<Result<_, _>>()?;
        if values.len() != count {
            return Err(invalid(
                line,
                key,
                format!("{} values, {count} are needed", values.len()),
            ));
        }
        Ok(values)
    }
}

fn parse<T: std::str::FromStr>(line: usize, key: &str, text: &str) -> Result<T, ReadError> {
    text.trim()
        .parse()
        .map_err(|_| invalid(line, key, format!("'{}' is no number", shown(text))))
}

fn invalid(line: usize, key: &str, reason: String) -> ReadError {
    ReadError::Value {
        line,
        key: key.into(),
        reason,
    }
}

/// Foreign text, short and printable.
fn shown(text: &str) -> String {
    text.chars()
        .take(40)
        .collect::<String>()
        .escape_debug()
        .to_string()
}

/// Reads a text model; one quantile: what the file says it was trained for
/// (`alpha`), else `quantile`. `sidecar` names the categories of columns, where
/// the file does not.
///
/// # Errors
/// If it is not a LightGBM 4 text model, damaged, or needs what is not evaluated.
pub fn read(
    text: &str,
    sidecar: &Dictionaries,
    quantile: Option<f64>,
) -> Result<Forest, ReadError> {
    let mut head = Block::new("the head".into());
    let mut trees: Vec<Block<'_>> = Vec::new();
    let mut lines = (1..).zip(text.lines());
    if lines.next().map(|(_, line)| line.trim_end()) != Some("tree") {
        return Err(ReadError::Foreign);
    }
    let mut ended = false;
    for (number, line) in lines.by_ref() {
        let line = line.trim_end();
        if line == "end of trees" {
            ended = true;
            break;
        }
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        if key == "Tree" {
            trees.push(Block::new(format!("tree {}", trees.len())));
        }
        let block = trees.last_mut().unwrap_or(&mut head);
        if !key.is_empty() {
            block.entries.insert(key, (number, value));
        }
    }
    if !ended {
        return Err(ReadError::CutShort);
    }
    let rest: Vec<(usize, &str)> = lines.collect();
    check_head(&head)?;
    let quantile = alpha(&head, &rest, quantile)?;
    let trees = trees.iter().map(read_tree).collect::<Result<Vec<_>, _>>()?;
    let columns = read_columns(&head, &rest, &trees, sidecar)?;
    Ok(Forest::new(columns, vec![quantile], vec![0.0], trees)?)
}

/// Refuses what cannot be evaluated.
fn check_head(head: &Block<'_>) -> Result<(), ReadError> {
    let unsupported =
        |line, what: String, advice| Err(ReadError::Unsupported { line, what, advice });
    let (line, version) = head.get("version")?;
    if version != "v4" {
        return unsupported(line, format!("version '{}'", shown(version)), ADVICE_SAVE);
    }
    if let Some((line, _)) = head.entries.get("average_output") {
        return unsupported(*line, "an averaged forest".into(), ADVICE_BOOSTING);
    }
    for key in ["num_class", "num_tree_per_iteration"] {
        let (line, text) = head.get(key)?;
        if parse::<u64>(line, key, text)? != 1 {
            return unsupported(line, format!("{key}={}", shown(text)), ADVICE_TRAIN);
        }
    }
    let (line, objective) = head.get("objective")?;
    if objective.split_ascii_whitespace().next() != Some("quantile") {
        let what = format!("objective '{}'", shown(objective));
        return unsupported(line, what, ADVICE_TRAIN);
    }
    Ok(())
}

/// The quantile: in the objective or among the parameters.
fn alpha(
    head: &Block<'_>,
    rest: &[(usize, &str)],
    otherwise: Option<f64>,
) -> Result<f64, ReadError> {
    let (line, objective) = head.get("objective")?;
    let mut words = objective.split_ascii_whitespace();
    if let Some(alpha) = words.find_map(|word| word.strip_prefix("alpha:")) {
        return parse(line, "objective", alpha);
    }
    if let Some((line, alpha)) = parameter(rest, "alpha") {
        return parse(line, "alpha", alpha);
    }
    otherwise.ok_or(ReadError::Quantile)
}

/// A training parameter, `[name: value]`.
fn parameter<'a>(rest: &[(usize, &'a str)], name: &str) -> Option<(usize, &'a str)> {
    rest.iter().find_map(|(number, line)| {
        let value = line.strip_prefix('[')?.strip_prefix(name)?;
        Some((*number, value.strip_prefix(": ")?.strip_suffix(']')?))
    })
}

fn read_tree(block: &Block<'_>) -> Result<Tree, ReadError> {
    if let Some(&(line, linear)) = block.entries.get("is_linear")
        && linear != "0"
    {
        return Err(ReadError::Unsupported {
            line,
            what: format!("{} is linear, which", block.place),
            advice: ADVICE_LINEAR,
        });
    }
    let (line, _) = block.get("num_leaves")?;
    let leaves: usize = block.number("num_leaves")?;
    if leaves == 0 || leaves > Child::MOST {
        let reason = format!("{leaves} leaves; 1 to {} are read", Child::MOST);
        return Err(invalid(line, "num_leaves", reason));
    }
    let splits = leaves - 1;
    let sets: usize = match block.entries.get("num_cat") {
        Some(_) => block.number("num_cat")?,
        None => 0,
    };
    let boundaries = match sets {
        0 => Vec::new(),
        sets => block.list::<u32>("cat_boundaries", sets.saturating_add(1))?,
    };
    let words = boundaries.last().map_or(0, |&end| end as usize);
    let mut tree = Tree {
        nodes: Vec::new(),
        sets: block.list("cat_threshold", words)?,
        leaves: block.list("leaf_value", leaves)?,
    };
    let features = block.list::<u16>("split_feature", splits)?;
    let thresholds = block.list::<f64>("threshold", splits)?;
    let decisions = match block.entries.get("decision_type") {
        Some(_) => block.list::<u8>("decision_type", splits)?,
        None => vec![0; splits],
    };
    let left = block.list::<i32>("left_child", splits)?;
    let right = block.list::<i32>("right_child", splits)?;
    let order = order(&left, &right).ok_or_else(|| cyclic(block))?;
    let mut place = vec![0; splits];
    for (new, &old) in order.iter().enumerate() {
        place[old] = new;
    }
    let child = |index: i32| match usize::try_from(index) {
        Ok(node) => place.get(node).and_then(|&at| Child::node(at)),
        Err(_) => usize::try_from(!index).ok().and_then(Child::leaf),
    };
    for &old in &order {
        let children = child(left[old]).zip(child(right[old]));
        let (left, right) = children.ok_or_else(|| cyclic(block))?;
        tree.nodes.push(Node {
            split: read_split(block, decisions[old], thresholds[old], &boundaries)?,
            feature: features[old],
            left,
            right,
        });
    }
    Ok(tree)
}

fn cyclic(block: &Block<'_>) -> ReadError {
    let line = block.entries.get("left_child").map_or(0, |entry| entry.0);
    invalid(line, "left_child", "the children do not make a tree".into())
}

/// The splits, each before its children; none if they do not make one tree.
fn order(left: &[i32], right: &[i32]) -> Option<Vec<usize>> {
    if left.is_empty() {
        return Some(Vec::new());
    }
    let mut order = vec![0];
    let mut next = 0;
    while let Some(&at) = order.get(next) {
        next += 1;
        for child in [left.get(at)?, right.get(at)?] {
            if let Ok(node) = usize::try_from(*child) {
                // More than there are: one has two parents.
                if order.len() == left.len() {
                    return None;
                }
                order.push(node);
            }
        }
    }
    (order.len() == left.len()).then_some(order)
}

fn read_split(
    block: &Block<'_>,
    decision: u8,
    threshold: f64,
    boundaries: &[u32],
) -> Result<Split, ReadError> {
    let refuse = |key: &'static str, reason: String| {
        let line = block.entries.get(key).map_or(0, |entry| entry.0);
        Err(invalid(line, key, reason))
    };
    if decision & 1 == 0 {
        let missing = match decision >> 2 {
            0 => Missing::None,
            1 => Missing::Zero,
            2 => Missing::NaN,
            _ => return refuse("decision_type", format!("{decision} is not known")),
        };
        return Ok(Split::Numeric {
            threshold,
            missing,
            missing_left: decision & 2 != 0,
        });
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index; what is none fails the comparison below"
    )]
    let set = threshold as u32;
    let is_index = f64::from(set).total_cmp(&threshold).is_eq();
    let at = |i: usize| boundaries.get(i).copied().filter(|_| is_index);
    let Some((start, end)) = at(set as usize).zip(at(set as usize + 1)) else {
        return refuse("threshold", format!("{threshold} is no category set"));
    };
    match end.checked_sub(start) {
        Some(words) => Ok(Split::Categorical { start, words }),
        None => refuse("cat_boundaries", "they do not ascend".into()),
    }
}

fn read_columns(
    head: &Block<'_>,
    rest: &[(usize, &str)],
    trees: &[Tree],
    sidecar: &Dictionaries,
) -> Result<Vec<Column>, ReadError> {
    let (_, names) = head.get("feature_names")?;
    let names: Vec<&str> = names.split_ascii_whitespace().collect();
    let (line, infos) = head.get("feature_infos")?;
    let infos: Vec<&str> = infos.split_ascii_whitespace().collect();
    if infos.len() != names.len() {
        let reason = format!("{} entries for {} names", infos.len(), names.len());
        return Err(invalid(line, "feature_infos", reason));
    }
    let listed = categorical_parameter(rest);
    let is_categorical: Vec<bool> = infos
        .iter()
        .enumerate()
        .map(|(i, info)| {
            let split = |n: &Node| {
                usize::from(n.feature) == i && matches!(n.split, Split::Categorical { .. })
            };
            listed.contains(&i)
                || (!info.starts_with('[') && *info != "none")
                || trees.iter().any(|tree| tree.nodes.iter().any(split))
        })
        .collect();
    let mut dictionaries = pandas_categorical(rest)?;
    let count = is_categorical.iter().filter(|c| **c).count();
    if let Some((line, lists)) = &dictionaries
        && lists.len() != count
    {
        let covered = |(i, name): (usize, &&str)| !is_categorical[i] || sidecar.contains_key(*name);
        if !names.iter().enumerate().all(covered) {
            let reason = format!(
                "{} lists for {count} categorical columns; give a sidecar with the names of the categories",
                lists.len()
            );
            return Err(invalid(*line, "pandas_categorical", reason));
        }
        dictionaries = None;
    }
    let mut lists = dictionaries.map(|d| d.1).unwrap_or_default().into_iter();
    let mut room = MOST_NUMBERED;
    let columns = names
        .iter()
        .zip(&infos)
        .enumerate()
        .map(|(i, (name, info))| {
            let kind = if is_categorical[i] {
                let from_file = lists.next();
                let levels = sidecar.get(*name).cloned().or(from_file);
                let levels = levels.or_else(|| numbered(info, &mut room));
                let many = || {
                    let reason = format!("more than {MOST_NUMBERED} categories without names");
                    invalid(line, "feature_infos", reason)
                };
                Kind::Categorical {
                    levels: levels.ok_or_else(many)?,
                }
            } else {
                range(info).ok_or_else(|| {
                    invalid(
                        line,
                        "feature_infos",
                        format!("'{}' is no range", shown(info)),
                    )
                })?
            };
            Ok(Column {
                name: (*name).to_string(),
                kind,
            })
        });
    columns.collect()
}

/// `[least:most]`, or `none`: constant in training, never split on.
fn range(info: &str) -> Option<Kind> {
    if info == "none" {
        return Some(Kind::Numeric {
            least: f64::INFINITY,
            most: f64::NEG_INFINITY,
        });
    }
    let (least, most) = info.strip_prefix('[')?.strip_suffix(']')?.split_once(':')?;
    Some(Kind::Numeric {
        least: least.parse().ok()?,
        most: most.parse().ok()?,
    })
}

/// Categories that may be named by their numbers, in all columns together: bounds
/// memory, which a few digits could claim.
const MOST_NUMBERED: usize = 200_000;

/// Categories without names: their numbers, up to the largest; none if there is
/// no room for as many.
fn numbered(info: &str, room: &mut usize) -> Option<Vec<String>> {
    let largest = info
        .split(':')
        .filter_map(|word| word.parse::<u16>().ok())
        .max();
    let count = largest.map_or(0, |largest| usize::from(largest) + 1);
    *room = room.checked_sub(count)?;
    Some((0..count).map(|c| c.to_string()).collect())
}

/// Columns named by the training parameter, by index.
fn categorical_parameter(rest: &[(usize, &str)]) -> Vec<usize> {
    let value = parameter(rest, "categorical_feature");
    let words = value.map_or("", |v| v.1).split(',');
    words.filter_map(|word| word.trim().parse().ok()).collect()
}

type Lists = (usize, Vec<Vec<String>>);

fn pandas_categorical(rest: &[(usize, &str)]) -> Result<Option<Lists>, ReadError> {
    let found = rest
        .iter()
        .find_map(|(number, line)| Some((*number, line.strip_prefix("pandas_categorical:")?)));
    let Some((line, json)) = found else {
        return Ok(None);
    };
    let lists: Option<Vec<Vec<serde_json::Value>>> = serde_json::from_str(json)
        .map_err(|e| invalid(line, "pandas_categorical", e.to_string()))?;
    let name = |value: serde_json::Value| match value {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    };
    let named = |list: Vec<serde_json::Value>| list.into_iter().map(name).collect();
    let lists: Vec<Vec<String>> = lists.unwrap_or_default().into_iter().map(named).collect();
    Ok((!lists.is_empty()).then_some((line, lists)))
}
