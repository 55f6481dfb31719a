//! Shards: current-thread runtimes, each with the connections that it opened, leased by blocking callers.
//!
//! The caller polls, waits in epoll and reads the answer on its own thread: one context switch a request.
//! A parked shard is driven by nobody. The transports therefore look at a kept connection before they use it
//! after a pause, and the janitor visits shards that stay idle.

use std::any::Any;
use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};

use super::background;
use super::process::PerProcess;

static SHARDS: PerProcess<Shards> = PerProcess::new();

/// A shard given back more recently than this is in use: the janitor leaves it to its callers.
const BUSY_FOR: Duration = Duration::from_millis(1);

/// A shard idle for this long is ended by the janitor; its connections are older than servers keep them.
const RETIRE_AFTER: Duration = Duration::from_secs(120);

/// Whose attachments they are; when it is gone they go, when their shard is given back or with the
/// janitor's next visit.
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
        Self {
            name: NEXT.fetch_add(1, Ordering::Relaxed),
            alive: Arc::new(()),
        }
    }
}

impl Default for Tenant {
    fn default() -> Self {
        Self::new()
    }
}

/// What a tenant keeps on a shard: its transport, with its connections.
pub trait Attachment: Any + Send + Sync {
    /// The janitor's visit, in the context of the shard's runtime: closes what nobody needs any more.
    fn tend(&self);
}

/// Drives `work` on the calling thread with a leased shard; `attach` makes the tenant's attachment where this
/// one has none yet.
///
/// # Errors
/// A new shard could not be made: the process is out of descriptors or threads.
pub fn drive<T, F, R>(
    tenant: &Tenant,
    attach: impl FnOnce() -> T,
    work: impl FnOnce(Arc<T>) -> F,
) -> io::Result<R>
where
    T: Attachment,
    F: Future<Output = R>,
{
    let mut lease = Lease::take()?;
    let attachment = lease.attachment(tenant, attach);
    Ok(lease.shard().runtime.block_on(async { work(attachment).await }))
}

/// The janitor's round: lets idle shards notice closed connections, drops what freed clients left, and ends
/// shards that were idle for long.
pub fn visit_idle() {
    let (stale, retired) = take_stale();
    for shard in retired {
        // A plain drop would wait for the runtime's threads.
        shard.runtime.shutdown_background();
    }
    for mut shard in stale {
        shard.attachments.retain(Kept::is_wanted);
        shard.runtime.block_on(async {
            tick().await;
            shard.attachments.iter().for_each(|kept| kept.value.tend());
        });
        // First in the list is leased last.
        idle_shards().insert(0, shard);
    }
}

/// Lets the runtime look at its sockets twice: once to see what happened, once to act on it.
async fn tick() {
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
}

/// Idle shards; the most recently used is last and leased first, for its connections are the freshest.
#[derive(Default)]
struct Shards {
    idle: Mutex<Vec<Shard>>,
}

fn idle_shards() -> MutexGuard<'static, Vec<Shard>> {
    SHARDS.get().idle.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes out the shards that nobody drives just now: those to visit and those to end.
fn take_stale() -> (Vec<Shard>, Vec<Shard>) {
    let mut idle = idle_shards();
    let (recent, stale): (Vec<_>, Vec<_>) = std::mem::take(&mut *idle)
        .into_iter()
        .partition(|shard| shard.parked_at.elapsed() < BUSY_FOR);
    *idle = recent;
    stale.into_iter().partition(|shard| shard.parked_at.elapsed() < RETIRE_AFTER)
}

struct Shard {
    runtime: Runtime,
    attachments: Vec<Kept>,
    parked_at: Instant,
}

impl Shard {
    fn new() -> io::Result<Self> {
        // The janitor comes with the first shard: from here on there may be idle connections.
        background::handle()?;
        Ok(Self {
            runtime: Builder::new_current_thread().enable_all().build()?,
            attachments: Vec::new(),
            parked_at: Instant::now(),
        })
    }
}

/// What one tenant keeps on one shard.
struct Kept {
    tenant: u64,
    alive: Weak<()>,
    value: Arc<dyn Attachment>,
}

impl Kept {
    fn is_wanted(&self) -> bool {
        self.alive.strong_count() > 0
    }
}

/// A shard out of the idle list; given back on drop, also when the work panics.
struct Lease {
    shard: Option<Shard>,
}

impl Lease {
    fn take() -> io::Result<Self> {
        let idle = idle_shards().pop();
        let shard = match idle {
            Some(shard) => shard,
            None => Shard::new()?,
        };
        Ok(Self { shard: Some(shard) })
    }

    fn shard(&mut self) -> &mut Shard {
        self.shard.as_mut().unwrap_or_else(|| unreachable!("a lease holds its shard until it drops"))
    }

    fn attachment<T: Attachment>(
        &mut self,
        tenant: &Tenant,
        attach: impl FnOnce() -> T,
    ) -> Arc<T> {
        let shard = self.shard();
        let kept = shard.attachments.iter().find(|kept| kept.tenant == tenant.name);
        if let Some(kept) = kept {
            let value: Arc<dyn Any + Send + Sync> = Arc::clone(&kept.value) as _;
            if let Ok(value) = value.downcast::<T>() {
                return value;
            }
        }
        let context = shard.runtime.enter();
        let value = Arc::new(attach());
        drop(context);
        shard.attachments.push(Kept {
            tenant: tenant.name,
            alive: Arc::downgrade(&tenant.alive),
            value: Arc::clone(&value) as Arc<dyn Attachment>,
        });
        value
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(mut shard) = self.shard.take() {
            shard.attachments.retain(Kept::is_wanted);
            shard.parked_at = Instant::now();
            idle_shards().push(shard);
        }
    }
}
