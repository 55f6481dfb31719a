//! Records of a name with their time to live, for sources that go by changes of them: asked of the servers each time, and
//! kept nowhere.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hickory_resolver::net::{DnsError, NetError, NoRecords};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use tokio::time::timeout;

use super::files::{Files, lower};
use super::query::{self, Servers};
use super::search::Certainty;
use super::settings::Settings;
use crate::runtime::clock;

/// Name servers that are asked for records.
pub struct NameServers {
    source: Source,
    timeout: Duration,
}

enum Source {
    /// The system's, and what was made of which version of its files.
    System(Files, Mutex<Option<(u64, Ways)>>),
    Given(Ways),
}

/// The same servers in two ways.
struct Ways {
    /// Over UDP, and over TCP where an answer is cut.
    usual: Servers,
    /// Over TCP alone.
    tcp: Servers,
}

/// What a record is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind {
    /// An IPv4 address.
    A,
    /// An IPv6 address.
    Aaaa,
    /// A service's server.
    Srv,
}

/// The records of a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// Addresses, in the order of the answer.
    pub addresses: Vec<IpAddr>,
    /// Servers of a service, in the order of the answer.
    pub services: Vec<ServiceRecord>,
    /// Addresses of those servers that came along.
    pub glue: Vec<(String, IpAddr)>,
    /// For how long the answer holds: the least time to live in it, that of an alias included.
    pub ttl: Duration,
}

/// A server of a service (RFC 2782).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceRecord {
    /// Its name, without the dot at the end.
    pub target: String,
    /// Its port.
    pub port: u16,
    /// Lower ones first.
    pub priority: u16,
    /// Its share among those of its priority.
    pub weight: u16,
}

/// Why there are no records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// The name, or a record of that kind, does not exist; and for how long that holds.
    Nothing {
        /// Whether the name exists.
        is_name: bool,
        /// As the zone's SOA says; none where it says nothing.
        ttl: Option<Duration>,
    },
    /// The servers do not answer, or fail.
    Failed(String),
}

impl NameServers {
    /// The servers of `resolv.conf` as it is at each question, each asked once for at most `timeout`. A name that is in
    /// `hosts` has the addresses that it has there.
    #[must_use]
    pub fn system(timeout: Duration) -> Self {
        Self::of_files(Files::system(), timeout)
    }

    pub(super) fn of_files(files: Files, timeout: Duration) -> Self {
        Self { source: Source::System(files, Mutex::default()), timeout }
    }

    /// These servers, each asked once for at most `timeout`.
    ///
    /// # Errors
    /// There is none.
    pub fn at(servers: &[SocketAddr], timeout: Duration) -> Result<Self, String> {
        Self::with(Settings::at(servers, timeout))
    }

    pub(super) fn with(settings: Settings) -> Result<Self, String> {
        let timeout = settings.timeout;
        Ok(Self { source: Source::Given(Ways::new(settings, timeout)?), timeout })
    }

    /// The records of `name`, asked over UDP, or over TCP where that is wanted. Where the name need not be a full one, both
    /// kinds of address are those of one full name: see [`families`](super::families).
    ///
    /// # Errors
    /// There is none, or that could not be found out.
    pub async fn ask(
        &self,
        name: &str,
        kind: RecordKind,
        tcp: bool,
    ) -> Result<Records, Unanswered> {
        if let Some(found) = self.in_hosts(name, kind) {
            return found;
        }
        let servers = &self.over(tcp)?;
        let candidates = servers.search.candidates(parsed(name)?);
        let other = kind.other_address().filter(|_| candidates.len() > 1);
        let mut so_far = None;
        for candidate in candidates {
            let NoRecord { says, mut certainty } = match asked(servers, &candidate.name, kind).await
            {
                Ok(records) => return Ok(records),
                Err(none) => none,
            };
            if let Some(other) = other {
                // A name that does not exist has neither, but some servers deny one that lacks this kind.
                let is_denied = matches!(says, Unanswered::Nothing { is_name: false, .. });
                let limit = if is_denied { NEAR_BY } else { LONGEST };
                match timeout(limit, asked(servers, &candidate.name, other)).await {
                    Ok(Ok(_)) => return Err(says),
                    Ok(Err(none)) => certainty = certainty.max(none.certainty),
                    Err(_) => {}
                }
            }
            let may_go_on = candidate.may_be_another(certainty);
            so_far = Some(heavier(so_far, says));
            if !may_go_on {
                break;
            }
        }
        Err(so_far.unwrap_or(Unanswered::Nothing { is_name: false, ttl: None }))
    }

