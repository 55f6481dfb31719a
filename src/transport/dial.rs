//! From an endpoint to a stream: addresses, the race between them, TLS.

use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use tokio::time::{Sleep, sleep};
use tokio_rustls::TlsConnector;

use crate::endpoint::{Endpoint, Scheme, unix_path};
use crate::outcome::{Failure, FailureKind};
use crate::phase::Phase;
use crate::runtime::clock::timeout;
use crate::runtime::descriptors::Reserve;
use crate::runtime::getaddrinfo;
use crate::statistics::Counter;

use super::direct_config::DirectConfig;
use super::failure::{Stage, cause_of, io_cause};
use super::socket_options::SocketOptions;
use super::tls::{AlpnProtocols, Tls};
use super::traffic::Traffic;
use super::wire::{Socket, Stream, Wire};

/// Where connections are made to, and how.
pub(super) struct Dialler<'a> {
    pub(super) endpoint: &'a Endpoint,
    pub(super) config: &'a DirectConfig,
    pub(super) alpn: AlpnProtocols,
    /// The addresses to begin with only where there is no other.
    pub(super) met: &'a [SocketAddr],
    /// What goes through the connection is counted here.
    pub(super) traffic: Traffic,
    /// Limit on resolving, TCP and TLS together.
    pub(super) limit: Duration,
    /// Whether the socket may take one of the host's descriptors.
    pub(super) reserve: Reserve,
    /// Told of each phase that begins.
    pub(super) enter: &'a (dyn Fn(Phase) + Sync),
}

impl Dialler<'_> {
    /// Connects, TLS included.
    ///
    /// A name that could not be resolved in time is no fault of the endpoint, and so another failure than a connect
    /// that took too long.
    pub(super) async fn dial(self) -> Result<Stream, Failure> {
        let (stripe, traffic) = (Arc::clone(&self.config.stripe), self.traffic.clone());
        let trace = self.config.trace.clone();
        let stream = self.dial_uncounted().await;
        match &stream {
            Ok(stream) => {
                let ends = stream.ends();
                trace.iter().for_each(|trace| traffic.traced_by(trace, &ends));
                traffic.opened(&stripe, ends);
            }
            Err(_) => stripe.count(Counter::ConnectionsFailed, 1),
        }
        stream
    }

    async fn dial_uncounted(self) -> Result<Stream, Failure> {
        let (begun, limit) = (Instant::now(), self.limit);
        (self.enter)(Phase::Resolve);
        if let Some(path) = unix_path(self.endpoint.address()) {
            (self.enter)(Phase::Connect);
            let connected = timeout(limit, self.connect_unix(path)).await;
            return connected.unwrap_or_else(|_| Err(not_connected(limit)));
        }
        let addresses = timeout(limit, self.addresses()).await;
        let mut addresses = addresses.unwrap_or_else(|_| Err(not_resolved(limit)))?;
        self.endpoint.sort_addresses(&mut addresses, self.met, Instant::now());
        (self.enter)(Phase::Connect);
        let left = limit.saturating_sub(begun.elapsed());
        let connected = timeout(left, self.connect(addresses, left)).await;
        connected.unwrap_or_else(|_| Err(not_connected(limit)))
    }

    async fn addresses(&self) -> Result<Vec<SocketAddr>, Failure> {
        let (address, port) = (self.endpoint.address(), self.endpoint.port());
        if let Some(stated) = self.config.sockets.overrides.of(address, port) {
            return Ok(self.turned(interleaved(stated.to_vec(), port)));
        }
        if let Some(found) = scoped(address, port) {
            return found.map(|address| vec![address]);
        }
        let found = self.config.resolver.lookup_as(address, self.config.names).await;
        let addresses = found.map_err(|error| error.cause().failure(false));
        if address.parse::<IpAddr>().is_err() {
            self.config.stripe.count(by_answer(&addresses), 1);
        }
        let addresses = interleaved(addresses?, port);
        Ok(self.turned(addresses))
    }

    fn turned(&self, addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
        turned(addresses, self.config.turn.load(Ordering::Relaxed))
    }

    async fn connect(&self, addresses: Vec<SocketAddr>, left: Duration) -> Result<Stream, Failure> {
        let sockets = (&self.config.sockets, self.reserve);
        let endpoint = self.endpoint;
        let first = addresses.first().copied();
        let socket = race(addresses, sockets, left).await;
        let address = socket.as_ref().ok().and_then(Socket::remote);
        if let Some(address) = address.filter(|address| Some(*address) != first) {
            endpoint.address_is_needed(address, Instant::now());
        }
        let guard = address.map(|address| HandshakeGuard::new(endpoint, address));
        let stream = self.greet(socket).await;
        if stream.is_ok() {
            guard.into_iter().for_each(HandshakeGuard::succeeds);
        }
        stream
    }

    async fn connect_unix(&self, path: &str) -> Result<Stream, Failure> {
        self.greet(Socket::connect_unix(path, self.reserve).await).await
    }

    /// Agrees on TLS where the endpoint speaks it.
    async fn greet(&self, socket: io::Result<Socket>) -> Result<Stream, Failure> {
        let socket = socket.map_err(|error| io_cause(&error, Stage::Connect).failure(false))?;
        let wire = Wire::new(socket, self.traffic.clone());
        match self.endpoint.scheme() {
            Scheme::Http => Ok(Stream::Plain(wire)),
            Scheme::Https => {
                (self.enter)(Phase::Tls);
                let mut handshake =
                    pin!(handshake(self.endpoint, &self.config.tls, self.alpn, wire));
                poll_fn(|cx| {
                    self.traffic.begin_turn();
                    handshake.as_mut().poll(cx)
                })
                .await
            }
        }
    }
}

