//! Between the columns of a wide cell and who is on each of its cores.

use super::super::super::cells::Cell;
use super::super::super::classes::Class;
use super::super::super::counts::State;
use super::super::super::rebuild::Free;
use super::{Mixed, Wide};

impl Wide {
    /// Sets the columns of a point: `content` is who is on each core.
    pub(in super::super) fn set(
        &self,
        point: &mut [f64],
        cell: &Cell,
        classes: &[Class],
        content: &[Vec<usize>],
    ) {
        let mut add = |column: usize, value: usize| point[column] += value as f64;
        for (core, content) in cell.cores.iter().zip(content) {
            let class = classes
                .iter()
                .position(|class| class.cores.binary_search(core).is_ok());
            let had = |k: usize| class.map_or(0, |class| classes[class].count(k));
            let kept = |wanted: State| {
                let found = self
                    .kept
                    .iter()
                    .find(|k| (Some(k.0), k.1) == (class, wanted));
                found.map(|k| k.2)
            };
            let mut owners = content.clone();
            owners.sort_unstable();
            owners.dedup();
            match owners[..] {
                [] => {}
                [k] if content.len() == 1 => {
                    add(self.lone[k], 1);
                    kept(State::Lone(k)).into_iter().for_each(|s| add(s, 1));
                }
                [k] => {
                    self.busy[k].into_iter().for_each(|b| add(b, 1));
                    kept(State::Whole(k)).into_iter().for_each(|b| add(b, 1));
                    let stay = had(k).min(content.len());
                    self.kept_busy[k].into_iter().for_each(|h| add(h, stay));
                }
                _ => self.set_mixed(class, &owners, content, &had, &mut add),
            }
            for &k in &owners {
                if owners.len() > 1 {
                    self.touched[k].into_iter().for_each(|x| add(x, 1));
                }
                if content.len() < self.width {
                    self.partly[k].into_iter().for_each(|d| add(d, 1));
                }
            }
        }
    }

    fn set_mixed(
        &self,
        class: Option<usize>,
        owners: &[usize],
        content: &[usize],
        had: &dyn Fn(usize) -> usize,
        add: &mut dyn FnMut(usize, usize),
    ) {
        let has = |mixed: &&Mixed| {
            let is_member = |k: &usize| mixed.members.iter().any(|member| member.0 == *k);
            owners.iter().all(is_member)
        };
        // None only where the assignment breaks a rule.
        let Some(mixed) = self.mixed.iter().find(has) else {
            return;
        };
        add(mixed.cores, 1);
        let claimed = mixed.kept.iter().find(|kept| Some(kept.0) == class);
        claimed.into_iter().for_each(|&(_, column)| add(column, 1));
        for &(k, threads, kept) in &mixed.members {
            let count = content.iter().filter(|&&owner| owner == k).count();
            add(threads, count);
            kept.into_iter().for_each(|g| add(g, count.min(had(k))));
        }
    }

    /// Who is on each core of the cell at an integral point, given by its
    /// values; none where they contradict each other.
    pub(in super::super) fn content(
        &self,
        value: &dyn Fn(usize) -> Option<usize>,
        cell: &Cell,
        classes: &[Class],
        threads: &[usize],
    ) -> Option<Vec<Vec<usize>>> {
        let mut free = Free::new(cell, classes);
        let mut content: Vec<Vec<usize>> = vec![Vec::new(); cell.cores.len()];
        let at = |core: usize| cell.cores.binary_search(&core).ok();
        // Cores of a class with their state, before those that keep nobody.
        let claim =
            |free: &mut Free, kept: &[(usize, usize)]| -> Option<Vec<(usize, Option<usize>)>> {
                let mut cores = Vec::new();
                for &(class, column) in kept {
                    for _ in 0..value(column)? {
                        cores.push((at(free.of_class(class)?)?, Some(class)));
                    }
                }
                Some(cores)
            };
        let of_state = |wanted: State| -> Vec<(usize, usize)> {
            let kept = self.kept.iter().filter(|kept| kept.1 == wanted);
            kept.map(|kept| (kept.0, kept.2)).collect()
        };
        let containers = 0..threads.len();
        let lone: Vec<_> = containers
            .clone()
            .map(|k| claim(&mut free, &of_state(State::Lone(k))))
            .collect::<Option<_>>()?;
        let busy: Vec<_> = containers
            .clone()
            .map(|k| claim(&mut free, &of_state(State::Whole(k))))
            .collect::<Option<_>>()?;
        let mixed: Vec<_> = self
            .mixed
            .iter()
            .map(|mixed| claim(&mut free, &mixed.kept))
            .collect::<Option<_>>()?;
        for (k, (lone, mut cores)) in lone.into_iter().zip(busy).enumerate() {
            let alone = value(self.lone[k])?;
            let open = alone.checked_sub(lone.len())?;
            for (place, _) in lone {
                content[place].push(k);
            }
            for _ in 0..open {
                content[at(free.any()?)?].push(k);
            }
            let count = self.busy[k].map_or(Some(0), value)?;
            for _ in 0..count.checked_sub(cores.len())? {
                cores.push((at(free.any()?)?, None));
            }
            let mut left = value(threads[k])?.checked_sub(alone)?;
            for q in self.mixed_threads(k) {
                left = left.checked_sub(value(q)?)?;
            }
            let stay = self.kept_busy[k].map_or(Some(0), value)?;
            self.fill(&mut content, &cores, classes, (k, left, stay))?;
        }
        for (mixed, mut cores) in self.mixed.iter().zip(mixed) {
            for _ in 0..value(mixed.cores)?.checked_sub(cores.len())? {
                cores.push((at(free.any()?)?, None));
            }
            // What stays first, so that nobody takes its place.
            let counts: Vec<(usize, usize, usize)> = mixed
                .members
                .iter()
                .map(|&(k, q, g)| Some((k, value(q)?, g.map_or(Some(0), value)?)))
                .collect::<Option<_>>()?;
            for &(k, _, stay) in &counts {
                self.fill(&mut content, &cores, classes, (k, stay, stay))?;
            }
            for &(k, count, stay) in &counts {
                self.fill(
                    &mut content,
                    &cores,
                    classes,
                    (k, count.checked_sub(stay)?, 0),
                )?;
            }
        }
        Some(content)
    }

    /// Puts `count` threads of `k` on `cores`, `stay` of them where it had
    /// some; none where there is no room.
    fn fill(
        &self,
        content: &mut [Vec<usize>],
        cores: &[(usize, Option<usize>)],
        classes: &[Class],
        (k, count, stay): (usize, usize, usize),
    ) -> Option<()> {
        let mut left = count.checked_sub(stay)?;
        let mut stay = stay;
        for &(at, class) in cores {
            let had = class.map_or(0, |class| classes[class].count(k));
            let here = had.min(stay);
            content[at].extend(std::iter::repeat_n(k, here));
            stay -= here;
        }
        for &(at, _) in cores {
            let here = left.min(self.width.checked_sub(content[at].len())?);
            content[at].extend(std::iter::repeat_n(k, here));
            left -= here;
        }
        (left == 0 && stay == 0).then_some(())
    }
}
