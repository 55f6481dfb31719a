//! Client options by name, for hosts that configure from text: one table is the truth.

use std::num::NonZeroUsize;
use std::time::Duration;

use crate::config::{ClientConfig, Http2};
use crate::error::{Error, ErrorKind};

/// One option.
#[derive(Debug)]
pub struct ClientOption {
    /// Its name, such as `attempt_timeout`.
    pub key: &'static str,
    /// What it does, its form and its default.
    pub description: &'static str,
    apply: fn(&mut ClientConfig, &str) -> Result<(), String>,
}

/// Every option, sorted by key.
pub const OPTIONS: &[ClientOption] = &[
    ClientOption {
        key: "attempt_timeout",
        description: "limit on one attempt: a duration of at least 1ms, or forever; default the lesser of 10s and its share of the time left",
        apply: |config, value| {
            config.attempt_timeout = Some(positive(duration(value)?)?);
            Ok(())
        },
    },
    ClientOption {
        key: "connect_timeout",
        description: "limit on resolving, TCP and TLS together: a duration of at least 1ms, or forever; default the lesser of 3s and its share of the time left",
        apply: |config, value| {
            config.connect_timeout = Some(positive(duration(value)?)?);
            Ok(())
        },
    },
    ClientOption {
        key: "endpoint_updates",
        description: "how often a call asks the provider again when no endpoint is left: a number; default 1",
        apply: |config, value| {
            config.endpoint_updates = number(value)?;
            Ok(())
        },
    },
    ClientOption {
        key: "fail_on_status",
        description: "make answers of 4xx and 5xx errors: true or false; default false",
        apply: |config, value| {
            config.fail_on_status = boolean(value)?;
            Ok(())
        },
    },
    ClientOption {
        key: "gzip",
        description: "ask for gzip and decode it: true or false; default true",
        apply: |config, value| {
            config.gzip = boolean(value)?;
            Ok(())
        },
    },
    ClientOption {
        key: "http2",
        description: "speak HTTP/2, only with a balancer: false, true (where TLS agrees on it, otherwise HTTP/1.1) or prior_knowledge (always, also without TLS); default false",
        apply: |config, value| {
            config.http2 = match value {
                "false" => Http2::Off,
                "true" => Http2::Alpn,
                "prior_knowledge" => Http2::PriorKnowledge,
                _ => return Err("is neither false nor true nor prior_knowledge".to_owned()),
            };
            Ok(())
        },
    },
    ClientOption {
        key: "idle_timeout",
        description: "how long an unused connection is kept: a duration; default 60s",
        apply: |config, value| {
            config.idle_timeout = duration(value)?;
            Ok(())
        },
    },
    ClientOption {
        key: "interruptible",
        description: "end blocking calls when a signal is caught: true or false; default false",
        apply: |config, value| {
            config.interruptible = boolean(value)?;
            Ok(())
        },
    },
    ClientOption {
        key: "max_body",
        description: "bound on an answer's decoded body: a size such as 64MiB; default 64MiB",
        apply: |config, value| {
            config.max_body = size(value)?;
            Ok(())
        },
    },
    ClientOption {
        key: "max_connection_age",
        description: "how long a connection is used, give or take a tenth, so that load follows changes of the endpoints: a duration of at least 1ms, or forever; default 10m; only with a balancer",
        apply: |config, value| {
            config.max_connection_age = positive(duration(value)?)?;
            Ok(())
        },
    },
    ClientOption {
        key: "max_connections_per_endpoint",
        description: "how many connections to one endpoint each I/O thread has, used and unused: a number from 1, or unlimited; a call that finds none free waits for one within its connect limit; default 256; only with a balancer. A blocking call has one connection at a time; over HTTP/2 there are at most 4",
        apply: |config, value| {
            config.max_connections_per_endpoint = match value {
                "unlimited" => None,
                _ => {
                    Some(NonZeroUsize::new(number(value)? as usize).ok_or("is 0; the least is 1")?)
                }
            };
            Ok(())
        },
    },
    ClientOption {
        key: "max_idle_per_endpoint",
        description: "how many unused connections to one endpoint each I/O thread, and each blocking caller, keeps: a number; default 256",
        apply: |config, value| {
            config.max_idle_per_endpoint = number(value)? as usize;
            Ok(())
        },
    },
    ClientOption {
        key: "redirects",
        description: "how many redirects are followed, only without a balancer: a number up to 50; default 0",
        apply: |config, value| {
            config.redirects = number(value)?;
            if config.redirects > 50 { Err("is above 50".to_owned()) } else { Ok(()) }
        },
    },
    ClientOption {
        key: "timeout",
        description: "limit on a whole call: a duration, or forever; default 30s",
        apply: |config, value| {
            config.timeout = duration(value)?;
            Ok(())
        },
    },
    ClientOption {
        key: "tls_platform_roots",
        description: "trust the platform's certificates: true or false; default true",
        apply: |config, value| {
            config.tls.platform_roots = boolean(value)?;
            Ok(())
        },
    },
    ClientOption {
        key: "warm_up",
        description: "how many connections to each endpoint an I/O thread opens in the background when the client is built and when an endpoint joins, for asynchronous calls: a number up to 64; at most 256 at a time; over HTTP/2 one each; what fails is left to the calls and counts with no circuit; default 0; only with a balancer",
        apply: |config, value| {
            config.warm_up = number(value)? as usize;
            if config.warm_up > 64 { Err("is above 64".to_owned()) } else { Ok(()) }
        },
    },
];

