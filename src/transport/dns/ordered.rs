//! Name servers that are asked in their order: see [`next_step`](super::next_step) for whose answer counts.
//!
//! Each one is a resolver of its own. Hickory's pool of several takes whichever answers first: with its statistics, a
//! server that refuses everything at once comes to stand before one that knows the names.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::{DnsError, NetError, NoRecords};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RecordType};
use tokio::time::{sleep, sleep_until, timeout, timeout_at};

use super::next_step::{BEFORE_DENIAL, BEFORE_NEXT, NextStep, QueryState, ServerQuery, next_step};
use super::noted::{Asker, Noted};
use super::settings::Settings;
use crate::runtime::clock;

/// Name servers in their order.
pub(super) struct Ordered {
    servers: Vec<Arc<Server>>,
    /// How often each of them is asked while none can tell.
    attempts: usize,
    /// Whether each question begins with the next one.
    rotates: bool,
    questions: AtomicUsize,
}

struct Server {
    asker: Asker,
    /// The same without EDNS, for a server that does not know it.
    plain: Option<Asker>,
    /// The questions that it left open since its last answer.
    left_open: AtomicU32,
}

/// A query to one server, under way.
type PendingQuery = Pin<Box<dyn Future<Output = Answer> + Send>>;

type Answer = Result<Lookup, NetError>;

impl Ordered {
    /// Those of `settings`, over TCP alone where that is wanted.
    pub(super) fn new(settings: &Settings, over_tcp: bool) -> Result<Self, NetError> {
        let over_tcp = over_tcp || settings.over_tcp;
        let servers = settings.servers.iter().map(|&address| {
            let asker = |edns0| asker(address, over_tcp, &Settings { edns0, ..settings.clone() });
            let plain = settings.edns0.then(|| asker(false)).transpose()?;
            let left_open = AtomicU32::new(0);
            Ok(Arc::new(Server { asker: asker(settings.edns0)?, plain, left_open }))
        });
        Ok(Self {
            servers: servers.collect::<Result<_, NetError>>()?,
            attempts: settings.attempts,
            rotates: settings.rotates,
            questions: AtomicUsize::new(0),
        })
    }

    /// The records of `kind` that `name` has, which is a full one.
    pub(super) async fn lookup(&self, name: &Name, kind: RecordType) -> Answer {
        let mut answer = Round::new(self.in_order(), name, kind).run().await;
        for _ in 1..self.attempts {
            match &answer {
                Err(error) if state(error) != QueryState::Failed => break,
                Err(NetError::Dns(_)) => {}
                // One that is being started again is there soon.
                Err(_) => sleep(BEFORE_NEXT).await,
                Ok(_) => break,
            }
            answer = Round::new(self.in_order(), name, kind).run().await;
        }
        answer
    }

    fn in_order(&self) -> Vec<Arc<Server>> {
        let mut servers = self.servers.clone();
        if self.rotates && !servers.is_empty() {
            let first = self.questions.fetch_add(1, Ordering::Relaxed) % servers.len();
            servers.rotate_left(first);
        }
        servers
    }
}

/// One question to all of them.
struct Round<'a> {
    servers: Vec<Arc<Server>>,
    name: &'a Name,
    kind: RecordType,
    /// Of each server that was asked what it said, and the question while that is open.
    asked: Vec<ServerQuery>,
    open: Vec<Option<PendingQuery>>,
    errors: Vec<NetError>,
}

impl<'a> Round<'a> {
    fn new(servers: Vec<Arc<Server>>, name: &'a Name, kind: RecordType) -> Self {
        Self { servers, name, kind, asked: Vec::new(), open: Vec::new(), errors: Vec::new() }
    }

    async fn run(mut self) -> Answer {
        let mut denials = Vec::new();
        loop {
            match next_step(&self.asked, self.servers.len(), clock::now()) {
                NextStep::Ask => self.ask(),
                NextStep::Believe(place) => {
                    self.leave(place);
                    let denial = denials.into_iter().find(|(at, _)| *at == place);
                    return Err(denial.map_or(NetError::NoConnections, |(_, error)| error));
                }
                NextStep::Wait(until) => match self.answer(until).await {
                    Some((place, Ok(found))) => {
                        self.leave(place);
                        return Ok(found);
                    }
                    Some((place, Err(error))) => {
                        self.asked[place].state = state(&error);
                        match self.asked[place].state {
                            QueryState::Denied => denials.push((place, error)),
                            _ => self.errors.push(error),
                        }
                    }
                    None => {}
                },
                NextStep::GiveUp => {
                    let heaviest = self.errors.into_iter().max_by_key(weight);
                    return Err(heaviest.unwrap_or(NetError::NoConnections));
                }
            }
        }
    }

