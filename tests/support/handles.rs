//! Owners of the handles that configure a client; each frees its handle on drop.

use std::ffi::{CString, c_void};

use ahoy::ffi::balancer::balancer::*;
use ahoy::ffi::balancer::balancing::*;
use ahoy::ffi::balancer::breaker::*;
use ahoy::ffi::balancer::endpoint::*;
use ahoy::ffi::balancer::health::*;
use ahoy::ffi::balancer::host::*;
use ahoy::ffi::balancer::prequal::*;
use ahoy::ffi::balancer::provider::*;
use ahoy::ffi::call::request::ahoy_request_set_criticality;
use ahoy::ffi::call::request::*;
use ahoy::ffi::client::options::*;
use ahoy::ffi::client::retry::*;
use ahoy::ffi::values::status::ahoy_status;

use super::outcome::{Failure, checked, made, text};

/// A C string.
pub(super) fn c(text: impl Into<Vec<u8>>) -> CString {
    CString::new(text).unwrap()
}

/// An owner of a handle: `new` takes a pointer that is not NULL, drop frees it.
macro_rules! owner {
    ($(#[$doc:meta])* $name:ident, $handle:ident, $free:ident) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name(*mut $handle);

        // SAFETY: the header says which threads may use it, and the tests keep to that.
        unsafe impl Send for $name {}
        // SAFETY: as above.
        unsafe impl Sync for $name {}

        impl $name {
            /// Takes charge of a handle.
            pub fn owning(handle: *mut $handle) -> Self {
                assert!(!handle.is_null());
                Self(handle)
            }

            /// The handle, still owned by this.
            pub fn raw(&self) -> *mut $handle {
                self.0
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                // SAFETY: the handle is ours and not used any more.
                unsafe { $free(self.0) };
            }
        }
    };
}
pub(super) use owner;

/// The library's pointer to a boxed closure, and the function that frees it.
pub(super) fn boxed<F>(
    function: F,
) -> (*mut c_void, Option<unsafe extern "C-unwind" fn(*mut c_void)>) {
    unsafe extern "C-unwind" fn free<F>(user_data: *mut c_void) {
        // SAFETY: it came from the box below, and the library promises to do this once.
        drop(unsafe { Box::from_raw(user_data.cast::<F>()) });
    }
    (Box::into_raw(Box::new(function)).cast(), Some(free::<F>))
}

/// The closure behind the library's pointer, from [`boxed`].
pub(super) unsafe fn shared<'a, F>(user_data: *mut c_void) -> &'a F {
    // SAFETY: the library hands over what it was given, and frees it later.
    unsafe { &*user_data.cast::<F>() }
}

owner!(
    /// `ahoy_host`.
    Host, ahoy_host, ahoy_host_free
);

impl Host {
    pub fn try_new(address: &str, port: u16) -> Option<Self> {
        // SAFETY: the text lives through the call.
        let host = unsafe { ahoy_host_new(c(address).as_ptr(), port) };
        (!host.is_null()).then(|| Self::owning(host))
    }

    pub fn new(address: &str, port: u16) -> Self {
        // SAFETY: the text lives through the call.
        Self::owning(unsafe { ahoy_host_new(c(address).as_ptr(), port) })
    }

    pub fn scheme(self, scheme: i32) -> Self {
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_host_set_scheme(self.0, scheme, err) }).unwrap();
        self
    }

    pub fn https(self) -> Self {
        self.scheme(AHOY_SCHEME_HTTPS)
    }

    pub fn authority(self, authority: &str) -> Self {
        let authority = c(authority);
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_host_set_authority(self.0, authority.as_ptr(), err) }).unwrap();
        self
    }

    pub fn server_name(self, name: &str) -> Self {
        let name = c(name);
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_host_set_server_name(self.0, name.as_ptr(), err) }).unwrap();
        self
    }

    pub fn weight(self, weight: u32) -> Self {
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_host_set_weight(self.0, weight, err) }).unwrap();
        self
    }

    pub fn zone(self, zone: &str) -> Self {
        let zone = c(zone);
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_host_set_zone(self.0, zone.as_ptr(), err) }).unwrap();
        self
    }

    pub fn priority(self, priority: u32) -> Self {
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_host_set_priority(self.0, priority, err) }).unwrap();
        self
    }

    /// Weight, zone and priority.
    pub fn placed(self, weight: u32, zone: &str, priority: u32) -> Result<Self, Failure> {
        let zone = c(zone);
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_host_set_weight(self.0, weight, err) })?;
        // SAFETY: as above.
        checked(|err| unsafe { ahoy_host_set_zone(self.0, zone.as_ptr(), err) })?;
        // SAFETY: as above.
        checked(|err| unsafe { ahoy_host_set_priority(self.0, priority, err) })?;
        Ok(self)
    }
}

