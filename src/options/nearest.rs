//! The key that was probably meant by one that does not exist.

/// The nearest of `keys`.
pub(crate) fn nearest<'a>(keys: impl Iterator<Item = &'a str>, key: &str) -> Option<&'a str> {
    keys.min_by_key(|known| distance(known, key))
}

/// How many letters must be changed, added or left out to come from one word to the other (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    // Longer than any key, and the work stays bounded.
    let to: Vec<char> = to.chars().take(64).collect();
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
    fn a_distance_counts_changes() {
        for (from, to, changes) in [("zone", "zone", 0), ("zone", "zones", 1), ("ab", "ba", 2)] {
            assert_eq!(distance(from, to), changes, "{from} {to}");
        }
    }
}
