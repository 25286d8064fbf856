//! The text forms of a CPU set, read as the kernel reads them.

use super::{CpuId, CpuListError, CpuSet, MAX_CPU};

fn error(text: &str, reason: &'static str) -> CpuListError {
    CpuListError {
        text: text.chars().take(80).collect(),
        reason,
    }
}

fn number(text: &str) -> Result<u32, &'static str> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err("a CPU number is missing or not decimal");
    }
    let value: u32 = text.parse().map_err(|_| "a CPU number is too large")?;
    if value > MAX_CPU {
        Err("a CPU number is too large")
    } else {
        Ok(value)
    }
}

pub(super) fn parse_list(text: &str) -> Result<CpuSet, CpuListError> {
    let fail = |reason| error(text, reason);
    let mut set = CpuSet::new();
    let body = text.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\0');
    for item in body.split(',').filter(|item| !item.is_empty()) {
        let (range, stride) = item
            .split_once(':')
            .map_or((item, None), |(r, s)| (r, Some(s)));
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last) = (number(first).map_err(fail)?, number(last).map_err(fail)?);
        if first > last {
            return Err(fail("a range runs backwards"));
        }
        let (used, group) = match stride {
            None => (1, 1),
            Some(stride) => {
                let (used, group) = stride
                    .split_once('/')
                    .ok_or_else(|| fail("a stride needs 'used/group'"))?;
                (number(used).map_err(fail)?, number(group).map_err(fail)?)
            }
        };
        if group == 0 || used > group {
            return Err(fail("a stride's group is 0 or smaller than what it uses"));
        }
        set.extend(
            (first..=last)
                .filter(|cpu| (cpu - first) % group < used)
                .map(CpuId),
        );
    }
    Ok(set)
}

pub(super) fn parse_mask(text: &str) -> Result<CpuSet, CpuListError> {
    let body = text.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\0');
    let mut set = CpuSet::new();
    for (group, index) in body.rsplit(',').zip(0u32..) {
        if index * 32 > MAX_CPU {
            return Err(error(text, "a mask is too long"));
        }
        let group = group.trim_start_matches("0x");
        let bits = u32::from_str_radix(group, 16)
            .map_err(|_| error(text, "a mask group is not 32-bit hexadecimal"))?;
        set.extend(
            (0..32)
                .filter(|bit| bits >> bit & 1 == 1)
                .map(|bit| CpuId(index * 32 + bit)),
        );
    }
    Ok(set)
}
