//! `ahoy_endpoint`: one endpoint of a balancer, with its circuit.

use std::ffi::{CString, c_char};
use std::ptr;
use std::sync::{Arc, Weak};

use crate::client::{Balancer, Member, Status};
use crate::error::{Error, ErrorKind};
use crate::ffi::values::error::ahoy_error;
use crate::ffi::values::handle::{Handle, Native, Shared};
use crate::ffi::values::status::ahoy_status;
use crate::ffi::values::{argument, entry, guard, text};
use crate::policy::CircuitState;
use crate::runtime::clock;

/// One endpoint of a balancer. It shows the live circuit, also after the endpoint has left the
/// list. One that comes back, or gets another priority or zone, is the same endpoint.
///
/// Ownership: freed with ahoy_endpoint_free. Thread: any. In a forked child its circuit is not
/// accessible: the state is -1, and opening and closing are AHOY_E_FORKED.
pub struct ahoy_endpoint {
    pub(super) native: Native,
    member: Arc<Member>,
    /// Knows where the endpoint stands among the others.
    pub(super) balancer: Weak<Balancer>,
    address: CString,
    port: u16,
    url: CString,
    zone: Option<CString>,
}

impl Handle for ahoy_endpoint {
    type Held = Shared;
}

impl ahoy_endpoint {
    pub(super) fn new(member: Arc<Member>, balancer: &Arc<Balancer>) -> Self {
        let endpoint = member.endpoint();
        Self {
            native: Native::here(),
            address: text::owned(endpoint.address()),
            port: endpoint.port(),
            url: text::owned(endpoint.url()),
            zone: endpoint.zone().map(|zone| text::owned(zone)),
            balancer: Arc::downgrade(balancer),
            member,
        }
    }

    /// How it stands in its balancer, or by itself where that is gone.
    pub(super) fn status(&self) -> Status {
        match self.balancer.upgrade() {
            Some(balancer) => balancer.status_of(&self.member()),
            None => self.member.own_status(clock::now()),
        }
    }

    /// Itself, or where it has left the list, the one that is listed in its place by now.
    fn member(&self) -> Arc<Member> {
        let listed = || {
            let roster = self.balancer.upgrade()?.roster();
            roster.successor_of(&self.member).map(Arc::clone)
        };
        let successor = if self.member.has_departed() { listed() } else { None };
        successor.unwrap_or_else(|| Arc::clone(&self.member))
    }
}

/// Traffic flows.
pub const AHOY_CIRCUIT_CLOSED: i32 = 0;
/// No traffic; a probe is let through when it is due, unless the circuit was opened by hand.
pub const AHOY_CIRCUIT_OPEN: i32 = 1;
/// A probe is under way.
pub const AHOY_CIRCUIT_HALF_OPEN: i32 = 2;

/// The name or IP address, without brackets. Valid until the endpoint is freed; NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_endpoint_address(endpoint: *const ahoy_endpoint) -> *const c_char {
    argument::lent!(endpoint).map_or(ptr::null(), |endpoint| endpoint.address.as_ptr())
}

/// The TCP port; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_endpoint_port(endpoint: *const ahoy_endpoint) -> u16 {
    argument::lent!(endpoint).map_or(0, |endpoint| endpoint.port)
}

/// "scheme://address:port". Valid until the endpoint is freed; NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_endpoint_url(endpoint: *const ahoy_endpoint) -> *const c_char {
    argument::lent!(endpoint).map_or(ptr::null(), |endpoint| endpoint.url.as_ptr())
}

/// Its share of the traffic relative to the others, as the provider tells it now: 1 by default, 0
/// for none; 0 for NULL and in a forked child.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_endpoint_weight(endpoint: *const ahoy_endpoint) -> u32 {
    guard::value!(0, |endpoint: Option<&ahoy_endpoint>| {
        let native = endpoint.filter(|endpoint| endpoint.native.check("endpoint").is_ok());
        native.map_or(0, |endpoint| endpoint.member().endpoint().weight())
    })
}

