//! Connections for protocols other than HTTP/1.1, made as those of calls are: addresses raced, TLS by the endpoint's
//! scheme, and the socket noted, so that a forked child closes it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::dial::{Dialler, UNTOLD};
use super::direct_config::DirectConfig;
use super::tls::AlpnProtocols;
use super::traffic::Traffic;
use super::wire::Stream;
use crate::endpoint::Endpoint;
use crate::outcome::Failure;
use crate::runtime::descriptors::Reserve;

/// Makes connections that speak whatever their user does.
#[derive(Clone, Debug)]
pub struct Connector {
    config: Arc<DirectConfig>,
}

impl Connector {
    /// Connects as `config` says: its TLS, its resolver, and the stripe on which connections and bytes are counted.
    #[must_use]
    pub const fn new(config: Arc<DirectConfig>) -> Self {
        Self { config }
    }

    /// Connects to `endpoint` within `limit`, TLS included, which offers the protocols of `alpn`.
    ///
    /// # Errors
    /// Its name could not be resolved, it could not be reached, or the handshake failed.
    pub async fn connect(
        &self,
        endpoint: &Endpoint,
        alpn: AlpnProtocols,
        limit: Duration,
    ) -> Result<Connection, Failure> {
        let (config, traffic) = (&*self.config, Traffic::default());
        let (reserve, enter) = (Reserve::Used, UNTOLD);
        let dialler = Dialler {
            endpoint,
            config,
            alpn,
            met: &[],
            traffic: traffic.clone(),
            limit,
            reserve,
            enter,
        };
        Ok(Connection { stream: dialler.dial().await?, traffic })
    }
}

/// A connection, plain or over TLS. Dropping it closes it.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    traffic: Traffic,
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Its user bounds what it reads.
        self.traffic.advanced();
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
