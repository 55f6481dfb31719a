//! Where a request can go: a [`Host`] as the user states it, an [`Endpoint`] as the library uses it.

mod addresses;
mod host;

use std::net::{Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use once_cell::race::OnceBox;
use smol_str::SmolStr;

pub use addresses::AddressFault;
use addresses::Addresses;
pub use host::{Host, Identity, Scheme, unix_path};

/// A [`Host`] as attempts use it.
///
/// There may be a hundred thousand, most of which are never sent anything. So an address of usual
/// length lies in the endpoint itself, and the texts that an attempt needs are made at the first
/// one.
#[derive(Debug)]
pub struct Endpoint {
    address: SmolStr,
    details: OnceBox<Details>,
    port: u16,
    weight: AtomicU32,
    scheme: Scheme,
    departed: AtomicBool,
}

/// What is stated for few hosts, and derived for those in use.
#[derive(Debug)]
struct Details {
    stated: HostProperties,
    url: Arc<str>,
    authority: String,
    server_name: String,
    /// When the next connection may be made, where the last ones ended before they were of use.
    rests_until: Mutex<Option<Instant>>,
    addresses: Mutex<Addresses>,
    /// One of its addresses has failed lately. Read for each exchange.
    suspect: AtomicBool,
}

/// The properties that most hosts leave out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct HostProperties {
    zone: Option<Arc<str>>,
    priority: u32,
    authority: Option<String>,
    server_name: Option<String>,
}

static NO_PROPERTIES: HostProperties =
    HostProperties { zone: None, priority: 0, authority: None, server_name: None };

impl Endpoint {
    /// Derives scheme, URL, authority and TLS name from `host`.
    #[must_use]
    pub fn new(host: Host) -> Self {
        let scheme = host.scheme.unwrap_or_else(|| Scheme::from_port(host.port));
        let stated = HostProperties {
            zone: host.zone.map(Into::into),
            priority: host.priority,
            authority: host.authority,
            server_name: host.server_name,
        };
        let endpoint = Self {
            address: host.address.into(),
            details: OnceBox::new(),
            port: host.port,
            weight: AtomicU32::new(host.weight),
            scheme,
            departed: AtomicBool::new(false),
        };
        if stated != HostProperties::default() {
            endpoint.details.get_or_init(|| Box::new(endpoint.detailed(stated)));
        }
        endpoint
    }

    fn detailed(&self, stated: HostProperties) -> Details {
        let is_unix = unix_path(&self.address).is_some();
        let url = match is_unix {
            true => self.address.to_string(),
            false => {
                format!("{}://{}:{}", self.scheme.as_str(), bracketed(&self.address), self.port)
            }
        };
        let authority = stated.authority.clone().unwrap_or_else(|| {
            // As curl and docker say it.
            if is_unix {
                return LOCALHOST.to_owned();
            }
            let host = bracketed(without_zone(&self.address));
            match self.port == self.scheme.default_port() {
                true => host,
                false => format!("{host}:{}", self.port),
            }
        });
        let server_name = stated.server_name.clone().unwrap_or_else(|| match &stated.authority {
            Some(authority) => host_of_authority(authority).to_owned(),
            None if is_unix => LOCALHOST.to_owned(),
            None => without_zone(&self.address).to_owned(),
        });
        Details {
            stated,
            url: url.into(),
            authority,
            server_name,
            rests_until: Mutex::default(),
            addresses: Mutex::default(),
            suspect: AtomicBool::default(),
        }
    }

    fn details(&self) -> &Details {
        self.details.get_or_init(|| Box::new(self.detailed(HostProperties::default())))
    }

    /// None where all is left out, whether it was derived yet or not.
    fn stated(&self) -> Option<&HostProperties> {
        let stated = self.details.get().map(|details| &details.stated);
        stated.filter(|stated| **stated != HostProperties::default())
    }

