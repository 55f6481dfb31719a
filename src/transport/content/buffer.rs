//! Holds a body under its bound.

use crate::outcome::FailureKind;
use crate::transport::cause::Cause;

use super::decoder::Decoder;
use super::step::Step;

/// A buffer that refuses what is above its bound, and never reserves more than it, but for one byte: C gets a NUL
/// behind the body, and a body that is too large shows there. Memory that is not to be had is an error, for the peer
/// says how much it takes.
pub(super) struct Buffer {
    bytes: Vec<u8>,
    max: usize,
}

impl Buffer {
    pub(super) fn new(max: usize) -> Self {
        Self { bytes: Vec::new(), max }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Room for what the peer announced. A peer that lies costs addresses and no memory: a page is one only when bytes
    /// come. Without room for all, it grows as they do.
    pub(super) fn expect(&mut self, announced: u64) {
        let expected = usize::try_from(announced).unwrap_or(usize::MAX).min(self.max);
        let _ = self.bytes.try_reserve_exact(expected.saturating_add(1));
    }

    pub(super) fn append(&mut self, piece: &[u8]) -> Result<(), Cause> {
        let total = self.bytes.len().saturating_add(piece.len());
        if total > self.max {
            return Err(too_large(self.max));
        }
        self.reserve(total, 0)?;
        self.bytes.extend_from_slice(piece);
        Ok(())
    }

    /// Itself, with room for `more` bytes behind those that it holds.
    pub(super) fn room(&mut self, more: usize) -> Result<&mut Vec<u8>, Cause> {
        self.reserve(self.bytes.len().saturating_add(more), 0)?;
        Ok(&mut self.bytes)
    }

    /// A step of `decoder`. `expected` bytes in all are likely, 0 for any number.
    pub(super) fn decode(
        &mut self,
        decoder: &mut Decoder,
        encoded: &[u8],
        expected: usize,
    ) -> Result<Step, Cause> {
        let before = self.bytes.len();
        let end = before.saturating_add(STEP).min(self.max.saturating_add(1));
        self.reserve(end, expected)?;
        self.bytes.resize(end, 0);
        let step = decoder.step(encoded, &mut self.bytes[before..]);
        let step = step.map_err(|_| damaged(decoder))?;
        self.bytes.truncate(before + step.given);
        if self.bytes.len() > self.max {
            return Err(too_large(self.max));
        }
        Ok(step)
    }

    /// Room for `total` bytes in all, and for as many as are `expected`, or else for twice as many as before: that spares
    /// copies, and where there is no room for it, there may be for what is needed.
    fn reserve(&mut self, total: usize, expected: usize) -> Result<(), Cause> {
        let (held, capacity) = (self.bytes.len(), self.bytes.capacity());
        if total <= capacity {
            return Ok(());
        }
        let (doubled, most) = (capacity.saturating_mul(2), self.max.saturating_add(1).max(total));
        let likely = if expected > capacity { expected } else { doubled };
        let is_reserved = [likely, doubled, total]
            .into_iter()
            .any(|size| self.bytes.try_reserve_exact(size.clamp(total, most) - held).is_ok());
        if is_reserved { Ok(()) } else { Err(no_memory(total)) }
    }

    /// The body; room that it turned out not to need is given back.
    pub(super) fn into_bytes(mut self) -> Vec<u8> {
        let needed = self.bytes.len() + 1;
        if self.bytes.capacity() / 2 > needed {
            self.bytes.shrink_to(needed);
        }
        self.bytes
    }
}

pub(super) fn too_large(max: usize) -> Cause {
    Cause::new(FailureKind::BodyTooLarge, format!("body above {max} bytes"))
}

pub(super) fn damaged(decoder: &Decoder) -> Cause {
    Cause::new(FailureKind::Protocol, format!("{} body damaged", decoder.encoding().name()))
}

fn no_memory(total: usize) -> Cause {
    let detail = format!("no memory for a body of {total} bytes");
    Cause::new(FailureKind::BodyTooLarge, detail)
}

/// Decoded at once: it stays in a processor's own cache until it is complete, and no bomb gives more.
pub(super) const STEP: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_never_reserves_more_than_its_bound() {
        for announced in [0, 5_000, u64::MAX] {
            let mut buffer = Buffer::new(100_000);
            buffer.expect(announced);
            for _ in 0..100 {
                buffer.append(&[0; 1000]).unwrap();
                assert!(buffer.bytes.capacity() <= 100_001, "{}", buffer.bytes.capacity());
            }
            assert!(buffer.append(&[0]).is_err());
        }
    }

    #[test]
    fn what_was_expected_in_vain_is_given_back() {
        let mut buffer = Buffer::new(100_000);
        buffer.expect(100_000);
        buffer.append(b"little").unwrap();
        assert!(buffer.into_bytes().capacity() < 100);
    }
}
