//! Decodes content a bounded step at a time, and knows where it may end.
//!
//! The same holds for all encodings: no byte at all is an empty body, whatever the header says, for servers send that;
//! zeros behind the last member are passed over, since tape archives and some servers fill their last block with them
//! and gzip(1) does so too; any other byte out of position, and an end within a member, is damage.

#[cfg(feature = "brotli")]
use super::brotli::Brotli;
use super::encoding::Encoding;
use super::gzip::Gzip;
use super::step::{Damaged, Step};
#[cfg(feature = "zstd")]
use super::zstd::Zstd;

/// A decoder of one body.
pub(in crate::transport) struct Decoder {
    encoding: Encoding,
    member: Member,
    position: Position,
}

/// What is encoded by itself, from a header to an end.
enum Member {
    Gzip(Gzip),
    #[cfg(feature = "brotli")]
    Brotli(Box<Brotli>),
    #[cfg(feature = "zstd")]
    Zstd(Zstd),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Position {
    /// Nothing was taken yet, or the last member is over.
    Between {
        first: bool,
    },
    Within,
    Padding,
}

impl Decoder {
    pub(in crate::transport) fn new(encoding: Encoding) -> Self {
        let position = Position::Between { first: true };
        Self { encoding, member: Member::new(encoding), position }
    }

    pub(super) fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Decodes some of `encoded` into `room`, where there is some. What is not taken then waits for more room, and so
    /// may what was taken; a step with room left over has given all that there is.
    pub(in crate::transport) fn step(
        &mut self,
        encoded: &[u8],
        room: &mut [u8],
    ) -> Result<Step, Damaged> {
        if let (Position::Between { first }, Some(&byte)) = (self.position, encoded.first()) {
            if !first && byte == 0 {
                self.position = Position::Padding;
            } else {
                if !first {
                    self.member = self.member.next(self.encoding)?;
                }
                self.position = Position::Within;
            }
        }
        match self.position {
            Position::Between { .. } => Ok(Step::default()),
            Position::Padding => padding(encoded),
            Position::Within => {
                let step = self.member.step(encoded, room)?;
                if step.ended {
                    self.position = Position::Between { first: false };
                } else if step.taken == 0 && step.given == 0 && !encoded.is_empty() {
                    return Err(Damaged);
                }
                Ok(step)
            }
        }
    }

    /// The end of what is encoded.
    pub(in crate::transport) fn finish(&self) -> Result<(), Damaged> {
        if self.position == Position::Within { Err(Damaged) } else { Ok(()) }
    }
}

impl Member {
    fn new(encoding: Encoding) -> Self {
        match encoding {
            Encoding::Gzip => Self::Gzip(Gzip::new()),
            #[cfg(feature = "brotli")]
            Encoding::Brotli => Self::Brotli(Box::new(Brotli::new())),
            #[cfg(feature = "zstd")]
            Encoding::Zstd => Self::Zstd(Zstd::new()),
        }
    }

    /// The one that follows; of brotli none may.
    fn next(&self, encoding: Encoding) -> Result<Self, Damaged> {
        match self {
            #[cfg(feature = "brotli")]
            Self::Brotli(_) => Err(Damaged),
            _ => Ok(Self::new(encoding)),
        }
    }

