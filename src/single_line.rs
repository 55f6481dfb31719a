//! Text for people that quotes what others wrote, as one line of bounded length.

/// The text with a sign in place of each control character, and without its middle where it is long.
///
/// What is quoted of the host's text may hold ends of lines, behind which another fault would seem to stand, and a value
/// that is refused may be a file that was taken for one. What is said of it stands at its ends.
#[must_use]
pub fn single_line(text: impl Into<String>) -> String {
    let text = text.into();
    let text = match text.contains(char::is_control) {
        true => text.replace(char::is_control, "\u{fffd}"),
        false => text,
    };
    if text.len() <= MOST {
        return text;
    }
    let (head, tail) = (text.floor_char_boundary(HEAD), text.ceil_char_boundary(text.len() - TAIL));
    format!("{} ... {}", &text[..head], &text[tail..])
}

/// The longest line in bytes: our own longest names every form of a provider's URL and has about 600.
const MOST: usize = 1024;
/// How much of the beginning of a longer one stays.
const HEAD: usize = 640;
/// How much of its end.
const TAIL: usize = 320;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_one_line() {
        assert_eq!(single_line("a\r\nb\tc\u{85}\0"), "a\u{fffd}\u{fffd}b\u{fffd}c\u{fffd}\u{fffd}");
        assert_eq!(single_line("\u{e9} b"), "\u{e9} b");
    }

    #[test]
    fn a_long_text_keeps_its_ends() {
        let most = "x".repeat(MOST);
        assert_eq!(single_line(most.as_str()), most);
        for one in ["x", "\u{e9}", "\u{20ac}", "\u{1f600}"] {
            let long = format!("value: {} is no size", one.repeat(100_000));
            let shown = single_line(long);
            assert!(shown.len() <= MOST, "{}", shown.len());
            assert!(shown.starts_with("value: ") && shown.ends_with(" is no size"));
        }
    }
}
