//! The text forms of a CPU set, read as the kernel reads them.
//!
//! The list's grammar, as `bitmap_parselist` (`lib/bitmap-str.c`) has it since
//! Linux 5.8; `tests/cpuset_kernel.rs` compares the two on a live kernel:
//!
//! ```text
//! list      = { separator } [ region { separator { separator } region } ] { separator }
//! separator = "," | white space (space, \t, \n, \v, \f, \r)
//! region    = number [ "-" number [ ":" used "/" group ] ]
//! ```
//!
//! A NUL ends the text, and so does a newline right after a region without a
//! stride (after one with a stride it is white space): what follows is not read. Of a range with a stride the first `used` of every
//! `group` CPUs count; `0 <= used <= group`, `group > 0`. Numbers are plain
//! decimal digits, leading zeros allowed.
//!
//! Refused on purpose although the kernel takes them: `N` (the last CPU) and
//! `all`, which mean something only to the kernel that reads them, and strides
//! of 2^31 or more, on which the kernel's arithmetic wraps.

use super::{CpuId, CpuListError, CpuSet, MAX_CPU};

/// Larger stride numbers are refused.
const MAX_STRIDE: u32 = i32::MAX.unsigned_abs();

fn error(text: &str, reason: &'static str) -> CpuListError {
    CpuListError {
        text: text.chars().take(80).collect(),
        reason,
    }
}

fn is_separator(byte: u8) -> bool {
    byte == b',' || byte == 0x0b || byte.is_ascii_whitespace()
}

/// Reads the digits at the start of `rest`; the number and what follows.
fn number(rest: &[u8], limit: u32) -> Result<(u32, &[u8]), &'static str> {
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    if digits == 0 {
        return Err(match rest.first() {
            Some(b'N' | b'a' | b'A') => {
                "'N' and 'all' are the kernel's own; write the CPU numbers out"
            }
            _ => "a CPU number is missing or not decimal",
        });
    }
    let mut value: u32 = 0;
    for digit in &rest[..digits] {
        value = value
            .checked_mul(10)
            .and_then(|v| v.checked_add(u32::from(digit - b'0')))
            .filter(|&v| v <= limit)
            .ok_or("a number is too large")?;
    }
    Ok((value, &rest[digits..]))
}

/// Reads one region at the start of `rest` into `set`; what follows, none where
/// the text ends here.
fn region<'a>(rest: &'a [u8], set: &mut CpuSet) -> Result<Option<&'a [u8]>, &'static str> {
    let (first, mut rest) = number(rest, MAX_CPU)?;
    let (mut last, mut used, mut group, mut stride) = (first, 1, 1, false);
    if let Some((b'-', after)) = rest.split_first() {
        (last, rest) = number(after, MAX_CPU)?;
        if let Some((b':', after)) = rest.split_first() {
            (used, rest) = number(after, MAX_STRIDE)?;
            let Some((b'/', after)) = rest.split_first() else {
                return Err("a stride needs 'used/group'");
            };
            (group, rest) = number(after, MAX_STRIDE)?;
            stride = true;
        }
    }
    if first > last {
        return Err("a range runs backwards");
    }
    if group == 0 || used > group {
        return Err("a stride's group is 0 or smaller than what it uses");
    }
    set.extend(
        (first..=last)
            .filter(|cpu| (cpu - first) % group < used)
            .map(CpuId),
    );
    match rest.first() {
        None => Ok(None),
        Some(b'\n') if !stride => Ok(None),
        Some(&byte) if is_separator(byte) => Ok(Some(rest)),
        Some(_) => Err("an item is no number, range or stride"),
    }
}

pub(super) fn parse_list(text: &str) -> Result<CpuSet, CpuListError> {
    let mut set = CpuSet::new();
    let readable = text.split('\0').next().unwrap_or_default();
    let mut rest = Some(readable.as_bytes());
    while let Some(bytes) = rest {
        let start = bytes.iter().position(|&byte| !is_separator(byte));
        let Some(start) = start else { break };
        rest = region(&bytes[start..], &mut set).map_err(|reason| error(text, reason))?;
    }
    Ok(set)
}

pub(super) fn parse_mask(text: &str) -> Result<CpuSet, CpuListError> {
    let fail = |reason| error(text, reason);
    let body = text.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\0');
    let mut set = CpuSet::new();
    for (group, index) in body.rsplit(',').zip(0u32..) {
        if index * 32 > MAX_CPU {
            return Err(fail("a mask is too long"));
        }
        // `from_str_radix` alone would take "+1" too.
        let bits = Some(group)
            .filter(|g| g.len() <= 8 && g.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|g| u32::from_str_radix(g, 16).ok())
            .ok_or_else(|| fail("a mask group is not 32-bit hexadecimal"))?;
        set.extend(
            (0..32)
                .filter(|bit| bits >> bit & 1 == 1)
                .map(|bit| CpuId(index * 32 + bit)),
        );
    }
    Ok(set)
}
