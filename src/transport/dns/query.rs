//! One question to the name servers.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_resolver::net::NetError;
use hickory_resolver::net::{DnsError, NoRecords};
use hickory_resolver::proto::rr::rdata::CNAME;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};

use super::addresses::MAX_ADDRESSES;
use super::cached_name::Answer;
use super::lookup_error::LookupError;
use super::ordered::Ordered;
use super::search::SearchList;
use super::settings::Settings;
use crate::runtime::os_error::shortage;

/// The questions about a name, in the order of their answers: IPv6 before IPv4.
pub(super) const QUESTIONS: [RecordType; 2] = [RecordType::AAAA, RecordType::A];

/// Name servers, and where they are asked for names that need not be full.
#[derive(Clone)]
pub(in crate::transport) struct Servers {
    pub(super) ordered: Arc<Ordered>,
    pub(super) search: SearchList,
    /// Whether nobody is asked for IPv6 addresses.
    pub(super) no_aaaa: bool,
}

impl Servers {
    /// Those of `settings`, over TCP alone where that is wanted.
    pub(super) fn new(settings: &Settings, over_tcp: bool) -> Result<Self, NetError> {
        Ok(Self {
            ordered: Arc::new(Ordered::new(settings, over_tcp)?),
            search: settings.search.clone(),
            no_aaaa: settings.no_aaaa,
        })
    }

    /// Whether the system is set up to go without records of `kind`.
    pub(super) fn goes_without(&self, kind: RecordType) -> bool {
        self.no_aaaa && kind == RecordType::AAAA
    }
}

/// Asks for the records of `kind` that `name` has, which is a full one.
pub(super) async fn ask(servers: &Servers, name: Name, kind: RecordType) -> Answer {
    if servers.goes_without(kind) {
        return Answer::Nothing(LookupError::no_address(), Duration::MAX);
    }
    let found = match servers.ordered.lookup(&name, kind).await {
        Ok(found) => found,
        Err(error) => return without_addresses(&error),
    };
    let ttl = found.valid_until().saturating_duration_since(Instant::now());
    let addresses: Vec<_> = addresses_of(&name, found.answers()).take(MAX_ADDRESSES).collect();
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

/// What asks the servers of `settings`.
pub(super) fn servers_of(settings: &Settings) -> Result<Servers, LookupError> {
    Servers::new(settings, false).map_err(|_| LookupError::resolve("no name service"))
}

/// The addresses in an answer about `name` that are its own, or those of the name that it is an alias of. What else a
/// server adds to its answer is about another host.
pub(super) fn addresses_of<'a>(
    name: &'a Name,
    answers: &'a [Record],
) -> impl Iterator<Item = IpAddr> + 'a {
    let mut names = vec![name];
    // An alias mostly comes before the name that it is of, and need not.
    while let Some(alias) = answers.iter().find_map(|record| alias_of(record, &names)) {
        names.push(alias);
    }
    answers
        .iter()
        .filter(move |record| names.contains(&&record.name))
        .filter_map(|record| record.data.ip_addr())
}

/// The name that a record says one of `names` to be an alias of, where that is news.
fn alias_of<'a>(record: &'a Record, names: &[&Name]) -> Option<&'a Name> {
    let RData::CNAME(CNAME(target)) = &record.data else { return None };
    (names.contains(&&record.name) && !names.contains(&target)).then_some(target)
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

#[cfg(test)]
mod tests {
    use hickory_resolver::proto::rr::rdata::A;

    use super::*;

    fn named(text: &str) -> Name {
        name(text).unwrap()
    }

    fn address(owner: &str, last: u8) -> Record {
        Record::from_rdata(named(owner), 60, RData::A(A::new(127, 0, 0, last)))
    }

    fn alias(owner: &str, target: &str) -> Record {
        Record::from_rdata(named(owner), 60, RData::CNAME(CNAME(named(target))))
    }

    fn found(answers: &[Record]) -> Vec<String> {
        let name = named("web.test.");
        addresses_of(&name, answers).map(|address| address.to_string()).collect()
    }

    #[test]
    fn addresses_of_another_host_are_not_taken() {
        let answers = [address("other.test.", 9), address("WEB.test.", 1), address("web.test.", 2)];
        assert_eq!(found(&answers), ["127.0.0.1", "127.0.0.2"]);
    }

    #[test]
    fn aliases_are_followed_in_any_order_and_round_no_circle() {
        let answers = [
            address("b.test.", 1),
            alias("a.test.", "b.test."),
            alias("web.test.", "A.test."),
            alias("other.test.", "c.test."),
            address("c.test.", 9),
        ];
        assert_eq!(found(&answers), ["127.0.0.1"]);
        let circle = [alias("web.test.", "a.test."), alias("a.test.", "web.test.")];
        assert_eq!(found(&circle), [] as [&str; 0]);
    }
}
