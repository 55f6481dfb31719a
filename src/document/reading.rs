//! From a text to the configuration that it describes, with all its faults at once.

use std::sync::Arc;

use super::balancer;
use super::faults::Faults;
use super::headers;
use super::hosts;
use super::json::Json;
use super::object::{MASK, MASKED, MASKED_OTHER, Object, text};
use super::section;
use super::tls::{self, ReadFile};
use super::writing::shown_provider;
use crate::client::Route;
use crate::config::{BalancerConfig, ClientConfig};
use crate::discovery::Supply;
use crate::endpoint::Host;
use crate::error::Error;
use crate::options::{CLIENT, RETRY};
use crate::transport::Tls;

/// What a text says.
#[derive(Debug)]
pub struct Document {
    /// The client's own settings, with those of its retries.
    pub client: ClientConfig,
    /// Where its requests go.
    pub route_spec: RouteSpec,
    /// The balancer's settings; `None` where the text has neither `balancer` nor `breaker`.
    pub balancer: Option<BalancerConfig>,
}

/// Where a text says that a client's requests go.
pub enum RouteSpec {
    /// The text does not say, or says that it stays as it is.
    Unstated,
    /// To these hosts.
    Hosts(Vec<Host>),
    /// To the hosts that this provider finds.
    Provider(Supply),
    /// To one URL.
    Base(Route),
}

/// The functions that load what a text refers to.
pub struct Loaders<'a> {
    /// Reads a file of certificates or keys.
    pub read_file: ReadFile<'a>,
    /// Makes the provider of a URL.
    pub provider: &'a MakeProvider,
}

/// Makes the provider of a URL.
pub type MakeProvider = dyn Fn(&str) -> Result<Supply, Error>;

/// A client that a text is to change: what the text masks stays as it is there.
#[derive(Clone, Copy, Debug)]
pub struct CurrentClient<'a> {
    /// Its settings.
    pub client: &'a ClientConfig,
    /// Where its requests go.
    pub route: &'a Route,
}

/// What a text says beside the client's settings.
pub(super) const KEYS: [&str; 10] = [
    "hosts",
    "provider",
    "base_url",
    "balancer",
    "breaker",
    "retry",
    "headers",
    "forward_headers",
    "forward_cookies",
    "tls",
];

impl std::fmt::Debug for RouteSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unstated => "Unstated",
            Self::Hosts(_) => "Hosts",
            Self::Provider(_) => "Provider",
            Self::Base(_) => "Base",
        })
    }
}

/// Reads a whole text; for a client that is there, with what it has `present`.
///
/// # Errors
/// Names every fault with its path in the text, a line each.
pub fn read(
    text: &str,
    loaders: &Loaders<'_>,
    present: Option<CurrentClient<'_>>,
) -> Result<Document, Error> {
    let json = Json::parse(text)?;
    let mut faults = Faults::default();
    let mut document = Document {
        client: ClientConfig::default(),
        route_spec: RouteSpec::Unstated,
        balancer: None,
    };
    if let Some(top) = Object::of(&json, "", &mut faults) {
        document.fill(top, loaders, present, &mut faults);
    }
    faults.or(document)
}

impl Document {
    fn fill(
        &mut self,
        mut top: Object<'_>,
        loaders: &Loaders<'_>,
        present: Option<CurrentClient<'_>>,
        faults: &mut Faults,
    ) {
        let kept = present.map(|present| present.client);
        let route = present.map(|present| present.route);
        self.route_spec = route_spec(&mut top, loaders, route, faults);
        let balancer = route.and_then(Route::balancer).map(|balancer| balancer.config());
        let stated = ["balancer", "breaker"].map(|key| top.has(key));
        self.balancer = balancer::read(&mut top, balancer, faults);
        let balanced = match self.route_spec {
            RouteSpec::Hosts(_) | RouteSpec::Provider(_) => true,
            RouteSpec::Unstated => balancer.is_some(),
            RouteSpec::Base(_) => false,
        };
        if !balanced && !faults.has_below(&["hosts", "provider"]) {
            let keys = ["balancer", "breaker"].into_iter().zip(stated);
            keys.filter(|(_, stated)| *stated)
                .for_each(|(key, _)| faults.add(key, "needs hosts or a provider"));
        }
        self.read_client(top, loaders, kept, faults);
        self.check(balanced, faults);
    }

