//! A stream of JSON documents, one a line, as etcd and Kubernetes send them.

use bytes::{Buf, Bytes, BytesMut};

/// Cuts a stream into its lines.
#[derive(Debug)]
pub struct Frames {
    /// What came of the line that is not yet whole.
    held: BytesMut,
    /// How much of it was searched for its end.
    searched: usize,
    most: usize,
}

impl Frames {
    /// Lines of at most `most` bytes.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { held: BytesMut::new(), searched: 0, most }
    }

    /// The next piece of the stream; the lines of the one before were taken.
    ///
    /// # Errors
    /// A line is longer than may be.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), &'static str> {
        let lines = piece.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let begun = if lines > 0 { piece.len() - lines } else { self.held.len() + piece.len() };
        if begun > self.most {
            return Err("a document of the stream is too long");
        }
        self.held.extend_from_slice(piece);
        Ok(())
    }
}

impl Iterator for Frames {
    type Item = Bytes;

    /// The next line that is whole; empty ones are left out.
    fn next(&mut self) -> Option<Bytes> {
        loop {
            let end = self.held[self.searched..].iter().position(|byte| *byte == b'\n');
            let Some(end) = end else {
                self.searched = self.held.len();
                return None;
            };
            let line = self.held.split_to(self.searched + end).freeze();
            self.held.advance(1);
            self.searched = 0;
            let line = line.slice_ref(line.trim_ascii());
            if !line.is_empty() {
                return Some(line);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_out_however_they_were_cut() {
        let text = b"{\"a\":1}\n\n  {\"b\":2}\r\n{\"c\"";
        for size in 1..=text.len() {
            let (mut frames, mut lines) = (Frames::new(100), Vec::new());
            for piece in text.chunks(size) {
                frames.push(piece).unwrap();
                lines.extend(frames.by_ref());
            }
            assert_eq!(lines, [&b"{\"a\":1}"[..], b"{\"b\":2}"], "pieces of {size}");
            frames.push(b":3}\n").unwrap();
            assert_eq!(frames.next().as_deref(), Some(&b"{\"c\":3}"[..]));
        }
    }

    #[test]
    fn an_endless_line_is_refused() {
        let mut frames = Frames::new(10);
        assert!(frames.push(b"123456789\n").is_ok() && frames.next().is_some());
        assert!(frames.push(b"1234567890").is_ok());
        assert!(frames.push(b"x").is_err());
        let mut endless = Frames::new(10);
        assert!((0..11).any(|_| endless.push(b"[[").is_err()));
    }
}
