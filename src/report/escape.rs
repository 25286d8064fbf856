//! Names as text that is safe on a terminal, and back.
//!
//! A container's name is the raw bytes of a directory name: it may hold
//! newlines, terminal escapes, text that is drawn right to left or not at all.
//! Such bytes become `\xNN` (two lower-case hexadecimal digits). The backslash
//! is escaped too, so the form is reversible and no two names look the same
//! because of it.

/// Invisible or reordering characters, inclusive ranges: general category Cf,
/// line and paragraph separators, and `Default_Ignorable_Code_Point` (Unicode
/// 16, `DerivedCoreProperties.txt`). Characters of category Cc (C0, DEL, C1)
/// are known to `char::is_control`.
const UNSAFE: [(u32, u32); 31] = [
    (0xad, 0xad),
    (0x34f, 0x34f),
    (0x600, 0x605),
    (0x61c, 0x61c),
    (0x6dd, 0x6dd),
    (0x70f, 0x70f),
    (0x890, 0x891),
    (0x8e2, 0x8e2),
    (0x115f, 0x1160),
    (0x17b4, 0x17b5),
    (0x180b, 0x180f),
    (0x200b, 0x200f),
    (0x2028, 0x202e),
    (0x2060, 0x206f),
    (0x3164, 0x3164),
    (0xfe00, 0xfe0f),
    (0xfeff, 0xfeff),
    (0xffa0, 0xffa0),
    (0xfff0, 0xfffb),
    (0x1_10bd, 0x1_10bd),
    (0x1_10cd, 0x1_10cd),
    (0x1_3430, 0x1_343f),
    (0x1_bca0, 0x1_bca3),
    (0x1_d173, 0x1_d17a),
    (0xe_0000, 0xe_0fff),
    // Noncharacters and private use: what is drawn is the font's choice.
    (0xe000, 0xf8ff),
    (0xfdd0, 0xfdef),
    (0xfffe, 0xffff),
    (0x1_fffe, 0x1_ffff),
    (0xf_0000, 0xf_ffff),
    (0x10_0000, 0x10_ffff),
];

/// Why a text is not the escaped form of a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{}' is not an escaped name: byte {at} begins no '\\xNN' (a backslash itself is '\\x5c')", text.escape_debug())]
pub struct UnescapeError {
    /// What was read.
    pub text: String,
    /// Offset of the backslash, bytes.
    pub at: usize,
}

/// Whether `c` may reach a terminal as it is.
fn is_safe(c: char) -> bool {
    let code = u32::from(c);
    !c.is_control()
        && c != '\\'
        && !UNSAFE
            .iter()
            .any(|&(first, last)| (first..=last).contains(&code))
}

