//! Gzip as it comes: any number of members, one after the other, and zeros behind the last one.

use std::io::{self, Write};

use flate2::write::GzDecoder;

/// Decodes what is written to it into `W`.
pub(super) struct Gunzip<W: Write> {
    member: GzDecoder<W>,
    place: Place,
    /// How many members there were before.
    members: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Nothing was written yet.
    Start,
    Member,
    /// Tape archives and some servers fill their last block with zeros; gzip(1) passes over them as well.
    Padding,
}

impl<W: Write + Default> Gunzip<W> {
    pub(super) fn new(sink: W) -> Self {
        Self { member: GzDecoder::new(sink), place: Place::Start, members: 0 }
    }

    /// Takes some of `encoded` and says how much.
    pub(super) fn write(&mut self, encoded: &[u8]) -> io::Result<usize> {
        let Some(&first) = encoded.first() else { return Ok(0) };
        if self.place == Place::Padding {
            return padding(encoded);
        }
        self.place = Place::Member;
        match self.member.write(encoded)? {
            // The member is over: its checksum is compared here.
            0 => {
                self.member.try_finish()?;
                if first == 0 {
                    self.place = Place::Padding;
                    return padding(encoded);
                }
                let sink = std::mem::take(self.member.get_mut());
                self.member = GzDecoder::new(sink);
                self.members += 1;
                self.member.write(encoded)
            }
            taken => Ok(taken),
        }
    }

    /// Hands over what is decoded so far.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if self.place == Place::Member { self.member.flush() } else { Ok(()) }
    }

    /// The end of what is written. No byte at all is an empty body, whatever the header says: servers send that.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        if self.place == Place::Member { self.member.try_finish() } else { Ok(()) }
    }

    /// What decoding `encoded` bytes into `decoded` ones has cost so far, in bytes that cost as much to copy out. A new
    /// member has tables of its own, and a block of codes may hold nothing.
    pub(super) fn cost(&self, encoded: usize, decoded: usize) -> usize {
        let tables = self.members.saturating_mul(MEMBER);
        decoded.saturating_add(encoded.saturating_mul(ENCODED)).saturating_add(tables)
    }

    pub(super) fn sink(&mut self) -> &mut W {
        self.member.get_mut()
    }
}

fn padding(encoded: &[u8]) -> io::Result<usize> {
    match encoded.iter().all(|&byte| byte == 0) {
        true => Ok(encoded.len()),
        false => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// A decoder is made in about 5 µs.
const MEMBER: usize = 8 * 1024;

/// Codes for nothing are read at 25 MB/s, whereas what they stand for comes out at 1 GB/s.
const ENCODED: usize = 32;

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn decoded(encoded: &[u8], by: usize) -> io::Result<Vec<u8>> {
        let mut gunzip = Gunzip::new(Vec::new());
        for piece in encoded.chunks(by) {
            let mut left = piece;
            while !left.is_empty() {
                let taken = gunzip.write(left)?;
                assert!(taken > 0);
                left = &left[taken..];
            }
        }
        gunzip.finish()?;
        Ok(std::mem::take(gunzip.sink()))
    }

    #[test]
    fn members_are_joined_and_zeros_behind_them_passed_over() {
        let members = [gzip(b"one, "), gzip(b""), gzip(b"two")].concat();
        for by in [1, 3, 1000] {
            for zeros in [0, 1, 100] {
                let encoded = [members.clone(), vec![0; zeros]].concat();
                assert_eq!(decoded(&encoded, by).unwrap(), b"one, two", "{zeros} by {by}");
            }
        }
    }

    #[test]
    fn anything_else_behind_a_member_is_damage() {
        for rest in [&b"garbage"[..], b"\0\0x", &[&[0; 8][..], &gzip(b"x")].concat()] {
            let encoded = [&gzip(b"one")[..], rest].concat();
            for by in [1, 1000] {
                assert!(decoded(&encoded, by).is_err(), "{rest:?} by {by}");
            }
        }
        assert!(decoded(&[0; 8], 8).is_err(), "zeros alone are no gzip");
    }
}
