//! One direction of a connection of HTTP/2: tells the heads of frames, and what is in those of DATA. Pure.

use super::{Direction, Told, WireKind, body_of};
use crate::transport::frame::{DATA, FrameHead, FramePosition, Part};

/// One direction of a connection.
#[derive(Debug, Default)]
pub(super) struct FrameLane {
    frames: FramePosition,
    /// Whether the frame is DATA.
    is_data: bool,
}

impl FrameLane {
    /// The client's.
    pub(super) fn before_preface() -> Self {
        Self { frames: FramePosition::before_preface(), is_data: false }
    }

    pub(super) fn pass(&mut self, direction: Direction, mut bytes: &[u8]) -> Told {
        let mut told = Told::new();
        while let Some(part) = self.frames.next(&mut bytes) {
            match part {
                Part::Head(head) => {
                    self.is_data = head.kind() == DATA;
                    told.push((frame_of(direction), described(head).into_bytes()));
                }
                Part::Payload(data) if self.is_data => {
                    told.push((body_of(direction), data.to_vec()))
                }
                Part::Payload(_) => {}
            }
        }
        told
    }
}

fn described(head: FrameHead) -> String {
    let (kind, stream) = (head.kind(), head.stream());
    let (flags, length) = (head.flags(), head.length());
    match KINDS.get(usize::from(kind)) {
        Some(name) => format!("{name} stream {stream} flags 0x{flags:02x} length {length}"),
        None => format!("type {kind} stream {stream} flags 0x{flags:02x} length {length}"),
    }
}

const fn frame_of(direction: Direction) -> WireKind {
    match direction {
        Direction::Sent => WireKind::FrameSent,
        Direction::Received => WireKind::FrameReceived,
    }
}

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
            let mut lane = FrameLane::before_preface();
            let told: Told = all.chunks(by).flat_map(|it| lane.pass(Direction::Sent, it)).collect();
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
