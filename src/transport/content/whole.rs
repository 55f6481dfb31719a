//! Reads an answer's body whole under its bound; the same for all transports.

use std::error::Error;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::{Method, StatusCode, response};
use http_body::Body;
use tokio::task::yield_now;

use super::buffer::{Buffer, damaged, too_large};
use super::decoder::Decoder;
use super::encoding::Encoding;
use super::step::{BREATH, PART};
use crate::outcome::{Failure, FailureKind};
use crate::runtime::clock;
use crate::transport::Answer;
use crate::transport::cause::Cause;
use crate::transport::failure::{Stage, cause_of};

/// How an answer is to be read.
#[derive(Clone, Copy, Debug)]
pub(in crate::transport) struct Reading<'a> {
    /// The request's method: HEAD has no body, whatever the headers say.
    pub(in crate::transport) method: &'a Method,
    /// How long it may bring nothing.
    pub(in crate::transport) idle: Option<Duration>,
    /// Bound on the decoded body, in bytes.
    pub(in crate::transport) max_body: usize,
    /// Whether an encoding was asked for by the transport, so that it must decode it.
    pub(in crate::transport) decode: bool,
}

/// Reads `body` to its end and puts the answer together.
pub(in crate::transport) async fn read<B>(
    mut head: response::Parts,
    body: B,
    reading: Reading<'_>,
) -> Result<Answer, Failure>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Error + 'static,
{
    let body = match encoding(&mut head, reading)? {
        Some(encoding) => decoded(body, encoding, reading.max_body, reading.idle).await,
        None => plain(body, reading.max_body, reading.idle).await,
    };
    let body = body.map_err(|cause| cause.failure(true))?;
    Ok(Answer { status: head.status, headers: head.headers, body, live: None, moved_to: None })
}

/// What the body that follows `head` is to be decoded from; the headers then speak of the decoded one.
pub(super) fn encoding(
    head: &mut response::Parts,
    reading: Reading<'_>,
) -> Result<Option<Encoding>, Failure> {
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Failure::sent(FailureKind::Unacceptable, "peer switched protocols unasked"));
    }
    if !reading.decode || !has_body(reading.method, head.status) {
        return Ok(None);
    }
    let encoding = Encoding::of(&head.headers);
    if encoding.is_some() {
        head.headers.remove(CONTENT_ENCODING);
        head.headers.remove(CONTENT_LENGTH);
    }
    Ok(encoding)
}

pub(in crate::transport) fn has_body(method: &Method, status: StatusCode) -> bool {
    // A part of an encoded body cannot be decoded either, but only a request with Range is answered by one,
    // and for those no encoding is asked.
    method != Method::HEAD && status != StatusCode::NO_CONTENT && status != StatusCode::NOT_MODIFIED
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
    let mut all = Buffer::new(max);
    all.expect(announced);
    all.append(&first)?;
    drop(first);
    while let Some(piece) = next_data(&mut body, idle).await? {
        all.append(&piece)?;
    }
    Ok(all.into_bytes().into())
}

