//! Reading a response's body piece by piece, and learning when there is something to read.

use std::ffi::c_void;
use std::sync::Arc;

use super::queue::ahoy_queue;
use super::response::ahoy_response;
use crate::client::{BodyStream, Notice, Watcher};
use crate::error::Error;
use crate::ffi::values::callback::{Callback, call_host, on_io_thread};
use crate::ffi::values::error::ahoy_error;
use crate::ffi::values::handle::OutValue;
use crate::ffi::values::status::ahoy_status;
use crate::ffi::values::user_data::{UserData, ahoy_destroy_fn};
use crate::ffi::values::{entry, text};

/// Reads the next bytes of a response's body, and waits for them if there are none. It reads any
/// response; for a streamed one (ahoy_request_set_streamed) it is the only way to the body. Read on
/// until ended is true.
///
/// When the time is up first, it returns AHOY_OK with no bytes and ended false, and the body may be
/// read on; so it may after AHOY_E_INTERRUPTED and AHOY_E_WOULD_DEADLOCK. Any other failure ends
/// the body, and each further read returns it again. Bytes that came before the body broke off are
/// read first.
///
/// A slow reader applies back-pressure: the server pauses once about 256 KiB are buffered, over
/// HTTP/2 once it has sent 2 MiB, the stream's window.
///
/// On Linux, a waiting reader of a large body over HTTP/1.1 is woken once for 128 KiB; bytes that
/// come more slowly are handed over up to 2 ms later for that. A poll finds what has arrived.
///
/// Blocks up to timeout_ms.
///
/// Thread: any, one at a time.
///
/// @param buffer room for capacity bytes
/// @param capacity at least 1
/// @param timeout_ms 0 polls; AHOY_FOREVER for no limit but the body's own
///        (ahoy_request_set_idle_timeout_ms)
/// @param length gets the number of bytes read; 0 on failure
/// @param ended gets true if nothing comes after these bytes, of which there may be none; false on
///        failure
/// @return AHOY_E_CONNECTION_LOST, AHOY_E_PROTOCOL, AHOY_E_TIMEOUT and others if the body broke
///        off; AHOY_E_CANCELLED or AHOY_E_CLOSED if this process ended it; AHOY_E_WOULD_DEADLOCK if
///        it would wait inside a callback; AHOY_E_INTERRUPTED if a signal ended the wait of an
///        interruptible client; AHOY_E_FORKED for a streamed response of the parent process
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_response_read(
    response: *const ahoy_response,
    buffer: *mut u8,
    capacity: usize,
    timeout_ms: u64,
    length: *mut usize,
    ended: *mut bool,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let buffer = (buffer, ("capacity", capacity));
    entry::status!(err, |length: OutValue<usize>,
                         ended: OutValue<bool>,
                         response: &ahoy_response,
                         buffer: &mut [u8]| {
        let read = response.read(buffer, text::duration(timeout_ms))?;
        length.set(read.length);
        ended.set(read.ended);
        Ok(())
    })
}

/// Puts a completion on a queue when bytes of a response's body, or its end, can be read: at once
/// if they can be read already. One completion comes for each call of this function: then read with
/// a timeout of 0 until no bytes come, and call it again.
///
/// The completion has the tag and no response; its status is AHOY_OK, or AHOY_E_CANCELLED if the
/// response was freed first. ahoy_queue_cancel with the tag ends the body, and so does freeing the
/// queue meanwhile.
///
/// @param queue where the completion comes
/// @param tag any number; the completion carries it
/// @return AHOY_E_IN_USE if the response has a waiter already; AHOY_E_OVERLOADED if the queue is
///        full; with these and any other failure no completion comes
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_response_notify(
    response: *const ahoy_response,
    queue: *const ahoy_queue,
    tag: u64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |response: &ahoy_response, queue: &ahoy_queue| {
        let queue = queue.native()?;
        let stream = response.stream()?;
        let stop = stream.map_or_else(Arc::default, |stream| Arc::clone(stream.stop()));
        let told = queue.expect_readable(tag, &stop)?;
        let watcher: Watcher = Box::new(move |notice| told.tell(notice == Notice::Readable));
        if let Some(watcher) = watched(stream, watcher)? {
            watcher(Notice::Readable);
        }
        Ok(())
    })
}

/// Called once when bytes can be read; must not block. ahoy_response_read with a timeout of 0 works
/// inside, and so does ahoy_response_on_readable.
///
/// Thread: an I/O thread, several at once.
pub type ahoy_readable_fn = Option<unsafe extern "C-unwind" fn(user_data: *mut c_void)>;

/// Calls a function when bytes of a response's body, or its end, can be read: at once, on an I/O
/// thread, if they can be read already. It is called once for each call of this function, and no
/// longer after the response was freed, unless it runs just then.
///
/// @param fn called when there is something to read
/// @param user_data passed to fn
/// @param destroy called once when user_data is no longer needed, also if this function fails; may
///        be NULL
/// @return AHOY_E_IN_USE if the response has a waiter already
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_response_on_readable(
    response: *const ahoy_response,
    fn_: ahoy_readable_fn,
    user_data: *mut c_void,
    destroy: ahoy_destroy_fn,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let fn_ = (fn_, UserData::new(user_data, destroy));
    entry::status!(err, |response: &ahoy_response, fn_: Callback<ahoy_readable_fn>| {
        let watcher: Watcher = Box::new(move |notice| tell(&fn_, notice));
        tell_when_readable(response.stream()?, watcher)
    })
}

fn tell(on_readable: &Callback<ahoy_readable_fn>, notice: Notice) {
    if notice == Notice::Readable {
        call_host!(on_readable);
    }
}

fn tell_when_readable(stream: Option<&BodyStream>, watcher: Watcher) -> Result<(), Error> {
    let Some(watcher) = watched(stream, watcher)? else {
        return Ok(());
    };
    let tell = move || watcher(Notice::Readable);
    match stream {
        Some(stream) => stream.core().tell(tell),
        None => on_io_thread(tell),
    }
}

/// Sets a watcher; it comes back where there is something to read, as there always is of a whole
/// body.
fn watched(stream: Option<&BodyStream>, watcher: Watcher) -> Result<Option<Watcher>, Error> {
    match stream {
        Some(stream) => stream.watch(watcher),
        None => Ok(Some(watcher)),
    }
}
