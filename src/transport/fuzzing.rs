//! Parsers of peers' bytes, with what must hold for any input; only in builds for fuzzing and in unit tests.

use std::collections::HashSet;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use ::http::{HeaderMap, Method, Request, StatusCode};
use bytes::Bytes;
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::content::{self, Decoder, Encoding, Reading};
use super::dns::files::{host_names, resolv_conf};
use super::dns::query::name;
use super::failure::{Stage, cause_of};
use super::http1::answer::{AnswerProgress, AnswerStream};
use super::http1::head::{self, Head, Plain};
use super::proxy::ProxyConfig;
use super::request::RequestBody;
use super::tls::{common_name, is_common_name};
use crate::endpoint::{Endpoint, Host};
use crate::outcome::{Failure, FailureKind};

/// A head that is plain is read to the same end by the closer look, which never refuses it; and what hyper is told
/// instead of any other head is plain itself, but for lengths of nineteen digits and more. Told of a shorter body, it
/// reads that length, and the caller the same headers.
pub fn answer_head(bytes: &[u8]) {
    let end = head::end(bytes, 0);
    if let Some(plain) = head::plain(bytes) {
        assert_eq!(end, Some(plain.end));
        let head = &bytes[..plain.end];
        let read = head::read(head);
        assert!(matches!(read, Ok(Head::Final(_))));
        if let (Ok(Head::Final(read)), Some(short)) = (read, head::shortened(head, 17))
            && plain.length > 0
        {
            assert_eq!(short.headers, read.headers);
            let told = Plain { end: short.rewritten.len(), length: 17 };
            assert_eq!(head::plain(&short.rewritten), Some(told));
        }
    }
    let Some(end) = end else { return };
    assert!(head::end(bytes, end.saturating_sub(3)).is_some());
    if let Ok(Head::Final(read)) = head::read(&bytes[..end])
        && !read.rewritten.starts_with(b"HTTP/1.1 1")
        && !read.rewritten.starts_with(b"HTTP/1.0 1")
        && !read.rewritten.windows(19).any(|part| part.iter().all(u8::is_ascii_digit))
    {
        let told = head::plain(&read.rewritten).map(|plain| plain.end);
        assert_eq!(told, Some(read.rewritten.len()));
    }
}

/// However the bytes are cut and whatever room there is, the same comes out.
pub fn gunzip(piece: u8, encoded: &[u8]) {
    same_of_pieces(Encoding::Gzip, piece, encoded);
}

/// The same of brotli.
#[cfg(feature = "brotli")]
pub fn brotli(piece: u8, encoded: &[u8]) {
    same_of_pieces(Encoding::Brotli, piece, encoded);
}

/// The same of zstd.
#[cfg(feature = "zstd")]
pub fn zstd(piece: u8, encoded: &[u8]) {
    same_of_pieces(Encoding::Zstd, piece, encoded);
}

fn same_of_pieces(encoding: Encoding, piece: u8, encoded: &[u8]) {
    let by = usize::from(piece).max(1);
    assert_eq!(
        decoded(encoding, encoded, encoded.len().max(1), 4096),
        decoded(encoding, encoded, by, by)
    );
}

/// None where it is damaged, and where it is more than a megabyte: in pieces that comes out before the damage behind it is
/// seen.
fn decoded(encoding: Encoding, encoded: &[u8], by: usize, room: usize) -> Option<Vec<u8>> {
    let (mut decoder, mut all, mut room) = (Decoder::new(encoding), Vec::new(), vec![0; room]);
    for piece in encoded.chunks(by) {
        let mut left = piece;
        loop {
            let step = decoder.step(left, &mut room).ok()?;
            left = &left[step.taken..];
            all.extend_from_slice(&room[..step.given]);
            if all.len() >= 1 << 20 {
                return None;
            }
            if left.is_empty() && step.given == 0 {
                break;
            }
        }
    }
    decoder.finish().ok()?;
    Some(all)
}

/// Whatever the pieces in which an answer comes, the same is read of it.
pub fn answer(piece: u8, bytes: &[u8]) {
    let whole = received(bytes, bytes.len().max(1));
    let pieces = received(bytes, usize::from(piece).max(1));
    assert_eq!(whole, pieces);
}

type Received = Result<(StatusCode, HeaderMap, Bytes), (FailureKind, bool, String)>;

