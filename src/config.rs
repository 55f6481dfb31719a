//! The configuration of clients and balancers, checked as a whole when they are built.

pub(crate) mod algorithm;
mod balancer;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::error::{Error, ErrorKind};
use crate::policy::{
    BudgetConfig, FaultConfig, HedgeConfig, HedgeDelay, LimitConfig, RetryConfig, SheddingConfig,
    StatusSet, ThrottleConfig, TraceStart,
};
use crate::request;
use crate::transport::{ProxyConfig, SocketOptions, TlsConfig};

pub use crate::transport::{NameConfig, NameService};

pub use algorithm::{Algorithm, PrequalProbing};
pub(crate) use algorithm::{MOST_PROBE_ANSWERS, MOST_PROBES_AT_ONCE, MOST_PROBES_PER_CALL};
pub use balancer::{BalancerConfig, HealthCheck, KeySource, SettingError, Subset, Zone};

/// How long an attempt may take whose limit is hard, where none is set: long for an answer, short beside the call's 30 s.
pub const DEFAULT_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a streamed body's next piece may take, where no limit is set: senders of events are advised to send a comment
/// every 15 s (HTML, 9.2.7), and nginx waits as long. A body that has stalled still ends.
pub const DEFAULT_PIECE_TIMEOUT: Duration = Duration::from_secs(60);

/// A connect limit where none is set: two lost SYNs at the kernel's 1 s and 2 s; gRPC's and Envoy's
/// lie on both sides.
pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a call waits at most for an endpoint that will be probed, while none takes calls, where it was told nothing:
/// longer than a process takes to restart and to listen again, and so short that a call to a service that is down fails
/// hardly later. A loop of three tries with waits of 25 and 50 ms between them outlasts a third of it.
pub const WAIT_FOR_PROBE: Duration = Duration::from_millis(250);

/// The configuration of a client.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// What its statistics are told apart by; `None` for nothing.
    pub name: Option<Arc<str>>,
    /// Sent with every request unless the request has the same name.
    pub headers: HeaderMap,
    /// Names of inbound headers that are passed on.
    pub forward_headers: Vec<HeaderName>,
    /// Names of inbound cookies that are passed on.
    pub forward_cookies: Vec<String>,
    /// When and how often to try again.
    pub retry: Arc<RetryConfig>,
    /// Limit on a whole call, its attempts, waits and connects included; [`Duration::MAX`] for
    /// none.
    pub timeout: Duration,
    /// How long an attempt may take before its call looks elsewhere; `None` for a limit that
    /// follows the service.
    pub attempt_timeout: Option<Duration>,
    /// An attempt that passes its limit is cut, instead of going on beside another.
    pub attempt_timeout_hard: bool,
    /// When a streamed answer is handed over, after which no other attempt is made.
    pub commit: Commit,
    /// Limit on resolving, TCP and TLS together; `None` for the lesser of 3 s and the attempt's
    /// share of the time left, and for 1.25 s at least where half of that time is as much.
    pub connect_timeout: Option<Duration>,
    /// How long the body of an answer may bring no bytes before its attempt ends; `None` for no
    /// such limit.
    pub body_idle_timeout: Option<Duration>,
    /// How often a call asks the provider again when no endpoint is left.
    pub endpoint_updates: u32,
    /// How long a call waits for an endpoint while none takes calls, from the beginning of that outage on; `None` for
    /// [`WAIT_FOR_PROBE`].
    pub wait_for_ready: Option<Duration>,
    /// Bound on the decoded body of an answer, in bytes.
    pub max_body: usize,
    /// Ask for compressed answers and decode them.
    pub gzip: bool,
    /// How many redirects are followed; only for clients without a balancer.
    pub redirects: u32,
    /// Which proxies calls go through; only for clients without a balancer.
    pub proxy: ProxyConfig,
    /// Whether a body waits up to a second for the server's consent, `Expect: 100-continue`.
    pub expect_continue: bool,
    /// Make an answer of 4xx or 5xx an error.
    pub fail_on_status: bool,
    /// Statuses by which an endpoint has failed; `None` for every 5xx but 501.
    pub failure_statuses: Option<StatusSet>,
    /// End a blocking call when a signal is caught that the host's `should_stop` does not overrule.
    pub interruptible: bool,
    /// How long a connection may stay unused before it is closed.
    pub idle_timeout: Duration,
    /// How many unused connections to one endpoint each shard and I/O thread keeps.
    pub max_idle_per_endpoint: usize,
    /// How many connections to one endpoint each I/O thread has, used and unused; `None` for no
    /// limit. A blocking call uses one connection at a time, of a shard of its own.
    pub max_connections_per_endpoint: Option<NonZeroUsize>,
    /// How long a connection is used, ±10 %; [`Duration::MAX`] for as long as it stands.
    pub max_connection_age: Duration,
    /// How many connections to each endpoint an I/O thread opens before a call needs them; only for
    /// clients with a balancer.
    pub warm_up: usize,
    /// Whether HTTP/2 is spoken; only for clients with a balancer.
    pub http2: Http2,
    /// How names are resolved.
    pub names: NameConfig,
    /// What its sockets are told, and which names have addresses of the client's own.
    pub sockets: SocketOptions,
    /// Trust in certificates, and the client's own.
    pub tls: TlsConfig,
    /// Where what `tls` has was read from.
    pub tls_files: TlsFiles,
    /// The limit on the extra attempts of retries and hedges.
    pub budget: BudgetChoice,
    /// When a slow attempt is hedged.
    pub hedge: HedgeConfig,
    /// How many calls may be in flight; `None` for any number.
    pub limit: Option<LimitConfig>,
    /// Which calls are refused first at the limit, and how many may wait.
    pub shedding: SheddingConfig,
    /// When the client refuses calls because the service refuses most; `None` for never.
    pub throttle: Option<ThrottleConfig>,
    /// The header that carries the time left, of attempts and of inbound requests; `None` for none.
    pub deadline_header: Option<HeaderName>,
    /// The header that carries an attempt's number, from 1; `None` for none.
    pub attempt_header: Option<HeaderName>,
    /// The header by which a server says whether and when to repeat a call; `None` for none.
    pub pushback_header: Option<HeaderName>,
    /// Faults on demand.
    pub faults: FaultConfig,
    /// The header without which a request suffers none; `None` where all may.
    pub fault_header: Option<HeaderName>,
    /// What the faults are drawn from; `None` for other ones each time.
    pub fault_seed: Option<u32>,
    /// How W3C traces are passed on, and whether one is started; `None` for not at all.
    pub trace: Option<TraceStart>,
}

