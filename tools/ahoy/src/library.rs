//! Owners of the library's handles, and its errors as texts.

use std::ffi::{CStr, CString, NulError, c_char, c_void};
use std::ptr;
use std::time::Duration;

use crate::c;
use crate::print;

/// An owner of a handle, which frees it.
macro_rules! owner {
    ($name:ident, $handle:ident, $free:ident) => {
        pub(crate) struct $name(*mut c::$handle);

        impl Drop for $name {
            fn drop(&mut self) {
                // SAFETY: the handle is ours and not used any more.
                unsafe { c::$free(self.0) };
            }
        }
    };
}

owner!(Provider, ahoy_provider, ahoy_provider_free);
owner!(Balancer, ahoy_balancer, ahoy_balancer_free);
owner!(Endpoint, ahoy_endpoint, ahoy_endpoint_free);
owner!(Builder, ahoy_client_builder, ahoy_client_builder_free);
owner!(Client, ahoy_client, ahoy_client_free);
owner!(Request, ahoy_request, ahoy_request_free);
owner!(Response, ahoy_response, ahoy_response_free);
owner!(Text, ahoy_text, ahoy_text_free);
owner!(Failure, ahoy_error, ahoy_error_free);

/// What a function says that fails.
fn checked(call: impl FnOnce(*mut *mut c::ahoy_error) -> c::ahoy_status) -> Result<(), Failure> {
    let mut error = ptr::null_mut();
    match call(&raw mut error) {
        c::AHOY_OK => Ok(()),
        _ => Err(Failure(error)),
    }
}

/// The handle that a function makes.
fn made<T>(
    call: impl FnOnce(*mut *mut T, *mut *mut c::ahoy_error) -> c::ahoy_status,
) -> Result<*mut T, Failure> {
    let mut handle = ptr::null_mut();
    checked(|error| call(&raw mut handle, error))?;
    Ok(handle)
}

/// A text for C, from the command line, where none has a NUL in it.
fn c_text(text: &str) -> CString {
    CString::new(text.split('\0').next().unwrap_or_default()).unwrap_or_default()
}

/// A text of C; empty for NULL.
fn text(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: a text of the library that lives as long as its handle, which the caller holds.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

impl Failure {
    pub(crate) fn message(&self) -> String {
        // SAFETY: the handle is ours.
        text(unsafe { c::ahoy_error_message(self.0) })
    }

    /// Whether it is of a call that made attempts, which its message tells.
    pub(crate) fn has_attempts(&self) -> bool {
        // SAFETY: the handle is ours.
        unsafe { c::ahoy_error_attempt_count(self.0) > 0 }
    }
}

impl From<Failure> for String {
    fn from(failure: Failure) -> Self {
        failure.message()
    }
}

impl Text {
    fn read(&self) -> String {
        // SAFETY: the handle is ours, and its text ends with a NUL.
        text(unsafe { c::ahoy_text_bytes(self.0, ptr::null_mut()) })
    }
}

impl Provider {
    pub(crate) fn of(url: &str, options: &[(String, String)]) -> Result<Self, Failure> {
        let url = c_text(url);
        // SAFETY: the text lives through the call.
        let provider =
            Self(made(|out, err| unsafe { c::ahoy_provider_from_url(url.as_ptr(), out, err) })?);
        for (key, value) in options {
            let (key, value) = (c_text(key), c_text(value));
            // SAFETY: the handle is ours, and the texts live through the call.
            checked(|err| unsafe {
                c::ahoy_provider_set(provider.0, key.as_ptr(), value.as_ptr(), err)
            })?;
        }
        Ok(provider)
    }

    /// What it watches, without secrets.
    pub(crate) fn describe(&self) -> String {
        // SAFETY: the handle is ours.
        let made = made(|out, err| unsafe { c::ahoy_provider_describe(self.0, out, err) });
        made.map(|made| Text(made).read()).unwrap_or_default()
    }
}

/// How a list is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ListState {
    None,
    Current,
    Last,
    Stale,
    Refused,
    /// Of a later version of the library.
    Other,
}

impl Balancer {
    pub(crate) fn new(provider: &Provider) -> Self {
        // SAFETY: the provider is a handle.
        Self(unsafe { c::ahoy_balancer_new(provider.0) })
    }

    /// Waits for the first list.
    pub(crate) fn wait_ready(&self, limit: Duration) -> Result<(), Failure> {
        let limit = u64::try_from(limit.as_millis()).unwrap_or(c::AHOY_FOREVER);
        // SAFETY: the handle is ours.
        checked(|err| unsafe { c::ahoy_balancer_wait_ready(self.0, limit, err) })
    }

    pub(crate) fn state(&self) -> ListState {
        // SAFETY: the handle is ours.
        match unsafe { c::ahoy_balancer_list_state(self.0) } {
            c::AHOY_LIST_NONE => ListState::None,
            c::AHOY_LIST_CURRENT => ListState::Current,
            c::AHOY_LIST_LAST => ListState::Last,
            c::AHOY_LIST_STALE => ListState::Stale,
            c::AHOY_LIST_REFUSED => ListState::Refused,
            _ => ListState::Other,
        }
    }