/// Notes how a handshake with an address ends, or what a plain connection has instead. Dropped before it succeeds, it has
/// failed or was given up.
struct HandshakeGuard<'a> {
    endpoint: &'a Endpoint,
    address: SocketAddr,
    begun: Instant,
}

impl<'a> HandshakeGuard<'a> {
    fn new(endpoint: &'a Endpoint, address: SocketAddr) -> Self {
        let begun = Instant::now();
        endpoint.address_handshake_began(address, begun);
        Self { endpoint, address, begun }
    }

    fn succeeds(self) {
        self.endpoint.address_handshake_succeeded(self.address, Instant::now());
        std::mem::forget(self);
    }
}

impl Drop for HandshakeGuard<'_> {
    fn drop(&mut self) {
        self.endpoint.address_handshake_failed(self.address, self.begun, Instant::now());
    }
}

/// What counts the answer to a name.
fn by_answer(found: &Result<Vec<IpAddr>, Failure>) -> Counter {
    match found {
        Ok(_) => Counter::NamesAnswered,
        Err(failure) if failure.kind == FailureKind::NameNotFound => Counter::NamesNotFound,
        Err(_) => Counter::NamesFailed,
    }
}

/// Tells nobody of phases.
pub(super) const UNTOLD: &(dyn Fn(Phase) + Sync) = &|_| {};

/// What an attempt is called whose name was not resolved within `limit`.
pub(super) fn not_resolved(limit: Duration) -> Failure {
    let detail = format!("name not resolved within {} ms", limit.as_millis());
    Failure::unsent(FailureKind::Resolve, detail)
}

/// What an attempt is called that was not connected within `limit`.
pub(super) fn not_connected(limit: Duration) -> Failure {
    let detail = format!("no connection within {} ms", limit.as_millis());
    Failure::unsent(FailureKind::ConnectTimeout, detail)
}

/// The address of a link and its zone, such as `fe80::1%eth0` (RFC 4007): the number of an interface counts on this
/// host alone, so that it is looked up here and goes nowhere else.
fn scoped(address: &str, port: u16) -> Option<Result<SocketAddr, Failure>> {
    let (address, zone) = address.split_once('%')?;
    let address: Ipv6Addr = address.parse().ok()?;
    let interface = getaddrinfo::interface(zone);
    Some(match interface {
        Some(number) => Ok(SocketAddrV6::new(address, port, 0, number).into()),
        None => {
            let detail = format!("no interface {zone} on this host");
            Err(Failure::unsent(FailureKind::Local, detail))
        }
    })
}

async fn handshake(
    endpoint: &Endpoint,
    tls: &Tls,
    alpn: AlpnProtocols,
    wire: Wire,
) -> Result<Stream, Failure> {
    let unsent = |detail: String| Failure::unsent(FailureKind::Tls, detail);
    let config = tls.client_config(alpn).map_err(unsent)?;
    let name = ServerName::try_from(endpoint.server_name().to_owned())
        .map_err(|_| unsent(format!("{} is no name for tls", endpoint.server_name())))?;
    let stream = TlsConnector::from(config).connect(name, wire).await;
    let stream = stream.map_err(|error| cause_of(&error, Stage::Connect).failure(false))?;
    Ok(Stream::Tls(Box::new(stream)))
}

