//! The servers of a service, from its SRV records (RFC 2782).
//!
//! A weight of 0 means "seldom" there, and "no traffic" to a balancer, so that weights are scaled and a 0 becomes the
//! least one. Priorities become levels in their order. Each server's addresses are endpoints that carry its name.
//!
//! An answer over UDP is not taken for whole where it is the first or something is missing in it: name servers cut such
//! answers, and Consul sends a random part of a long one without saying so. The same is then asked over TCP.

#[cfg(any(fuzzing, test))]
pub mod fuzzing;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll as Ready;
use std::time::{Duration, Instant};

use tokio::time::{sleep_until, timeout};

use super::dns::{
    GRACE, KEYS, LONG, PendingQuery, check, name_servers, negative_pause, nothing, pause,
};
use crate::discovery::config::{DnsConfig, DnsTransport, Family, ProviderConfig};
use crate::discovery::polled::{Fetch, Fetched, Fetching, Poll, Polled};
use crate::discovery::scheme::Scheme;
use crate::discovery::source::{SessionEnd, Source, UpdateChannel};
use crate::discovery::source_context::SourceContext;
use crate::endpoint::{Host, Scheme as Speaks};
use crate::runtime::clock;
use crate::transport::{NameServers, RecordKind, Records, ServiceRecord, Unanswered};

pub(in crate::discovery) const SCHEME: Scheme = Scheme {
    name: "srv",
    form: "srv://_http._tcp.name",
    purpose: "the servers of a service, by its SRV records",
    keys: KEYS,
    make,
};

fn make(config: &ProviderConfig) -> Result<Arc<dyn Source>, String> {
    let name = config.target.authority.clone();
    Host::checked(&name, 1)
        .map_err(|problem| format!("srv: the name {problem}; write {}", SCHEME.form))?;
    if !config.target.path.trim_matches('/').is_empty() {
        return Err("srv: a name has no path".to_owned());
    }
    check(&config.dns)?;
    Ok(Arc::new(Polled(Srv { name, config: config.dns.clone() })))
}

#[derive(Debug)]
struct Srv {
    name: String,
    config: DnsConfig,
}

impl Poll for Srv {
    fn begin(&self, _: &SourceContext) -> Result<Box<dyn Fetch>, SessionEnd> {
        let (name, config) = (self.name.clone(), self.config.clone());
        let servers = Arc::new(name_servers(&config)?);
        let (known, addresses, problem) = (None, HashMap::new(), None);
        let skipped = BTreeSet::new();
        Ok(Box::new(Lookup { name, config, servers, known, addresses, problem, skipped }))
    }

    fn describe(&self) -> String {
        format!("srv://{}", self.name)
    }
}

/// One session.
struct Lookup {
    name: String,
    config: DnsConfig,
    servers: Arc<NameServers>,
    /// The servers of the last answer.
    known: Option<BTreeSet<(String, u16)>>,
    addresses: Addresses,
    /// Why the addresses of a server could not be asked for.
    problem: Option<String>,
    /// Why servers of the last answer were left out.
    skipped: BTreeSet<String>,
}

impl Fetch for Lookup {
    fn fetch<'a>(&'a mut self, _: &'a SourceContext, updates: &'a UpdateChannel) -> Fetching<'a> {
        Box::pin(async move {
            if self.known.is_none()
                && let Some(serving) = updates.serving()
            {
                self.addresses = served(&self.config, &serving.hosts);
            }
            let records = match self.ask(updates).await {
                Ok(records) => records,
                Err(Unanswered::Nothing { is_name, ttl }) => {
                    self.known = Some(BTreeSet::new());
                    let pause = negative_pause(&self.config, ttl);
                    updates.empty(format!("{}: {}", self.name, nothing(is_name, "service")));
                    return Ok(Fetched { hosts: None, pause });
                }
                Err(Unanswered::Failed(problem)) => {
                    return Err(SessionEnd::Failed(format!("{}: {problem}", self.name)));
                }
            };
            self.known = Some(names(&records));
            self.resolve(&records, updates).await;
            let (hosts, skipped) = hosts(&records.services, &self.addresses);
            let pause = self.pause(&records);
            self.tell_skipped(skipped, updates);
            match (self.problem.take(), self.skipped.first()) {
                // That the service has no endpoint is not known then.
                (Some(problem), _) if hosts.is_empty() => Err(SessionEnd::Failed(problem)),
                (_, Some(why)) if hosts.is_empty() => {
                    updates.empty(format!("{}: {why}", self.name));
                    Ok(Fetched { hosts: None, pause })
                }
                _ => Ok(Fetched { hosts: Some(hosts), pause }),
            }
        })
    }
}

