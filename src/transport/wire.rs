//! The socket under a connection, whose bytes are counted, and what HTTP is spoken over.

use std::future::Future;
use std::io::{self, IoSlice, Read};
use std::mem::MaybeUninit;
use std::net::{Shutdown, SocketAddr};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::{Domain, SockRef};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::task::yield_now;
use tokio_rustls::client::TlsStream;

use super::socket_options::SocketOptions;
use super::traffic::Traffic;
use crate::phase::Ends;
use crate::runtime::descriptors::Reserve;
use crate::runtime::process::sockets;
use crate::runtime::socket::{self, Descriptor, GATHER_FLAGS};

/// A TCP socket that a forked child can find, so that it does not keep its parent's connection open.
#[derive(Debug)]
pub(super) struct Socket {
    /// There until it drops, or could not be handed over.
    stream: Option<TcpStream>,
    /// The address that it was connected to; none of a unix socket.
    remote: Option<SocketAddr>,
    /// Whether the peer was told that no more comes.
    is_shut: bool,
}

impl Socket {
    fn new(stream: TcpStream, remote: Option<SocketAddr>) -> Self {
        Self { stream: Some(stream), remote, is_shut: false }
    }

    /// The address that it leads to; none of a unix socket.
    pub(super) const fn remote(&self) -> Option<SocketAddr> {
        self.remote
    }

    /// A connection to `address`.
    pub(super) async fn connect(
        address: SocketAddr,
        options: &SocketOptions,
        reserve: Reserve,
    ) -> io::Result<Self> {
        let begin = || {
            let socket = socket::stream(Domain::for_address(address))?;
            reserve.check(socket::descriptor(&socket))?;
            options.apply(&socket, address)?;
            match socket.connect(&address.into()) {
                Err(error) if !socket::is_under_way(&error) => Err(options.told(error, address)),
                _ => TcpStream::from_std(socket.into()),
            }
        };
        Self::new(sockets::open(begin, socket::descriptor)?, Some(address)).stands().await
    }

