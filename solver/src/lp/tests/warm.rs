//! Warm starts: dives through the integer columns of MIP instances. Each node
//! problem is solved from the last basis and from scratch; both must agree, and
//! the safe bound must not be above the optimum.

use super::{corpus, cpu_ms};
use crate::lp::{Lp, LpLimits, LpStatus};
use crate::mip::Mip;
use crate::work::Budget;

/// Relative difference of two objectives of one linear program.
const AGREEMENT: f64 = 1e-6;

fn solve(lp: &mut Lp) -> LpStatus {
    lp.solve(&LpLimits::default(), &mut Budget::unlimited())
}

/// Dives `depth` levels, up or down by the bits of `bits`.
fn dive(name: &str, mip: &Mip, root: &Lp, bits: u64, depth: usize, ms: &mut f64) -> u64 {
    let mut lp = root.clone();
    let start = lp.iterations();
    let before = lp.checkpoint();
    for level in 0..depth {
        let fractional = (0..mip.columns()).filter(|&j| {
            let x = lp.x()[j];
            mip.integer[j] && (x - x.round()).abs() > 1e-6
        });
        let list: Vec<usize> = fractional.collect();
        let Some(&j) = list.get((bits as usize >> 3) % list.len().max(1)) else {
            break;
        };
        let (lower, upper, x) = (lp.col_lower()[j], lp.col_upper()[j], lp.x()[j]);
        if bits >> (level % 64) & 1 == 1 {
            lp.set_col_bounds(j, x.ceil(), upper);
        } else {
            lp.set_col_bounds(j, lower, x.floor());
        }
        let clock = cpu_ms();
        let status = solve(&mut lp);
        *ms += cpu_ms() - clock;
        let mut fresh = Lp::new(mip, &mut Budget::unlimited());
        for j in 0..mip.columns() {
            fresh.set_col_bounds(j, lp.col_lower()[j], lp.col_upper()[j]);
        }
        assert_eq!(status, solve(&mut fresh), "{name} {bits} level {level}");
        if status != LpStatus::Optimal {
            assert_eq!(status, LpStatus::Infeasible, "{name} {bits} level {level}");
            break;
        }
        let (warm, cold) = (lp.objective(), fresh.objective());
        let size = 1.0 + cold.abs();
        assert!(
            (warm - cold).abs() <= AGREEMENT * size,
            "{name} {bits} level {level}: {warm} {cold}"
        );
        let safe = lp.safe_bound(lp.col_lower(), lp.col_upper());
        assert!(
            safe <= cold + AGREEMENT * size && safe >= cold - 1e-4 * size,
            "{name} {bits} level {level}: bound {safe} of {cold}"
        );
    }
    let iterations = lp.iterations() - start;
    lp.rollback(&before);
    assert_eq!(solve(&mut lp), LpStatus::Optimal);
    assert!(
        (lp.objective() - root.objective()).abs() <= AGREEMENT * (1.0 + root.objective().abs())
    );
    iterations
}

#[test]
fn warm_starts_agree_with_cold_ones() {
    let Some(folder) = corpus("warm").map(|netlib| netlib.join("..")) else {
        return;
    };
    let names = std::env::var("LP_MIPS").unwrap_or("bell5 egout p0282 vpm1".into());
    for name in names.split(' ') {
        let model = crate::io::read_path(&folder.join(format!("{name}.mps.gz"))).unwrap();
        let mip = Mip::of(&model);
        let mut root = Lp::new(&mip, &mut Budget::unlimited());
        assert_eq!(solve(&mut root), LpStatus::Optimal);
        let (mut iterations, mut ms) = (0, 0.0);
        for dive_at in 0..8_u64 {
            let bits = dive_at.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (dive_at << 1);
            iterations += dive(name, &mip, &root, bits, 12, &mut ms);
        }
        println!("{name} {iterations} its {ms:.2} ms");
    }
}