/// Families take turns, so that one that is broken as a whole costs one delay only (RFC 8305).
fn interleaved(addresses: Vec<IpAddr>, port: u16) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(IpAddr::is_ipv6);
    let (lead, rest): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
    let (mut lead, mut rest) = (lead.into_iter(), rest.into_iter());
    let mut order = Vec::with_capacity(lead.len() + rest.len());
    loop {
        match (lead.next(), rest.next()) {
            (None, None) => return order,
            (one, other) => {
                order.extend(one.into_iter().chain(other).map(|ip| SocketAddr::new(ip, port)));
            }
        }
    }
}

/// The addresses from the one on whose turn it is, those before it last.
fn turned(mut addresses: Vec<SocketAddr>, turn: usize) -> Vec<SocketAddr> {
    let first = turn % addresses.len().max(1);
    addresses.rotate_left(first);
    addresses
}

/// The first connection to stand; the next address starts after a delay, or when another failed.
async fn race(
    addresses: Vec<SocketAddr>,
    sockets: (&SocketOptions, Reserve),
    left: Duration,
) -> io::Result<Socket> {
    if let [address] = addresses[..] {
        return Socket::connect(address, sockets.0, sockets.1).await;
    }
    let mut race = Race::new(addresses, sockets, left);
    poll_fn(|cx| race.poll(cx)).await
}

type Connecting<'a> = Pin<Box<dyn Future<Output = io::Result<Socket>> + Send + 'a>>;

struct Race<'a> {
    /// What they are told, and whether they may take the host's descriptors.
    sockets: (&'a SocketOptions, Reserve),
    waiting: std::vec::IntoIter<SocketAddr>,
    running: Vec<Connecting<'a>>,
    /// Between two starts.
    delay: Duration,
    next_start: Pin<Box<Sleep>>,
    /// One has failed since the last start: the next one need not wait.
    hurry: bool,
    failed: Option<io::Error>,
}

