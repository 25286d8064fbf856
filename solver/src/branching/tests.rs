use super::{Pseudocosts, Side};

#[test]
fn pseudocosts_are_means_and_unknown_columns_take_the_mean_of_all() {
    let mut costs = Pseudocosts::new(3);
    // Unit gains 4 and 8 for column 0, 3 for column 1: means 6, 3; all 5.
    costs.observe(0, Side::Down, 0.5, 2.0);
    costs.observe(0, Side::Down, 0.25, 2.0);
    costs.observe(1, Side::Down, 1.0, 3.0);
    assert!((costs.unit_gain(0, Side::Down) - 6.0).abs() < 1e-12);
    assert!((costs.unit_gain(1, Side::Down) - 3.0).abs() < 1e-12);
    assert!((costs.unit_gain(2, Side::Down) - 5.0).abs() < 1e-12);
    assert!((costs.gain(0, Side::Down, 2.75) - 4.5).abs() < 1e-12);
    assert_eq!(costs.reliability(0), 0);
    costs.observe(0, Side::Up, 0.5, 1.0);
    assert_eq!(costs.reliability(0), 1);
}

#[test]
fn a_column_that_gains_on_both_sides_scores_above_one_that_gains_on_one() {
    let mut costs = Pseudocosts::new(2);
    for (j, down, up) in [(0, 2.0, 2.0), (1, 0.0, 4.0)] {
        costs.observe(j, Side::Down, 0.5, down);
        costs.observe(j, Side::Up, 0.5, up);
    }
    assert!(costs.score(0, 0.5) > costs.score(1, 0.5));
}
