//! What resolv.conf(5) says. Pure.
//!
//! It is read as the C library reads it: what cannot be understood is passed over, for a line of somebody's VPN must not
//! end all resolution, and a file that names no server means the one on this host.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use hickory_resolver::proto::rr::Name;

use crate::transport::dns::settings::Settings;

/// What `content` says; `own_domain` is searched where it names no domain.
pub(super) fn settings(content: &[u8], own_domain: impl FnOnce() -> Option<Name>) -> Settings {
    let mut settings = Settings { edns0: false, ..Settings::at(&[], TIMEOUT) };
    (settings.attempts, settings.search.ndots) = (ATTEMPTS, NDOTS);
    let mut domains = None;
    let content = String::from_utf8_lossy(content);
    for line in content.lines() {
        let mut words = words(line);
        match words.next() {
            Some("nameserver") => settings.servers.extend(words.next().and_then(server)),
            // The last line counts.
            Some("search") => domains = some(words).or(domains),
            Some("domain") => domains = some(words.take(1)).or(domains),
            Some("options") => words.for_each(|option| take(&mut settings, option)),
            _ => {}
        }
    }
    if settings.servers.is_empty() {
        settings.servers.push(SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)));
    }
    settings.search.domains = match domains {
        Some(domains) => domains.into_iter().filter_map(domain).collect(),
        None => own_domain().into_iter().collect(),
    };
    settings
}

/// Those of a line that is none of comment.
fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split_ascii_whitespace().take_while(|word| !word.starts_with(['#', ';']))
}

fn some<'a>(words: impl Iterator<Item = &'a str>) -> Option<Vec<&'a str>> {
    let words: Vec<_> = words.collect();
    (!words.is_empty()).then_some(words)
}

/// A scope, which only a link-local address needs, is left out.
fn server(word: &str) -> Option<SocketAddr> {
    let address: IpAddr = word.split('%').next()?.parse().ok()?;
    Some(SocketAddr::new(address, PORT))
}

/// The root adds nothing to a name, which is looked for by itself anyway.
fn domain(word: &str) -> Option<Name> {
    let mut domain = Name::from_str_relaxed(word).ok().filter(|domain| !domain.is_root())?;
    domain.set_fqdn(true);
    Some(domain)
}

fn take(settings: &mut Settings, option: &str) {
    let (name, value) = option.split_once(':').unwrap_or((option, ""));
    let number = value.parse::<usize>().ok();
    match (name, number) {
        ("ndots", Some(ndots)) => settings.search.ndots = ndots.min(MOST_DOTS),
        ("timeout", Some(seconds)) => {
            settings.timeout = Duration::from_secs(seconds.clamp(1, LONGEST_TIMEOUT) as u64);
        }
        ("attempts", Some(attempts)) => settings.attempts = attempts.clamp(1, MOST_ATTEMPTS),
        ("edns0", None) => settings.edns0 = true,
        ("rotate", None) => settings.rotates = true,
        ("use-vc" | "usevc" | "tcp", None) => settings.over_tcp = true,
        ("no-aaaa", None) => settings.no_aaaa = true,
        // The rest is about what is done here anyway, such as a socket for each question, or about DNSSEC.
        _ => {}
    }
}

const PORT: u16 = 53;

/// The C library's defaults and bounds.
const TIMEOUT: Duration = Duration::from_secs(5);
const LONGEST_TIMEOUT: usize = 30;
const ATTEMPTS: usize = 2;
const MOST_ATTEMPTS: usize = 5;
const NDOTS: usize = 1;
const MOST_DOTS: usize = 15;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &str) -> Settings {
        settings(content.as_bytes(), || Name::from_str_relaxed("own.test.").ok())
    }

    fn servers(content: &str) -> Vec<String> {
        read(content).servers.iter().map(|server| server.ip().to_string()).collect()
    }

    fn domains(content: &str) -> Vec<String> {
        read(content).search.domains.iter().map(Name::to_utf8).collect()
    }

    #[test]
    fn servers_are_those_that_are_addresses_in_their_order() {
        let content = "# nameserver 10.0.0.1\nnameserver 10.0.0.2 # first\nnameserver bogus\n;\n\
                       nameserver\nnameserver\tfe80::1%eth0\r\n  nameserver ::1\nnameserver \n";
        assert_eq!(servers(content), ["10.0.0.2", "fe80::1", "::1"]);
    }

    #[test]
    fn a_file_without_a_server_means_the_one_on_this_host() {
        for content in ["", "\n", "search a.test\n", "nameserver bogus\n", "\0\u{fffd}"] {
            assert_eq!(servers(content), ["127.0.0.1"], "{content:?}");
        }
    }

    #[test]
    fn domains_that_are_none_are_passed_over_and_the_last_line_counts() {
        assert_eq!(domains("search corp..local ok.test\n"), ["ok.test."]);
        assert_eq!(domains("search a.test b.test. -- .\n"), ["a.test.", "b.test."]);
        assert_eq!(domains("domain bad..name\n"), [] as [&str; 0]);
        assert_eq!(domains("search a.test\ndomain b.test c.test\nsearch\n"), ["b.test."]);
        assert_eq!(domains("nameserver ::1\n"), ["own.test."]);
    }

    #[test]
    fn options_are_followed_within_the_bounds_of_the_c_library_and_others_passed_over() {
        let plain =
            read("options\noptions ndots:x timeout: attempts trust-ad single-request inet6 y:1");
        assert_eq!((plain.search.ndots, plain.attempts, plain.timeout), (NDOTS, ATTEMPTS, TIMEOUT));
        assert!(!(plain.edns0 || plain.rotates || plain.over_tcp || plain.no_aaaa));
        let set = read("options ndots:5 timeout:2 attempts:3 edns0 rotate\noptions use-vc no-aaaa");
        assert_eq!((set.search.ndots, set.attempts), (5, 3));
        assert_eq!(set.timeout, Duration::from_secs(2));
        assert!(set.edns0 && set.rotates && set.over_tcp && set.no_aaaa);
        let far = read("options ndots:99 timeout:99 attempts:99");
        assert_eq!((far.search.ndots, far.attempts), (MOST_DOTS, MOST_ATTEMPTS));
        assert_eq!(far.timeout, Duration::from_secs(30));
        let none = read("options timeout:0 attempts:0");
        assert_eq!((none.timeout, none.attempts), (Duration::from_secs(1), 1));
    }
}