impl Lookup {
    /// The records, whole. Tells what is known of them where that is the first and takes long to be found out.
    async fn ask(&mut self, updates: &UpdateChannel) -> Result<Records, Unanswered> {
        if self.config.transport == DnsTransport::Tcp {
            return self.servers.ask(&self.name, RecordKind::Srv, true).await;
        }
        let records = self.servers.ask(&self.name, RecordKind::Srv, false).await?;
        let found = names(&records);
        if self.known.as_ref().is_some_and(|known| known.is_subset(&found)) {
            return Ok(records);
        }
        let (servers, name) = (Arc::clone(&self.servers), self.name.clone());
        let mut whole = pin!(servers.ask(&name, RecordKind::Srv, true));
        let answer = match timeout(PATIENCE, whole.as_mut()).await {
            Ok(answer) => answer,
            Err(_) => {
                if self.known.is_none() {
                    self.resolve(&records, updates).await;
                    tell_known(&records.services, &self.addresses, updates);
                }
                whole.await
            }
        };
        // A server without TCP has said all that it will.
        Ok(answer.unwrap_or(records))
    }

    /// Sees to the addresses of all servers: those that came along, and those whose time is over. Tells what is known
    /// while some are late.
    async fn resolve(&mut self, records: &Records, updates: &UpdateChannel) {
        let now = clock::now();
        let holds = now + pause(&self.config, records.ttl);
        let mut wanted: BTreeSet<&str> = BTreeSet::new();
        for service in records.services.iter().filter(|it| !it.target.is_empty()) {
            let glue = records.glue.iter().filter(|(name, _)| *name == service.target);
            let glue: Vec<IpAddr> = glue
                .map(|(_, address)| *address)
                .filter(|address| is_wanted(&self.config, address))
                .collect();
            if !glue.is_empty() {
                self.addresses.insert(service.target.clone(), (glue, holds));
            } else if self.addresses.get(&service.target).is_none_or(|(_, until)| *until <= now) {
                wanted.insert(&service.target);
            }
        }
        let wanted: Vec<&str> = wanted.into_iter().collect();
        self.ask_for(&wanted, &records.services, updates).await;
        self.addresses.retain(|name, _| records.services.iter().any(|it| it.target == *name));
    }

    /// Tells which servers are left out, where that is news: the next answer says the same again.
    fn tell_skipped(&mut self, skipped: BTreeSet<String>, updates: &UpdateChannel) {
        if self.skipped != skipped {
            skipped.iter().for_each(|why| updates.skipped(why));
            self.skipped = skipped;
        }
    }

    /// How long the answer holds: one without the address of a server no longer than that there is no name.
    fn pause(&self, records: &Records) -> Duration {
        let now = clock::now();
        let holds = |it: &ServiceRecord| {
            it.target.is_empty()
                || self.addresses.get(&it.target).is_some_and(|(_, until)| *until > now)
        };
        match records.services.iter().all(holds) {
            true => pause(&self.config, records.ttl),
            false => negative_pause(&self.config, Some(records.ttl)),
        }
    }

    /// Asks for the addresses of `names`.
    async fn ask_for(
        &mut self,
        names: &[&str],
        services: &[ServiceRecord],
        updates: &UpdateChannel,
    ) {
        let begun = clock::now();
        let mut queries = AddressQueries::new(&self.servers, &self.config, names);
        let (mut is_news, mut has_lost) = (true, false);
        while !queries.are_answered() {
            queries.ask(&self.addresses);
            let late = queries.next_late(&self.addresses);
            // What is late is waited for, and keeps nobody from what is there. But where addresses have gone, those that
            // are in doubt may be about to: a list of these alone would be what serves through `empty_hold`.
            let may_be_gone = has_lost && queries.are_in_doubt(&self.addresses);
            if late.is_none() && !may_be_gone && std::mem::take(&mut is_news) {
                tell_known(services, &self.addresses, updates);
            }
            if let Some((query, answer)) = queries.answer(late).await {
                if let Err(Unanswered::Failed(problem)) = &answer {
                    self.problem = Some(format!("{}: {problem}", query.name));
                }
                let had_some = query.is_in_doubt(&self.addresses);
                note(&mut self.addresses, &self.config, &query, answer, begun);
                has_lost |= had_some && !query.is_in_doubt(&self.addresses);
                is_news = true;
            }
        }
    }
}

fn is_wanted(config: &DnsConfig, address: &IpAddr) -> bool {
    match config.family {
        Family::Any => true,
        Family::V4 => address.is_ipv4(),
        Family::V6 => address.is_ipv6(),
    }
}

/// The addresses of servers by the endpoints that served before the session. Their time is over.
fn served(config: &DnsConfig, serving: &[Arc<Host>]) -> Addresses {
    let now = clock::now();
    let mut addresses = Addresses::new();
    for host in serving {
        let name = host.authority.as_deref().and_then(|authority| authority.split(':').next());
        let address = host.address.parse().ok().filter(|address| is_wanted(config, address));
        let (Some(name), Some(address)) = (name, address) else { continue };
        let (known, _) = addresses.entry(name.to_owned()).or_insert_with(|| (Vec::new(), now));
        // A server may offer the service at several ports.
        if !known.contains(&address) {
            known.push(address);
        }
    }
    addresses
}

