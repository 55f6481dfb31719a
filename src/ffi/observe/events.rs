//! Where events go: to a function, or on a queue.

use std::ffi::c_void;
use std::sync::Arc;

use super::event::ahoy_event;
use crate::client::{EventRecord, EventSink};
use crate::error::{Error, ErrorKind};
use crate::ffi::balancer::balancer::ahoy_balancer;
use crate::ffi::call::queue::ahoy_queue;
use crate::ffi::client::builder::{ahoy_client_builder, change};
use crate::ffi::values::callback::{UserData, ahoy_destroy_fn};
use crate::ffi::values::error::ahoy_error;
use crate::ffi::values::handle::Out;
use crate::ffi::values::status::ahoy_status;
use crate::ffi::values::{guard, handle, text};
use crate::runtime::host::callback;

/// Gets an event, which is valid inside the function only. Called on the thread where it happened,
/// which may be one of the library's, and on several at once. It must not block.
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
    let user_data = UserData::new(user_data, destroy);
    let add = |builder: &mut ahoy_client_builder| {
        builder.observers.push(Arc::new(sink(fn_, user_data)?));
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(builder, err, add) }
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
    // SAFETY: see the module `ffi`.
    unsafe {
        change(builder, err, |builder: &mut ahoy_client_builder| {
            let queue = handle::required("queue", queue)?.native()?;
            builder.observers.push(Arc::new(EventSink::queue(Arc::clone(queue))));
            Ok(())
        })
    }
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
    let user_data = UserData::new(user_data, destroy);
    // SAFETY: see the module `ffi`.
    unsafe {
        guard::status(err, || {
            let balancer = handle::required("balancer", balancer)?;
            balancer.observe(Arc::new(sink(fn_, user_data)?))
        })
    }
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
    // SAFETY: see the module `ffi`.
    unsafe {
        guard::status(err, || {
            let balancer = handle::required("balancer", balancer)?;
            let queue = handle::required("queue", queue)?.native()?;
            balancer.observe(Arc::new(EventSink::queue(Arc::clone(queue))))
        })
    }
}

/// Takes the oldest event of a queue, waiting for it if there is none. When the time is up, or a
/// completion waits to be read first, returns AHOY_OK with NULL.
///
/// The queue's descriptor is readable while an event waits as well. At most 1,024 wait: then the
/// oldest is lost with each new one, and counted.
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
    // SAFETY: see the module `ffi`.
    unsafe {
        guard::status(err, || {
            let out = Out::new("event", event)?;
            let queue = handle::required("queue", queue)?.native()?;
            if timeout_ms > 0 && callback::is_inside() {
                let message = "queue: a wait inside a callback would deadlock";
                return Err(Error::new(ErrorKind::WouldDeadlock, message));
            }
            if let Some(record) = queue.next_event(text::duration(timeout_ms)) {
                out.fill(record.into());
            }
            Ok(())
        })
    }
}

/// How many events of a queue were lost since 1,024 waited to be read; 0 for NULL and in a forked
/// child.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_queue_events_lost(queue: *const ahoy_queue) -> u64 {
    // SAFETY: see the module `ffi`.
    let queue = unsafe { queue.as_ref() };
    guard::value(0, || {
        queue.and_then(|queue| queue.native().ok()).map_or(0, |queue| queue.events_lost())
    })
}

/// The host's function as a place for events.
fn sink(function: ahoy_event_fn, user_data: UserData) -> Result<EventSink, Error> {
    let function = function.ok_or_else(|| Error::invalid("fn", "is NULL"))?;
    Ok(EventSink::function(Arc::new(move |record: &EventRecord| {
        let shown = ahoy_event::from(record.clone());
        let place = &raw const shown;
        // SAFETY: the host's own function and data; `shown` outlives the call.
        user_data.call(move |user_data| unsafe { function(user_data, place) });
    })))
}
