//! Which handles have an option: a key that one lacks is often meant for another.

use super::{BALANCER, BREAKER, CLIENT, PROVIDER, RETRY, Row};

/// The handles that have the option called `key`, as their own or as that of a part.
#[must_use]
pub fn handles_with(key: &str) -> Option<&'static str> {
    handles(key, true)
}

/// The handles that have the option called `key` as their own.
#[must_use]
pub fn handles_with_own(key: &str) -> Option<&'static str> {
    handles(key, false)
}

fn handles(key: &str, of_parts: bool) -> Option<&'static str> {
    let all = [
        ("clients", has(CLIENT.row(key), of_parts)),
        ("balancers", has(BALANCER.row(key), of_parts)),
        ("retries", has(RETRY.row(key), of_parts)),
        ("breakers", has(BREAKER.row(key), of_parts)),
        ("providers", has(PROVIDER.row(key), of_parts)),
    ];
    all.iter().find(|(_, has)| *has).map(|(handles, _)| *handles)
}

fn has<C>(row: Option<&Row<C>>, of_parts: bool) -> bool {
    row.is_some_and(|row| of_parts || !row.of_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_of_a_part_is_not_the_handles_own() {
        assert_eq!(handles_with("breaker_open_base"), Some("balancers"));
        assert_eq!(handles_with_own("breaker_open_base"), None);
        assert_eq!(handles_with_own("open_base"), Some("breakers"));
        assert_eq!(handles_with("tries"), Some("retries"));
        assert_eq!(handles_with("nonesuch"), None);
    }
}