/// The names of the files that certificates and keys were read from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Of each entry of trusted certificates; `None` where it was given as bytes.
    pub roots: Vec<Option<String>>,
    /// Of the client's own certificate and of its key; `None` where they were given as bytes.
    pub identity: Option<(String, String)>,
}

/// When a streamed answer is handed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Commit {
    /// With its head.
    #[default]
    Head,
    /// With the first byte of its body: a server that sends a head and then hangs costs no call.
    FirstByte,
}

/// When HTTP/2 is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Http2 {
    /// Never.
    #[default]
    Off,
    /// Where TLS agrees on it (ALPN); HTTP/1.1 otherwise.
    Alpn,
    /// Always, also without TLS: every endpoint is known to speak it.
    PriorKnowledge,
}

/// The limit on the extra attempts of retries and hedges.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum BudgetChoice {
    /// The default budget; none if the tries are unlimited.
    #[default]
    Default,
    /// This budget.
    Set(BudgetConfig),
    /// No budget: only the other rules limit them.
    Off,
}

impl Default for ClientConfig {
    fn default() -> Self {
        let agent = HeaderValue::from_static(concat!("ahoy/", env!("CARGO_PKG_VERSION")));
        Self {
            name: None,
            headers: HeaderMap::from_iter([(header::USER_AGENT, agent)]),
            forward_headers: Vec::new(),
            forward_cookies: Vec::new(),
            retry: Arc::default(),
            timeout: Duration::from_secs(30),
            attempt_timeout: None,
            attempt_timeout_hard: false,
            commit: Commit::default(),
            connect_timeout: None,
            body_idle_timeout: None,
            endpoint_updates: 1,
            wait_for_ready: None,
            max_body: 64 << 20,
            gzip: true,
            redirects: 0,
            proxy: ProxyConfig::default(),
            expect_continue: false,
            fail_on_status: false,
            failure_statuses: None,
            interruptible: false,
            // Below what common servers and load balancers keep (60–75 s), so that the client closes first.
            idle_timeout: Duration::from_secs(60),
            // As many as there may be: what a steady load uses is not closed between two calls. At rest 256 of
            // them hold a quarter of a megabyte.
            max_idle_per_endpoint: 256,
            max_connections_per_endpoint: NonZeroUsize::new(256),
            // Long enough to make handshakes rare, short enough for a new server to get its share soon.
            max_connection_age: Duration::from_secs(600),
            warm_up: 0,
            http2: Http2::Off,
            names: NameConfig::default(),
            sockets: SocketOptions::default(),
            tls: TlsConfig::default(),
            tls_files: TlsFiles::default(),
            budget: BudgetChoice::default(),
            hedge: HedgeConfig::default(),
            limit: None,
            shedding: SheddingConfig::default(),
            throttle: None,
            deadline_header: None,
            attempt_header: None,
            pushback_header: None,
            faults: FaultConfig::default(),
            fault_header: None,
            fault_seed: None,
            trace: None,
        }
    }
}

