//! Events: what changes is told once, to a function or on a queue.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ahoy::ffi::balancer::endpoint::*;
use ahoy::ffi::observe::event::*;
use ahoy::ffi::values::status::*;
use support::*;

const SOON: Duration = ms(10_000);

/// What a function was told, in order.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<Told>>>);

impl Heard {
    fn hear(&self) -> impl Fn(Told) + Send + Sync + 'static {
        let heard = Arc::clone(&self.0);
        move |told| heard.lock().unwrap().push(told)
    }

    fn of(&self, kind: i32) -> Vec<Told> {
        let all = self.0.lock().unwrap();
        all.iter().filter(|told| told.kind == kind).cloned().collect()
    }

    fn kinds(&self) -> Vec<i32> {
        self.0.lock().unwrap().iter().map(|told| told.kind).collect()
    }
}

#[test]
fn a_circuit_tells_why_it_opened_until_when_and_that_it_closed() {
    let (heard, server) = (Heard::default(), Server::ok());
    let balancer =
        round_robin(&[server.port()]).with(&Breaker::new().connect_open_max_ms(50).open_ms(50, 50));
    let client = Builder::new()
        .balancer(&balancer)
        .retry(&Retry::new().tries(1))
        .on_event(heard.hear())
        .build();
    server.stop();
    client.get("/").unwrap_err();
    let opened = heard.of(AHOY_EVENT_CIRCUIT_OPENED);
    let [opened] = &opened[..] else { panic!("{opened:?}") };
    assert_eq!(opened.endpoint, Some(url(server.port())));
    assert_eq!(opened.number(AHOY_FIELD_REASON), Some(AHOY_OPENED_UNREACHABLE.into()));
    assert_eq!(opened.number(AHOY_FIELD_OLD_STATE), Some(AHOY_CIRCUIT_CLOSED.into()));
    assert_eq!(opened.number(AHOY_FIELD_NEW_STATE), Some(AHOY_CIRCUIT_OPEN.into()));
    let wait = opened.number(AHOY_FIELD_UNTIL_MS).unwrap() - opened.time_ms;
    assert!((1..=100).contains(&wait), "{wait}");
    assert!(opened.text.starts_with(&url(server.port())), "{}", opened.text);
    server.restart();
    eventually("it serves again", SOON, || client.get("/").is_ok());
    let closed = heard.of(AHOY_EVENT_CIRCUIT_CLOSED);
    assert_eq!(closed.len(), 1);
    assert_eq!(closed[0].number(AHOY_FIELD_NEW_STATE), Some(AHOY_CIRCUIT_CLOSED.into()));
    assert!(!heard.of(AHOY_EVENT_CIRCUIT_HALF_OPENED).is_empty());
}

#[test]
fn hands_and_checks_and_the_list_are_told_to_the_balancers_function() {
    let (heard, servers) = (Heard::default(), [Server::ok(), Server::ok()]);
    let ports = servers.each_ref().map(Server::port);
    let balancer = round_robin(&ports).check(None, 20, 1_000).thresholds(1, 1, 20);
    balancer.on_event(heard.hear()).unwrap();
    let client = single(&balancer);
    client.get("/").unwrap();
    let changed = heard.of(AHOY_EVENT_LIST_CHANGED);
    let counts = [AHOY_FIELD_KNOWN, AHOY_FIELD_JOINED, AHOY_FIELD_LEFT, AHOY_FIELD_AGE_MS];
    assert_eq!(counts.map(|field| changed[0].number(field)), [Some(2), Some(2), Some(0), None]);
    let endpoint = balancer.endpoint(ports[0]);
    endpoint.resume();
    endpoint.drain();
    endpoint.drain();
    endpoint.resume();
    assert_eq!(heard.of(AHOY_EVENT_DRAINED).len(), 1, "once");
    let resumed = heard.of(AHOY_EVENT_RESUMED);
    assert_eq!((resumed.len(), &resumed[0].endpoint), (1, &Some(url(ports[0]))));
    endpoint.open().unwrap();
    let opened = heard.of(AHOY_EVENT_CIRCUIT_OPENED);
    assert_eq!(opened[0].number(AHOY_FIELD_REASON), Some(AHOY_OPENED_BY_HAND.into()));
    assert_eq!(opened[0].number(AHOY_FIELD_UNTIL_MS), None);
    servers[1].stop();
    // Calls meanwhile: a service that nobody asks is checked once a minute.
    let told = |kind| {
        drop(client.get("/"));
        !heard.of(kind).is_empty()
    };
    eventually("a check fails", SOON, || told(AHOY_EVENT_CHECK_FAILED));
    servers[1].restart();
    eventually("it passes again", SOON, || told(AHOY_EVENT_CHECK_PASSED));
    balancer.leave(&Host::new("127.0.0.1", ports[0])).unwrap();
    let changed = heard.of(AHOY_EVENT_LIST_CHANGED);
    let counts = [AHOY_FIELD_KNOWN, AHOY_FIELD_JOINED, AHOY_FIELD_LEFT];
    let last = changed.last().unwrap();
    assert_eq!(counts.map(|field| last.number(field)), [Some(1), Some(0), Some(1)]);
    assert!(last.number(AHOY_FIELD_AGE_MS).is_some());
    assert_eq!(balancer.on_event(|_| ()).unwrap_err().status, AHOY_E_IN_USE);
}