    /// How long ago the list was last known to hold.
    pub(crate) fn age(&self) -> Option<Duration> {
        // SAFETY: the handle is ours.
        let age = unsafe { c::ahoy_balancer_list_age_ms(self.0) };
        (age != c::AHOY_FOREVER).then(|| Duration::from_millis(age))
    }

    /// Why the provider fails now.
    pub(crate) fn problem(&self) -> Option<String> {
        // SAFETY: the handle is ours.
        let problem = unsafe { c::ahoy_balancer_list_error(self.0) };
        (!problem.is_null()).then(|| Text(problem).read())
    }

    /// The endpoints that are known, as they are now.
    pub(crate) fn endpoints(&self) -> Vec<Listed> {
        // SAFETY: the handle is ours.
        let count = unsafe { c::ahoy_balancer_endpoint_count(self.0) };
        let at = |index| {
            // SAFETY: as above; one that went meanwhile is an error.
            let made =
                made(|out, err| unsafe { c::ahoy_balancer_endpoint_at(self.0, index, out, err) });
            Some(Listed::of(&Endpoint(made.ok()?)))
        };
        (0..count).filter_map(at).collect()
    }
}

/// An endpoint as the source lists it, and why it is available or not.
pub(crate) struct Listed {
    pub(crate) url: String,
    /// What its host states beside the address, where that is not the default.
    pub(crate) properties: String,
    pub(crate) reason: String,
}

impl Listed {
    fn of(endpoint: &Endpoint) -> Self {
        // SAFETY: the handle is ours, and so for all below.
        let url = text(unsafe { c::ahoy_endpoint_url(endpoint.0) });
        // SAFETY: as above.
        let (weight, priority, zone) = unsafe {
            let zone = c::ahoy_endpoint_zone(endpoint.0);
            let zone = (!zone.is_null()).then(|| text(zone));
            (c::ahoy_endpoint_weight(endpoint.0), c::ahoy_endpoint_priority(endpoint.0), zone)
        };
        let stated = [
            (weight != 1).then(|| format!("weight {weight}")),
            zone.map(|zone| format!("zone {zone}")),
            (priority != 0).then(|| format!("priority {priority}")),
        ];
        let properties = stated.into_iter().flatten().collect::<Vec<_>>().join(", ");
        let mut number = 0;
        // SAFETY: as above, and there is room for a number.
        let reason = made_text(|out, err| unsafe {
            c::ahoy_endpoint_reason(endpoint.0, &raw mut number, out, err)
        });
        Self { url, properties, reason }
    }
}

fn made_text(
    call: impl FnOnce(*mut *mut c::ahoy_text, *mut *mut c::ahoy_error) -> c::ahoy_status,
) -> String {
    made(call).map(|made| Text(made).read()).unwrap_or_default()
}

impl Client {
    /// A client over what a URL names: a server, or a source of endpoints.
    pub(crate) fn of(url: &str, options: &[(String, String)]) -> Result<Self, Failure> {
        // SAFETY: makes a handle.
        let builder = Builder(unsafe { c::ahoy_client_builder_new() });
        if url.starts_with("http://") || url.starts_with("https://") {
            let url = c_text(url);
            // SAFETY: the handle is ours, and the text lives through the call.
            checked(|err| unsafe {
                c::ahoy_client_builder_set_base_url(builder.0, url.as_ptr(), err)
            })?;
        } else {
            let balancer = Balancer::new(&Provider::of(url, &[])?);
            // SAFETY: both handles are ours; the builder keeps what it needs.
            checked(|err| unsafe {
                c::ahoy_client_builder_set_balancer(builder.0, balancer.0, err)
            })?;
        }
        for (key, value) in options {
            let (key, value) = (c_text(key), c_text(value));
            // SAFETY: the handle is ours, and the texts live through the call.
            checked(|err| unsafe {
                c::ahoy_client_builder_set(builder.0, key.as_ptr(), value.as_ptr(), err)
            })?;
        }
        // SAFETY: the handle is ours.
        made(|out, err| unsafe { c::ahoy_client_builder_build(builder.0, out, err) }).map(Self)
    }

    /// A client that makes no call: it tells of what is wrong with the balancer's list.
    pub(crate) fn telling(balancer: &Balancer) -> Result<Self, Failure> {
        // SAFETY: makes a handle.
        let builder = Builder(unsafe { c::ahoy_client_builder_new() });
        // SAFETY: both handles are ours; the builder keeps what it needs.
        checked(|err| unsafe { c::ahoy_client_builder_set_balancer(builder.0, balancer.0, err) })?;
        let (level, data) = (c::AHOY_LOG_WARN, ptr::null_mut());
        // SAFETY: the function needs no data.
        checked(|err| unsafe {
            c::ahoy_client_builder_on_log(builder.0, level, Some(tell_warning), data, None, err)
        })?;
        // SAFETY: the handle is ours.
        made(|out, err| unsafe { c::ahoy_client_builder_build(builder.0, out, err) }).map(Self)
    }

