//! One way of a connection of HTTP/2: tells the heads of frames, and what is in those of DATA. Pure.

use super::{Told, Way, WireKind, body_of};

/// One way of a connection.
#[derive(Debug, Default)]
pub(super) struct FrameLane {
    head: [u8; HEAD],
    filled: usize,
    /// What is left of the frame, and whether it is DATA.
    left: usize,
    is_data: bool,
}

impl FrameLane {
    /// The client's, which begins with words that are no frame (RFC 9113, 3.4).
    pub(super) fn after_preface() -> Self {
        Self { left: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len(), ..Self::default() }
    }

    pub(super) fn pass(&mut self, way: Way, mut bytes: &[u8]) -> Told {
        let mut told = Told::new();
        while !bytes.is_empty() {
            let payload = self.left.min(bytes.len());
            if self.is_data && payload > 0 {
                told.push((body_of(way), bytes[..payload].to_vec()));
            }
            self.left -= payload;
            bytes = &bytes[payload..];
            let taken = bytes.len().min(HEAD - self.filled);
            self.head[self.filled..][..taken].copy_from_slice(&bytes[..taken]);
            self.filled += taken;
            bytes = &bytes[taken..];
            if self.filled == HEAD {
                told.push((frame_of(way), self.begin().into_bytes()));
            }
        }
        told
    }

    /// A head is complete; what is told of it.
    fn begin(&mut self) -> String {
        let [a, b, c, kind, flags, stream @ ..] = self.head;
        self.filled = 0;
        self.left = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        self.is_data = kind == 0;
        let stream = u32::from_be_bytes(stream) & 0x7fff_ffff;
        let length = self.left;
        match KINDS.get(usize::from(kind)) {
            Some(name) => format!("{name} stream {stream} flags 0x{flags:02x} length {length}"),
            None => format!("type {kind} stream {stream} flags 0x{flags:02x} length {length}"),
        }
    }
}

const fn frame_of(way: Way) -> WireKind {
    match way {
        Way::Sent => WireKind::FrameSent,
        Way::Received => WireKind::FrameReceived,
    }
}

/// RFC 9113, 4.1: length, type, flags and stream.
const HEAD: usize = 9;

/// By their numbers (RFC 9113, 6).
const KINDS: [&str; 10] = [
    "DATA",
    "HEADERS",
    "PRIORITY",
    "RST_STREAM",
    "SETTINGS",
    "PUSH_PROMISE",
    "PING",
    "GOAWAY",
    "WINDOW_UPDATE",
    "CONTINUATION",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_told_by_their_heads_and_only_data_by_what_is_in_it() {
        let headers = [&[0, 0, 6, 1, 4, 0, 0, 0, 1][..], b"secret"].concat();
        let data = [&[0, 0, 4, 0, 1, 0, 0, 0, 1][..], b"body"].concat();
        let preface = &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..];
        let all = [preface, &headers, &data].concat();
        for by in 1..all.len() {
            let mut lane = FrameLane::after_preface();
            let told: Told = all.chunks(by).flat_map(|it| lane.pass(Way::Sent, it)).collect();
            let frames = told.iter().filter(|(kind, _)| *kind == WireKind::FrameSent);
            let frames: Vec<_> = frames.map(|(_, text)| String::from_utf8_lossy(text)).collect();
            let expected =
                ["HEADERS stream 1 flags 0x04 length 6", "DATA stream 1 flags 0x01 length 4"];
            assert_eq!(frames, expected, "by {by}");
            let bodies = told.iter().filter(|(kind, _)| *kind == WireKind::BodySent);
            assert_eq!(bodies.flat_map(|(_, it)| it.clone()).collect::<Vec<_>>(), b"body");
        }
    }
}
