//! `ahoy_balancer`: picks among a provider's endpoints and owns their circuits.

use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;

use once_cell::race::OnceBox;

use super::breaker::ahoy_breaker;
use super::endpoint::ahoy_endpoint;
use super::host::ahoy_host;
use super::provider::ahoy_provider;
use crate::client::{Balancer, UsageToken};
use crate::config::{Algorithm, BalancerConfig};
use crate::discovery::Supply;
use crate::error::{Error, ErrorKind};
use crate::event::Observer;
use crate::ffi::values::callback::{Callback, call_host};
use crate::ffi::values::error::ahoy_error;
use crate::ffi::values::handle::{Handle, Out, Shared};
use crate::ffi::values::setter::Configurable;
use crate::ffi::values::settings::Settings;
use crate::ffi::values::status::ahoy_status;
use crate::ffi::values::user_data::{UserData, ahoy_destroy_fn};
use crate::ffi::values::{entry, guard, handle};
use crate::options::{BALANCER, Table};
use crate::policy::{Custom, Random};
use crate::runtime::clock;
use crate::runtime::host::callback;

/// Picks the endpoint of each attempt and keeps a circuit breaker for each. Clients that share a
/// balancer share its circuits.
///
/// Ownership: freed with ahoy_balancer_free at any time; clients keep what they need. Thread:
/// configured from one, and frozen by its first use (a client builder, a pick or an update); then
/// any.
pub struct ahoy_balancer {
    plan: Settings<Plan>,
    live: OnceBox<Live>,
}

/// What is made at the first use. Threads that are first together make one each, and the first one that is done is kept: a
/// child that was forked meanwhile would wait for ever for the thread that it has not. The others were never used.
struct Live {
    balancer: Arc<Balancer>,
    /// None where the client that has it may change it nevertheless.
    _usage: Option<UsageToken>,
}

impl Handle for ahoy_balancer {
    type Held = Shared;
}

#[derive(Clone)]
struct Plan {
    supply: Supply,
    config: BalancerConfig,
    observers: Vec<Arc<dyn Observer>>,
}

impl Configurable for &ahoy_balancer {
    type Config = BalancerConfig;

    fn table() -> &'static Table<BalancerConfig> {
        &BALANCER
    }

    fn change(
        self,
        change: impl FnOnce(&mut BalancerConfig) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.plan.change("balancer", |plan| change(&mut plan.config))
    }
}

impl ahoy_balancer {
    fn new(supply: Supply, algorithm: Algorithm) -> *mut Self {
        handle::new(Self {
            plan: Settings::new(Plan {
                supply,
                config: BalancerConfig::new(algorithm),
                observers: Vec::new(),
            }),
            live: OnceBox::new(),
        })
    }

    /// What a client has already; it stays the client's to change.
    pub(crate) fn of(balancer: &Arc<Balancer>) -> Self {
        let (supply, config) = (balancer.supply().clone(), balancer.config().clone());
        let live = Live { balancer: Arc::clone(balancer), _usage: None };
        Self {
            plan: Settings::in_use(Plan { supply, config, observers: Vec::new() }),
            live: OnceBox::with_value(Box::new(live)),
        }
    }

    #[cfg(test)]
    pub(crate) fn config(&self) -> BalancerConfig {
        self.plan.freeze().config
    }

    fn replace_random(&self, random: Random) -> Result<(), Error> {
        // The unused one, this or that before, drops after the lock: destroy may use the balancer.
        let mut other = Algorithm::RandomBy(random);
        self.change(|config| {
            if !matches!(config.algorithm, Algorithm::Random | Algorithm::RandomBy(_)) {
                return Err(Error::invalid("balancer", "is not a random balancer"));
            }
            std::mem::swap(&mut config.algorithm, &mut other);
            Ok(())
        })
    }

    /// What is live of it, if it was used.
    pub(crate) fn used(&self) -> Option<&Arc<Balancer>> {
        self.live.get().map(|live| &live.balancer)
    }

    /// The first use.
    pub(crate) fn live(&self) -> Result<&Arc<Balancer>, Error> {
        let live = self.live.get_or_try_init(|| {
            let plan = self.plan.freeze_if(|plan| plan.config.check())?;
            let Plan { supply, config, observers } = plan;
            let balancer = Arc::new(Balancer::observed(supply, config, observers));
            let usage = balancer.usage_token();
            Ok::<_, Error>(Box::new(Live { balancer, _usage: Some(usage) }))
        })?;
        Ok(&live.balancer)
    }

    /// Tells `observer` of what happens.
    pub(crate) fn observe(&self, observer: Arc<dyn Observer>) -> Result<(), Error> {
        self.plan.change("balancer", |plan| {
            plan.observers.push(observer);
            Ok(())
        })
    }
}

