//! The key that was probably meant by one that does not exist.

/// The nearest of `keys`: one that differs in a few letters, or else one of which `key` is the beginning or the end, or
/// the other way round. A key that is far from all was meant for something else.
pub(crate) fn nearest<'a>(keys: impl Iterator<Item = &'a str>, key: &str) -> Option<&'a str> {
    // Longer than any key, and the work stays bounded.
    let key = key.chars().take(64).collect::<String>().to_lowercase().replace('-', "_");
    let near = keys.filter_map(|known| {
        let distance = distance(known, &key);
        let letters = known.len().max(key.len());
        let is_close = distance * 4 < letters || distance <= 2 && distance * 2 < letters;
        (is_close || is_part(known, &key)).then_some((!is_close, distance, known))
    });
    near.min().map(|(.., known)| known)
}

/// Whether `known` begins with `key`, or one of the two has the other before or behind a `_`.
fn is_part(known: &str, key: &str) -> bool {
    let holds = |whole: &str, part: &str| {
        let before = whole.strip_prefix(part).is_some_and(|rest| rest.starts_with('_'));
        before || whole.strip_suffix(part).is_some_and(|rest| rest.ends_with('_'))
    };
    let begins = key.len() >= 3 && known.starts_with(key);
    begins || !key.is_empty() && (holds(known, key) || holds(key, known))
}

/// How many letters must be changed, added or left out to come from one word to the other (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_far_from_all_has_no_nearest() {
        let keys = ["timeout", "hedge_delay", "http2", "gzip", "retry", "retry_tries", "trace"];
        for (key, meant) in [
            ("timeuot", Some("timeout")),
            ("Timeout", Some("timeout")),
            ("hedge-delay", Some("hedge_delay")),
            ("hedge", Some("hedge_delay")),
            ("tries", Some("retry_tries")),
            ("time", Some("timeout")),
            ("retry_delay", Some("retry")),
            ("retry_trys", Some("retry_tries")),
            ("panic_threshold", None),
            ("", None),
        ] {
            assert_eq!(nearest(keys.into_iter(), key), meant, "{key}");
        }
        assert_eq!(nearest(keys.into_iter(), &"x".repeat(10_000)), None);
    }

    #[test]
    fn a_distance_counts_changes() {
        for (from, to, changes) in [("zone", "zone", 0), ("zone", "zones", 1), ("ab", "ba", 2)] {
            assert_eq!(distance(from, to), changes, "{from} {to}");
        }
    }
}
