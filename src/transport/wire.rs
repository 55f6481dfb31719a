//! The socket under a connection: counts what leaves, and says goodbye on the way out.

use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use socket2::{Domain, SockRef, Type};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::runtime::process::sockets;

/// Bytes that went through a socket, readable while the connection owns the socket.
#[derive(Clone, Debug, Default)]
pub(super) struct Traffic(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    written: AtomicU64,
    read: AtomicU64,
    ask_socket: AtomicBool,
    holds_reads: AtomicBool,
    reads_the_last: AtomicBool,
    /// Bytes that have been read since the turn began, where turns are counted.
    turn: AtomicUsize,
}

impl Traffic {
    /// Bytes that the socket has taken since the connection stands.
    pub(super) fn written(&self) -> u64 {
        self.0.written.load(Ordering::Relaxed)
    }

    /// Bytes that the socket has given since the connection stands.
    pub(super) fn read(&self) -> u64 {
        self.0.read.load(Ordering::Relaxed)
    }

    /// The connection is polled: it reads its share before the others on the thread get their turn. A peer that
    /// sends without end would be read without end.
    pub(super) fn begin_turn(&self) {
        self.0.turn.store(FIRST_OF_TURN, Ordering::Relaxed);
    }

    /// Whether the share of this turn is read; never where turns are not counted.
    fn is_turn_over(&self) -> bool {
        self.0.turn.load(Ordering::Relaxed) > TURN
    }

    fn note_read(&self, count: usize) {
        self.0.read.fetch_add(count as u64, Ordering::Relaxed);
        let turn = self.0.turn.load(Ordering::Relaxed);
        if turn >= FIRST_OF_TURN {
            self.0.turn.store(turn.saturating_add(count), Ordering::Relaxed);
        }
    }

    /// The next read asks the socket itself, not what the runtime knows of it: while a connection rested
    /// nobody drove the runtime, and the peer may have closed.
    pub(super) fn ask_socket(&self) {
        self.0.ask_socket.store(true, Ordering::Relaxed);
    }

    /// Nothing is to be read before the next write.
    pub(super) fn hold_reads(&self) {
        self.0.holds_reads.store(true, Ordering::Relaxed);
    }

    /// Whether reading waits for a write.
    pub(super) fn holds_reads(&self) -> bool {
        self.0.holds_reads.load(Ordering::Relaxed)
    }

    /// Reading need not wait any more.
    pub(super) fn release_reads(&self) {
        self.0.holds_reads.store(false, Ordering::Relaxed);
    }

    /// Writing has failed: what has arrived is read, and where nothing is left reading fails as well.
    pub(super) fn read_to_the_last(&self) {
        self.0.reads_the_last.store(true, Ordering::Relaxed);
    }

    fn take_ask(&self) -> bool {
        self.0.ask_socket.load(Ordering::Relaxed)
            && self.0.ask_socket.swap(false, Ordering::Relaxed)
    }
}

/// A TCP socket that a forked child can find, so that it does not keep its parent's connection open.
#[derive(Debug)]
pub(super) struct Socket {
    /// There until it drops.
    stream: Option<TcpStream>,
}

impl Socket {
    /// A connection to `address`.
    pub(super) async fn connect(address: SocketAddr) -> io::Result<Self> {
        let begin = || {
            let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, None)?;
            socket.set_nonblocking(true)?;
            match socket.connect(&address.into()) {
                Err(error) if !is_under_way(&error) => Err(error),
                _ => TcpStream::from_std(socket.into()),
            }
        };
        let socket = Self { stream: Some(sockets::open(begin, AsRawFd::as_raw_fd)?) };
        socket.stream().writable().await?;
        match socket.stream().take_error()? {
            // It stood, and the peer said why it resets.
            Some(error) if is_reset(&error) && socket.has_input() => Ok(socket),
            Some(error) => Err(error),
            None => Ok(socket),
        }
    }

    fn has_input(&self) -> bool {
        let mut byte = [MaybeUninit::uninit()];
        SockRef::from(self.stream()).peek(&mut byte).is_ok_and(|count| count > 0)
    }

    /// The socket itself.
    pub(super) fn stream(&self) -> &TcpStream {
        self.stream.as_ref().unwrap_or_else(|| unreachable!("taken by drop only"))
    }

    fn polled(&mut self) -> Pin<&mut TcpStream> {
        Pin::new(self.stream.as_mut().unwrap_or_else(|| unreachable!("taken by drop only")))
    }
}