/// Round robin: endpoints one after the other in the provider's order, from a random start.
/// Endpoints whose circuit does not admit are skipped, and their share is spread evenly.
///
/// @param provider frozen from here on; still the caller's to free
/// @return the balancer, or NULL where provider is NULL
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn ahoy_balancer_round_robin_new(
    provider: *const ahoy_provider,
) -> *mut ahoy_balancer {
    guard::value!(ptr::null_mut(), |provider: &ahoy_provider| {
        make(provider, Algorithm::RoundRobin)
    })
}

/// Random: any endpoint whose circuit admits, all with the same chance.
///
/// @param provider frozen from here on; still the caller's to free
/// @return the balancer, or NULL where provider is NULL
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn ahoy_balancer_random_new(
    provider: *const ahoy_provider,
) -> *mut ahoy_balancer {
    guard::value!(ptr::null_mut(), |provider: &ahoy_provider| make(provider, Algorithm::Random))
}

/// A balancer over a provider, which it freezes.
pub(crate) fn make(provider: &ahoy_provider, algorithm: Algorithm) -> *mut ahoy_balancer {
    ahoy_balancer::new(provider.freeze(), algorithm)
}

/// Returns a number from 0 to below - 1. Called once for each pick that has candidates.
///
/// Thread: the one that drives the call, several at once.
pub type ahoy_random_fn =
    Option<unsafe extern "C-unwind" fn(user_data: *mut c_void, below: u64) -> u64>;

/// Replaces the random function of a random balancer. If it returns a number out of range, no
/// endpoint is picked.
///
/// @param fn gets the number of candidates (endpoints whose circuit admits, in a stable order)
/// @param user_data passed to fn
/// @param destroy called once when user_data is no longer needed, also if this function fails; may
///        be NULL
/// @return AHOY_E_INVALID_ARGUMENT also for a balancer that is not random
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_random_set_function(
    balancer: *const ahoy_balancer,
    fn_: ahoy_random_fn,
    user_data: *mut c_void,
    destroy: ahoy_destroy_fn,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let fn_ = (fn_, UserData::new(user_data, destroy));
    entry::status!(err, |balancer: &ahoy_balancer, fn_: Callback<ahoy_random_fn>| {
        let draw = move |below| {
            // Out of range: no endpoint is picked.
            call_host!(fn_, below).unwrap_or(u64::MAX)
        };
        balancer.replace_random(Random::with_function(Arc::new(draw)))
    })
}

/// Returns the index of the endpoint to use, from 0 to count - 1.
///
/// Thread: the one that drives the call, several at once.
pub type ahoy_balancer_fn =
    Option<unsafe extern "C-unwind" fn(user_data: *mut c_void, count: usize) -> usize>;

/// A balancer whose picks a function of the host makes.
///
/// @param provider frozen from here on; still the caller's to free
/// @param fn gets the number of candidates (endpoints whose circuit admits and that this call has
///        not tried, in the provider's order); an index out of range means none
/// @param user_data passed to fn
/// @param destroy called once when user_data is no longer needed, also if this function fails; may
///        be NULL
/// @return the balancer, or NULL where provider or fn is NULL
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn ahoy_balancer_custom_new(
    provider: *const ahoy_provider,
    fn_: ahoy_balancer_fn,
    user_data: *mut c_void,
    destroy: ahoy_destroy_fn,
) -> *mut ahoy_balancer {
    let fn_ = (fn_, UserData::new(user_data, destroy));
    guard::value!(ptr::null_mut(), |provider: &ahoy_provider, fn_: Callback<ahoy_balancer_fn>| {
        // Out of range: no endpoint is picked.
        let pick = move |count| call_host!(fn_, count).unwrap_or(usize::MAX);
        make(provider, Algorithm::Custom(Custom::new(Arc::new(pick))))
    })
}

/// Sets the rules of the balancer's circuit breakers, in place of those set before, also by name.
/// Default: those of ahoy_breaker_new.
///
/// @param breaker frozen from here on; still the caller's to free
/// @return AHOY_E_INVALID_ARGUMENT also if the breaker's settings do not go together
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_set_breaker(
    balancer: *const ahoy_balancer,
    breaker: *const ahoy_breaker,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |balancer: &ahoy_balancer, breaker: &ahoy_breaker| {
        balancer.change(|config| {
            config.breaker = breaker.freeze()?;
            Ok(())
        })
    })
}

