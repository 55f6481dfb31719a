//! Where events go: to a function, or on a queue.

use std::ffi::c_void;
use std::sync::Arc;

use super::event::ahoy_event;
use crate::client::{EventRecord, EventSink};
use crate::ffi::balancer::balancer::ahoy_balancer;
use crate::ffi::call::queue::ahoy_queue;
use crate::ffi::client::builder::ahoy_client_builder;
use crate::ffi::values::callback::{Callback, call_host};
use crate::ffi::values::error::ahoy_error;
use crate::ffi::values::handle::Out;
use crate::ffi::values::status::ahoy_status;
use crate::ffi::values::user_data::{UserData, ahoy_destroy_fn};
use crate::ffi::values::{entry, guard, text};

/// Gets an event, which is valid inside the function only. It must not block.
///
/// Thread: any, several at once. It is the one where the event happened.
pub type ahoy_event_fn =
    Option<unsafe extern "C-unwind" fn(user_data: *mut c_void, event: *const ahoy_event)>;

/// Adds a function that is told of the client's events and of those of its balancer. Several may be
/// added, as may queues.
///
/// @param fn gets each event
/// @param user_data passed to fn
/// @param destroy called once when user_data is no longer needed, also if this function fails; may
///        be NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_on_event(
    builder: *mut ahoy_client_builder,
    fn_: ahoy_event_fn,
    user_data: *mut c_void,
    destroy: ahoy_destroy_fn,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let fn_ = (fn_, UserData::new(user_data, destroy));
    entry::status!(err, |builder: &mut ahoy_client_builder, fn_: Callback<ahoy_event_fn>| {
        builder.observers.push(Arc::new(sink(fn_)));
        Ok(())
    })
}

/// Puts the client's events and those of its balancer on a queue, for hosts that bear no call on a
/// foreign thread; ahoy_queue_next_event takes them. A forked child puts none on its parent's
/// queue.
///
/// @param queue still the caller's to free: then its events are discarded
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_add_event_queue(
    builder: *mut ahoy_client_builder,
    queue: *const ahoy_queue,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder, queue: &ahoy_queue| {
        builder.observers.push(Arc::new(EventSink::queue(Arc::clone(queue.native()?))));
        Ok(())
    })
}

/// Adds a function that is told of the balancer's events, whichever client causes them. Several may
/// be added, as may queues.
///
/// @param fn gets each event
/// @param user_data passed to fn
/// @param destroy called once when user_data is no longer needed, also if this function fails; may
///        be NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_on_event(
    balancer: *const ahoy_balancer,
    fn_: ahoy_event_fn,
    user_data: *mut c_void,
    destroy: ahoy_destroy_fn,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let fn_ = (fn_, UserData::new(user_data, destroy));
    entry::status!(err, |balancer: &ahoy_balancer, fn_: Callback<ahoy_event_fn>| {
        balancer.observe(Arc::new(sink(fn_)))
    })
}

/// Puts the balancer's events on a queue, whichever client causes them; see
/// ahoy_client_builder_add_event_queue.
///
/// @param queue still the caller's to free: then its events are discarded
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_add_event_queue(
    balancer: *const ahoy_balancer,
    queue: *const ahoy_queue,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |balancer: &ahoy_balancer, queue: &ahoy_queue| {
        balancer.observe(Arc::new(EventSink::queue(Arc::clone(queue.native()?))))
    })
}

/// Takes the oldest event of a queue, waiting for it if there is none. When the time is up, or a
/// completion waits to be read first, returns AHOY_OK with NULL. Blocks up to timeout_ms.
///
/// The queue's descriptor is readable while an event waits as well. At most 1,024 wait; beyond that
/// each new one takes the place of the oldest, and ahoy_queue_events_lost counts it.
///
/// @param timeout_ms 0 polls; AHOY_FOREVER for no limit
/// @param event gets the event, to be freed with ahoy_event_free
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_queue_next_event(
    queue: *const ahoy_queue,
    timeout_ms: u64,
    event: *mut *mut ahoy_event,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |event: Out<ahoy_event>, queue: &ahoy_queue| {
        let queue = queue.to_wait(timeout_ms)?;
        if let Some(record) = queue.next_event(text::duration(timeout_ms)) {
            event.fill(record.into());
        }
        Ok(())
    })
}

/// How many events of a queue were lost because 1,024 were waiting to be read; 0 for NULL and in a
/// forked child.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_queue_events_lost(queue: *const ahoy_queue) -> u64 {
    guard::value!(0, |queue: Option<&ahoy_queue>| {
        queue.and_then(|queue| queue.native().ok()).map_or(0, |queue| queue.events_lost())
    })
}

/// The host's function as a place for events.
fn sink(on_event: Callback<ahoy_event_fn>) -> EventSink {
    EventSink::function(Arc::new(move |record: &EventRecord| {
        let shown = ahoy_event::from(record.clone());
        call_host!(on_event, &raw const shown);
    }))
}