/// Takes the answer to a question that was asked since `begun`. What could not be asked for keeps the addresses of that
/// kind that it had, and is asked for again with the next answer about the service.
fn note(
    addresses: &mut Addresses,
    config: &DnsConfig,
    query: &AddressQuery<'_>,
    answer: Result<Records, Unanswered>,
    begun: Instant,
) {
    let known = addresses.entry(query.name.to_owned());
    let (known, until) = known.or_insert_with(|| (Vec::new(), begun));
    let found = match answer {
        Ok(records) => {
            let holds = clock::now() + pause(config, records.ttl);
            *until = if *until <= begun { holds } else { holds.min(*until) };
            records.addresses
        }
        Err(Unanswered::Nothing { .. }) => Vec::new(),
        Err(Unanswered::Failed(_)) => return,
    };
    known.retain(|address| address.is_ipv4() != (query.kind == RecordKind::A));
    known.extend(found);
}

/// Servers whose addresses are late are not passed over: they may still come.
fn tell_known(services: &[ServiceRecord], addresses: &Addresses, updates: &UpdateChannel) {
    let (hosts, _) = hosts(services, addresses);
    if !hosts.is_empty() {
        updates.list(hosts);
    }
}

/// The queries for the addresses of several servers.
struct AddressQueries<'a> {
    servers: &'a NameServers,
    tcp: bool,
    /// What is not asked yet.
    left: VecDeque<(&'a str, RecordKind)>,
    asked: Vec<AddressQuery<'a>>,
}

/// A query that was sent.
struct AddressQuery<'a> {
    name: &'a str,
    kind: RecordKind,
    at: Instant,
    pending: PendingQuery<'a>,
}

impl AddressQuery<'_> {
    /// From when on its answer is late.
    fn late_at(&self, addresses: &Addresses) -> Instant {
        let is_known = addresses.get(self.name).is_some_and(|(known, _)| !known.is_empty());
        self.at + if is_known { GRACE } else { PATIENCE }
    }

    /// Whether there are addresses that the answer may take away.
    fn is_in_doubt(&self, addresses: &Addresses) -> bool {
        let is_kind = |address: &IpAddr| address.is_ipv4() == (self.kind == RecordKind::A);
        addresses.get(self.name).is_some_and(|(known, _)| known.iter().any(is_kind))
    }
}

impl<'a> AddressQueries<'a> {
    fn new(servers: &'a NameServers, config: &DnsConfig, names: &[&'a str]) -> Self {
        let kinds = match config.family {
            Family::Any => &[RecordKind::A, RecordKind::Aaaa][..],
            Family::V4 => &[RecordKind::A],
            Family::V6 => &[RecordKind::Aaaa],
        };
        // By kinds, so that one kind that is never answered holds up none of the other.
        let left = kinds.iter().flat_map(|kind| names.iter().map(move |name| (*name, *kind)));
        let tcp = config.transport == DnsTransport::Tcp;
        Self { servers, tcp, left: left.collect(), asked: Vec::new() }
    }

    fn are_answered(&self) -> bool {
        self.left.is_empty() && self.asked.is_empty()
    }

    /// Whether there are addresses that an answer may still take away.
    fn are_in_doubt(&self, addresses: &Addresses) -> bool {
        self.asked.iter().any(|query| query.is_in_doubt(addresses))
    }

    /// Asks some at once, and others beside those that are late.
    fn ask(&mut self, addresses: &Addresses) {
        let now = clock::now();
        let prompt = self.asked.iter().filter(|it| it.late_at(addresses) > now).count();
        let room = (AT_ONCE - prompt.min(AT_ONCE)).min(MOST_AT_ONCE - self.asked.len());
        for (name, kind) in self.left.drain(..room.min(self.left.len())) {
            // A target is a full name (RFC 2782), which no list completes.
            let pending = Box::pin(self.servers.ask_full(name, kind, self.tcp));
            self.asked.push(AddressQuery { name, kind, at: now, pending });
        }
    }

    /// When the next one is late; none where all are.
    fn next_late(&self, addresses: &Addresses) -> Option<Instant> {
        let now = clock::now();
        self.asked.iter().map(|it| it.late_at(addresses)).filter(|at| *at > now).min()
    }

    /// The next answer, or none where there is none by the time `late`.
    async fn answer(
        &mut self,
        late: Option<Instant>,
    ) -> Option<(AddressQuery<'a>, Result<Records, Unanswered>)> {
        let mut time = pin!(sleep_until(late.unwrap_or_else(|| clock::now() + LONG).into()));
        poll_fn(|cx| {
            for at in 0..self.asked.len() {
                if let Ready::Ready(answer) = self.asked[at].pending.as_mut().poll(cx) {
                    return Ready::Ready(Some((self.asked.swap_remove(at), answer)));
                }
            }
            time.as_mut().poll(cx).map(|()| None)
        })
        .await
    }
}

