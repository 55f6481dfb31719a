//! The client: a route, a configuration and hooks, safe from any thread.
//!
//! [`attempt`] has the way of one request; everything else here is what it walks over.

mod attempt;
mod balancer;
mod call;
mod carrier;
mod circuit;
mod hooks;
mod lease;
mod log;
mod roster;
mod route;
mod story;

use std::sync::Arc;

pub use balancer::Balancer;
pub use circuit::Circuit;
pub use hooks::{Hooks, OnError, OnRequest, OnResponse};
pub use log::{Level, Log, Sink};
pub use roster::{Member, Roster};
pub use route::Route;

use self::call::Call;
use self::carrier::{Carrier, resolver};
use crate::config::ClientConfig;
use crate::error::{Error, ErrorKind};
use crate::request::Request;
use crate::response::Response;
use crate::runtime::shard::{self, Tenant};
use crate::runtime::callback;
use crate::transport::Tls;

/// A resilient HTTP client.
#[derive(Debug)]
pub struct Client {
    config: ClientConfig,
    route: Route,
    hooks: Hooks,
    log: Log,
    tls: Arc<Tls>,
    tenant: Tenant,
}

impl Client {
    /// A client for `route`.
    ///
    /// # Errors
    /// The options do not go together, or the TLS material is unusable.
    pub fn new(config: ClientConfig, route: Route, hooks: Hooks, log: Log) -> Result<Self, Error> {
        config.check(matches!(route, Route::Balanced(_)))?;
        let tls = Tls::new(config.tls.clone()).map_err(|problem| Error::invalid("tls", problem))?;
        Ok(Self {
            config,
            route,
            hooks,
            log,
            tls: Arc::new(tls),
            tenant: Tenant::new(),
        })
    }

    /// Sends `request` and waits for its answer, driving the work on this thread.
    ///
    /// # Errors
    /// The request does not fit the client, no answer came, or this is a callback, where it would deadlock.
    pub fn send(&self, request: &Request) -> Result<Response, Error> {
        if callback::is_inside() {
            let message = "a blocking call inside a callback would deadlock";
            return Err(Error::new(ErrorKind::WouldDeadlock, message));
        }
        if let Route::Balanced(balancer) = &self.route {
            balancer.prepare()?;
        }
        let call = Call::new(self, request)?;
        match self.route {
            // The direct transport's writes raise no SIGPIPE; reqwest's may.
            Route::Balanced(_) => self.drive(&call),
            Route::Base { .. } | Route::Absolute => callback::without_sigpipe(|| self.drive(&call)),
        }
    }

    fn drive(&self, call: &Call<'_>) -> Result<Response, Error> {
        let out_of_resources =
            |error: std::io::Error| Error::new(ErrorKind::Overloaded, format!("no shard: {error}"));
        let resolver = resolver().map_err(out_of_resources)?;
        let attach = || Carrier::new(self, resolver);
        let work = |carrier: Arc<Carrier>| async move { attempt::run(call, &*carrier).await };
        shard::drive(&self.tenant, attach, work).map_err(out_of_resources)?
    }
}
