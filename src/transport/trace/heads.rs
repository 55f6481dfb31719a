//! One direction of a connection of HTTP/1.1: finds where heads end. Pure.

use super::{Direction, Told, body_of, head_of, mask};
use crate::transport::http1::answer::MAX_HEAD;

/// One direction of a connection.
#[derive(Debug, Default)]
pub(super) struct HeadLane {
    /// A head comes next, or has begun.
    expects_head: bool,
    head: Vec<u8>,
}

impl HeadLane {
    pub(super) fn begin(&mut self) {
        self.expects_head = true;
        self.head.clear();
    }

    pub(super) fn pass(&mut self, direction: Direction, mut bytes: &[u8]) -> Told {
        let mut told = Told::new();
        while self.expects_head && !bytes.is_empty() {
            let known = self.head.len();
            self.head.extend_from_slice(bytes);
            let Some(end) = end(&self.head, known.saturating_sub(3)) else {
                // What is no head is not held, nor told: it may be a secret that is longer than any.
                if self.head.len() > MAX_HEAD {
                    self.head.clear();
                }
                return told;
            };
            bytes = &bytes[end - known..];
            self.head.truncate(end);
            self.expects_head = is_interim(&self.head);
            told.push((head_of(direction), mask::head(&std::mem::take(&mut self.head))));
        }
        if !bytes.is_empty() {
            told.push((body_of(direction), bytes.to_vec()));
        }
        told
    }
}

/// Where what comes behind a head begins.
fn end(head: &[u8], from: usize) -> Option<usize> {
    let found = head[from..].windows(4).position(|four| four == b"\r\n\r\n")?;
    Some(from + found + 4)
}

/// Whether another head follows: after 100 to 199, but not where the protocol changes.
fn is_interim(head: &[u8]) -> bool {
    head.starts_with(b"HTTP/") && head.get(9) == Some(&b'1') && head.get(9..12) != Some(b"101")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::trace::WireKind::{BodyReceived, HeadReceived};

    #[test]
    fn heads_come_whole_however_they_are_cut_and_interim_ones_before_the_last() {
        let all = b"HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\nSet-Cookie: a\r\n\r\nbody";
        for by in 1..all.len() {
            let mut lane = HeadLane::default();
            lane.begin();
            let told: Told =
                all.chunks(by).flat_map(|it| lane.pass(Direction::Received, it)).collect();
            let heads: Vec<_> = told.iter().filter(|(kind, _)| *kind == HeadReceived).collect();
            assert_eq!(heads[0].1, b"HTTP/1.1 103 Early\r\n\r\n", "by {by}");
            assert_eq!(heads[1].1, b"HTTP/1.1 200 OK\r\nSet-Cookie: ***\r\n\r\n", "by {by}");
            let body = told.iter().filter(|(kind, _)| *kind == BodyReceived);
            assert_eq!(body.flat_map(|(_, bytes)| bytes.clone()).collect::<Vec<_>>(), b"body");
        }
    }

    #[test]
    fn a_head_without_end_is_not_held() {
        let mut lane = HeadLane::default();
        lane.begin();
        for _ in 0..100 {
            assert!(lane.pass(Direction::Sent, &[b'x'; 8192]).is_empty());
        }
        assert!(lane.head.len() <= MAX_HEAD + 8192);
    }
}
