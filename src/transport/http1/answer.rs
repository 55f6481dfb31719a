//! What hyper reads its answers from: heads are looked at first, and no answer costs more than its share.
//!
//! Hyper reads and parses for as long as the socket has bytes, and counts neither interim answers nor the digits of a
//! chunk's size. A peer that sends those without end would hold the thread, and with it every other call there. So a
//! turn (one poll of the connection) reads a bounded number of bytes that bring the exchange no further, and an
//! exchange as a whole reads a bounded number of them.
//!
//! Of a large body hyper is told what came with the head, and no more: see [`super::tail`].

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Response, response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::fault::AnswerFault;
use super::head::{self, Head, Plain};
use super::keep_alive;
use crate::transport::trace::Tap;
use crate::transport::traffic::Traffic;
use crate::transport::wire::others_first;

/// How far the answer of an exchange has come; shared by a connection's two ends.
#[derive(Debug, Default)]
pub(crate) struct AnswerProgress {
    /// The same counts for what lies below: TLS may read without end what brings no byte of an answer.
    traffic: Traffic,
    expects_head: AtomicBool,
    /// Bytes since the last piece of a body, or since the exchange began.
    idle: AtomicUsize,
    /// The same within this turn.
    turn: AtomicUsize,
    /// Whether hyper may be told of a shorter body than comes.
    may_leave: AtomicBool,
    /// What hyper was not told of, and is not given.
    left: AtomicU64,
    /// Of a head that was not read by hyper.
    headers: Mutex<Option<HeaderMap>>,
    /// One more than the milliseconds that the peer lets the connection be unused; 0 where it did not say.
    keep_alive: AtomicU64,
}

impl AnswerProgress {
    /// Of a connection whose bytes `traffic` counts, and that its peer lets be unused for `keep_alive`.
    pub(crate) fn new(traffic: Traffic, keep_alive: Option<Duration>) -> Self {
        let progress = Self { traffic, ..Self::default() };
        progress.note_keep_alive(keep_alive);
        progress
    }

    fn note_keep_alive(&self, limit: Option<Duration>) {
        let limit = limit.map_or(0, |limit| (limit.as_millis() as u64).saturating_add(1));
        self.keep_alive.store(limit, Ordering::Relaxed);
    }

    /// How long the peer lets the connection be unused, by its last answer.
    pub(crate) fn keep_alive(&self) -> Option<Duration> {
        self.keep_alive.load(Ordering::Relaxed).checked_sub(1).map(Duration::from_millis)
    }

    /// A request goes out: what comes next is the head of its answer. `may_leave` says whether the tail of a large body may be
    /// left to [`super::tail`].
    pub(crate) fn begin_exchange(&self, may_leave: bool) {
        self.may_leave.store(may_leave, Ordering::Relaxed);
        self.left.store(0, Ordering::Relaxed);
        self.traffic.tap().into_iter().for_each(Tap::begin_exchange);
        self.expects_head.store(true, Ordering::Relaxed);
        self.advanced();
    }

    /// How much of the body follows what hyper was told of: it is read past hyper, once that has had its part.
    pub(crate) fn left(&self) -> u64 {
        self.left.load(Ordering::Relaxed)
    }

    /// The connection is polled: it may read its share.
    pub(crate) fn begin_turn(&self) {
        self.turn.store(0, Ordering::Relaxed);
        self.traffic.begin_turn();
    }

    /// The exchange came further.
    fn advanced(&self) {
        self.idle.store(0, Ordering::Relaxed);
        self.turn.store(0, Ordering::Relaxed);
        self.traffic.advanced();
        self.traffic.goes_on();
    }

    /// Whether nothing but interim answers has come.
    pub(crate) fn expects_head(&self) -> bool {
        self.expects_head.load(Ordering::Relaxed)
    }

    /// What may still be read in this turn.
    fn share(&self) -> usize {
        TURN.saturating_sub(self.turn.load(Ordering::Relaxed))
    }

