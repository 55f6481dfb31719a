//! The addresses of a name, from its A and AAAA records.
//!
//! The two kinds are asked for together, and each is kept by itself: while one of them fails, its last addresses go on
//! serving. An answer holds for its time to live, no less than a second, so that a name with none is asked for once a
//! second. A name that does not exist is asked for again within 5 s, whatever its zone says.
//!
//! A name that goes takes both kinds with it (RFC 8020), and its two answers come one after the other. So a kind that has
//! lost its addresses waits for the answer of the other one where that is under way or was told to be denied: a list of
//! the other kind alone would be what serves through `empty_hold`. Only the other's own answer counts, since some name
//! servers say of a name without AAAA records that it does not exist (RFC 4074).

use std::future::{Future, poll_fn};
use std::net::{IpAddr, Ipv4Addr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::time::{sleep, sleep_until};

use crate::discovery::config::{DnsConfig, DnsTransport, Family, ProviderConfig};
use crate::discovery::scheme::Scheme;
use crate::discovery::source::{Session, SessionEnd, Source, UpdateChannel};
use crate::discovery::source_context::SourceContext;
use crate::discovery::target::host_and_port;
use crate::endpoint::{Host, bracketed};
use crate::runtime::clock;
use crate::transport::{NameServers, RecordKind, Records, Unanswered};

pub(in crate::discovery) const SCHEME: Scheme = Scheme {
    name: "dns",
    form: "dns://name:port",
    purpose: "the addresses of a name, by its A and AAAA records",
    keys: KEYS,
    make,
};

/// The keys of both kinds of names.
pub(super) const KEYS: &[&str] =
    &["dns_server", "dns_timeout", "family", "max_ttl", "min_ttl", "transport"];

/// What asks for the names of one session.
pub(super) fn name_servers(config: &DnsConfig) -> Result<NameServers, SessionEnd> {
    match config.servers.is_empty() {
        true => Ok(NameServers::system(config.timeout)),
        false => NameServers::at(&config.servers, config.timeout).map_err(SessionEnd::Failed),
    }
}

/// Checks that the options of names go together.
pub(super) fn check(config: &DnsConfig) -> Result<(), String> {
    match config.min_ttl > config.max_ttl {
        true => Err("max_ttl: is below min_ttl".to_owned()),
        false => Ok(()),
    }
}

/// What an answer without records says of a name. `what` is what was asked for.
pub(super) fn nothing(is_name: bool, what: &str) -> String {
    match is_name {
        true => format!("the name has no {what}"),
        false => "no such name".to_owned(),
    }
}

/// How long an answer holds that states `ttl`.
pub(super) fn pause(config: &DnsConfig, ttl: Duration) -> Duration {
    ttl.min(config.max_ttl).max(config.min_ttl)
}

/// How long it holds that there is nothing, whatever the zone says.
pub(super) fn negative_pause(config: &DnsConfig, ttl: Option<Duration>) -> Duration {
    pause(config, ttl.unwrap_or(MAX_NEGATIVE).min(MAX_NEGATIVE))
}

fn make(config: &ProviderConfig) -> Result<Arc<dyn Source>, String> {
    let target = &config.target;
    let (name, port) = host_and_port(&target.authority, None)
        .map_err(|problem| format!("dns: {problem}; write {}", SCHEME.form))?;
    Host::checked(&name, port).map_err(|problem| format!("dns: the name {problem}"))?;
    if !target.path.trim_matches('/').is_empty() {
        return Err("dns: a name has no path".to_owned());
    }
    check(&config.dns)?;
    let max_stale = config.freshness.max_stale;
    Ok(Arc::new(Dns { name, port, config: config.dns.clone(), max_stale }))
}

#[derive(Debug)]
struct Dns {
    name: String,
    port: u16,
    config: DnsConfig,
    /// For how long the last addresses of one kind serve while that one fails and the other one is well.
    max_stale: Duration,
}

impl Source for Dns {
    fn watch<'a>(&'a self, context: &'a SourceContext, updates: &'a UpdateChannel) -> Session<'a> {
        Box::pin(async move {
            if self.is_address() {
                return self.tell_itself(updates).await;
            }
            let servers = match name_servers(&self.config) {
                Ok(servers) => servers,
                Err(ended) => return ended,
            };
            let lookup = match updates.serving() {
                Some(serving) => Lookup::new(self, &servers, &serving.hosts),
                None => Lookup::new(self, &servers, &[]),
            };
            lookup.run(context, updates).await
        })
    }

    fn describe(&self) -> String {
        format!("dns://{}:{}", bracketed(&self.name), self.port)
    }
}

