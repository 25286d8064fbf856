//! The model that is part of the program.
//!
//! It predicts for the demo. A live host without a model of its own has it on trial: it is shadowed until
//! it wins over the maximum of the last hour on the host's own outcomes (`online::Record`).
//! `benches/built_in_model.py` makes the file, from traces whose licence allows it and from synthetic
//! workloads; its metadata say so.

use super::model::Model;
use super::trees::Trees;

const FILE: &[u8] = include_bytes!("../../fixtures/predict/built_in.cpm");

/// The built-in model.
///
/// # Errors
/// Only if the file is broken, which a test rules out.
pub fn built_in() -> Result<Trees, String> {
    let model = Model::decode(FILE).map_err(|e| crate::error::chain(&e))?;
    Trees::new(model, crc32fast::hash(FILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_small_and_may_be_given_away() {
        assert!(FILE.len() <= 350 << 10, "{} bytes", FILE.len());
        let trees = built_in().unwrap();
        let metadata = trees.model().metadata();
        assert!(metadata.licence.starts_with("MIT OR Apache-2.0"));
        let of_release =
            |name: &str| ["nab_aws", "nezha_pods"].contains(&name) || name.starts_with("synthetic");
        assert!(metadata.groups.iter().all(|(name, _)| of_release(name)));
        assert!(metadata.groups.iter().all(|(_, rows)| *rows > 0));
        // It speaks of hosts that are sampled every ten seconds to every five minutes.
        assert_eq!(metadata.interval_s, Some((10.0, 300.0)));
        assert_eq!(trees.model().quantiles(), [0.5, 0.9, 0.95, 0.99]);
    }
}
