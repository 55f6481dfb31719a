//! The socket under a connection: counts what leaves, and says goodbye on the way out.

use std::future::Future;
use std::io::{self, IoSlice, Read};
use std::mem::MaybeUninit;
use std::net::{Shutdown, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::{Domain, SockRef, Type};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::yield_now;
use tokio_rustls::client::TlsStream;

use super::life::Life;
use super::socket_options::SocketOptions;
use super::trace::{Tap, WireTrace};
use crate::phase::{Carrier, Ends, Protocol};
use crate::runtime::process::sockets;
use crate::runtime::socket::{self, Descriptor, GATHER_FLAGS};
use crate::statistics::{CloseReason, Stripe};

use super::http1::fault::AnswerFault;

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
    /// Whether somebody wanted to read since the turn began, where that is noted.
    is_asked: AtomicBool,
    /// Bytes that have been read since the turn began, where turns are counted.
    turn: AtomicUsize,
    /// Bytes that have been read since something came of them.
    idle: AtomicUsize,
    /// The connection's life, once it stands.
    life: OnceLock<Life>,
    /// Listens where the host wants a trace.
    tap: OnceLock<Tap>,
}

impl Traffic {
    /// The connection stands: it and its bytes are counted on `stripe` from here on.
    pub(super) fn opened(&self, stripe: &Arc<Stripe>, ends: Ends) {
        let _ = self.0.life.set(Life::new(stripe, ends));
    }

    /// What goes over the connection is told, from here on.
    pub(super) fn traced_by(&self, trace: &WireTrace, ends: &Ends) {
        // A unix socket's ends have no addresses.
        let [local, remote] =
            [ends.local, ends.remote].map(|end| end.map(|end| end.to_string()).unwrap_or_default());
        let _ = self.0.tap.set(Tap::new(trace, &format!("{local} to {remote}")));
    }

    /// What listens on the connection.
    #[inline]
    pub(super) fn tap(&self) -> Option<&Tap> {
        self.0.tap.get()
    }

    /// The connection as it is told of an exchange that it carries.
    pub(super) fn carrier(&self, protocol: Protocol, reused: bool) -> Option<Carrier> {
        let ends = Arc::clone(self.0.life.get()?.ends());
        Some(Carrier { ends, protocol, reused })
    }

    /// The connection is kept for the next exchange.
    pub(super) fn rests(&self) {
        self.0.life.get().into_iter().for_each(Life::rests);
    }

    /// The connection is used again.
    pub(super) fn is_used_again(&self) {
        self.0.life.get().into_iter().for_each(Life::is_used_again);
    }

    /// Of a connection that exchanges share, the last one has ended.
    pub(super) fn is_shared_by_none(&self) {
        self.0.life.get().into_iter().for_each(Life::is_shared_by_none);
    }

    /// One more exchange shares the connection with others.
    pub(super) fn is_shared(&self) {
        self.0.life.get().into_iter().for_each(Life::is_shared);
    }

    /// The connection is about to be closed, and why.
    pub(super) fn closes(&self, reason: CloseReason) {
        self.0.life.get().into_iter().for_each(|life| life.closes(reason));
    }

    fn note_written(&self, count: usize) {
        self.0.written.fetch_add(count as u64, Ordering::Relaxed);
        self.0.life.get().into_iter().for_each(|life| life.sent(count));
    }

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
        self.0.is_asked.store(false, Ordering::Relaxed);
    }

    /// Somebody wants to read.
    pub(super) fn is_asked(&self) {
        self.0.is_asked.store(true, Ordering::Relaxed);
    }

    /// Whether nothing comes of the connection any more: writing has failed, and nobody wanted to read in this turn.
    pub(super) fn is_of_no_use(&self) -> bool {
        self.0.reads_the_last.load(Ordering::Relaxed) && !self.0.is_asked.load(Ordering::Relaxed)
    }

    /// Whether the share of this turn is read; never where turns are not counted.
    fn is_turn_over(&self) -> bool {
        let is_flood = self.0.idle.load(Ordering::Relaxed) > FLOOD;
        self.0.turn.load(Ordering::Relaxed) > if is_flood { TURN / 4 } else { TURN }
    }

    /// What has been read so far brought an exchange further.
    pub(super) fn advanced(&self) {
        self.0.idle.store(0, Ordering::Relaxed);
    }

    /// Why nothing more is read, where too much came that brought no exchange further.
    pub(super) fn overrun(&self) -> Option<AnswerFault> {
        (self.0.idle.load(Ordering::Relaxed) > MAX_IDLE).then(|| AnswerFault::of_no_use(MAX_IDLE))
    }

    fn note_read(&self, count: usize) {
        if count == 0 {
            return;
        }
        self.0.read.fetch_add(count as u64, Ordering::Relaxed);
        // One thread at a time polls a connection, so that no other one counts meanwhile.
        let idle = self.0.idle.load(Ordering::Relaxed);
        self.0.idle.store(idle.saturating_add(count), Ordering::Relaxed);
        self.0.life.get().into_iter().for_each(|life| life.received(count));
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
    /// There until it drops, or could not be handed over.
    stream: Option<TcpStream>,
    /// The address that it was connected to; none of a unix socket.
    remote: Option<SocketAddr>,
}