impl Dns {
    /// No name has a colon, and an IPv6 address may have a zone.
    fn is_address(&self) -> bool {
        self.name.contains(':') || self.name.parse::<Ipv4Addr>().is_ok()
    }

    /// An address in place of a name is its own, and nobody is asked.
    async fn tell_itself(&self, updates: &UpdateChannel) -> SessionEnd {
        updates.list(vec![Arc::new(Host::new(&*self.name, self.port))]);
        loop {
            sleep(pause(&self.config, Duration::MAX)).await;
            updates.alive();
        }
    }
}

/// A query under way.
pub(super) type PendingQuery<'a> =
    Pin<Box<dyn Future<Output = Result<Records, Unanswered>> + Send + 'a>>;

/// One session.
struct Lookup<'a> {
    dns: &'a Dns,
    servers: &'a NameServers,
    parts: Vec<Part<'a>>,
    begun: Instant,
    told: Option<Vec<IpAddr>>,
    /// Why one kind began to fail, which is not told yet.
    news: Option<String>,
}

/// What is known of one kind of address.
struct Part<'a> {
    kind: RecordKind,
    pending: Option<PendingQuery<'a>>,
    asked_at: Option<Instant>,
    /// When it is asked for again.
    due: Instant,
    /// An answer over UDP in which something is missing, while the same is asked over TCP.
    doubted: Option<Records>,
    /// The last addresses; none where there was no answer yet.
    known: Option<Vec<IpAddr>>,
    /// The addresses that served before the session.
    served: Vec<IpAddr>,
    /// Whether the last answer says that the name exists.
    is_name: bool,
    /// Whether an answer for the other kind says since its last one that there is no such name.
    is_denied: bool,
    problem: Option<String>,
    /// When it was answered last.
    answered_at: Instant,
}

impl Part<'_> {
    /// Nothing is known yet but what served before.
    fn new(kind: RecordKind, due: Instant, serving: &[Arc<Host>]) -> Self {
        let served = serving.iter().filter_map(|host| host.address.parse().ok());
        let served = served.filter(|it: &IpAddr| it.is_ipv4() == (kind == RecordKind::A)).collect();
        Self {
            kind,
            pending: None,
            asked_at: None,
            due,
            doubted: None,
            known: None,
            served,
            is_name: false,
            is_denied: false,
            problem: None,
            answered_at: due,
        }
    }
}

/// What happens first.
enum Step {
    Answered(usize, Result<Records, Unanswered>),
    /// Something is due, or a call found no endpoint.
    Time {
        refresh_requested: bool,
    },
}

impl<'a> Lookup<'a> {
    fn new(dns: &'a Dns, servers: &'a NameServers, serving: &[Arc<Host>]) -> Self {
        let kinds = match dns.config.family {
            Family::Any => &[RecordKind::A, RecordKind::Aaaa][..],
            Family::V4 => &[RecordKind::A],
            Family::V6 => &[RecordKind::Aaaa],
        };
        let begun = clock::now();
        let parts = kinds.iter().map(|kind| Part::new(*kind, begun, serving)).collect();
        Self { dns, servers, parts, begun, told: None, news: None }
    }

    async fn run(mut self, context: &SourceContext, updates: &UpdateChannel) -> SessionEnd {
        loop {
            self.ask(clock::now());
            match self.step(context).await {
                Step::Answered(index, answer) => self.settle(index, answer),
                Step::Time { refresh_requested: true } => self.hurry(clock::now()),
                Step::Time { refresh_requested: false } => {}
            }
            if let Some(ended) = self.tell(updates, clock::now()) {
                return ended;
            }
            // Behind the other kind's answer, which would take it back.
            let is_quiet = self.parts.iter().all(|part| part.pending.is_none());
            if let Some(problem) = self.news.take_if(|_| is_quiet && self.told.is_some()) {
                updates.failing(problem);
            }
        }
    }

