//! Reads an answer's body under its bound, decoding gzip on the way; the same for both transports.

use std::error::Error;
use std::future::poll_fn;
use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap};
use http::{Method, StatusCode, response};
use http_body::Body;
use tokio::task::yield_now;

use crate::outcome::{Failure, FailureKind};

use super::Answer;
use super::cause::Cause;
use super::failure::{Stage, cause_of};
use super::gunzip::Gunzip;

/// How an answer is to be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading<'a> {
    /// The request's method: HEAD has no body, whatever the headers say.
    pub(super) method: &'a Method,
    /// How long it may bring nothing.
    pub(super) idle: Option<Duration>,
    /// Bound on the decoded body, in bytes.
    pub(super) max_body: usize,
    /// Whether gzip was asked for by the transport, so that it must decode it.
    pub(super) decode: bool,
}

/// Reads `body` to its end and puts the answer together.
pub(super) async fn read<B>(
    mut head: response::Parts,
    body: B,
    reading: Reading<'_>,
) -> Result<Answer, Failure>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Error + 'static,
{
    let body = match is_decoded(&mut head, reading)? {
        true => decoded(body, reading.max_body, reading.idle).await,
        false => plain(body, reading.max_body, reading.idle).await,
    };
    let body = body.map_err(|cause| cause.failure(true))?;
    Ok(Answer { status: head.status, headers: head.headers, body, live: None })
}

/// Whether the body that follows `head` is to be decoded; the headers then speak of the decoded one.
pub(super) fn is_decoded(
    head: &mut response::Parts,
    reading: Reading<'_>,
) -> Result<bool, Failure> {
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Failure::sent(FailureKind::Unacceptable, "peer switched protocols unasked"));
    }
    let decode = reading.decode && has_body(reading.method, head.status) && is_gzip(&head.headers);
    if decode {
        head.headers.remove(CONTENT_ENCODING);
        head.headers.remove(CONTENT_LENGTH);
    }
    Ok(decode)
}

pub(super) fn has_body(method: &Method, status: StatusCode) -> bool {
    // A part of a gzip stream cannot be decoded either, but only a request with Range is answered by one,
    // and for those gzip is not asked.
    method != Method::HEAD && status != StatusCode::NO_CONTENT && status != StatusCode::NOT_MODIFIED
}

fn is_gzip(headers: &HeaderMap) -> bool {
    let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
    let Some(first) = encodings.next() else {
        return false;
    };
    let name = first.as_bytes().trim_ascii();
    let gzip = name.eq_ignore_ascii_case(b"gzip") || name.eq_ignore_ascii_case(b"x-gzip");
    gzip && encodings.next().is_none()
}

async fn plain<B>(mut body: B, max: usize, idle: Option<Duration>) -> Result<Bytes, Cause>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Error + 'static,
{
    let announced = body.size_hint().lower();
    if announced > max as u64 {
        return Err(too_large(max));
    }
    let Some(first) = next_data(&mut body, idle).await? else {
        return Ok(Bytes::new());
    };
    if first.len() > max {
        return Err(too_large(max));
    }
    // Copied, for it would keep the whole read buffer of the connection alive, and cost it a new one. C gets a small
    // body as a copy of this one, so that no room is left behind it.
    if first.len() as u64 == announced && announced < SMALL && body.is_end_stream() {
        return Ok(Bytes::copy_from_slice(&first));
    }
    let mut all = Bounded::new(max);
    all.expect(announced);
    all.append(&first)?;
    while let Some(piece) = next_data(&mut body, idle).await? {
        all.append(&piece)?;
    }
    Ok(all.bytes.into())
}

