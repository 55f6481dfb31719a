//! `ahoy_provider`: where endpoints come from.

use std::ffi::{c_char, c_void};
use std::ptr;
use std::sync::Arc;

use once_cell::race::OnceBox;

use super::host::{ahoy_host, checked};
use crate::discovery::chain::{Chain, Combine};
use crate::discovery::{CustomProvider, Provider, ProviderConfig, Source, Supply, Watch};
use crate::endpoint::Host;
use crate::error::{Error, ErrorKind};
use crate::ffi::values::callback::{Callback, call_host};
use crate::ffi::values::error::ahoy_error;
use crate::ffi::values::handle::{Handle, Out, Owned, Shared};
use crate::ffi::values::made_text::ahoy_text;
use crate::ffi::values::settings::Settings;
use crate::ffi::values::status::{AHOY_OK, ahoy_status, described};
use crate::ffi::values::user_data::{UserData, ahoy_destroy_fn};
use crate::ffi::values::{entry, guard, handle};
use crate::options;
use crate::runtime::host::callback;

/// A source of endpoints: a list, a callback that fills one, or what a URL names.
///
/// Ownership: freed with ahoy_provider_free at any time; a balancer keeps what it needs. Thread:
/// configured from one, and frozen when a balancer is made from it; then any.
pub struct ahoy_provider {
    kind: Kind,
    settings: Settings<ProviderConfig>,
    /// One for all balancers that are made from it. Of threads that are first together each makes one, so that a child that
    /// was forked meanwhile waits for none, and what is not kept was never used.
    supply: OnceBox<Supply>,
}

impl Handle for ahoy_provider {
    type Held = Shared;
}

enum Kind {
    List(Settings<Vec<Arc<Host>>>),
    Custom(Arc<dyn Provider>),
    Url,
    Chain(Combine, Settings<Vec<Arc<Watch>>>),
}

impl ahoy_provider {
    fn new(kind: Kind, config: ProviderConfig) -> Self {
        Self { kind, settings: Settings::new(config), supply: OnceBox::new() }
    }

    /// The first use.
    pub(crate) fn freeze(&self) -> Supply {
        let make = || {
            let config = self.settings.freeze();
            let supply = match &self.kind {
                Kind::List(list) => Supply::Watched(Arc::new(Watch::pushed(list.freeze()))),
                Kind::Custom(provider) => Supply::Custom(CustomProvider {
                    provider: Arc::clone(provider),
                    callbacks: config.callbacks,
                    freshness: config.freshness,
                }),
                Kind::Url => Supply::Watched(Arc::new(Watch::of(&config))),
                Kind::Chain(combine, parts) => {
                    let chain = Arc::new(Chain::new(*combine, parts.freeze()));
                    let identity = chain.identity();
                    Supply::Watched(Arc::new(Watch::by(chain, identity, &config)))
                }
            };
            Box::new(supply)
        };
        self.supply.get_or_init(make).clone()
    }

    /// Adds a host to a list.
    fn add(&self, host: impl FnOnce() -> Result<Host, Error>) -> Result<(), Error> {
        let Kind::List(list) = &self.kind else {
            return Err(Error::invalid("provider", "is not a list"));
        };
        let host = host()?;
        list.change("provider", |list| {
            list.push(Arc::new(host));
            Ok(())
        })
    }

    /// Puts another list in place of this one.
    fn replace(&self, hosts: Vec<Arc<Host>>) -> Result<(), Error> {
        let Kind::List(list) = &self.kind else {
            let message = "provider: is not a list that the host replaces";
            return Err(Error::new(ErrorKind::Unsupported, message));
        };
        let replaced = list.change("provider", |list| {
            list.clone_from(&hosts);
            Ok(())
        });
        if replaced.is_err()
            && let Supply::Watched(watch) = self.freeze()
        {
            watch.push(hosts);
        }
        Ok(())
    }
}

impl ahoy_provider {
    fn describe(&self) -> String {
        let count = self.supply.get().and_then(|supply| match supply {
            Supply::Watched(watch) => watch.latest().map(|listing| listing.hosts.len()),
            Supply::Custom(_) => None,
        });
        let what = match &self.kind {
            Kind::List(_) => "a list of the host".to_owned(),
            Kind::Custom(_) => "a function of the host".to_owned(),
            Kind::Chain(combine, parts) => Chain::new(*combine, parts.read()).describe(),
            Kind::Url => match self.supply.get() {
                Some(Supply::Watched(watch)) => watch.describe(),
                _ => Watch::of(&self.settings.read()).describe(),
            },
        };
        match count {
            Some(1) => format!("{what}: 1 endpoint"),
            Some(count) => format!("{what}: {count} endpoints"),
            None => what,
        }
    }
}

