//! The contestants, a row each: a balancer's constructor and settings by name, so that a new one needs no code.
//!
//! A row that this libahoy cannot do (no such function, no such option) is left out of the run, loudly.

use crate::api::Argument::{Count, Ratio, Text};
use crate::api::Setter;

/// A way to get the calls done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contestant {
    /// Short, for tables.
    pub(crate) name: &'static str,
    /// What it is, for the report.
    pub(crate) about: &'static str,
    /// What it stands for.
    pub(crate) family: Family,
    /// Which limits of a scenario it sets.
    pub(crate) limits: Limits,
    /// What stands between the library and the servers.
    pub(crate) proxy: Option<Proxy>,
    /// Another library altogether: libcurl, with a loop of so many tries over the hosts.
    pub(crate) curl: Option<u32>,
    /// The balancer's constructor; it takes a provider, and the path of probes where there is one. The first that the
    /// library has is taken.
    pub(crate) balancer: &'static [&'static str],
    /// Where the balancer asks endpoints for their load.
    pub(crate) probe_path: Option<&'static str>,
    /// Setters of the balancer.
    pub(crate) balancer_set: &'static [Setter],
    /// Setters of the breaker.
    pub(crate) breaker_set: &'static [Setter],
    /// Setters of the retry rules.
    pub(crate) retry_set: &'static [Setter],
    /// Setters of the client's builder.
    pub(crate) client_set: &'static [Setter],
    /// Options of the client, by name.
    pub(crate) options: &'static [(&'static str, &'static str)],
    /// The setter of a request's hash (request, u64, error), for balancers that go by one; each call then has a
    /// hash of its own, which is their best case.
    pub(crate) hash: Option<&'static str>,
    /// Its servers report their load.
    pub(crate) reports_load: bool,
    /// Takes part in the situations; the others are balancers that only differ where one of many is in trouble.
    pub(crate) in_situations: bool,
    /// Takes part where one of many is in trouble.
    pub(crate) among_many: bool,
    /// Part of quick runs.
    pub(crate) quick: bool,
}

/// Which limits a contestant sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limits {
    /// None but the call's, where it belongs to the scenario.
    Unset,
    /// The call's and the attempt's, also where the scenario has none.
    Both,
}

/// What a row stands for: the same rules for all of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// A client with nothing set, or one thing.
    Unset,
    /// A balancer alone: one try, no breaker.
    Raw,
    /// A balancer with the library's breaker and retries.
    Kept,
    /// All that the library has.
    Pack,
    /// What a user would write instead.
    Own,
    /// A proxy in front of the servers.
    Proxy,
}

impl Family {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Unset => "unset",
            Self::Raw => "raw",
            Self::Kept => "kept",
            Self::Pack => "pack",
            Self::Own => "own",
            Self::Proxy => "proxy",
        }
    }
}

