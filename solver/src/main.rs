//! The standalone `branchcut` binary.

fn main() {}