/// The endpoints that a URL names, as they are and as they change. docs/discovery.md has the forms,
/// such as "dns://api.example.com:80?empty_hold=10s", and docs/options.md the options of each. The
/// registry is not asked before a balancer of the provider is used.
///
/// @param url the source, its servers or name, and its options; credentials in it are shown nowhere
/// @param provider gets the provider, to be freed with ahoy_provider_free; NULL on failure
/// @return AHOY_E_INVALID_ARGUMENT for a URL or a value that is refused, AHOY_E_UNKNOWN_OPTION for
///        an option that the source has not
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_provider_from_url(
    url: *const c_char,
    provider: *mut *mut ahoy_provider,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |provider: Out<ahoy_provider>, url: &str| {
        provider.fill(ahoy_provider::new(Kind::Url, options::provider_of(url)?));
        Ok(())
    })
}

/// Sets an option by name, as a parameter of its URL does; ahoy_provider_option_key_at lists them.
///
/// @param key such as "empty_hold"
/// @param value such as "10s"; a duration needs a unit. A value that is refused changes nothing
/// @return AHOY_E_UNKNOWN_OPTION for a key that the provider's source has not; the error names the
///        nearest. AHOY_E_IN_USE after its first use
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_provider_set(
    provider: *const ahoy_provider,
    key: *const c_char,
    value: *const c_char,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |provider: &ahoy_provider, key: &str, value: &str| {
        let set = match provider.kind {
            Kind::List(_) => {
                let message = "key: a list has no options";
                return Err(Error::new(ErrorKind::UnknownOption, message));
            }
            Kind::Custom(_) => options::set_callback,
            Kind::Url | Kind::Chain(..) => options::set_provider,
        };
        provider.settings.change("provider", |config| set(config, key, value))
    })
}

/// A provider of the first list that has endpoints, among those of the providers that
/// ahoy_provider_add_part adds. An earlier provider is waited for until it answers or fails; a later
/// one serves while the earlier ones have no endpoint, and never while its own list is not ready.
///
/// @return the provider, never NULL
#[unsafe(no_mangle)]
#[must_use]
pub extern "C" fn ahoy_provider_first_new() -> *mut ahoy_provider {
    guard::value_of(ptr::null_mut(), || chain(Combine::First))
}

/// A provider of all endpoints of the providers that ahoy_provider_add_part adds; of an endpoint
/// that two of them have, the one added first says weight, zone and priority. One that fails is
/// left out as long as it has no list.
///
/// @return the provider, never NULL
#[unsafe(no_mangle)]
#[must_use]
pub extern "C" fn ahoy_provider_merge_new() -> *mut ahoy_provider {
    guard::value_of(ptr::null_mut(), || chain(Combine::Merge))
}

fn chain(combine: Combine) -> *mut ahoy_provider {
    let kind = Kind::Chain(combine, Settings::new(Vec::new()));
    handle::new(ahoy_provider::new(kind, ProviderConfig::default()))
}

/// Adds a provider to one made by ahoy_provider_first_new or ahoy_provider_merge_new, behind those
/// that were added before.
///
/// @param part frozen from here on; still the caller's to free
/// @return AHOY_E_UNSUPPORTED if part is a custom provider, which is asked and tells nothing by
///        itself; AHOY_E_INVALID_ARGUMENT if provider is none that takes others; AHOY_E_IN_USE after
///        its first use
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_provider_add_part(
    provider: *const ahoy_provider,
    part: *const ahoy_provider,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |provider: &ahoy_provider, part: &ahoy_provider| {
        let Kind::Chain(_, parts) = &provider.kind else {
            return Err(Error::invalid("provider", "is made of no others"));
        };
        if ptr::eq(provider, part) {
            return Err(Error::invalid("part", "is the provider itself"));
        }
        let Supply::Watched(watch) = part.freeze() else {
            let message = "part: a custom provider tells nothing by itself";
            return Err(Error::new(ErrorKind::Unsupported, message));
        };
        parts.change("provider", |parts| {
            parts.push(watch);
            Ok(())
        })
    })
}

