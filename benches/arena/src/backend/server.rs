//! One endpoint: its line, its slots, and what is wrong with it now.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use crate::backend::poll::{checked, owned};
use crate::clock::{MS, SECOND};
use crate::plan::Mode;

/// A fault that is on, with its bounds on the clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Active {
    pub(super) mode: Mode,
    pub(super) from: u64,
    pub(super) to: u64,
}

/// An endpoint.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) port: u16,
    pub(super) listener: Option<TcpListener>,
    /// Keeps the port while nobody listens.
    _holder: OwnedFd,
    /// Slots at work.
    pub(super) busy: usize,
    /// Jobs that wait for a slot.
    pub(super) line: VecDeque<usize>,
    pub(super) active: Vec<Active>,
    /// Of a throttled one: when its bucket was last looked at, and what was in it.
    bucket: (u64, f64),
    /// Answers in this and the last second, for the load that is reported.
    recent: (u64, u32, u32),
    /// How long requests took lately, in nanoseconds, by how many were there when they came; 0 for not known. One
    /// figure for all would go on telling of the last crowd to a server that nobody chooses for that.
    latencies: [u64; MOST_AHEAD + 1],
}

impl Server {
    /// Listens on a free port of loopback.
    pub(super) fn new() -> io::Result<Self> {
        let holder = bound(0)?;
        let port = TcpListener::from(holder.try_clone()?).local_addr()?.port();
        Ok(Self {
            port,
            listener: Some(listen(port)?),
            _holder: holder,
            busy: 0,
            line: VecDeque::new(),
            active: Vec::new(),
            bucket: (0, 0.0),
            recent: (0, 0, 0),
            latencies: [0; MOST_AHEAD + 1],
        })
    }

    /// Listens again after a time of refusing.
    pub(super) fn reopen(&mut self) -> io::Result<&TcpListener> {
        Ok(self.listener.insert(listen(self.port)?))
    }

    /// How many times as long work takes that begins now.
    pub(super) fn slowness(&self, now: u64) -> f64 {
        let each = self.active.iter();
        each.map(|a| a.mode.slowness(now.saturating_sub(a.from), a.to - a.from)).product()
    }

    /// Whether a fault of that kind acts now.
    pub(super) fn has(&self, now: u64, kind: fn(Mode) -> bool) -> bool {
        self.active.iter().any(|a| kind(a.mode) && acts(a, now))
    }

    /// The share of requests that fail at once.
    pub(super) fn failing(&self, now: u64) -> f64 {
        let each = self.active.iter().filter(|a| acts(a, now));
        each.map(|a| match a.mode {
            Mode::Fail { share } => share,
            Mode::Flap { .. } => 1.0,
            _ => 0.0,
        })
        .fold(0.0, f64::max)
    }

    /// When the pause ends that is on now, and how long it is.
    pub(super) fn pause(&self, now: u64) -> Option<(u64, u64)> {
        self.active.iter().find_map(|a| {
            let (every, length) = a.mode.rounds()?;
            let pauses = matches!(a.mode, Mode::Pause { .. }) && acts(a, now);
            pauses.then(|| (now + length - (now - a.from) % every, length))
        })
    }

    /// Seconds to wait, where the request is one too many.
    pub(super) fn throttled(&mut self, now: u64) -> Option<u64> {
        let limit = self.active.iter().find_map(|a| match a.mode {
            Mode::Throttle { per_second, retry_after_s } => Some((per_second, retry_after_s)),
            _ => None,
        });
        let (per_second, retry_after_s) = limit?;
        let (last, left) = self.bucket;
        let gained = now.saturating_sub(last) as f64 / SECOND as f64 * per_second;
        // A tenth of a second's worth may come at once.
        let left = (left + gained).min((per_second / 10.0).max(1.0));
        let admitted = left >= 1.0;
        self.bucket = (now, if admitted { left - 1.0 } else { left });
        (!admitted).then_some(retry_after_s)
    }

    /// Counts an answer.
    pub(super) fn answered(&mut self, now: u64) {
        let second = now / SECOND;
        self.recent = match self.recent {
            (at, this, last) if at == second => (at, this + 1, last),
            (at, this, _) if at + 1 == second => (second, 1, this),
            _ => (second, 1, 0),
        };
    }

    /// Requests at work and in line.
    pub(super) fn in_flight(&self) -> usize {
        self.busy + self.line.len()
    }

    /// Takes in how long a request took that found so many ahead of it, its time in line included.
    pub(super) fn took(&mut self, ahead: usize, nanos: u64) {
        let known = &mut self.latencies[ahead.min(MOST_AHEAD)];
        *known = if *known == 0 { nanos } else { *known - *known / LATELY + nanos / LATELY };
    }

    /// How long a request may take that came now, in nanoseconds: as long as those that found about as many ahead.
    fn expected(&self) -> u64 {
        let ahead = self.in_flight().min(MOST_AHEAD);
        let known = (0..=MOST_AHEAD).filter(|it| self.latencies[*it] > 0);
        known.min_by_key(|it| it.abs_diff(ahead)).map_or(0, |it| self.latencies[it])
    }