/// `name` with control, invisible and reordering characters, backslashes and
/// bytes that are not UTF-8 as `\xNN`, one for each byte.
#[must_use]
pub fn escape_name(name: &[u8]) -> String {
    use std::fmt::Write;

    let mut out = String::with_capacity(name.len());
    let escape = |out: &mut String, bytes: &[u8]| {
        for byte in bytes {
            let _ = write!(out, "\\x{byte:02x}");
        }
    };
    for chunk in name.utf8_chunks() {
        for c in chunk.valid().chars() {
            if is_safe(c) {
                out.push(c);
            } else {
                escape(&mut out, c.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        escape(&mut out, chunk.invalid());
    }
    out
}

/// `text` with the characters that must not reach a terminal as `\xNN`, and
/// backslashes as they are: what [`escape_name`] made stays the same. Not
/// reversible; for names from files that may hold anything.
#[must_use]
pub fn display_name(text: &str) -> String {
    let parts: Vec<String> = text
        .split('\\')
        .map(|part| escape_name(part.as_bytes()))
        .collect();
    parts.join("\\")
}

/// The name that [`escape_name`] made `text` of. Digits of either case are
/// read; characters that `escape_name` would have escaped stand for themselves.
///
/// # Errors
/// On a backslash that no `xNN` follows.
pub fn unescape_name(text: &str) -> Result<Vec<u8>, UnescapeError> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] != b'\\' {
            out.push(bytes[at]);
            at += 1;
            continue;
        }
        let digits = bytes
            .get(at + 1..at + 4)
            .filter(|s| s[0] == b'x' && s[1..].iter().all(u8::is_ascii_hexdigit));
        let byte = digits
            .and_then(|s| std::str::from_utf8(&s[1..]).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match byte {
            Some(byte) => out.push(byte),
            None => {
                return Err(UnescapeError {
                    text: text.chars().take(80).collect(),
                    at,
                });
            }
        }
        at += 4;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn by_hand() {
        let cases: [(&[u8], &str); 9] = [
            (b"docker/web-1", "docker/web-1"),
            ("b\u{fc}ro/\u{6771}".as_bytes(), "b\u{fc}ro/\u{6771}"),
            (b"a\nb\x1b[2J\x7f", "a\\x0ab\\x1b[2J\\x7f"),
            (b"dev-a\\x2db.service", "dev-a\\x5cx2db.service"),
            (b"\xff\xc3(", "\\xff\\xc3("),
            ("\u{9b}31m".as_bytes(), "\\xc2\\x9b31m"),
            ("\u{202e}gpj".as_bytes(), "\\xe2\\x80\\xaegpj"),
            (
                "a\u{200b}b\u{feff}".as_bytes(),
                "a\\xe2\\x80\\x8bb\\xef\\xbb\\xbf",
            ),
            (b"", ""),
        ];
        for (name, escaped) in cases {
            assert_eq!(escape_name(name), escaped);
            assert_eq!(unescape_name(escaped).unwrap(), name);
        }
    }

    #[test]
    fn what_is_no_escaped_name() {
        for (text, at) in [
            ("\\", 0),
            ("ab\\x5", 2),
            ("\\y41", 0),
            ("\\x+1", 0),
            ("\\x4\u{fc}", 0),
        ] {
            assert_eq!(unescape_name(text).unwrap_err().at, at, "{text}");
        }
        assert_eq!(unescape_name("\\x4A").unwrap(), b"J");
    }

    /// Bytes that mix plain text, controls and broken UTF-8.
    fn names() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            any::<Vec<u8>>().prop_map(|mut v| {
                v.truncate(6);
                v
            }),
            any::<char>().prop_map(|c| c.to_string().into_bytes()),
            "[a-z/\\\\x0-9]{1,8}".prop_map(String::into_bytes),
            prop_oneof![
                Just('\u{202e}'),
                Just('\u{2066}'),
                Just('\u{85}'),
                Just('\u{e0041}')
            ]
            .prop_map(|c| c.to_string().into_bytes()),
        ];
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn reversible(name in names()) {
            prop_assert_eq!(unescape_name(&escape_name(&name)).unwrap(), name);
        }

        #[test]
        fn safe_on_a_terminal(name in names()) {
            let escaped = escape_name(&name);
            prop_assert!(!escaped.chars().any(char::is_control));
            // Bidirectional controls, by their own list (UAX #9, section 2).
            let bidi = "\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\
                        \u{2066}\u{2067}\u{2068}\u{2069}";
            prop_assert!(!escaped.contains(|c| bidi.contains(c)));
        }

        #[test]
        fn display_keeps_escaped_names(name in names()) {
            let escaped = escape_name(&name);
            prop_assert_eq!(display_name(&escaped), escaped);
            let shown = display_name(&String::from_utf8_lossy(&name));
            let unsafe_char = shown.chars().find(|c| c.is_control() || *c == '\u{202e}');
            prop_assert_eq!(unsafe_char, None);
        }

        #[test]
        fn one_name_one_text(a in names(), b in names()) {
            prop_assert_eq!(a == b, escape_name(&a) == escape_name(&b));
        }
    }
}
