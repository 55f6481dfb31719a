//! What tells one source's list from another's on disk.
//!
//! A text for people leaves out what is long or secret, as a query or an account. Here all counts that selects endpoints:
//! a list that was kept for one selection is none of another. What only says how to ask, such as limits, tokens and
//! certificates, may change between two starts.

use std::fmt;

use xxhash_rust::xxh64::Xxh64;

use super::config::{
    ConsulConfig, DnsConfig, EntryConfig, EtcdConfig, KubernetesConfig, ProviderConfig, XdsConfig,
};
use super::target::Target;

/// The hash of all that selects the endpoints of one source; it is the same in each process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceIdentity(u64);

impl SourceIdentity {
    /// That of the source which `config` names.
    #[must_use]
    pub fn of(config: &ProviderConfig) -> Self {
        let ProviderConfig { target, registry, dns, entry, etcd, consul, kubernetes, xds, .. } =
            config;
        let Target { scheme, authority, path } = target;
        let mut parts = Parts::new(scheme);
        parts.add("authority", authority).add("path", path);
        // With TLS a server without a port is another one, and an account may have a view of its own.
        parts.add("tls", registry.tls).add_some("username", registry.username.as_ref());
        parts.add_names(dns).add_entries(entry);
        let EtcdConfig { prefix } = etcd;
        parts.add_some("etcd_prefix", prefix.as_ref());
        let ConsulConfig { datacenter, tag, passing } = consul;
        parts.add_some("consul_datacenter", datacenter.as_ref());
        parts.add_some("consul_tag", tag.as_ref()).add("consul_passing", passing);
        let KubernetesConfig { server, kubeconfig, context, port } = kubernetes;
        parts.add_some("kubernetes_server", server.as_ref());
        parts.add_some("kubeconfig", kubeconfig.as_ref().map(|path| path.display()));
        parts.add_some("kubeconfig_context", context.as_ref()).add_some("port", port.as_ref());
        let XdsConfig { node_id, node_cluster } = xds;
        parts.add_some("xds_node_id", node_id.as_ref());
        parts.add_some("xds_node_cluster", node_cluster.as_ref());
        parts.whole()
    }

    /// That of a list which the host tells itself.
    #[must_use]
    pub fn of_host() -> Self {
        Parts::new("host").whole()
    }

    /// That of sources which are combined, in their order.
    #[must_use]
    pub fn combined(combine: &str, sources: impl IntoIterator<Item = Self>) -> Self {
        let mut parts = Parts::new(combine);
        for source in sources {
            parts.add("part", source);
        }
        parts.whole()
    }
}

impl fmt::Display for SourceIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What is hashed: parts with their names and lengths, so that none runs into the next.
struct Parts(Xxh64);

impl Parts {
    fn new(kind: &str) -> Self {
        let mut parts = Self(Xxh64::new(0));
        parts.add("kind", kind);
        parts
    }

    fn add(&mut self, name: &str, value: impl fmt::Display) -> &mut Self {
        let value = value.to_string();
        self.0.update(format!("{name} {}:{value}\n", value.len()).as_bytes());
        self
    }

    fn add_some(&mut self, name: &str, value: Option<impl fmt::Display>) -> &mut Self {
        match value {
            Some(value) => self.add(name, value),
            None => self,
        }
    }

    fn add_names(&mut self, dns: &DnsConfig) -> &mut Self {
        for server in &dns.servers {
            self.add("dns_server", server);
        }
        self.add("family", dns.family as u8)
    }

    fn add_entries(&mut self, entry: &EntryConfig) -> &mut Self {
        let EntryConfig { form, endpoint, place } = entry;
        self.add("entry", *form as u8).add("entry_from", *place as u8);
        self.add_some("entry_endpoint", endpoint.as_ref())
    }

    fn whole(&self) -> SourceIdentity {
        SourceIdentity(self.0.digest())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(change: impl FnOnce(&mut ProviderConfig)) -> SourceIdentity {
        let mut config = ProviderConfig::default();
        config.target.scheme = "etcd";
        change(&mut config);
        SourceIdentity::of(&config)
    }

    #[test]
    fn what_selects_makes_another_source_and_how_it_is_asked_does_not() {
        let plain = with(|_| ());
        let others = [
            with(|it| it.target.path = "/web?tag=a".to_owned()),
            with(|it| it.target.path = "/web?tag=b".to_owned()),
            with(|it| it.etcd.prefix = Some("web".to_owned())),
            with(|it| it.entry.endpoint = Some("web".to_owned())),
            with(|it| it.entry.form = super::super::config::EntryForm::Text),
            with(|it| it.dns.family = super::super::config::Family::V4),
            with(|it| it.kubernetes.server = Some("web".to_owned())),
            with(|it| it.kubernetes.context = Some("web".to_owned())),
            with(|it| it.registry.username = Some("web".to_owned())),
        ];
        for (at, other) in others.iter().enumerate() {
            assert_ne!(*other, plain, "{at}");
            assert!(!others[..at].contains(other), "{at}");
        }
        let token = with(|it| it.registry.token = Some(super::super::config::Secret::new("s")));
        assert_eq!((token, with(|it| it.dns.timeout *= 2)), (plain, plain));
    }

    #[test]
    fn parts_do_not_run_into_each_other_and_their_order_counts() {
        let target = |authority: &str, path: &str| {
            with(|it| {
                (it.target.authority, it.target.path) = (authority.to_owned(), path.to_owned());
            })
        };
        assert_ne!(target("ab", "c"), target("a", "bc"));
        let (one, other) = (target("a", ""), target("b", ""));
        let combined = |parts: [SourceIdentity; 2]| SourceIdentity::combined("all of", parts);
        assert_ne!(combined([one, other]), combined([other, one]));
        assert_ne!(combined([one, one]), SourceIdentity::combined("all of", [one]));
    }
}