    /// Notes bytes that bring nothing, until it shows that they did.
    fn note(&self, count: usize) {
        // One thread at a time polls a connection, so that no other one counts meanwhile.
        self.idle.store(self.idle.load(Ordering::Relaxed) + count, Ordering::Relaxed);
        self.turn.store(self.turn.load(Ordering::Relaxed) + count, Ordering::Relaxed);
    }

    fn head_read(&self, headers: HeaderMap) {
        *self.headers.lock().unwrap_or_else(PoisonError::into_inner) = Some(headers);
    }

    /// The answer as the peer sent it.
    pub(crate) fn received(
        self: &Arc<Self>,
        reply: Response<Incoming>,
    ) -> (response::Parts, AnswerBody) {
        let (mut head, content) = reply.into_parts();
        if let Some(headers) = self.headers.lock().unwrap_or_else(PoisonError::into_inner).take() {
            head.headers = headers;
        }
        self.note_keep_alive(keep_alive::limit(&head.headers));
        (head, AnswerBody { content, progress: Arc::clone(self) })
    }
}

/// The body of an answer, each piece of which brings the exchange further.
#[derive(Debug)]
pub(crate) struct AnswerBody {
    content: Incoming,
    progress: Arc<AnswerProgress>,
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.content).poll_frame(cx));
        self.progress.advanced();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.content.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.content.size_hint()
    }
}

