//! A client with nothing set, or only a limit on the call: rows of the table in the design of the defaults.
//!
//! Times allow for a machine that is busy with other tests; counts do not.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use support::*;

/// One test at a time: each looks at times, which the others would change.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Calls at a steady rate, each on a thread of its own; their outcomes and how long they took.
fn at_rate(
    client: &Client,
    method: &str,
    per_second: u32,
    seconds: f64,
) -> Vec<(Outcome, Duration)> {
    let (begun, pause) = (Instant::now(), Duration::from_secs(1) / per_second);
    let outcomes = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for number in 0..(f64::from(per_second) * seconds) as u32 {
            let due = begun + pause * number;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            scope.spawn(|| {
                let (outcome, took) = timed(|| client.send(&Request::new(method, "/")));
                outcomes.lock().unwrap().push((outcome, took));
            });
        }
    });
    outcomes.into_inner().unwrap()
}

fn is_good(outcome: &Outcome) -> bool {
    outcome.as_ref().is_ok_and(|answer| answer.status == 200)
}

fn longer_than(outcomes: &[(Outcome, Duration)], limit: Duration) -> usize {
    outcomes.iter().filter(|(_, took)| *took > limit).count()
}

fn errors(outcomes: &[(Outcome, Duration)]) -> usize {
    outcomes.iter().filter(|(outcome, _)| !is_good(outcome)).count()
}

/// Twenty calls at once, three times.
fn three_batches(client: &Client, method: &str) -> usize {
    let batch = || {
        let calls: Vec<Call> =
            (0..20).map(|_| client.start(&Request::new(method, "/")).unwrap()).collect();
        calls.iter().filter(|call| is_good(&call.end())).count()
    };
    (0..3).map(|_| batch()).sum()
}

#[test]
fn healthy_hosts_that_need_1_2_s_answer_all_calls_under_a_limit_of_3_s() {
    let _alone = alone();
    for method in ["GET", "POST"] {
        let servers = [(); 3].map(|()| Server::always(Reply::status(200).after(ms(1200))));
        let balancer = round_robin(&servers.each_ref().map(Server::port));
        let client = Builder::new().balancer(&balancer).timeout_ms(3000).build();
        assert_eq!(three_batches(&client, method), 60, "{method}");
        for server in &servers {
            assert!(balancer.endpoint(server.port()).is_closed(), "{method}");
        }
        let sent: usize = servers.iter().map(Server::request_count).sum();
        assert!(sent <= 66, "{method}: {sent} requests for 60 calls");
    }
}

/// The first of three hangs.
fn one_hung() -> [Server; 3] {
    [Server::always(Reply::Hang), Server::ok(), Server::ok()]
}

#[test]
fn one_host_of_three_that_hangs_costs_gets_no_error_and_little_time() {
    let _alone = alone();
    let servers = one_hung();
    let client = client_over(&servers.each_ref().map(Server::port));
    let outcomes = at_rate(&client, "GET", 30, 6.0);
    assert_eq!(errors(&outcomes), 0);
    assert!(longer_than(&outcomes, ms(1200)) <= 3, "{:?}", longer_than(&outcomes, ms(1200)));
}

#[test]
fn one_host_of_three_that_hangs_costs_three_posts_at_most() {
    let _alone = alone();
    let servers = one_hung();
    let balancer = round_robin(&servers.each_ref().map(Server::port));
    let client = Builder::new().balancer(&balancer).timeout_ms(4000).build();
    let outcomes = at_rate(&client, "POST", 30, 6.0);
    assert!(errors(&outcomes) <= 3, "{} errors", errors(&outcomes));
}

#[test]
fn a_zone_or_a_priority_that_hangs_costs_a_lone_poster_one_call() {
    let _alone = alone();
    let hung = Server::always(Reply::Hang);
    let others = [(); 6].map(|()| Server::ok());
    let host = |server: &Server| Host::new("127.0.0.1", server.port());
    let near = || host(&hung);
    let zones = others.iter().map(|other| host(other).zone("far")).chain([near().zone("near")]);
    let by_zone = Balancer::p2c(&Provider::of(&zones.collect::<Vec<_>>()));
    by_zone.set_zone("near").unwrap();
    let by_priority = Balancer::p2c(&Provider::of(&[near(), host(&others[0]).priority(1)]));
    for balancer in [by_zone, by_priority] {
        let client = Builder::new().balancer(&balancer).timeout_ms(700).build();
        let bad = (0..60).filter(|_| !is_good(&client.send(&Request::new("POST", "/")))).count();
        assert!(bad <= 1, "{bad} errors");
    }
}

