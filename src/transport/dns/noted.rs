//! The sockets of questions to name servers, noted so that a forked child closes them.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hickory_resolver::Resolver;
use hickory_resolver::net::runtime::iocompat::AsyncIoTokioAsStd;
use hickory_resolver::net::runtime::{
    DnsUdpSocket, RuntimeProvider, TokioHandle, TokioRuntimeProvider, TokioTime,
};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::runtime::descriptors::Reserve;
use crate::runtime::process::sockets;
use crate::runtime::socket::descriptor;
use crate::transport::socket_options::SocketOptions;
use crate::transport::traffic::Traffic;
use crate::transport::wire::{Socket, Wire};

/// What asks name servers over noted sockets.
pub(in crate::transport) type Asker = Resolver<Noted>;

/// The runtime of a resolver.
#[derive(Clone, Default)]
pub(in crate::transport) struct Noted(TokioRuntimeProvider);

impl RuntimeProvider for Noted {
    type Handle = TokioHandle;
    type Timer = TokioTime;
    type Udp = NotedUdp;
    type Tcp = AsyncIoTokioAsStd<NotedTcp>;

    fn create_handle(&self) -> TokioHandle {
        self.0.create_handle()
    }

    /// An own address, which nobody configures here, is not bound to.
    fn connect_tcp(
        &self,
        server: SocketAddr,
        _: Option<SocketAddr>,
        limit: Option<Duration>,
    ) -> Pin<Box<dyn Send + Future<Output = io::Result<Self::Tcp>>>> {
        Box::pin(async move {
            let socket = timeout(
                limit.unwrap_or(CONNECT_LIMIT),
                Socket::connect(server, &SocketOptions::default(), Reserve::Used),
            )
            .await;
            let socket = socket.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
            Ok(AsyncIoTokioAsStd(NotedTcp::new(socket)))
        })
    }

    fn bind_udp(
        &self,
        own: SocketAddr,
        server: SocketAddr,
    ) -> Pin<Box<dyn Send + Future<Output = io::Result<NotedUdp>>>> {
        let bind = move || {
            let socket = std::net::UdpSocket::bind(own)?;
            // The system tells a connected socket where no server listens, and another one is asked at once.
            socket.connect(server)?;
            socket.set_nonblocking(true)?;
            UdpSocket::from_std(socket)
        };
        Box::pin(async move { Ok(NotedUdp::new(sockets::open(bind, descriptor)?)) })
    }
}

/// A connection to a name server.
pub(in crate::transport) struct NotedTcp {
    wire: Wire,
    traffic: Traffic,
}

impl NotedTcp {
    fn new(socket: Socket) -> Self {
        let traffic = Traffic::default();
        Self { wire: Wire::new(socket, traffic.clone()), traffic }
    }
}

impl AsyncRead for NotedTcp {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // An answer has at most 64 KiB.
        self.traffic.advanced();
        Pin::new(&mut self.wire).poll_read(cx, buf)
    }
}

impl AsyncWrite for NotedTcp {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.wire).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_shutdown(cx)
    }
}

/// A UDP socket.
pub(in crate::transport) struct NotedUdp {
    /// There until it drops.
    socket: Option<Arc<UdpSocket>>,
    /// That nobody listens there. It wakes no reader, which waits for an answer.
    failing: Mutex<Option<Failing>>,
}

type Failing = Pin<Box<dyn Send + Future<Output = io::Error>>>;

impl NotedUdp {
    fn new(socket: UdpSocket) -> Self {
        let socket = Arc::new(socket);
        let failing = Mutex::new(Some(failure(Arc::clone(&socket))));
        Self { socket: Some(socket), failing }
    }

    fn failing(&self) -> MutexGuard<'_, Option<Failing>> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn socket(&self) -> &UdpSocket {
        self.socket.as_ref().unwrap_or_else(|| unreachable!("taken by drop only"))
    }
}

impl DnsUdpSocket for NotedUdp {
    type Time = TokioTime;

    fn poll_recv_from(
        &self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        let mut buf = ReadBuf::new(buf);
        if let Poll::Ready(from) = self.socket().poll_recv_from(cx, &mut buf) {
            return Poll::Ready(from.map(|from| (buf.filled().len(), from)));
        }
        let mut failing = self.failing();
        let Some(failure) = &mut *failing else { return Poll::Pending };
        let error = ready!(failure.as_mut().poll(cx));
        *failing = None;
        Poll::Ready(Err(error))
    }

    fn poll_send_to(
        &self,
        cx: &mut Context<'_>,
        buf: &[u8],
        _: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        self.socket().poll_send(cx, buf)
    }
}

fn failure(socket: Arc<UdpSocket>) -> Failing {
    Box::pin(async move {
        let error = || match socket.take_error()? {
            Some(error) => Ok(error),
            None => Err(io::ErrorKind::WouldBlock.into()),
        };
        socket.async_io(Interest::ERROR, error).await.unwrap_or_else(|error| error)
    })
}

impl Drop for NotedUdp {
    fn drop(&mut self) {
        // It shares the socket.
        *self.failing() = None;
        sockets::close(descriptor(self.socket()), || drop(self.socket.take()));
    }
}

/// Hickory's own.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
