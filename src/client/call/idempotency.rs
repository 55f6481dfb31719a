//! The key by which a server knows the attempts of one call, and does its work once.
//!
//! It is drawn once for each call: a request that is sent again is another piece of work.

use http::{HeaderMap, HeaderValue};
use rand::Rng;

use crate::request::IdempotencyKey;
use crate::runtime::entropy;

/// Puts the key of a call into its headers, in place of others of its name.
pub(super) fn insert(key: &IdempotencyKey, headers: &mut HeaderMap) {
    let value = key.value.clone().unwrap_or_else(|| entropy::with_rng(drawn));
    headers.insert(key.header.clone(), value);
}

/// A UUID of version 4 (RFC 9562, 5.4), which servers take that want one, and all others too.
fn drawn<R: Rng>(rng: &mut R) -> HeaderValue {
    let mut bytes = [0; 16];
    rng.fill_bytes(&mut bytes);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut text = [b'-'; 36];
    let places = (0..36).filter(|place| ![8, 13, 18, 23].contains(place));
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0x0f]);
    for (place, digit) in places.zip(digits) {
        text[place] = b"0123456789abcdef"[usize::from(digit)];
    }
    HeaderValue::from_bytes(&text).unwrap_or_else(|_| unreachable!("digits and dashes"))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn a_drawn_key_is_a_uuid_and_another_each_time() {
        let mut rng = StdRng::seed_from_u64(1);
        let (one, other) = (drawn(&mut rng), drawn(&mut rng));
        assert_ne!(one, other);
        let text = one.to_str().unwrap();
        let lengths: Vec<_> = text.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12], "{text}");
        assert_eq!(&text[14..15], "4");
        assert!("89ab".contains(&text[19..20]), "{text}");
    }
}