    /// Address, port and scheme.
    #[must_use]
    pub fn identity(&self) -> Identity<'_> {
        Identity { address: &self.address, port: self.port, scheme: self.scheme }
    }

    /// Of what [`Self::new`] would make the same.
    pub(crate) fn host(&self) -> Host {
        let stated = self.stated().unwrap_or(&NO_PROPERTIES).clone();
        Host {
            address: self.address.to_string(),
            port: self.port,
            weight: self.weight(),
            zone: stated.zone.map(|zone| zone.to_string()),
            priority: stated.priority,
            scheme: Some(self.scheme),
            authority: stated.authority,
            server_name: stated.server_name,
        }
    }

    /// Whether [`Self::new`] would make the same of `host`.
    #[must_use]
    pub fn is_of(&self, host: &Host) -> bool {
        let stated = self.stated().unwrap_or(&NO_PROPERTIES);
        self.identity() == host.identity()
            && self.weight() == host.weight
            && stated.zone.as_deref() == host.zone.as_deref()
            && stated.priority == host.priority
            && stated.authority == host.authority
            && stated.server_name == host.server_name
    }

    /// Name or IP address to dial, without brackets.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// TCP port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// How it is spoken to.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Share of the traffic relative to the other endpoints.
    #[must_use]
    pub fn weight(&self) -> u32 {
        self.weight.load(Ordering::Relaxed)
    }

    /// Takes over the weight of `other`, where that is all in which they differ; whether it is.
    #[must_use]
    pub fn takes_weight_of(&self, other: &Self) -> bool {
        let same = self.identity() == other.identity() && self.stated() == other.stated();
        if same {
            self.weight.store(other.weight.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        same
    }

    /// Where it stands, for balancers that prefer near endpoints.
    #[must_use]
    pub fn zone(&self) -> Option<&Arc<str>> {
        self.stated()?.zone.as_ref()
    }

    /// Priority level, 0 first.
    #[must_use]
    pub fn priority(&self) -> u32 {
        self.stated().map_or(0, |stated| stated.priority)
    }

    /// `scheme://address:port`, with the port always there and no path; `unix:/path` of a unix socket.
    #[must_use]
    pub fn url(&self) -> &Arc<str> {
        &self.details().url
    }

    /// What the `Host` header carries.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.details().authority
    }

    /// The name that TLS sends and verifies; an IP address where the host has no name.
    #[must_use]
    pub fn server_name(&self) -> &str {
        &self.details().server_name
    }

    /// A connection ended before it was of use: no other one is made before `next`, by any client and thread that
    /// shares this endpoint.
    pub fn rest_until(&self, next: Instant) {
        *self.resting() = Some(next);
    }

    /// Whether a connection may be made now; where they end before they are of use, one in each `pause`.
    #[must_use]
    pub fn may_be_dialled(&self, now: Instant, pause: Duration) -> bool {
        let mut resting = self.resting();
        let may = resting.is_none_or(|until| now >= until);
        if may && resting.is_some() {
            *resting = Some(now + pause);
        }
        may
    }

    /// A connection was of use: more may be made.
    pub fn was_of_use(&self) {
        *self.resting() = None;
    }

    /// Locked for each connection, not for each exchange.
    fn resting(&self) -> MutexGuard<'_, Option<Instant>> {
        self.details().rests_until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Learns the addresses that its name has now, and puts first the one to begin with: not one that the call has `met`,
    /// nor one that has failed lately, where there is another.
    pub fn sort_addresses(&self, found: &mut [SocketAddr], met: &[SocketAddr], now: Instant) {
        self.change_addresses(now, |addresses| {
            addresses.learn(found);
            addresses.sort(found, met, now);
        });
    }

    /// Whether one of its addresses has failed lately, so that it matters over which one an exchange goes.
    #[inline]
    #[must_use]
    pub fn is_suspect(&self) -> bool {
        self.details.get().is_some_and(|details| details.suspect.load(Ordering::Relaxed))
    }

    /// Whether an exchange of a call that has `met` some addresses is to go over another one than `address`.
    #[must_use]
    pub fn passes_over(&self, address: SocketAddr, met: &[SocketAddr], now: Instant) -> bool {
        let mut passes_over = false;
        self.change_addresses(now, |addresses| {
            passes_over = addresses.passes_over(address, met, now);
        });
        passes_over
    }

    /// An attempt over one of its addresses has failed.
    pub fn address_failed(&self, address: SocketAddr, fault: AddressFault, now: Instant) {
        self.change_addresses(now, |addresses| addresses.failed(address, fault, now));
    }

    /// An attempt over one of its addresses had a good answer.
    #[inline]
    pub fn address_answered(&self, address: SocketAddr, now: Instant) {
        if self.is_suspect() {
            self.change_addresses(now, |addresses| addresses.answered(address));
        }
    }

    /// A connection went to the address because no better one could be reached.
    pub fn address_is_needed(&self, address: SocketAddr, now: Instant) {
        self.change_addresses(now, |addresses| addresses.is_needed(address));
    }

    /// A handshake with the address begins.
    pub fn address_handshake_began(&self, address: SocketAddr, now: Instant) {
        self.change_addresses(now, |addresses| addresses.handshake_began(address, now));
    }

    /// A handshake with the address has succeeded.
    pub fn address_handshake_succeeded(&self, address: SocketAddr, now: Instant) {
        self.change_addresses(now, |addresses| addresses.handshake_succeeded(address));
    }

    /// A handshake with the address, which had `begun` then, has failed or was given up.
    pub fn address_handshake_failed(&self, address: SocketAddr, begun: Instant, now: Instant) {
        self.change_addresses(now, |addresses| addresses.handshake_failed(address, begun, now));
    }

    /// Locked for each connection, and for exchanges while an address is suspect.
    fn change_addresses(&self, now: Instant, change: impl FnOnce(&mut Addresses)) {
        let details = self.details();
        let mut addresses = details.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut addresses);
        details.suspect.store(addresses.are_suspect(now), Ordering::Relaxed);
    }

    /// Says that it left its list: connections to it end with their exchange and are not kept.
    pub fn depart(&self) {
        if !self.departed.swap(true, Ordering::Relaxed) {
            DEPARTURES.fetch_add(1, Ordering::Release);
        }
    }

    /// Whether it left its list.
    #[must_use]
    pub fn has_departed(&self) -> bool {
        self.departed.load(Ordering::Relaxed)
    }
}

