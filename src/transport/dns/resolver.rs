//! The addresses of names, for any number of askers.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::time::timeout_at;

use super::addresses::bounded;
use super::cached_name::{Answer, Next};
use super::config::{NameConfig, NameService};
use super::families;
use super::files::{self, Files, lower};
use super::lookup_error::LookupError;
use super::name_state::{NameState, Question};
use super::query;
use super::settings::Settings;
use crate::runtime::getaddrinfo::{self, NoAddress};
use crate::runtime::workers::Workers;

/// Resolves names on a runtime of its own, for any number of askers on others.
pub struct Resolver {
    handle: Handle,
    shared: Arc<Shared>,
}

impl Resolver {
    /// A resolver with the system's configuration, which is read at the first lookup and again when it changed;
    /// questions run on `handle`.
    #[must_use]
    pub fn new(handle: Handle) -> Self {
        Self::with_source(handle, Source::System(Files::system(), Mutex::default()))
    }

    /// A resolver that asks `servers` only, each for at most `timeout`, once.
    #[must_use]
    pub fn with_name_servers(handle: Handle, servers: &[SocketAddr], timeout: Duration) -> Self {
        let servers = query::servers_of(&Settings::at(servers, timeout));
        Self::with_source(handle, Source::Given(servers))
    }

    /// The addresses of `name` by the default configuration: see [`Self::lookup_as`].
    ///
    /// # Errors
    /// As there.
    pub async fn lookup(&self, name: &str) -> Result<Vec<IpAddr>, LookupError> {
        self.lookup_as(name, NameConfig::default()).await
    }

    /// The addresses of `name`, IPv6 before IPv4 with [`NameService::Dns`], at most 64; an IP address is its own
    /// answer.
    ///
    /// # Errors
    ///
    /// [`FailureKind::NameNotFound`] where the name does not exist, [`FailureKind::Resolve`] where that could not be
    /// found out or it has no address at present, [`FailureKind::Local`] where this process could not ask.
    pub async fn lookup_as(
        &self,
        name: &str,
        config: NameConfig,
    ) -> Result<Vec<IpAddr>, LookupError> {
        if let Ok(address) = name.parse() {
            return Ok(vec![address]);
        }
        let begun = Instant::now();
        let state = self.shared.name(config.service, name, begun);
        loop {
            let now = Instant::now();
            if config.service == NameService::Dns
                && let Some(found) = self.shared.without_servers(name, now)
            {
                return found.map(bounded);
            }
            let mut change = pin!(state.changed.notified());
            change.as_mut().enable();
            let until = match self.step(&state, begun, config) {
                Next::Ready(found) => return found.map(bounded),
                Next::Wait(until) => until,
            };
            // The files may change meanwhile: another name server may know what the silent one does not tell.
            let look = now + files::LOOK_EVERY;
            let until = until.map_or(look, |until| until.min(look));
            // Whether the time ran out or not, what is known then decides.
            let _ = timeout_at(until.into(), change).await;
        }
    }

    /// Asks what is to be asked, and says what the lookup that has `begun` does next.
    fn step(&self, name: &Arc<NameState>, begun: Instant, config: NameConfig) -> Next {
        let now = Instant::now();
        let mut state = name.lock();
        let (asked, epoch) = (state.known.ask(begun, now), state.epoch);
        drop(state);
        let questions = asked.into_iter().map(|index| Question::new(name, index, epoch));
        match config.service {
            NameService::Dns => self.ask_servers(name, questions.collect()),
            NameService::System => questions.for_each(|it| self.shared.ask_system(it)),
        }
        name.lock().known.next(now, config.max_stale)
    }

    /// Not aborted with its asker: the answer serves the next one.
    fn ask_servers(&self, name: &Arc<NameState>, questions: Vec<Question>) {
        if questions.is_empty() {
            return;
        }
        let (shared, name) = (Arc::clone(&self.shared), Arc::clone(name));
        self.handle.spawn(async move { shared.answer(&name.text, questions).await });
    }