impl ClientConfig {
    /// The profile `resilient`: hedges the slowest twentieth of calls, and limits the calls in
    /// flight. As many more wait for room, so that a burst on a service that is well loses no call. They wait for a second
    /// at most: beyond that the service has too much to do, and a call is better refused.
    pub fn make_resilient(&mut self) {
        self.hedge.delay.get_or_insert(HedgeDelay::Live);
        let brings_limit = self.limit.is_none();
        let limit = self.limit.get_or_insert_default();
        if brings_limit
            && self.shedding.queue_length == 0
            && let LimitConfig::Fixed(limit) = *limit
        {
            self.shedding.queue_length = limit.get() as usize;
            self.shedding.queue_wait = Duration::from_secs(1);
        }
    }

    /// Adds a header to every request. A `User-Agent` takes the place of the default.
    ///
    /// # Errors
    /// Names the part that no header may have; never shows the value.
    pub fn add_header(&mut self, name: &str, value: &[u8]) -> Result<(), Error> {
        let (name, value) = request::header(name, value)?;
        if name == header::USER_AGENT {
            self.headers.remove(&name);
        }
        request::add_header(&mut self.headers, name, value)
    }

    /// Passes on the inbound header of this name.
    ///
    /// # Errors
    /// It is no header name, or `Host`.
    pub fn forward_header(&mut self, name: &str) -> Result<(), Error> {
        let name = request::header_name(name)?;
        if name == header::HOST {
            let problem = "host is the endpoint's, not the inbound request's";
            return Err(Error::invalid("name", problem));
        }
        // A header may be called so, but none is.
        if name.as_str().contains('*') {
            return Err(Error::invalid("name", "has a *, which stands for no other name"));
        }
        self.forward_headers.push(name);
        Ok(())
    }

    /// Passes on the inbound cookie of this name.
    ///
    /// # Errors
    /// It is no cookie name.
    pub fn forward_cookie(&mut self, name: &str) -> Result<(), Error> {
        if name.is_empty() || name.contains(['=', ';', ' ', ',']) {
            return Err(Error::invalid("name", "is not a cookie name"));
        }
        if name == "*" {
            return Err(Error::invalid("name", "is *, which stands for no other name"));
        }
        self.forward_cookies.push(name.to_owned());
        Ok(())
    }

    /// Trusts further certificates, which were read from the file of that name.
    pub fn add_roots(&mut self, file: Option<String>, pem: Vec<u8>) {
        self.tls_files.roots.resize(self.tls.extra_roots_pem.len(), None);
        self.tls_files.roots.push(file);
        self.tls.extra_roots_pem.push(pem);
    }

    /// The budget of retries and hedges; `None` for no budget.
    #[must_use]
    pub fn retry_budget(&self) -> Option<BudgetConfig> {
        match self.budget {
            BudgetChoice::Default => self.retry.tries.map(|_| BudgetConfig::default()),
            BudgetChoice::Set(budget) => Some(budget),
            BudgetChoice::Off => None,
        }
    }

    /// Whether attempts carry headers that differ from one to the next.
    #[must_use]
    pub const fn adds_attempt_headers(&self) -> bool {
        self.deadline_header.is_some() || self.attempt_header.is_some() || self.trace.is_some()
    }

    /// Whether an answer of that status is an error.
    pub(crate) fn is_failure(&self, status: StatusCode) -> bool {
        self.fail_on_status && (400..=599).contains(&status.as_u16())
    }

    /// Whether a trace is told in that header.
    fn traces_in(&self, name: Option<&HeaderName>) -> bool {
        let is_named = name.is_some_and(|name| TRACE_HEADERS.contains(&name.as_str()));
        self.trace.is_some() && is_named
    }

    /// Checks that the settings go together, which no setter can do alone.
    ///
    /// # Errors
    /// Names every setting that does not go with the others.
    pub fn check(&self, balanced: bool) -> Result<(), Error> {
        let hammers = self.retry.hammers() && self.timeout == Duration::MAX;
        let retry = [(hammers, ("retry", ENDLESS_RETRIES))];
        let of_kind = match balanced {
            true => self.checks_with_balancer().to_vec(),
            false => self.checks_without_balancer().to_vec(),
        };
        all_hold(
            &[&of_kind[..], &self.checks_of_transport(), &self.checks_of_headers(), &retry]
                .concat(),
        )
    }

    fn checks_with_balancer(&self) -> [Check<'_>; 2] {
        [
            (
                self.redirects > 0,
                ("redirects", "only a client without a balancer can follow redirects"),
            ),
            (
                self.proxy.is_set(),
                (self.proxy.setting(), "only a client without a balancer can use one"),
            ),
        ]
    }