    fn ask(&mut self) {
        let server = &self.servers[self.asked.len()];
        let left_open = server.left_open.load(Ordering::Relaxed);
        self.asked.push(ServerQuery { at: clock::now(), left_open, state: QueryState::Silent });
        let asking = Arc::clone(server).ask(self.name.clone(), self.kind);
        self.open.push(Some(Box::pin(asking)));
    }

    /// The next answer, or none where there is none by the time `until`.
    async fn answer(&mut self, until: Option<Instant>) -> Option<(usize, Answer)> {
        let mut time = pin!(async move {
            match until {
                Some(until) => sleep_until(until.into()).await,
                None => std::future::pending().await,
            }
        });
        poll_fn(|cx| {
            for (place, open) in self.open.iter_mut().enumerate() {
                if let Some(asking) = open
                    && let Poll::Ready(answer) = asking.as_mut().poll(cx)
                {
                    *open = None;
                    return Poll::Ready(Some((place, answer)));
                }
            }
            time.as_mut().poll(cx).map(|()| None)
        })
        .await
    }

    /// Lets those before `place` finish their answers, which tells the slow ones from the mute ones.
    fn leave(&mut self, place: usize) {
        for (asked, open) in self.asked.iter().zip(&mut self.open).take(place) {
            if let Some(asking) = open.take() {
                tokio::spawn(timeout_at((asked.at + LONGEST_LESSON).into(), asking));
            }
        }
    }
}

impl Server {
    async fn ask(self: Arc<Self>, name: Name, kind: RecordType) -> Answer {
        let mut lookup = pin!(self.lookup(name, kind));
        let in_time = timeout(BEFORE_DENIAL, lookup.as_mut()).await;
        if matches!(in_time, Err(_) | Ok(Err(NetError::Timeout))) {
            self.left_open.fetch_add(1, Ordering::Relaxed);
        }
        let answer = match in_time {
            Ok(answer) => answer,
            Err(_) => lookup.await,
        };
        if matches!(answer, Ok(_) | Err(NetError::Dns(_))) {
            self.left_open.store(0, Ordering::Relaxed);
        }
        answer
    }

    /// Asks once more where the server may not know EDNS (RFC 6891, section 7), or a connection was lost: it may be closed
    /// behind the answer to another question.
    async fn lookup(&self, name: Name, kind: RecordType) -> Answer {
        let answer = self.asker.lookup(name.clone(), kind).await;
        let again = match &answer {
            Err(NetError::Dns(DnsError::ResponseCode(code))) if knows_no_edns(*code) => {
                self.plain.as_ref()
            }
            Ok(_) | Err(NetError::Dns(_) | NetError::Timeout) => None,
            Err(_) => Some(&self.asker),
        };
        match again {
            Some(asker) => asker.lookup(name, kind).await,
            None => answer,
        }
    }
}

/// Whether a server may mean EDNS by it.
fn knows_no_edns(code: ResponseCode) -> bool {
    matches!(code, ResponseCode::FormErr | ResponseCode::NotImp)
}

/// What asks one server. Answers are kept, and `hosts` is read, elsewhere.
fn asker(address: SocketAddr, over_tcp: bool, settings: &Settings) -> Result<Asker, NetError> {
    let mut options = ResolverOpts::default();
    options.use_hosts_file = ResolveHosts::Never;
    options.cache_size = 0;
    options.timeout = settings.timeout;
    options.attempts = 0;
    options.edns0 = settings.edns0;
    options.preserve_intermediates = true;
    let mut ways = if over_tcp { Vec::new() } else { vec![ConnectionConfig::udp()] };
    ways.push(ConnectionConfig::tcp());
    ways.iter_mut().for_each(|way| way.port = address.port());
    let server = NameServerConfig::new(address.ip(), true, ways);
    let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
    Asker::builder_with_config(config, Noted::default()).with_options(options).build()
}

fn state(error: &NetError) -> QueryState {
    match error {
        // It names other servers rather than an answer, as one does that the zone was taken from.
        NetError::Dns(DnsError::NoRecordsFound(NoRecords { soa: None, ns: Some(_), .. })) => {
            QueryState::Failed
        }
        NetError::Dns(DnsError::NoRecordsFound(_)) => QueryState::Denied,
        _ => QueryState::Failed,
    }
}