    /// The same of a name that is a full one, with or without a dot at its end.
    ///
    /// # Errors
    /// As there.
    pub async fn ask_full(
        &self,
        name: &str,
        kind: RecordKind,
        tcp: bool,
    ) -> Result<Records, Unanswered> {
        if let Some(found) = self.in_hosts(name, kind) {
            return found;
        }
        let mut name = parsed(name)?;
        name.set_fqdn(true);
        asked(&self.over(tcp)?, &name, kind).await.map_err(|none| none.says)
    }

    /// The servers as they are now.
    fn over(&self, tcp: bool) -> Result<Servers, Unanswered> {
        match &self.source {
            Source::Given(ways) => Ok(ways.over(tcp)),
            Source::System(files, made) => {
                let version = files.read(clock::now()).version;
                let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
                if made.as_ref().is_none_or(|(of, _)| *of != version) {
                    let ways = Ways::new(files.settings(), self.timeout);
                    *made = Some((version, ways.map_err(Unanswered::Failed)?));
                }
                made.as_ref().map(|(_, ways)| ways.over(tcp)).ok_or_else(none_can_be_asked)
            }
        }
    }

    /// The addresses of a name in `hosts`, which is read again when it changes.
    fn in_hosts(&self, name: &str, kind: RecordKind) -> Option<Result<Records, Unanswered>> {
        let Source::System(files, _) = &self.source else { return None };
        let is_wanted = |address: &&IpAddr| match kind {
            RecordKind::A => address.is_ipv4(),
            RecordKind::Aaaa => address.is_ipv6(),
            RecordKind::Srv => false,
        };
        let names = files.read(clock::now()).names;
        let known = names.get(&lower(name)).filter(|_| kind != RecordKind::Srv)?;
        let addresses: Vec<_> = known.iter().filter(is_wanted).copied().collect();
        Some(match addresses.is_empty() {
            true => Err(Unanswered::Nothing { is_name: true, ttl: Some(HOSTS_TTL) }),
            false => Ok(Records { addresses, ttl: HOSTS_TTL, ..Records::default() }),
        })
    }
}

impl Ways {
    fn new(settings: Settings, timeout: Duration) -> Result<Self, String> {
        // The resolver adds it to the time, and there is no time that is for ever away.
        let settings = Settings { timeout: timeout.min(LONGEST), attempts: 1, ..settings };
        let made = |tcp| Servers::new(&settings, tcp).map_err(|_| NO_SERVER.to_owned());
        Ok(Self { usual: made(false)?, tcp: made(true)? })
    }

    fn over(&self, tcp: bool) -> Servers {
        if tcp { self.tcp.clone() } else { self.usual.clone() }
    }
}

/// Why a full name has no records, and how far that is certain.
struct NoRecord {
    says: Unanswered,
    certainty: Certainty,
}

async fn asked(servers: &Servers, name: &Name, kind: RecordKind) -> Result<Records, NoRecord> {
    let kind = kind.of_record();
    if servers.goes_without(kind) {
        let says = Unanswered::Nothing { is_name: true, ttl: None };
        return Err(NoRecord { says, certainty: Certainty::Certain });
    }
    let found = servers.ordered.lookup(name, kind).await;
    let found = found.map_err(|error| {
        let says = unanswered(&error);
        let certainty = match (&says, error) {
            (Unanswered::Nothing { .. }, _) => Certainty::Certain,
            (Unanswered::Failed(_), NetError::Dns(_)) => Certainty::Refused,
            (Unanswered::Failed(_), _) => Certainty::Silent,
        };
        NoRecord { says, certainty }
    })?;
    Ok(Records::of(name, found.answers(), found.additionals()))
}

