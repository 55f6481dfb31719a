//! A list of endpoints as a source told it.

use std::sync::Arc;
use std::time::Instant;

use crate::endpoint::Host;

/// One list. It never changes, so that a forked child reads its parent's without a lock.
#[derive(Debug)]
pub struct Listing {
    /// Rises with each list of a provider.
    pub version: u64,
    /// The endpoints; each counts once, the first time that it stands here.
    pub hosts: Vec<Arc<Host>>,
    /// When it began to apply.
    pub since: Instant,
}

impl Listing {
    /// The list after `before`. What is the same at its beginning and its end is shared with that one, so that balancers see
    /// by the pointers alone what differs.
    pub(crate) fn after(before: Option<&Self>, mut hosts: Vec<Arc<Host>>, since: Instant) -> Self {
        let (version, known) = before.map_or((0, &[][..]), |it| (it.version, &it.hosts[..]));
        let (first, last) = shared(known, &hosts, |one, other| one == other);
        let (old, new) = (known.len() - last, hosts.len() - last);
        hosts[..first].clone_from_slice(&known[..first]);
        hosts[new..].clone_from_slice(&known[old..]);
        Self { version: version + 1, hosts, since }
    }
}

/// What differs between two lists: the part of each that stands behind what both begin with and before what both end with.
pub fn difference<'a>(
    before: &'a [Arc<Host>],
    after: &'a [Arc<Host>],
) -> (&'a [Arc<Host>], &'a [Arc<Host>]) {
    let (first, last) = shared(before, after, Arc::ptr_eq);
    (&before[first..before.len() - last], &after[first..after.len() - last])
}

/// How many both begin with, and how many of the others both end with.
fn shared(
    before: &[Arc<Host>],
    after: &[Arc<Host>],
    same: impl Fn(&Arc<Host>, &Arc<Host>) -> bool,
) -> (usize, usize) {
    let is_same = |pair: &(&Arc<Host>, &Arc<Host>)| same(pair.0, pair.1);
    let first = before.iter().zip(after).take_while(is_same).count();
    let (before, after) = (before[first..].iter().rev(), after[first..].iter().rev());
    (first, before.zip(after).take_while(is_same).count())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(ports: &[u16]) -> Vec<Arc<Host>> {
        ports.iter().map(|port| Arc::new(Host::new("a", *port))).collect()
    }

    fn ports(hosts: &[Arc<Host>]) -> Vec<u16> {
        hosts.iter().map(|host| host.port).collect()
    }

    /// What differs by the pointers, once the second list was made behind the first.
    fn differs(before: &[u16], after: &[u16]) -> (Vec<u16>, Vec<u16>) {
        let first = Listing::after(None, hosts(before), Instant::now());
        let second = Listing::after(Some(&first), hosts(after), Instant::now());
        assert_eq!((first.version, second.version), (1, 2));
        assert_eq!(ports(&second.hosts), after);
        let (gone, new) = difference(&first.hosts, &second.hosts);
        (ports(gone), ports(new))
    }

    #[test]
    fn only_what_differs_between_two_lists_is_not_shared() {
        assert_eq!(differs(&[1, 2, 3], &[1, 2, 3]), (vec![], vec![]));
        assert_eq!(differs(&[1, 2, 3], &[1, 3]), (vec![2], vec![]));
        assert_eq!(differs(&[1, 3], &[1, 2, 3]), (vec![], vec![2]));
        assert_eq!(differs(&[1, 2, 3, 4], &[1, 5, 4]), (vec![2, 3], vec![5]));
        assert_eq!(differs(&[], &[1]), (vec![], vec![1]));
        assert_eq!(differs(&[1, 1], &[1, 1, 1]), (vec![], vec![1]));
        assert_eq!(differs(&[1, 1, 1], &[1]), (vec![1, 1], vec![]));
        assert_eq!(differs(&[1, 2], &[]), (vec![1, 2], vec![]));
    }
}
