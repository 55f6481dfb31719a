//! From an endpoint to a stream: addresses, the race between them, TLS.

use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::time::{Sleep, sleep, timeout};
use tokio_rustls::TlsConnector;

use crate::endpoint::{Endpoint, Scheme};
use crate::outcome::{Failure, FailureKind};

use super::failure::{Stage, cause_of, io_cause};
use super::http1::direct::DirectConfig;
use super::tls::{Offer, Tls};
use super::wire::{Socket, Stream, Traffic, Wire};

/// Bounds what must end in a connection.
pub(super) async fn within<T>(
    limit: Duration,
    connecting: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    timeout(limit, connecting).await.unwrap_or_else(|_| {
        let detail = format!("no connection within {} ms", limit.as_millis());
        Err(Failure::unsent(FailureKind::ConnectTimeout, detail))
    })
}

/// Connects to `endpoint`, TLS included, where `offer` is made; what goes through is counted in `traffic`.
pub(super) async fn dial(
    endpoint: &Endpoint,
    config: &DirectConfig,
    offer: Offer,
    traffic: Traffic,
) -> Result<Stream, Failure> {
    let found = config.resolver.lookup(endpoint.address()).await;
    let addresses = found.map_err(|error| error.cause().failure(false))?;
    let socket = race(interleaved(addresses, endpoint.port())).await;
    let socket = socket.map_err(|error| io_cause(&error, Stage::Connect).failure(false))?;
    let wire = Wire::new(socket, traffic);
    match endpoint.scheme() {
        Scheme::Http => Ok(Stream::Plain(wire)),
        Scheme::Https => handshake(endpoint, &config.tls, offer, wire).await,
    }
}

async fn handshake(
    endpoint: &Endpoint,
    tls: &Tls,
    offer: Offer,
    wire: Wire,
) -> Result<Stream, Failure> {
    let unsent = |detail: String| Failure::unsent(FailureKind::Tls, detail);
    let config = tls.client_config(offer).map_err(unsent)?;
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

/// The first connection to stand; the next address starts after a delay, or when another failed.
async fn race(addresses: Vec<SocketAddr>) -> io::Result<Socket> {
    if let [address] = addresses[..] {
        return Socket::connect(address).await;
    }
    let mut race = Race::new(addresses);
    poll_fn(|cx| race.poll(cx)).await
}

type Connecting = Pin<Box<dyn Future<Output = io::Result<Socket>> + Send>>;

struct Race {
    waiting: std::vec::IntoIter<SocketAddr>,
    running: Vec<Connecting>,
    next_start: Pin<Box<Sleep>>,
    /// One has failed since the last start: the next one need not wait.
    hurry: bool,
    failed: Option<io::Error>,
}

impl Race {
    fn new(addresses: Vec<SocketAddr>) -> Self {
        Self {
            waiting: addresses.into_iter(),
            running: Vec::new(),
            next_start: Box::pin(sleep(ATTEMPT_DELAY)),
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
        self.running.push(Box::pin(Socket::connect(address)));
        self.next_start.set(sleep(ATTEMPT_DELAY));
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

/// RFC 8305's recommendation; gRPC A61 uses the same.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

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

    #[tokio::test]
    async fn a_refused_address_makes_way_for_the_next_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        // Nobody listens on the other loopback addresses.
        let addresses = interleaved(ips(&["127.0.0.2", "127.0.0.3", "127.0.0.1"]), port);
        let begun = std::time::Instant::now();
        let socket = race(addresses).await.unwrap();
        assert_eq!(socket.stream().peer_addr().unwrap().ip().to_string(), "127.0.0.1");
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
        let begun = std::time::Instant::now();
        let socket = race(vec![silent, open]).await.unwrap();
        assert_eq!(socket.stream().peer_addr().unwrap(), open);
        assert!(begun.elapsed() >= ATTEMPT_DELAY && begun.elapsed() < ATTEMPT_DELAY * 3);
        drop(held);
    }

    #[tokio::test]
    async fn the_error_is_the_one_that_tells_most() {
        let error =
            race(ips(&["127.0.0.2", "127.0.0.3"]).into_iter().map(|ip| (ip, 1).into()).collect());
        assert_eq!(error.await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(race(vec![]).await.unwrap_err().kind(), io::ErrorKind::HostUnreachable);
    }
}
