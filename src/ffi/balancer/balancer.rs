//! `ahoy_balancer`: picks among a provider's endpoints and owns their circuits.

use std::ffi::c_void;
use std::sync::{Arc, OnceLock};

use super::breaker::ahoy_breaker;
use super::endpoint::ahoy_endpoint;
use super::host::ahoy_host;
use super::provider::ahoy_provider;
use crate::client::Balancer;
use crate::config::{Algorithm, BalancerConfig};
use crate::discovery::Provider;
use crate::error::{Error, ErrorKind};
use crate::ffi::call::error::ahoy_error;
use crate::ffi::values::callback::{UserData, ahoy_destroy_fn};
use crate::ffi::values::handle::Out;
use crate::ffi::values::settings::Settings;
use crate::ffi::values::status::ahoy_status;
use crate::ffi::values::{guard, handle};
use crate::policy::{Custom, Random};
use crate::runtime::{callback, clock};

/// Picks the endpoint of each attempt and keeps a circuit breaker for each. Clients that share a balancer
/// share the circuits.
///
/// Ownership: freed with ahoy_balancer_free at any time; clients keep what they need. Thread: configured from
/// one, and frozen by its first use (a client builder, a pick or an update); then any.
pub struct ahoy_balancer {
    plan: Settings<Plan>,
    live: OnceLock<Arc<Balancer>>,
}

#[derive(Clone)]
struct Plan {
    provider: Arc<dyn Provider>,
    config: BalancerConfig,
}

impl ahoy_balancer {
    fn new(provider: Arc<dyn Provider>, algorithm: Algorithm) -> *mut Self {
        handle::new(Self {
            plan: Settings::new(Plan { provider, config: BalancerConfig::new(algorithm) }),
            live: OnceLock::new(),
        })
    }

    /// The first use.
    pub(crate) fn live(&self) -> &Arc<Balancer> {
        self.live.get_or_init(|| {
            let Plan { provider, config } = self.plan.freeze();
            Arc::new(Balancer::new(provider, config))
        })
    }
}

/// Endpoints in the provider's order, one after the other, from a random start; those whose circuit does not
/// admit are passed over and their share is spread evenly.
///
/// @param provider frozen from here on; still the caller's to free
/// @return the balancer, or NULL where provider is NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_round_robin_new(
    provider: *const ahoy_provider,
) -> *mut ahoy_balancer {
    // SAFETY: see the module `ffi`.
    unsafe { make(provider, Algorithm::RoundRobin) }
}

/// Any endpoint whose circuit admits, each as likely as the other.
///
/// @param provider frozen from here on; still the caller's to free
/// @return the balancer, or NULL where provider is NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_random_new(
    provider: *const ahoy_provider,
) -> *mut ahoy_balancer {
    // SAFETY: see the module `ffi`.
    unsafe { make(provider, Algorithm::Random) }
}

/// Changes what a balancer is told, unless it is in use.
pub(crate) unsafe fn change(
    balancer: *const ahoy_balancer,
    err: *mut *mut ahoy_error,
    set: impl FnOnce(&mut BalancerConfig) -> Result<(), Error>,
) -> ahoy_status {
    let body = || {
        // SAFETY: as this function's callers promise.
        let balancer = unsafe { handle::required("balancer", balancer) }?;
        balancer.plan.change("balancer", |plan| set(&mut plan.config))
    };
    // SAFETY: as above.
    unsafe { guard::status(err, body) }
}

pub(crate) unsafe fn make(
    provider: *const ahoy_provider,
    algorithm: Algorithm,
) -> *mut ahoy_balancer {
    guard::value(std::ptr::null_mut(), || {
        // SAFETY: as this function's callers promise.
        match unsafe { handle::required("provider", provider) } {
            Ok(provider) => ahoy_balancer::new(provider.freeze(), algorithm),
            Err(_) => std::ptr::null_mut(),
        }
    })
}

/// Returns a number from 0 to below - 1. Called once for each pick that has candidates, from any thread that makes a call, also from several at once.
pub type ahoy_random_fn =
    Option<unsafe extern "C-unwind" fn(user_data: *mut c_void, below: u64) -> u64>;