    fn checks_without_balancer(&self) -> [Check<'_>; 3] {
        let waits = self.wait_for_ready.is_some_and(|limit| !limit.is_zero());
        [
            (self.http2 != Http2::Off, ("http2", "only a client with a balancer can speak it")),
            (self.warm_up > 0, ("warm_up", "only a client with a balancer knows its endpoints")),
            (
                waits,
                ("wait_for_ready", "only a client with a balancer knows which endpoint is ready"),
            ),
        ]
    }

    fn checks_of_transport(&self) -> [Check<'_>; 4] {
        let is_proxied = self.proxy.is_set();
        [
            (is_proxied && self.expect_continue, ("expect_continue", "does not go with a proxy")),
            (
                is_proxied && !self.sockets.overrides.is_empty(),
                ("resolve", "does not go with a proxy, which resolves names itself"),
            ),
            (
                self.http2 != Http2::Off && !cfg!(feature = "http2"),
                ("http2", "the library was built without http2"),
            ),
            (
                is_proxied && !cfg!(feature = "proxy"),
                ("proxy", "the library was built without proxy"),
            ),
        ]
    }

    fn checks_of_headers(&self) -> [Check<'_>; 3] {
        [
            (
                self.attempt_header.is_some() && self.attempt_header == self.deadline_header,
                ("attempt_header", "is deadline_header as well, and would take its place"),
            ),
            (
                self.traces_in(self.deadline_header.as_ref()),
                ("deadline_header", "is a header of traces, which take its place"),
            ),
            (
                self.traces_in(self.attempt_header.as_ref()),
                ("attempt_header", "is a header of traces, which take its place"),
            ),
        ]
    }
}

/// Whether there is a fault, and then the setting's name and what is wrong with it.
type Check<'a> = (bool, (&'a str, &'a str));

/// The headers of W3C traces.
const TRACE_HEADERS: [&str; 2] = ["traceparent", "tracestate"];

/// What is wrong with tries without number, wait or limit.
pub const ENDLESS_RETRIES: &str = "unlimited tries need waits that last, or a limit on the call";

/// One error for all checks that found a fault.
fn all_hold(checks: &[Check<'_>]) -> Result<(), Error> {
    let failed = checks.iter().filter(|(wrong, _)| *wrong);
    let faults: Vec<_> =
        failed.map(|(_, (name, fault))| ((*name).to_owned(), (*fault).to_owned())).collect();
    match faults.is_empty() {
        true => Ok(()),
        false => Err(Error::of_faults(ErrorKind::InvalidArgument, &faults)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hammering_for_ever_is_refused() {
        let mut config = ClientConfig::default();
        let mut retry = RetryConfig { tries: None, ..RetryConfig::default() };
        retry.backoff.delay = Duration::ZERO;
        config.retry = Arc::new(retry);
        assert!(config.check(true).is_ok(), "the deadline ends it");
        config.timeout = Duration::MAX;
        assert!(config.check(true).is_err());
    }

    #[test]
    #[cfg(feature = "http2")]
    fn a_client_without_a_balancer_speaks_no_http2() {
        for http2 in [Http2::Alpn, Http2::PriorKnowledge] {
            let config = ClientConfig { http2, ..ClientConfig::default() };
            assert!(config.check(true).is_ok());
            assert!(config.check(false).unwrap_err().message().contains("http2"));
        }
    }

    #[test]
    fn a_client_without_a_balancer_warms_nothing_up() {
        let config = ClientConfig { warm_up: 1, ..ClientConfig::default() };
        assert!(config.check(true).is_ok());
        assert!(config.check(false).unwrap_err().message().contains("warm_up"));
    }

    #[test]
    fn a_client_without_a_balancer_waits_for_no_endpoint() {
        let waits = |millis| ClientConfig {
            wait_for_ready: Some(Duration::from_millis(millis)),
            ..ClientConfig::default()
        };
        assert!(waits(1).check(true).is_ok() && waits(0).check(false).is_ok());
        assert!(waits(1).check(false).unwrap_err().message().contains("wait_for_ready"));
    }

    #[test]
    #[cfg(feature = "http2")]
    fn every_fault_is_named_at_once() {
        let mut config =
            ClientConfig { timeout: Duration::MAX, warm_up: 1, ..ClientConfig::default() };
        config.http2 = Http2::Alpn;
        let retry = Arc::make_mut(&mut config.retry);
        (retry.tries, retry.backoff.delay) = (None, Duration::ZERO);
        let error = config.check(false).unwrap_err();
        let names = error.message().lines().map(|line| line.split(':').next().unwrap());
        assert_eq!(names.collect::<Vec<_>>(), ["http2", "warm_up", "retry"]);
    }

    #[test]
    fn a_balanced_client_follows_no_redirects() {
        let config = ClientConfig { redirects: 3, ..ClientConfig::default() };
        assert!(config.check(true).is_err() && config.check(false).is_ok());
    }
}
