//! What ahoy_client_builder_set knows.

use std::num::NonZeroUsize;

use super::ConfigOption;
use super::values::{boolean, count, duration, number, positive, ratio, real, size, unless_off};
use crate::config::{BudgetChoice, ClientConfig, Commit, Http2};
use crate::policy::{
    BudgetConfig, Factor, GradientConfig, HedgeDelay, LimitConfig, ThrottleConfig, TraceStart,
};
use crate::request::header_name;

/// Every option of a client, sorted by key.
pub const CLIENT: &[ConfigOption<ClientConfig>] = &[
    ConfigOption {
        key: "adaptive_limit",
        description: "how many calls are in flight at once, by how fast answers come (Gradient2): two numbers such as 20-200, or off; default off",
        apply: |config, value| {
            config.limit = unless_off(value, range)?.map(gradient);
            Ok(())
        },
    },
    ConfigOption {
        key: "attempt_header",
        description: "the header that tells an attempt's number: a name, or off; default off",
        apply: |config, value| {
            config.attempt_header = unless_off(value, header)?;
            Ok(())
        },
    },
    ConfigOption {
        key: "attempt_timeout",
        description: "how long an attempt may take before its call looks elsewhere: a duration of at least 1ms, or forever; default follows the service",
        apply: |config, value| {
            config.attempt_timeout = Some(positive(duration(value)?)?);
            Ok(())
        },
    },
    ConfigOption {
        key: "attempt_timeout_hard",
        description: "cut an attempt that passes its limit, instead of letting it go on beside another: true or false; default false",
        apply: |config, value| {
            config.attempt_timeout_hard = boolean(value)?;
            Ok(())
        },
    },
    ConfigOption {
        key: "commit",
        description: "when a streamed answer is handed over: head or first_byte; default head",
        apply: |config, value| {
            config.commit = match value {
                "head" => Commit::Head,
                "first_byte" => Commit::FirstByte,
                _ => return Err("must be head or first_byte".to_owned()),
            };
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
        key: "deadline_header",
        description: "the header that tells the time left, and in which inbound requests do: a name, or off; default off",
        apply: |config, value| {
            config.deadline_header = unless_off(value, header)?;
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
        key: "expect_continue",
        description: "hold each body back until the server wants it (Expect: 100-continue), for at most 1s: true or false; default false",
        apply: |config, value| {
            config.expect_continue = boolean(value)?;
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
        key: "hedge",
        description: "when a slow attempt gets a copy at another endpoint: a duration, live (after the time in which all but hedge_max_extra of the last answers came), or off; default off",
        apply: |config, value| {
            config.hedge.delay = unless_off(value, hedge_delay)?;
            Ok(())
        },
    },
    ConfigOption {
        key: "hedge_max_extra",
        description: "the share of calls that may get a copy: a number from 0 to 1; default 0.05",
        apply: |config, value| {
            config.hedge.max_extra = ratio(value)?;
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
        key: "max_connection_age",
        description: "how long a connection is used, give or take a tenth, so that load follows changes of the endpoints, only with a balancer: a duration of at least 1ms, or forever; default 10m",
        apply: |config, value| {
            config.max_connection_age = positive(duration(value)?)?;
            Ok(())
        },
    },
    ConfigOption {
        key: "max_connections_per_endpoint",
        description: "how many connections to one endpoint each I/O thread has, used and unused, only with a balancer: a number from 1, or off; a call that finds none free waits for one within its connect limit; default 256. A blocking call has one at a time; over HTTP/2 there are at most 4",
        apply: |config, value| {
            let most = unless_off(value, count)?;
            config.max_connections_per_endpoint =
                most.and_then(|most| NonZeroUsize::new(most.get() as usize));
            Ok(())
        },
    },
    ConfigOption {
        key: "max_idle_per_endpoint",
        description: "how many unused connections to one endpoint each I/O thread, and each blocking caller, keeps: a number; default 256",
        apply: |config, value| {
            config.max_idle_per_endpoint = number(value)? as usize;
            Ok(())
        },
    },
    ConfigOption {
        key: "max_in_flight",
        description: "how many calls are in flight at once: a number from 1, or off; default off",
        apply: |config, value| {
            config.limit = unless_off(value, count)?.map(LimitConfig::Fixed);
            Ok(())
        },
    },
    ConfigOption {
        key: "no_proxy",
        description: "which hosts are reached without the proxy: names, addresses and networks separated by commas, or *; default none",
        apply: |config, value| {
            config.proxy.set_no_proxy(value);
            Ok(())
        },
    },
    ConfigOption {
        key: "profile",
        description: "many options at once: resilient, which hedges the slowest twentieth and limits calls in flight to 1024; default none",
        apply: |config, value| {
            match value {
                "resilient" => config.make_resilient(),
                _ => return Err("is not resilient".to_owned()),
            }
            Ok(())
        },
    },
    ConfigOption {
        key: "proxy",
        description: "the proxy for all calls, only without a balancer: http://, https:// or socks5h://, then user:password@ where it wants them, and host:port; or off; default off",
        apply: |config, value| config.proxy.set_proxy(value).map_err(str::to_owned),
    },
    ConfigOption {
        key: "proxy_from_environment",
        description: "take proxies from the environment when the client is built, where none is set: true or false; default false",
        apply: |config, value| {
            config.proxy.from_environment = boolean(value)?;
            Ok(())
        },
    },
    ConfigOption {
        key: "pushback_header",
        description: "the header by which an answer says whether a call may be repeated: a name, or off; default off",
        apply: |config, value| {
            config.pushback_header = unless_off(value, header)?;
            Ok(())
        },
    },
    ConfigOption {
        key: "queue_length",
        description: "how many calls may wait for room below the limit: a number; default 0",
        apply: |config, value| {
            config.shedding.queue_length = number(value)? as usize;
            Ok(())
        },
    },
    ConfigOption {
        key: "queue_wait",
        description: "how long a call waits for room at most: a duration; default 100ms",
        apply: |config, value| {
            config.shedding.queue_wait = duration(value)?;
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
        key: "retry_budget",
        description: "the share of calls that retries and hedges may add: a number from 0, or off; default 0.1",
        apply: |config, value| {
            config.budget = match unless_off(value, factor)? {
                None => BudgetChoice::Off,
                Some(ratio) => BudgetChoice::Set(BudgetConfig { ratio, ..budget(config) }),
            };
            Ok(())
        },
    },
    ConfigOption {
        key: "retry_budget_floor",
        description: "the retries a second that the budget allows in any case: a number; default 1",
        apply: |config, value| {
            let floor_per_second = number(value)?;
            config.budget = BudgetChoice::Set(BudgetConfig { floor_per_second, ..budget(config) });
            Ok(())
        },
    },
    ConfigOption {
        key: "throttle",
        description: "how many calls are sent for one that is accepted, while the service refuses most: a number from 1, or off; default off",
        apply: |config, value| {
            let k = unless_off(value, factor)?.map(at_least_one).transpose()?;
            config.throttle =
                k.map(|k| ThrottleConfig { k, ..config.throttle.unwrap_or_default() });
            Ok(())
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
    ConfigOption {
        key: "trace",
        description: "what is done with W3C traces: off, pass_on, start or start_sampled; default off",
        apply: |config, value| {
            config.trace = match value {
                "off" => None,
                "pass_on" => Some(TraceStart::Never),
                "start" => Some(TraceStart::Unsampled),
                "start_sampled" => Some(TraceStart::Sampled),
                _ => return Err("is none of off, pass_on, start and start_sampled".to_owned()),
            };
            Ok(())
        },
    },
    ConfigOption {
        key: "warm_up",
        description: "how many connections to each endpoint an I/O thread opens in the background for asynchronous calls when the client is built and when an endpoint joins, only with a balancer: a number up to 64, at most 256 at a time, over HTTP/2 one each; what fails is left to the calls and counts with no circuit; default 0",
        apply: |config, value| {
            config.warm_up = number(value)? as usize;
            if config.warm_up > 64 { Err("is above 64".to_owned()) } else { Ok(()) }
        },
    },
];

fn header(value: &str) -> Result<http::HeaderName, String> {
    header_name(value).map_err(|error| error.message().to_owned())
}

fn factor(value: &str) -> Result<Factor, String> {
    Factor::new(real(value)?).ok_or_else(|| "is negative".to_owned())
}

fn at_least_one(factor: Factor) -> Result<Factor, String> {
    if factor.value() >= 1.0 { Ok(factor) } else { Err("is below 1".to_owned()) }
}

fn hedge_delay(value: &str) -> Result<HedgeDelay, String> {
    match value {
        "live" => Ok(HedgeDelay::Live),
        _ => Ok(HedgeDelay::Fixed(positive(duration(value)?)?)),
    }
}

/// `20-200`: what the limit begins with and does not fall below, and what it does not exceed.
fn range(value: &str) -> Result<(u32, u32), String> {
    let (floor, ceiling) = value.split_once('-').ok_or("has no - between two numbers")?;
    let (floor, ceiling) = (count(floor)?.get(), count(ceiling)?.get());
    if floor <= ceiling { Ok((floor, ceiling)) } else { Err("falls".to_owned()) }
}

fn gradient((floor, ceiling): (u32, u32)) -> LimitConfig {
    LimitConfig::Gradient(GradientConfig { start: floor, floor, ceiling })
}

/// The budget as set so far.
fn budget(config: &ClientConfig) -> BudgetConfig {
    match config.budget {
        BudgetChoice::Set(budget) => budget,
        BudgetChoice::Default | BudgetChoice::Off => BudgetConfig::default(),
    }
}

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
    fn what_bounds_connections_is_understood() {
        let limited = after("max_connections_per_endpoint", "7").unwrap();
        assert_eq!(limited.max_connections_per_endpoint, NonZeroUsize::new(7));
        let unlimited = after("max_connections_per_endpoint", "off").unwrap();
        assert_eq!(unlimited.max_connections_per_endpoint, None);
        assert_eq!(after("max_idle_per_endpoint", "0").unwrap().max_idle_per_endpoint, 0);
        let ageless = after("max_connection_age", "forever").unwrap();
        assert_eq!(ageless.max_connection_age, Duration::MAX);
        assert_eq!(after("warm_up", "2").unwrap().warm_up, 2);
    }

    #[test]
    fn what_protects_a_service_is_understood() {
        assert!(after("retry_budget", "off").unwrap().retry_budget().is_none());
        let budget = after("retry_budget", "0.2").unwrap().retry_budget().unwrap();
        assert_eq!((budget.ratio.value(), budget.floor_per_second), (0.2, 1));
        assert_eq!(after("hedge", "live").unwrap().hedge.delay, Some(HedgeDelay::Live));
        let limit = after("adaptive_limit", "5-50").unwrap().limit;
        assert_eq!(limit, Some(gradient((5, 50))));
        assert!(after("profile", "resilient").unwrap().hedge.delay.is_some());
        assert_eq!(after("trace", "start").unwrap().trace, Some(TraceStart::Unsampled));
        assert!(after("deadline_header", "x-time-left").unwrap().passes_on());
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
            ("adaptive_limit", "200-20"),
            ("deadline_header", "a b"),
            ("hedge", "soon"),
            ("hedge_max_extra", "1.5"),
            ("max_in_flight", "0"),
            ("max_connections_per_endpoint", "0"),
            ("max_idle_per_endpoint", "-1"),
            ("max_connection_age", "0"),
            ("warm_up", "65"),
            ("profile", "fast"),
            ("retry_budget", "-0.1"),
            ("throttle", "0.5"),
            ("trace", "yes"),
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
