//! The one library thread that runs while no caller drives: name resolution and the janitor.

use std::io;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};

use super::process::PerProcess;
use super::{panics, shard, signal};

static BACKGROUND: PerProcess<Background> = PerProcess::new();

/// How often idle shards are visited: their closed connections are noticed, and those of freed clients go.
const JANITOR_INTERVAL: Duration = Duration::from_secs(1);

/// Enough for resolving and polling; no user code runs here.
const STACK_BYTES: usize = 512 * 1024;

#[derive(Default)]
struct Background {
    handle: Mutex<Option<Handle>>,
}

/// The background thread's runtime, started with the first use in this process.
///
/// # Errors
/// The thread or its runtime could not be made: the process is out of threads or descriptors.
pub fn handle() -> io::Result<Handle> {
    let mut slot = BACKGROUND.get().handle.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = &*slot {
        return Ok(handle.clone());
    }
    let handle = start()?;
    *slot = Some(handle.clone());
    Ok(handle)
}

fn start() -> io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    let thread = std::thread::Builder::new().name("ahoy-io-0".into()).stack_size(STACK_BYTES);
    signal::with_all_blocked(|| thread.spawn(move || work(&runtime)))?;
    Ok(handle)
}

/// Never ends: the thread lives as long as its process, and holds nothing that an exit would wait for.
fn work(runtime: &Runtime) {
    loop {
        let ended = panics::caught(|| runtime.block_on(tokio::time::sleep(JANITOR_INTERVAL)));
        // Between two drives, for a shard cannot be driven from inside another runtime.
        let visited = panics::caught(shard::visit_idle);
        if ended.is_none() || visited.is_none() {
            // A defect: go on, but never in a busy loop.
            std::thread::park_timeout(JANITOR_INTERVAL);
        }
    }
}