/// Of the errors of several servers the heaviest one is told: what was said before silence.
fn weight(error: &NetError) -> u8 {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(_)) => 4,
        NetError::Dns(_) => 3,
        NetError::Io(_) => 2,
        NetError::Timeout => 1,
        _ => 0,
    }
}

/// A server that is silent for so long counts as mute, and another second tells no more.
const LONGEST_LESSON: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, UdpSocket};
    use std::sync::atomic::AtomicBool;

    use hickory_resolver::proto::op::{Message, OpCode};
    use hickory_resolver::proto::rr::{RData, Record};

    use super::*;

    /// A name server that says so of every name, after a while.
    struct Sayer {
        address: SocketAddr,
        asked: Arc<AtomicUsize>,
        is_mute: Arc<AtomicBool>,
        knows_no_edns: Arc<AtomicBool>,
    }

    impl Sayer {
        /// No error is an address, whose last part is `mark`.
        fn start(code: ResponseCode, mark: u8, delay: Duration) -> Self {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            let address = socket.local_addr().unwrap();
            let it = Self {
                address,
                asked: Arc::default(),
                is_mute: Arc::default(),
                knows_no_edns: Arc::default(),
            };
            let (asked, is_mute) = (Arc::clone(&it.asked), Arc::clone(&it.is_mute));
            let knows_no_edns = Arc::clone(&it.knows_no_edns);
            std::thread::spawn(move || {
                let mut buffer = [0; 2048];
                while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                    asked.fetch_add(1, Ordering::SeqCst);
                    if is_mute.load(Ordering::SeqCst) {
                        continue;
                    }
                    std::thread::sleep(delay);
                    let query = Message::from_vec(&buffer[..length]).unwrap();
                    let mut reply = Message::response(query.metadata.id, OpCode::Query);
                    let name = query.queries[0].name().clone();
                    reply.add_query(query.queries[0].clone());
                    let is_odd = knows_no_edns.load(Ordering::SeqCst) && query.edns.is_some();
                    let code = if is_odd { ResponseCode::FormErr } else { code };
                    reply.metadata.response_code = code;
                    if code == ResponseCode::NoError {
                        let address = Ipv4Addr::new(127, 0, 0, mark);
                        reply.add_answer(Record::from_rdata(name, 60, RData::A(address.into())));
                    }
                    socket.send_to(&reply.to_vec().unwrap(), from).unwrap();
                }
            });
            it
        }

        fn mute() -> Self {
            let it = Self::start(ResponseCode::NoError, 9, Duration::ZERO);
            it.is_mute.store(true, Ordering::SeqCst);
            it
        }

        fn asked(&self) -> usize {
            self.asked.load(Ordering::SeqCst)
        }
    }

    fn settings(sayers: &[&Sayer]) -> Settings {
        let servers: Vec<_> = sayers.iter().map(|it| it.address).collect();
        Settings::at(&servers, Duration::from_secs(5))
    }

    fn ordered(sayers: &[&Sayer]) -> Ordered {
        Ordered::new(&settings(sayers), false).unwrap()
    }

    /// The last part of the address that is found, or what is said instead, and how long that took.
    async fn found(servers: &Ordered) -> (Result<u8, QueryState>, Duration) {
        let (name, begun) = (Name::from_str_relaxed("web.test.").unwrap(), Instant::now());
        let answer = servers.lookup(&name, RecordType::A).await;
        let last = |found: Lookup| match found.answers()[0].data.ip_addr() {
            Some(std::net::IpAddr::V4(address)) => address.octets()[3],
            other => panic!("{other:?}"),
        };
        (answer.map(last).map_err(|error| state(&error)), begun.elapsed())
    }

    fn at_once(code: ResponseCode, mark: u8) -> Sayer {
        Sayer::start(code, mark, Duration::ZERO)
    }

    const MOMENT: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn a_server_that_fails_is_passed_over_wherever_it_stands() {
        let good = Sayer::start(ResponseCode::NoError, 1, MOMENT);
        for code in [
            ResponseCode::Refused,
            ResponseCode::ServFail,
            ResponseCode::NotImp,
            ResponseCode::FormErr,
        ] {
            let sick = at_once(code, 0);
            for servers in [ordered(&[&good, &sick]), ordered(&[&sick, &good])] {
                for _ in 0..5 {
                    assert_eq!(found(&servers).await.0, Ok(1), "{code}");
                }
            }
            assert_eq!(found(&ordered(&[&sick])).await.0, Err(QueryState::Failed));
        }
    }

    #[tokio::test]
    async fn the_first_server_that_can_tell_is_believed() {
        let good = Sayer::start(ResponseCode::NoError, 1, MOMENT);
        let denying = at_once(ResponseCode::NXDomain, 0);
        let other = at_once(ResponseCode::NoError, 2);
        for _ in 0..5 {
            assert_eq!(found(&ordered(&[&good, &denying])).await.0, Ok(1));
            assert_eq!(found(&ordered(&[&good, &other])).await.0, Ok(1));
            assert_eq!(found(&ordered(&[&denying, &good])).await.0, Err(QueryState::Denied));
        }
        let sick = at_once(ResponseCode::ServFail, 0);
        assert_eq!(found(&ordered(&[&sick, &denying])).await.0, Err(QueryState::Denied));
    }

    #[tokio::test]
    async fn a_slow_server_is_not_outrun_by_the_denial_of_a_later_one() {
        let slow = Sayer::start(ResponseCode::NoError, 1, BEFORE_NEXT * 2);
        let denying = at_once(ResponseCode::NXDomain, 0);
        let servers = ordered(&[&slow, &denying]);
        for _ in 0..2 {
            assert_eq!(found(&servers).await.0, Ok(1));
        }
        assert_eq!(denying.asked(), 2);
        let other = at_once(ResponseCode::NoError, 2);
        assert_eq!(found(&ordered(&[&slow, &other])).await.0, Ok(2));
    }

    #[tokio::test]
    async fn a_mute_server_costs_less_with_each_question_until_it_answers_again() {
        let mute = Sayer::mute();
        let good = at_once(ResponseCode::NoError, 1);
        let servers = ordered(&[&mute, &good]);
        let (first, took) = found(&servers).await;
        assert_eq!(first, Ok(1));
        assert!(took >= BEFORE_NEXT && took < BEFORE_NEXT * 2, "{took:?}");
        let left_open = || servers.servers[0].left_open.load(Ordering::SeqCst);
        for _ in 0..5 {
            let before = left_open();
            assert_eq!(found(&servers).await.0, Ok(1));
            while left_open() == before {
                sleep(MOMENT).await;
            }
        }
        let (known, took) = found(&servers).await;
        assert_eq!(known, Ok(1));
        assert!(took < MOMENT * 3, "{took:?}");
        let denying = at_once(ResponseCode::NXDomain, 0);
        let (state, took) = found(&ordered(&[&mute, &denying])).await;
        assert_eq!(state, Err(QueryState::Denied));
        assert!(took < BEFORE_DENIAL * 2, "{took:?}");
        mute.is_mute.store(false, Ordering::SeqCst);
        while left_open() > 0 {
            found(&servers).await.0.unwrap();
        }
        assert_eq!(found(&servers).await.0, Ok(9), "it is the first one again");
    }

    #[tokio::test]
    async fn a_port_where_nobody_listens_is_not_awaited() {
        let gone = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let settings = Settings::at(&[gone], Duration::from_secs(5));
        let (known, took) = found(&Ordered::new(&settings, false).unwrap()).await;
        assert_eq!(known, Err(QueryState::Failed));
        assert!(took < BEFORE_DENIAL, "{took:?}");
    }

    #[tokio::test]
    async fn a_server_that_knows_no_edns_is_asked_without() {
        let old = at_once(ResponseCode::NoError, 1);
        old.knows_no_edns.store(true, Ordering::SeqCst);
        assert_eq!(found(&ordered(&[&old])).await.0, Ok(1));
        assert_eq!(old.asked(), 2);
    }

    #[tokio::test]
    async fn servers_take_turns_where_that_is_wanted() {
        let (one, other) = (at_once(ResponseCode::NoError, 1), at_once(ResponseCode::NoError, 2));
        let settings = Settings { rotates: true, ..settings(&[&one, &other]) };
        let servers = Ordered::new(&settings, false).unwrap();
        for mark in [1, 2, 1, 2] {
            assert_eq!(found(&servers).await.0, Ok(mark));
        }
    }

    #[tokio::test]
    async fn servers_that_all_fail_are_asked_again_as_often_as_is_wanted() {
        let (one, other) = (at_once(ResponseCode::ServFail, 0), at_once(ResponseCode::ServFail, 0));
        let settings = Settings { attempts: 2, ..settings(&[&one, &other]) };
        let servers = Ordered::new(&settings, false).unwrap();
        assert_eq!(found(&servers).await.0, Err(QueryState::Failed));
        assert_eq!((one.asked(), other.asked()), (2, 2));
    }
}
