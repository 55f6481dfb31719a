//! The hash by which keys find their endpoints.
//!
//! A key has to land on the same endpoint from every process, in every language and after every
//! update of this library. So the function is a fixed and public one: xxHash64, which Envoy and
//! gRPC use for the same purpose, hence rings and tables built there and here agree. Rust's own
//! hasher was rejected: it is keyed anew in each process, and its algorithm may change.
//!
//! With a public function, a peer that chooses the keys chooses the endpoint too. A secret seed would
//! stop that and also stop clients from agreeing; what protects an endpoint is bounded load.

use xxhash_rust::xxh64::xxh64;

/// The hash of a key: xxHash64 with seed 0.
#[must_use]
pub fn hash_bytes(bytes: &[u8]) -> u64 {
    xxh64(bytes, 0)
}

/// A hash of its own for each seed: xxHash64 with that seed.
#[must_use]
pub fn hash_bytes_seeded(bytes: &[u8], seed: u64) -> u64 {
    xxh64(bytes, seed)
}

/// The next number of the sequence that a hash stands for: splitmix64.
///
/// Where one key needs several draws, they have to be the same at every client. The generators of
/// the `rand` crate do not promise that from one release to the next; this one is eight lines.
pub const fn splitmix64(state: &mut u64) -> u64 {
    *state = state.wrapping_add(GOLDEN);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// 2^64 divided by the golden ratio and made odd: the step spreads any start over all numbers. It
/// and the two factors above are the algorithm's own.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use super::*;

    /// Taken from another implementation, the one in C.
    #[test]
    fn hashes_are_those_of_everyone_else() {
        assert_eq!(hash_bytes(b""), 0xef46_db37_51d8_e999);
        assert_eq!(hash_bytes(b"a"), 0xd24e_c4f1_a98c_6e5b);
        assert_eq!(hash_bytes(b"10.0.0.1:8080"), 0xcb97_2177_068e_b685);
        assert_eq!(hash_bytes_seeded(b"10.0.0.1:8080", 1), 0x0dfc_e9ef_d349_b428);
        assert_eq!(hash_bytes_seeded(b"10.0.0.1:8080", 0xdead_beef), 0x4042_0d1d_8c36_c6b0);
        let long = b"a longer text than the thirty-two bytes of one stripe";
        assert_eq!(hash_bytes_seeded(long, 7), 0xbabf_947f_db96_4dfe);
    }

    #[test]
    fn seed_nought_is_the_plain_hash() {
        for text in ["", "a", "10.0.0.1:8080", "[2001:db8::1]:443_17"] {
            assert_eq!(hash_bytes(text.as_bytes()), hash_bytes_seeded(text.as_bytes(), 0));
        }
    }

    /// The numbers that the algorithm's author gives.
    #[test]
    fn the_sequence_is_that_of_everyone_else() {
        let mut state = 0;
        let first: Vec<_> = (0..3).map(|_| splitmix64(&mut state)).collect();
        assert_eq!(first, [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4, 0x06c4_5d18_8009_454f]);
        let mut state = 1_234_567;
        assert_eq!(splitmix64(&mut state), 6_457_827_717_110_365_317);
        assert_eq!(splitmix64(&mut state), 3_203_168_211_198_807_973);
    }

    #[test]
    fn the_sequence_runs_on_past_the_last_number() {
        let mut state = u64::MAX;
        assert_ne!(splitmix64(&mut state), splitmix64(&mut state));
    }
}
