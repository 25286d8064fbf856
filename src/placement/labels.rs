//! What containers and classes are called in the names of a model's columns: by number, as
//! exported models have them, or so that a name means the same in the next round.

use super::classes::Class;
use super::problem::Problem;

/// Labels of containers, and of classes by cell.
pub(super) struct Labels {
    pub(super) container: Vec<String>,
    pub(super) class: Vec<Vec<String>>,
}

impl Labels {
    /// `k3`, `o2`.
    pub(super) fn numbers(problem: &Problem, classes: &[Vec<Class>]) -> Self {
        let number = |letter: char, count: usize| (0..count).map(move |i| format!("{letter}{i}"));
        Self {
            container: number('k', problem.containers.len()).collect(),
            class: classes
                .iter()
                .map(|of_cell| number('o', of_cell.len()).collect())
                .collect(),
        }
    }

    /// Container ids; a class by those who owned its cores.
    pub(super) fn lasting(problem: &Problem, classes: &[Vec<Class>]) -> Self {
        let id = |k: usize| problem.containers[k].id.as_str();
        let owners = |class: &Class| {
            let ids: Vec<&str> = class.owners.iter().map(|&k| id(k)).collect();
            ids.join("+")
        };
        Self {
            container: problem.containers.iter().map(|k| k.id.clone()).collect(),
            class: classes
                .iter()
                .map(|of_cell| of_cell.iter().map(owners).collect())
                .collect(),
        }
    }
}