fn parsed(name: &str) -> Result<Name, Unanswered> {
    query::name(name).map_err(|error| Unanswered::Failed(error.to_string()))
}

/// What is known of a name of which so many candidates have no records.
fn heavier(so_far: Option<Unanswered>, next: Unanswered) -> Unanswered {
    let Some(so_far) = so_far else { return next };
    let least = |one: Option<Duration>, other: Option<Duration>| one.into_iter().chain(other).min();
    match (so_far, next) {
        (
            Unanswered::Nothing { is_name, ttl },
            Unanswered::Nothing { is_name: is_other, ttl: other },
        ) => Unanswered::Nothing { is_name: is_name || is_other, ttl: least(ttl, other) },
        (failed @ Unanswered::Failed(_), _) | (_, failed) => failed,
    }
}

impl Records {
    fn of(name: &Name, answers: &[Record], additionals: &[Record]) -> Self {
        let addresses = query::addresses_of(name, answers).collect();
        let mut records = Self { addresses, ttl: Duration::MAX, ..Self::default() };
        for record in answers {
            records.ttl = records.ttl.min(Duration::from_secs(record.ttl.into()));
            if let RData::SRV(service) = &record.data {
                records.services.push(ServiceRecord {
                    target: bare(&service.target.to_utf8()),
                    port: service.port,
                    priority: service.priority,
                    weight: service.weight,
                });
            }
        }
        for record in additionals {
            let address = record.data.ip_addr();
            records.glue.extend(address.map(|address| (bare(&record.name.to_utf8()), address)));
        }
        records
    }

    /// Those of a message as it comes over the wire, for fuzz/.
    #[cfg(any(fuzzing, test))]
    pub(crate) fn of_message(bytes: &[u8]) -> Option<Self> {
        let message = hickory_resolver::proto::op::Message::from_vec(bytes).ok()?;
        let name = message.queries.first()?.name();
        Some(Self::of(name, &message.answers, &message.additionals))
    }
}

impl RecordKind {
    /// The other kind of address, of a kind of address.
    const fn other_address(self) -> Option<Self> {
        match self {
            Self::A => Some(Self::Aaaa),
            Self::Aaaa => Some(Self::A),
            Self::Srv => None,
        }
    }

    fn of_record(self) -> RecordType {
        match self {
            Self::A => RecordType::A,
            Self::Aaaa => RecordType::AAAA,
            Self::Srv => RecordType::SRV,
        }
    }
}

fn bare(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

fn none_can_be_asked() -> Unanswered {
    Unanswered::Failed(NO_SERVER.to_owned())
}

fn unanswered(error: &NetError) -> Unanswered {
    if let NetError::Dns(DnsError::NoRecordsFound(NoRecords { negative_ttl, .. })) = error {
        let ttl = negative_ttl.map(|seconds| Duration::from_secs(seconds.into()));
        return Unanswered::Nothing { is_name: !error.is_nx_domain(), ttl };
    }
    Unanswered::Failed(match error {
        NetError::Timeout => "the name server did not answer".to_owned(),
        NetError::Dns(DnsError::ResponseCode(code)) => format!("the name server says {code}"),
        NetError::NoConnections => "no name server can be reached".to_owned(),
        NetError::Io(error) => format!("the name server cannot be reached: {error}"),
        _ => "the name server fails".to_owned(),
    })
}

/// Above the round trip to any name server near by.
const NEAR_BY: Duration = Duration::from_millis(250);

const NO_SERVER: &str = "no name server can be asked";

/// A look into the file costs nothing.
const HOSTS_TTL: Duration = Duration::from_secs(5);

/// Longer than anybody waits for a name server.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

impl fmt::Debug for NameServers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NameServers").finish_non_exhaustive()
    }
}
