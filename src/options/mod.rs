//! Options by name, for hosts that configure from text: one table for each kind of handle is the truth.

mod balancer;
mod client;
mod values;

use crate::error::{Error, ErrorKind};

pub use balancer::BALANCER;
pub use client::CLIENT;

/// One option of what is configured by a `C`.
#[derive(Debug)]
pub struct ConfigOption<C> {
    /// Its name, such as `attempt_timeout`.
    pub key: &'static str,
    /// What it does, its form and its default.
    pub description: &'static str,
    apply: fn(&mut C, &str) -> Result<(), String>,
}

/// Sets an option of `table` from text.
///
/// # Errors
/// No option has that name (the message names the nearest), or the value has not its form.
pub fn set<C: Clone>(
    table: &[ConfigOption<C>],
    config: &mut C,
    key: &str,
    value: &str,
) -> Result<(), Error> {
    let Some(option) = table.iter().find(|option| option.key == key) else {
        let nearest = table.iter().min_by_key(|option| distance(option.key, key));
        let hint = nearest.map_or("", |option| option.key);
        let message = format!("key: no such option; the nearest is {hint}");
        return Err(Error::new(ErrorKind::UnknownOption, message));
    };
    // On a copy: a value that is refused changes nothing.
    let mut changed = config.clone();
    (option.apply)(&mut changed, value.trim())
        .map_err(|problem| Error::invalid("value", format!("{key}: {problem}")))?;
    *config = changed;
    Ok(())
}

/// How many letters must be changed, added or left out to come from one word to the other (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
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

    fn keys<C>(table: &[ConfigOption<C>]) -> Vec<&'static str> {
        table.iter().map(|option| option.key).collect()
    }

    #[test]
    fn the_tables_are_sorted_and_each_key_stands_once() {
        for keys in [keys(CLIENT), keys(BALANCER)] {
            assert!(keys.is_sorted_by(|a, b| a < b), "{keys:?}");
        }
    }

    #[test]
    fn every_option_says_its_default() {
        let says = |text: &str| text.contains("default");
        assert!(CLIENT.iter().all(|option| says(option.description)));
        assert!(BALANCER.iter().all(|option| says(option.description)));
    }

    #[test]
    fn a_distance_counts_changes() {
        for (from, to, changes) in [("zone", "zone", 0), ("zone", "zones", 1), ("ab", "ba", 2)] {
            assert_eq!(distance(from, to), changes, "{from} {to}");
        }
    }
}