/// Its priority, as the provider tells it now: 0 is the first; 0 for NULL and in a forked child.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_endpoint_priority(endpoint: *const ahoy_endpoint) -> u32 {
    guard::value!(0, |endpoint: Option<&ahoy_endpoint>| {
        let native = endpoint.filter(|endpoint| endpoint.native.check("endpoint").is_ok());
        native.map_or(0, |endpoint| endpoint.member().endpoint().priority())
    })
}

/// The zone that it stood in when the handle was made. Valid until the endpoint is freed; NULL
/// where it has none, and for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_endpoint_zone(endpoint: *const ahoy_endpoint) -> *const c_char {
    let zone = argument::lent!(endpoint).and_then(|endpoint| endpoint.zone.as_ref());
    zone.map_or(ptr::null(), |zone| zone.as_ptr())
}

/// The circuit's state now: one of the AHOY_CIRCUIT_ numbers; -1 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_endpoint_state(endpoint: *const ahoy_endpoint) -> i32 {
    guard::value!(-1, |endpoint: Option<&ahoy_endpoint>| {
        let native = endpoint.filter(|endpoint| endpoint.native.check("endpoint").is_ok());
        native.map_or(-1, |endpoint| match endpoint.member().state() {
            CircuitState::Closed => AHOY_CIRCUIT_CLOSED,
            CircuitState::Open => AHOY_CIRCUIT_OPEN,
            CircuitState::HalfOpen => AHOY_CIRCUIT_HALF_OPEN,
        })
    })
}

/// Whether the circuit would let a request through now; false for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_endpoint_available(endpoint: *const ahoy_endpoint) -> bool {
    guard::value!(false, |endpoint: Option<&ahoy_endpoint>| {
        let native = endpoint.filter(|endpoint| endpoint.native.check("endpoint").is_ok());
        native.is_some_and(|endpoint| endpoint.member().admits(clock::now()))
    })
}

/// Opens the circuit by hand: no traffic and no probe until ahoy_endpoint_close_circuit.
///
/// @return AHOY_E_IN_USE where it is open already
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_endpoint_open_circuit(
    endpoint: *const ahoy_endpoint,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |endpoint: &ahoy_endpoint| {
        endpoint.native.check("endpoint")?;
        endpoint.member().force_open().map_err(|_| already("open"))
    })
}

/// Closes the circuit by hand: traffic flows at once, and what was counted before is forgotten.
///
/// @return AHOY_E_IN_USE where it is closed already
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_endpoint_close_circuit(
    endpoint: *const ahoy_endpoint,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |endpoint: &ahoy_endpoint| {
        endpoint.native.check("endpoint")?;
        endpoint.member().force_close(clock::now()).map_err(|_| already("closed"))
    })
}

/// Disables the circuit until ahoy_endpoint_open_circuit or ahoy_endpoint_close_circuit: every
/// attempt is let through and none counts. For an endpoint that must be asked whatever it answers.
///
/// @return AHOY_E_IN_USE if it is disabled already
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_endpoint_disable_circuit(
    endpoint: *const ahoy_endpoint,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |endpoint: &ahoy_endpoint| {
        endpoint.native.check("endpoint")?;
        endpoint.member().disable().map_err(|_| already("disabled"))
    })
}

/// Drains the endpoint: sends it no new attempts until ahoy_endpoint_resume, while those under way
/// go on. Its circuit shows open meanwhile. Opening, closing or disabling the circuit by hand ends
/// the drain as well.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_endpoint_drain(
    endpoint: *const ahoy_endpoint,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |endpoint: &ahoy_endpoint| {
        endpoint.native.check("endpoint")?;
        endpoint.member().drain();
        Ok(())
    })
}

/// Ends ahoy_endpoint_drain: the endpoint gets attempts again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_endpoint_resume(
    endpoint: *const ahoy_endpoint,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |endpoint: &ahoy_endpoint| {
        endpoint.native.check("endpoint")?;
        endpoint.member().resume();
        Ok(())
    })
}

fn already(state: &str) -> Error {
    Error::new(ErrorKind::InUse, format!("endpoint: its circuit is {state} already"))
}

/// Frees an endpoint; NULL is fine. The balancer's own stays.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_endpoint_free(endpoint: *mut ahoy_endpoint) {
    guard::value!((), |endpoint: Option<Box<ahoy_endpoint>>| drop(endpoint));
}
