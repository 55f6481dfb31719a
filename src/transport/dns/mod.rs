//! Names to addresses.
//!
//! Two ways lead there. `dns` asks the servers of `resolv.conf` itself, after a look into `hosts`: it takes no thread,
//! never blocks, keeps answers by their time to live, and asks for both families at once. `system` asks the C library
//! (`getaddrinfo`) on a few library threads: it knows whatever the system is set up for (nsswitch, mDNS, LDAP, scopes
//! of a VPN), sorts addresses by RFC 6724, and pays for it with threads that a dead name service holds, with no time
//! to live, and with the C library's own reads of environment variables.
//!
//! A question runs on the runtime that the resolver was given, which must be one that is driven all the time; a shard
//! is not. The asker only waits for it.

mod addresses;
mod cached_name;
mod config;
mod families;
pub(super) mod files;
mod lookup_error;
mod name_state;
mod next_step;
mod noted;
mod ordered;
pub(super) mod query;
mod records;
mod resolver;
mod search;
mod settings;
mod shared;
mod system;

pub use self::config::{NameConfig, NameService};
pub use self::lookup_error::LookupError;
pub use self::records::{NameServers, RecordKind, Records, ServiceRecord, Unanswered};
pub use self::resolver::Resolver;
pub use self::shared::resolver;