async fn decoded<B>(mut body: B, max: usize, idle: Option<Duration>) -> Result<Bytes, Cause>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Error + 'static,
{
    let mut decoder = Gunzip::new(Bounded::new(max));
    let (mut encoded, mut taken, mut breath) = (0_usize, 0, BREATH);
    while let Some(piece) = next_data(&mut body, idle).await? {
        encoded = encoded.saturating_add(piece.len());
        if encoded > max_encoded(max) {
            return Err(too_large(max));
        }
        for part in piece.chunks(STEP) {
            let written = write_all(&mut decoder, part);
            written.map_err(|_| decoder.sink().fault())?;
            taken += part.len();
            let plain = decoder.sink().bytes.len();
            let cost = decoder.cost(taken, plain);
            if cost > breath {
                breath = cost + BREATH;
                yield_now().await;
            }
        }
    }
    let finished = decoder.finish();
    finished.map_err(|_| decoder.sink().fault())?;
    Ok(std::mem::take(&mut decoder.sink().bytes).into())
}

fn write_all(decoder: &mut Gunzip<Bounded>, mut encoded: &[u8]) -> io::Result<()> {
    while !encoded.is_empty() {
        match decoder.write(encoded)? {
            0 => return Err(io::ErrorKind::InvalidData.into()),
            taken => encoded = &encoded[taken..],
        }
    }
    Ok(())
}

async fn next_data<B>(body: &mut B, idle: Option<Duration>) -> Result<Option<Bytes>, Cause>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Error + 'static,
{
    let data = poll_fn(|cx| poll_data(body, cx));
    let data = match idle {
        None => data.await,
        Some(limit) => match tokio::time::timeout(limit, data).await {
            Ok(data) => data,
            Err(_) => return Err(Cause::new(FailureKind::Timeout, NOTHING_CAME)),
        },
    };
    data.transpose()
}

/// Trailers are passed over.
pub(super) fn poll_data<B>(body: &mut B, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Cause>>>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Error + 'static,
{
    loop {
        match ready!(Pin::new(&mut *body).poll_frame(cx)) {
            None => return Poll::Ready(None),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Poll::Ready(Some(Ok(data)));
                }
            }
            Some(Err(error)) => {
                return Poll::Ready(Some(Err(cause_of(&error, Stage::Exchange))));
            }
        }
    }
}

/// A buffer that refuses what is above its bound, and never reserves more than it. Memory that is not to be had is
/// an error, for the peer says how much it takes.
#[derive(Default)]
struct Bounded {
    bytes: Vec<u8>,
    max: usize,
    refusal: Option<Cause>,
}

impl Bounded {
    fn new(max: usize) -> Self {
        Self { bytes: Vec::new(), max, refusal: None }
    }

    /// Room for what the peer announced, and for the NUL that C gets behind it. A peer that lies costs addresses and
    /// no memory: a page is one only when bytes come. Without room for all, it grows as they do.
    fn expect(&mut self, announced: u64) {
        let expected = usize::try_from(announced).unwrap_or(usize::MAX).min(self.max);
        let _ = self.bytes.try_reserve_exact(expected.saturating_add(1));
    }

    fn append(&mut self, piece: &[u8]) -> Result<(), Cause> {
        let total = self.bytes.len().saturating_add(piece.len());
        if total > self.max {
            return Err(too_large(self.max));
        }
        if total > self.bytes.capacity() {
            let doubled = self.bytes.capacity().saturating_mul(2).clamp(total, self.max);
            let more = |to: usize| to - self.bytes.len();
            // Twice the size spares copies; where there is no room for that, there may be for what is needed.
            let (doubled, exact) = (more(doubled), more(total));
            let reserved = self.bytes.try_reserve_exact(doubled);
            reserved
                .or_else(|_| self.bytes.try_reserve_exact(exact))
                .map_err(|_| no_memory(total))?;
        }
        self.bytes.extend_from_slice(piece);
        Ok(())
    }

    /// Why decoding into this failed.
    fn fault(&mut self) -> Cause {
        let damaged = || Cause::new(FailureKind::Protocol, "gzip body damaged");
        self.refusal.take().unwrap_or_else(damaged)
    }
}