    fn step(&mut self, encoded: &[u8], room: &mut [u8]) -> Result<Step, Damaged> {
        match self {
            Self::Gzip(gzip) => gzip.step(encoded, room),
            #[cfg(feature = "brotli")]
            Self::Brotli(brotli) => brotli.step(encoded, room),
            #[cfg(feature = "zstd")]
            Self::Zstd(zstd) => zstd.step(encoded, room),
        }
    }
}

fn padding(encoded: &[u8]) -> Result<Step, Damaged> {
    match encoded.iter().all(|&byte| byte == 0) {
        true => Ok(Step { taken: encoded.len(), ..Step::default() }),
        false => Err(Damaged),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    /// "hello hello hello hello" in each encoding.
    fn hellos() -> Vec<(Encoding, Vec<u8>)> {
        vec![
            (Encoding::Gzip, gzip(HELLO)),
            #[cfg(feature = "brotli")]
            (Encoding::Brotli, b"\x1b\x16\x00\xf8\x8d\x94n\xdeDU\x86\x96l o!O\x1c\xe08".to_vec()),
            #[cfg(feature = "zstd")]
            (Encoding::Zstd, zstd(HELLO)),
        ]
    }

    const HELLO: &[u8] = b"hello hello hello hello";

    #[cfg(feature = "zstd")]
    fn zstd(plain: &[u8]) -> Vec<u8> {
        let mut encoded = Vec::with_capacity(zstd_safe::compress_bound(plain.len()));
        zstd_safe::compress(&mut encoded, plain, 3).unwrap();
        encoded
    }

    fn decoded(encoding: Encoding, encoded: &[u8], by: usize, room: usize) -> Option<Vec<u8>> {
        let (mut decoder, mut all, mut room) = (Decoder::new(encoding), Vec::new(), vec![0; room]);
        for piece in encoded.chunks(by) {
            let mut left = piece;
            loop {
                let step = decoder.step(left, &mut room).ok()?;
                left = &left[step.taken..];
                all.extend_from_slice(&room[..step.given]);
                if left.is_empty() && step.given == 0 {
                    break;
                }
            }
        }
        decoder.finish().ok()?;
        Some(all)
    }

    fn whole(encoding: Encoding, encoded: &[u8]) -> Option<Vec<u8>> {
        decoded(encoding, encoded, encoded.len().max(1), 4096)
    }

    #[test]
    fn pieces_and_room_of_any_size_give_the_same() {
        for (encoding, encoded) in hellos() {
            for (by, room) in [(1, 1), (1, 100), (3, 2), (100, 1), (100, 100)] {
                let all = decoded(encoding, &encoded, by, room);
                assert_eq!(all.as_deref(), Some(HELLO), "{encoding:?} by {by} into {room}");
            }
        }
    }

    #[test]
    fn every_cut_is_damage_and_nothing_at_all_is_empty() {
        for (encoding, encoded) in hellos() {
            assert_eq!(whole(encoding, b""), Some(Vec::new()));
            for length in 1..encoded.len() {
                assert_eq!(
                    whole(encoding, &encoded[..length]),
                    None,
                    "{encoding:?} cut at {length}"
                );
            }
        }
    }

    #[test]
    fn zeros_behind_are_passed_over_and_garbage_is_damage() {
        for (encoding, encoded) in hellos() {
            let with = |behind: &[u8]| whole(encoding, &[&encoded, behind].concat());
            assert_eq!(with(&[0; 600]).as_deref(), Some(HELLO), "{encoding:?}");
            for garbage in [&b"x"[..], b"\0x", b"<html>", &[0xff; 100]] {
                assert_eq!(with(garbage), None, "{encoding:?} before {garbage:?}");
            }
            assert_eq!(whole(encoding, b"plain text, not encoded at all"), None, "{encoding:?}");
            assert_eq!(whole(encoding, &[0; 600]), None, "{encoding:?}");
        }
    }

    #[test]
    fn members_are_joined_but_brotli_has_one() {
        for (encoding, encoded) in hellos() {
            let two = whole(encoding, &encoded.repeat(2));
            let joined = (encoding.name() != "brotli").then(|| HELLO.repeat(2));
            assert_eq!(two, joined, "{encoding:?}");
        }
    }

    #[cfg(feature = "zstd")]
    #[test]
    fn the_window_of_zstd_has_a_bound() {
        // A header, the window's size and a block of one byte.
        let framed = |window| [&b"\x28\xb5\x2f\xfd\0"[..], &[window], b"\x09\0\0x"].concat();
        assert_eq!(whole(Encoding::Zstd, &framed(0x68)).as_deref(), Some(&b"x"[..]), "8 MiB");
        assert_eq!(whole(Encoding::Zstd, &framed(0x69)), None, "9 MiB");
    }

    #[cfg(feature = "brotli")]
    #[test]
    fn brotli_has_no_large_window() {
        assert_eq!(whole(Encoding::Brotli, &[0x06]), Some(Vec::new()), "an empty stream");
        assert_eq!(
            whole(Encoding::Brotli, &[0x11, 0xda]),
            None,
            "the same with a window of 64 MiB"
        );
    }
}