    pub(super) fn with_source(handle: Handle, source: Source) -> Self {
        let shared = Shared {
            source,
            names: Mutex::default(),
            workers: Workers::new("ahoy-names", MOST_HANGING),
        };
        Self { handle, shared: Arc::new(shared) }
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

struct Shared {
    source: Source,
    names: Mutex<HashMap<(NameService, String), Arc<NameState>>>,
    workers: Workers,
}

pub(super) enum Source {
    System(Files, Mutex<Servers>),
    Given(Result<query::Servers, LookupError>),
}

/// What asks the servers of `resolv.conf`, and which version of the files it was made of.
#[derive(Default)]
pub(super) struct Servers {
    version: u64,
    made: Option<Result<query::Servers, LookupError>>,
}

impl Shared {
    /// The addresses of names that no server may be asked for, and of those in `hosts`.
    fn without_servers(
        &self,
        name: &str,
        now: Instant,
    ) -> Option<Result<Vec<IpAddr>, LookupError>> {
        let name = lower(name);
        if let Source::System(files, servers) = &self.source {
            let content = files.read(now);
            if locked(servers).replace_if_older(content.version) {
                self.outdate(now);
            }
            if let Some(found) = content.names.get(&name) {
                return Some(Ok(found.clone()));
            }
        }
        if let Err(error) = query::name(&name) {
            return Some(Err(error));
        }
        match name.rsplit('.').next() {
            Some("localhost") => {
                Some(Ok(vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()]))
            }
            Some("invalid") => Some(Err(LookupError::no_such_name())),
            _ => None,
        }
    }

    /// What is known of `name`, now or from now on.
    fn name(&self, service: NameService, name: &str, now: Instant) -> Arc<NameState> {
        let mut names = locked(&self.names);
        // Not `lower`, for a dot at the end keeps search domains away.
        let key = (service, name.to_ascii_lowercase());
        if !names.contains_key(&key) && names.len() >= KEPT_NAMES {
            make_room(&mut names, now);
        }
        let made = || Arc::new(NameState::new(name, service));
        Arc::clone(names.entry(key).or_insert_with(made))
    }

    fn outdate(&self, now: Instant) {
        for name in locked(&self.names).values() {
            let mut state = name.lock();
            state.known.outdate(now);
            state.epoch += 1;
            drop(state);
            name.changed.notify_waiters();
        }
    }

    async fn answer(&self, name: &str, questions: Vec<Question>) {
        let wanted: Vec<usize> = questions.iter().map(|question| question.index).collect();
        let open = Mutex::new(questions);
        let settle = |index, answer| {
            let mut open = locked(&open);
            let found = open.iter().position(|question| question.index == index);
            let question = found.map(|at| open.swap_remove(at));
            drop(open);
            if let Some(question) = question {
                question.settle(answer);
            }
        };
        match (self.servers(), query::name(name)) {
            (Ok(servers), Ok(name)) => families::look_for(&servers, name, &wanted, settle).await,
            (Err(error), _) | (_, Err(error)) => {
                wanted.iter().for_each(|&index| settle(index, Answer::Failed(error.clone())));
            }
        }
    }

    /// Made here, in the context of the runtime that drives it.
    fn servers(&self) -> Result<query::Servers, LookupError> {
        match &self.source {
            Source::Given(servers) => servers.clone(),
            Source::System(files, servers) => {
                let made = || query::servers_of(&files.settings());
                locked(servers).made.get_or_insert_with(made).clone()
            }
        }
    }

    fn ask_system(&self, question: Question) {
        let settled = Arc::clone(&question.name);
        let (index, epoch) = (question.index, question.epoch);
        let job = move || {
            let answer = system_answer(&question.name.text);
            question.settle(answer);
        };
        if self.workers.run(job).is_err() {
            let exhausted = LookupError::local("no thread to ask the system's name service");
            settled.settle(index, epoch, Answer::Failed(exhausted));
        }
    }
}

impl Servers {
    /// Whether there was another version before, whose answers may not hold any more.
    fn replace_if_older(&mut self, version: u64) -> bool {
        let before = std::mem::replace(&mut self.version, version);
        if before != version {
            self.made = None;
        }
        before != version && before != 0
    }
}

fn system_answer(name: &str) -> Answer {
    match getaddrinfo::addresses(name) {
        Ok(found) if found.is_empty() => Answer::Nothing(LookupError::no_address(), SYSTEM_TTL),
        Ok(found) => Answer::Addresses(bounded(found), SYSTEM_TTL),
        Err(NoAddress::None) => Answer::Nothing(LookupError::no_address(), SYSTEM_TTL),
        Err(NoAddress::Unknown) => Answer::Nothing(LookupError::no_such_name(), SYSTEM_TTL),
        Err(NoAddress::Failed) => Answer::Failed(LookupError::service_failed()),
        Err(NoAddress::Exhausted) => {
            Answer::Failed(LookupError::local("out of file descriptors or memory"))
        }
    }
}

/// Names whose answers hold no longer go first; where there is none, all that nobody waits for.
fn make_room(names: &mut HashMap<(NameService, String), Arc<NameState>>, now: Instant) {
    names.retain(|_, name| {
        let state = name.lock();
        state.known.is_asked() || state.known.is_fresh(now)
    });
    if names.len() >= KEPT_NAMES {
        names.retain(|_, name| name.lock().known.is_asked());
    }
}

/// A panic elsewhere cannot leave any of it half changed.
fn locked<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As many names as may hang in a dead name service before others have to wait.
const MOST_HANGING: usize = 8;

/// A service with more names than this is not balanced by name.
const KEPT_NAMES: usize = 1024;

/// The C library tells no time to live. One lookup serves a burst of connects, and a change is seen soon.
const SYSTEM_TTL: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::*;
    use crate::outcome::FailureKind;
    use crate::transport::dns::addresses::MAX_ADDRESSES;
    use crate::transport::dns::cached_name;
    use crate::transport::dns::records::{NameServers, RecordKind, Unanswered};