#[test]
fn beside_a_host_that_hangs_the_only_other_one_is_asked_again() {
    let _alone = alone();
    let (hung, failed) = (Server::always(Reply::Hang), AtomicBool::new(false));
    let other = Server::new(move |_| match failed.swap(true, Ordering::Relaxed) {
        true => Reply::status(200),
        false => Reply::status(503),
    });
    let host = |server: &Server| Host::new("127.0.0.1", server.port());
    let provider = Provider::of(&[host(&hung), host(&other).priority(1)]);
    let client = Builder::new().balancer(&Balancer::p2c(&provider)).build();
    let (outcome, took) = timed(|| client.get("/"));
    assert!(is_good(&outcome), "{outcome:?}");
    assert!(took < ms(5000), "{took:?}");
}

#[test]
fn a_lone_caller_waits_seconds_for_a_hung_host_and_not_minutes() {
    let _alone = alone();
    // Both at once: each sleeps for most of the time.
    thread::scope(|scope| {
        for balancer in [Balancer::round_robin as fn(&Provider) -> Balancer, Balancer::p2c] {
            scope.spawn(move || {
                let servers = one_hung();
                let ports = servers.each_ref().map(Server::port);
                let balancer = balancer(&Provider::loopback(&ports));
                let waited = waited_by_a_lone_caller(&balancer);
                assert!(waited < Duration::from_secs(4), "{waited:?} of 15 s");
            });
        }
    });
}

/// How long the calls of one caller took beyond 40 ms each, within 15 s.
fn waited_by_a_lone_caller(balancer: &Balancer) -> Duration {
    let client = Builder::new().balancer(balancer).build();
    let (begun, mut waited) = (Instant::now(), Duration::ZERO);
    while begun.elapsed() < ms(15_000) {
        let (outcome, took) = timed(|| client.get("/"));
        assert!(is_good(&outcome));
        waited += took.saturating_sub(ms(40));
        thread::sleep(ms(10));
    }
    waited
}

#[test]
fn a_lone_caller_of_posts_loses_one_to_a_hung_host() {
    let _alone = alone();
    let servers = one_hung();
    let balancer = round_robin(&servers.each_ref().map(Server::port));
    let client = Builder::new().balancer(&balancer).timeout_ms(2000).build();
    let begun = Instant::now();
    let mut errors = 0;
    while begun.elapsed() < ms(10_000) {
        errors += usize::from(!is_good(&client.send(&Request::new("POST", "/"))));
        thread::sleep(ms(10));
    }
    assert_eq!(errors, 1, "the first; the next is risked after eight times of what it cost");
}

#[test]
fn a_burst_on_a_slow_service_is_answered_beside_a_host_that_hangs() {
    let _alone = alone();
    let well = [(); 2].map(|()| Server::always(Reply::status(200).after(ms(1300))));
    let hung = Server::always(Reply::Hang);
    // All are late before anything is known of the service, and no other call brings an answer in time.
    let hosts = [&well[0], &well[1], &hung].map(|it| Host::new("127.0.0.1", it.port()));
    let request = Request::new("GET", "/").timeout_ms(20_000);
    for balancer in [Balancer::p2c, Balancer::round_robin] {
        let client = Builder::new().balancer(&balancer(&Provider::of(&hosts))).build();
        let calls: Vec<Call> = (0..60).map(|_| client.start(&request).unwrap()).collect();
        let answered = calls.iter().filter(|call| matches!(call.wait(25_000), Ok(Some(_)))).count();
        assert_eq!(answered, 60);
    }
}

#[test]
fn two_hundred_calls_at_once_on_a_new_client_are_all_answered() {
    let _alone = alone();
    let (bad, good, gone) = (Server::status(503), Server::ok(), Server::ok());
    let dead = gone.port();
    gone.stop();
    let client = client_over(&[dead, bad.port(), good.port()]);
    let calls: Vec<Call> = (0..200).map(|_| client.begin("/")).collect();
    let answered = calls.iter().filter(|call| is_good(&call.end())).count();
    assert_eq!(answered, 200);
}

#[test]
fn a_host_is_in_use_again_within_3_s_of_its_return() {
    let _alone = alone();
    thread::scope(|scope| {
        for outage in [Reply::status(503), Reply::Hang] {
            scope.spawn(move || {
                let told = format!("{outage:?}");
                let took = out_of_use_after(outage);
                assert!(took <= ms(3300), "{told}: {took:?}");
            });
        }
    });
}

/// How long one host of three is left out after an outage that ends.
fn out_of_use_after(outage: Reply) -> Duration {
    let (server, goods) = (Server::always(outage), [Server::ok(), Server::ok()]);
    let ports = [server.port(), goods[0].port(), goods[1].port()];
    let balancer = round_robin(&ports);
    let client = Builder::new().balancer(&balancer).build();
    assert!(is_good(&client.get("/")));
    let calls = Calling::begin(client);
    let circuit = balancer.endpoint(server.port());
    eventually("its circuit opens", ms(20_000), || !circuit.is_closed());
    // Long enough for the wait to reach its cap: 0.5 s, 1 s and 2 s.
    thread::sleep(ms(6000));
    server.become_(|_| Reply::status(200));
    let back = Instant::now();
    eventually("it is back", ms(20_000), || circuit.is_closed());
    let took = back.elapsed();
    calls.end();
    took
}