    /// A client of a configuration in JSON.
    pub(crate) fn of_config(json: &str) -> Result<Self, String> {
        let at = |nul: NulError| format!("json: holds a NUL, at byte {}", nul.nul_position());
        let json = CString::new(json).map_err(at)?;
        // SAFETY: the text lives through the call.
        let made = made(|out, err| unsafe { c::ahoy_client_from_config(json.as_ptr(), out, err) });
        Ok(Self(made?))
    }

    /// All settings that are not at their default.
    pub(crate) fn config_text(&self) -> String {
        // SAFETY: the handle is ours.
        made_text(|out, err| unsafe { c::ahoy_client_config_text(self.0, out, err) })
    }

    pub(crate) fn get(
        &self,
        path: &str,
        headers: &[(String, String)],
    ) -> Result<Response, Failure> {
        let path = c_text(path);
        // SAFETY: the texts live through the call.
        let request = Request(made(|out, err| unsafe {
            c::ahoy_request_new(c"GET".as_ptr(), path.as_ptr(), out, err)
        })?);
        for (name, value) in headers {
            let (name, value) = (c_text(name), c_text(value));
            // SAFETY: the handle is ours, and the texts live through the call.
            checked(|err| unsafe {
                c::ahoy_request_add_header(request.0, name.as_ptr(), value.as_ptr(), err)
            })?;
        }
        // SAFETY: both handles are ours.
        made(|out, err| unsafe { c::ahoy_client_send(self.0, request.0, out, err) }).map(Response)
    }
}

/// Tells a message of the log, but that the source fails, which is told with the list.
unsafe extern "C" fn tell_warning(
    _: *mut c_void,
    _: i32,
    _: *const c_char,
    message: *const c_char,
) {
    let message = text(message);
    if !message.starts_with("the provider fails") {
        print::tell(&message);
    }
}

/// One attempt of a call.
pub(crate) struct Attempt {
    pub(crate) url: String,
    /// The HTTP status, or what happened instead of an answer.
    pub(crate) result: String,
    pub(crate) took: Duration,
    pub(crate) opened_circuit: bool,
    pub(crate) is_hedge: bool,
}

impl Response {
    pub(crate) fn status(&self) -> i32 {
        // SAFETY: the handle is ours.
        unsafe { c::ahoy_response_status(self.0) }
    }

    pub(crate) fn headers(&self) -> Vec<(String, String)> {
        // SAFETY: the handle is ours, and each index is below the count.
        let count = unsafe { c::ahoy_response_header_count(self.0) };
        // SAFETY: as above.
        let at = |index| unsafe {
            (
                text(c::ahoy_response_header_name_at(self.0, index)),
                text(c::ahoy_response_header_value_at(self.0, index)),
            )
        };
        (0..count).map(at).collect()
    }

    pub(crate) fn body(&self) -> &[u8] {
        let mut length = 0;
        // SAFETY: the handle is ours, and the bytes live as long as it does.
        unsafe {
            let bytes = c::ahoy_response_body(self.0, &raw mut length);
            std::slice::from_raw_parts(bytes, length)
        }
    }

    /// Why no other attempt was made after an answer that might have had one.
    pub(crate) fn stop_reason(&self) -> String {
        // SAFETY: the handle is ours.
        text(unsafe { c::ahoy_response_stop_reason(self.0) })
    }

    pub(crate) fn attempts(&self) -> Vec<Attempt> {
        // SAFETY: the handle is ours; past those that are kept comes NULL.
        let count = unsafe { c::ahoy_response_attempt_count(self.0) };
        // SAFETY: as above.
        let all = (0..count).map(|index| unsafe { c::ahoy_response_attempt_at(self.0, index) });
        all.filter(|attempt| !attempt.is_null()).map(attempt).collect()
    }
}

fn attempt(attempt: *const c::ahoy_attempt) -> Attempt {
    // SAFETY: borrowed from a response that its owner holds.
    unsafe {
        let http = c::ahoy_attempt_http_status(attempt);
        let detail = text(c::ahoy_attempt_detail(attempt));
        let result = match http {
            0 if detail.is_empty() => text(c::ahoy_status_name(c::ahoy_attempt_status(attempt))),
            0 => detail,
            status => status.to_string(),
        };
        Attempt {
            url: text(c::ahoy_attempt_url(attempt)),
            result,
            took: Duration::from_micros(c::ahoy_attempt_elapsed_us(attempt)),
            opened_circuit: c::ahoy_attempt_opened_circuit(attempt),
            is_hedge: c::ahoy_attempt_is_hedge(attempt),
        }
    }
}