owner!(
    /// `ahoy_provider`.
    Provider, ahoy_provider, ahoy_provider_free
);

/// The list that a custom provider fills.
#[derive(Debug)]
pub struct Hosts(*mut ahoy_hosts);

impl Hosts {
    pub fn add(&self, address: &str, port: u16) -> Result<(), Failure> {
        // SAFETY: the list lives as long as the callback that it was handed to.
        checked(|err| unsafe { ahoy_hosts_add(self.0, c(address).as_ptr(), port, err) })
    }

    pub fn add_host(&self, host: &Host) -> Result<(), Failure> {
        // SAFETY: as above.
        checked(|err| unsafe { ahoy_hosts_add_host(self.0, host.raw(), err) })
    }
}

impl Provider {
    pub fn list() -> Self {
        Self::owning(ahoy_provider_list_new())
    }

    /// A list of ports on 127.0.0.1.
    pub fn loopback(ports: &[u16]) -> Self {
        let provider = Self::list();
        for port in ports {
            provider.add("127.0.0.1", *port).unwrap();
        }
        provider
    }

    pub fn of(hosts: &[Host]) -> Self {
        let provider = Self::list();
        for host in hosts {
            provider.add_host(host).unwrap();
        }
        provider
    }

    pub fn add(&self, address: &str, port: u16) -> Result<(), Failure> {
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_provider_list_add(self.0, c(address).as_ptr(), port, err) })
    }

    pub fn add_host(&self, host: &Host) -> Result<(), Failure> {
        // SAFETY: both handles live.
        checked(|err| unsafe { ahoy_provider_list_add_host(self.0, host.raw(), err) })
    }

    pub fn custom<F: Fn(&Hosts) -> ahoy_status + Send + Sync + 'static>(fill: F) -> Self {
        unsafe extern "C-unwind" fn call<F: Fn(&Hosts) -> ahoy_status>(
            user_data: *mut c_void,
            out: *mut ahoy_hosts,
        ) -> ahoy_status {
            // SAFETY: the boxed closure, shared.
            let function = unsafe { shared::<F>(user_data) };
            function(&Hosts(out))
        }
        let (user_data, free) = boxed(fill);
        // SAFETY: function and data belong together.
        Self::owning(unsafe { ahoy_provider_custom_new(Some(call::<F>), user_data, free) })
    }
}

owner!(
    /// `ahoy_balancer`.
    Balancer, ahoy_balancer, ahoy_balancer_free
);

/// Constructors that take a provider only.
macro_rules! balancers {
    ($($name:ident = $function:ident;)*) => {
        $(
            pub fn $name(provider: &Provider) -> Self {
                // SAFETY: the provider lives.
                Self::owning(unsafe { $function(provider.raw()) })
            }
        )*
    };
}

/// Setters that take numbers.
macro_rules! rules {
    ($($name:ident($($value:ident: $type:ty),*) = $function:ident;)*) => {
        $(
            pub fn $name(&self, $($value: $type),*) -> Result<(), Failure> {
                // SAFETY: the handle is ours.
                checked(|err| unsafe { $function(self.0, $($value,)* err) })
            }
        )*
    };
}

