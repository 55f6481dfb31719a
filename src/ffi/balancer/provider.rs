//! `ahoy_provider`: where endpoints come from.

use std::ffi::{c_char, c_void};
use std::ptr;
use std::sync::Arc;

use super::host::{ahoy_host, checked};
use crate::discovery::{HostList, Provider};
use crate::endpoint::Host;
use crate::error::Error;
use crate::ffi::values::callback::{UserData, ahoy_destroy_fn, call_host};
use crate::ffi::values::error::ahoy_error;
use crate::ffi::values::handle::{Handle, Lent, Shared};
use crate::ffi::values::settings::Settings;
use crate::ffi::values::status::{AHOY_OK, ahoy_status};
use crate::ffi::values::{entry, guard, handle};
use crate::runtime::host::callback;

/// A source of endpoints: a list, or a callback that fills one.
///
/// Ownership: freed with ahoy_provider_free at any time; a balancer keeps what it needs. Thread:
/// configured from one, and frozen when a balancer is made from it; then any.
pub struct ahoy_provider {
    source: Source,
}

impl Handle for ahoy_provider {
    type Held = Shared;
}

enum Source {
    List(Settings<HostList>),
    Custom(Arc<dyn Provider>),
}

impl ahoy_provider {
    /// The first use.
    pub(crate) fn freeze(&self) -> Arc<dyn Provider> {
        match &self.source {
            Source::List(list) => Arc::new(list.freeze()),
            Source::Custom(provider) => Arc::clone(provider),
        }
    }

    /// Adds a host to a list.
    fn add(&self, host: impl FnOnce() -> Result<Host, Error>) -> Result<(), Error> {
        let Source::List(list) = &self.source else {
            return Err(Error::invalid("provider", "is not a list"));
        };
        let host = host()?;
        list.change("provider", |list| {
            list.0.push(host);
            Ok(())
        })
    }
}

/// An empty list that ahoy_provider_list_add fills.
///
/// @return the provider, never NULL
#[unsafe(no_mangle)]
#[must_use]
pub extern "C" fn ahoy_provider_list_new() -> *mut ahoy_provider {
    guard::value_of(ptr::null_mut(), || {
        handle::new(ahoy_provider { source: Source::List(Settings::new(HostList::default())) })
    })
}

/// Adds a server to a list. A server that is in the list already (same address, port and scheme)
/// counts once.
///
/// @param address host name or IP address; copied
/// @param port TCP port, 1 to 65535; 443 means https
/// @return AHOY_E_INVALID_ARGUMENT also for a provider that is no list; AHOY_E_IN_USE after its
///        first use
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_provider_list_add(
    provider: *const ahoy_provider,
    address: *const c_char,
    port: u16,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |provider: &ahoy_provider, address: &str| {
        provider.add(|| checked(address, port))
    })
}

/// Adds a host with its properties to a list.
///
/// @param host copied; still the caller's to free
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_provider_list_add_host(
    provider: *const ahoy_provider,
    host: *const ahoy_host,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |provider: &ahoy_provider, host: &ahoy_host| {
        provider.add(|| Ok(host.host.clone()))
    })
}

/// The list that a custom provider fills. Valid inside the callback only; owned by the library.
pub struct ahoy_hosts {
    hosts: Vec<Host>,
}

impl Handle for ahoy_hosts {
    type Held = Lent;
}

/// Fills `out` with the hosts that serve now, in a stable order, and returns AHOY_OK. Any other
/// status means that there is no list now, and the last good one stays in use. Runs on the thread
/// that asks: the caller's at first use and on update, and the one that drives a call when no
/// endpoint is left. It may block, and then blocks the calls that wait for it.
///
/// Thread: the one that drives the call, several at once.
pub type ahoy_provider_fn = Option<
    unsafe extern "C-unwind" fn(user_data: *mut c_void, out: *mut ahoy_hosts) -> ahoy_status,
>;

/// A provider whose list a function of the host fills.
///
/// @param fn fills the list; called by one thread at a time
/// @param user_data passed to fn
/// @param destroy called once when user_data is no longer needed, also if this function fails; may
///        be NULL
/// @return the provider, or NULL where fn is NULL
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn ahoy_provider_custom_new(
    fn_: ahoy_provider_fn,
    user_data: *mut c_void,
    destroy: ahoy_destroy_fn,
) -> *mut ahoy_provider {
    guard::value_of(ptr::null_mut(), || {
        let user_data = UserData::new(user_data, destroy);
        let Some(function) = fn_ else {
            return ptr::null_mut();
        };
        let custom = Custom { function, user_data };
        handle::new(ahoy_provider { source: Source::Custom(Arc::new(custom)) })
    })
}

struct Custom {
    function: unsafe extern "C-unwind" fn(*mut c_void, *mut ahoy_hosts) -> ahoy_status,
    user_data: UserData,
}

impl Provider for Custom {
    fn discover(&self) -> Result<Vec<Host>, String> {
        let mut out = ahoy_hosts { hosts: Vec::new() };
        let (function, place) = (self.function, &raw mut out);
        let status = call_host!(self.user_data, function, place);
        match status {
            Some(AHOY_OK) => Ok(out.hosts),
            Some(other) => Err(format!("the custom provider returned status {other}")),
            None => Err(callback::STOPPED.to_owned()),
        }
    }
}

/// Adds a server to the list that a custom provider fills.
///
/// @param address host name or IP address; copied
/// @param port TCP port, 1 to 65535; 443 means https
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_hosts_add(
    out: *mut ahoy_hosts,
    address: *const c_char,
    port: u16,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |out: &mut ahoy_hosts, address: &str| {
        out.hosts.push(checked(address, port)?);
        Ok(())
    })
}

/// Adds a host with its properties to the list that a custom provider fills.
///
/// @param host copied; still the caller's to free
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_hosts_add_host(
    out: *mut ahoy_hosts,
    host: *const ahoy_host,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |out: &mut ahoy_hosts, host: &ahoy_host| {
        out.hosts.push(host.host.clone());
        Ok(())
    })
}

/// Frees a provider; NULL is fine. Balancers made from it go on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_provider_free(provider: *mut ahoy_provider) {
    guard::value!((), |provider: Option<Box<ahoy_provider>>| drop(provider));
}
