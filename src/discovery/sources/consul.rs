//! The instances of a service in Consul that take calls, by blocking queries.
//!
//! Each answer has an index, and the next question waits at the server until that has grown, for less than the
//! registry's `silence`. An index of 0, or one lower than before, as after a server's restart, begins anew without one.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use ::http::{HeaderMap, StatusCode};
use tokio::time::sleep_until;
use url::form_urlencoded::byte_serialize;

use crate::discovery::config::{ConsulConfig, ProviderConfig, RegistryConfig};
use crate::discovery::scheme::Scheme;
use crate::discovery::source::{Session, SessionEnd, Source, UpdateChannel, session};
use crate::discovery::source_context::SourceContext;
use crate::discovery::wire::http::{self, Answer, HttpClient, TokenForm};
use crate::discovery::wire::{RegistryCache, consul};
use crate::runtime::clock;

pub(in crate::discovery) const SCHEME: Scheme = Scheme {
    name: "consul",
    form: "consul://host:8500/service",
    purpose: "the instances of a service in Consul whose checks are not critical, by blocking queries",
    keys: &[
        "ca_file",
        "cert_file",
        "connect_timeout",
        "consul_datacenter",
        "consul_passing",
        "consul_tag",
        "key_file",
        "password",
        "silence",
        "tls",
        "token",
        "token_file",
        "username",
    ],
    make,
};

const PORT: u16 = 8500;
/// What is asked again without a change, or without an index to wait by, is asked no sooner.
const AT_MOST_EVERY: Duration = Duration::from_secs(1);
/// Consul waits no longer, whatever it is asked.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

fn make(config: &ProviderConfig) -> Result<Arc<dyn Source>, String> {
    let target = &config.target;
    let servers = target.servers(PORT)?;
    let service = target.path.trim_matches('/').to_owned();
    if service.is_empty() {
        return Err(format!("consul: the path names no service; write {}", SCHEME.form));
    }
    let (registry, config) = (config.registry.clone(), config.consul.clone());
    let (authority, cache) = (target.authority.clone(), Arc::default());
    Ok(Arc::new(Consul { authority, servers, service, config, registry, cache }))
}

#[derive(Debug)]
struct Consul {
    authority: String,
    servers: Vec<(String, u16)>,
    service: String,
    config: ConsulConfig,
    registry: RegistryConfig,
    cache: Arc<RegistryCache>,
}

impl Source for Consul {
    fn watch<'a>(&'a self, context: &'a SourceContext, updates: &'a UpdateChannel) -> Session<'a> {
        session(self.session(context, updates))
    }

    fn describe(&self) -> String {
        let (mut text, mut mark) = (format!("consul://{}/{}", self.authority, self.service), '?');
        let ConsulConfig { datacenter, tag, passing } = &self.config;
        let passing = passing.then(|| "true".to_owned());
        let stated = [("datacenter", datacenter), ("passing", &passing), ("tag", tag)];
        for (key, value) in
            stated.into_iter().filter_map(|(key, value)| Some((key, value.as_ref()?)))
        {
            text += &format!("{mark}consul_{key}={value}");
            mark = '&';
        }
        text
    }
}

impl Consul {
    async fn session(
        &self,
        context: &SourceContext,
        updates: &UpdateChannel,
    ) -> Result<Infallible, SessionEnd> {
        let (registry, form) = (&self.registry, TokenForm::Bearer);
        let http = HttpClient::new(registry, &self.servers, form, context, &self.cache)?;
        let (mut index, mut instances) = (0, consul::Instances::default());
        loop {
            let begun = clock::now();
            let (path, headers) = (self.path(index), HeaderMap::new());
            let answer = match index {
                0 => http.awaited(updates, http.get(&path, &headers)).await?,
                _ => http.get_held(&path, &headers, registry.silence).await?,
            };
            if answer.status != StatusCode::OK {
                return Err(refused(answer.status, &answer.headers));
            }
            index = index_after(index, &answer);
            let not_consul = |why| SessionEnd::Failed(format!("Consul's answer is {why}"));
            let entries = instances.read(&answer.body).map_err(not_consul)?;
            // Without an index the next question is answered at once.
            let is_held_back = entries.is_none() || index == 0;
            match entries {
                Some(entries) => entries.tell(updates),
                None => updates.alive(),
            }
            if is_held_back {
                sleep_until((begun + AT_MOST_EVERY).into()).await;
            }
        }
    }

    fn path(&self, index: u64) -> String {
        let mut path = format!("/v1/health/service/{}?", escaped(&self.service));
        if self.config.passing {
            path += "passing=1&";
        }
        for (key, value) in [("dc", &self.config.datacenter), ("tag", &self.config.tag)] {
            if let Some(value) = value {
                path += &format!("{key}={}&", escaped(value));
            }
        }
        if index > 0 {
            // Consul waits for up to a sixteenth longer, so that its clients do not ask all at once.
            let wait = self.registry.silence.min(LONGEST_WAIT) * 15 / 17;
            path += &format!("wait={}ms&index={index}", wait.as_millis());
        }
        path
    }
}

/// What the next question waits on.
fn index_after(before: u64, answer: &Answer) -> u64 {
    let index = answer.headers.get("x-consul-index").and_then(|index| index.to_str().ok());
    let index = index.and_then(|index| index.parse().ok()).unwrap_or(0);
    if index < before { 0 } else { index }
}

fn refused(status: StatusCode, headers: &HeaderMap) -> SessionEnd {
    match status {
        StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => {
            SessionEnd::Refused(format!("Consul refused the token (status {})", status.as_u16()))
        }
        StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND => {
            SessionEnd::Refused(format!("Consul refused the question (status {})", status.as_u16()))
        }
        _ => {
            let problem = format!("Consul answered with status {}", status.as_u16());
            http::failed(problem, status, headers)
        }
    }
}

fn escaped(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}