/// Setters that take a text.
macro_rules! named_rules {
    ($($name:ident = $function:ident;)*) => {
        $(
            pub fn $name(&self, value: &str) -> Result<(), Failure> {
                let value = c(value);
                // SAFETY: the handle is ours and the text lives through the call.
                checked(|err| unsafe { $function(self.0, value.as_ptr(), err) })
            }
        )*
    };
}

impl Balancer {
    balancers! {
        round_robin = ahoy_balancer_round_robin_new;
        random = ahoy_balancer_random_new;
        smooth_weighted = ahoy_balancer_smooth_weighted_new;
        recommended = ahoy_balancer_new;
        p2c = ahoy_balancer_p2c_new;
        peak_ewma = ahoy_balancer_peak_ewma_new;
        least_request = ahoy_balancer_least_request_new;
        ring_hash = ahoy_balancer_ring_hash_new;
        maglev = ahoy_balancer_maglev_new;
        rendezvous = ahoy_balancer_rendezvous_new;
    }

    rules! {
        set_choices(choices: u32) = ahoy_balancer_set_choices;
        set_ring_size(min: u32, max: u32) = ahoy_balancer_set_ring_size;
        set_table_size(slots: u32) = ahoy_balancer_set_table_size;
        set_bounded_load(factor: f64) = ahoy_balancer_set_bounded_load;
        set_slow_start(window_ms: u64, min_ratio: f64, aggression: f64)
            = ahoy_balancer_set_slow_start;
        set_panic_threshold(ratio: f64) = ahoy_balancer_set_panic_threshold;
        set_subset(size: u32) = ahoy_balancer_set_subset;
        set_deterministic_subset(size: u32, client: u32, clients: u32)
            = ahoy_balancer_set_deterministic_subset;
        set_max_in_flight(attempts: u32) = ahoy_balancer_set_max_in_flight;
        set_prequal(pool: u32, max_age_ms: u64, probes: f64, removals: f64, hot: f64)
            = ahoy_balancer_set_prequal;
        set_prequal_probes(timeout_ms: u64, at_once: u32) = ahoy_balancer_set_prequal_probes;
    }

    named_rules! {
        set_hash_header = ahoy_balancer_set_hash_header;
        set_hash_cookie = ahoy_balancer_set_hash_cookie;
        set_zone = ahoy_balancer_set_zone;
        set_load_header = ahoy_balancer_set_load_header;
    }

    /// None where the library refuses.
    pub fn try_prequal(provider: &Provider, probe_path: &str) -> Option<Self> {
        let path = c(probe_path);
        // SAFETY: the provider lives, and the text through the call.
        let handle = unsafe { ahoy_balancer_prequal_new(provider.raw(), path.as_ptr()) };
        (!handle.is_null()).then(|| Self::owning(handle))
    }

    pub fn prequal(provider: &Provider, probe_path: &str) -> Self {
        Self::try_prequal(provider, probe_path).unwrap()
    }

