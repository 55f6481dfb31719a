//! What goes over the wire, for a host that looks for a fault: TLS secrets for a capture, and a trace without one.

use std::ffi::{c_char, c_void};

use super::builder::ahoy_client_builder;
use crate::ffi::values::callback::{Callback, call_host};
use crate::ffi::values::error::ahoy_error;
use crate::ffi::values::status::ahoy_status;
use crate::ffi::values::user_data::{UserData, ahoy_destroy_fn};
use crate::ffi::values::{entry, text};
use crate::transport::{KeyLogSink, WireTrace};

/// Gets the secret of a TLS session: a line in the format of NSS key logs, without its end, valid
/// inside the callback only. It must not block.
///
/// Thread: any, several at once.
pub type ahoy_key_log_fn =
    Option<unsafe extern "C-unwind" fn(user_data: *mut c_void, line: *const c_char)>;

/// Hands out the secrets of the client's TLS sessions, with which Wireshark reads a capture of them,
/// in place of an earlier function. A reader of the lines can decrypt all that was sent. Default:
/// nobody gets them; SSLKEYLOGFILE of the environment is not looked at.
///
/// @param fn gets each line
/// @param user_data passed to fn
/// @param destroy called once when user_data is no longer needed, also if this function fails; may
///        be NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_key_log(
    builder: *mut ahoy_client_builder,
    fn_: ahoy_key_log_fn,
    user_data: *mut c_void,
    destroy: ahoy_destroy_fn,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let fn_ = (fn_, UserData::new(user_data, destroy));
    entry::status!(err, |builder: &mut ahoy_client_builder, fn_: Callback<ahoy_key_log_fn>| {
        builder.config.tls.key_log = Some(KeyLogSink::new(move |line| {
            // The text outlives the call.
            let line = text::owned(line);
            call_host!(fn_, line.as_ptr());
        }));
        Ok(())
    })
}

/// Wire trace: a connection stands. Text such as "10.0.0.1:50123 to 10.0.0.7:80".
pub const AHOY_WIRE_OPENED: i32 = 1;
/// Wire trace: the head of a request, masked.
pub const AHOY_WIRE_HEAD_SENT: i32 = 2;
/// Wire trace: a piece of a request's body, as it is on the wire.
pub const AHOY_WIRE_BODY_SENT: i32 = 3;
/// Wire trace: the head of an answer, masked; interim ones too.
pub const AHOY_WIRE_HEAD_RECEIVED: i32 = 4;
/// Wire trace: a piece of an answer's body, as it is on the wire: encoded, and with its chunks.
pub const AHOY_WIRE_BODY_RECEIVED: i32 = 5;
/// Wire trace: a frame of HTTP/2 was sent. Text such as "HEADERS stream 1 flags 0x05 length 40"; of
/// DATA the content follows as AHOY_WIRE_BODY_SENT.
pub const AHOY_WIRE_FRAME_SENT: i32 = 6;
/// Wire trace: a frame of HTTP/2 came; see AHOY_WIRE_FRAME_SENT.
pub const AHOY_WIRE_FRAME_RECEIVED: i32 = 7;

/// Gets what went over a connection, in order for each: the connection's number, an AHOY_WIRE_
/// number, and the text or bytes, without a NUL at their end and valid inside the callback only. It
/// must not block.
///
/// Thread: any, several at once.
pub type ahoy_wire_fn = Option<
    unsafe extern "C-unwind" fn(
        user_data: *mut c_void,
        connection: u64,
        kind: i32,
        bytes: *const u8,
        length: usize,
    ),
>;

/// Tells what goes over the client's connections, above TLS, in place of an earlier function, as
/// curl does with --trace. Masked in heads, by "***": the values of Authorization, Cookie,
/// Set-Cookie and Proxy-Authorization, of headers and of parameters in URLs whose names say that
/// they are credentials, and users and passwords in URLs. Bodies are as they are. Calls through a
/// proxy are not told. Default: nothing is told.
///
/// @param fn gets each piece
/// @param user_data passed to fn
/// @param destroy called once when user_data is no longer needed, also if this function fails; may
///        be NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_wire_trace(
    builder: *mut ahoy_client_builder,
    fn_: ahoy_wire_fn,
    user_data: *mut c_void,
    destroy: ahoy_destroy_fn,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let fn_ = (fn_, UserData::new(user_data, destroy));
    entry::status!(err, |builder: &mut ahoy_client_builder, fn_: Callback<ahoy_wire_fn>| {
        builder.hooks.on_wire = Some(WireTrace::new(move |event| {
            let (bytes, length) = (event.bytes.as_ptr(), event.bytes.len());
            call_host!(fn_, event.connection, event.kind as i32, bytes, length);
        }));
        Ok(())
    })
}