    /// The load, as libahoy's probes ask for it.
    pub(super) fn probed(&self) -> String {
        let latency_ms = self.expected() as f64 / MS as f64;
        format!("ahoy-load: in_flight={}, latency_ms={latency_ms:.3}\r\n", self.in_flight())
    }

    /// The load, as the header of ORCA's text form.
    pub(super) fn load(&self, slots: usize) -> String {
        let use_ = (self.busy + self.line.len()) as f64 / slots as f64;
        let (_, this, last) = self.recent;
        format!(
            "endpoint-load-metrics: TEXT application_utilization={use_:.3},rps_fractional={},\
             named_metrics.in_flight={}\r\n",
            this.max(last),
            self.busy + self.line.len()
        )
    }
}

/// About so many requests count for what is lately.
const LATELY: u64 = 8;

/// From here on it makes no difference.
const MOST_AHEAD: usize = 63;

/// Whether a fault that is on acts in this part of its round.
fn acts(active: &Active, now: u64) -> bool {
    active.mode.rounds().is_none_or(|(every, length)| (now - active.from) % every < length)
}

fn listen(port: u16) -> io::Result<TcpListener> {
    let socket = bound(port)?;
    // SAFETY: the descriptor is a bound socket. More than the load brings at once, so that no SYN is dropped.
    checked(unsafe { libc::listen(socket.as_raw_fd(), 4096) })?;
    let listener = TcpListener::from(socket);
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// A socket that is bound beside others of that port: SO_REUSEADDR allows it while only one listens.
fn bound(port: u16) -> io::Result<OwnedFd> {
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
    // SAFETY: plain numbers.
    let socket = owned(unsafe { libc::socket(libc::AF_INET, kind, 0) })?;
    let yes: libc::c_int = 1;
    // SAFETY: the option's value is that long and lives through the call.
    checked(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_REUSEADDR,
            (&raw const yes).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    })?;
    let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
    let raw = libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from(*address.ip()).to_be() },
        sin_zero: [0; 8],
    };
    // SAFETY: the address is a local of that length.
    checked(unsafe {
        libc::bind(
            socket.as_raw_fd(),
            (&raw const raw).cast(),
            size_of::<libc::sockaddr_in>() as libc::socklen_t,
        )
    })?;
    Ok(socket)
}

/// Closes a connection by RST, as a process does that is killed.
pub(super) fn reset(socket: std::net::TcpStream) {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    // SAFETY: the option's value is that long and lives through the call; what it returns changes nothing.
    unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            (&raw const linger).cast(),
            size_of::<libc::linger>() as libc::socklen_t,
        )
    };
    drop(socket);
}

/// Takes over the standard input, which does not block from here on.
pub(super) fn standard_input() -> io::Result<OwnedFd> {
    // SAFETY: plain numbers; the copy is ours.
    let input = unsafe { OwnedFd::from_raw_fd(checked(libc::dup(0))?) };
    // SAFETY: as above.
    checked(unsafe { libc::fcntl(input.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) })?;
    Ok(input)
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    fn server(mode: Mode) -> Server {
        let mut server = Server::new().unwrap();
        server.active.push(Active { mode, from: 1_000 * MS, to: 9_000 * MS });
        server
    }

    #[test]
    fn a_port_is_kept_while_nobody_listens() {
        let mut server = Server::new().unwrap();
        let address = ("127.0.0.1", server.port);
        TcpStream::connect(address).unwrap();
        server.listener = None;
        TcpStream::connect(address).unwrap_err();
        server.reopen().unwrap();
        TcpStream::connect(address).unwrap();
    }

    #[test]
    fn a_pause_comes_at_the_beginning_of_each_round() {
        let server = server(Mode::Pause { every_ms: 2_000, length_ms: 400 });
        assert_eq!(server.pause(1_100 * MS), Some((1_400 * MS, 400 * MS)));
        assert_eq!(server.pause(1_500 * MS), None);
        assert_eq!(server.pause(3_399 * MS), Some((3_400 * MS, 400 * MS)));
    }

    #[test]
    fn a_throttled_server_takes_what_it_promised() {
        let mut server = server(Mode::Throttle { per_second: 100.0, retry_after_s: 1 });
        let taken = (0..2_000u64).filter(|i| server.throttled((1_000 + i) * MS).is_none()).count();
        assert!((195..=215).contains(&taken), "{taken} in two seconds");
    }

    #[test]
    fn a_probe_is_told_what_requests_took_lately() {
        let mut server = Server::new().unwrap();
        assert_eq!(server.probed(), "ahoy-load: in_flight=0, latency_ms=0.000\r\n");
        server.busy = 3;
        server.took(2, 20 * MS);
        assert_eq!(server.probed(), "ahoy-load: in_flight=3, latency_ms=20.000\r\n");
        (0..9).for_each(|_| server.took(9, 200 * MS));
        assert_eq!(server.expected(), 20 * MS, "as long as with about as many");
        server.busy = 8;
        assert!(server.expected() > 100 * MS, "{}", server.expected());
    }

    #[test]
    fn a_flapping_server_fails_in_its_part_of_the_round() {
        let server = server(Mode::Flap { every_ms: 3_000, down_ms: 1_000 });
        assert_eq!(server.failing(1_500 * MS), 1.0);
        assert_eq!(server.failing(2_500 * MS), 0.0);
    }
}