    /// An option by name.
    pub fn option(&self, key: &str, value: &str) -> Result<(), Failure> {
        let (key, value) = (c(key), c(value));
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_balancer_set(self.0, key.as_ptr(), value.as_ptr(), err) })
    }

    /// With a rule, to be told while making it.
    pub fn ruled(self, rule: impl FnOnce(&Self) -> Result<(), Failure>) -> Self {
        rule(&self).unwrap();
        self
    }

    pub fn join(&self, host: &Host) -> Result<(), Failure> {
        // SAFETY: both handles live.
        checked(|err| unsafe { ahoy_balancer_add_endpoint(self.0, host.raw(), err) })
    }

    pub fn leave(&self, host: &Host) -> Result<(), Failure> {
        // SAFETY: both handles live.
        checked(|err| unsafe { ahoy_balancer_remove_endpoint(self.0, host.raw(), err) })
    }

    pub fn set_function<F: Fn(u64) -> u64 + Send + Sync + 'static>(
        &self,
        draw: F,
    ) -> Result<(), Failure> {
        unsafe extern "C-unwind" fn call<F: Fn(u64) -> u64>(
            user_data: *mut c_void,
            below: u64,
        ) -> u64 {
            // SAFETY: the boxed closure, shared.
            let function = unsafe { shared::<F>(user_data) };
            function(below)
        }
        let (user_data, free) = boxed(draw);
        // SAFETY: the handle is ours; function and data belong together.
        checked(|err| unsafe {
            ahoy_balancer_random_set_function(self.0, Some(call::<F>), user_data, free, err)
        })
    }

    pub fn custom<F: Fn(usize) -> usize + Send + Sync + 'static>(
        provider: &Provider,
        choose: F,
    ) -> Self {
        unsafe extern "C-unwind" fn call<F: Fn(usize) -> usize>(
            user_data: *mut c_void,
            count: usize,
        ) -> usize {
            // SAFETY: the boxed closure, shared.
            let function = unsafe { shared::<F>(user_data) };
            function(count)
        }
        let (user_data, free) = boxed(choose);
        // SAFETY: the provider lives; function and data belong together.
        Self::owning(unsafe {
            ahoy_balancer_custom_new(provider.raw(), Some(call::<F>), user_data, free)
        })
    }

    pub fn set_breaker(&self, breaker: &Breaker) -> Result<(), Failure> {
        // SAFETY: both handles live.
        checked(|err| unsafe { ahoy_balancer_set_breaker(self.0, breaker.raw(), err) })
    }

    /// The same, to be told while making it.
    pub fn with(self, breaker: &Breaker) -> Self {
        self.set_breaker(breaker).unwrap();
        self
    }

    /// Outlier ejection, with a look every so often.
    pub fn ejection(
        self,
        interval_ms: u64,
        base_ms: u64,
        max_share: f64,
        min_healthy: u32,
    ) -> Self {
        // SAFETY: the handle is ours.
        checked(|err| unsafe {
            let max_ms = base_ms.saturating_mul(10);
            ahoy_balancer_set_outlier_ejection(
                self.0,
                interval_ms,
                base_ms,
                max_ms,
                max_share,
                min_healthy,
                err,
            )
        })
        .unwrap();
        self
    }

    pub fn ejection_by_success(self, min_endpoints: u32, min_calls: u32, factor: f64) -> Self {
        // SAFETY: the handle is ours.
        checked(|err| unsafe {
            ahoy_balancer_set_outlier_success_rate(self.0, min_endpoints, min_calls, factor, err)
        })
        .unwrap();
        self
    }

    pub fn ejection_by_failures(self, share: f64, min_endpoints: u32, min_calls: u32) -> Self {
        // SAFETY: the handle is ours.
        checked(|err| unsafe {
            ahoy_balancer_set_outlier_failure_share(self.0, share, min_endpoints, min_calls, err)
        })
        .unwrap();
        self
    }

    /// By a GET of `path`, or by a mere connect.
    pub fn check(self, path: Option<&str>, interval_ms: u64, timeout_ms: u64) -> Self {
        self.try_check(path, interval_ms, timeout_ms).unwrap();
        self
    }

    pub fn try_check(
        &self,
        path: Option<&str>,
        interval_ms: u64,
        timeout_ms: u64,
    ) -> Result<(), Failure> {
        let path = path.map(c);
        let path = path.as_ref().map_or(std::ptr::null(), |path| path.as_ptr());
        // SAFETY: the handle is ours, and the text lives through the call.
        checked(|err| unsafe {
            ahoy_balancer_set_health_check(self.0, path, interval_ms, timeout_ms, err)
        })
    }

    pub fn thresholds(self, unhealthy: u32, healthy: u32, out_interval_ms: u64) -> Self {
        self.try_thresholds(unhealthy, healthy, out_interval_ms).unwrap();
        self
    }

    pub fn try_thresholds(
        &self,
        unhealthy: u32,
        healthy: u32,
        out_interval_ms: u64,
    ) -> Result<(), Failure> {
        // SAFETY: the handle is ours.
        checked(|err| unsafe {
            ahoy_balancer_set_health_thresholds(self.0, unhealthy, healthy, out_interval_ms, err)
        })
    }

    /// A bound on the attempts in flight to each endpoint.
    pub fn max_in_flight(self, attempts: u32) -> Self {
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_balancer_set_max_in_flight(self.0, attempts, err) }).unwrap();
        self
    }

    pub fn recovery(self, min_working: u32, hold_ms: u64) -> Self {
        // SAFETY: the handle is ours.
        checked(|err| unsafe {
            ahoy_balancer_set_outage_recovery(self.0, min_working, hold_ms, err)
        })
        .unwrap();
        self
    }

    pub fn pick(&self) -> Result<Endpoint, Failure> {
        // SAFETY: the handle is ours.
        made(|out, err| unsafe { ahoy_balancer_pick(self.0, out, err) }).map(Endpoint::owning)
    }

    pub fn update(&self) -> Result<(), Failure> {
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_balancer_update(self.0, err) })
    }

    pub fn count(&self) -> usize {
        // SAFETY: the handle is ours.
        unsafe { ahoy_balancer_endpoint_count(self.0) }
    }

    pub fn at(&self, index: usize) -> Result<Endpoint, Failure> {
        // SAFETY: the handle is ours.
        made(|out, err| unsafe { ahoy_balancer_endpoint_at(self.0, index, out, err) })
            .map(Endpoint::owning)
    }

    /// The endpoint of a port; the balancer must have been used.
    pub fn endpoint(&self, port: u16) -> Endpoint {
        let mut all = (0..self.count()).map(|index| self.at(index).unwrap());
        all.find(|endpoint| endpoint.port() == port).expect("an endpoint of that port")
    }
}

