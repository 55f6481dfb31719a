//! Parsers of peers' bytes, with what must hold for any input; only in builds for fuzzing.

use super::dns::host_names;
use super::gunzip::Gunzip;
use super::http1::head::{self, Head};

/// A head that is plain is read to the same end by the closer look, which never refuses it; and what hyper is told
/// instead of any other head is plain itself, but for lengths of nineteen digits and more.
pub fn answer_head(bytes: &[u8]) {
    let end = head::end(bytes, 0);
    if let Some(plain) = head::plain(bytes) {
        assert_eq!(end, Some(plain));
        assert!(matches!(head::read(&bytes[..plain]), Ok(Head::Final(_))));
    }
    let Some(end) = end else { return };
    assert!(head::end(bytes, end.saturating_sub(3)).is_some());
    if let Ok(Head::Final(read)) = head::read(&bytes[..end])
        && !read.rewritten.starts_with(b"HTTP/1.1 1")
        && !read.rewritten.starts_with(b"HTTP/1.0 1")
        && !read.rewritten.windows(19).any(|part| part.iter().all(u8::is_ascii_digit))
    {
        assert_eq!(head::plain(&read.rewritten), Some(read.rewritten.len()));
    }
}

/// However the bytes are cut, the same comes out.
pub fn gunzip(piece: u8, encoded: &[u8]) {
    let whole = decoded(encoded, encoded.len().max(1));
    let pieces = decoded(encoded, usize::from(piece).max(1));
    assert_eq!(whole, pieces);
}

fn decoded(encoded: &[u8], by: usize) -> Option<Vec<u8>> {
    let mut gunzip = Gunzip::new(Vec::new());
    for piece in encoded.chunks(by) {
        let mut left = piece;
        while !left.is_empty() {
            match gunzip.write(left).ok()? {
                0 => return None,
                taken => left = &left[taken..],
            }
        }
    }
    gunzip.finish().ok()?;
    Some(std::mem::take(gunzip.sink()))
}

/// The hosts file.
pub fn hosts(content: &[u8]) {
    for (name, addresses) in host_names(content) {
        assert!(!name.is_empty() || !addresses.is_empty());
    }
}
