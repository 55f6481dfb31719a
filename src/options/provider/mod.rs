//! The settings of a provider, and the provider that a URL names.

mod consul;
mod dns;
mod entry;
mod etcd;
mod freshness;
mod http_sd;
mod kubernetes;
mod registry;
mod xds;
mod zookeeper;

use super::nearest::nearest;
use super::table::Table;
use crate::discovery::url::{self, Scheme};
use crate::discovery::{ProviderConfig, Secret};
use crate::error::{Error, ErrorKind};
use crate::runtime::racy_lazy::RacyLazy;

/// The settings of all providers; [`Scheme::keys`] says which of them a source takes.
pub static PROVIDER: RacyLazy<Table<ProviderConfig>> = RacyLazy::new(|| {
    let own = [
        freshness::SETTINGS,
        registry::SETTINGS,
        dns::SETTINGS,
        entry::SETTINGS,
        etcd::SETTINGS,
        consul::SETTINGS,
        http_sd::SETTINGS,
        zookeeper::SETTINGS,
        kubernetes::SETTINGS,
        xds::SETTINGS,
    ];
    Table::new("ahoy_provider_", ProviderConfig::default, &own)
});

/// What the provider is told that `url` names, its options included.
///
/// # Errors
/// The URL names no source, or an option is refused; nothing of its credentials is shown.
pub fn provider_of(url: &str) -> Result<ProviderConfig, Error> {
    let invalid = |problem: String| Error::invalid("url", problem);
    let parsed = url::parse(url).map_err(invalid)?;
    let mut config = ProviderConfig { target: parsed.target, ..ProviderConfig::default() };
    let scheme = scheme_of(&config);
    if let Some((name, password)) = parsed.user {
        if !scheme.is_some_and(|scheme| scheme.takes("username")) {
            return Err(Error::invalid(
                "url",
                "holds credentials, which its scheme has no use for",
            ));
        }
        (config.registry.username, config.registry.password) = (Some(name), password);
    }
    let mut seen: Vec<&str> = Vec::new();
    for (key, value) in &parsed.options {
        if seen.contains(&key.as_str()) {
            return Err(Error::invalid("url", format!("states {key} twice")));
        }
        seen.push(key);
        let set = set_provider(&mut config, key, value);
        set.map_err(|error| error.renamed("key", "url").renamed("value", "url"))?;
    }
    if let Some(scheme) = scheme {
        if let Some(feature) = scheme.missing_feature() {
            let name = scheme.name;
            let message = format!(
                "url: this build of the library has no {name}:// (cargo feature {feature})"
            );
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        scheme.source(&config).map_err(invalid)?;
    }
    config.url = Some(Secret::new(url));
    Ok(config)
}

/// Sets one option of a provider by name.
///
/// # Errors
/// The provider's source has no such option, or the value is refused.
pub fn set_provider(config: &mut ProviderConfig, key: &str, value: &str) -> Result<(), Error> {
    match scheme_of(config) {
        Some(scheme) => set_known(config, &keys_of(scheme), key, value)?,
        None => set_known(config, url::COMMON, key, value)?,
    }
    // What a client's text shows is the URL, so it says what was set beside it as well.
    if let Some(told) = &mut config.url {
        *told = Secret::new(url::with_option(told.reveal(), key, value));
    }
    Ok(())
}

/// The same for a provider whose list a function of the host tells.
///
/// # Errors
/// As above.
pub fn set_callback(config: &mut ProviderConfig, key: &str, value: &str) -> Result<(), Error> {
    set_known(config, OF_CALLBACKS, key, value)
}

fn set_known(
    config: &mut ProviderConfig,
    known: &[&'static str],
    key: &str,
    value: &str,
) -> Result<(), Error> {
    if known.contains(&key) {
        return PROVIDER.set(config, key, value);
    }
    let nearest = match nearest(known.iter().copied(), key) {
        Some(nearest) => format!("the nearest is {nearest}"),
        None => format!("it has {}", known.join(", ")),
    };
    let message = format!("key: {key}: the provider has no such option; {nearest}");
    Err(Error::new(ErrorKind::UnknownOption, message))
}

/// The options of a provider whose list a function of the host tells.
const OF_CALLBACKS: &[&str] = &["callbacks", "empty_hold"];

/// The sources that take the option called `key`, by their schemes.
#[must_use]
pub fn taken_by(key: &str) -> String {
    if url::COMMON.contains(&key) {
        let callbacks = if OF_CALLBACKS.contains(&key) { " and callbacks" } else { "" };
        return format!("all URLs{callbacks}");
    }
    let schemes = url::SCHEMES.iter().filter(|scheme| scheme.takes(key));
    let callbacks = OF_CALLBACKS.contains(&key).then_some("callbacks");
    schemes.map(|scheme| scheme.name).chain(callbacks).collect::<Vec<_>>().join(", ")
}

fn scheme_of(config: &ProviderConfig) -> Option<&'static Scheme> {
    url::scheme(config.target.scheme)
}

fn keys_of(scheme: &Scheme) -> Vec<&'static str> {
    url::COMMON.iter().chain(scheme.keys).copied().collect()
}
