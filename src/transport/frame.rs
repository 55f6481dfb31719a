//! Frames of HTTP/2, as they go by in pieces of any size (RFC 9113, 4.1). Pure.

/// Length, type, flags and stream.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FrameHead([u8; Self::SIZE]);

impl FrameHead {
    pub(super) const SIZE: usize = 9;

    /// How long the frame is behind its head.
    pub(super) fn length(self) -> usize {
        let [high, middle, low, ..] = self.0.map(usize::from);
        high << 16 | middle << 8 | low
    }

    pub(super) const fn kind(self) -> u8 {
        self.0[3]
    }

    pub(super) const fn flags(self) -> u8 {
        self.0[4]
    }

    pub(super) const fn stream(self) -> u32 {
        let [.., a, b, c, d] = self.0;
        u32::from_be_bytes([a, b, c, d]) & 0x7fff_ffff
    }
}

/// The kind of frames that carry a body.
pub(super) const DATA: u8 = 0;

/// A part of a frame.
pub(super) enum Part<'a> {
    Head(FrameHead),
    Payload(&'a [u8]),
}

/// Where in which frame one direction of a connection is.
#[derive(Debug, Default)]
pub(super) struct FramePosition {
    head: FrameHead,
    /// How much of the head has come.
    filled: usize,
    /// How much of the frame is still to come behind its head.
    left: usize,
}

impl FramePosition {
    /// Of the client's direction, which begins with words that are no frame (RFC 9113, 3.4).
    pub(super) fn before_preface() -> Self {
        Self { left: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len(), ..Self::default() }
    }

    /// Takes the next part of a frame from `bytes`; none where they end, perhaps within a head.
    #[inline]
    pub(super) fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> Option<Part<'a>> {
        if self.left > 0 && !bytes.is_empty() {
            let payload = taken(bytes, self.left);
            self.left -= payload.len();
            return Some(Part::Payload(payload));
        }
        let part = taken(bytes, FrameHead::SIZE - self.filled);
        self.head.0[self.filled..][..part.len()].copy_from_slice(part);
        self.filled += part.len();
        if self.filled < FrameHead::SIZE {
            return None;
        }
        (self.filled, self.left) = (0, self.head.length());
        Some(Part::Head(self.head))
    }
}

/// Takes up to `most` bytes from the front.
fn taken<'a>(bytes: &mut &'a [u8], most: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(most.min(bytes.len()));
    *bytes = rest;
    taken
}
