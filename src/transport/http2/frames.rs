//! What a peer's frames bring, as they go by on their way to h2.
//!
//! h2 bounds what frames take in memory, and frames of DATA that are empty. It answers PING and SETTINGS, and passes
//! over WINDOW_UPDATE, PRIORITY and frames of unknown types, for as long as they come.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::transport::duplex::Duplex;
use crate::transport::frame::{DATA, FrameHead, FramePosition, Part};
use crate::transport::traffic::Traffic;

/// A stream whose frames are looked at.
pub(super) struct FrameStream {
    stream: Duplex,
    traffic: Traffic,
    frames: FramePosition,
}

impl FrameStream {
    /// Notes in `traffic` what brings an exchange further.
    pub(super) fn new(stream: Duplex, traffic: Traffic) -> Self {
        Self { stream, traffic, frames: FramePosition::default() }
    }
}

impl AsyncRead for FrameStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.traffic.is_asked();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        if pass(&mut this.frames, &buf.filled()[before..]) {
            this.traffic.advanced();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for FrameStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Passes over `bytes`; whether a frame began in them that brings an exchange further.
fn pass(frames: &mut FramePosition, mut bytes: &[u8]) -> bool {
    let mut brings = false;
    while let Some(part) = frames.next(&mut bytes) {
        brings |= matches!(part, Part::Head(head) if is_of_use(head));
    }
    brings
}

/// Heads, and data beside the padding, which is 255 bytes and its length at most. h2 bounds how many frames a head may
/// take, and ends the connection for heads of streams that nobody opened.
fn is_of_use(head: FrameHead) -> bool {
    const PADDED: u8 = 8;
    let most_padding = if head.flags() & PADDED == 0 { 0 } else { 256 };
    match head.kind() {
        DATA => head.length() > most_padding,
        HEADERS | CONTINUATION => head.length() > 0,
        _ => false,
    }
}

const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, length: u16) -> Vec<u8> {
        let [high, low] = length.to_be_bytes();
        [&[0, high, low, kind, flags, 0, 0, 0, 1][..], &vec![1; usize::from(length)]].concat()
    }

    #[test]
    fn heads_and_data_bring_an_exchange_further_and_nothing_else_does() {
        for (kind, flags, length, brings) in [
            (DATA, 0, 1, true),
            (DATA, 0, 0, false),
            (DATA, 8, 256, false),
            (DATA, 8, 257, true),
            (HEADERS, 4, 1, true),
            (CONTINUATION, 0, 1, true),
            (CONTINUATION, 0, 0, false),
            (4, 0, 6, false),
            (6, 0, 8, false),
            (8, 0, 4, false),
            (200, 0, 40, false),
        ] {
            let mut frames = FramePosition::default();
            assert_eq!(pass(&mut frames, &frame(kind, flags, length)), brings, "{kind}");
        }
    }

    #[test]
    fn cut_anywhere_the_frames_are_the_same() {
        let quiet = [frame(6, 0, 8), frame(4, 0, 0), frame(200, 0, 300)].concat();
        let all = [&quiet[..], &frame(DATA, 0, 5), &quiet].concat();
        for by in 1..40 {
            let mut frames = FramePosition::default();
            let found: Vec<_> = all.chunks(by).map(|piece| pass(&mut frames, piece)).collect();
            assert_eq!(found.iter().filter(|&&brings| brings).count(), 1, "by {by}");
            let at = found.iter().position(|&brings| brings).unwrap() * by;
            assert!(
                (quiet.len().saturating_sub(by)..quiet.len() + FrameHead::SIZE).contains(&at),
                "by {by}"
            );
        }
    }
}
