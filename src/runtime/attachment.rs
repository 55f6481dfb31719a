//! What clients keep where work is driven: on a shard, or on an I/O thread.

use std::any::Any;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::process::PerProcess;

/// What a tenant keeps: its transport, with its connections.
pub trait Attachment: Any + Send + Sync {
    /// Called about every second, in the context of the runtime that drives the connections: closes those that
    /// are no longer of use. Whether some are left that are to be looked at soon.
    fn maintain(&self) -> bool;

    /// Closes the connections of endpoints that left the list. Called outside of any runtime and on any thread,
    /// since a shard is not visited while its caller waits in a long call.
    fn close_departed(&self) {}

    /// Its tenant does nothing more: closes the connections that are in no use. Called in any context and on any thread.
    fn close(&self) {}
}

type Attached = Vec<(u64, Weak<dyn Attachment>)>;

/// All attachments of this process, on shards and on I/O threads, by their tenants' names.
static ATTACHED: PerProcess<Mutex<Attached>> = PerProcess::new();

/// Calls [`Attachment::close_departed`] of every attachment of this process.
pub(super) fn close_all_departed() {
    attached().retain(|(_, attachment)| attachment.strong_count() > 0);
    those(|_| true).iter().for_each(|attachment| attachment.close_departed());
}

/// Attachments by their tenants' names, to be told something without the lock.
fn those(wanted: impl Fn(u64) -> bool) -> Vec<Arc<dyn Attachment>> {
    let attached = attached();
    let those = attached.iter().filter(|(tenant, _)| wanted(*tenant));
    those.filter_map(|(_, attachment)| attachment.upgrade()).collect()
}

fn attached() -> MutexGuard<'static, Attached> {
    ATTACHED.get().lock().unwrap_or_else(PoisonError::into_inner)
}

/// The owner of attachments. They are closed with it, and dropped with the first visit after it.
#[derive(Debug)]
pub struct Tenant {
    name: u64,
    alive: Arc<()>,
}

impl Tenant {
    /// A new tenant, with a name that is unique in the process.
    #[must_use]
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self { name: NEXT.fetch_add(1, Ordering::Relaxed), alive: Arc::new(()) }
    }
}

impl Tenant {
    pub(super) fn name(&self) -> u64 {
        self.name
    }

    /// Closes its attachments, wherever they are: a host that makes and frees many clients would run out of descriptors
    /// before the next visit. What comes to rest later goes with a visit.
    pub fn close(&self) {
        those(|tenant| tenant == self.name).iter().for_each(|attachment| attachment.close());
    }
}

impl Default for Tenant {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Tenant {
    fn drop(&mut self) {
        // The fields drop after this: without the exchange, a visit now would still see the tenant alive.
        self.alive = Arc::new(());
        DEPARTURES.fetch_add(1, Ordering::Release);
        self.close();
    }
}

/// How many tenants have departed. Where it has not changed since the last visit, nothing is to be cleared away.
static DEPARTURES: AtomicU64 = AtomicU64::new(0);

/// The attachments in one place.
#[derive(Default)]
pub(super) struct Attachments {
    kept: Vec<Entry>,
    departures_seen: u64,
}

struct Entry {
    tenant: u64,
    alive: Weak<()>,
    value: Arc<dyn Attachment>,
}

impl Attachments {
    /// The tenant's attachment here, if it `fits`.
    pub(super) fn get<T: Attachment>(
        &self,
        tenant: &Tenant,
        fits: impl FnOnce(&T) -> bool,
    ) -> Option<Arc<T>> {
        let kept = self.kept.iter().find(|kept| kept.tenant == tenant.name)?;
        let value: Arc<dyn Any + Send + Sync> = Arc::clone(&kept.value) as _;
        value.downcast::<T>().ok().filter(|value| fits(value))
    }

    /// Makes `value` the tenant's attachment here. What it had is given back, to be dropped without a lock.
    pub(super) fn attach<T: Attachment>(
        &mut self,
        tenant: &Tenant,
        value: &Arc<T>,
    ) -> Option<Arc<dyn Attachment>> {
        let known: Arc<dyn Attachment> = Arc::clone(value) as _;
        attached().push((tenant.name, Arc::downgrade(&known)));
        let kept = self.kept.iter_mut().find(|kept| kept.tenant == tenant.name);
        if let Some(kept) = kept {
            return Some(std::mem::replace(&mut kept.value, known));
        }
        let alive = Arc::downgrade(&tenant.alive);
        self.kept.push(Entry { tenant: tenant.name, alive, value: known });
        None
    }

    /// Takes out the attachments of departed tenants, to be dropped without a lock.
    pub(super) fn take_departed(&mut self) -> Vec<Arc<dyn Attachment>> {
        let departures = DEPARTURES.load(Ordering::Acquire);
        if self.departures_seen == departures {
            return Vec::new();
        }
        self.departures_seen = departures;
        let departed = self.kept.extract_if(.., |kept| kept.alive.strong_count() == 0);
        departed.map(|kept| kept.value).collect()
    }

    /// The attachments, to be visited.
    pub(super) fn all(&self) -> Vec<Arc<dyn Attachment>> {
        self.kept.iter().map(|kept| Arc::clone(&kept.value)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Count(AtomicU64);

    impl Attachment for Count {
        fn maintain(&self) -> bool {
            self.0.fetch_add(1, Ordering::Relaxed);
            false
        }
    }

    #[test]
    fn each_tenant_has_its_own_and_it_goes_with_it() {
        let mut attachments = Attachments::default();
        let (a, b) = (Tenant::new(), Tenant::new());
        let (first, other) =
            (Arc::new(Count(AtomicU64::new(0))), Arc::new(Count(AtomicU64::new(0))));
        assert!(
            attachments.attach(&a, &first).is_none() && attachments.attach(&b, &other).is_none()
        );
        let again = attachments.get(&a, |_: &Count| true).unwrap();
        assert!(Arc::ptr_eq(&first, &again) && attachments.get(&a, |_: &Count| false).is_none());
        assert!(attachments.all().iter().all(|kept| !kept.maintain()));
        assert_eq!(first.0.load(Ordering::Relaxed), 1);
        let next = Arc::new(Count(AtomicU64::new(0)));
        assert!(attachments.attach(&a, &next).is_some(), "the one before is given back");
        assert!(Arc::ptr_eq(&next, &attachments.get(&a, |_: &Count| true).unwrap()));
        drop(a);
        assert_eq!(attachments.take_departed().len(), 1);
        assert_eq!(attachments.all().len(), 1);
    }
}
