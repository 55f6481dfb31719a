//! Providers that tell their list by themselves, and what a balancer knows of it.

use std::time::{Duration, Instant};

use ahoy::ffi::balancer::balancer::ahoy_balancer_endpoint_count;
use ahoy::ffi::balancer::listing::*;
use ahoy::ffi::balancer::provider::*;

use super::handles::{Balancer, Host, Provider, c, owner};
use super::outcome::{Failure, checked, made};
use super::statistics::made_text;

owner!(
    /// `ahoy_hosts` of the host's own.
    OwnHosts, ahoy_hosts, ahoy_hosts_free
);

impl OwnHosts {
    pub fn of(hosts: &[Host]) -> Self {
        let own = Self::owning(ahoy_hosts_new());
        for host in hosts {
            // SAFETY: both handles live.
            checked(|err| unsafe { ahoy_hosts_add_host(own.raw(), host.raw(), err) }).unwrap();
        }
        own
    }
}

impl Provider {
    pub fn from_url(url: &str) -> Result<Self, Failure> {
        let url = c(url);
        // SAFETY: the text lives through the call.
        let made =
            made(|provider, err| unsafe { ahoy_provider_from_url(url.as_ptr(), provider, err) });
        made.map(Self::owning)
    }

    /// The first of `parts` that has endpoints.
    pub fn first(parts: &[Self]) -> Self {
        Self::chain(Self::owning(ahoy_provider_first_new()), parts).unwrap()
    }

    /// All endpoints of `parts`.
    pub fn merge(parts: &[Self]) -> Self {
        Self::try_chain(parts).unwrap()
    }

    pub fn try_chain(parts: &[Self]) -> Result<Self, Failure> {
        Self::chain(Self::owning(ahoy_provider_merge_new()), parts)
    }

    fn chain(whole: Self, parts: &[Self]) -> Result<Self, Failure> {
        for part in parts {
            // SAFETY: both handles live.
            checked(|err| unsafe { ahoy_provider_add_part(whole.raw(), part.raw(), err) })?;
        }
        Ok(whole)
    }

    pub fn set(&self, key: &str, value: &str) -> Result<(), Failure> {
        let (key, value) = (c(key), c(value));
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_provider_set(self.raw(), key.as_ptr(), value.as_ptr(), err) })
    }

    pub fn describe(&self) -> String {
        // SAFETY: the handle is ours.
        let text = made(|text, err| unsafe { ahoy_provider_describe(self.raw(), text, err) });
        made_text(text.unwrap())
    }

    pub fn replace(&self, hosts: &[Host]) -> Result<(), Failure> {
        self.replace_by(&OwnHosts::of(hosts))
    }

    pub fn replace_by(&self, hosts: &OwnHosts) -> Result<(), Failure> {
        // SAFETY: both handles live.
        checked(|err| unsafe { ahoy_provider_list_replace(self.raw(), hosts.raw(), err) })
    }

    /// Puts ports of 127.0.0.1 in place of the list.
    pub fn replace_ports(&self, ports: &[u16]) {
        let host = |port: &u16| Host::new("127.0.0.1", *port);
        let hosts: Vec<_> = ports.iter().map(host).collect();
        self.replace(&hosts).unwrap();
    }
}

impl Balancer {
    pub fn wait_ready(&self, timeout: Duration) -> Result<(), Failure> {
        let timeout = u64::try_from(timeout.as_millis()).unwrap();
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_balancer_wait_ready(self.raw(), timeout, err) })
    }

    pub fn list_state(&self) -> i32 {
        // SAFETY: the handle is ours.
        unsafe { ahoy_balancer_list_state(self.raw()) }
    }

    pub fn list_age(&self) -> Option<Duration> {
        // SAFETY: the handle is ours.
        let age = unsafe { ahoy_balancer_list_age_ms(self.raw()) };
        (age != u64::MAX).then(|| Duration::from_millis(age))
    }

    pub fn list_error(&self) -> Option<String> {
        // SAFETY: the handle is ours.
        let text = unsafe { ahoy_balancer_list_error(self.raw()) };
        (!text.is_null()).then(|| made_text(text))
    }

    pub fn known(&self) -> usize {
        // SAFETY: the handle is ours.
        unsafe { ahoy_balancer_endpoint_count(self.raw()) }
    }

    /// How long it takes until `holds`; panics after `limit`.
    pub fn when(&self, limit: Duration, holds: impl Fn(&Self) -> bool) -> Duration {
        let begun = Instant::now();
        while !holds(self) {
            let problem = self.list_error();
            assert!(
                begun.elapsed() < limit,
                "{} endpoints after {limit:?}: {problem:?}",
                self.known()
            );
            std::thread::sleep(Duration::from_millis(1));
        }
        begun.elapsed()
    }
}