/// Reads the `left` bytes that follow those of a body that are there, by `poll_read`, which puts the next ones behind what
/// its buffer holds and tells how many. They are read where they stay.
pub(in crate::transport) async fn read_on(
    began: Bytes,
    left: u64,
    mut poll_read: impl FnMut(&mut Context<'_>, &mut Vec<u8>) -> Poll<Result<usize, Cause>>,
    reading: Reading<'_>,
) -> Result<Bytes, Cause> {
    let announced = left.saturating_add(began.len() as u64);
    if announced > reading.max_body as u64 {
        return Err(too_large(reading.max_body));
    }
    let mut all = Buffer::new(reading.max_body);
    all.expect(announced);
    all.append(&began)?;
    drop(began);
    let (mut left, mut turn) = (left, 0);
    while left > 0 {
        let room = all.room(usize::try_from(left).unwrap_or(usize::MAX).min(PIECE))?;
        let read = poll_fn(|cx| poll_read(cx, room));
        let count = match reading.idle {
            None => read.await,
            Some(limit) => within(limit, read).await?,
        }?;
        left -= count as u64;
        turn += count;
        if turn > TURN {
            turn = 0;
            yield_now().await;
        }
    }
    Ok(all.into_bytes().into())
}

async fn decoded<B>(
    mut body: B,
    encoding: Encoding,
    max: usize,
    idle: Option<Duration>,
) -> Result<Bytes, Cause>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Error + 'static,
{
    let (mut decoder, mut all) = (Decoder::new(encoding), Buffer::new(max));
    let (announced, mut encoded, mut cost) = (body.size_hint().exact(), 0_usize, 0_usize);
    while let Some(piece) = next_data(&mut body, idle).await? {
        encoded = encoded.saturating_add(piece.len());
        if encoded > max_encoded(max) {
            return Err(too_large(max));
        }
        let mut left = &piece[..];
        loop {
            let likely =
                announced.map_or(0, |total| likely(all.len(), encoded - left.len(), total));
            let step = all.decode(&mut decoder, &left[..left.len().min(PART)], likely)?;
            left = &left[step.taken..];
            if left.is_empty() && step.given == 0 {
                break;
            }
            cost += step.cost();
            if cost > BREATH {
                cost = 0;
                yield_now().await;
            }
        }
    }
    decoder.finish().map_err(|_| damaged(&decoder))?;
    Ok(all.into_bytes().into())
}

/// How many bytes will be decoded in all, as far as `decoded` ones of `taken` encoded ones tell, and a little more.
fn likely(decoded: usize, taken: usize, total: u64) -> usize {
    let all = decoded as u128 * u128::from(total) / (taken as u128).max(1);
    usize::try_from(all.saturating_add(all / 32)).unwrap_or(usize::MAX)
}

async fn next_data<B>(body: &mut B, idle: Option<Duration>) -> Result<Option<Bytes>, Cause>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Error + 'static,
{
    let data = poll_fn(|cx| poll_data(body, cx));
    let data = match idle {
        None => data.await,
        Some(limit) => within(limit, data).await?,
    };
    data.transpose()
}

async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Result<T, Cause> {
    let late = |_| Cause::new(FailureKind::Timeout, NOTHING_CAME);
    clock::timeout(limit, work).await.map_err(late)
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

/// Encoders add next to nothing to what they cannot compress; a stream of empty members must end as well.
fn max_encoded(max: usize) -> usize {
    max.saturating_add(max / 8).saturating_add(EMPTY_MEMBERS)
}

/// The least room that is made for a read where no more is reserved.
const PIECE: usize = 64 * 1024;

/// So much is read before others on the thread have their turn.
const TURN: usize = 1024 * 1024;

/// What ends a body that brings nothing for too long.
const NOTHING_CAME: &str = "no more of the body in time";

/// Most answers are; a copy costs less than what is to be remembered of room behind a body.
const SMALL: u64 = 4096;

/// What the smallest body may have of them.
const EMPTY_MEMBERS: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use std::io::Write;

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
        decoded(Full::new(Bytes::copy_from_slice(encoded)), Encoding::Gzip, max, None).await
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
        for length in [1000, 64 << 10, (64 << 10) + 1, 1 << 20] {
            let encoded = gzip(&vec![0; length]);
            assert_eq!(decode(&encoded, length).await.unwrap().len(), length);
            let fault = decode(&encoded, length - 1).await.unwrap_err();
            assert_eq!(fault.kind, FailureKind::BodyTooLarge);
        }
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
    fn the_first_bytes_tell_how_many_there_will_be() {
        assert_eq!(likely(0, 0, 100), 0);
        assert_eq!(likely(640, 100, 1000), 6600);
        assert_eq!(likely(usize::MAX, 1, u64::MAX), usize::MAX);
    }
}