impl Write for Bounded {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        match self.append(piece) {
            Ok(()) => Ok(piece.len()),
            Err(cause) => {
                self.refusal = Some(cause);
                Err(io::ErrorKind::FileTooLarge.into())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn too_large(max: usize) -> Cause {
    Cause::new(FailureKind::BodyTooLarge, format!("body above {max} bytes"))
}

fn no_memory(total: usize) -> Cause {
    let detail = format!("no memory for a body of {total} bytes");
    Cause::new(FailureKind::BodyTooLarge, detail)
}

/// Gzip adds next to nothing to what it cannot compress; a stream of empty members must end as well.
fn max_encoded(max: usize) -> usize {
    max.saturating_add(max / 8).saturating_add(BELIEVED)
}

/// What ends a body that brings nothing for too long.
const NOTHING_CAME: &str = "no more of the body in time";

/// Most answers are; a copy costs less than what is to be remembered of room behind a body.
const SMALL: u64 = 4096;

/// A thousand times as much may come out of it, which takes about a millisecond.
const STEP: usize = 1024;

/// What decoding may cost before the other calls on the thread get their turn.
pub(super) const BREATH: usize = 512 * 1024;

/// Most answers are smaller; for the others the buffer grows as bytes arrive.
const BELIEVED: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use http_body_util::Full;

    use super::*;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    async fn decode(encoded: &[u8], max: usize) -> Result<Bytes, Cause> {
        decoded(Full::new(Bytes::copy_from_slice(encoded)), max, None).await
    }

    #[tokio::test]
    async fn every_cut_of_a_gzip_body_is_an_error() {
        let whole = gzip(b"hello hello hello");
        for length in 1..whole.len() {
            let fault = decode(&whole[..length], 1024).await.unwrap_err();
            assert_eq!(fault.kind, FailureKind::Protocol, "cut at {length}");
        }
    }

    #[tokio::test]
    async fn gzip_members_are_joined() {
        let two = [gzip(b"one, "), gzip(b"two")].concat();
        assert_eq!(decode(&two, 1024).await.unwrap(), "one, two");
    }

    #[tokio::test]
    async fn the_bound_counts_decoded_bytes_exactly() {
        let encoded = gzip(&[0; 1000]);
        assert_eq!(decode(&encoded, 1000).await.unwrap().len(), 1000);
        assert_eq!(decode(&encoded, 999).await.unwrap_err().kind, FailureKind::BodyTooLarge);
    }

    #[tokio::test]
    async fn what_decodes_to_nothing_is_decoded_by_turns() {
        let encoded = gzip(b"").repeat(3000);
        let mut decoding = std::pin::pin!(decode(&encoded, 1 << 20));
        let mut turns = 0;
        let decoded = poll_fn(|cx| {
            turns += 1;
            decoding.as_mut().poll(cx)
        });
        assert!(decoded.await.unwrap().is_empty());
        assert!(turns > 3000 / 128, "{turns} turns");
    }

    #[tokio::test]
    async fn empty_members_without_end_meet_a_bound_too() {
        let member = gzip(b"");
        let many = member.repeat(max_encoded(0) / member.len() + 1);
        assert_eq!(decode(&many, 0).await.unwrap_err().kind, FailureKind::BodyTooLarge);
    }

    #[test]
    fn a_buffer_never_reserves_more_than_its_bound() {
        for announced in [0, 5_000, u64::MAX] {
            let mut buffer = Bounded::new(100_000);
            buffer.expect(announced);
            for _ in 0..100 {
                buffer.append(&[0; 1000]).unwrap();
                assert!(buffer.bytes.capacity() <= 100_001, "{}", buffer.bytes.capacity());
            }
            assert!(buffer.append(&[0]).is_err());
        }
    }

    #[test]
    fn only_gzip_alone_is_decoded() {
        let header = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.append(CONTENT_ENCODING, value.parse().unwrap());
            headers
        };
        assert!(is_gzip(&header("gzip")));
        assert!(is_gzip(&header("X-GZIP")));
        assert!(!is_gzip(&header("br")));
        assert!(!is_gzip(&header("gzip, gzip")));
        assert!(!is_gzip(&HeaderMap::new()));
    }
}