/// Lists of options: every one with what it does.
macro_rules! options {
    ($($name:ident = $count:ident, $key_at:ident, $description_at:ident;)*) => {
        $(
            pub fn $name() -> Vec<(String, String)> {
                let count = $count();
                assert!($key_at(count).is_null(), "NULL out of range");
                assert!($description_at(count).is_null(), "NULL out of range");
                let option = |index| (text($key_at(index)), text($description_at(index)));
                (0..count).map(option).collect()
            }
        )*
    };
}

options! {
    client_options = ahoy_client_option_count, ahoy_client_option_key_at,
        ahoy_client_option_description_at;
    retry_options = ahoy_retry_option_count, ahoy_retry_option_key_at,
        ahoy_retry_option_description_at;
    balancer_options = ahoy_balancer_option_count, ahoy_balancer_option_key_at,
        ahoy_balancer_option_description_at;
    breaker_options = ahoy_breaker_option_count, ahoy_breaker_option_key_at,
        ahoy_breaker_option_description_at;
    provider_options = ahoy_provider_option_count, ahoy_provider_option_key_at,
        ahoy_provider_option_description_at;
}

owner!(
    /// `ahoy_endpoint`.
    Endpoint, ahoy_endpoint, ahoy_endpoint_free
);

impl Endpoint {
    pub fn address(&self) -> String {
        // SAFETY: the handle is ours.
        text(unsafe { ahoy_endpoint_address(self.0) })
    }

    pub fn port(&self) -> u16 {
        // SAFETY: the handle is ours.
        unsafe { ahoy_endpoint_port(self.0) }
    }

    pub fn url(&self) -> String {
        // SAFETY: the handle is ours.
        text(unsafe { ahoy_endpoint_url(self.0) })
    }