/// How many endpoints have departed in this process: where it has not changed, a holder of
/// something for them need not look.
#[must_use]
pub fn departures() -> u64 {
    DEPARTURES.load(Ordering::Acquire)
}

const LOCALHOST: &str = "localhost";

static DEPARTURES: AtomicU64 = AtomicU64::new(0);

/// The same endpoint with the same properties; whether it has departed is no property.
impl PartialEq for Endpoint {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
            && self.weight() == other.weight()
            && self.stated() == other.stated()
    }
}

impl Eq for Endpoint {}

/// The zone of a link's address (`fe80::1%eth0`, RFC 4007) names an interface of this host and
/// means nothing to any other.
pub(crate) fn without_zone(address: &str) -> &str {
    let is_zoned = |(bare, _): &(&str, &str)| bare.contains(':');
    address.split_once('%').filter(is_zoned).map_or(address, |(bare, _)| bare)
}

/// The host of a URL or an authority without the brackets that an IPv6 address has there; none
/// where there are brackets around or beside anything else, which `http` lets pass.
#[must_use]
pub fn without_brackets(host: &str) -> Option<&str> {
    let Some(inner) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) else {
        return (!host.contains(['[', ']'])).then_some(host);
    };
    let address = inner.split('%').next().unwrap_or_default();
    address.parse::<Ipv6Addr>().is_ok().then_some(inner)
}

/// An IPv6 address needs brackets wherever a port may follow it.
pub(crate) fn bracketed(address: &str) -> String {
    if address.contains(':') { format!("[{address}]") } else { address.to_owned() }
}

fn host_of_authority(authority: &str) -> &str {
    if let Some(rest) = authority.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    authority.rsplit_once(':').map_or(authority, |(host, _)| host)
}

