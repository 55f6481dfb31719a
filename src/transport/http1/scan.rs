//! Finds where names and values end in the head of an answer, eight bytes at a time. Pure.

/// Where the name that begins at `start` has its colon; `None` where it is no name, or is not complete.
pub(super) fn end_of_name(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    loop {
        if let Some(word) = word(bytes, at) {
            let others = marks_of_others_than_letters(word);
            at += others.trailing_zeros() as usize / 8;
            if others == 0 {
                continue;
            }
        }
        match *bytes.get(at)? {
            b':' => return (at > start).then_some(at),
            byte if is_token(byte) => at += 1,
            _ => return None,
        }
    }
}

/// Where the line after the value that begins at `start` begins; `None` where it holds what needs a closer look.
pub(super) fn end_of_value(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    loop {
        if let Some(word) = word(bytes, at) {
            let controls = marks_of_controls(word);
            at += controls.trailing_zeros() as usize / 8;
            if controls == 0 {
                continue;
            }
        }
        match *bytes.get(at)? {
            b'\r' => return (*bytes.get(at + 1)? == b'\n').then_some(at + 2),
            b'\t' | b' '..=0x7e | 0x80.. => at += 1,
            _ => return None,
        }
    }
}

/// What names are made of (RFC 9110, 5.6.2).
pub(super) const fn is_token(byte: u8) -> bool {
    TOKEN[byte as usize]
}

const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128_u8 {
        table[byte as usize] = byte.is_ascii_alphanumeric()
            || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~');
        byte += 1;
    }
    table
};

/// The eight bytes from `at` on, the first one lowest; `None` near the end.
fn word(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

/// The upper bit of each byte that is neither a letter nor a hyphen.
const fn marks_of_others_than_letters(word: u64) -> u64 {
    // Sums of seven bits each, so that no byte runs over into the next.
    let lower = (word | each(0x20)) & each(0x7f);
    let letters = (lower + each(0x80 - b'a')) & !(lower + each(0x7f - b'z'));
    let hyphens = !(((word ^ each(b'-')) & each(0x7f)) + each(0x7f));
    !(letters | hyphens) & each(0x80) | word & each(0x80)
}

/// The upper bit of the first byte that is a control, tabs included; bits above it mean nothing.
const fn marks_of_controls(word: u64) -> u64 {
    let below_blank = word.wrapping_sub(each(b' ')) & !word;
    let other = word ^ each(0x7f);
    let delete = other.wrapping_sub(each(1)) & !other;
    (below_blank | delete) & each(0x80)
}

/// A word of this byte.
const fn each(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts of letters and one other byte, wherever it stands, with what follows a head.
    fn texts(end: &[u8]) -> impl Iterator<Item = Vec<u8>> {
        (0..=u8::MAX).flat_map(move |odd| {
            (0..20).map(move |place| {
                let mut text = b"aZzAabcdefghijklmno-".to_vec();
                text[place] = odd;
                [&text, end, b"rest of the head"].concat()
            })
        })
    }

    #[test]
    fn names_end_where_they_do_byte_by_byte() {
        for text in texts(b": ") {
            let end = text.iter().position(|&byte| !is_token(byte)).unwrap();
            let expected = (text[end] == b':' && end > 0).then_some(end);
            assert_eq!(end_of_name(&text, 0), expected, "{}", text.escape_ascii());
        }
        assert_eq!(end_of_name(b"content-length", 0), None, "not complete");
    }

    #[test]
    fn values_end_where_they_do_byte_by_byte() {
        for text in texts(b"\r\n") {
            let is_odd = |&byte: &u8| byte != b'\t' && byte.is_ascii_control();
            let end = text.iter().position(is_odd).unwrap();
            let expected = text[end..].starts_with(b"\r\n").then_some(end + 2);
            assert_eq!(end_of_value(&text, 0), expected, "{}", text.escape_ascii());
        }
        for text in [&b"value"[..], b"a longer value", b"value\r", b"a longer value\r"] {
            assert_eq!(end_of_value(text, 0), None, "not complete");
        }
    }
}