fn is_reset(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ConnectionReset
}

fn is_under_way(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock || error.raw_os_error() == Some(libc::EINPROGRESS)
}

impl Drop for Socket {
    /// Ends the connection by `shutdown(2)`: after a mere close, the copy of a descriptor in a child that was
    /// forked without this library's notice would keep it open. It never waits, and there is nobody left to
    /// tell that it failed.
    fn drop(&mut self) {
        sockets::close(self.stream().as_raw_fd(), || {
            let _ = SockRef::from(self.stream()).shutdown(Shutdown::Write);
            drop(self.stream.take());
        });
    }
}

/// A TCP socket that counts.
///
/// It says that it cannot gather (the trait's default): a gathering write to a reset socket would raise
/// SIGPIPE in the host, whereas a plain one is a `send` with `MSG_NOSIGNAL`.
#[derive(Debug)]
pub(super) struct Wire {
    socket: Socket,
    traffic: Traffic,
}

impl Wire {
    pub(super) fn new(socket: Socket, traffic: Traffic) -> Self {
        // Requests are written whole; waiting for more to send would only delay them.
        let _ = socket.stream().set_nodelay(true);
        Self { socket, traffic }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.traffic.0.reads_the_last.load(Ordering::Relaxed) {
            let read = read_now(self.socket.stream(), buf.initialize_unfilled());
            buf.advance(*read.as_ref().unwrap_or(&0));
            return Poll::Ready(read.map(drop));
        }
        if self.traffic.take_ask() {
            // Little is expected, if anything: the end, or a TLS ticket. The rest comes with the next read.
            let room = buf.initialize_unfilled_to(buf.remaining().min(LOOK));
            match (&*SockRef::from(self.socket.stream())).read(room) {
                Ok(count) => {
                    buf.advance(count);
                    self.traffic.note_read(count);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        if self.traffic.is_turn_over() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buf.filled().len();
        let result = self.socket.polled().poll_read(cx, buf);
        self.traffic.note_read(buf.filled().len() - before);
        result
    }
}

/// What has arrived, whatever the runtime knows of it.
fn read_now(stream: &TcpStream, room: &mut [u8]) -> io::Result<usize> {
    (&*SockRef::from(stream)).read(room).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => io::ErrorKind::BrokenPipe.into(),
        _ => error,
    })
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = self.socket.polled().poll_write(cx, buf);
        if let Poll::Ready(Ok(count)) = result {
            self.traffic.0.written.fetch_add(count as u64, Ordering::Relaxed);
        }
        result
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.polled().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.polled().poll_shutdown(cx)
    }
}

/// What HTTP is spoken over.
#[derive(Debug)]
pub(super) enum Stream {
    /// The socket itself.
    Plain(Wire),
    /// TLS over the socket; boxed, since it is ten times the other's size.
    Tls(Box<TlsStream<Wire>>),
}

impl Stream {
    /// The descriptor of a socket that is read as it is: what the socket does not have, nobody has.
    pub(super) fn bare_descriptor(&self) -> Option<i32> {
        match self {
            Self::Plain(wire) => Some(wire.socket.stream().as_raw_fd()),
            Self::Tls(_) => None,
        }
    }

    /// The protocol that TLS agreed on, if it did on any.
    pub(super) fn protocol(&self) -> Option<&[u8]> {
        match self {
            Self::Plain(_) => None,
            Self::Tls(tls) => tls.get_ref().1.alpn_protocol(),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(wire) => Pin::new(wire).poll_read(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(wire) => Pin::new(wire).poll_write(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(wire) => Pin::new(wire).poll_flush(cx),
            Self::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(wire) => Pin::new(wire).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}

/// 0 stands for a connection whose turns are not counted.
const FIRST_OF_TURN: usize = 1;

/// Frames of a few bytes cost HTTP/2 about a microsecond each: 16 KiB of them are over in two milliseconds.
const TURN: usize = 16 * 1024;

/// How much a look at a rested socket reads at most; what is not read needs not be cleared first.
const LOOK: usize = 1024;