/// Which proxy, and how it balances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proxy {
    /// HAProxy with the balance algorithm of that name.
    Haproxy(&'static str),
    /// nginx with the upstream method of that name; empty for round robin.
    Nginx(&'static str),
}

/// What the library recommends, and what that was before it had a name.
const RECOMMENDED: &[&str] = &["ahoy_balancer_new", P2C[0]];
const P2C: &[&str] = &["ahoy_balancer_p2c_new"];
const ROUND_ROBIN: &[&str] = &["ahoy_balancer_round_robin_new"];

/// All of them, in the report's order.
pub(crate) fn all() -> Vec<Contestant> {
    let mut rows = out_of_the_box();
    rows.extend(others());
    rows.extend(balancers());
    rows
}

/// A client with nothing set, or one thing.
fn out_of_the_box() -> Vec<Contestant> {
    let quick = |row: Contestant| Contestant { quick: true, ..row };
    vec![
        quick(unset("nothing", RECOMMENDED, "libahoy, nothing set: the recommended balancer")),
        quick(Contestant {
            balancer_set: &[Setter("ahoy_balancer_use_resilient_profile", &[])],
            client_set: &[Setter("ahoy_client_builder_use_resilient_profile", &[])],
            ..unset("profile", RECOMMENDED, "libahoy, use_resilient_profile on balancer and client")
        }),
        unset("nothing_rr", ROUND_ROBIN, "libahoy, round robin, nothing else set"),
        quick(Contestant {
            in_situations: true,
            ..kept("limited_rr", ROUND_ROBIN, "libahoy, round robin, both limits set")
        }),
        quick(Contestant {
            in_situations: true,
            ..kept("limited_p2c", P2C, "libahoy, p2c, both limits set")
        }),
        Contestant {
            client_set: &[HEDGE],
            among_many: false,
            ..unset("hedged_rr", ROUND_ROBIN, "libahoy, round robin, hedges of 5 %")
        },
    ]
}

/// What a user would write or run instead.
fn others() -> Vec<Contestant> {
    let quick = |row: Contestant| Contestant { quick: true, ..row };
    vec![
        Contestant {
            limits: Limits::Unset,
            among_many: false,
            ..curl("curl", 1, "libcurl, one try at the next host in turn")
        },
        quick(curl(
            "curl_loop",
            3,
            "libcurl with a loop: next host on error, timeout or 5xx, 3 tries (POST: on a failed connect only)",
        )),
        Contestant {
            family: Family::Own,
            quick: true,
            in_situations: true,
            client_set: NO_BUDGET,
            retry_set: &[
                Setter("ahoy_retry_set_tries", &[Count(4)]),
                Setter("ahoy_retry_set_delay_ms", &[Count(0)]),
                Setter("ahoy_retry_set_max_delay_ms", &[Count(0)]),
                Setter("ahoy_retry_set_retry_after_max_ms", &[Count(0)]),
            ],
            ..raw(
                "naive",
                ROUND_ROBIN,
                "a naive client: round robin, no breaker, up to 3 retries at once",
            )
        },
        proxied(
            "haproxy_rr",
            Proxy::Haproxy("roundrobin"),
            "HAProxy, roundrobin, 2 retries with redispatch (not of POST, nor of 429), checks each second, marks down at 5 errors",
        ),
        quick(proxied(
            "haproxy_lc",
            Proxy::Haproxy("leastconn"),
            "HAProxy, leastconn, the rest as haproxy_rr: 2 retries with redispatch (not of POST), checks each second",
        )),
        Contestant {
            in_situations: false,
            ..proxied(
                "nginx",
                Proxy::Nginx(""),
                "nginx, round robin, proxy_next_upstream with 3 tries, max_fails 1 in 10 s as by default",
            )
        },
        Contestant {
            in_situations: false,
            ..proxied(
                "nginx_lc",
                Proxy::Nginx("least_conn"),
                "nginx, least_conn, the rest as nginx",
            )
        },
    ]
}

/// The balancers, under the same rules each.
fn balancers() -> Vec<Contestant> {
    let (round_robin, p2c) = (ROUND_ROBIN, P2C);
    let random = &["ahoy_balancer_random_new"];
    let ring = &["ahoy_balancer_ring_hash_new"];
    vec![
        pack(
            "resilient",
            "p2c, 3 tries, hedges of 5 %, budget, slow start, panic threshold, deadline header",
        ),
        Contestant {
            client_set: RESILIENT_LIMITED,
            ..pack("adaptive", "resilient with an adaptive limit on calls in flight")
        },
        raw("rr_raw", round_robin, "round robin alone: one try, no breaker"),
        raw("random_raw", random, "random alone: one try, no breaker"),
        raw("p2c_raw", p2c, "p2c alone: one try, no breaker"),
        kept("rr_again", round_robin, "limited_rr once more: what differs is noise"),
        kept("random", random, "random, with breaker and retries at their defaults"),
        kept(
            "smooth",
            &["ahoy_balancer_smooth_weighted_new"],
            "smooth weighted round robin, with breaker and retries at their defaults; here all weights are one",
        ),
        kept(
            "least_req",
            &["ahoy_balancer_least_request_new"],
            "the fewest attempts in flight of two, with breaker and retries at their defaults",
        ),
        kept(
            "peak_ewma",
            &["ahoy_balancer_peak_ewma_new"],
            "Finagle's cost of three, with breaker and retries at their defaults",
        ),
        Contestant {
            reports_load: true,
            balancer_set: &[Setter(
                "ahoy_balancer_set_load_header",
                &[Text("endpoint-load-metrics")],
            )],
            ..kept(
                "reported",
                p2c,
                "libahoy's cost and what each answer reports of its server's load",
            )
        },
        Contestant {
            probe_path: Some("/load"),
            // Two cores carry all, so an answer in 3 ms, the default, would often be missed.
            balancer_set: &[Setter("ahoy_balancer_set_prequal_probes", &[Count(20), Count(64)])],
            ..kept(
                "prequal",
                &["ahoy_balancer_prequal_new"],
                "three probes a call beside the calls, with breaker and retries at their defaults; probes cost servers nothing here",
            )
        },
        hashed(
            "ring",
            ring,
            "a hash ring, with breaker and retries at their defaults; every call has a key of its own",
        ),
        hashed(
            "maglev",
            &["ahoy_balancer_maglev_new"],
            "a Maglev table, with breaker and retries at their defaults; every call has a key of its own",
        ),
        hashed(
            "rendezvous",
            &["ahoy_balancer_rendezvous_new"],
            "the highest of all hashes, with breaker and retries at their defaults; every call has a key of its own",
        ),
        Contestant {
            balancer_set: &[Setter("ahoy_balancer_set_bounded_load", &[Ratio(1.25)])],
            ..hashed("bounded", ring, "the ring, no endpoint above 1.25 times its share in flight")
        },
    ]
}

/// A balancer without help. A breaker cannot be left out: this one never opens on answers, and after a failed
/// connect for a millisecond only.
const fn raw(
    name: &'static str,
    balancer: &'static [&'static str],
    about: &'static str,
) -> Contestant {
    Contestant {
        name,
        about,
        family: Family::Raw,
        limits: Limits::Both,
        proxy: None,
        curl: None,
        balancer,
        probe_path: None,
        balancer_set: &[],
        breaker_set: &[
            Setter("ahoy_breaker_disable_consecutive_failures", &[]),
            Setter("ahoy_breaker_disable_failure_ratio", &[]),
            Setter("ahoy_breaker_set_open_ms", &[Count(1), Count(1)]),
            Setter("ahoy_breaker_set_connect_open_max_ms", &[Count(1)]),
        ],
        retry_set: &[Setter("ahoy_retry_set_tries", &[Count(1)])],
        client_set: &[],
        options: &[],
        hash: None,
        reports_load: false,
        in_situations: false,
        among_many: true,
        quick: false,
    }
}