/// What the provider watches, for people: its source, what is watched there and how many endpoints
/// it told last. Never a token, a password or an option that holds one.
///
/// @param text gets the text, to be freed with ahoy_text_free; NULL on failure
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_provider_describe(
    provider: *const ahoy_provider,
    text: *mut *mut ahoy_text,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |text: Out<ahoy_text>, provider: &ahoy_provider| {
        text.fill(ahoy_text::from(provider.describe().as_str()));
        Ok(())
    })
}

/// An empty list that ahoy_provider_list_add fills.
///
/// @return the provider, never NULL
#[unsafe(no_mangle)]
#[must_use]
pub extern "C" fn ahoy_provider_list_new() -> *mut ahoy_provider {
    guard::value_of(ptr::null_mut(), || {
        let list = Kind::List(Settings::new(Vec::new()));
        handle::new(ahoy_provider::new(list, ProviderConfig::default()))
    })
}

/// Adds a server to a list. A server that is in the list already (same address, port and scheme)
/// counts once.
///
/// @param address host name, IP address or "unix:/path", as for ahoy_host_new; copied
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

/// Puts another list in place of that of a provider made by ahoy_provider_list_new, for a host that
/// watches a registry of its own. May be called at any time, also after the first use: balancers
/// made from the provider take the list before this returns, or soon after it where another thread
/// is at it. Endpoints that stay keep their circuits, statistics and connections. An empty list
/// counts at once. Any thread; safe inside a callback.
///
/// @param hosts the whole list, from ahoy_hosts_new; copied, and still the caller's to free
/// @return AHOY_E_UNSUPPORTED for a provider that is no list
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_provider_list_replace(
    provider: *const ahoy_provider,
    hosts: *const ahoy_hosts,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |provider: &ahoy_provider, hosts: &ahoy_hosts| {
        provider.replace(hosts.hosts.iter().cloned().map(Arc::new).collect())
    })
}

/// A list of hosts: what a custom provider fills, or what ahoy_provider_list_replace takes.
///
/// Ownership: inside a provider's callback it is the library's; one of ahoy_hosts_new is freed with
/// ahoy_hosts_free. Thread: one at a time.
pub struct ahoy_hosts {
    hosts: Vec<Host>,
}

impl Handle for ahoy_hosts {
    type Held = Owned;
}

/// An empty list of hosts for ahoy_provider_list_replace; ahoy_hosts_add fills it.
///
/// @return the list, never NULL
#[unsafe(no_mangle)]
#[must_use]
pub extern "C" fn ahoy_hosts_new() -> *mut ahoy_hosts {
    guard::value_of(ptr::null_mut(), || handle::new(ahoy_hosts { hosts: Vec::new() }))
}

/// Frees a list of ahoy_hosts_new; NULL is fine. Not for the one that a callback fills.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_hosts_free(hosts: *mut ahoy_hosts) {
    guard::value!((), |hosts: Option<Box<ahoy_hosts>>| drop(hosts));
}

/// Fills `out` with the hosts that serve now, in a stable order, and returns AHOY_OK. Any other
/// status means that there is no list now, and the last good one stays in use. The function is
/// asked at first use, on update and when no endpoint is left.
///
/// By default it runs on the thread of a blocking call. For calls that were started it runs on a
/// thread "ahoy-provider" of its own, where it delays only the calls that need its list, and these
/// keep their limits; the option "callbacks" of ahoy_provider_set says otherwise. A blocking call
/// that it delays on its own thread ends when it returns, with AHOY_E_DEADLINE where the call's
/// limit has passed. It never runs on an I/O thread.
///
/// Thread: any.
pub type ahoy_provider_fn = Option<
    unsafe extern "C-unwind" fn(user_data: *mut c_void, out: *mut ahoy_hosts) -> ahoy_status,
>;

/// A provider whose list a function of the host fills.
///
/// @param fn fills the list; called by one thread at a time for each balancer that has the provider
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
    let fn_ = (fn_, UserData::new(user_data, destroy));
    guard::value!(ptr::null_mut(), |fn_: Callback<ahoy_provider_fn>| {
        let custom = Kind::Custom(Arc::new(Custom { discover: fn_ }));
        handle::new(ahoy_provider::new(custom, ProviderConfig::default()))
    })
}

struct Custom {
    discover: Callback<ahoy_provider_fn>,
}

impl Provider for Custom {
    fn discover(&self) -> Result<Vec<Host>, String> {
        let mut out = ahoy_hosts { hosts: Vec::new() };
        match call_host!(self.discover, &raw mut out) {
            Some(AHOY_OK) => Ok(out.hosts),
            Some(other) => Err(format!("its function returned {}", described(other))),
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