    /// Asks for what is due.
    fn ask(&mut self, now: Instant) {
        let (servers, name) = (self.servers, self.dns.name.as_str());
        let tcp = self.dns.config.transport == DnsTransport::Tcp;
        for part in &mut self.parts {
            if part.pending.is_none() && part.due <= now {
                part.asked_at = Some(now);
                part.pending = Some(Box::pin(servers.ask(name, part.kind, tcp)));
            }
        }
    }

    async fn step(&mut self, context: &SourceContext) -> Step {
        let grace = (self.told.is_none()).then(|| self.begun + GRACE);
        let idle = self.parts.iter().filter(|part| part.pending.is_none()).map(|part| part.due);
        let grace = grace.filter(|at| *at > clock::now());
        let wakes = idle.chain(grace).min().unwrap_or_else(|| clock::now() + LONG);
        let mut time = pin!(sleep_until(wakes.into()));
        let mut refresh_requested = pin!(context.refresh_requested());
        poll_fn(|cx| {
            for (index, part) in self.parts.iter_mut().enumerate() {
                if let Some(pending) = &mut part.pending
                    && let Poll::Ready(answer) = pending.as_mut().poll(cx)
                {
                    part.pending = None;
                    return Poll::Ready(Step::Answered(index, answer));
                }
            }
            if refresh_requested.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Step::Time { refresh_requested: true });
            }
            time.as_mut().poll(cx).map(|()| Step::Time { refresh_requested: false })
        })
        .await
    }

    fn settle(&mut self, index: usize, answer: Result<Records, Unanswered>) {
        let (config, part, now) = (&self.dns.config, &mut self.parts[index], clock::now());
        let answer = match (part.doubted.take(), answer) {
            // Name servers that cut an answer need not say so. One without TCP has said all that it will.
            (Some(doubted), Err(Unanswered::Failed(_))) => Ok(doubted),
            (None, Ok(records))
                if config.transport == DnsTransport::Udp && part.lacks(&records) =>
            {
                part.doubted = Some(records);
                part.pending = Some(Box::pin(self.servers.ask(&self.dns.name, part.kind, true)));
                return;
            }
            (_, answer) => answer,
        };
        let was_failing = part.problem.take().is_some();
        let had_some = !part.last().is_empty();
        part.is_denied = false;
        if !matches!(answer, Err(Unanswered::Failed(_))) {
            part.answered_at = now;
        }
        let pause = match answer {
            Ok(records) => {
                (part.known, part.is_name) = (Some(records.addresses), true);
                pause(config, records.ttl)
            }
            Err(Unanswered::Nothing { is_name, ttl }) => {
                (part.known, part.is_name) = (Some(Vec::new()), is_name);
                negative_pause(config, ttl)
            }
            Err(Unanswered::Failed(problem)) => {
                if !was_failing && had_some {
                    self.news = Some(format!("{}: {problem}", self.dns.name));
                }
                part.problem = Some(problem);
                negative_pause(config, None)
            }
        };
        part.due = part.asked_at.unwrap_or(now).max(now - config.min_ttl) + pause;
        let is_gone = part.problem.is_none() && !part.is_name;
        if had_some && is_gone {
            self.deny_others(index, now);
        }
    }

    /// The name of the kind at `index` is gone: the others are asked for again, however long their answers hold.
    fn deny_others(&mut self, index: usize, now: Instant) {
        let min_ttl = self.dns.config.min_ttl;
        let others = self.parts.iter_mut().enumerate().filter(|(other, _)| *other != index);
        for (_, part) in others.filter(|(_, part)| !part.last().is_empty()) {
            part.is_denied = true;
            part.hurry(min_ttl, now);
        }
    }

    /// A call wants a fresher answer.
    fn hurry(&mut self, now: Instant) {
        self.parts.iter_mut().for_each(|part| part.hurry(self.dns.config.min_ttl, now));
    }

    /// Whether all addresses of one kind have gone, and those of another may be about to.
    fn may_be_gone(&self) -> bool {
        let lost = self.parts.iter().any(|part| part.has_lost(self.told.as_ref()));
        lost && self.parts.iter().any(Part::is_in_doubt)
    }

    /// Tells the list where it is known, or why it is not: a kind that does not answer is waited for a moment, and only
    /// at the beginning or where the other one has gone.
    fn tell(&mut self, updates: &UpdateChannel, now: Instant) -> Option<SessionEnd> {
        let is_open = |part: &Part<'_>| part.known.is_none() && part.problem.is_none();
        let has_some =
            self.parts.iter().any(|part| part.known.as_ref().is_some_and(|it| !it.is_empty()));
        let waits = self.parts.iter().any(is_open);
        if self.may_be_gone() || waits && (!has_some || now < self.begun + GRACE) {
            return None;
        }
        // Where one kind fails, that there are none of the other says little.
        let mut problems = self.parts.iter().filter_map(|part| part.problem.as_ref());
        let serves = |part: &Part<'_>| {
            part.problem.is_none() && part.known.as_ref().is_some_and(|it| !it.is_empty())
        };
        if let Some(problem) = problems.next()
            && !self.parts.iter().any(serves)
        {
            return Some(SessionEnd::Failed(format!("{}: {problem}", self.dns.name)));
        }
        let serving = self.parts.iter().filter(|part| part.may_serve(self.dns.max_stale, now));
        let mut addresses: Vec<IpAddr> = serving.flat_map(Part::last).copied().collect();
        // The order of an answer changes with each one.
        addresses.sort_unstable();
        addresses.dedup();
        if self.told.as_ref() == Some(&addresses) && !addresses.is_empty() {
            updates.alive();
            return None;
        }
        let host = |address: &IpAddr| Arc::new(Host::new(address.to_string(), self.dns.port));
        match addresses.is_empty() {
            true => updates.empty(self.nothing()),
            false => updates.list(addresses.iter().map(host).collect()),
        }
        self.told = Some(addresses);
        None
    }

    /// What the answers say where they bring no address.
    fn nothing(&self) -> String {
        let is_name = self.parts.iter().any(|part| part.is_name);
        format!("{}: {}", self.dns.name, nothing(is_name, "address"))
    }
}

