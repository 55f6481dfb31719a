//! What ahoy_client_builder_set knows.

use super::ConfigOption;
use super::values::{boolean, duration, number, positive, size};
use crate::config::{ClientConfig, Http2};

/// Every option of a client, sorted by key.
pub const CLIENT: &[ConfigOption<ClientConfig>] = &[
    ConfigOption {
        key: "attempt_timeout",
        description: "limit on one attempt: a duration of at least 1ms, or forever; default the lesser of 10s and its share of the time left",
        apply: |config, value| {
            config.attempt_timeout = Some(positive(duration(value)?)?);
            Ok(())
        },
    },
    ConfigOption {
        key: "connect_timeout",
        description: "limit on resolving, TCP and TLS together: a duration of at least 1ms, or forever; default the lesser of 3s and its share of the time left",
        apply: |config, value| {
            config.connect_timeout = Some(positive(duration(value)?)?);
            Ok(())
        },
    },
    ConfigOption {
        key: "endpoint_updates",
        description: "how often a call asks the provider again when no endpoint is left: a number; default 1",
        apply: |config, value| {
            config.endpoint_updates = number(value)?;
            Ok(())
        },
    },
    ConfigOption {
        key: "fail_on_status",
        description: "make answers of 4xx and 5xx errors: true or false; default false",
        apply: |config, value| {
            config.fail_on_status = boolean(value)?;
            Ok(())
        },
    },
    ConfigOption {
        key: "gzip",
        description: "ask for gzip and decode it: true or false; default true",
        apply: |config, value| {
            config.gzip = boolean(value)?;
            Ok(())
        },
    },
    ConfigOption {
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
    ConfigOption {
        key: "idle_timeout",
        description: "how long an unused connection is kept: a duration; default 60s",
        apply: |config, value| {
            config.idle_timeout = duration(value)?;
            Ok(())
        },
    },
    ConfigOption {
        key: "interruptible",
        description: "end blocking calls when a signal is caught: true or false; default false",
        apply: |config, value| {
            config.interruptible = boolean(value)?;
            Ok(())
        },
    },
    ConfigOption {
        key: "max_body",
        description: "bound on an answer's decoded body: a size such as 64MiB; default 64MiB",
        apply: |config, value| {
            config.max_body = size(value)?;
            Ok(())
        },
    },
    ConfigOption {
        key: "redirects",
        description: "how many redirects are followed, only without a balancer: a number up to 50; default 0",
        apply: |config, value| {
            config.redirects = number(value)?;
            if config.redirects > 50 { Err("is above 50".to_owned()) } else { Ok(()) }
        },
    },
    ConfigOption {
        key: "timeout",
        description: "limit on a whole call: a duration, or forever; default 30s",
        apply: |config, value| {
            config.timeout = duration(value)?;
            Ok(())
        },
    },
    ConfigOption {
        key: "tls_platform_roots",
        description: "trust the platform's certificates: true or false; default true",
        apply: |config, value| {
            config.tls.platform_roots = boolean(value)?;
            Ok(())
        },
    },
];

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::error::{Error, ErrorKind};
    use crate::options::set;

    fn after(key: &str, value: &str) -> Result<ClientConfig, Error> {
        let mut config = ClientConfig::default();
        set(CLIENT, &mut config, key, value)?;
        Ok(config)
    }

    #[test]
    fn values_are_understood() {
        assert_eq!(after("timeout", "250ms").unwrap().timeout, Duration::from_millis(250));
        assert_eq!(after("timeout", "3s").unwrap().timeout, Duration::from_secs(3));
        assert_eq!(after("timeout", "forever").unwrap().timeout, Duration::MAX);
        assert_eq!(after("max_body", "64 KiB").unwrap().max_body, 65_536);
        assert!(!after("gzip", "false").unwrap().gzip);
        assert_eq!(after("redirects", "5").unwrap().redirects, 5);
        assert_eq!(after("http2", "true").unwrap().http2, Http2::Alpn);
        assert_eq!(after("http2", "prior_knowledge").unwrap().http2, Http2::PriorKnowledge);
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
}
