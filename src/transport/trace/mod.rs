//! What goes over connections, for a host that asks to be told, with secrets masked.
//!
//! Above TLS, so that it can be read. Heads come whole and masked, bodies in the pieces that came or went, as they are.
//! Over HTTP/2 the heads are packed, by a code that would show what is masked: of frames only their kind, stream, flags
//! and length are told, and the heads beside them as the exchange has them.

mod frames;
mod heads;
mod mask;

use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{HeaderMap, Request, response};

use self::frames::FrameLane;
use self::heads::HeadLane;

/// What is told, in order. The numbers are part of the C interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum WireKind {
    /// A connection stands: its two ends.
    Opened = 1,
    /// The head of a request.
    HeadSent = 2,
    /// A piece of a request's body, with its framing.
    BodySent = 3,
    /// The head of an answer.
    HeadReceived = 4,
    /// A piece of an answer's body, with its framing.
    BodyReceived = 5,
    /// The head of a frame of HTTP/2.
    FrameSent = 6,
    /// The same.
    FrameReceived = 7,
}

/// One thing that went over a connection.
#[derive(Clone, Copy, Debug)]
pub struct WireEvent<'a> {
    /// The connection, by a number that no other one of the process has.
    pub connection: u64,
    /// What it is.
    pub kind: WireKind,
    /// Its text or bytes.
    pub bytes: &'a [u8],
}

/// Where a trace goes.
#[derive(Clone)]
pub struct WireTrace(Arc<dyn Fn(&WireEvent<'_>) + Send + Sync>);

impl WireTrace {
    /// To this function.
    #[must_use]
    pub fn new(told: impl Fn(&WireEvent<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(told))
    }

    /// Tells it of `event`.
    pub fn tell(&self, event: &WireEvent<'_>) {
        (self.0)(event);
    }
}

impl fmt::Debug for WireTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WireTrace").finish_non_exhaustive()
    }
}

/// The two directions of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::transport) enum Direction {
    Sent,
    Received,
}

/// Listens on one connection.
#[derive(Debug)]
pub(in crate::transport) struct Tap {
    trace: WireTrace,
    connection: u64,
    lanes: Mutex<Lanes>,
}

#[derive(Debug)]
enum Lanes {
    Http1([HeadLane; 2]),
    Http2([FrameLane; 2]),
}

/// What is to be told.
type Told = Vec<(WireKind, Vec<u8>)>;

impl Tap {
    /// On a connection between `ends`, which stands.
    pub(in crate::transport) fn new(trace: &WireTrace, ends: &str) -> Self {
        static CONNECTIONS: AtomicU64 = AtomicU64::new(1);
        let connection = CONNECTIONS.fetch_add(1, Ordering::Relaxed);
        let lanes = Mutex::new(Lanes::Http1(Default::default()));
        let tap = Self { trace: trace.clone(), connection, lanes };
        tap.tell(vec![(WireKind::Opened, ends.into())]);
        tap
    }

    /// An exchange of HTTP/1.1 begins: heads come next, in both directions.
    pub(in crate::transport) fn begin_exchange(&self) {
        if let Lanes::Http1(lanes) = &mut *self.lanes() {
            lanes.iter_mut().for_each(HeadLane::begin);
        }
    }

    /// From here on it is HTTP/2.
    pub(in crate::transport) fn speaks_http2(&self) {
        *self.lanes() = Lanes::Http2([FrameLane::before_preface(), FrameLane::default()]);
    }

    /// These bytes went by.
    pub(in crate::transport) fn pass(&self, direction: Direction, bytes: &[u8]) {
        let told = match &mut *self.lanes() {
            Lanes::Http1(lanes) => lanes[direction as usize].pass(direction, bytes),
            Lanes::Http2(lanes) => lanes[direction as usize].pass(direction, bytes),
        };
        self.tell(told);
    }

    /// A request goes over a stream.
    pub(in crate::transport) fn request(&self, request: &Request<()>) {
        let (uri, mut head) = (request.uri(), String::new());
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let scheme = uri.scheme_str().unwrap_or_default();
        let method = request.method();
        let _ =
            write!(head, ":method: {method}\r\n:scheme: {scheme}\r\n:authority: {authority}\r\n");
        let _ = write!(head, ":path: {path}\r\n");
        self.head(Direction::Sent, head.into_bytes(), request.headers());
    }

    /// An answer came over a stream.
    pub(in crate::transport) fn answer(&self, head: &response::Parts) {
        let status = format!(":status: {}\r\n", head.status.as_u16());
        self.head(Direction::Received, status.into_bytes(), &head.headers);
    }

    fn head(&self, direction: Direction, mut head: Vec<u8>, headers: &HeaderMap) {
        for (name, value) in headers {
            for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                head.extend_from_slice(part);
            }
        }
        head.extend_from_slice(b"\r\n");
        self.tell(vec![(head_of(direction), mask::head(&head))]);
    }

    /// Without the lock: it calls the host.
    fn tell(&self, told: Told) {
        for (kind, bytes) in told {
            self.trace.tell(&WireEvent { connection: self.connection, kind, bytes: &bytes });
        }
    }

    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const fn head_of(direction: Direction) -> WireKind {
    match direction {
        Direction::Sent => WireKind::HeadSent,
        Direction::Received => WireKind::HeadReceived,
    }
}

const fn body_of(direction: Direction) -> WireKind {
    match direction {
        Direction::Sent => WireKind::BodySent,
        Direction::Received => WireKind::BodyReceived,
    }
}
