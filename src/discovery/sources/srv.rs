//! The servers of a service, from its SRV records (RFC 2782).
//!
//! A weight of 0 means "seldom" there, and "no traffic" to a balancer, so that weights are scaled and a 0 becomes the
//! least one. Priorities become levels in their order. Each server's addresses are endpoints that carry its name.
//!
//! An answer over UDP is not taken for whole where it is the first or something is missing in it: name servers cut such
//! answers, and Consul sends a random part of a long one without saying so. The same is then asked over TCP.

#[cfg(fuzzing)]
pub mod fuzzing;

use std::collections::{BTreeSet, HashMap};
use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::Poll as Ready;
use std::time::Instant;

use super::dns::{Asking, KEYS, name_servers, negative_pause, pause};
use crate::discovery::config::{DnsConfig, DnsTransport, Family, ProviderConfig};
use crate::discovery::ground::Ground;
use crate::discovery::polled::{Fetch, Fetched, Fetching, Poll, Polled};
use crate::discovery::scheme::Scheme;
use crate::discovery::source::{Ended, Source, Teller};
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
    Ok(Arc::new(Polled(Srv { name, config: config.dns.clone() })))
}

#[derive(Debug)]
struct Srv {
    name: String,
    config: DnsConfig,
}

impl Poll for Srv {
    fn begin(&self, _: &Ground) -> Result<Box<dyn Fetch>, Ended> {
        let (name, config) = (self.name.clone(), self.config.clone());
        let servers = name_servers(&config)?;
        Ok(Box::new(Lookup { name, config, servers, known: None, addresses: HashMap::new() }))
    }

    fn describe(&self) -> String {
        format!("srv://{}", self.name)
    }
}

/// One session.
struct Lookup {
    name: String,
    config: DnsConfig,
    servers: NameServers,
    /// The servers of the last answer.
    known: Option<BTreeSet<(String, u16)>>,
    addresses: Addresses,
}

impl Fetch for Lookup {
    fn fetch<'a>(&'a mut self, _: &'a Ground, teller: &'a Teller) -> Fetching<'a> {
        Box::pin(async move {
            let records = match self.ask().await {
                Ok(records) => records,
                Err(Unanswered::Nothing { ttl, .. }) => {
                    self.known = Some(BTreeSet::new());
                    let pause = negative_pause(&self.config, ttl);
                    return Ok(Fetched { hosts: Some(Vec::new()), pause });
                }
                Err(Unanswered::Failed(problem)) => {
                    return Err(Ended::Failed(format!("{}: {problem}", self.name)));
                }
            };
            self.known = Some(names(&records));
            self.resolve(&records).await;
            let hosts = hosts(&records.services, &self.addresses, teller);
            Ok(Fetched { hosts: Some(hosts), pause: pause(&self.config, records.ttl) })
        })
    }
}

impl Lookup {
    /// The records, whole.
    async fn ask(&self) -> Result<Records, Unanswered> {
        if self.config.transport == DnsTransport::Tcp {
            return self.servers.ask(&self.name, RecordKind::Srv, true).await;
        }
        let records = self.servers.ask(&self.name, RecordKind::Srv, false).await?;
        let found = names(&records);
        if self.known.as_ref().is_some_and(|known| known.is_subset(&found)) {
            return Ok(records);
        }
        // A server without TCP has said all that it will.
        Ok(self.servers.ask(&self.name, RecordKind::Srv, true).await.unwrap_or(records))
    }

    /// Sees to the addresses of all servers: those that came along, and those whose time is over.
    async fn resolve(&mut self, records: &Records) {
        let now = clock::now();
        let holds = now + pause(&self.config, records.ttl);
        let mut wanted: BTreeSet<&str> = BTreeSet::new();
        for service in &records.services {
            let glue = records.glue.iter().filter(|(name, _)| *name == service.target);
            let glue: Vec<IpAddr> = glue
                .map(|(_, address)| *address)
                .filter(|address| self.is_wanted(address))
                .collect();
            if !glue.is_empty() {
                self.addresses.insert(service.target.clone(), (glue, holds));
            } else if self.addresses.get(&service.target).is_none_or(|(_, until)| *until <= now) {
                wanted.insert(&service.target);
            }
        }
        let wanted: Vec<&str> = wanted.into_iter().collect();
        for some in wanted.chunks(AT_ONCE) {
            self.resolve_some(some).await;
        }
        self.addresses.retain(|name, _| records.services.iter().any(|it| it.target == *name));
    }

    fn is_wanted(&self, address: &IpAddr) -> bool {
        match self.config.family {
            Family::Any => true,
            Family::V4 => address.is_ipv4(),
            Family::V6 => address.is_ipv6(),
        }
    }

    /// Asks for several names at once. One that cannot be asked for keeps the addresses that it had.
    async fn resolve_some(&mut self, names: &[&str]) {
        let kinds = match self.config.family {
            Family::Any => &[RecordKind::A, RecordKind::Aaaa][..],
            Family::V4 => &[RecordKind::A],
            Family::V6 => &[RecordKind::Aaaa],
        };
        let tcp = self.config.transport == DnsTransport::Tcp;
        let servers = &self.servers;
        let questions = names.iter().flat_map(|name| kinds.iter().map(move |kind| (*name, *kind)));
        let mut asking: Vec<(&str, Asking<'_>)> = questions
            .map(|(name, kind)| (name, Box::pin(servers.ask(name, kind, tcp)) as Asking<'_>))
            .collect();
        let mut found: HashMap<String, Vec<Result<Records, Unanswered>>> = HashMap::new();
        poll_fn(|cx| {
            asking.retain_mut(|(name, asking)| match asking.as_mut().poll(cx) {
                Ready::Pending => true,
                Ready::Ready(answer) => {
                    found.entry((*name).to_owned()).or_default().push(answer);
                    false
                }
            });
            if asking.is_empty() { Ready::Ready(()) } else { Ready::Pending }
        })
        .await;
        let now = clock::now();
        for (name, answers) in found {
            let ttl = answers.iter().flatten().map(|records| records.ttl).min();
            let addresses: Vec<IpAddr> =
                answers.into_iter().flatten().flat_map(|records| records.addresses).collect();
            match (ttl, addresses.is_empty()) {
                (Some(ttl), false) => {
                    self.addresses.insert(name, (addresses, now + pause(&self.config, ttl)));
                }
                // Asked for again with the next answer.
                _ => drop(self.addresses.entry(name).or_insert_with(|| (Vec::new(), now))),
            }
        }
    }
}

/// The addresses of servers, and until when they hold.
type Addresses = HashMap<String, (Vec<IpAddr>, Instant)>;

fn hosts(services: &[ServiceRecord], addresses: &Addresses, teller: &Teller) -> Vec<Arc<Host>> {
    let levels: BTreeSet<u16> = services.iter().map(|service| service.priority).collect();
    let mut hosts = Vec::new();
    for service in services {
        // The service is decidedly not there (RFC 2782).
        if service.target.is_empty() {
            continue;
        }
        let known = addresses.get(&service.target).map_or(&[][..], |(known, _)| known);
        if known.is_empty() || service.port == 0 {
            teller.skipped("a server of the service has no address or no port");
            continue;
        }
        let level = levels.range(..service.priority).count().min(MOST_LEVELS) as u32;
        let mut sorted = known.to_vec();
        sorted.sort_unstable();
        for address in sorted {
            hosts.push(Arc::new(host(service, address, level)));
        }
    }
    hosts
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
/// Names that are asked for at once.
const AT_ONCE: usize = 16;

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
}