    /// A connection to the unix socket at `path`. It is carried as a TCP stream, for all that is asked of a stream is
    /// to be read from, written to and shut down, and the system does not mind.
    pub(super) async fn connect_unix(path: &str, reserve: Reserve) -> io::Result<Self> {
        loop {
            let begin = || {
                let socket = socket::connect_unix(path)?;
                reserve.check(socket::descriptor(&socket))?;
                TcpStream::from_std(socket.into())
            };
            match sockets::open(begin, socket::descriptor) {
                Ok(stream) => return Self::new(stream, None).stands().await,
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
        socket.stream()?.writable().await?;
        match socket.stream()?.take_error()? {
            // It stood, and the peer said why it resets.
            Some(error) if is_reset(&error) && socket.has_input() => Ok(socket),
            Some(error) => Err(error),
            None => Ok(socket),
        }
    }

    /// Hands it to the runtime in whose context this is, from that of another one.
    fn hand_over(&mut self) -> io::Result<()> {
        Handle::try_current().map_err(io::Error::other)?;
        let stream = self.stream.take().ok_or_else(not_handed_over)?;
        let descriptor = socket::descriptor(&stream);
        let hand_over = || TcpStream::from_std(stream.into_std()?);
        self.stream = Some(sockets::hand_over(descriptor, hand_over)?);
        Ok(())
    }

    fn has_input(&self) -> bool {
        let mut byte = [MaybeUninit::uninit()];
        let peek = |stream| SockRef::from(stream).peek(&mut byte);
        self.stream().and_then(peek).is_ok_and(|count| count > 0)
    }

    /// The socket itself.
    pub(super) fn stream(&self) -> io::Result<&TcpStream> {
        self.stream.as_ref().ok_or_else(not_handed_over)
    }

    fn polled(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        self.stream.as_mut().map(Pin::new).ok_or_else(not_handed_over)
    }
}

/// What was made of a socket that the new runtime did not take: hyper and TLS may ask once more after a failure.
fn not_handed_over() -> io::Error {
    io::ErrorKind::NotConnected.into()
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
            if !self.is_shut {
                let _ = SockRef::from(&stream).shutdown(Shutdown::Write);
            }
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
        let _ = socket.stream().and_then(|stream| stream.set_nodelay(true));
        Self { socket, traffic }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.traffic.take_change() {
            self.socket.hand_over()?;
        }
        if self.traffic.reads_the_last() {
            let read = read_now(self.socket.stream()?, buf.initialize_unfilled());
            buf.advance(*read.as_ref().unwrap_or(&0));
            return Poll::Ready(read.map(drop));
        }
        if self.traffic.take_ask() {
            // Little is expected, if anything: the end, or a TLS ticket. The rest comes with the next read.
            let room = buf.initialize_unfilled_to(buf.remaining().min(LOOK));
            match (&*SockRef::from(self.socket.stream()?)).read(room) {
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
        let result = self.socket.polled()?.poll_read(cx, buf);
        if result.is_pending() {
            self.traffic.drained();
        }
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
        let result = self.socket.polled()?.poll_write(cx, buf);
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
        let count = ready!(poll_gather(self.socket.stream()?, cx, bufs))?;
        self.traffic.note_written(count);
        Poll::Ready(Ok(count))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.polled()?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.socket.polled()?.poll_shutdown(cx))?;
        self.socket.is_shut = true;
        Poll::Ready(Ok(()))
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
            Self::Plain(_) => self.descriptor(),
            Self::Tls(_) => None,
        }
    }

    /// The descriptor of the socket, whatever is spoken over it.
    pub(super) fn descriptor(&self) -> Option<Descriptor> {
        self.wire().socket.stream().ok().map(socket::descriptor)
    }

    fn wire(&self) -> &Wire {
        match self {
            Self::Plain(wire) => wire,
            Self::Tls(tls) => tls.get_ref().0,
        }
    }

    /// The two ends of the socket.
    pub(super) fn ends(&self) -> Ends {
        let wire = self.wire();
        let local = wire.socket.stream().and_then(TcpStream::local_addr).ok();
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

/// How much a look at an idle socket reads at most; what is not read needs not be cleared first.
const LOOK: usize = 1024;

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::Write;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::task::Waker;

    use tokio::runtime::Builder;

    use super::*;
    use crate::transport::traffic::{MAX_IDLE, TURN};

    /// A connection whose peer writes without end.
    async fn flooded() -> Wire {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            while socket.write_all(&[0; 64 * 1024]).is_ok() {}
        });
        Wire::new(
            Socket::connect(address, &SocketOptions::default(), Reserve::Used).await.unwrap(),
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
    async fn a_socket_that_has_nothing_is_known_to_until_the_next_turn() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let socket =
            Socket::connect(address, &SocketOptions::default(), Reserve::Used).await.unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        let mut wire = Wire::new(socket, Traffic::default());
        for _ in 0..2 {
            wire.traffic.begin_turn();
            assert!(!wire.traffic.is_drained());
            assert_eq!(turn(&mut wire, &mut Context::from_waker(Waker::noop())).unwrap(), 0);
            assert!(wire.traffic.is_drained());
            wire.traffic.goes_on();
            assert!(wire.traffic.is_drained(), "the runtime has learned of nothing meanwhile");
            peer.write_all(b"x").unwrap();
            let read = poll_fn(|cx| match turn(&mut wire, cx).unwrap() {
                0 => Poll::Pending,
                read => Poll::Ready(read),
            });
            assert_eq!(read.await, 1);
        }
        for asks in [Traffic::asks_again, Traffic::ask_socket, Traffic::read_to_the_last] {
            wire.traffic.drained();
            asks(&wire.traffic);
            assert!(!wire.traffic.is_drained());
        }
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

    /// A kernel that has no room for one more socket in an epoll refuses it as a runtime that has ended does.
    #[test]
    fn a_socket_that_could_not_be_handed_over_fails_and_goes_on_failing() {
        let runtime = || Builder::new_current_thread().enable_all().build().unwrap();
        let (first, ended) = (runtime(), runtime());
        let mut wire = first.block_on(flooded());
        let handle = ended.handle().clone();
        ended.shutdown_background();
        let _context = handle.enter();
        wire.traffic.changes_runtime();
        let (mut cx, mut wire) = (Context::from_waker(Waker::noop()), Pin::new(&mut wire));
        for _ in 0..2 {
            let mut room = [0; 8];
            let read = wire.as_mut().poll_read(&mut cx, &mut ReadBuf::new(&mut room));
            assert!(matches!(read, Poll::Ready(Err(_))));
        }
        assert!(matches!(wire.as_mut().poll_write(&mut cx, b"x"), Poll::Ready(Err(_))));
        assert!(matches!(wire.as_mut().poll_flush(&mut cx), Poll::Ready(Err(_))));
        assert!(matches!(wire.as_mut().poll_shutdown(&mut cx), Poll::Ready(Err(_))));
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