/// Replaces the random function of a random balancer. A number out of range means that no endpoint is
/// picked.
///
/// @param fn gets the number of candidates (endpoints whose circuit admits, in a stable order)
/// @param user_data handed to fn
/// @param destroy told once when user_data is no longer needed, also where this function fails; may be NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_random_set_function(
    balancer: *const ahoy_balancer,
    fn_: ahoy_random_fn,
    user_data: *mut c_void,
    destroy: ahoy_destroy_fn,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let user_data = UserData::new(user_data, destroy);
    let body = || {
        // SAFETY: see the module `ffi`.
        let balancer = unsafe { handle::required("balancer", balancer) }?;
        let function = fn_.ok_or_else(|| Error::invalid("fn", "is NULL"))?;
        let draw = move |below| {
            // SAFETY: the host's own function and data.
            let drawn = user_data.call(move |user_data| unsafe { function(user_data, below) });
            // Out of range: no endpoint is picked.
            drawn.unwrap_or(u64::MAX)
        };
        // What is not used, this one or the one before, drops after the lock: destroy may use the balancer.
        let mut other = Algorithm::RandomBy(Random::with_function(Arc::new(draw)));
        balancer.plan.change("balancer", |plan| {
            if !matches!(plan.config.algorithm, Algorithm::Random | Algorithm::RandomBy(_)) {
                return Err(Error::invalid("balancer", "is not a random balancer"));
            }
            std::mem::swap(&mut plan.config.algorithm, &mut other);
            Ok(())
        })
    };
    // SAFETY: see the module `ffi`.
    unsafe { guard::status(err, body) }
}

/// Returns the index of the endpoint to use, from 0 to count - 1. Called from any thread that makes a call,
/// also from several at once.
pub type ahoy_balancer_fn =
    Option<unsafe extern "C-unwind" fn(user_data: *mut c_void, count: usize) -> usize>;

/// A balancer of your own.
///
/// @param provider frozen from here on; still the caller's to free
/// @param fn gets the number of candidates (endpoints whose circuit admits and that this call has not tried,
///        in the provider's order); an index out of range means none
/// @param user_data handed to fn
/// @param destroy told once when user_data is no longer needed, also where this function fails; may be NULL
/// @return the balancer, or NULL where provider or fn is NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_custom_new(
    provider: *const ahoy_provider,
    fn_: ahoy_balancer_fn,
    user_data: *mut c_void,
    destroy: ahoy_destroy_fn,
) -> *mut ahoy_balancer {
    let user_data = UserData::new(user_data, destroy);
    let Some(function) = fn_ else {
        return std::ptr::null_mut();
    };
    let pick = move |count| {
        // SAFETY: the host's own function and data.
        let picked = user_data.call(move |user_data| unsafe { function(user_data, count) });
        // Out of range: no endpoint is picked.
        picked.unwrap_or(usize::MAX)
    };
    // SAFETY: see the module `ffi`.
    unsafe { make(provider, Algorithm::Custom(Custom::new(Arc::new(pick)))) }
}

/// Sets the rules of the balancer's circuit breakers. Default: those of ahoy_breaker_new.
///
/// @param breaker frozen from here on; still the caller's to free
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_set_breaker(
    balancer: *const ahoy_balancer,
    breaker: *const ahoy_breaker,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let body = || {
        // SAFETY: see the module `ffi`.
        let balancer = unsafe { handle::required("balancer", balancer) }?;
        // SAFETY: see the module `ffi`.
        let breaker = unsafe { handle::required("breaker", breaker) }?;
        balancer.plan.change("balancer", |plan| {
            plan.config.breaker = breaker.freeze()?;
            Ok(())
        })
    };
    // SAFETY: see the module `ffi`.
    unsafe { guard::status(err, body) }
}

