//! How a client connects.

use std::num::NonZeroUsize;

use crate::config::{ClientConfig, Http2, NameService};
use crate::options::form::{COUNT, Form, LIMIT, POSITIVE, WAIT};
use crate::options::setting::Setting;
use crate::options::value::{OFF, Value};

/// The choices of `http2`, by their numbers in C.
const HTTP2: [&str; 3] = ["false", "true", "prior_knowledge"];

/// The choices of `resolver`, by their numbers in C.
const RESOLVER: [&str; 2] = ["dns", "system"];

pub(super) const SETTINGS: &[Setting<ClientConfig>] = &[
    Setting::new("http2", Form::Choice(&HTTP2))
        .purpose("Whether HTTP/2 is spoken: true where TLS agrees on it (ALPN), prior_knowledge always, also without TLS; only for a client with a balancer")
        .cost("Calls share few connections, so one that is lost ends several; blocking calls are handed to an I/O thread.")
        .setter("set_http2")
        .needs("http2", cfg!(feature = "http2"))
        .field(
            |config| Some(Value::Word(HTTP2[config.http2 as usize])),
            |config, value| {
                config.http2 = match value.word()? {
                    "true" => Http2::Alpn,
                    "prior_knowledge" => Http2::PriorKnowledge,
                    _ => Http2::Off,
                };
                Ok(())
            },
        ),
    Setting::new("idle_timeout", WAIT)
        .purpose("How long an unused connection is kept; for a second less than its server says, where that is shorter (Keep-Alive: timeout=)")
        .cost("Endpoints hold idle connections for longer; one that a server closed first costs a retry.")
        .setter("set_idle_timeout_ms")
        .field(
            |config| Some(config.idle_timeout.into()),
            |config, value| {
                config.idle_timeout = value.duration()?;
                Ok(())
            },
        ),
    Setting::new("max_idle_per_endpoint", COUNT)
        .purpose("How many unused connections to one endpoint each I/O thread, and each blocking caller, keeps; not over HTTP/2, where there are at most 4")
        .cost("A descriptor here and at the endpoint for each.")
        .setter("set_max_idle_per_endpoint")
        .field(
            |config| Some(config.max_idle_per_endpoint.into()),
            |config, value| {
                config.max_idle_per_endpoint = value.size()?;
                Ok(())
            },
        ),
    Setting::new("max_connections_per_endpoint", POSITIVE)
        .or(&[OFF])
        .purpose("How many connections to one endpoint each I/O thread has, used and unused; a call that finds none free waits for one: as long as it may take, but while another endpoint stands by no longer than it may connect. A blocking call has one at a time; over HTTP/2 there are at most 4")
        .cost("A descriptor here and at the endpoint for each.")
        .setter("set_max_connections_per_endpoint")
        .field(
            |config| Some(Value::or_off(config.max_connections_per_endpoint.map(NonZeroUsize::get))),
            |config, value| {
                let most = value.unless_off(Value::size)?;
                config.max_connections_per_endpoint = most.and_then(NonZeroUsize::new);
                Ok(())
            },
        ),
    Setting::new("max_connection_age", LIMIT)
        .purpose("How long a connection is used, give or take a tenth, so that load follows changes of the endpoints")
        .cost("Load takes longer to move to new endpoints; lowering it means more handshakes.")
        .setter("set_max_connection_age_ms")
        .field(
            |config| Some(config.max_connection_age.into()),
            |config, value| {
                config.max_connection_age = value.duration()?;
                Ok(())
            },
        ),
    Setting::new("warm_up", Form::Count(0, 64))
        .purpose("How many connections to each endpoint an I/O thread opens in the background when the client is built and when an endpoint joins, at most 256 at a time and over HTTP/2 one each; what fails is left to the calls and counts with no circuit. Only for a client with a balancer")
        .cost("Connections that may never be used, from every client at once where many start together.")
        .setter("set_warm_up")
        .field(
            |config| Some(config.warm_up.into()),
            |config, value| {
                config.warm_up = value.size()?;
                Ok(())
            },
        ),
    Setting::new("platform_roots", Form::Flag)
        .purpose("Whether the platform's certificates are trusted for https")
        .cost("Without them, only what ahoy_client_builder_add_ca_pem and ca_file name is trusted, and without either the client cannot be built.")
        .setter("set_platform_roots")
        .field(
            |config| Some(config.tls.platform_roots.into()),
            |config, value| {
                config.tls.platform_roots = value.flag()?;
                Ok(())
            },
        ),
    Setting::new("proxy", Form::Text("the url of a proxy"))
        .or(&[OFF])
        .purpose("The proxy for all calls: http://, https:// or socks5h://, then user:password@ where it wants them, and host:port; only for a client without a balancer")
        .cost("Every failure but that of connecting counts as sent, so less is retried.")
        .setter("set_proxy")
        .needs("proxy", cfg!(feature = "proxy"))
        .field(
            |config| Some(config.proxy.shown().map_or(Value::Word(OFF), Value::Text)),
            |config, value| match value.unless_off(Value::text)? {
                None => {
                    config.proxy.set_proxy("off")?;
                    Ok(())
                }
                Some(url) => Ok(config.proxy.set_proxy(&url)?),
            },
        ),
    Setting::new("no_proxy", Form::Text("names, addresses and networks, separated by commas"))
        .or(&[OFF])
        .purpose("Which hosts are reached without the proxy: names, addresses and networks separated by commas, or *")
        .cost("Calls to these hosts pass by the proxy.")
        .setter("set_no_proxy")
        .needs("proxy", cfg!(feature = "proxy"))
        .field(
            |config| Some(Value::or_off(config.proxy.no_proxy())),
            |config, value| {
                let hosts = value.unless_off(Value::text)?;
                Ok(config.proxy.set_no_proxy(hosts.as_deref().unwrap_or_default())?)
            },
        ),
    Setting::new("proxy_from_environment", Form::Flag)
        .purpose("Whether proxies are taken from the environment when the client is built, where none is set")
        .cost("Reading the environment races a host's setenv.")
        .setter("set_proxy_from_environment")
        .needs("proxy", cfg!(feature = "proxy"))
        .field(
            |config| Some(config.proxy.from_environment.into()),
            |config, value| {
                config.proxy.from_environment = value.flag()?;
                Ok(())
            },
        ),
    Setting::new("resolver", Form::Choice(&RESOLVER))
        .purpose("What is asked for the addresses of names: dns asks the hosts file and the servers in resolv.conf, system asks the C library, which knows nsswitch.conf and mDNS")
        .cost("system costs up to 8 threads while names are resolved, each of which a silent name service can hold for 30 s.")
        .setter("set_resolver")
        .field(
            |config| Some(Value::Word(RESOLVER[config.names.service as usize])),
            |config, value| {
                config.names.service = match value.word()? {
                    "system" => NameService::System,
                    _ => NameService::Dns,
                };
                Ok(())
            },
        ),
    Setting::new("max_stale", WAIT)
        .purpose("How long the last known addresses of a name go on serving beyond their time to live, while the name service is silent or fails (RFC 8767)")
        .cost("Calls go to addresses that may long belong to another service.")
        .setter("set_max_stale_ms")
        .field(
            |config| Some(config.names.max_stale.into()),
            |config, value| {
                config.names.max_stale = value.duration()?;
                Ok(())
            },
        ),
];