/// The answer that a peer sends in pieces of `by` bytes, read as the transport reads it.
fn received(bytes: &[u8], by: usize) -> Received {
    let progress = Arc::new(AnswerProgress::default());
    let peer = Peer { left: bytes.to_vec(), by, asked: AtomicBool::new(false) };
    let stream = TokioIo::new(AnswerStream::new(peer, Arc::clone(&progress)));
    let mut cx = Context::from_waker(Waker::noop());
    let Poll::Ready(Ok((mut sender, mut driver))) = pin!(handshake(stream)).poll(&mut cx) else {
        unreachable!("nothing is sent in it")
    };
    progress.begin_exchange(false);
    let mut work = pin!(async {
        let request = Request::new(RequestBody::Held(Bytes::new()));
        let reply = sender.send_request(request).await;
        let failed = |failure: Failure| (failure.kind, failure.sent, failure.detail);
        let lost = |error| failed(cause_of(&error, Stage::Exchange).failure(true));
        let reply = reply.map_err(lost)?;
        let (head, content) = progress.received(reply);
        let reading =
            Reading { method: &Method::GET, idle: None, max_body: MOST_BODY, decode: true };
        let answer = content::read(head, content, reading).await.map_err(failed)?;
        Ok((answer.status, answer.headers, answer.body))
    });
    let mut open = true;
    // A piece may be one byte, and a turn may end with each.
    for _ in 0..10 * (bytes.len() + 10) {
        progress.begin_turn();
        open = open && Pin::new(&mut driver).poll(&mut cx).is_pending();
        if let Poll::Ready(read) = work.as_mut().poll(&mut cx) {
            return read;
        }
    }
    panic!("the answer has no end")
}

/// A peer that answers when it is asked, and then closes.
struct Peer {
    left: Vec<u8>,
    by: usize,
    asked: AtomicBool,
}

impl AsyncRead for Peer {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.asked.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        let count = self.by.min(self.left.len()).min(buf.remaining());
        buf.put_slice(&self.left[..count]);
        drop(self.left.drain(..count));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Peer {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.asked.store(true, Ordering::Relaxed);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Enough for most inputs, and little enough that the bound is met as well.
const MOST_BODY: usize = 1000;

/// The hosts file: names in lower case without the comments, each with different addresses, IPv6 before IPv4.
pub fn hosts(content: &[u8]) {
    for (name, addresses) in host_names(content) {
        let odd = |c: char| c == '#' || c.is_ascii_uppercase() || c.is_ascii_whitespace();
        assert!(!name.contains(odd), "{name:?}");
        assert!(!addresses.is_empty() && addresses.is_sorted_by_key(|it| it.is_ipv4()));
        assert_eq!(addresses.iter().collect::<HashSet<_>>().len(), addresses.len());
    }
}

/// A name to be asked for, and `resolv.conf` behind it: what is a name is written as one.
pub fn names(bytes: &[u8]) {
    let line = bytes.iter().position(|&byte| byte == b'\n').unwrap_or(bytes.len());
    let (text, rest) = bytes.split_at(line);
    let text = String::from_utf8_lossy(text);
    if let Ok(read) = name(&text) {
        assert!(!text.is_empty() && text.len() <= 254);
        assert_eq!(name(&read.to_ascii()).ok(), Some(read));
    }
    resolv_conf(rest);
}

/// A proxy's URL, the hosts that are reached without it, and one host: what is shown of the URL is no secret, and what
/// is shown is a URL of the same proxy.
#[cfg(feature = "proxy")]
pub fn proxy(text: &str) {
    let mut lines = text.splitn(3, '\n');
    let mut next = || lines.next().unwrap_or_default();
    let (url, no_proxy, host) = (next(), next(), next());
    let mut config = ProxyConfig::default();
    if config.set_proxy(url).is_err() {
        assert!(!config.is_set());
        return;
    }
    let is_read = config.set_no_proxy(no_proxy).is_ok();
    let Some(shown) = config.shown() else { return assert_eq!(url, "off") };
    let read = reqwest::Url::parse(&shown).expect("what is shown is a url");
    assert!(["", "****"].contains(&read.username()) && read.password().is_none(), "{shown}");
    let proxies = config.resolved().ok().flatten().expect("a proxy that was taken is used");
    assert!(proxies.of_reqwest().is_ok());
    let serves = proxies.serve(&Endpoint::new(Host::new(host, 80)));
    let is_host = host.bytes().all(|it| it.is_ascii_alphanumeric() || b".-_:".contains(&it));
    assert!(!(serves && is_host && no_proxy == "*" && is_read));
}

/// The subject of a certificate, or a whole one: the name is a text of the subject, and no longer than it says.
pub fn certificate_name(bytes: &[u8]) {
    if let Some(name) = common_name(bytes) {
        let at = name.as_ptr().addr() - bytes.as_ptr().addr();
        assert_eq!(usize::from(bytes[at - 1]), name.len());
        assert!(name.len() < 128 && bytes[..at - 2].ends_with(&[0x55, 4, 3]));
    }
    let name = ServerName::try_from("one.test").expect("a name");
    let _ = is_common_name(&CertificateDer::from(bytes), &name);
}
