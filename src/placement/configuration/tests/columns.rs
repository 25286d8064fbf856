//! Columns that go from round to round.

use super::super::choices::Units;
use super::*;
use crate::placement::Instance;
use crate::placement::keep::keep_and_fit;

/// Two nodes of four L3s of four cores, and `count` containers.
fn host(random: &mut Random, count: usize) -> Instance {
    let mut host = testing::host(testing::topology(2, 4, 4, 2), Vec::new());
    for k in 0..count {
        let cpus = 1 + u32::try_from(random.below(8)).unwrap();
        let p95 = f64::from(cpus) * (1 + random.below(20)) as f64 / 20.0;
        let id = format!("c{k:02}");
        host.containers.push(testing::container(&id, cpus, p95));
    }
    host
}

/// What so many pricings leave.
fn left(problem: &Problem, pricings_wanted: u64) -> (Prices, Columns) {
    let random = &mut Random(3);
    let start = super::super::super::random::assignment(random, problem);
    let mut search = cold(problem);
    pricings(&mut search, problem, &start, pricings_wanted);
    search.leave().unwrap()
}

fn threads(split: &[usize]) -> usize {
    split.iter().sum()
}

/// On the same host every column is there again; where containers have gone, come and changed,
/// those that are left fit, and are of the containers that stayed.
#[test]
fn columns_fit_the_next_round() {
    let (mut patterns, mut splits) = (0, 0);
    for seed in 0..20 {
        let random = &mut Random(seed);
        let mut now = host(random, 11);
        let problem = Problem::new(&now, &CpuSet::new()).unwrap();
        let (_, columns) = left(&problem, 30);
        let units = Units::new(&problem).unwrap();
        let again = columns.patterns(&problem, &units);
        let own = columns.splits(&problem, &units);
        assert_eq!((again.len(), own.len()), columns.counts(), "seed {seed}");
        assert!(again.len() > 8 && own.len() >= 11, "seed {seed}");

        now.containers.remove(random.below(11));
        now.containers[4].cpus += 1;
        let changed = ["c01b".to_owned(), now.containers[4].id.clone()];
        now.containers.insert(2, testing::container("c01b", 3, 1.5));
        let problem = Problem::new(&now, &CpuSet::new()).unwrap();
        let units = Units::new(&problem).unwrap();
        for (class, parts) in columns.patterns(&problem, &units) {
            let class = &units.classes[class];
            let held: usize = parts.iter().map(|part| part.halves).sum();
            assert!(held <= class.halves && held.is_multiple_of(2));
            for ((part, choices), k) in parts.iter().zip(&class.choices).zip(&problem.containers) {
                let is_choice = |c: &Choice| c.threads == part.threads && c.halves == part.halves;
                assert!(choices.iter().any(is_choice));
                assert!(
                    part.threads == 0 || k.id != "c01b",
                    "nothing is known of it"
                );
            }
            patterns += 1;
        }
        for (k, split) in columns.splits(&problem, &units) {
            assert_eq!(threads(&split), problem.containers[k].request);
            assert!(!changed.contains(&problem.containers[k].id));
            splits += 1;
        }
    }
    assert!(patterns > 160 && splits > 160, "{patterns}, {splits}");
}

/// After an event, from prices and columns the bound of a few pricings is higher than from
/// prices alone, over many hosts.
#[test]
fn columns_bound_sooner() {
    let (mut higher, mut lower, mut sums) = (0, 0, [0; 2]);
    let settings = SolveSettings {
        work_limit: Some(20_000),
        ..SolveSettings::default()
    };
    for seed in 0..60 {
        let random = &mut Random(seed);
        let mut now = host(random, 10);
        if now.containers.iter().map(|k| k.cpus).sum::<u32>() > 60 {
            continue;
        }
        let hosts = &mut HostModels::default();
        let (none, start) = (CpuSet::new(), WarmStart::default());
        let placed = place_from(&now, &none, &settings, &start, hosts, &|| Duration::ZERO).unwrap();
        for container in &mut now.containers {
            let set = &placed.answer.placement[&container.id];
            container.previous = Some(set.iter().collect::<Vec<CpuId>>());
        }
        now.containers.remove(random.below(10));
        now.containers.push(testing::container("new", 2, 0.9));
        let problem = Problem::new(&now, &none).unwrap();
        let start = keep_and_fit(&problem).owners().to_vec();
        let WarmStart {
            prices, columns, ..
        } = &placed.warm;
        let bounds = [&Columns::default(), columns].map(|columns| {
            let mut search = Search::new(&problem, prices.as_ref().unwrap(), columns).unwrap();
            pricings(&mut search, &problem, &start, 8)
        });
        higher += u32::from(bounds[1] > bounds[0]);
        lower += u32::from(bounds[1] < bounds[0]);
        sums[0] += bounds[0];
        sums[1] += bounds[1];
    }
    assert!(
        higher > lower && sums[1] > sums[0],
        "{higher}, {lower}, {sums:?}"
    );
}