impl<'a> Race<'a> {
    fn new(
        addresses: Vec<SocketAddr>,
        sockets: (&'a SocketOptions, Reserve),
        left: Duration,
    ) -> Self {
        let delay = delay(addresses.len(), left);
        Self {
            sockets,
            waiting: addresses.into_iter(),
            running: Vec::new(),
            delay,
            next_start: Box::pin(sleep(delay)),
            hurry: true,
            failed: None,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Socket>> {
        loop {
            if let Some(socket) = self.poll_running(cx) {
                return Poll::Ready(Ok(socket));
            }
            if !self.hurry && self.next_start.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if !self.start_next() {
                return match self.running.is_empty() {
                    true => Poll::Ready(Err(self.error())),
                    false => Poll::Pending,
                };
            }
        }
    }

    fn poll_running(&mut self, cx: &mut Context<'_>) -> Option<Socket> {
        let mut index = 0;
        while let Some(connecting) = self.running.get_mut(index) {
            match connecting.as_mut().poll(cx) {
                Poll::Pending => index += 1,
                Poll::Ready(Ok(socket)) => return Some(socket),
                Poll::Ready(Err(error)) => {
                    drop(self.running.swap_remove(index));
                    self.note(error);
                }
            }
        }
        None
    }

    fn start_next(&mut self) -> bool {
        self.hurry = false;
        let Some(address) = self.waiting.next() else {
            return false;
        };
        let (options, reserve) = self.sockets;
        self.running.push(Box::pin(Socket::connect(address, options, reserve)));
        self.next_start.set(sleep(self.delay));
        true
    }

    /// A family without a route fails at once and says nothing of the endpoint; anything else tells more.
    fn note(&mut self, error: io::Error) {
        self.hurry = true;
        let tells_little = |error: &io::Error| error.kind() == io::ErrorKind::NetworkUnreachable;
        if self.failed.as_ref().is_none_or(|known| tells_little(known) && !tells_little(&error)) {
            self.failed = Some(error);
        }
    }

    fn error(&mut self) -> io::Error {
        let none = || io::Error::new(io::ErrorKind::HostUnreachable, "no address");
        self.failed.take().unwrap_or_else(none)
    }
}

/// How long after one address the next of so many starts: each has its turn within the time that is `left`, the last
/// one with as much of it as the others.
fn delay(addresses: usize, left: Duration) -> Duration {
    let shares = u32::try_from(addresses).unwrap_or(u32::MAX).saturating_add(1);
    (left / shares).clamp(LEAST_DELAY, ATTEMPT_DELAY)
}

/// RFC 8305's recommendation; gRPC A61 uses the same.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// RFC 8305 allows no less.
const LEAST_DELAY: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::net::TcpListener;
    use tokio::runtime::Handle;

    use super::*;
    use crate::endpoint::Host;
    use crate::transport::{Resolver, TlsConfig};

    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn all_addresses_have_their_turn_within_the_limit() {
        let ms = Duration::from_millis;
        assert_eq!(delay(2, LONG), ATTEMPT_DELAY);
        assert_eq!(delay(12, Duration::MAX), ATTEMPT_DELAY);
        assert_eq!(delay(3, ms(500)), ms(125));
        assert_eq!(delay(1000, ms(500)), LEAST_DELAY);
        assert_eq!(delay(2, Duration::ZERO), LEAST_DELAY);
    }

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn families_take_turns_and_the_first_leads() {
        let order = interleaved(ips(&["::1", "::2", "::3", "1.1.1.1"]), 80);
        let order: Vec<String> = order.iter().map(|address| address.ip().to_string()).collect();
        assert_eq!(order, ["::1", "1.1.1.1", "::2", "::3"]);
        assert!(interleaved(vec![], 80).is_empty());
    }

    #[test]
    fn each_address_has_its_turn_to_be_the_first() {
        let addresses = interleaved(ips(&["10.0.0.1", "10.0.0.2", "10.0.0.3"]), 80);
        let firsts = (0..4).map(|turn| turned(addresses.clone(), turn)[0].ip().to_string());
        let expected = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.1"];
        assert_eq!(firsts.collect::<Vec<_>>(), expected);
        assert_eq!(turned(addresses.clone(), 2)[1..], addresses[..2]);
        assert!(turned(vec![], 5).is_empty());
    }

    #[tokio::test]
    async fn a_name_that_is_not_resolved_in_time_is_no_failed_connect() {
        // It takes questions and answers none.
        let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let servers = [silent.local_addr().unwrap()];
        let patience = Duration::from_secs(30);
        let resolver = Resolver::with_name_servers(Handle::current(), &servers, patience);
        let tls = Tls::new(TlsConfig::default(), None).unwrap();
        let config = DirectConfig::of_tests(Arc::new(tls), Arc::new(resolver));
        let endpoint = Endpoint::new(Host::new("silent.test.", 80));
        let told = Mutex::new(Vec::new());
        let dialler = Dialler {
            endpoint: &endpoint,
            config: &config,
            alpn: AlpnProtocols::Http1,
            met: &[],
            traffic: Traffic::default(),
            limit: Duration::from_millis(50),
            reserve: Reserve::Used,
            enter: &|phase| told.lock().unwrap().push(phase),
        };
        let failure = dialler.dial().await.unwrap_err();
        assert_eq!((failure.kind, failure.sent), (FailureKind::Resolve, false));
        assert_eq!(failure.detail, "name not resolved within 50 ms");
        assert_eq!(*told.lock().unwrap(), [Phase::Resolve]);
    }

    #[tokio::test]
    async fn a_refused_address_makes_way_for_the_next_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        // Nobody listens on the other loopback addresses.
        let addresses = interleaved(ips(&["127.0.0.2", "127.0.0.3", "127.0.0.1"]), port);
        let begun = Instant::now();
        let socket =
            race(addresses, (&SocketOptions::default(), Reserve::Used), LONG).await.unwrap();
        assert_eq!(socket.stream().unwrap().peer_addr().unwrap().ip().to_string(), "127.0.0.1");
        assert!(begun.elapsed() < ATTEMPT_DELAY);
    }

    #[tokio::test]
    async fn a_silent_address_makes_way_after_the_delay() {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        let full = socket.listen(1).unwrap();
        let silent = full.local_addr().unwrap();
        let connect = || std::net::TcpStream::connect_timeout(&silent, Duration::from_millis(100));
        let held: Vec<_> = std::iter::from_fn(|| connect().ok()).collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = listener.local_addr().unwrap();
        let begun = Instant::now();
        let socket = race(vec![silent, open], (&SocketOptions::default(), Reserve::Used), LONG)
            .await
            .unwrap();
        assert_eq!(socket.stream().unwrap().peer_addr().unwrap(), open);
        assert!(begun.elapsed() >= ATTEMPT_DELAY && begun.elapsed() < ATTEMPT_DELAY * 3);
        drop(held);
    }

    #[tokio::test]
    async fn the_error_is_the_one_that_tells_most() {
        let options = SocketOptions::default();
        let error = race(
            ips(&["127.0.0.2", "127.0.0.3"]).into_iter().map(|ip| (ip, 1).into()).collect(),
            (&options, Reserve::Used),
            LONG,
        );
        assert_eq!(error.await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(
            race(vec![], (&options, Reserve::Used), LONG).await.unwrap_err().kind(),
            io::ErrorKind::HostUnreachable
        );
    }
}