/// What an endpoint is hashed by: `address:port`, the same in every process.
#[must_use]
pub fn hash_key(address: &str, port: u16) -> String {
    format!("{address}:{port}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_departure_is_for_good_and_counted() {
        let endpoint = Endpoint::new(Host::new("127.0.0.1", 80));
        assert!(!endpoint.has_departed());
        let before = departures();
        endpoint.depart();
        // Other tests may say so of theirs meanwhile.
        assert!(endpoint.has_departed() && departures() > before);
    }

    #[test]
    fn an_endpoint_that_rests_is_dialled_once_in_each_pause_until_that_was_of_use() {
        let (endpoint, start) = (Endpoint::new(Host::new("127.0.0.1", 80)), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        let may = |ms| endpoint.may_be_dialled(at(ms), Duration::from_millis(300));
        assert!(may(0) && may(0));
        endpoint.rest_until(at(300));
        assert!(!may(299));
        assert!(may(300) && !may(300) && !may(599));
        assert!(may(600) && !may(600));
        endpoint.was_of_use();
        assert!(may(601) && may(601));
    }

    #[test]
    fn port_443_is_https_and_all_else_http() {
        assert_eq!(Endpoint::new(Host::new("a", 443)).url().as_ref(), "https://a:443");
        assert_eq!(Endpoint::new(Host::new("a", 8443)).url().as_ref(), "http://a:8443");
        let mut stated = Host::new("a", 8443);
        stated.scheme = Some(Scheme::Https);
        assert_eq!(Endpoint::new(stated).url().as_ref(), "https://a:8443");
    }

    #[test]
    fn authority_leaves_out_the_default_port() {
        assert_eq!(Endpoint::new(Host::new("a", 80)).authority(), "a");
        assert_eq!(Endpoint::new(Host::new("a", 81)).authority(), "a:81");
    }

    #[test]
    fn ipv6_addresses_are_bracketed_in_text_only() {
        let endpoint = Endpoint::new(Host::new("::1", 81));
        assert_eq!(endpoint.url().as_ref(), "http://[::1]:81");
        assert_eq!(endpoint.authority(), "[::1]:81");
        assert_eq!(endpoint.address(), "::1");
        assert_eq!(endpoint.server_name(), "::1");
    }

    #[test]
    fn a_zone_stays_on_this_host() {
        let endpoint = Endpoint::new(Host::new("fe80::1%eth0", 81));
        assert_eq!(endpoint.address(), "fe80::1%eth0");
        assert_eq!(endpoint.url().as_ref(), "http://[fe80::1%eth0]:81");
        assert_eq!(endpoint.authority(), "[fe80::1]:81");
        assert_eq!(endpoint.server_name(), "fe80::1");
        let default = Endpoint::new(Host::new("fe80::1%2", 80));
        assert_eq!(default.authority(), "[fe80::1]");
    }

    #[test]
    fn tls_name_follows_the_authority_unless_set_apart() {
        let mut host = Host::new("10.0.0.7", 443);
        host.authority = Some("api.example:8443".into());
        assert_eq!(Endpoint::new(host.clone()).server_name(), "api.example");
        host.authority = Some("[::1]:8443".into());
        assert_eq!(Endpoint::new(host.clone()).server_name(), "::1");
        host.server_name = Some("inner.example".into());
        assert_eq!(Endpoint::new(host).server_name(), "inner.example");
    }

    #[test]
    fn an_unused_endpoint_is_small() {
        assert!(size_of::<Endpoint>() <= 40, "{} bytes", size_of::<Endpoint>());
        let plain = Endpoint::new(Host::new("10.1.2.3", 80));
        assert!(plain.details.get().is_none());
        assert_eq!((plain.priority(), plain.zone()), (0, None));
        assert!(plain.details.get().is_none(), "asking for what is not stated derives nothing");
    }

    #[test]
    fn an_endpoint_is_of_its_host_until_any_property_is_another() {
        let plain = Host::new("a", 443);
        let full = Host {
            zone: Some("z".to_owned()),
            priority: 1,
            authority: Some("x".to_owned()),
            server_name: Some("y".to_owned()),
            scheme: Some(Scheme::Http),
            weight: 3,
            ..plain.clone()
        };
        let variants = [
            Host { address: "b".to_owned(), ..plain.clone() },
            Host { port: 80, ..plain.clone() },
            Host { weight: 3, ..plain.clone() },
            Host { zone: full.zone.clone(), ..plain.clone() },
            Host { priority: 1, ..plain.clone() },
            Host { authority: full.authority.clone(), ..plain.clone() },
            Host { server_name: full.server_name.clone(), ..plain.clone() },
            Host { scheme: Some(Scheme::Http), ..plain.clone() },
            full,
            plain.clone(),
        ];
        for host in &variants {
            let endpoint = Endpoint::new(host.clone());
            for other in &variants {
                assert_eq!(endpoint.is_of(other), host == other, "{host:?} {other:?}");
                assert_eq!(endpoint.is_of(other), endpoint == Endpoint::new(other.clone()));
            }
            assert_eq!(endpoint.identity(), host.identity());
        }
        let stated = Host { scheme: Some(Scheme::Https), ..plain.clone() };
        assert!(Endpoint::new(plain).is_of(&stated), "the port's own scheme");
    }

    #[test]
    fn a_changed_property_makes_another_endpoint_of_the_same_identity() {
        let mut host = Host::new("a", 80);
        let plain = Endpoint::new(host.clone());
        assert_eq!(plain, Endpoint::new(host.clone()));
        assert!(!plain.url().is_empty());
        assert_eq!(plain, Endpoint::new(host.clone()), "being used changes nothing");
        host.zone = Some("east".into());
        let changed = Endpoint::new(host);
        assert_ne!(plain, changed);
        assert_eq!(plain.identity(), changed.identity());
    }
}