    /// A name server that answers by the first label of the name.
    struct NameServer {
        address: SocketAddr,
        queries: Arc<AtomicUsize>,
        /// Answers SERVFAIL whatever it is asked.
        fails: Arc<AtomicBool>,
    }

    impl NameServer {
        fn start() -> Self {
            Self::on("127.0.0.1:0").unwrap()
        }

        fn on(address: &str) -> std::io::Result<Self> {
            let socket = UdpSocket::bind(address)?;
            let address = socket.local_addr().unwrap();
            let queries = Arc::new(AtomicUsize::new(0));
            let fails = Arc::new(AtomicBool::new(false));
            let (count, failing) = (Arc::clone(&queries), Arc::clone(&fails));
            std::thread::spawn(move || {
                let mut buffer = [0; 2048];
                while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                    count.fetch_add(1, Ordering::SeqCst);
                    if let Some(mut reply) = reply(&buffer[..length]) {
                        if failing.load(Ordering::SeqCst) {
                            reply[3] = 0x82;
                        }
                        socket.send_to(&reply, from).unwrap();
                    }
                }
            });
            Ok(Self { address, queries, fails })
        }

        fn resolver(&self) -> Resolver {
            let timeout = Duration::from_millis(200);
            Resolver::with_name_servers(Handle::current(), &[self.address], timeout)
        }
    }

    fn reply(query: &[u8]) -> Option<Vec<u8>> {
        const HEADER: usize = 12;
        let question_end = query[HEADER..].iter().position(|&byte| byte == 0)? + HEADER + 5;
        let label_end = HEADER + 1 + usize::from(query[HEADER]);
        let label = &query[HEADER + 1..label_end];
        let is_a = query[question_end - 3] == 1;
        let (code, count) = match (label, is_a) {
            (b"mute", _) | (b"v4", false) => return None,
            (b"nx", _) | (b"odd", false) => (3, 0),
            (b"broken", _) | (b"half", true) => (2, 0),
            (b"many", true) => (0, 70),
            (b"ok" | b"v4" | b"brief" | b"db_1" | b"my_service", true) => (0, 1),
            _ => (0, 0),
        };
        let mut reply = query[..2].to_vec();
        reply.extend([0x81, 0x80 | code, 0, 1, 0, count, 0, 0, 0, 0]);
        reply.extend(&query[HEADER..question_end]);
        for number in 1..=count {
            let ttl = if label == b"brief" { 1 } else { 60 };
            reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, ttl, 0, 4, 127, 0, 0, number]);
        }
        Some(reply)
    }

    async fn kind(name: &str) -> FailureKind {
        NameServer::start().resolver().lookup(name).await.unwrap_err().kind()
    }

    #[tokio::test]
    async fn an_aaaa_question_that_is_never_answered_costs_fifty_milliseconds_once() {
        let server = NameServer::start();
        let timeout = Duration::from_secs(5);
        let resolver = Resolver::with_name_servers(Handle::current(), &[server.address], timeout);
        let begun = Instant::now();
        let found = resolver.lookup("v4.test.").await.unwrap();
        let first = begun.elapsed();
        assert_eq!(found, [IpAddr::from([127, 0, 0, 1])]);
        assert_eq!(resolver.lookup("v4.test.").await.unwrap(), found);
        let second = begun.elapsed() - first;
        assert!(
            first >= cached_name::RESOLUTION_DELAY && first < cached_name::RESOLUTION_DELAY * 3,
            "{first:?}"
        );
        assert!(second < cached_name::RESOLUTION_DELAY, "{second:?}");
    }

    #[tokio::test]
    async fn names_that_hosts_may_not_have_are_asked_for() {
        let server = NameServer::start();
        let resolver = server.resolver();
        for name in ["db_1.", "my_service.default.example."] {
            assert_eq!(resolver.lookup(name).await.unwrap().len(), 1, "{name}");
        }
    }

    /// Files of this test alone.
    struct Folder(std::path::PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("ahoy-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn write(&self, name: &str, content: &str) {
            std::fs::write(self.0.join(name), content).unwrap();
        }

        fn files(&self) -> Files {
            Files::at(&self.0.join("hosts"), &self.0.join("resolv.conf"))
        }

        fn resolver(&self) -> Resolver {
            Resolver::with_source(Handle::current(), Source::System(self.files(), Mutex::default()))
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    /// Asks until the answer is `expected`, which takes a second at most.
    async fn becomes(resolver: &Resolver, name: &str, expected: &[&str]) {
        let begun = Instant::now();
        loop {
            let found = resolver.lookup(name).await.unwrap_or_default();
            if found.iter().map(ToString::to_string).eq(expected.iter().copied()) {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(5), "{found:?} for {name}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    #[tokio::test]
    async fn a_hosts_file_that_changes_is_read_again() {
        let folder = Folder::new("hosts-change");
        folder.write("hosts", "10.0.0.1 db_1\n");
        let resolver = folder.resolver();
        becomes(&resolver, "DB_1", &["10.0.0.1"]).await;
        folder.write("hosts", "10.0.0.22 db_1\n::7 db_1\n");
        becomes(&resolver, "db_1", &["::7", "10.0.0.22"]).await;
    }

    #[tokio::test]
    async fn a_resolv_conf_that_changes_is_read_again() {
        let folder = Folder::new("resolv-change");
        // A server that never answers, on the port of all name servers.
        let silent = UdpSocket::bind("127.0.0.77:53");
        folder.write("resolv.conf", "nameserver 127.0.0.77\noptions timeout:30\n");
        let resolver = Arc::new(folder.resolver());
        let asking = Arc::clone(&resolver);
        let waiting = tokio::spawn(async move { asking.lookup("ok.test.").await });
        tokio::task::yield_now().await;
        let Ok(server) = NameServer::on("127.0.0.78:53") else { return };
        folder.write("resolv.conf", "nameserver 127.0.0.78\n");
        becomes(&resolver, "ok.test.", &["127.0.0.1"]).await;
        // The lookup that began before gets the new server's answer as well.
        assert_eq!(waiting.await.unwrap().unwrap().len(), 1);
        assert!(server.queries.load(Ordering::SeqCst) >= 2);
        drop(silent);
    }

    #[tokio::test]
    async fn records_go_by_the_files_as_they_are_at_each_question() {
        let folder = Folder::new("records-change");
        let (Ok(before), Ok(after)) =
            (NameServer::on("127.0.0.81:53"), NameServer::on("127.0.0.82:53"))
        else {
            return;
        };
        folder.write("hosts", "10.0.0.7 db_1\n");
        folder.write("resolv.conf", "nameserver 127.0.0.81\n");
        let servers = NameServers::of_files(folder.files(), Duration::from_secs(1));
        let ask = async |name| {
            let records = servers.ask(name, RecordKind::A, false).await.unwrap();
            records.addresses[0].to_string()
        };
        assert_eq!((&*ask("DB_1").await, &*ask("ok.test.").await), ("10.0.0.7", "127.0.0.1"));
        let none = servers.ask("db_1", RecordKind::Aaaa, false).await.unwrap_err();
        assert!(matches!(none, Unanswered::Nothing { is_name: true, .. }), "{none:?}");
        folder.write("hosts", "10.0.0.22 db_1\n");
        folder.write("resolv.conf", "# another\nnameserver 127.0.0.82\n");
        let begun = Instant::now();
        while after.queries.load(Ordering::SeqCst) == 0 {
            assert!(begun.elapsed() < Duration::from_secs(5));
            assert_eq!(ask("ok.test.").await, "127.0.0.1");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(ask("db_1").await, "10.0.0.22");
        assert!(before.queries.load(Ordering::SeqCst) > 0);
    }

    #[tokio::test]
    async fn the_last_known_addresses_serve_while_no_server_answers() {
        let server = NameServer::start();
        let resolver = server.resolver();
        let config = |max_stale| NameConfig { max_stale, ..NameConfig::default() };
        let hour = Duration::from_secs(3600);
        let found = resolver.lookup_as("brief.test.", config(hour)).await.unwrap();
        server.fails.store(true, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(1100)).await;
        assert_eq!(resolver.lookup_as("brief.test.", config(hour)).await.unwrap(), found);
        tokio::time::sleep(Duration::from_millis(1100)).await;
        let without = resolver.lookup_as("brief.test.", config(Duration::ZERO)).await;
        assert_eq!(without.unwrap_err().kind(), FailureKind::Resolve);
        server.fails.store(false, Ordering::SeqCst);
        becomes(&resolver, "brief.test.", &["127.0.0.1"]).await;
    }

    #[tokio::test]
    async fn a_sick_name_server_hides_no_name_that_another_one_knows() {
        let (good, sick) = (NameServer::start(), NameServer::start());
        sick.fails.store(true, Ordering::SeqCst);
        for servers in [[good.address, sick.address], [sick.address, good.address]] {
            let timeout = Duration::from_secs(5);
            let resolver = Resolver::with_name_servers(Handle::current(), &servers, timeout);
            assert_eq!(resolver.lookup("ok.test.").await.unwrap().len(), 1);
            let kind = resolver.lookup("nx.test.").await.unwrap_err().kind();
            assert_eq!(kind, FailureKind::NameNotFound);
        }
    }

    #[tokio::test]
    async fn the_system_is_asked_where_that_is_wanted() {
        let resolver = NameServer::start().resolver();
        let config = NameConfig { service: NameService::System, ..NameConfig::default() };
        let found = resolver.lookup_as("localhost", config).await.unwrap();
        assert!(!found.is_empty() && found.iter().all(IpAddr::is_loopback));
        let again = resolver.lookup_as("LOCALHOST", config).await.unwrap();
        assert_eq!(found, again);
    }

    #[test]
    fn names_without_end_are_not_kept_without_end() {
        let resolver = Resolver::with_name_servers(
            tokio::runtime::Builder::new_current_thread().build().unwrap().handle().clone(),
            &[],
            Duration::from_secs(1),
        );
        let now = Instant::now();
        for number in 0..3 * KEPT_NAMES {
            resolver.shared.name(NameService::Dns, &format!("{number}.test"), now);
        }
        assert!(locked(&resolver.shared.names).len() <= KEPT_NAMES);
    }

    #[tokio::test]
    async fn answers_are_cached_by_their_ttl() {
        let server = NameServer::start();
        let resolver = server.resolver();
        let first = resolver.lookup("ok.test.").await.unwrap();
        assert_eq!(first, ["127.0.0.1".parse::<IpAddr>().unwrap()]);
        let asked = server.queries.load(Ordering::SeqCst);
        assert_eq!(resolver.lookup("ok.test.").await.unwrap(), first);
        // The family without an address may be asked for again; the other one may not.
        assert!(server.queries.load(Ordering::SeqCst) <= asked + 1);
    }

    #[tokio::test]
    async fn what_does_not_exist_is_not_found() {
        assert_eq!(kind("nx.test.").await, FailureKind::NameNotFound);
    }

    #[tokio::test]
    async fn what_exists_and_has_no_address_at_present_is_no_name_that_does_not_exist() {
        for name in ["empty.test.", "odd.test."] {
            let resolver = NameServer::start().resolver();
            let error = resolver.lookup(name).await.unwrap_err();
            assert_eq!(error.kind(), FailureKind::Resolve, "{name}");
            assert_eq!(error.to_string(), "name has no address at present", "{name}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_found_out_is_a_resolve_failure() {
        assert_eq!(kind("broken.test.").await, FailureKind::Resolve);
        assert_eq!(kind("mute.test.").await, FailureKind::Resolve);
    }

    #[tokio::test]
    async fn one_family_without_addresses_does_not_hide_that_the_other_failed() {
        assert_eq!(kind("half.test.").await, FailureKind::Resolve);
    }

    #[tokio::test]
    async fn addresses_are_bounded() {
        let found = NameServer::start().resolver().lookup("many.test.").await.unwrap();
        assert_eq!(found.len(), MAX_ADDRESSES);
    }

    #[tokio::test]
    async fn some_names_are_never_asked_for() {
        let server = NameServer::start();
        let resolver = server.resolver();
        assert!(!resolver.lookup("localhost").await.unwrap().is_empty());
        assert!(resolver.lookup("x.localhost").await.unwrap().iter().all(IpAddr::is_loopback));
        for name in ["x.invalid", "X.INVALID", "", "a..b"] {
            assert!(resolver.lookup(name).await.is_err(), "{name}");
        }
        assert_eq!(resolver.lookup("::1").await.unwrap(), ["::1".parse::<IpAddr>().unwrap()]);
        assert_eq!(server.queries.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn without_name_servers_the_hosts_file_and_localhost_still_work() {
        let timeout = Duration::from_millis(200);
        let resolver = Resolver::with_name_servers(Handle::current(), &[], timeout);
        assert!(!resolver.lookup("localhost").await.unwrap().is_empty());
        let kind = resolver.lookup("ok.test.").await.unwrap_err().kind();
        assert_eq!(kind, FailureKind::Resolve);
    }

    #[test]
    fn the_asker_may_rest_on_another_runtime() {
        let runtime =
            || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let server = NameServer::start();
        let driven = runtime();
        let timeout = Duration::from_secs(5);
        let handle = driven.handle().clone();
        let resolver = Resolver::with_name_servers(handle, &[server.address], timeout);
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let driver = std::thread::spawn(move || driven.block_on(stopped));
        let found = runtime().block_on(resolver.lookup("ok.test."));
        assert_eq!(found.unwrap().len(), 1);
        drop(stop);
        let _ = driver.join().unwrap();
        let late = runtime().block_on(resolver.lookup("late.test."));
        assert_eq!(late.unwrap_err().kind(), FailureKind::Resolve);
    }

    #[test]
    fn a_lookup_goes_on_when_its_asker_has_left() {
        let runtime =
            || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let server = NameServer::start();
        let driven = runtime();
        let handle = driven.handle().clone();
        let resolver =
            Resolver::with_name_servers(handle, &[server.address], Duration::from_secs(5));
        // Asked while nobody drives the resolver, by one that is out of time and drives nothing afterwards.
        let asked =
            async { tokio::time::timeout(Duration::ZERO, resolver.lookup("ok.test.")).await };
        assert!(runtime().block_on(asked).is_err());
        assert_eq!(server.queries.load(Ordering::SeqCst), 0);
        driven.block_on(async {
            while server.queries.load(Ordering::SeqCst) == 0 {
                tokio::task::yield_now().await;
            }
        });
    }
}