    /// Weight, priority and zone.
    pub fn properties(&self) -> (u32, u32, Option<String>) {
        // SAFETY: the handle is ours.
        unsafe {
            let zone = ahoy_endpoint_zone(self.0);
            let zone = (!zone.is_null()).then(|| text(zone));
            (ahoy_endpoint_weight(self.0), ahoy_endpoint_priority(self.0), zone)
        }
    }

    pub fn state(&self) -> i32 {
        // SAFETY: the handle is ours.
        unsafe { ahoy_endpoint_state(self.0) }
    }

    pub fn is_closed(&self) -> bool {
        self.state() == AHOY_CIRCUIT_CLOSED
    }

    pub fn is_open(&self) -> bool {
        self.state() == AHOY_CIRCUIT_OPEN
    }

    pub fn available(&self) -> bool {
        // SAFETY: the handle is ours.
        unsafe { ahoy_endpoint_available(self.0) }
    }

    pub fn open(&self) -> Result<(), Failure> {
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_endpoint_open_circuit(self.0, err) })
    }

    pub fn close(&self) -> Result<(), Failure> {
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_endpoint_close_circuit(self.0, err) })
    }

    pub fn disable_circuit(&self) -> Result<(), Failure> {
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_endpoint_disable_circuit(self.0, err) })
    }

    pub fn drain(&self) {
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_endpoint_drain(self.0, err) }).unwrap();
    }

    pub fn resume(&self) {
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_endpoint_resume(self.0, err) }).unwrap();
    }
}

owner!(
    /// `ahoy_breaker`.
    Breaker, ahoy_breaker, ahoy_breaker_free
);

impl Breaker {
    pub fn new() -> Self {
        Self::owning(ahoy_breaker_new())
    }

    /// An option by name.
    pub fn option(&self, key: &str, value: &str) -> Result<(), Failure> {
        let (key, value) = (c(key), c(value));
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_breaker_set(self.0, key.as_ptr(), value.as_ptr(), err) })
    }

    pub fn consecutive(self, failures: u32) -> Self {
        self.try_consecutive(failures).unwrap();
        self
    }

    pub fn try_consecutive(&self, failures: u32) -> Result<(), Failure> {
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_breaker_set_consecutive_failures(self.0, failures, err) })
    }

    pub fn no_consecutive(self) -> Self {
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_breaker_disable_consecutive_failures(self.0, err) }).unwrap();
        self
    }

    pub fn ratio(self, ratio: f64, window_ms: u64, min_calls: u32) -> Self {
        // SAFETY: the handle is ours.
        checked(|err| unsafe {
            ahoy_breaker_set_failure_ratio(self.0, ratio, window_ms, min_calls, err)
        })
        .unwrap();
        self
    }

    pub fn ratio_count(self, ratio: f64, last_calls: u32, min_calls: u32) -> Self {
        self.try_ratio_count(ratio, last_calls, min_calls).unwrap();
        self
    }

    pub fn try_ratio_count(
        &self,
        ratio: f64,
        last_calls: u32,
        min_calls: u32,
    ) -> Result<(), Failure> {
        // SAFETY: the handle is ours.
        checked(|err| unsafe {
            ahoy_breaker_set_failure_ratio_count(self.0, ratio, last_calls, min_calls, err)
        })
    }

    pub fn slow_calls(self, duration_ms: u64, ratio: f64) -> Self {
        self.try_slow_calls(duration_ms, ratio).unwrap();
        self
    }

    pub fn try_slow_calls(&self, duration_ms: u64, ratio: f64) -> Result<(), Failure> {
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_breaker_set_slow_calls(self.0, duration_ms, ratio, err) })
    }

    pub fn no_ratio(self) -> Self {
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_breaker_disable_failure_ratio(self.0, err) }).unwrap();
        self
    }

    pub fn open_ms(self, base_ms: u64, max_ms: u64) -> Self {
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_breaker_set_open_ms(self.0, base_ms, max_ms, err) }).unwrap();
        self
    }

    pub fn connect_open_max_ms(self, max_ms: u64) -> Self {
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_breaker_set_connect_open_max_ms(self.0, max_ms, err) })
            .unwrap();
        self
    }

    pub fn probes(self, probes: u32) -> Self {
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_breaker_set_half_open_probes(self.0, probes, err) }).unwrap();
        self
    }

    pub fn probe_timeout_ms(self, interval_ms: u64) -> Self {
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_breaker_set_probe_timeout_ms(self.0, interval_ms, err) })
            .unwrap();
        self
    }

    pub fn reset_after_ms(self, reset_after_ms: u64) -> Self {
        self.try_reset_after_ms(reset_after_ms).unwrap();
        self
    }

    pub fn try_reset_after_ms(&self, reset_after_ms: u64) -> Result<(), Failure> {
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_breaker_set_reset_after_ms(self.0, reset_after_ms, err) })
    }

    pub fn min_closed(self, endpoints: u32) -> Self {
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_breaker_set_min_closed(self.0, endpoints, err) }).unwrap();
        self
    }
}