/// A caller that calls on and on.
struct Calling {
    stop: Arc<AtomicBool>,
    caller: Option<thread::JoinHandle<()>>,
}

impl Calling {
    fn begin(client: Client) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        let caller = thread::spawn(move || {
            while !asked.load(Ordering::Relaxed) {
                assert!(is_good(&client.get("/")));
                thread::sleep(ms(5));
            }
        });
        Self { stop, caller: Some(caller) }
    }

    fn end(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.caller.take().unwrap().join().unwrap();
    }
}

impl Drop for Calling {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

#[test]
fn hedges_go_out_at_ten_calls_a_second_too() {
    let _alone = alone();
    let servers = [
        Server::always(Reply::status(200).after(ms(400))),
        Server::always(Reply::status(200).after(ms(4))),
        Server::always(Reply::status(200).after(ms(4))),
    ];
    let balancer = round_robin(&servers.each_ref().map(Server::port));
    let client = Builder::new().balancer(&balancer).hedge(0.34).build();
    let warm = at_rate(&client, "GET", 10, 4.0);
    assert_eq!(errors(&warm), 0);
    let outcomes = at_rate(&client, "GET", 10, 6.0);
    let waited = longer_than(&outcomes, ms(350));
    assert!(waited * 10 <= outcomes.len(), "{waited} of {} wait for the slow host", outcomes.len());
}

#[test]
fn slow_reports_in_a_group_of_their_own_are_hardly_sent_twice() {
    let _alone = alone();
    let servers = [(); 3].map(|()| {
        Server::new(|seen| match seen.path.as_str() {
            "/report" => Reply::status(200).after(ms(2500)),
            _ => Reply::status(200),
        })
    });
    let balancer = round_robin(&servers.each_ref().map(Server::port));
    let client = Builder::new().balancer(&balancer).build();
    let attempts = Mutex::new(0);
    thread::scope(|scope| {
        for number in 0..400_usize {
            thread::sleep(ms(20));
            let (client, attempts) = (&client, &attempts);
            scope.spawn(move || {
                let request = match number % 10 {
                    0 => Request::new("GET", "/report").group("reports"),
                    _ => Request::new("GET", "/"),
                };
                *attempts.lock().unwrap() += client.send(&request).unwrap().attempt_count;
            });
        }
    });
    let attempts = attempts.into_inner().unwrap();
    assert!(attempts <= 440, "{attempts} attempts for 400 calls");
}

#[test]
fn the_recommended_balancer_answers_with_two_of_three_hosts_dead() {
    let _alone = alone();
    let (good, dead) = (Server::ok(), [Dead::new(), Dead::new()]);
    let provider = Provider::loopback(&[dead[0].port(), good.port(), dead[1].port()]);
    let client = Builder::new().balancer(&Balancer::recommended(&provider)).build();
    for _ in 0..20 {
        assert_eq!(client.get("/").unwrap().status, 200);
    }
}

#[test]
fn the_profile_leaves_two_of_three_alone_that_answer_503() {
    let servers = [Server::status(503), Server::status(503), Server::ok()];
    let balancer =
        Balancer::recommended(&Provider::loopback(&servers.each_ref().map(Server::port)));
    // No circuit tries again meanwhile.
    let breaker = Breaker::new().open_ms(600_000, 600_000);
    let balancer = balancer.with(&breaker).ruled(|it| it.option("profile", "resilient"));
    let client = Builder::new().balancer(&balancer).build();
    let post = || client.send(&Request::new("POST", "/")).unwrap().status;
    let is_open = |server: &Server| balancer.endpoint(server.port()).is_open();
    eventually("two circuits open", ms(20_000), || {
        post();
        servers[..2].iter().all(is_open)
    });
    let failed = (0..100).filter(|_| post() != 200).count();
    assert_eq!(failed, 0, "of 100 that the third could answer");
}

#[test]
fn a_host_is_back_whose_first_answers_after_a_restart_take_long() {
    let _alone = alone();
    let (server, goods) = (Server::ok(), [Server::ok(), Server::ok()]);
    let balancer = round_robin(&[server.port(), goods[0].port(), goods[1].port()]);
    let client = Builder::new().balancer(&balancer).build();
    assert!(is_good(&client.get("/")));
    let calls = Calling::begin(client);
    let circuit = balancer.endpoint(server.port());
    eventually("enough is known of answers", ms(20_000), || server.request_count() >= 200);
    server.stop();
    eventually("its circuit opens", ms(20_000), || !circuit.is_closed());
    let connections = Mutex::new(HashSet::new());
    server.become_(move |seen| {
        let is_new = connections.lock().unwrap().insert(seen.connection);
        Reply::status(200).after(if is_new { ms(250) } else { ms(0) })
    });
    server.restart();
    eventually("it is back", ms(10_000), || circuit.is_closed());
    calls.end();
}
