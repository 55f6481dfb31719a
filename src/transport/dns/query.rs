//! One question to the name servers.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::{DnsError, NoRecords};
use hickory_resolver::proto::rr::{Name, RecordType};

use super::LookupError;
use super::known::Answer;
use super::noted::{Asker, Noted};
use super::search::SearchList;
use super::system;
use crate::runtime::os_error::shortage;

/// The questions about a name, in the order of their answers: IPv6 before IPv4.
pub(super) const QUESTIONS: [RecordType; 2] = [RecordType::AAAA, RecordType::A];

/// Name servers, and where they are asked for names that need not be full.
#[derive(Clone)]
pub(in crate::transport) struct Servers {
    pub(super) asker: Asker,
    pub(super) search: SearchList,
}

/// Asks for the records of `kind` that `name` has, which is a full one.
pub(super) async fn ask(servers: &Servers, name: Name, kind: RecordType) -> Answer {
    let found = match servers.asker.lookup(name, kind).await {
        Ok(found) => found,
        Err(error) => return without_addresses(&error),
    };
    let ttl = found.valid_until().saturating_duration_since(Instant::now());
    let records = found.answers().iter().filter_map(|record| record.data.ip_addr());
    let addresses: Vec<_> = records.take(super::MAX_ADDRESSES).collect();
    match addresses.is_empty() {
        true => Answer::Nothing(LookupError::no_address(), ttl),
        false => Answer::Addresses(addresses, ttl),
    }
}

/// The name as servers are asked for it. What only a host name may not hold, such as `_`, names servers all the same.
pub(in crate::transport) fn name(text: &str) -> Result<Name, LookupError> {
    let fits = !text.is_empty() && text.len() <= LONGEST_NAME;
    let parsed = fits.then(|| Name::from_str_relaxed(text).ok()).flatten();
    parsed.ok_or_else(LookupError::not_a_name)
}

/// What asks the servers that `resolv.conf` names.
pub(in crate::transport) fn servers_of(resolv_conf: &[u8]) -> Result<Servers, LookupError> {
    let no_service = |_| LookupError::resolve("no name service");
    let (config, options) = system::configuration(resolv_conf).map_err(no_service)?;
    build(config, options).map_err(no_service)
}

/// What asks `servers`, each for at most `timeout`, once.
pub(super) fn servers_at(
    servers: &[SocketAddr],
    timeout: Duration,
) -> Result<Servers, LookupError> {
    let servers = servers.iter().map(|&address| name_server(address)).collect();
    let mut options = ResolverOpts::default();
    options.timeout = timeout;
    options.attempts = 0;
    let config = ResolverConfig::from_parts(None, Vec::new(), servers);
    build(config, options).map_err(|_| LookupError::resolve("no name service"))
}

/// Answers are kept, and `hosts` is read, elsewhere.
pub(super) fn build(
    config: ResolverConfig,
    mut options: ResolverOpts,
) -> Result<Servers, NetError> {
    options.use_hosts_file = ResolveHosts::Never;
    options.cache_size = 0;
    let search = SearchList::of(&config, &options);
    let asker = Asker::builder_with_config(config, Noted::default()).with_options(options);
    Ok(Servers { asker: asker.build()?, search })
}

fn name_server(address: SocketAddr) -> NameServerConfig {
    let mut udp = ConnectionConfig::udp();
    let mut tcp = ConnectionConfig::tcp();
    udp.port = address.port();
    tcp.port = address.port();
    NameServerConfig::new(address.ip(), true, vec![udp, tcp])
}

fn without_addresses(error: &NetError) -> Answer {
    if let NetError::Dns(DnsError::NoRecordsFound(NoRecords { negative_ttl, .. })) = error {
        let ttl = negative_ttl.map_or(Duration::MAX, |seconds| Duration::from_secs(seconds.into()));
        return match error.is_nx_domain() {
            true => Answer::Nothing(LookupError::no_such_name(), ttl),
            false => Answer::Nothing(LookupError::no_address(), ttl),
        };
    }
    Answer::Failed(match error {
        NetError::Timeout => LookupError::resolve("name service did not answer"),
        NetError::Dns(_) => LookupError::service_failed(),
        NetError::NoConnections => LookupError::resolve("no name service"),
        NetError::Io(error) => io_error(error),
        _ => LookupError::resolve("name service unreachable"),
    })
}

fn io_error(error: &io::Error) -> LookupError {
    match shortage(error) {
        Some(detail) => LookupError::local(detail),
        None => LookupError::resolve("name service unreachable"),
    }
}

/// The bound of the protocol, with room for the dot at the end.
const LONGEST_NAME: usize = 254;
