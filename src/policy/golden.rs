//! Which endpoint each of 20,000 keys has, as one number for each way.
//!
//! Clients on different systems share the keys of a service, so the numbers must be the same on all of them, whatever
//! their bits and the order of their bytes. `make policies-everywhere` runs this on other processors. A change here
//! moves keys of every client that is updated.

use std::num::NonZeroU32;

use crate::policy::balance::{Maglev, Ring, RingConfig, hash_bytes, rendezvous};
use crate::policy::locality::subset::{Aperture, by_rendezvous};

const KEYS: u64 = 20_000;

/// FNV-1a over what was picked.
fn digest(picks: impl Iterator<Item = usize>) -> u64 {
    picks.fold(0xcbf2_9ce4_8422_2325, |state, pick| {
        (state ^ pick as u64).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

fn hashes() -> impl Iterator<Item = u64> {
    (0..KEYS).map(|number| hash_bytes(format!("customer/{number}").as_bytes()))
}

/// Fifty endpoints with weights from 1 to 7.
fn endpoints() -> Vec<(String, u32)> {
    (0..50).map(|index| (format!("10.1.{}.{index}:8080", index % 3), index % 7 + 1)).collect()
}

fn entries(endpoints: &[(String, u32)]) -> Vec<(&str, u32)> {
    endpoints.iter().map(|(key, weight)| (key.as_str(), *weight)).collect()
}

#[test]
fn a_ring_gives_each_key_to_the_same_endpoint_everywhere() {
    let endpoints = endpoints();
    let ring = Ring::new(&entries(&endpoints), RingConfig::default()).unwrap();
    assert_eq!(
        digest(hashes().map(|hash| ring.pick(hash, |_| true).unwrap())),
        0x0878_310e_c5f8_4991
    );
}

#[test]
fn maglev_gives_each_key_to_the_same_endpoint_everywhere() {
    let endpoints = endpoints();
    let table = Maglev::new(&entries(&endpoints), Maglev::DEFAULT_SIZE).unwrap();
    assert_eq!(
        digest(hashes().map(|hash| table.pick(hash, |_| true).unwrap())),
        0x317e_974c_15b3_c626
    );
}

#[test]
fn rendezvous_gives_each_key_to_the_same_endpoint_everywhere() {
    let endpoints = endpoints();
    let pick = |hash| {
        rendezvous::pick(
            hash,
            endpoints.len(),
            |index| &endpoints[index].0,
            |index| endpoints[index].1,
            |_| true,
        )
    };
    assert_eq!(digest(hashes().map(|hash| pick(hash).unwrap())), 0x5afe_b38d_9e39_1f59);
}

/// Down to the last bit: where two scores are near each other, it decides.
#[test]
fn the_scores_of_rendezvous_are_the_same_everywhere() {
    let bits = hashes().map(|hash| rendezvous::score(hash, "10.0.0.1:8080", 3).to_bits());
    let halves = bits.flat_map(|bits| [(bits >> 32) as usize, (bits & 0xffff_ffff) as usize]);
    assert_eq!(digest(halves), 0x687c_c500_cdeb_00d7);
}

#[test]
fn subsets_are_the_same_everywhere() {
    let endpoints = endpoints();
    let names: Vec<_> = entries(&endpoints).into_iter().map(|(key, _)| key).collect();
    let drawn = (0..400).flat_map(|seed| by_rendezvous(&names, seed, 12, |index| index % 5 != 0));
    assert_eq!(digest(drawn), 0x1c20_6b30_97a3_6f48);
    let clients = NonZeroU32::new(37).unwrap();
    let arcs = (0..37).flat_map(|client| {
        let aperture = Aperture::new(client, clients, Aperture::DEFAULT_SIZE).unwrap();
        // An endpoint belongs to a client by a whole number of parts.
        aperture
            .members(50)
            .into_iter()
            .flat_map(|(index, share)| [index, (share * 37.0).round() as usize])
    });
    assert_eq!(digest(arcs), 0x97bd_36a8_0952_2da0);
}