owner!(
    /// `ahoy_retry`.
    Retry, ahoy_retry, ahoy_retry_free
);

impl Retry {
    pub fn new() -> Self {
        Self::owning(ahoy_retry_new())
    }

    /// An option by name.
    pub fn option(&self, key: &str, value: &str) -> Result<(), Failure> {
        let (key, value) = (c(key), c(value));
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_retry_set(self.0, key.as_ptr(), value.as_ptr(), err) })
    }

    pub fn tries(self, tries: i32) -> Self {
        self.try_tries(tries).unwrap();
        self
    }

    pub fn try_tries(&self, tries: i32) -> Result<(), Failure> {
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_retry_set_tries(self.0, tries, err) })
    }

    pub fn delay_ms(self, delay_ms: u64) -> Self {
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_retry_set_delay_ms(self.0, delay_ms, err) }).unwrap();
        self
    }

    pub fn max_delay_ms(self, max_delay_ms: u64) -> Self {
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_retry_set_max_delay_ms(self.0, max_delay_ms, err) }).unwrap();
        self
    }

    pub fn backoff(self, backoff: f64) -> Self {
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_retry_set_backoff(self.0, backoff, err) }).unwrap();
        self
    }

    pub fn jitter_ms(self, min_ms: u64, max_ms: u64) -> Self {
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_retry_set_jitter_ms(self.0, min_ms, max_ms, err) }).unwrap();
        self
    }

    pub fn full_jitter(self) -> Self {
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_retry_set_full_jitter(self.0, err) }).unwrap();
        self
    }

    pub fn on(self, mask: u32) -> Self {
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_retry_set_on(self.0, mask, err) }).unwrap();
        self
    }

    pub fn statuses(self, statuses: &[i32]) -> Self {
        self.try_statuses(statuses).unwrap();
        self
    }

    pub fn try_statuses(&self, statuses: &[i32]) -> Result<(), Failure> {
        // SAFETY: the handle is ours, and pointer and length belong together.
        checked(|err| unsafe {
            ahoy_retry_set_statuses(self.0, statuses.as_ptr(), statuses.len(), err)
        })
    }

    pub fn any_method(self) -> Self {
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_retry_set_any_method(self.0, true, err) }).unwrap();
        self
    }

    pub fn retry_after_max_ms(self, max_ms: u64) -> Self {
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_retry_set_retry_after_max_ms(self.0, max_ms, err) }).unwrap();
        self
    }
}

owner!(
    /// `ahoy_request`.
    Request, ahoy_request, ahoy_request_free
);

impl Request {
    pub fn new(method: &str, path: &str) -> Self {
        Self::try_new(method, path).unwrap()
    }