/// A balancer of which nothing is set.
const fn unset(
    name: &'static str,
    balancer: &'static [&'static str],
    about: &'static str,
) -> Contestant {
    Contestant {
        family: Family::Unset,
        limits: Limits::Unset,
        breaker_set: &[],
        retry_set: &[],
        in_situations: true,
        ..raw(name, balancer, about)
    }
}

/// libcurl with a loop over the hosts.
const fn curl(name: &'static str, tries: u32, about: &'static str) -> Contestant {
    Contestant {
        family: Family::Own,
        curl: Some(tries),
        in_situations: true,
        ..raw(name, ROUND_ROBIN, about)
    }
}

/// A balancer with the defaults of everything else.
const fn kept(
    name: &'static str,
    balancer: &'static [&'static str],
    about: &'static str,
) -> Contestant {
    Contestant {
        family: Family::Kept,
        breaker_set: &[],
        retry_set: &[Setter("ahoy_retry_set_tries", &[Count(3)])],
        ..raw(name, balancer, about)
    }
}

/// A balancer that goes by a call's key.
const fn hashed(
    name: &'static str,
    balancer: &'static [&'static str],
    about: &'static str,
) -> Contestant {
    Contestant { hash: Some("ahoy_request_set_hash"), ..kept(name, balancer, about) }
}

/// The recommended whole.
const fn pack(name: &'static str, about: &'static str) -> Contestant {
    Contestant {
        family: Family::Pack,
        balancer_set: &[
            Setter("ahoy_balancer_set_slow_start", &[Count(2_000), Ratio(0.1), Ratio(1.0)]),
            Setter("ahoy_balancer_set_panic_threshold", &[Ratio(0.5)]),
        ],
        client_set: RESILIENT,
        ..kept(name, P2C, about)
    }
}

const NO_BUDGET: &[Setter] = &[Setter("ahoy_client_builder_disable_retry_budget", &[])];
/// The budget is the default one.
const HEDGE: Setter = Setter("ahoy_client_builder_set_hedge", &[Ratio(0.05)]);
const DEADLINE: Setter =
    Setter("ahoy_client_builder_set_deadline_header", &[Text("X-Request-Timeout-Ms")]);
const LIMIT: Setter =
    Setter("ahoy_client_builder_set_adaptive_limit", &[Count(20), Count(20), Count(200)]);
const RESILIENT: &[Setter] = &[HEDGE, DEADLINE];
const RESILIENT_LIMITED: &[Setter] = &[HEDGE, DEADLINE, LIMIT];

/// libahoy as a plain client of one proxy.
const fn proxied(name: &'static str, proxy: Proxy, about: &'static str) -> Contestant {
    Contestant {
        family: Family::Proxy,
        proxy: Some(proxy),
        in_situations: true,
        ..raw(name, ROUND_ROBIN, about)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_a_name_of_its_own_that_a_file_can_have() {
        let mut names: Vec<_> = all().iter().map(|row| row.name).collect();
        assert!(names.iter().all(|n| n.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')));
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn the_columns_begin_with_what_sets_nothing() {
        let names: Vec<_> = all().iter().take(2).map(|row| row.name).collect();
        assert_eq!(names, ["nothing", "profile"]);
        let (nothing, set) = (&all()[0], [all()[0].balancer_set, all()[0].client_set]);
        assert!(set.iter().all(|setters| setters.is_empty()));
        assert!(nothing.breaker_set.is_empty() && nothing.retry_set.is_empty());
        assert_eq!(nothing.limits, Limits::Unset);
    }

    #[test]
    fn setters_are_named_as_the_header_names_them() {
        let rows = all();
        let each =
            rows.iter().flat_map(|r| [r.balancer_set, r.breaker_set, r.retry_set, r.client_set]);
        for Setter(name, _) in each.flatten() {
            assert!(name.starts_with("ahoy_"), "{name}");
        }
    }
}
