//! Mutations of what readers read: no panic, and no memory beyond a multiple of
//! the input. Short in every test run; `CPUFENCE_FUZZ=1000000` for longer.

#[cfg(test)]
mod tests {
    #![expect(
        clippy::disallowed_methods,
        reason = "a longer run is asked for by the environment"
    )]

    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use crate::codec::{decode_value, encode_value};
    use crate::predict::dataset::TraceFolder;
    use crate::predict::forest::Forest;
    use crate::predict::lightgbm::{Dictionaries, format_model, read};
    use crate::predict::model::{Metadata, Model, Origin, Target};
    use crate::predict::online::Pace;

    const NAN: &str = include_str!("../../fixtures/predict/lightgbm/nan.txt");
    const ZERO: &str = include_str!("../../fixtures/predict/lightgbm/zero.txt");

    /// Rounds of each test.
    fn rounds(short: u64) -> u64 {
        std::env::var("CPUFENCE_FUZZ").map_or(short, |n| n.parse().unwrap())
    }

    /// xorshift64* (Vigna 2016).
    struct Random(u64);

    impl Random {
        fn below(&mut self, limit: usize) -> usize {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            let value = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11;
            usize::try_from(value % limit.max(1) as u64).unwrap()
        }
    }

    const WORDS: [&str; 14] = [
        "nan",
        "-1",
        "0",
        "99999999999999999999",
        "1e309",
        "-inf",
        "65535",
        "32768",
        "=",
        "\n",
        " ",
        "2147483648",
        "Tree=7\n",
        "end of trees\n",
    ];

    /// One to four edits: a byte, a cut, a copy of a piece elsewhere, a word.
    fn mutate(source: &[u8], random: &mut Random) -> Vec<u8> {
        let mut bytes = source.to_vec();
        for _ in 0..=random.below(4) {
            let at = random.below(bytes.len() + 1);
            let end = (at + random.below(64)).min(bytes.len());
            match random.below(5) {
                0 if at < bytes.len() => bytes[at] = random.below(256).try_into().unwrap(),
                1 => bytes.truncate(at.max(bytes.len() / 2)),
                2 => drop(bytes.drain(at..end)),
                3 => {
                    let piece = bytes[at..end].to_vec();
                    let to = random.below(bytes.len() + 1);
                    bytes.splice(to..to, piece);
                }
                _ => {
                    let word = WORDS[random.below(WORDS.len())].bytes();
                    bytes.splice(at..end.min(at + word.len()), word);
                }
            }
        }
        bytes
    }

    /// What was read can be evaluated and written, and is no larger than its text.
    fn use_it(forest: &Forest, input: usize) {
        let values = forest
            .trees()
            .iter()
            .map(|t| t.nodes.len() + t.sets.len() + t.leaves.len());
        assert!(values.sum::<usize>() <= 4 * input + 16);
        let count = forest.columns().len();
        let mut out = vec![0.0; forest.quantiles().len()];
        for value in [f64::NAN, 0.0, -1.0, 3.0, 1e308, f64::INFINITY] {
            forest.evaluate(&vec![value; count], &mut out);
            assert!(out.is_sorted_by(|a, b| a.total_cmp(b).is_le()));
        }
    }

    #[test]
    fn lightgbm_text() {
        let mut random = Random(1);
        let mut read_well = 0;
        for round in 0..rounds(1_500) {
            let source = if round % 2 == 0 { NAN } else { ZERO };
            // The first trees and the end: small texts are mutated more densely.
            let second = source.find("Tree=1\n").unwrap();
            let small = [
                &source[..second],
                &source[source.find("end of trees").unwrap()..],
            ]
            .concat();
            let bytes = mutate(small.as_bytes(), &mut random);
            let text = String::from_utf8_lossy(&bytes);
            if let Ok(forest) = read(&text, &Dictionaries::new(), Some(0.5)) {
                use_it(&forest, text.len());
                read_well += 1;
                // A name that LightGBM could not read may be refused.
                if let Ok(written) = format_model(&forest, forest.quantiles()[0]) {
                    read(&written, &Dictionaries::new(), None).unwrap();
                }
            }
        }
        assert!(read_well > 0);
    }

    fn metadata() -> Metadata {
        Metadata {
            origin: Origin::Grown,
            target: Target::Plain,
            groups: vec![("a".into(), 3)],
            rows: 3,
            interval_s: None,
            seed: 0,
            newest_s: 0.0,
            offsets: Vec::new(),
            pace: Pace::default(),
            importance: Vec::new(),
            licence: String::new(),
        }
    }

    fn model() -> Vec<u8> {
        let (columns, quantiles, base, mut trees) =
            read(NAN, &Dictionaries::new(), None).unwrap().into_parts();
        trees.truncate(2);
        let forest = Forest::new(columns, quantiles, base, trees).unwrap();
        Model::new(metadata(), vec![forest])
            .unwrap()
            .encode()
            .unwrap()
    }

    #[test]
    fn model_files() {
        let bytes = model();
        let mut random = Random(2);
        for _ in 0..rounds(1_500) {
            let broken = mutate(&bytes, &mut random);
            assert!(broken == bytes || Model::decode(&broken).is_err());
        }
    }

    /// Behind the checksum: the payload mutated, the checksum made right again.
    #[test]
    fn model_payloads() {
        let bytes = model();
        let payload = &bytes[20..];
        let mut random = Random(3);
        let mut read_well = 0;
        for _ in 0..rounds(3_000) {
            let broken = mutate(payload, &mut random);
            let length = u32::try_from(broken.len()).unwrap();
            let file = [
                &bytes[..12],
                &length.to_le_bytes(),
                &crc32fast::hash(&broken).to_le_bytes(),
                &broken,
            ]
            .concat();
            if let Ok(model) = Model::decode(&file) {
                read_well += 1;
                for forest in model.forests() {
                    use_it(forest, file.len());
                }
            }
        }
        assert!(read_well > 0);
    }

    /// Samples of two traces.
    fn samples() -> String {
        let mut text = String::from("trace_id,timestamp_s,cpu_pct\n");
        for (id, interval_s) in [("a", 300), ("b", 60)] {
            for i in 0..20 {
                text += &format!("{id},{},{}.5\n", 1_700_000_400 + i * interval_s, i);
            }
        }
        text
    }

    /// A directory of traces with one of its three files mutated: rows or an error that says where.
    #[test]
    fn trace_directories() {
        let meta = "trace_id,group,interval_s,cpus,memory_mib,owner,image,app,kind,unit\n\
                    a,g,300,2,,o,,,static,request\nb,h,60,,512,,i,x,burst,core\n";
        let mut zipped = GzEncoder::new(Vec::new(), Compression::fast());
        zipped.write_all(samples().as_bytes()).unwrap();
        let whole = [
            ("meta.csv", meta.as_bytes().to_vec()),
            ("samples.csv", samples().into_bytes()),
            ("zipped.csv.gz", zipped.finish().unwrap()),
        ];
        let dir = tempfile::tempdir().unwrap();
        let mut random = Random(4);
        let (mut read_well, mut refused) = (0, 0);
        for _ in 0..rounds(600) {
            let which = random.below(3);
            for (i, (name, bytes)) in whole.iter().enumerate() {
                // Traces stand in one file: the zipped one alone or the plain one.
                let absent = if which == 2 { 1 } else { 2 };
                let path = dir.path().join(name);
                if i == absent {
                    let _ = std::fs::remove_file(path);
                } else if i == which {
                    std::fs::write(path, mutate(bytes, &mut random)).unwrap();
                } else {
                    std::fs::write(path, bytes).unwrap();
                }
            }
            let (mut traces, mut rows) = (0, 0);
            let visited = TraceFolder::open(dir.path()).and_then(|folder| {
                folder.visit(|info, samples| {
                    traces += 1;
                    rows += samples.len();
                    assert!(info.interval_s > 0.0 && samples.is_sorted_by(|a, b| a.0 < b.0));
                    assert!(samples.iter().all(|s| s.1.is_finite() && s.1 >= 0.0));
                })
            });
            match visited {
                Ok(()) => read_well += 1,
                Err(error) => {
                    let told = error.to_string();
                    assert!(
                        told.contains(".csv") || told.contains("no traces"),
                        "{told}"
                    );
                    refused += 1;
                }
            }
            // An edit copies 64 bytes at most, four times.
            assert!(
                traces <= 60 && (rows <= 100 || which == 2),
                "{traces} traces, {rows} rows"
            );
        }
        assert!(read_well > 0 && refused > 0, "{read_well} {refused}");
    }

    /// A length that claims more than is there takes no memory.
    #[test]
    fn claims_of_length() {
        let honest = encode_value(&vec![1.0_f64; 4]).unwrap();
        for claim in [5, 1 << 20, 1 << 40, u64::MAX] {
            let mut bytes = honest.clone();
            bytes[..8].copy_from_slice(&claim.to_le_bytes());
            assert!(decode_value::<Vec<f64>>(&bytes).is_err());
        }
    }
}