impl Socket {
    /// A connection to `address`.
    pub(super) async fn connect(address: SocketAddr, options: &SocketOptions) -> io::Result<Self> {
        let begin = || {
            let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, None)?;
            socket::prepare(&socket)?;
            socket.set_nonblocking(true)?;
            options.apply(&socket, address)?;
            match socket.connect(&address.into()) {
                Err(error) if !socket::is_under_way(&error) => Err(error),
                _ => TcpStream::from_std(socket.into()),
            }
        };
        let stream = Some(sockets::open(begin, socket::descriptor)?);
        Self { stream, remote: Some(address) }.stands().await
    }

    /// A connection to the unix socket at `path`. It is carried as a TCP stream, for all that is asked of a stream is
    /// to be read from, written to and shut down, and the system does not mind.
    pub(super) async fn connect_unix(path: &str) -> io::Result<Self> {
        loop {
            let begin = || TcpStream::from_std(socket::connect_unix(path)?.into());
            match sockets::open(begin, socket::descriptor) {
                Ok(stream) => return Self { stream: Some(stream), remote: None }.stands().await,
                // The server's backlog is full, and nothing tells when it is not.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    tokio::time::sleep(BACKLOG_PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn stands(self) -> io::Result<Self> {
        let socket = self;
        socket.stream().writable().await?;
        match socket.stream().take_error()? {
            // It stood, and the peer said why it resets.
            Some(error) if is_reset(&error) && socket.has_input() => Ok(socket),
            Some(error) => Err(error),
            None => Ok(socket),
        }
    }

    /// Hands it to the runtime of this thread, from that of another one.
    fn hand_over(&mut self) -> io::Result<()> {
        let stream = self.stream.take().ok_or(io::ErrorKind::NotConnected)?;
        let descriptor = socket::descriptor(&stream);
        let hand_over = || TcpStream::from_std(stream.into_std()?);
        self.stream = Some(sockets::hand_over(descriptor, hand_over)?);
        Ok(())
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

/// Short beside a connect limit, long beside a system call.
const BACKLOG_PAUSE: Duration = Duration::from_millis(5);

fn is_reset(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ConnectionReset
}

impl Drop for Socket {
    /// Ends the connection by `shutdown(2)`: after a mere close, the copy of a descriptor in a child that was
    /// forked without this library's notice would keep it open. It never waits, and there is nobody left to
    /// tell that it failed.
    fn drop(&mut self) {
        let Some(stream) = self.stream.take() else { return };
        sockets::close(socket::descriptor(&stream), || {
            let _ = SockRef::from(&stream).shutdown(Shutdown::Write);
            drop(stream);
        });
    }
}

/// A TCP socket that counts.
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
        if let Some(fault) = self.traffic.overrun() {
            return Poll::Ready(Err(fault.into()));
        }
        if self.traffic.is_turn_over() {
            return others_first(cx);
        }
        let before = buf.filled().len();
        let result = self.socket.polled().poll_read(cx, buf);
        self.traffic.note_read(buf.filled().len() - before);
        result
    }
}

/// Goes on when all other tasks of the thread had their turn, and its timers were looked at. A task that only wakes
/// itself is polled up to 61 times before that, by tokio's default.
pub(super) fn others_first<T>(cx: &mut Context<'_>) -> Poll<T> {
    if pin!(yield_now()).poll(cx).is_ready() {
        cx.waker().wake_by_ref();
    }
    Poll::Pending
}

/// What has arrived, whatever the runtime knows of it.
fn read_now(stream: &TcpStream, room: &mut [u8]) -> io::Result<usize> {
    (&*SockRef::from(stream)).read(room).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => io::ErrorKind::BrokenPipe.into(),
        _ => error,
    })
}