/// A stream whose answers are looked at.
#[derive(Debug)]
pub(crate) struct AnswerStream<S> {
    stream: S,
    progress: Arc<AnswerProgress>,
    /// A head that is not complete yet.
    head: Vec<u8>,
    /// Where the end of the head is looked for next.
    searched: usize,
    /// What hyper gets next, from `given` on.
    ready: Vec<u8>,
    given: usize,
    /// How many interim answers hyper has got.
    interim: usize,
    /// Whether hyper has more to send than the stream took.
    is_sending: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> AnswerStream<S> {
    pub(crate) fn new(stream: S, progress: Arc<AnswerProgress>) -> Self {
        let (head, ready) = (Vec::new(), Vec::new());
        let (searched, given, interim, is_sending) = (0, 0, 0, false);
        Self { stream, progress, head, searched, ready, given, interim, is_sending }
    }

    /// The stream itself; `None` where something was read that hyper has not got, or hyper has something that was not sent:
    /// what follows would be taken for the rest of that.
    pub(crate) fn into_inner(self) -> Option<S> {
        let is_given = self.head.is_empty() && self.ready.is_empty();
        (is_given && !self.is_sending).then_some(self.stream)
    }

    /// Notes whether what hyper sends has to wait.
    fn sent<T>(&mut self, sent: Poll<T>) -> Poll<T> {
        self.is_sending = sent.is_pending();
        sent
    }

    fn give(&mut self, buf: &mut ReadBuf<'_>) {
        let left = &self.ready[self.given..];
        let count = left.len().min(buf.remaining());
        buf.put_slice(&left[..count]);
        self.given += count;
        if self.given == self.ready.len() {
            (self.ready, self.given) = (Vec::new(), 0);
        }
    }

    /// Reads at most what the turn still allows.
    fn poll_share(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        let (share, before) = (self.progress.share(), buf.filled().len());
        if share == 0 {
            return others_first(cx);
        }
        let stream = Pin::new(&mut self.stream);
        let count = if self.progress.idle.load(Ordering::Relaxed) == 0 || buf.remaining() <= share {
            ready!(stream.poll_read(cx, buf))?;
            buf.filled().len() - before
        } else {
            let mut part = ReadBuf::new(buf.initialize_unfilled_to(share));
            ready!(stream.poll_read(cx, &mut part))?;
            let count = part.filled().len();
            buf.advance(count);
            count
        };
        self.progress.note(count);
        Poll::Ready(Ok(count))
    }

    /// Takes over what was read of a head that is not plain, and reads it when it is complete.
    fn take_head(&mut self, piece: &[u8]) -> io::Result<()> {
        if self.head.try_reserve(piece.len()).is_err() {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        self.head.extend_from_slice(piece);
        let mut passed = 0;
        while self.progress.expects_head() {
            let rest = &self.head[passed..];
            head::check_start(rest)?;
            let Some(end) = head::end(rest, self.searched) else {
                // The last three bytes may be the beginning of the end.
                self.searched = rest.len().saturating_sub(3);
                break;
            };
            self.searched = 0;
            match head::read(&rest[..end])? {
                Head::Interim(rewritten) => {
                    passed += end;
                    self.interim += 1;
                    if self.interim <= MOST_INTERIM {
                        self.ready.extend_from_slice(&rewritten);
                    }
                }
                Head::Final(read) => {
                    self.progress.expects_head.store(false, Ordering::Relaxed);
                    self.progress.head_read(read.headers);
                    self.ready.extend_from_slice(&read.rewritten);
                    self.ready.extend_from_slice(&rest[end..]);
                    (self.head, self.interim, passed) = (Vec::new(), 0, 0);
                }
            }
        }
        // All at once: thousands of interim answers may come in one piece.
        drop(self.head.drain(..passed));
        // Heads that were passed over count as well.
        let all = self.progress.idle.load(Ordering::Relaxed);
        if self.progress.expects_head() && all > MAX_HEAD {
            return Err(AnswerFault::too_long(MAX_HEAD).into());
        }
        Ok(())
    }

    /// Tells hyper of no more of a large body than came with its head; whether it was large, and the rest may be left.
    fn shorten(&mut self, piece: &[u8], plain: Plain) -> bool {
        let (head, came) = piece.split_at(plain.end);
        let left = plain.length.saturating_sub(came.len() as u64);
        let may_leave = self.progress.may_leave.load(Ordering::Relaxed);
        if left < LARGE || !may_leave || self.is_sending {
            return false;
        }
        let Some(read) = head::shortened(head, came.len()) else {
            return false;
        };
        self.ready = [&read.rewritten, came].concat();
        self.progress.head_read(read.headers);
        self.progress.left.store(left, Ordering::Relaxed);
        true
    }

    fn poll_head(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.progress.expects_head() {
            let before = buf.filled().len();
            let count = ready!(self.poll_share(cx, buf))?;
            if count == 0 {
                return Poll::Ready(Ok(()));
            }
            let piece = &buf.filled()[before..];
            if self.head.is_empty()
                && let Some(plain) = head::plain(piece)
            {
                self.progress.expects_head.store(false, Ordering::Relaxed);
                if plain.length >= LARGE && self.shorten(piece, plain) {
                    buf.set_filled(before);
                    break;
                }
                return Poll::Ready(Ok(()));
            }
            let taken = self.take_head(piece);
            buf.set_filled(before);
            taken?;
            if !self.ready.is_empty() {
                break;
            }
        }
        self.give(buf);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for AnswerStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.ready.is_empty() {
            this.give(buf);
            return Poll::Ready(Ok(()));
        }
        // hyper asks up to three times in a turn.
        if this.progress.traffic.is_drained() {
            return Poll::Pending;
        }
        if this.progress.expects_head() {
            return this.poll_head(cx, buf);
        }
        if this.progress.left() > 0 {
            return Poll::Pending;
        }
        if this.progress.idle.load(Ordering::Relaxed) > MAX_FRAMING {
            return Poll::Ready(Err(AnswerFault::empty_framing(MAX_FRAMING).into()));
        }
        this.poll_share(cx, buf).map_ok(drop)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for AnswerStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.sent(sent)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.sent(sent)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let sent = Pin::new(&mut self.stream).poll_flush(cx);
        self.sent(sent)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// The head of an answer and the interim answers before it: curl's bound is 300 KiB, requests' 64 KiB a line.
pub(crate) const MAX_HEAD: usize = 256 * 1024;

/// From so much on it pays to take a connection apart and put it together again: some microseconds.
const LARGE: u64 = 256 * 1024;

/// Hyper, and what waits for a 100, need none of the others. Go accepts five in all.
const MOST_INTERIM: usize = 16;

/// Hyper's own bounds on a chunk's extensions and on trailers are 16 KiB each, and it reads 64 KiB at once.
const MAX_FRAMING: usize = 128 * 1024;

/// A byte of a chunk's size costs hyper about 50 ns: such a turn is over in a millisecond.
const TURN: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// A peer that has always more to read.
    struct Endless {
        text: &'static [u8],
        at: usize,
        read: usize,
    }

    impl AsyncRead for Endless {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            while buf.remaining() > 0 {
                buf.put_slice(&[self.text[self.at]]);
                self.at = (self.at + 1) % self.text.len();
                self.read += 1;
            }
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Endless {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(buf.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn stream(text: &'static [u8]) -> (AnswerStream<Endless>, Arc<AnswerProgress>) {
        let progress = Arc::new(AnswerProgress::default());
        let endless = Endless { text, at: 0, read: 0 };
        (AnswerStream::new(endless, Arc::clone(&progress)), progress)
    }

    /// Reads as hyper does, with buffers of 64 KiB, until the turn is over; what was read of the peer in it.
    fn turn(
        stream: &mut AnswerStream<Endless>,
        progress: &AnswerProgress,
    ) -> Result<usize, io::Error> {
        progress.begin_turn();
        let (before, mut cx) = (stream.stream.read, Context::from_waker(Waker::noop()));
        let mut room = vec![0; 64 * 1024];
        loop {
            match Pin::new(&mut *stream).poll_read(&mut cx, &mut ReadBuf::new(&mut room)) {
                Poll::Pending => return Ok(stream.stream.read - before),
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Err(error),
            }
        }
    }

    /// The first turn may use the whole buffer, for most answers are of use.
    fn assert_bounded(text: &'static [u8], head: bool, bound: usize, said: &str) {
        let (mut stream, progress) = stream(text);
        if head {
            progress.begin_exchange(false);
        }
        for number in 0.. {
            match turn(&mut stream, &progress) {
                Ok(read) if number == 0 => assert!(read <= 64 * 1024, "{read}"),
                Ok(read) => assert!(read <= TURN, "{read} in turn {number}"),
                Err(error) => {
                    assert!(error.to_string().contains(said), "{error}");
                    break;
                }
            }
            assert!(stream.stream.read <= bound + 64 * 1024, "{}", stream.stream.read);
        }
    }

    #[test]
    fn interim_answers_and_headers_without_end_are_read_by_turns_and_bounded() {
        let said = "answer's head above 262144 bytes";
        assert_bounded(b"HTTP/1.1 102 P\r\n\r\n", true, MAX_HEAD, said);
        assert_bounded(b"HTTP/1.1 200 OK:\r\n", true, MAX_HEAD, said);
    }

    #[test]
    fn bytes_that_are_no_body_are_read_by_turns_and_bounded() {
        assert_bounded(b"0", false, MAX_FRAMING, "131072 bytes of chunk sizes");
    }

    #[test]
    fn what_brings_a_body_further_has_no_bound_and_no_turns() {
        let (mut stream, progress) = stream(b"x");
        let mut cx = Context::from_waker(Waker::noop());
        let mut room = vec![0; 64 * 1024];
        progress.begin_turn();
        for _ in 0..100 {
            let mut buf = ReadBuf::new(&mut room);
            assert!(Pin::new(&mut stream).poll_read(&mut cx, &mut buf).is_ready());
            assert_eq!(buf.filled().len(), 64 * 1024);
            progress.advanced();
        }
    }

    #[test]
    fn a_head_may_come_byte_by_byte() {
        let (mut stream, progress) =
            stream(b"HTTP/1.1 200 OK\r\nx-a: b\r\ncontent-length: 5\r\n\r\nhello");
        progress.begin_exchange(false);
        let mut cx = Context::from_waker(Waker::noop());
        let (mut room, mut all) = ([0], Vec::new());
        while all.len() < 41 {
            progress.begin_turn();
            let mut buf = ReadBuf::new(&mut room);
            assert!(Pin::new(&mut stream).poll_read(&mut cx, &mut buf).is_ready());
            all.extend_from_slice(buf.filled());
        }
        assert_eq!(&all[..], b"HTTP/1.1 200 \r\ncontent-length: 5\r\n\r\nhello");
        let headers = progress.headers.lock().unwrap().take().unwrap();
        assert_eq!(headers["x-a"], "b");
    }
}
