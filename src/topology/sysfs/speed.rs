//! Core kinds and their speeds.
//!
//! A kind's `perf` is its speed over the fastest kind's, per mille, rounded.
//! The first source that covers the host counts:
//! 1. `cpu_capacity` of every online CPU (ARM; x86 hybrids since Linux 6.12),
//!    which weighs instructions per cycle too;
//! 2. the kinds that the hybrid x86 PMUs name (`/sys/devices/cpu_core/cpus`,
//!    `cpu_atom`; the CPUs in neither are a third kind), with the ratio of
//!    their highest `cpuinfo_max_freq`;
//! 3. `cpuinfo_max_freq` of every online CPU.
//!
//! In 1 and 3 the values make the kinds: the largest value opens a kind, and
//! whatever is at least 90 % of it joins. Favoured cores (Turbo Boost Max 3.0,
//! 5.2 beside 5.0 GHz) so stay one kind with the rest.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Reader, TopologyError, cpu_file, malformed};
use crate::cpuset::{CpuId, CpuSet};

/// A value at least this part of its kind's largest, per cent, is of that kind.
const SAME_KIND_PERCENT: u64 = 90;

/// `perf` of each CPU from the speeds of kinds.
fn per_mille(speed: &BTreeMap<CpuId, u64>) -> BTreeMap<CpuId, u32> {
    let fastest = speed.values().copied().max().unwrap_or(1).max(1);
    let scale = |value: u64| u32::try_from((value * 1000 + fastest / 2) / fastest).unwrap_or(1000);
    // A kind too slow for a per mille is still not free of cost or speed.
    speed
        .iter()
        .map(|(&cpu, &value)| (cpu, scale(value).max(1)))
        .collect()
}

/// Each value raised to the largest of its kind.
fn cluster(values: &BTreeMap<CpuId, u64>) -> BTreeMap<CpuId, u64> {
    let mut order: Vec<(CpuId, u64)> = values.iter().map(|(&cpu, &value)| (cpu, value)).collect();
    order.sort_by_key(|&(cpu, value)| (std::cmp::Reverse(value), cpu));
    let mut top = 0;
    let mut kinds = BTreeMap::new();
    for (cpu, value) in order {
        if value * 100 < top * SAME_KIND_PERCENT || top == 0 {
            top = value;
        }
        kinds.insert(cpu, top);
    }
    kinds
}

impl Reader<'_> {
    /// `perf` of each online CPU; empty where nothing tells them apart.
    pub(super) fn speeds(&self, online: &CpuSet) -> Result<BTreeMap<CpuId, u32>, TopologyError> {
        if let Some(capacity) = self.values(online, "cpu_capacity")? {
            return Ok(per_mille(&cluster(&capacity)));
        }
        let frequency = self.values(online, "cpufreq/cpuinfo_max_freq")?;
        let Some(frequency) = frequency else {
            return Ok(BTreeMap::new());
        };
        let named = self.named_kinds(online)?;
        if named.is_empty() {
            return Ok(per_mille(&cluster(&frequency)));
        }
        let mut speed = BTreeMap::new();
        for kind in named {
            let top = kind.iter().map(|cpu| frequency[&cpu]).max().unwrap_or(0);
            speed.extend(kind.iter().map(|cpu| (cpu, top)));
        }
        Ok(per_mille(&speed))
    }

    /// One positive number for every online CPU, or none at all.
    fn values(
        &self,
        online: &CpuSet,
        name: &str,
    ) -> Result<Option<BTreeMap<CpuId, u64>>, TopologyError> {
        let mut values = BTreeMap::new();
        for cpu in online.iter() {
            let path = cpu_file(cpu, name);
            let Some(value) = self.number(&path)? else {
                return Ok(None);
            };
            // The bound keeps every product below 2^64.
            let positive = u64::try_from(value)
                .ok()
                .filter(|v| (1..=1 << 50).contains(v));
            let value = positive
                .ok_or_else(|| malformed(&path, &value.to_string(), "a positive number"))?;
            values.insert(cpu, value);
        }
        Ok(Some(values))
    }

    /// The kinds that the PMUs name, cut to `online`; empty where there are no
    /// such PMUs.
    fn named_kinds(&self, online: &CpuSet) -> Result<Vec<CpuSet>, TopologyError> {
        let mut rest = online.clone();
        let mut kinds = Vec::new();
        for pmu in ["cpu_core", "cpu_atom"] {
            let path = Path::new("/sys/devices").join(pmu).join("cpus");
            if let Some(set) = self.list(&path)? {
                let kind = set.intersection(&rest);
                rest = rest.difference(&kind);
                kinds.push(kind);
            }
        }
        if !kinds.is_empty() {
            kinds.push(rest);
        }
        kinds.retain(|kind| !kind.is_empty());
        Ok(kinds)
    }
}
