//! Answers about a service's servers, with what must hold for any; only in builds for fuzzing and in unit tests.

use std::collections::BTreeSet;

use super::{Addresses, hosts};
use crate::runtime::clock;
use crate::transport::Records;

/// Numbers of an SRV record: priority, weight, port.
pub type Numbers = (u16, u16, u16);

/// The numbers of the SRV records in a message over the wire, in its order, and the least time to live in seconds; none
/// where it cannot be read. Each server becomes a host for each of its addresses, on the level that its priority has
/// among all, and with its share of the traffic.
#[must_use]
pub fn answer(message: &[u8]) -> Option<(Vec<Numbers>, u64)> {
    let records = Records::of_message(message)?;
    let mut addresses = Addresses::new();
    for (name, address) in &records.glue {
        let known = addresses.entry(name.clone()).or_insert_with(|| (Vec::new(), clock::now()));
        known.0.push(*address);
    }
    let (made, told) = hosts(&records.services, &addresses);
    let mut made = made.iter();
    let levels: BTreeSet<u16> = records.services.iter().map(|it| it.priority).collect();
    let mut skipped = BTreeSet::new();
    for service in records.services.iter().filter(|service| !service.target.is_empty()) {
        let known = addresses.get(&service.target).map_or(0, |(known, _)| known.len());
        if known == 0 || service.port == 0 {
            skipped.insert((service.target.escape_debug().to_string(), known == 0));
            continue;
        }
        let level = levels.iter().position(|it| *it == service.priority).expect("its own").min(127);
        for host in made.by_ref().take(known) {
            assert_eq!((host.port, host.priority as usize), (service.port, level), "{host:?}");
            assert!(host.weight > 0 && host.weight / 32 == u32::from(service.weight), "{host:?}");
            assert!(addresses[&service.target].0.iter().any(|it| it.to_string() == host.address));
            let named = host.authority.as_ref().expect("the server's name");
            assert!(named.starts_with(&service.target), "{host:?}");
        }
    }
    assert!(made.next().is_none());
    assert_eq!(told.len(), skipped.len());
    let numbers = records.services.iter().map(|it| (it.priority, it.weight, it.port)).collect();
    Some((numbers, records.ttl.as_secs()))
}
