//! Which hosts are reached without a proxy, as curl reads `NO_PROXY`: names with all below them, addresses and networks,
//! or `*`, separated by commas or blanks.

use std::net::IpAddr;

use crate::endpoint::without_brackets;

/// Looks whether each entry can be meant.
///
/// # Errors
/// Names the first that cannot.
pub(super) fn parse(no_proxy: &str) -> Result<(), String> {
    entries(no_proxy).try_for_each(|entry| match entry {
        _ if bare(entry).is_empty() => Err(format!("{entry} is no name, address or network")),
        _ if entry == "*" || is_address(entry) || is_network(entry) || is_name(entry) => Ok(()),
        _ if entry.contains(':') && !entry.contains('/') => {
            Err(format!("{entry} has a port; a host is left out with all of its ports"))
        }
        _ => Err(format!("{entry} is no name, address or network")),
    })
}

/// The hosts as the matcher reads them: its `*` stands for names alone, and its addresses have no brackets.
#[cfg(feature = "proxy")]
pub(super) fn rules(no_proxy: &str) -> String {
    let rule = |entry: &str| match entry {
        "*" => "*,0.0.0.0/0,::/0".to_owned(),
        entry => bare(entry).to_owned(),
    };
    entries(no_proxy).map(rule).collect::<Vec<_>>().join(",")
}

fn entries(no_proxy: &str) -> impl Iterator<Item = &str> {
    no_proxy.split([',', ' ', '\t']).filter(|entry| !entry.is_empty())
}

/// An address without its brackets, and a name without the `*` before its first dot and a dot at its end.
fn bare(entry: &str) -> &str {
    let entry = entry.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(entry);
    let entry = entry.strip_suffix('.').unwrap_or(entry);
    without_brackets(entry).unwrap_or(entry)
}

fn is_address(entry: &str) -> bool {
    bare(entry).parse::<IpAddr>().is_ok()
}

fn is_network(entry: &str) -> bool {
    let Some((address, length)) = entry.split_once('/') else { return false };
    let most = match address.parse() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    length.parse::<u8>().is_ok_and(|length| length <= most)
}

fn is_name(entry: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    bare(entry).bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_meant_is_named() {
        for well in ["", "*", "a.example, .b *.c", "10.0.0.0/8,fd00::/8", "::1,[::1] 127.0.0.1"] {
            assert_eq!(parse(well), Ok(()), "{well}");
        }
        for (bad, problem) in [
            ("a, b:8080", "b:8080 has a port"),
            ("10.0.0.0/33", "10.0.0.0/33 is no name"),
            ("a.example/x", "a.example/x is no name"),
            ("http://a", "http://a is no name"),
            ("a;b", "a;b is no name"),
            ("[::1]:80", "[::1]:80 has a port"),
            (".", ". is no name"),
            ("a *.", "*. is no name"),
        ] {
            assert!(parse(bad).unwrap_err().starts_with(problem), "{bad}: {:?}", parse(bad));
        }
    }
}