/// Sets an option from text.
///
/// # Errors
/// No option has that name (the message names the nearest), or the value has not its form.
pub fn set(config: &mut ClientConfig, key: &str, value: &str) -> Result<(), Error> {
    let Some(option) = OPTIONS.iter().find(|option| option.key == key) else {
        let nearest = OPTIONS.iter().min_by_key(|option| distance(option.key, key));
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

fn duration(value: &str) -> Result<Duration, String> {
    if value == "forever" {
        return Ok(Duration::MAX);
    }
    let (count, unit) = quantity(value)?;
    let milliseconds = match unit {
        "ms" | "" => Some(count),
        "s" => count.checked_mul(1_000),
        "m" => count.checked_mul(60_000),
        "h" => count.checked_mul(3_600_000),
        _ => return Err("has a unit other than ms, s, m and h".to_owned()),
    };
    milliseconds.map(Duration::from_millis).ok_or_else(|| "is too large".to_owned())
}

fn positive(duration: Duration) -> Result<Duration, String> {
    if duration.is_zero() { Err("is 0; the least is 1ms".to_owned()) } else { Ok(duration) }
}

fn size(value: &str) -> Result<usize, String> {
    let (count, unit) = quantity(value)?;
    let factor = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err("has a unit other than B, KiB, MiB and GiB".to_owned()),
    };
    let bytes = count.checked_mul(factor).and_then(|bytes| usize::try_from(bytes).ok());
    bytes.ok_or_else(|| "is too large".to_owned())
}

fn quantity(value: &str) -> Result<(u64, &str), String> {
    let digits = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
    let (count, unit) = value.split_at(digits);
    let count = count.parse().map_err(|_| "does not start with a whole number".to_owned())?;
    Ok((count, unit.trim()))
}

fn number(value: &str) -> Result<u32, String> {
    value.parse().map_err(|_| "is no whole number from 0".to_owned())
}

fn boolean(value: &str) -> Result<bool, String> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("is neither true nor false".to_owned()),
    }
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

    fn after(key: &str, value: &str) -> Result<ClientConfig, Error> {
        let mut config = ClientConfig::default();
        set(&mut config, key, value)?;
        Ok(config)
    }

    #[test]
    fn units_are_understood() {
        assert_eq!(after("timeout", "250ms").unwrap().timeout, Duration::from_millis(250));
        assert_eq!(after("timeout", "3s").unwrap().timeout, Duration::from_secs(3));
        assert_eq!(after("timeout", "forever").unwrap().timeout, Duration::MAX);
        assert_eq!(after("max_body", "64 KiB").unwrap().max_body, 65_536);
        assert!(!after("gzip", "false").unwrap().gzip);
        assert_eq!(after("redirects", "5").unwrap().redirects, 5);
        assert_eq!(after("http2", "true").unwrap().http2, Http2::Alpn);
        assert_eq!(after("http2", "prior_knowledge").unwrap().http2, Http2::PriorKnowledge);
        let connections = after("max_connections_per_endpoint", "7").unwrap();
        assert_eq!(connections.max_connections_per_endpoint, NonZeroUsize::new(7));
        let connections = after("max_connections_per_endpoint", "unlimited").unwrap();
        assert_eq!(connections.max_connections_per_endpoint, None);
        assert_eq!(after("max_idle_per_endpoint", "0").unwrap().max_idle_per_endpoint, 0);
        assert_eq!(
            after("max_connection_age", "forever").unwrap().max_connection_age,
            Duration::MAX
        );
        assert_eq!(after("warm_up", "2").unwrap().warm_up, 2);
        assert_eq!(after("http2", "false").unwrap().http2, Http2::Off);
    }

    #[test]
    fn nonsense_is_refused_and_named() {
        for (key, value) in [
            ("timeout", "soon"),
            ("timeout", "-1"),
            ("timeout", "99999999999999999h"),
            ("attempt_timeout", "0"),
            ("max_body", "1TB"),
            ("gzip", "yes"),
            ("http2", "h2c"),
            ("redirects", "51"),
            ("max_connections_per_endpoint", "0"),
            ("max_idle_per_endpoint", "-1"),
            ("max_connection_age", "0"),
            ("warm_up", "65"),
            ("endpoint_updates", "1.5"),
        ] {
            let error = after(key, value).unwrap_err();
            assert!(error.message().contains(key), "{}", error.message());
        }
    }

    #[test]
    fn an_unknown_key_names_the_nearest() {
        let error = after("atempt_timout", "1s").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnknownOption);
        assert!(error.message().ends_with("attempt_timeout"), "{}", error.message());
    }

    #[test]
    fn the_table_is_sorted_and_each_key_stands_once() {
        assert!(OPTIONS.windows(2).all(|pair| pair[0].key < pair[1].key));
    }
}