/// The addresses of servers, and until when they hold.
type Addresses = HashMap<String, (Vec<IpAddr>, Instant)>;

/// The endpoints, and why servers are left out.
fn hosts(services: &[ServiceRecord], addresses: &Addresses) -> (Vec<Arc<Host>>, BTreeSet<String>) {
    let levels: BTreeSet<u16> = services.iter().map(|service| service.priority).collect();
    // An endpoint counts once, the first time that it stands there; answers change their order.
    let mut services: Vec<_> = services.iter().collect();
    services.sort_by_key(|service| service.priority);
    let (mut hosts, mut skipped) = (Vec::new(), BTreeSet::new());
    for service in services {
        // The service is decidedly not there (RFC 2782).
        if service.target.is_empty() {
            continue;
        }
        let known = addresses.get(&service.target).map_or(&[][..], |(known, _)| known);
        if let Some(why) = unusable(service, known) {
            skipped.insert(why);
            continue;
        }
        let level = levels.range(..service.priority).count().min(MOST_LEVELS) as u32;
        let mut sorted = known.to_vec();
        sorted.sort_unstable();
        for address in sorted {
            hosts.push(Arc::new(host(service, address, level)));
        }
    }
    (hosts, skipped)
}

/// Why a server with these addresses is left out, if it is.
fn unusable(service: &ServiceRecord, known: &[IpAddr]) -> Option<String> {
    let name = service.target.escape_debug();
    match (known.is_empty(), service.port) {
        (true, _) => Some(format!("no address is known of the server {name}")),
        (false, 0) => Some(format!("the server {name} has no port")),
        (false, _) => None,
    }
}

fn host(service: &ServiceRecord, address: IpAddr, level: u32) -> Host {
    let mut host = Host::new(address.to_string(), service.port);
    host.weight = (u32::from(service.weight) * SCALE).max(1);
    host.priority = level;
    let is_usual = Speaks::from_port(service.port).default_port() == service.port;
    host.authority = Some(match is_usual {
        true => service.target.clone(),
        false => format!("{}:{}", service.target, service.port),
    });
    host
}

fn names(records: &Records) -> BTreeSet<(String, u16)> {
    records.services.iter().map(|service| (service.target.clone(), service.port)).collect()
}

/// A weight of 0 gets one part in 32 of what a weight of 1 gets: seldom, and not never.
const SCALE: u32 = 32;
/// A balancer knows 128 levels.
const MOST_LEVELS: usize = 127;
/// Queries that are sent at once.
const AT_ONCE: usize = 32;
/// The same with those that are late; each has a socket.
const MOST_AT_ONCE: usize = 128;
/// How long a service's answer over TCP, or the first address of a server, is waited for when others are known: a name
/// server that asks others in turn takes so long, and a list of a part of the servers would be a burden to these.
const PATIENCE: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_carries_its_name_its_level_and_its_share() {
        let service =
            |weight, port| ServiceRecord { target: "a.test".to_owned(), port, priority: 9, weight };
        let made = host(&service(10, 8080), IpAddr::from([127, 0, 0, 1]), 1);
        assert_eq!((made.address.as_str(), made.port), ("127.0.0.1", 8080));
        assert_eq!(made.authority.as_deref(), Some("a.test:8080"));
        assert_eq!((made.weight, made.priority), (320, 1));
        let seldom = host(&service(0, 443), IpAddr::from([127, 0, 0, 1]), 0);
        assert_eq!((seldom.weight, seldom.authority.as_deref()), (1, Some("a.test")));
    }

    #[test]
    fn a_server_at_two_priorities_counts_at_the_least() {
        let service = |priority, target: &str| ServiceRecord {
            target: target.to_owned(),
            port: 80,
            priority,
            weight: 5,
        };
        let known = |last| (vec![IpAddr::from([127, 0, 0, last])], clock::now());
        let addresses =
            Addresses::from([("a.test".to_owned(), known(1)), ("b.test".to_owned(), known(2))]);
        let (first, again) = (service(10, "a.test"), service(20, "a.test"));
        let other = service(20, "b.test");
        for answer in [[&first, &again, &other], [&again, &other, &first]] {
            let answer: Vec<_> = answer.into_iter().cloned().collect();
            let (hosts, skipped) = hosts(&answer, &addresses);
            assert!(skipped.is_empty());
            let first = hosts.iter().find(|host| host.address == "127.0.0.1").unwrap();
            assert_eq!(first.priority, 0);
        }
    }
}