/// Picks an endpoint that would be used now. Takes no probe's permit: an open circuit whose probe is due is
/// shown but not probed. Asks the provider at first use.
///
/// @param endpoint gets the endpoint, to be freed with ahoy_endpoint_free; NULL on failure
/// @return AHOY_E_NO_ENDPOINTS where none is known or no circuit admits; AHOY_E_DISCOVERY where the provider
///         failed at first use
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_pick(
    balancer: *const ahoy_balancer,
    endpoint: *mut *mut ahoy_endpoint,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let body = || {
        // SAFETY: see the module `ffi`.
        let out = unsafe { Out::new("endpoint", endpoint) }?;
        // SAFETY: see the module `ffi`.
        let balancer = unsafe { handle::required("balancer", balancer) }?.live();
        balancer.prepare()?;
        out.fill(ahoy_endpoint::from(balancer.pick(clock::now())?));
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { guard::status(err, body) }
}

/// Asks the provider for its list again. Endpoints that stay (same address, port and scheme) keep their
/// circuits: one that is down stays down. An empty list counts only when it is the second in a row.
///
/// Blocks as long as the provider does.
///
/// @return AHOY_E_DISCOVERY where the provider failed; the last good list stays in use
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_update(
    balancer: *const ahoy_balancer,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let body = || {
        // SAFETY: see the module `ffi`.
        let balancer = unsafe { handle::required("balancer", balancer) }?;
        if callback::is_in_callback() {
            let message = "balancer: an update inside a callback would deadlock";
            return Err(Error::new(ErrorKind::WouldDeadlock, message));
        }
        balancer.live().update()
    };
    // SAFETY: see the module `ffi`.
    unsafe { guard::status(err, body) }
}

/// Takes a host in beside those that the provider listed, at once and without asking the provider: for hosts
/// that hear of a change, such as from a watch. The next update goes by the provider's list alone again. The cost does not grow with the
/// number of endpoints, but for balancers that go by weight or key, which compute their tables anew.
///
/// Where the endpoint (same address, port and scheme) is known, its properties become those of host, and it keeps its circuit.
///
/// @param host copied; still the caller's to free
/// @return AHOY_E_DISCOVERY where the provider failed at first use; AHOY_E_WOULD_DEADLOCK inside a callback while
///         an update is under way
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_add_endpoint(
    balancer: *const ahoy_balancer,
    host: *const ahoy_host,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let body = || {
        // SAFETY: see the module `ffi`.
        let balancer = unsafe { handle::required("balancer", balancer) }?.live();
        // SAFETY: see the module `ffi`.
        let host = unsafe { handle::required("host", host) }?;
        balancer.prepare()?;
        balancer.join(host.host.clone())
    };
    // SAFETY: see the module `ffi`.
    unsafe { guard::status(err, body) }
}

/// Takes an endpoint out, likewise. Attempts that are under way end as they would; its connections close
/// after them.
///
/// @param host says by address, port and scheme which one; still the caller's to free
/// @return AHOY_E_INVALID_ARGUMENT where it is not known; else as for ahoy_balancer_add_endpoint
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_remove_endpoint(
    balancer: *const ahoy_balancer,
    host: *const ahoy_host,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let body = || {
        // SAFETY: see the module `ffi`.
        let balancer = unsafe { handle::required("balancer", balancer) }?.live();
        // SAFETY: see the module `ffi`.
        let host = unsafe { handle::required("host", host) }?;
        balancer.prepare()?;
        match balancer.leave(host.host.clone())? {
            true => Ok(()),
            false => Err(Error::invalid("host", "is not known to the balancer")),
        }
    };
    // SAFETY: see the module `ffi`.
    unsafe { guard::status(err, body) }
}

/// How many endpoints the balancer knows: 0 before its first use.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_endpoint_count(balancer: *const ahoy_balancer) -> usize {
    // SAFETY: see the module `ffi`.
    guard::value(0, || match unsafe { balancer.as_ref() }.and_then(|b| b.live.get()) {
        Some(live) => live.roster().len(),
        None => 0,
    })
}

/// The endpoint at an index, whatever its circuit says: in the order of priorities, and there in that of the
/// provider's first list; who joins later stands where somebody left, or behind.
///
/// @param index 0 to ahoy_balancer_endpoint_count - 1; the list may change between two calls
/// @param endpoint gets the endpoint, to be freed with ahoy_endpoint_free; NULL on failure
/// @return AHOY_E_INVALID_ARGUMENT where there is no such index
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_endpoint_at(
    balancer: *const ahoy_balancer,
    index: usize,
    endpoint: *mut *mut ahoy_endpoint,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let body = || {
        // SAFETY: see the module `ffi`.
        let out = unsafe { Out::new("endpoint", endpoint) }?;
        // SAFETY: see the module `ffi`.
        let balancer = unsafe { handle::required("balancer", balancer) }?;
        let roster = balancer.live.get().map(|live| live.roster());
        let member = roster.as_ref().and_then(|roster| roster.members().nth(index));
        let member = member.ok_or_else(|| Error::invalid("index", "is out of range"))?;
        out.fill(ahoy_endpoint::from(Arc::clone(member)));
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { guard::status(err, body) }
}

/// Frees a balancer; NULL is fine. Clients and endpoints made from it go on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_free(balancer: *mut ahoy_balancer) {
    // SAFETY: see the module `ffi`.
    guard::value((), || unsafe { handle::free(balancer) });
}