impl Part<'_> {
    /// The last addresses.
    fn last(&self) -> &[IpAddr] {
        self.known.as_ref().unwrap_or(&self.served)
    }

    /// Whether the last addresses serve, of a kind that may be failing.
    fn may_serve(&self, max_stale: Duration, now: Instant) -> bool {
        self.problem.is_none() || now.saturating_duration_since(self.answered_at) < max_stale
    }

    /// Asks again as soon as may be: no more than once in the least time to live.
    fn hurry(&mut self, min_ttl: Duration, now: Instant) {
        self.due = self.due.min(self.asked_at.map_or(now, |asked| asked + min_ttl));
    }

    /// Whether there are none any more of those that were `told`, or served before the session.
    fn has_lost(&self, told: Option<&Vec<IpAddr>>) -> bool {
        let is_kind = |address: &IpAddr| address.is_ipv4() == (self.kind == RecordKind::A);
        let has_none = self.known.as_ref().is_some_and(Vec::is_empty);
        let had_some = told.unwrap_or(&self.served).iter().any(is_kind);
        self.problem.is_none() && has_none && had_some
    }

    /// Whether there are addresses that the answer which is awaited may take away.
    fn is_in_doubt(&self) -> bool {
        !self.last().is_empty() && (self.pending.is_some() || self.is_denied)
    }

    /// Whether an address that was known is not among `records`.
    fn lacks(&self, records: &Records) -> bool {
        let known = self.known.as_deref().unwrap_or_default();
        known.iter().any(|address| !records.addresses.contains(address))
    }
}

/// How long a kind of address is waited for when the other one is known (RFC 8305, section 3).
pub(super) const GRACE: Duration = Duration::from_millis(50);
/// How long it is believed that a name does not exist.
const MAX_NEGATIVE: Duration = Duration::from_secs(5);
/// Nothing is due.
pub(super) const LONG: Duration = Duration::from_secs(3600);
