//! Where the API server is and what account asks it: what the provider was told, a kubeconfig file, or the pod's own account.
//!
//! The files are read when a session begins, and a token's within each minute, as the cluster replaces it within the
//! hour. Nothing is read from the environment: inside of a cluster the server has a name.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use url::Url;

use super::kubeconfig::{Access, Part};
use crate::discovery::config::{KubernetesConfig, RegistryConfig, Secret};
use crate::discovery::source::SessionEnd;
use crate::discovery::source_context::SourceContext;
use crate::discovery::wire::http::{HttpClient, TokenForm};
use crate::discovery::wire::{RegistryCache, connections_over, read};
use crate::endpoint::{Endpoint, Host, Scheme, without_brackets};
use crate::transport::TlsConfig;

/// Where a pod finds its account.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// What the server's authority and the client's certificate come from.
const FILES: &str = "ca_file, cert_file, key_file or the kubeconfig's certificates";
/// The API server as pods know it.
const IN_CLUSTER: &str = "https://kubernetes.default.svc";

/// An API server, and a client that asks it.
pub(super) struct Server {
    pub(super) http: HttpClient,
    /// What stands before each path.
    pub(super) prefix: String,
    /// The namespace where none is named.
    pub(super) namespace: Option<String>,
}

impl Server {
    /// Finds the server and the credentials.
    ///
    /// # Errors
    /// Says which file cannot be read or what is wrong with it, and nothing that it holds.
    pub(super) fn find(
        kubernetes: &KubernetesConfig,
        registry: &RegistryConfig,
        context: &SourceContext,
        cache: &Arc<RegistryCache>,
    ) -> Result<Self, SessionEnd> {
        let access = access(kubernetes, registry)?;
        let mut tls = TlsConfig::default();
        if let Some(authority) = &access.authority {
            tls.platform_roots = false;
            tls.extra_roots_pem.push(authority.bytes()?);
        }
        if let Some((certificate, key)) = &access.identity {
            tls.identity = Some((certificate.bytes()?, key.bytes()?));
        }
        let (server, prefix) = server(&access)?;
        let mut registry = registry.clone();
        (registry.token, registry.token_file) = match access.token {
            None => (None, None),
            Some(Part::File(file)) => (None, Some(file)),
            Some(Part::Inline(token)) => {
                let token =
                    String::from_utf8(token).map_err(|_| refused("the token is no text"))?;
                (Some(Secret::new(token)), None)
            }
        };
        let servers = vec![Arc::new(server)];
        let (config, form) = (connections_over(FILES, tls, context, cache)?, TokenForm::Bearer);
        let http = HttpClient::over(config, servers, &registry, form, cache);
        Ok(Self { http, prefix, namespace: access.namespace })
    }
}

fn refused(problem: &str) -> SessionEnd {
    SessionEnd::Refused(problem.to_owned())
}

fn access(kubernetes: &KubernetesConfig, registry: &RegistryConfig) -> Result<Access, SessionEnd> {
    let mut access = match (&kubernetes.kubeconfig, &kubernetes.server) {
        (Some(file), _) => {
            let text = String::from_utf8(read("kubeconfig", file)?);
            let text = text.map_err(|_| refused("kubeconfig is not UTF-8"))?;
            let directory = file.parent().unwrap_or_else(|| Path::new("/"));
            let context = kubernetes.context.as_deref();
            Access::read(&text, directory, context).map_err(SessionEnd::Refused)?
        }
        (None, Some(_)) => Access::default(),
        (None, None) => in_cluster()?,
    };
    // What the provider was told goes before what the files say.
    if let Some(server) = &kubernetes.server {
        access.server.clone_from(server);
    }
    let file = |file: &PathBuf| Part::File(file.clone());
    access.authority = registry.ca_file.as_ref().map(file).or(access.authority);
    let identity = registry.cert_file.as_ref().map(file).zip(registry.key_file.as_ref().map(file));
    access.identity = identity.or(access.identity);
    let token = registry.token.as_ref().map(|token| Part::Inline(token.reveal().into()));
    access.token = registry.token_file.as_ref().map(file).or(token).or(access.token);
    Ok(access)
}

/// The account of the pod that this process runs in.
fn in_cluster() -> Result<Access, SessionEnd> {
    let file = |name: &str| Path::new(ACCOUNT).join(name);
    if !file("token").exists() {
        return Err(refused("not in a cluster: set kubeconfig or kubernetes_server"));
    }
    let namespace = read("namespace", &file("namespace"))?;
    Ok(Access {
        server: IN_CLUSTER.to_owned(),
        authority: Some(Part::File(file("ca.crt"))),
        token: Some(Part::File(file("token"))),
        namespace: String::from_utf8(namespace).ok(),
        ..Access::default()
    })
}

/// The server of a URL, and its path.
fn server(access: &Access) -> Result<(Endpoint, String), SessionEnd> {
    let wrong = || {
        refused(
            "the server, of kubernetes_server or the kubeconfig, is no URL such as https://host:port",
        )
    };
    let url = Url::parse(&access.server).map_err(|_| wrong())?;
    let scheme = match url.scheme() {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => return Err(wrong()),
    };
    let address = url.host_str().and_then(without_brackets).ok_or_else(wrong)?;
    let port = url.port_or_known_default().ok_or_else(wrong)?;
    let mut host = Host::checked(address, port).map_err(|_| wrong())?;
    host.scheme = Some(scheme);
    host.server_name.clone_from(&access.server_name);
    Ok((Endpoint::new(host), url.path().trim_end_matches('/').to_owned()))
}

impl Part {
    /// Its bytes as they are now.
    fn bytes(&self) -> Result<Vec<u8>, SessionEnd> {
        match self {
            Self::Inline(bytes) => Ok(bytes.clone()),
            Self::File(path) => read("the file", path),
        }
    }
}