    pub fn try_new(method: &str, path: &str) -> Result<Self, Failure> {
        let (method, path) = (c(method), c(path));
        // SAFETY: both texts live through the call.
        made(|out, err| unsafe { ahoy_request_new(method.as_ptr(), path.as_ptr(), out, err) })
            .map(Self::owning)
    }

    pub fn header(self, name: &str, value: &str) -> Self {
        self.try_header(name, value.as_bytes()).unwrap();
        self
    }

    pub fn try_header(&self, name: &str, value: &[u8]) -> Result<(), Failure> {
        let (name, value) = (c(name), c(value));
        // SAFETY: the handle is ours.
        checked(|err| unsafe {
            ahoy_request_add_header(self.0, name.as_ptr(), value.as_ptr(), err)
        })
    }

    pub fn try_set_header(&self, name: &str, value: &[u8]) -> Result<(), Failure> {
        let (name, value) = (c(name), c(value));
        // SAFETY: the handle is ours.
        checked(|err| unsafe {
            ahoy_request_set_header(self.0, name.as_ptr(), value.as_ptr(), err)
        })
    }

    pub fn try_set_path(&self, path: &str) -> Result<(), Failure> {
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_request_set_path(self.0, c(path).as_ptr(), err) })
    }

    /// The headers of an inbound request.
    pub fn inbound(self, headers: &[(&str, &str)]) -> Self {
        let names: Vec<_> = headers.iter().map(|(name, _)| c(*name)).collect();
        let values: Vec<_> = headers.iter().map(|(_, value)| c(*value)).collect();
        let names: Vec<_> = names.iter().map(|name| name.as_ptr()).collect();
        let values: Vec<_> = values.iter().map(|value| value.as_ptr()).collect();
        // SAFETY: both lists are that long and live through the call.
        checked(|err| unsafe {
            let (names, values) = (names.as_ptr(), values.as_ptr());
            ahoy_request_forward_headers(self.0, names, values, headers.len(), err)
        })
        .unwrap();
        self
    }

    /// The key that keyed balancers go by.
    pub fn key(self, key: &str) -> Self {
        // SAFETY: pointer and length belong together.
        checked(|err| unsafe { ahoy_request_set_hash_key(self.0, key.as_ptr(), key.len(), err) })
            .unwrap();
        self
    }

    /// The key's hash itself.
    pub fn hash(self, hash: u64) -> Self {
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_request_set_hash(self.0, hash, err) }).unwrap();
        self
    }

    pub fn body(self, body: &[u8]) -> Self {
        // SAFETY: pointer and length belong together.
        checked(|err| unsafe { ahoy_request_set_body(self.0, body.as_ptr(), body.len(), err) })
            .unwrap();
        self
    }

    pub fn group(self, group: &str) -> Self {
        self.try_group(group).unwrap();
        self
    }

    pub fn try_group(&self, group: &str) -> Result<(), Failure> {
        // SAFETY: the handle is ours, and the text lives through the call.
        checked(|err| unsafe { ahoy_request_set_group(self.0, c(group).as_ptr(), err) })
    }

    pub fn attempt_timeout_ms(self, timeout_ms: u64) -> Self {
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_request_set_attempt_timeout_ms(self.0, timeout_ms, err) })
            .unwrap();
        self
    }

    pub fn attempt_timeout_hard(self, hard: bool) -> Self {
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_request_set_attempt_timeout_hard(self.0, hard, err) }).unwrap();
        self
    }

    pub fn timeout_ms(self, timeout_ms: u64) -> Self {
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_request_set_timeout_ms(self.0, timeout_ms, err) }).unwrap();
        self
    }

    pub fn criticality(self, criticality: i32) -> Self {
        self.try_criticality(criticality).unwrap();
        self
    }

    pub fn try_criticality(&self, criticality: i32) -> Result<(), Failure> {
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_request_set_criticality(self.0, criticality, err) })
    }

    pub fn idempotent(self, idempotent: bool) -> Self {
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_request_set_idempotent(self.0, idempotent, err) }).unwrap();
        self
    }
}
