use super::*;
use crate::placement::random::{Random, Shape, assignment, instance};
use crate::placement::testing::{container, topology};
use crate::placement::types::System;
use crate::placement::types::Weights;

/// Cores 0 and 1 (CPUs 0, 2 and 1, 3) in one L3; a wants two threads, b one.
fn exchange(kind: ModelKind) -> Exchange {
    let instance = Instance {
        weights: Weights::default(),
        topology: topology(1, 1, 2, 2),
        containers: vec![container("a", 2, 2.0), container("b", 1, 0.5)],
        constraints: Vec::new(),
        system: System::default(),
        lending: crate::placement::Lending::default(),
    };
    Exchange::new(&instance, &CpuSet::new(), kind).unwrap()
}

/// The point with these values; the other columns are 0.
fn point(exchange: &Exchange, values: &[(&str, f64)]) -> Vec<f64> {
    let columns = exchange.model().columns();
    let mut point = vec![0.0; columns.len()];
    for (name, value) in values {
        let found = columns.iter().position(|c| c.name == *name);
        point[found.unwrap_or_else(|| panic!("no column {name}"))] = *value;
    }
    point
}

/// a on core 0, b on core 1. a's threads are busy siblings: 2 x 200 x 1000
/// micro-CPU.
#[test]
fn a_placement_by_hand() {
    let form = exchange(ModelKind::Aggregated);
    let values = [("n_h0_k0", 2.0), ("f_h0_k0", 1.0), ("n_h0_k1", 1.0)];
    let imported = form.import(&point(&form, &values)).unwrap();
    assert_eq!(imported.parts.total(), 400_000);
    assert_eq!((imported.parts.smt, imported.moved_threads), (400_000, 0));
    assert!((imported.objective - 400_000.0).abs() < 0.5);
    assert_eq!(imported.placement["a"].len(), 2);

    let form = exchange(ModelKind::Naive);
    let values = [
        ("x_c0_k0", 1.0),
        ("x_c2_k0", 1.0),
        ("x_c1_k1", 1.0),
        ("b_c0_k0", 1.0),
        ("b_c2_k0", 1.0),
    ];
    let imported = form.import(&point(&form, &values)).unwrap();
    assert_eq!(imported.parts.total(), 400_000);
    assert_eq!(imported.placement["a"].to_string(), "0,2");
    // A solver's tolerance is no difference.
    let near = values.map(|(name, value)| (name, value - 4e-7));
    assert_eq!(form.import(&point(&form, &near)).unwrap(), imported);
}

#[test]
fn what_breaks_a_rule_is_named() {
    type Case = (ModelKind, &'static [(&'static str, f64)], &'static str);
    let cases: [Case; 8] = [
        (
            ModelKind::Aggregated,
            &[("n_h0_k0", 1.5)],
            "column n_h0_k0 is 1.5; expected a whole number",
        ),
        (
            ModelKind::Aggregated,
            &[("n_h0_k0", 2.0)],
            "container 'b' gets 0 threads; it requests 1",
        ),
        (
            ModelKind::Aggregated,
            &[("n_h0_k0", 2.0), ("n_h0_k1", 1.0)],
            "cell h0: 3 cores are used, it has 2",
        ),
        (
            ModelKind::Aggregated,
            &[("n_h0_k0", 2.0), ("n_h0_k1", 1.0), ("m_h0_k1", 1.0)],
            "cell h0: threads on shared cores (m) cannot be paired",
        ),
        (
            ModelKind::Aggregated,
            &[("n_h0_k0", 1.0), ("f_h0_k0", 1.0)],
            "whole and shared cores (2 f + m) exceed the threads n",
        ),
        (
            ModelKind::Naive,
            &[("x_c0_k0", 1.0), ("x_c0_k1", 1.0)],
            "CPU 0 has two owners, 'a' and 'b'",
        ),
        (
            ModelKind::Naive,
            &[("x_c0_k0", 1.0), ("x_c1_k1", 1.0)],
            "container 'a' gets 1 threads; it requests 2",
        ),
        // Busy siblings that the point does not own up to.
        (
            ModelKind::Naive,
            &[("x_c0_k0", 1.0), ("x_c2_k0", 1.0), ("x_c1_k1", 1.0)],
            "it breaks the model: row",
        ),
    ];
    for (kind, values, wanted) in cases {
        let form = exchange(kind);
        let error = form.import(&point(&form, values)).unwrap_err().to_string();
        assert!(error.contains(wanted), "{values:?}: {error}");
    }
}

#[test]
fn models_that_cannot_be_are_refused() {
    let mut uneven = Instance {
        weights: Weights::default(),
        topology: topology(1, 1, 2, 2),
        containers: vec![container("a", 2, 2.0)],
        constraints: Vec::new(),
        system: System::default(),
        lending: crate::placement::Lending::default(),
    };
    let new = |instance: &Instance, kind| Exchange::new(instance, &CpuSet::new(), kind);
    uneven.topology.cpus[0].perf = 700;
    let error = new(&uneven, ModelKind::Aggregated).unwrap_err();
    assert_eq!(error, ExchangeError::NoCells);
    assert!(new(&uneven, ModelKind::Naive).is_ok());
    let many = Instance {
        topology: topology(2, 8, 32, 2),
        containers: (0..800)
            .map(|k| container(&format!("c{k}"), 1, 1.0))
            .collect(),
        ..uneven
    };
    let error = new(&many, ModelKind::Naive).unwrap_err().to_string();
    assert!(error.contains("1024 threads and 800 containers"), "{error}");
}

/// Every assignment is a point of both models, and comes back at its cost; a
/// point that was tampered with is refused or is a placement again.
#[test]
fn assignments_come_back_at_their_cost() {
    let shape = Shape {
        width: 2,
        threads: 10,
        containers: 4,
        overlap: false,
    };
    let (mut refused, mut accepted) = (0, 0);
    for seed in 0..400 {
        let mut random = Random(seed);
        let instance = instance(&mut random, shape);
        for kind in [ModelKind::Aggregated, ModelKind::Naive] {
            let form = Exchange::new(&instance, &CpuSet::new(), kind).unwrap();
            let problem = &form.problem;
            let owners = assignment(&mut random, problem);
            let parts = cost(problem, &owners);
            let mut point = form.point_of(&owners);
            match form.import(&point) {
                Ok(imported) if kind == ModelKind::Naive => {
                    assert_eq!(imported.parts, parts, "seed {seed}");
                    assert_eq!(imported.placement, problem.placement(&owners));
                }
                // Counts leave the threads of a cell open.
                Ok(imported) => assert!(imported.parts.total() <= parts.total(), "seed {seed}"),
                // The aggregated model leaves out placements that are no better.
                Err(error) => assert!(
                    kind == ModelKind::Aggregated && matches!(error, ExchangeError::Refused { .. }),
                    "seed {seed}: {error}"
                ),
            }
            let column = random.below(point.len());
            point[column] += if random.chance(50) { 1.0 } else { -1.0 };
            match form.import(&point) {
                Err(_) => refused += 1,
                Ok(imported) => {
                    accepted += 1;
                    for container in &problem.containers {
                        assert_eq!(imported.placement[&container.id].len(), container.request);
                    }
                }
            }
        }
    }
    assert!(refused > 400 && accepted > 20, "{refused} {accepted}");
}
