//! What clients keep where work is driven: on a shard, or on an I/O thread.

use std::any::Any;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::process::PerProcess;

/// What a tenant keeps: its transport, with its connections.
pub trait Attachment: Any + Send + Sync {
    /// The janitor's visit, in the context of the runtime that drives the connections: closes what nobody
    /// needs any more.
    fn tend(&self);

    /// Closes what belongs to endpoints that departed, outside any runtime and on any thread: a shard whose caller
    /// waits in a long call is not visited.
    fn let_go(&self) {}
}

/// All attachments of this process, whoever holds them now.
static ATTACHED: PerProcess<Mutex<Vec<Weak<dyn Attachment>>>> = PerProcess::new();

/// Lets all attachments let go, wherever they are.
pub(super) fn let_all_go() {
    let mut attached = attached();
    attached.retain(|attachment| attachment.strong_count() > 0);
    let all: Vec<_> = attached.iter().filter_map(Weak::upgrade).collect();
    drop(attached);
    all.iter().for_each(|attachment| attachment.let_go());
}

fn attached() -> MutexGuard<'static, Vec<Weak<dyn Attachment>>> {
    ATTACHED.get().lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whose attachments they are; when it is gone they go, with the next visit.
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
}

impl Default for Tenant {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Tenant {
    fn drop(&mut self) {
        // The liveness goes with the fields, after this; give it up first, or a visit now would miss it.
        self.alive = Arc::new(());
        DEPARTURES.fetch_add(1, Ordering::Release);
    }
}

/// How many tenants have departed; where it has not changed there is nothing to clear away.
static DEPARTURES: AtomicU64 = AtomicU64::new(0);

/// The attachments in one place.
#[derive(Default)]
pub(super) struct Attachments {
    kept: Vec<Kept>,
    departures_seen: u64,
}

struct Kept {
    tenant: u64,
    alive: Weak<()>,
    value: Arc<dyn Attachment>,
}

impl Attachments {
    /// The tenant's attachment here; `attach` makes it at the tenant's first time.
    pub(super) fn get_or_attach<T: Attachment>(
        &mut self,
        tenant: &Tenant,
        attach: impl FnOnce() -> T,
    ) -> Arc<T> {
        if let Some(kept) = self.kept.iter().find(|kept| kept.tenant == tenant.name) {
            let value: Arc<dyn Any + Send + Sync> = Arc::clone(&kept.value) as _;
            if let Ok(value) = value.downcast::<T>() {
                return value;
            }
        }
        let value = Arc::new(attach());
        let known: Arc<dyn Attachment> = Arc::clone(&value) as _;
        attached().push(Arc::downgrade(&known));
        self.kept.push(Kept {
            tenant: tenant.name,
            alive: Arc::downgrade(&tenant.alive),
            value: known,
        });
        value
    }

    /// Takes out what departed tenants left; to be dropped without a lock.
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
        fn tend(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn each_tenant_has_its_own_and_it_goes_with_it() {
        let mut attachments = Attachments::default();
        let (a, b) = (Tenant::new(), Tenant::new());
        let first = attachments.get_or_attach(&a, || Count(AtomicU64::new(0)));
        let again = attachments.get_or_attach(&a, || Count(AtomicU64::new(9)));
        let other = attachments.get_or_attach(&b, || Count(AtomicU64::new(0)));
        assert!(Arc::ptr_eq(&first, &again) && !Arc::ptr_eq(&first, &other));
        attachments.all().iter().for_each(|kept| kept.tend());
        assert_eq!(first.0.load(Ordering::Relaxed), 1);
        drop(a);
        assert_eq!(attachments.take_departed().len(), 1);
        assert_eq!(attachments.all().len(), 1);
    }
}