/// Not tokio's own: a `writev` to a socket that was reset raises SIGPIPE in the host.
fn poll_gather(
    stream: &TcpStream,
    cx: &mut Context<'_>,
    bufs: &[IoSlice<'_>],
) -> Poll<io::Result<usize>> {
    let socket = SockRef::from(stream);
    loop {
        ready!(stream.poll_write_ready(cx))?;
        let send = || socket.send_vectored_with_flags(bufs, GATHER_FLAGS);
        match stream.try_io(Interest::WRITABLE, send) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            sent => return Poll::Ready(sent),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = self.socket.polled().poll_write(cx, buf);
        if let Poll::Ready(Ok(count)) = result {
            self.traffic.note_written(count);
        }
        result
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut filled = bufs.iter().filter(|buf| !buf.is_empty());
        let first = filled.next().map_or(&[][..], |buf| buf);
        if filled.next().is_none() {
            return self.poll_write(cx, first);
        }
        let count = ready!(poll_gather(self.socket.stream(), cx, bufs))?;
        self.traffic.note_written(count);
        Poll::Ready(Ok(count))
    }

    fn is_write_vectored(&self) -> bool {
        true
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
    pub(super) fn bare_descriptor(&self) -> Option<Descriptor> {
        match self {
            Self::Plain(wire) => Some(socket::descriptor(wire.socket.stream())),
            Self::Tls(_) => None,
        }
    }

    /// The two ends of the socket.
    pub(super) fn ends(&self) -> Ends {
        let wire = match self {
            Self::Plain(wire) => wire,
            Self::Tls(tls) => tls.get_ref().0,
        };
        let local = wire.socket.stream().local_addr().ok();
        Ends { local, remote: wire.socket.remote }
    }

    /// Hands the socket to the runtime of this thread, from that of another one; between exchanges.
    pub(super) fn hand_over(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(wire) => wire.socket.hand_over(),
            Self::Tls(tls) => tls.get_mut().0.socket.hand_over(),
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

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(wire) => Pin::new(wire).poll_write_vectored(cx, bufs),
            Self::Tls(tls) => Pin::new(tls).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
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

/// After so many bytes of which nothing came turns are shorter: a ticket of TLS costs as much as ten frames of its size.
const FLOOD: usize = 64 * 1024;

/// Four times the largest head; whatever a peer goes on sending, be it tickets of TLS or frames of HTTP/2 that are neither
/// head nor body.
const MAX_IDLE: usize = 1024 * 1024;

/// How much a look at a rested socket reads at most; what is not read needs not be cleared first.
const LOOK: usize = 1024;

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::Write;

    use super::*;

    /// A connection whose peer writes without end.
    async fn flooded() -> Wire {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            while socket.write_all(&[0; 64 * 1024]).is_ok() {}
        });
        Wire::new(
            Socket::connect(address, &SocketOptions::default()).await.unwrap(),
            Traffic::default(),
        )
    }

    /// Reads pieces of 4 KiB, as TLS does, until the turn is over or nothing is there; what was read.
    fn turn(wire: &mut Wire, cx: &mut Context<'_>) -> io::Result<usize> {
        let (mut room, mut all) = ([0; 4096], 0);
        wire.traffic.begin_turn();
        loop {
            let mut buf = ReadBuf::new(&mut room);
            match Pin::new(&mut *wire).poll_read(cx, &mut buf)? {
                Poll::Ready(()) => all += buf.filled().len(),
                Poll::Pending => return Ok(all),
            }
        }
    }

    #[tokio::test]
    async fn a_turn_reads_its_share_and_what_is_of_no_use_is_bounded() {
        let mut wire = flooded().await;
        let (mut all, mut most) = (0, 0);
        let error = poll_fn(|cx| match turn(&mut wire, cx) {
            Ok(count) => {
                all += count;
                most = most.max(count);
                Poll::Pending
            }
            Err(error) => Poll::Ready(error),
        })
        .await;
        assert!((TURN..=TURN + 4096).contains(&most), "{most}");
        assert!(error.to_string().contains("more than 1048576 bytes"), "{error}");
        assert!(all <= MAX_IDLE + 4096, "{all}");
    }

    #[tokio::test]
    async fn what_is_of_use_has_no_bound() {
        let mut wire = flooded().await;
        let mut all = 0;
        poll_fn(|cx| {
            all += turn(&mut wire, cx).unwrap();
            wire.traffic.advanced();
            if all > 4 * MAX_IDLE { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    #[tokio::test]
    async fn a_task_that_lets_the_others_go_first_is_polled_once_before_timers_are_looked_at() {
        let ended = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&ended);
        let mut polls = 0;
        let greedy = tokio::spawn(poll_fn(move |cx| {
            // A turn of five milliseconds.
            let turn = std::time::Instant::now();
            while turn.elapsed().as_millis() < 5 {}
            polls += 1;
            if stop.load(Ordering::Relaxed) { Poll::Ready(polls) } else { others_first(cx) }
        }));
        tokio::time::sleep(Duration::from_millis(20)).await;
        ended.store(true, Ordering::Relaxed);
        let polls = greedy.await.unwrap();
        assert!(polls <= 10, "{polls} turns before the timer");
    }
}