    fn read_client(
        &mut self,
        mut top: Object<'_>,
        loaders: &Loaders<'_>,
        kept: Option<&ClientConfig>,
        faults: &mut Faults,
    ) {
        let config = &mut self.client;
        if let Some((json, path)) = top.take("retry")
            && let Some(object) = Object::of(json, &path, faults)
        {
            section::read(&RETRY, Arc::make_mut(&mut config.retry), object, &[], faults);
        }
        if let Some((json, path)) = top.take("headers") {
            headers::read(json, &path, config, kept.map(|kept| &kept.headers), faults);
        }
        if let Some((json, path)) = top.take("forward_headers") {
            headers::read_names(json, &path, |name| config.forward_header(name), faults);
        }
        if let Some((json, path)) = top.take("forward_cookies") {
            headers::read_names(json, &path, |name| config.forward_cookie(name), faults);
        }
        if let Some((json, path)) = top.take("tls") {
            tls::read(json, &path, config, kept, (loaders.read_file, faults));
        }
        if let Some((json, path)) = top.take_if("proxy", masks_proxy) {
            match kept {
                Some(kept) if kept.proxy.is_shown_as(json.as_text()) => {
                    config.proxy.keep_proxy_of(&kept.proxy);
                }
                Some(_) => faults.add(path, MASKED_OTHER),
                None => faults.add(path, MASKED),
            }
        }
        section::read(&CLIENT, config, top, &KEYS, faults);
    }

    /// Names what does not go together, unless its setting has a fault already.
    fn check(&self, balanced: bool, faults: &mut Faults) {
        if let Some(config) = &self.balancer {
            balancer::check(config, faults);
        }
        if let Err(error) = self.client.check(balanced) {
            for line in error.message().lines() {
                let (path, problem) = line.split_once(": ").unwrap_or(("json", line));
                if !faults.has(path) {
                    faults.add(path, problem);
                }
            }
        }
        if !faults.has_below(&["tls", "platform_roots"])
            && let Err(problem) = Tls::new(self.client.tls.clone(), None)
        {
            // Certificates of the object tls were looked at one by one: what is left are options of these names.
            let (path, problem) = problem.split_once(": ").unwrap_or(("platform_roots", &problem));
            if !faults.has(path) {
                faults.add(path, problem);
            }
        }
    }
}

/// Whether a proxy's user and password are masked.
fn masks_proxy(json: &Json) -> bool {
    json.as_text().is_some_and(|url| url.contains("//****@"))
}

fn route_spec(
    top: &mut Object<'_>,
    loaders: &Loaders<'_>,
    present: Option<&Route>,
    faults: &mut Faults,
) -> RouteSpec {
    let hosts = top.take("hosts").map(|(json, path)| {
        let hosts = hosts::read(json, &path, faults);
        if matches!(json, Json::List(items) if items.is_empty()) {
            faults.add(path, "is empty; it takes at least one host");
        }
        ("hosts", RouteSpec::Hosts(hosts))
    });
    let provider = top.take("provider").map(|(json, path)| {
        ("provider", provider(json, &path, loaders, present, faults).unwrap_or(RouteSpec::Unstated))
    });
    let base = top.take("base_url").map(|(json, path)| {
        let made = text(json, &path, faults).map(Route::base);
        let route =
            made.and_then(|made| made.map_err(|error| faults.add_error(&path, &error)).ok());
        ("base_url", route.map_or(RouteSpec::Unstated, RouteSpec::Base))
    });
    let mut stated = [hosts, provider, base].into_iter().flatten();
    let Some((first, spec)) = stated.next() else { return RouteSpec::Unstated };
    stated.for_each(|(other, _)| faults.add(other, format!("does not go with {first}")));
    spec
}

fn provider(
    json: &Json,
    path: &str,
    loaders: &Loaders<'_>,
    present: Option<&Route>,
    faults: &mut Faults,
) -> Option<RouteSpec> {
    let masked = present.and_then(shown_provider).filter(|shown| shown.contains(MASK));
    if masked.is_some() && json.as_text() == masked.as_deref() {
        return Some(RouteSpec::Unstated);
    }
    let url = text(json, path, faults)?;
    if url.contains(MASK) {
        faults.add(path, if present.is_some() { MASKED_OTHER } else { MASKED });
        return None;
    }
    match (loaders.provider)(url) {
        Ok(provider) => Some(RouteSpec::Provider(provider)),
        Err(error) => {
            faults.add_error(path, &error);
            None
        }
    }
}