#[test]
fn a_list_that_comes_with_other_settings_is_told_with_the_age_of_the_one_before() {
    let (heard, servers) = (Heard::default(), [Server::ok(), Server::ok()]);
    let [one, other] = servers.each_ref().map(|it| format!("127.0.0.1:{}", it.port()));
    let builder = Builder::new().on_event(heard.hear());
    builder.try_config(&format!(r#"{{"hosts": ["{one}"]}}"#)).unwrap();
    let client = builder.build();
    drop(builder);
    client.get("/").unwrap();
    client.reconfigure(&format!(r#"{{"hosts": ["{one}", "{other}"]}}"#)).unwrap();
    let changed = heard.of(AHOY_EVENT_LIST_CHANGED);
    let age = changed.iter().map(|told| told.number(AHOY_FIELD_AGE_MS).is_some());
    assert_eq!(age.collect::<Vec<_>>(), [false, true], "{changed:?}");
    assert_eq!(changed[1].number(AHOY_FIELD_KNOWN), Some(2));
}

#[test]
fn an_endpoint_that_gets_another_priority_neither_joins_nor_leaves() {
    let (heard, server) = (Heard::default(), Server::ok());
    let balancer = round_robin(&[server.port()]);
    balancer.on_event(heard.hear()).unwrap();
    single(&balancer).get("/").unwrap();
    let told = heard.of(AHOY_EVENT_LIST_CHANGED).len();
    balancer.join(&Host::new("127.0.0.1", server.port()).priority(1)).unwrap();
    single(&balancer).get("/").unwrap();
    assert_eq!(heard.of(AHOY_EVENT_LIST_CHANGED).len(), told);
}

#[test]
fn a_circuit_that_is_disabled_while_it_is_open_or_drained_is_told_as_closed() {
    let (heard, server) = (Heard::default(), Server::ok());
    let balancer = round_robin(&[server.port()]);
    balancer.on_event(heard.hear()).unwrap();
    single(&balancer).get("/").unwrap();
    let endpoint = balancer.endpoint(server.port());
    endpoint.disable_circuit().unwrap();
    endpoint.close().unwrap();
    endpoint.disable_circuit().unwrap();
    assert!(heard.of(AHOY_EVENT_CIRCUIT_CLOSED).is_empty(), "it was closed");
    endpoint.open().unwrap();
    endpoint.disable_circuit().unwrap();
    assert_eq!(heard.of(AHOY_EVENT_CIRCUIT_CLOSED).len(), 1);
    endpoint.drain();
    endpoint.disable_circuit().unwrap();
    assert_eq!(heard.of(AHOY_EVENT_CIRCUIT_CLOSED).len(), 2);
}

#[test]
fn an_ejection_tells_its_rule_and_its_end() {
    let (heard, good) = (Heard::default(), (0..4).map(|_| Server::ok()).collect::<Vec<_>>());
    let bad = Server::status(500);
    let mut ports: Vec<_> = good.iter().map(Server::port).collect();
    ports.push(bad.port());
    let balancer = round_robin(&ports).with(&Breaker::new().no_consecutive().no_ratio());
    for (key, value) in [
        ("outlier_detection", "true"),
        ("outlier_ejection_interval", "300ms"),
        ("outlier_ejection_base", "100ms"),
        ("outlier_failure_share", "0.5"),
        ("outlier_failure_share_min_endpoints", "2"),
        ("outlier_failure_share_min_calls", "3"),
    ] {
        balancer.option(key, value).unwrap();
    }
    let client = Builder::new().balancer(&balancer).on_event(heard.hear()).build();
    eventually("the bad one is ejected", SOON, || {
        client.get("/").unwrap();
        !heard.of(AHOY_EVENT_EJECTED).is_empty()
    });
    let ejected = &heard.of(AHOY_EVENT_EJECTED)[0];
    assert_eq!(ejected.endpoint, Some(url(bad.port())));
    assert_eq!(ejected.number(AHOY_FIELD_REASON), Some(AHOY_EJECTED_BY_FAILURE_SHARE.into()));
    assert!(ejected.number(AHOY_FIELD_UNTIL_MS).unwrap() > ejected.time_ms);
    eventually("it is back", SOON, || !heard.of(AHOY_EVENT_RETURNED).is_empty());
}

#[test]
fn a_source_that_fails_is_told_once_and_so_is_its_recovery() {
    let (heard, server) = (Heard::default(), Server::ok());
    let (works, port) = (Arc::new(AtomicBool::new(true)), server.port());
    let asked = Arc::clone(&works);
    let provider = Provider::custom(move |hosts| match asked.load(Ordering::Relaxed) {
        true => hosts.add("127.0.0.1", port).map_or(AHOY_E_INTERNAL, |()| AHOY_OK),
        false => AHOY_E_CONNECT,
    });
    let balancer = Balancer::round_robin(&provider);
    balancer.on_event(heard.hear()).unwrap();
    balancer.update().unwrap();
    works.store(false, Ordering::Relaxed);
    (0..3).for_each(|_| drop(balancer.update().unwrap_err()));
    works.store(true, Ordering::Relaxed);
    (0..3).for_each(|_| balancer.update().unwrap());
    let kinds = [AHOY_EVENT_LIST_CHANGED, AHOY_EVENT_SOURCE_FAILING, AHOY_EVENT_SOURCE_WELL];
    assert_eq!(heard.kinds(), kinds);
    let failing = &heard.of(AHOY_EVENT_SOURCE_FAILING)[0];
    assert!(failing.detail.contains("its function returned AHOY_E_CONNECT ("), "{failing:?}");
    assert!(failing.number(AHOY_FIELD_AGE_MS).is_some());
}

#[test]
fn budget_and_overload_are_told_as_they_come_and_go() {
    let (heard, server) = (Heard::default(), Server::status(503));
    let retry = Retry::new().delay_ms(1).tries(2);
    let client = Builder::new()
        .balancer(&round_robin(&[server.port()]))
        .retry(&retry)
        .retry_budget(0.0, 0, 10_000)
        .max_in_flight(1)
        .on_event(heard.hear())
        .build();
    (0..2).for_each(|_| drop(client.get("/")));
    assert_eq!(heard.of(AHOY_EVENT_BUDGET_EMPTY).len(), 1);
    let gate = answers_behind_a_gate(&server, 200);
    let held = client.begin("/");
    eventually("it is under way", SOON, || server.in_flight() == 1);
    (0..2).for_each(|_| drop(client.get("/").unwrap_err()));
    gate.store(true, Ordering::SeqCst);
    let entered = heard.of(AHOY_EVENT_OVERLOAD_ENTERED);
    assert_eq!(entered.len(), 1);
    assert!(entered[0].detail.contains("limit of 1"), "{entered:?}");
    held.end().unwrap();
    client.get("/").unwrap();
    assert_eq!(heard.of(AHOY_EVENT_OVERLOAD_LEFT).len(), 1);
}

/// The server answers that status once the gate is open.
fn answers_behind_a_gate(server: &Server, status: u16) -> Arc<AtomicBool> {
    let gate = Arc::new(AtomicBool::new(false));
    let opened = Arc::clone(&gate);
    server.become_(move |_| {
        eventually("the gate opens", SOON, || opened.load(Ordering::SeqCst));
        Reply::status(status)
    });
    gate
}

/// A client of the one server, by a text with these settings.
fn with_settings(server: &Server, heard: &Heard, settings: &str) -> Client {
    let builder = Builder::new().on_event(heard.hear());
    builder.try_config(&settings_for(server, settings)).unwrap();
    builder.build()
}

fn settings_for(server: &Server, settings: &str) -> String {
    format!(r#"{{"hosts": ["127.0.0.1:{}"], {settings}}}"#, server.port())
}

#[test]
fn what_a_limit_began_is_told_with_its_end_by_another_limit_or_none() {
    for (settings, calls) in [(r#""max_in_flight": 50"#, 1), (r#""timeout": "20s""#, 0)] {
        let (heard, server) = (Heard::default(), Server::ok());
        let client = with_settings(&server, &heard, r#""max_in_flight": 1"#);
        let gate = answers_behind_a_gate(&server, 200);
        let held = client.begin("/");
        eventually("it is under way", SOON, || server.in_flight() == 1);
        client.get("/").unwrap_err();
        let told = || {
            [AHOY_EVENT_OVERLOAD_ENTERED, AHOY_EVENT_OVERLOAD_LEFT].map(|kind| heard.of(kind).len())
        };
        assert_eq!(told(), [1, 0]);
        client.reconfigure(&settings_for(&server, settings)).unwrap();
        gate.store(true, Ordering::SeqCst);
        (0..calls).for_each(|_| drop(client.get("/").unwrap()));
        assert_eq!(told(), [1, 1], "{settings}");
        held.end().unwrap();
        client.get("/").unwrap();
        assert_eq!(told(), [1, 1], "{settings}: once");
    }
}

#[test]
fn what_a_call_meets_by_a_limit_that_was_replaced_is_not_told() {
    let (heard, server) = (Heard::default(), Server::status(503));
    let settings = |budget| format!(r#""retry_budget": {budget}, "retry": {{"tries": 2}}"#);
    let client =
        with_settings(&server, &heard, &format!("{}, \"retry_budget_floor\": 0", settings("0")));
    let gate = answers_behind_a_gate(&server, 503);
    let held = client.begin("/");
    eventually("it is under way", SOON, || server.in_flight() == 1);
    client.reconfigure(&settings_for(&server, &settings("\"off\""))).unwrap();
    gate.store(true, Ordering::SeqCst);
    drop(held.end());
    assert_eq!(server.request_count(), 1, "the old budget refused");
    assert!(heard.of(AHOY_EVENT_BUDGET_EMPTY).is_empty(), "nothing would tell the end");
}

#[test]
fn what_a_budget_began_is_told_with_its_end_by_another_budget_or_none() {
    let tries = r#""retry": {"tries": 2, "delay": "1ms"}"#;
    for (budget, calls) in [("1", 1), ("\"off\"", 0)] {
        let (heard, server) = (Heard::default(), Server::status(503));
        let none = format!(r#"{tries}, "retry_budget": 0, "retry_budget_floor": 0"#);
        let client = with_settings(&server, &heard, &none);
        drop(client.get("/"));
        let told =
            || [AHOY_EVENT_BUDGET_EMPTY, AHOY_EVENT_BUDGET_FILLED].map(|kind| heard.of(kind).len());
        assert_eq!(told(), [1, 0]);
        let settings = format!(r#"{tries}, "retry_budget": {budget}"#);
        client.reconfigure(&settings_for(&server, &settings)).unwrap();
        (0..calls).for_each(|_| drop(client.get("/")));
        assert_eq!(told(), [1, 1], "{budget}");
        drop(client.get("/"));
        assert_eq!(told(), [1, 1], "{budget}: once");
    }
}

#[test]
fn a_budget_that_refuses_and_grants_by_turns_is_told_once_a_second_at_most() {
    let (heard, server) = (Heard::default(), Server::status(503));
    let client = Builder::new()
        .balancer(&round_robin(&[server.port()]))
        .retry(&Retry::new().delay_ms(1).tries(2))
        .retry_budget(0.5, 0, 10_000)
        .on_event(heard.hear())
        .build();
    let begun = Instant::now();
    (0..40).for_each(|_| drop(client.get("/")));
    let seconds = begun.elapsed().as_secs() as usize;
    assert!(server.request_count() > 50, "every other call is granted a retry");
    let told = [AHOY_EVENT_BUDGET_EMPTY, AHOY_EVENT_BUDGET_FILLED].map(|kind| heard.of(kind).len());
    assert!(1 <= told[0] && told[0] <= 1 + seconds && told[1] <= told[0], "{told:?}");
}

#[test]
fn panic_is_entered_and_left() {
    let (heard, servers) = (Heard::default(), [Server::status(500), Server::status(500)]);
    let ports = servers.each_ref().map(Server::port);
    let breaker = Breaker::new().consecutive(1).min_closed(0).open_ms(50, 50);
    let balancer = round_robin(&ports).with(&breaker);
    balancer.option("panic_threshold", "0.6").unwrap();
    let client = Builder::new()
        .balancer(&balancer)
        .retry(&Retry::new().tries(1))
        .on_event(heard.hear())
        .build();
    eventually("all are out", SOON, || {
        drop(client.get("/"));
        !heard.of(AHOY_EVENT_PANIC_ENTERED).is_empty()
    });
    servers.iter().for_each(|server| server.become_(|_| Reply::status(200)));
    eventually("they are well again", SOON, || {
        drop(client.get("/"));
        !heard.of(AHOY_EVENT_PANIC_LEFT).is_empty()
    });
    assert_eq!(heard.of(AHOY_EVENT_PANIC_ENTERED).len(), 1);
}

#[test]
fn what_began_before_the_balancer_was_changed_is_told_once_and_with_its_end() {
    let (heard, servers) = (Heard::default(), [Server::status(500), Server::status(500)]);
    let [one, other] = servers.each_ref().map(Server::port);
    let config = |threshold| {
        format!(
            r#"{{"hosts": ["127.0.0.1:{one}", "127.0.0.1:{other}"], "retry": {{"tries": 1}},
                "balancer": {{"name": "round_robin", "panic_threshold": {threshold}}},
                "breaker": {{"consecutive_failures": 1, "min_closed": 0, "open_base": "50ms", "open_max": "50ms"}}}}"#
        )
    };
    let builder = Builder::new().on_event(heard.hear());
    builder.try_config(&config("0.6")).unwrap();
    let client = builder.build();
    drop(builder);
    eventually("all are out", SOON, || {
        drop(client.get("/"));
        !heard.of(AHOY_EVENT_PANIC_ENTERED).is_empty()
    });
    client.reconfigure(&config("0.9")).unwrap();
    (0..4).for_each(|_| drop(client.get("/")));
    assert_eq!(heard.of(AHOY_EVENT_PANIC_ENTERED).len(), 1);
    client.reconfigure(&config("\"off\"")).unwrap();
    servers.iter().for_each(|server| server.become_(|_| Reply::status(200)));
    eventually("they are well again", SOON, || {
        drop(client.get("/"));
        !heard.of(AHOY_EVENT_PANIC_LEFT).is_empty()
    });
    assert_eq!(heard.of(AHOY_EVENT_PANIC_ENTERED).len(), 1);
}

#[test]
fn what_calls_of_before_and_after_a_change_see_begin_is_told_once() {
    let heard = Heard::default();
    let gate = Arc::new(AtomicBool::new(false));
    let server = || {
        let opened = Arc::clone(&gate);
        Server::new(move |_| {
            eventually("the gate opens", SOON, || opened.load(Ordering::SeqCst));
            Reply::status(503)
        })
    };
    let servers = [server(), server()];
    let [one, other] = servers.each_ref().map(Server::port);
    let config = |threshold| {
        format!(
            r#"{{"hosts": ["127.0.0.1:{one}", "127.0.0.1:{other}"], "attempt_timeout": "forever",
                "retry": {{"tries": 2, "delay": "1ms"}},
                "balancer": {{"name": "round_robin", "panic_threshold": {threshold}}},
                "breaker": {{"consecutive_failures": 1, "min_closed": 0, "open_base": "50ms", "open_max": "50ms"}}}}"#
        )
    };
    let builder = Builder::new().on_event(heard.hear());
    builder.try_config(&config("0.6")).unwrap();
    let client = builder.build();
    drop(builder);
    let before = [(); 2].map(|()| client.begin("/"));
    let is_held = |server: &Server| server.in_flight() == 1;
    eventually("both are under way", SOON, || servers.iter().all(is_held));
    client.reconfigure(&config("0.9")).unwrap();
    // Each finds its own endpoint bad. The second one to try again has none left by the rules that both began with.
    gate.store(true, Ordering::SeqCst);
    before.into_iter().for_each(|call| drop(call.end()));
    let told =
        || [AHOY_EVENT_PANIC_ENTERED, AHOY_EVENT_PANIC_LEFT].map(|kind| heard.of(kind).len());
    eventually("all are out", SOON, || {
        drop(client.get("/"));
        told()[0] > 0
    });
    (0..4).for_each(|_| drop(client.get("/")));
    servers.iter().for_each(|server| server.become_(|_| Reply::status(200)));
    eventually("they are well again", SOON, || {
        drop(client.get("/"));
        told()[1] > 0
    });
    assert_eq!(told(), [1, 1]);
}

#[test]
fn a_queue_holds_events_beside_completions() {
    let (server, queue) = (Server::ok(), Queue::new());
    let balancer = round_robin(&[server.port()]).event_queue(&queue);
    let client = single(&balancer);
    client.get("/").unwrap();
    assert!(is_readable(queue.fd(), 0));
    // A wait for a completion ends where an event is there, and takes none.
    assert!(queue.next(FOREVER).unwrap().is_none());
    let told = queue.next_event(FOREVER).unwrap();
    assert_eq!(told.kind, AHOY_EVENT_LIST_CHANGED);
    assert!(!is_readable(queue.fd(), 0));
    assert!(queue.next_event(0).is_none());
    client.submit(&Request::new("GET", "/"), &queue, 7).unwrap();
    assert!(queue.next_event(FOREVER).is_none(), "a completion came first");
    assert_eq!(queue.next(FOREVER).unwrap().unwrap().tag(), 7);
    assert!(!is_readable(queue.fd(), 0));
}

#[test]
fn the_oldest_events_are_lost_and_counted() {
    let (server, queue) = (Server::ok(), Queue::new());
    let balancer = round_robin(&[server.port()]).event_queue(&queue);
    let client = single(&balancer);
    client.get("/").unwrap();
    let endpoint = balancer.endpoint(server.port());
    // Two events each, beside that of the list.
    for _ in 0..600 {
        endpoint.drain();
        endpoint.resume();
    }
    assert_eq!(queue.events_lost(), 1 + 1_200 - 1_024);
    let told: Vec<_> = std::iter::from_fn(|| queue.next_event(0)).collect();
    assert_eq!(told.len(), 1_024);
    assert_eq!(told[0].kind, AHOY_EVENT_DRAINED, "the list and 88 pairs are lost");
    assert!(told.windows(2).all(|pair| pair[0].time_ms <= pair[1].time_ms));
    assert!(!is_readable(queue.fd(), 0));
}

#[cfg(unix)]
#[test]
fn a_child_tells_functions_and_leaves_its_parents_queue_alone() {
    let _alone = alone();
    let (server, queue, heard) = (Server::ok(), Queue::new(), Heard::default());
    let balancer = round_robin(&[server.port()]).event_queue(&queue);
    let client = Builder::new().balancer(&balancer).on_event(heard.hear()).build();
    client.get("/").unwrap();
    Child::run(|| {
        client.get("/").unwrap();
        assert_eq!(heard.of(AHOY_EVENT_LIST_CHANGED).len(), 2);
    })
    .ends();
    assert_eq!(std::iter::from_fn(|| queue.next_event(0)).count(), 1);
}

#[test]
fn a_freed_queue_takes_no_events() {
    let server = Server::ok();
    let queue = Queue::new();
    let balancer = round_robin(&[server.port()]).event_queue(&queue);
    drop(queue);
    single(&balancer).get("/").unwrap();
}

/// A server whose answers to `/held` wait for `gate`; those to others come at once.
fn held_by(gate: &Arc<AtomicBool>, status: u16) -> Server {
    let opened = Arc::clone(gate);
    Server::new(move |seen| {
        if seen.path == "/held" {
            eventually("the gate opens", SOON, || opened.load(Ordering::SeqCst));
            return Reply::status(503);
        }
        Reply::status(status)
    })
}

/// A configuration over `servers` with this panic threshold, which changes the balancer, and these other parts.
fn changing(servers: &[&Server], threshold: f64, balancer: &str, others: &str) -> String {
    let hosts: Vec<_> = servers.iter().map(|it| format!("\"127.0.0.1:{}\"", it.port())).collect();
    let hosts = hosts.join(", ");
    format!(
        r#"{{"hosts": [{hosts}], "attempt_timeout": "forever", "retry": {{"tries": 1}}, {others}
            "balancer": {{"name": "round_robin", "panic_threshold": {threshold}, {balancer}}}}}"#
    )
}

fn made(config: &str, heard: &Heard) -> Client {
    let builder = Builder::new().on_event(heard.hear());
    builder.try_config(config).unwrap();
    builder.build()
}

#[test]
fn a_call_from_before_a_change_opens_no_circuit_that_is_the_last_closed_one_after_it() {
    let (heard, gate) = (Heard::default(), Arc::new(AtomicBool::new(false)));
    let servers = [held_by(&gate, 200), held_by(&gate, 200)];
    let config = |threshold| {
        let breaker = r#""breaker": {"consecutive_failures": 1, "min_closed": 1, "open_base": "1m", "open_max": "1m"},"#;
        changing(&[&servers[0], &servers[1]], threshold, r#""slow_start_window": "off""#, breaker)
    };
    let client = made(&config(0.1), &heard);
    let held = client.begin("/held");
    let holds = |server: &&Server| server.in_flight() == 1;
    eventually("it is under way", SOON, || servers.iter().any(|it| holds(&it)));
    let other = servers.iter().find(|it| !holds(it)).unwrap();
    client.reconfigure(&config(0.2)).unwrap();
    other.become_(|_| Reply::status(503));
    eventually("the other circuit opens", SOON, || {
        drop(client.get("/"));
        !heard.of(AHOY_EVENT_CIRCUIT_OPENED).is_empty()
    });
    gate.store(true, Ordering::SeqCst);
    drop(held.end());
    assert_eq!(heard.of(AHOY_EVENT_CIRCUIT_OPENED).len(), 1);
    assert_eq!(client.get("/").unwrap().status, 200);
}

#[test]
fn an_ejection_ends_once_while_calls_from_before_a_change_are_under_way() {
    let (heard, gate) = (Heard::default(), Arc::new(AtomicBool::new(false)));
    let servers = [held_by(&gate, 200), held_by(&gate, 200), held_by(&gate, 500)];
    let config = |threshold| {
        let outliers = r#""outlier_detection": true, "outlier_ejection_interval": "200ms",
            "outlier_ejection_base": "400ms", "outlier_failure_share": 0.5,
            "outlier_failure_share_min_endpoints": 2, "outlier_failure_share_min_calls": 3"#;
        let breaker = r#""breaker": {"consecutive_failures": "off", "failure_ratio": "off"},"#;
        changing(&servers.each_ref(), threshold, outliers, breaker)
    };
    let client = made(&config(0.1), &heard);
    let held = client.begin("/held");
    let ejected = |times: usize| {
        drop(client.get("/"));
        heard.of(AHOY_EVENT_EJECTED).len() >= times
    };
    eventually("the bad one is ejected", SOON, || ejected(1));
    client.reconfigure(&config(0.2)).unwrap();
    eventually("it came back and is ejected again", SOON, || ejected(2));
    assert_eq!(heard.of(AHOY_EVENT_RETURNED).len(), 1);
    gate.store(true, Ordering::SeqCst);
    drop(held.end());
}

#[test]
fn a_check_from_before_a_change_tells_nothing_after_it() {
    let (heard, server) = (Heard::default(), Server::ok());
    let hangs = |seen: &Seen| if seen.path == "/health" { Reply::Hang } else { Reply::status(200) };
    server.become_(hangs);
    let config = |threshold| {
        let checks = r#""health_check_path": "/health", "health_check_timeout": "300ms",
            "health_check_interval": "20ms", "health_thresholds_unhealthy": 1"#;
        changing(&[&server], threshold, checks, "")
    };
    let client = made(&config(0.1), &heard);
    client.get("/").unwrap();
    eventually("a check is under way", SOON, || server.in_flight() == 1);
    client.reconfigure(&config(0.2)).unwrap();
    let failing = [("state", "check_failing")];
    eventually("the endpoint fails its checks", SOON, || {
        drop(client.get("/"));
        client.snapshot().sum("ahoy_balancer_endpoints", &failing) > 0.0
    });
    assert_eq!(heard.of(AHOY_EVENT_CHECK_FAILED).len(), 1);
}
