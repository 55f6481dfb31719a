//! A client's whole configuration as one text.

use std::ffi::c_char;
use std::path::Path;
use std::sync::Arc;

use super::builder::ahoy_client_builder;
use super::client::ahoy_client;
use crate::client::{Client, Hooks, Log};
use crate::discovery::{Supply, Watch};
use crate::document::{self, CurrentClient, Loaders};
use crate::error::{Error, ErrorKind};
use crate::ffi::balancer::balancer::ahoy_balancer;
use crate::ffi::values::entry;
use crate::ffi::values::error::ahoy_error;
use crate::ffi::values::handle::Out;
use crate::ffi::values::made_text::ahoy_text;
use crate::ffi::values::status::ahoy_status;
use crate::options;
use crate::runtime::files;

/// Makes a client from one text in JSON, which can hold all that a builder can be told but
/// functions: hosts, the URL of a provider or a base URL, balancer, circuits, retries, headers,
/// files of certificates, and every option by its key.
///
///     { "hosts": ["10.0.0.7:8080"], "timeout": "2s", "retry": { "tries": 2 } }
///
/// What the text does not name has its default. docs/configuration.md tells all keys, and
/// docs/ahoy.schema.json is a JSON schema for it. Files are read now, each up to 1 MiB; nothing is
/// contacted, as by ahoy_client_builder_build.
///
/// @param json not kept
/// @param client gets the client, to be freed with ahoy_client_free; NULL on failure
/// @return AHOY_E_INVALID_ARGUMENT, or AHOY_E_UNKNOWN_OPTION where nothing is wrong but unknown
///         keys. The error names every fault, a line each, with its path in the text, such as
///         "balancer.subset: is 0; the least is 1"; it quotes no header and no credential
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_from_config(
    json: *const c_char,
    client: *mut *mut ahoy_client,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |client: Out<ahoy_client>, json: &str| {
        let (config, route) = document::read(json, &loaders(), None)?.into_client();
        let made = Client::new(config, route, Hooks::default(), Log::default(), Vec::new())?;
        let made = Arc::new(made);
        made.warm_up();
        client.fill(ahoy_client::from(made));
        Ok(())
    })
}

/// Sets everything that a text in JSON can hold (ahoy_client_from_config), in place of all that was
/// set before; hooks, log and events stay.
///
/// @param json not kept
/// @return as ahoy_client_from_config; on failure nothing is changed
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_config(
    builder: *mut ahoy_client_builder,
    json: *const c_char,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder, json: &str| {
        let (config, route) = document::read(json, &loaders(), None)?.into_client();
        builder.config = config;
        builder.set_route(route);
        Ok(())
    })
}

/// The configuration of a client as a text in JSON, as ahoy_client_from_config reads it: every
/// option that is in effect, hosts, balancer, circuits, retries, headers and files.
///
/// "****" stands for what the text does not show:
///
/// - the values of headers, but for a few such as Accept and User-Agent;
/// - the user and password of a proxy; user, password, token and query of a registry;
/// - certificates and keys that were given as bytes;
/// - a provider or balancer that is a function of the host, and a provider of other providers.
///
/// Where nothing is masked, the text makes a client of the same configuration. With a mask in it,
/// reading it fails and names the mask.
///
/// @param text gets the text, to be freed with ahoy_text_free; NULL on failure
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_config_text(
    client: *const ahoy_client,
    text: *mut *mut ahoy_text,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |text: Out<ahoy_text>, client: &ahoy_client| {
        let client = client.native().present();
        text.fill(ahoy_text::from(document::write(client.config(), client.route()).as_str()));
        Ok(())
    })
}

/// Replaces the configuration of a client by that of a text (ahoy_client_from_config), all of it or
/// nothing. What the text does not name has its default, as for a new client. Calls under way go by
/// the configuration that they began with; hooks, log and events stay.
///
/// Endpoints that the text still has keep their circuits, statistics and connections.
/// Connections are made anew where a setting of connections is another: those of TLS, proxy,
/// HTTP/2, sockets, resolver, max_stale, redirects, warm_up, connect_timeout, idle_timeout,
/// max_connection_age and the limits on connections.
///
/// A text without hosts, provider and base_url leaves the hosts as they are; with neither balancer
/// nor breaker in it, the balancer as well. "****" stands for what the client has at present, so
/// the text of ahoy_client_config_text can be changed and given back. In a list it stands for what
/// the client has at the same place, so the list has as many entries as the client's.
///
/// Where the balancer or its circuits change, a provider that is a function of the host is asked
/// for its list, and one that a new URL names takes over with the first list that it tells. A
/// balancer can be changed only while this client alone has it: always one that a text made, and
/// any other once all other clients, builders and the handle that have it are freed. Retry rules
/// and circuit rules were copied from their handles.
///
/// Blocks for as long as a provider takes to answer.
///
/// @param json not kept
/// @return as ahoy_client_from_config; AHOY_E_IN_USE if the balancer would change and is not this
///         client's alone; AHOY_E_DISCOVERY if the provider failed; AHOY_E_CLOSED;
///         AHOY_E_WOULD_DEADLOCK inside a callback. On failure nothing is changed
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_reconfigure(
    client: *const ahoy_client,
    json: *const c_char,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |client: &ahoy_client, json: &str| {
        client.native().reconfigure(|client| {
            let (config, route) = (client.config(), client.route());
            let present = CurrentClient { client: config, route };
            Ok(document::read(json, &loaders(), Some(present))?.into_plan(route))
        })
    })
}

/// Gives the balancer of a client: to explain it, or to drain an endpoint, also where a text made
/// the client and the balancer with it.
///
/// It is the client's present one. Once ahoy_client_reconfigure has changed the balancer, the handle
/// shows what the former one was: ask again. The handle does not stand in the way of such a change.
///
/// @param balancer gets a handle of its own, in use and to be freed with ahoy_balancer_free; NULL on
///        failure
/// @return AHOY_E_UNSUPPORTED for a client without one: it has a base URL, or neither that nor hosts
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_balancer(
    client: *const ahoy_client,
    balancer: *mut *mut ahoy_balancer,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |balancer: Out<ahoy_balancer>, client: &ahoy_client| {
        let client = client.native().kept();
        let none =
            || Error::new(ErrorKind::Unsupported, "client: has no balancer, for it has no hosts");
        balancer.fill(ahoy_balancer::of(client.route().balancer().ok_or_else(none)?));
        Ok(())
    })
}

const fn loaders() -> Loaders<'static> {
    Loaders { read_file: &read_file, provider: &provider_of }
}

/// The provider of a URL.
fn provider_of(url: &str) -> Result<Supply, Error> {
    let config = options::provider_of(url)?;
    Ok(Supply::Watched(Arc::new(Watch::of(&config))))
}

/// The content of a file of certificates or keys.
fn read_file(name: &str) -> Result<Vec<u8>, String> {
    let told = |error: std::io::Error| error.to_string();
    let content = files::read(Path::new(name), MOST_FILE).map_err(told)?.ok_or("is not a file")?;
    if content.len() as u64 > MOST_FILE {
        return Err("is larger than 1 MiB".to_owned());
    }
    Ok(content)
}

/// Several times the platforms' bundles of all certificates.
const MOST_FILE: u64 = 1 << 20;
