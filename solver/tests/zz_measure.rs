#![allow(clippy::all, warnings)]
use branchcut::*;
use microlp::{
    ComparisonOp, OptimizationDirection, Problem, ResumeOptions, SolveOptions, SolveOutcome,
    TerminationReason,
};
use std::time::*;
fn build(m: &Model, slack: bool) -> Problem {
    let mut p = Problem::new(OptimizationDirection::Minimize);
    let s = if m.sense == Sense::Maximize {
        -1.0
    } else {
        1.0
    };
    let v: Vec<_> = m
        .columns()
        .iter()
        .map(|c| {
            if c.integer && c.lower < c.upper {
                if (c.lower, c.upper) == (0.0, 1.0) {
                    p.add_binary_var(s * c.cost)
                } else {
                    p.add_integer_var(
                        s * c.cost,
                        (
                            c.lower.max(-2147483648.0) as i32,
                            c.upper.min(2147483647.0) as i32,
                        ),
                    )
                }
            } else {
                p.add_var(s * c.cost, (c.lower, c.upper))
            }
        })
        .collect();
    for r in m.rows() {
        let t: Vec<_> = r.coefficients.iter().map(|&(j, a)| (v[j], a)).collect();
        if t.is_empty() {
            continue;
        }
        if r.lower == r.upper {
            p.add_constraint(t, ComparisonOp::Eq, r.lower);
            continue;
        }
        if slack && r.lower.is_finite() && r.upper.is_finite() {
            let z = p.add_var(0.0, (r.lower, r.upper));
            let mut t = t;
            t.push((z, -1.0));
            p.add_constraint(t, ComparisonOp::Eq, 0.0);
            continue;
        }
        if r.lower.is_finite() {
            p.add_constraint(t.clone(), ComparisonOp::Ge, r.lower);
        }
        if r.upper.is_finite() {
            p.add_constraint(t, ComparisonOp::Le, r.upper);
        }
    }
    p
}
fn run(p: &Problem, chunk: Option<(u64, u64)>, limit: f64) -> (f64, u64, String) {
    let t = Instant::now();
    let mut o = SolveOptions::default();
    o.time_limit = Some(Duration::from_secs_f64(limit));
    if chunk.is_some() {
        o.node_limit = Some(0);
    }
    let mut r = p.solve_with(o);
    let mut calls = 1;
    loop {
        match r {
            Err(e) => return (t.elapsed().as_secs_f64(), 0, format!("{e}")),
            Ok(out) => {
                if out.termination_reason() != TerminationReason::NodeLimit {
                    let s = out.solution().map(|s| s.objective());
                    return (
                        t.elapsed().as_secs_f64(),
                        out.stats().nodes_solved,
                        format!(
                            "{:?} {s:?} calls {calls} it {}",
                            out.termination_reason(),
                            out.stats().lp_iterations
                        ),
                    );
                }
                let (d, cap) = chunk.unwrap();
                let n = out.stats().nodes_solved + 1;
                let mut o = ResumeOptions::default();
                o.node_limit = Some(if d == 0 { n } else { (n / d).clamp(1, cap) });
                o.time_limit = Some(Duration::from_secs_f64(
                    (limit - t.elapsed().as_secs_f64()).max(0.0),
                ));
                r = out.resume_with(o);
                calls += 1;
            }
        }
    }
}
#[test]
fn measure() {
    let dir = "/work/shared/miplib";
    let names = std::env::var("NAMES").unwrap();
    let mode = std::env::var("MODE").unwrap();
    for name in names.split(' ') {
        let m = io::read_path(std::path::Path::new(&format!("{dir}/{name}.mps.gz"))).unwrap();
        if mode == "chunk" {
            let p = build(&m, false);
            for c in [
                None,
                Some((16, 256)),
                Some((1000000, 1)),
                Some((16, 64)),
                Some((8, 256)),
                None,
            ] {
                let r = run(&p, c, 20.0);
                println!("{name} {c:?} {:.3} nodes {} {}", r.0, r.1, r.2);
            }
        } else if mode == "wrap" {
            let p = build(&m, false);
            for _ in 0..4 {
                let r = run(&p, Some((16, 256)), 20.0);
                println!("{name} direct {:.3} nodes {} {}", r.0, r.1, r.2);
                let a = solve(
                    &m,
                    &Options {
                        time_limit: Some(Duration::from_secs(20)),
                        ..Options::default()
                    },
                );
                println!(
                    "{name} wrap {:?} {:?} {:?} {}",
                    a.status, a.objective, a.elapsed, a.counters.nodes
                );
            }
        } else if mode == "warm" {
            let a = solve(
                &m,
                &Options {
                    time_limit: Some(Duration::from_secs(15)),
                    ..Options::default()
                },
            );
            println!(
                "{name} cold {:?} {:?} {:?} {}",
                a.status, a.objective, a.elapsed, a.counters.nodes
            );
            let b = solve(
                &m,
                &Options {
                    time_limit: Some(Duration::from_secs(15)),
                    start: a.point.clone(),
                    ..Options::default()
                },
            );
            println!(
                "{name} warm {:?} {:?} {:?} {}",
                b.status, b.objective, b.elapsed, b.counters.nodes
            );
        } else {
            for sl in [false, true, false, true] {
                let p = build(&m, sl);
                let r = run(&p, None, 20.0);
                println!("{name} slack={sl} {:.3} nodes {} {}", r.0, r.1, r.2);
            }
        }
    }
}
