//! How many addresses of a name are used.

use std::net::IpAddr;

/// The first of them, each once.
pub(super) fn bounded(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let mut distinct = Vec::with_capacity(addresses.len().min(MAX_ADDRESSES));
    for address in addresses {
        if distinct.len() == MAX_ADDRESSES {
            break;
        }
        if !distinct.contains(&address) {
            distinct.push(address);
        }
    }
    distinct
}

/// No connect tries more within its limit, and an answer over TCP could hold thousands.
pub(super) const MAX_ADDRESSES: usize = 64;