/// Picks an endpoint that would be used now, and takes no probe's permit: an open circuit whose
/// probe is due is shown but not probed. Blocks while the provider is asked, at first use; the first
/// list of one that tells its list by itself is not waited for: see ahoy_balancer_wait_ready.
///
/// @param endpoint gets the endpoint, to be freed with ahoy_endpoint_free; NULL on failure
/// @return AHOY_E_NO_ENDPOINTS if none is known or no circuit admits; AHOY_E_DISCOVERY if the
///        provider failed at first use; AHOY_E_INVALID_ARGUMENT if the balancer's settings do not
///        go together
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_pick(
    balancer: *const ahoy_balancer,
    endpoint: *mut *mut ahoy_endpoint,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |endpoint: Out<ahoy_endpoint>, balancer: &ahoy_balancer| {
        let balancer = balancer.live()?;
        balancer.prepare()?;
        endpoint.fill(ahoy_endpoint::new(balancer.pick(clock::now())?, balancer));
        Ok(())
    })
}

/// Asks the provider for its list again. Endpoints that stay (same address, port and scheme) keep
/// their circuits: an endpoint that is down stays down. An empty list counts once the provider has
/// told no other for the time of its option empty_hold, 30 s by default.
///
/// Blocks until the provider returns. One that tells its list by itself is asked to look again, and
/// not waited for.
///
/// @return AHOY_E_DISCOVERY if the provider failed; the last good list stays in use.
///        AHOY_E_WOULD_DEADLOCK inside a callback
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_update(
    balancer: *const ahoy_balancer,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |balancer: &ahoy_balancer| {
        if callback::is_in_callback() {
            let message = "balancer: an update inside a callback would deadlock";
            return Err(Error::new(ErrorKind::WouldDeadlock, message));
        }
        balancer.live()?.update()
    })
}

/// Adds an endpoint to those that the provider listed, at once and without asking the provider: for
/// hosts that are told of changes, such as by a watch. The next update follows the provider's list
/// alone again. The cost does not grow with the number of endpoints, except for balancers that go
/// by weight or key, which build their tables anew.
///
/// A known endpoint (same address, port and scheme) gets the properties of host and keeps its
/// circuit. Blocks while the provider is asked, at first use. The first list of a provider that
/// tells its list by itself is an update too: add after ahoy_balancer_wait_ready.
///
/// @param host copied; still the caller's to free
/// @return AHOY_E_DISCOVERY if the provider failed at first use; AHOY_E_WOULD_DEADLOCK inside a
///        callback while an update is under way
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_add_endpoint(
    balancer: *const ahoy_balancer,
    host: *const ahoy_host,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |balancer: &ahoy_balancer, host: &ahoy_host| {
        let balancer = balancer.live()?;
        balancer.prepare()?;
        balancer.add_endpoint(host.host.clone())
    })
}

/// Removes an endpoint, at once and without asking the provider. Attempts under way end as they
/// would; its connections close after them. Blocks while the provider is asked, at first use.
///
/// @param host says by address, port and scheme which one; still the caller's to free
/// @return AHOY_E_INVALID_ARGUMENT if it is not known; else as for ahoy_balancer_add_endpoint
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_remove_endpoint(
    balancer: *const ahoy_balancer,
    host: *const ahoy_host,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |balancer: &ahoy_balancer, host: &ahoy_host| {
        let balancer = balancer.live()?;
        balancer.prepare()?;
        match balancer.remove_endpoint(host.host.clone())? {
            true => Ok(()),
            false => Err(Error::invalid("host", "is not known to the balancer")),
        }
    })
}

/// The number of endpoints that the balancer knows: 0 before its first use, and for NULL. Any
/// thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_endpoint_count(balancer: *const ahoy_balancer) -> usize {
    guard::value!(0, |balancer: Option<&ahoy_balancer>| {
        balancer.and_then(ahoy_balancer::used).map_or(0, |live| live.roster().len())
    })
}

/// The endpoint at an index, whatever its circuit says. Endpoints are ordered by priority, and
/// within a priority as in the provider's first list; one that joins later takes a place that
/// became free, or the last.
///
/// @param index 0 to ahoy_balancer_endpoint_count - 1; the list may change between two calls
/// @param endpoint gets the endpoint, to be freed with ahoy_endpoint_free; NULL on failure
/// @return AHOY_E_INVALID_ARGUMENT if there is no such index
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_endpoint_at(
    balancer: *const ahoy_balancer,
    index: usize,
    endpoint: *mut *mut ahoy_endpoint,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |endpoint: Out<ahoy_endpoint>, balancer: &ahoy_balancer| {
        let live = balancer.used();
        let found =
            live.and_then(|live| Some((Arc::clone(live.roster().members().nth(index)?), live)));
        let (member, live) = found.ok_or_else(|| Error::invalid("index", "is out of range"))?;
        endpoint.fill(ahoy_endpoint::new(member, live));
        Ok(())
    })
}

/// Frees a balancer; NULL is fine. Clients and endpoints made from it go on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_free(balancer: *mut ahoy_balancer) {
    guard::value!((), |balancer: Option<Box<ahoy_balancer>>| drop(balancer));
}
