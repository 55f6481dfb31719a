//! What a client holds back for its service and its callers, and what its attempts pass on.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use ahoy::ffi::call::request::*;
use ahoy::ffi::client::protection::*;
use ahoy::ffi::values::status::*;
use support::*;

/// Long enough for whatever must happen at all.
const SOON: Duration = Duration::from_secs(20);

/// A balancer that always takes the first endpoint that admits and was not tried.
fn first_of(servers: &[&Server]) -> Balancer {
    let ports: Vec<_> = servers.iter().map(|server| server.port()).collect();
    Balancer::custom(&Provider::loopback(&ports), |_| 0)
}

/// A builder over one server.
fn over(server: &Server) -> Builder {
    Builder::new().balancer(&round_robin(&[server.port()]))
}

/// The same for calls that are held: none of them gets another attempt beside it.
fn holding(server: &Server) -> Builder {
    over(server).attempt_timeout_ms(FOREVER)
}

/// Retries without a wait to speak of.
fn hasty() -> Retry {
    Retry::new().delay_ms(1)
}

fn get(path: &str) -> Request {
    Request::new("GET", path)
}

/// Holds answers back until it is opened.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    fn pass(&self) {
        let closed = self.0.0.lock().unwrap();
        drop(self.0.1.wait_timeout_while(closed, SOON, |open| !*open).unwrap());
    }
}

/// A server that answers 200, but /hold only when the gate is open.
fn gated() -> (Server, Gate) {
    let gate = Gate::default();
    let held = gate.clone();
    let server = Server::new(move |seen| {
        if seen.path == "/hold" {
            held.pass();
        }
        Reply::status(200)
    });
    (server, gate)
}

/// Begins calls that the server holds, and waits until it has them.
fn hold(client: &Client, server: &Server, count: usize) -> Vec<Call> {
    // By what arrived: a call that was answered may still count as in flight.
    let held = || server.requests().iter().filter(|seen| seen.path == "/hold").count();
    let before = held();
    let calls = (0..count).map(|_| client.begin("/hold")).collect();
    eventually("all are held", SOON, || held() == before + count);
    calls
}

fn assert_overloaded(outcome: Outcome, says: &str) {
    let failure = outcome.unwrap_err();
    assert_eq!((failure.status, failure.attempt_count), (AHOY_E_OVERLOADED, 0), "{failure:?}");
    assert!(failure.message.contains(says), "{}", failure.message);
    assert!(!failure.is_ambiguous);
}

// The budget.

#[test]
fn a_service_that_fails_everywhere_gets_a_tenth_more_the_reserve_and_the_stock() {
    let servers = [Server::status(503), Server::status(503), Server::status(503)];
    let balancer = round_robin(&servers.each_ref().map(Server::port));
    let client = Builder::new().balancer(&balancer).retry(&hasty()).build();
    let begun = Instant::now();
    for _ in 0..300 {
        assert_eq!(client.get("/").unwrap().status, 503);
    }
    let sent: usize = servers.iter().map(Server::request_count).sum();
    // The reserve comes back by one each second; the stock of 100 does not. One more is what the first had in flight whose
    // circuit opened: most were well then.
    let most = 300 + 30 + 10 + 100 + 1 + 2 * begun.elapsed().as_secs() as usize;
    assert!((310..=most).contains(&sent), "{sent} requests, at most {most}");
}

#[test]
fn a_share_without_a_floor_is_exact() {
    let server = Server::status(503);
    let client = over(&server).retry(&hasty()).retry_budget(0.5, 0, 60_000).build();
    for _ in 0..100 {
        client.get("/").unwrap();
    }
    assert_eq!(server.request_count(), 150);
}

#[test]
fn without_a_budget_every_call_has_all_its_tries() {
    let server = Server::status(503);
    let client = over(&server).retry(&hasty()).without_retry_budget().build();
    for _ in 0..50 {
        assert_eq!(client.get("/").unwrap().attempt_count, 3);
    }
    assert_eq!(server.request_count(), 150);
}

#[test]
fn tries_without_limit_have_no_budget_unless_one_is_set() {
    let server = Server::new(|seen| Reply::status(if seen.number < 60 { 503 } else { 200 }));
    let endless = || hasty().tries(-1).backoff(1.0).jitter_ms(0, 0);
    let answer = over(&server).retry(&endless()).build().get("/").unwrap();
    assert_eq!((answer.status, answer.attempt_count), (200, 61));
    let server = Server::status(503);
    let client = over(&server).retry(&endless()).retry_budget(0.0, 3, 1000).timeout_ms(900).build();
    assert_eq!(client.get("/").unwrap().attempt_count, 4);
}

#[test]
fn what_never_left_the_client_costs_nothing() {
    let (dead, more, good) = (Dead::new(), Dead::new(), Server::ok());
    let provider = Provider::loopback(&[dead.port(), more.port(), good.port()]);
    let builder = Builder::new().balancer(&Balancer::custom(&provider, |_| 0));
    let answer = builder.retry_budget(0.0, 0, 1000).build().get("/").unwrap();
    assert_eq!((answer.status, answer.attempt_count), (200, 3));
    let builder = Builder::new().base_url(&dead.url()).retry(&hasty());
    let failure = builder.retry_budget(0.0, 0, 1000).build().get("/").unwrap_err();
    assert_eq!((failure.status, failure.attempt_count), (AHOY_E_CONNECT, 3));
}

#[test]
fn an_error_says_that_the_budget_is_used_up() {
    let server = Server::always(Reply::Close);
    let failure = over(&server).retry_budget(0.0, 0, 1000).build().get("/").unwrap_err();
    assert_eq!((failure.status, failure.attempt_count), (AHOY_E_CONNECTION_LOST, 1));
    assert!(failure.message.contains("budget is used up"), "{}", failure.message);
    let server = Server::status(503);
    let client = over(&server).retry_budget(0.0, 0, 1000).fail_on_status(true).build();
    let failure = client.get("/").unwrap_err();
    assert_eq!((failure.status, failure.attempt_count), (AHOY_E_HTTP_STATUS, 1));
    assert!(failure.message.contains("status 503"), "{}", failure.message);
    assert!(failure.message.contains("budget is used up"), "{}", failure.message);
}

#[test]
fn an_answer_says_why_no_attempt_followed() {
    let server = Server::status(503);
    let poor = over(&server).retry_budget(0.0, 0, 1000).build();
    assert_eq!(poor.get("/").unwrap().stop_reason, "the client's retry budget is used up");
    let client = over(&server).retry(&hasty()).without_retry_budget().build();
    let posted = client.send(&Request::new("POST", "/").body(b"once")).unwrap();
    assert_eq!(posted.stop_reason, "not repeated, for the request is not idempotent");
    assert_eq!(client.get("/").unwrap().stop_reason, "", "all tries were made");
    let final_ = over(&Server::status(404)).build().get("/").unwrap();
    assert_eq!((final_.attempt_count, final_.stop_reason.as_str()), (1, ""));
}

#[test]
fn numbers_that_make_no_budget_are_refused() {
    let builder = Builder::new();
    for (share, window_ms, name) in [
        (-0.1, 1000, "share"),
        (f64::NAN, 1000, "share"),
        (f64::INFINITY, 1000, "share"),
        (0.1, 999, "window_ms"),
        (0.1, 60_001, "window_ms"),
    ] {
        let failure = builder.try_retry_budget(share, 1, window_ms).unwrap_err();
        assert_eq!(failure.status, AHOY_E_INVALID_ARGUMENT);
        assert!(failure.message.contains(name), "{}", failure.message);
    }
}

// Hedging.

/// A client that sends a copy after so long, whatever that costs.
fn hedging(balancer: &Balancer, delay_ms: u64) -> Builder {
    Builder::new().balancer(balancer).hedge_delay_ms(delay_ms, 1.0).without_retry_budget()
}

/// A server that hangs, and one that answers once the other was asked as often.
fn hare_and_tortoise() -> (Server, Server) {
    let asked = Arc::new((Mutex::new(0), Condvar::new()));
    let told = Arc::clone(&asked);
    let slow = Server::new(move |_| {
        *told.0.lock().unwrap() += 1;
        told.1.notify_all();
        Reply::Hang
    });
    let fast = Server::new(move |seen| {
        let count = asked.0.lock().unwrap();
        drop(asked.1.wait_timeout_while(count, SOON, |count| *count <= seen.number).unwrap());
        Reply::status(200)
    });
    (slow, fast)
}

/// The attempt at a server.
fn attempt_at<'a>(attempts: &'a [Attempt], server: &Server) -> &'a Attempt {
    attempts.iter().find(|attempt| attempt.url == server.url()).expect("an attempt there")
}

fn assert_lost(attempts: &[Attempt], slow: &Server) {
    let lost = attempt_at(attempts, slow);
    assert_eq!(lost.status, AHOY_E_CANCELLED);
    assert_eq!(lost.detail, "cancelled, another attempt answered first");
}

#[test]
fn a_copy_elsewhere_answers_where_the_first_hangs_and_three_in_a_row_are_blamed() {
    let (slow, fast) = hare_and_tortoise();
    let balancer = first_of(&[&slow, &fast]);
    let client = hedging(&balancer, 5).build();
    // The first two are bad luck; the third to the seventh count as late, and five failures open the circuit.
    for count in 1..=7 {
        let answer = client.get("/").unwrap();
        assert_eq!(balancer.endpoint(slow.port()).is_closed(), count < 7, "{count}");
        assert_eq!((answer.status, answer.attempt_count), (200, 2));
        assert_eq!(answer.endpoint_url, fast.url());
        assert_lost(&answer.attempts, &slow);
        assert_eq!(attempt_at(&answer.attempts, &fast).http_status, 200);
        let hedges = answer.attempts.iter().filter(|attempt| attempt.is_hedge);
        assert_eq!(hedges.map(|it| it.url.clone()).collect::<Vec<_>>(), [fast.url()]);
        assert_eq!((slow.request_count(), fast.request_count()), (count, count));
    }
    eventually("its connections close", SOON, || sockets_to(&slow) == 0);
}

#[test]
fn where_copies_are_sent_they_make_the_probes() {
    let back = Server::new(|seen| Reply::status(if seen.number == 0 { 503 } else { 200 }));
    let slow = Server::new(|_| Reply::Hang);
    let breaker = Breaker::new().consecutive(1).open_ms(1, 1);
    let balancer = first_of(&[&back, &slow]).with(&breaker);
    let client = hedging(&balancer, 5).tries(1).build();
    let tripped = Instant::now();
    assert_eq!(client.get("/").unwrap().status, 503);
    let answer = client.get("/").unwrap();
    assert_eq!((answer.status, answer.endpoint_url), (200, back.url()));
    // Overdue, the first attempt makes it itself.
    if tripped.elapsed() < ms(200) {
        assert_lost(&answer.attempts, &slow);
    }
    assert!(balancer.endpoint(back.port()).is_closed());
}

#[test]
fn where_no_copy_comes_a_first_attempt_makes_the_probe() {
    let back = Server::new(|seen| Reply::status(if seen.number == 0 { 503 } else { 200 }));
    let other = Server::ok();
    let breaker = Breaker::new().consecutive(1).open_ms(1, 1);
    let balancer = first_of(&[&back, &other]).with(&breaker);
    let client = hedging(&balancer, 60_000).tries(1).build();
    let tripped = Instant::now();
    assert_eq!(client.get("/").unwrap().status, 503);
    let circuit = balancer.endpoint(back.port());
    eventually("it is in rotation again", SOON, || {
        assert_eq!(client.get("/").unwrap().status, 200);
        circuit.is_closed()
    });
    assert!(tripped.elapsed() >= ms(200), "{:?}", tripped.elapsed());
}

#[test]
fn a_retry_makes_the_probe_where_nobody_else_is_left() {
    let back = Server::new(|seen| Reply::status(if seen.number == 0 { 503 } else { 200 }));
    let bad = Server::status(503);
    let breaker = Breaker::new().consecutive(1).open_ms(1, 1);
    let balancer = first_of(&[&back, &bad]).with(&breaker);
    let client = hedging(&balancer, 60_000).tries(2).build();
    let tripped = Instant::now();
    assert_eq!(client.get("/").unwrap().status, 503);
    eventually("a probe is due", SOON, || {
        let answer = client.get("/").unwrap();
        // Overdue, the first attempt makes it itself.
        let first =
            if tripped.elapsed() < ms(200) { bad.url() } else { answer.attempts[0].url.clone() };
        assert_eq!(answer.attempts[0].url, first);
        answer.status == 200
    });
}

#[test]
fn no_copy_takes_the_room_that_calls_were_turned_away_for() {
    let (gate, second) = (Gate::default(), Server::ok());
    let held = gate.clone();
    let first = Server::new(move |seen| {
        if seen.path == "/hang" {
            return Reply::Hang;
        }
        held.pass();
        Reply::status(200)
    });
    let client = hedging(&first_of(&[&first, &second]), 100).tries(1).max_in_flight(2).build();
    let slow = || client.send(&get("/hang").timeout_ms(1000));
    assert_eq!(slow().unwrap().attempt_count, 2, "there is room for all");
    let calls = hold(&client, &first, 2);
    assert_overloaded(client.get("/"), "the limit of 2 calls in flight is reached");
    gate.open();
    assert!(calls.iter().all(|call| call.end().unwrap().status == 200));
    assert_eq!(slow().unwrap_err().attempt_count, 1, "there was none a moment ago");
}

#[test]
fn the_first_wins_where_it_is_faster_after_all() {
    let (gate, asked) = (Gate::default(), Gate::default());
    let (held, told) = (gate.clone(), asked.clone());
    let first = Server::new(move |_| {
        held.pass();
        Reply::status(200)
    });
    let second = Server::new(move |_| {
        told.open();
        Reply::Hang
    });
    let client = hedging(&first_of(&[&first, &second]), 5).build();
    let call = client.begin("/");
    asked.pass();
    gate.open();
    let answer = call.end().unwrap();
    assert_eq!((answer.endpoint_url.as_str(), answer.attempt_count), (first.url().as_str(), 2));
    assert_lost(&answer.attempts, &second);
}

#[test]
fn only_what_may_be_carried_out_twice_is_hedged() {
    let slow = Server::always(Reply::status(200).after(ms(100)));
    let fast = Server::ok();
    let client = hedging(&first_of(&[&slow, &fast]), 5).build();
    let answer = client.post("/", "text/plain", b"x").unwrap();
    assert_eq!((answer.attempt_count, fast.request_count()), (1, 0));
    let sure = Request::new("POST", "/").body(b"twice").idempotent(true);
    let slow_for_good = Server::always(Reply::Hang);
    let client = hedging(&first_of(&[&slow_for_good, &fast]), 5).build();
    assert_eq!(client.send(&sure).unwrap().attempt_count, 2);
    assert_eq!(fast.request().body, b"twice");
    let unsure = get("/").idempotent(false).timeout_ms(1000);
    assert_eq!(client.send(&unsure).unwrap_err().attempt_count, 1);
}

#[test]
fn without_another_endpoint_there_is_no_copy() {
    let server = Server::always(Reply::status(200).after(ms(60)));
    let answer = hedging(&round_robin(&[server.port()]), 5).build().get("/").unwrap();
    assert_eq!((answer.attempt_count, server.request_count()), (1, 1));
    let client = Builder::new().base_url(&server.url()).hedge_delay_ms(5, 1.0).build();
    assert_eq!(client.get("/").unwrap().attempt_count, 1);
}

#[test]
fn a_failure_before_the_delay_is_a_retry() {
    let (bad, good) = (Server::status(503), Server::ok());
    let client = hedging(&first_of(&[&bad, &good]), 600_000).build();
    let answer = client.get("/").unwrap();
    assert_eq!((answer.status, answer.attempt_count), (200, 2));
    assert_eq!(answer.attempts[0].http_status, 503);
}

#[test]
fn dead_endpoints_cost_no_try_beside_hedging_either() {
    let dead = [(); 4].map(|()| Dead::new());
    let good = Server::ok();
    let mut ports: Vec<_> = dead.iter().map(Dead::port).collect();
    ports.push(good.port());
    let balancer = Balancer::custom(&Provider::loopback(&ports), |_| 0);
    let client = hedging(&balancer, 600_000).retry(&Retry::new().tries(2)).build();
    let answer = client.get("/").unwrap();
    assert_eq!((answer.status, answer.attempt_count), (200, 5));
}

/// A first server that fails once the second was asked, which fails a little later.
fn failing_pair() -> [Server; 2] {
    let asked = Gate::default();
    let told = asked.clone();
    let first = Server::new(move |_| {
        asked.pass();
        Reply::status(503)
    });
    let second = Server::new(move |_| {
        told.open();
        Reply::status(503).after(ms(50))
    });
    [first, second]
}

#[test]
fn where_both_fail_there_is_one_decision_to_retry() {
    let [first, second] = failing_pair();
    let good = Server::ok();
    let balancer = first_of(&[&first, &second, &good]);
    let client = hedging(&balancer, 5).retry(&hasty().tries(2)).build();
    let answer = client.get("/").unwrap();
    assert_eq!((answer.status, answer.attempt_count), (200, 3));
    let statuses: Vec<_> = answer.attempts.iter().map(|attempt| attempt.http_status).collect();
    assert_eq!(statuses, [503, 0, 200], "the retry did not wait for the other");
    let [first, second] = failing_pair();
    let client = hedging(&first_of(&[&first, &second]), 5).tries(1).build();
    let answer = client.get("/").unwrap();
    assert_eq!((answer.status, answer.attempt_count), (503, 2));
}

#[test]
fn a_copy_that_fails_leaves_the_first_alone_and_tells_its_own_time() {
    let asked = Gate::default();
    let told = asked.clone();
    let first = Server::new(move |_| {
        asked.pass();
        Reply::status(200).after(ms(600))
    });
    let second = Server::new(move |_| {
        told.open();
        Reply::status(503)
    });
    let balancer = first_of(&[&first, &second]).with(&Breaker::new().consecutive(1));
    let client = hedging(&balancer, 5).build();
    let answer = client.get("/").unwrap();
    assert_eq!((answer.status, answer.attempt_count), (200, 2));
    let (won, failed) =
        (attempt_at(&answer.attempts, &first), attempt_at(&answer.attempts, &second));
    assert_eq!((won.http_status, failed.http_status), (200, 503));
    assert!(failed.elapsed * 2 < won.elapsed, "{:?} and {:?}", failed.elapsed, won.elapsed);
    assert!(failed.opened_circuit);
}

#[test]
fn at_most_the_share_of_calls_is_hedged_with_a_budget_and_without() {
    for has_budget in [true, false] {
        let slow = || Server::always(Reply::status(200).after(ms(15)));
        let servers = [slow(), slow()];
        let balancer = round_robin(&servers.each_ref().map(Server::port));
        let builder = Builder::new().balancer(&balancer).hedge_delay_ms(1, 0.1);
        let client =
            if has_budget { builder.build() } else { builder.without_retry_budget().build() };
        for _ in 0..100 {
            client.get("/").unwrap();
        }
        let sent: usize = servers.iter().map(Server::request_count).sum();
        assert!((101..=110).contains(&sent), "{sent} requests for 100 calls");
    }
}

#[test]
fn a_live_delay_begins_with_twenty_answers_and_before_that_the_limit_tells() {
    let first =
        Server::new(|seen| if seen.path == "/slow" { Reply::Hang } else { Reply::status(200) });
    let second = Server::ok();
    let builder = Builder::new().balancer(&first_of(&[&first, &second])).tries(1);
    let client = builder.hedge(0.1).without_retry_budget().build();
    let slow = || get("/slow").timeout_ms(1000);
    for _ in 0..15 {
        client.get("/").unwrap();
    }
    let (answer, took) = timed(|| client.send(&slow().timeout_ms(5000)).unwrap());
    assert_eq!(answer.attempt_count, 2);
    assert!(took >= ms(495), "too few answers to know what is slow: at the limit, after {took:?}");
    eventually("it is hedged", SOON, || {
        // The delay is read anew every 50 ms.
        let (begun, mut count) = (Instant::now(), 0);
        while count < 60 || begun.elapsed() < ms(150) {
            client.get("/").unwrap();
            count += 1;
        }
        client.send(&slow().timeout_ms(3000)).is_ok_and(|answer| answer.attempt_count == 2)
    });
}

#[test]
fn a_hook_that_refuses_the_copy_leaves_the_first_alone() {
    let slow = Server::always(Reply::status(200).after(ms(150)));
    let fast = Server::ok();
    let refused = fast.url();
    let hook = move |request: &HookRequest| match request.endpoint_url() == refused {
        true => AHOY_E_HOOK_REFUSED,
        false => AHOY_OK,
    };
    let client = hedging(&first_of(&[&slow, &fast]), 5).on_request(hook).build();
    let answer = client.get("/").unwrap();
    assert_eq!((answer.endpoint_url.as_str(), answer.attempt_count), (slow.url().as_str(), 1));
    assert_eq!(fast.request_count(), 0);
}

#[test]
fn started_and_submitted_calls_are_hedged_too() {
    let (slow, fast) = (Server::always(Reply::Hang), Server::ok());
    let client = hedging(&first_of(&[&slow, &fast]), 5).build();
    let answer = client.begin("/").end().unwrap();
    assert_eq!((answer.endpoint_url, answer.attempt_count), (fast.url(), 2));
    let queue = Queue::new();
    client.submit(&get("/"), &queue, 1).unwrap();
    let answer = queue.next(20_000).unwrap().unwrap().take().unwrap().unwrap();
    assert_eq!((answer.endpoint_url, answer.attempt_count), (fast.url(), 2));
    assert_lost(&answer.attempts, &slow);
}

#[test]
fn a_streamed_call_is_hedged_up_to_its_head() {
    let (slow, fast) = hare_and_tortoise();
    let balancer = first_of(&[&slow, &fast]);
    let client = hedging(&balancer, 5).build();
    let streamed = client.stream("/");
    let head = streamed.head();
    assert_eq!((head.endpoint_url, head.attempt_count), (fast.url(), 2));
    assert_eq!(streamed.rest().unwrap(), "status 200");
    eventually("the other connection closes", SOON, || sockets_to(&slow) == 0);
    assert!(balancer.endpoint(slow.port()).is_closed());
}

#[test]
fn a_cancel_ends_both_and_calls_neither_faster() {
    let servers = [Server::always(Reply::Hang), Server::always(Reply::Hang)];
    let balancer = first_of(&[&servers[0], &servers[1]]);
    let client = hedging(&balancer, 5).build();
    let call = client.begin("/");
    eventually("both are asked", SOON, || servers.iter().all(|server| server.in_flight() == 1));
    call.cancel().unwrap();
    let failure = call.end().unwrap_err();
    assert_eq!((failure.status, failure.attempt_count), (AHOY_E_CANCELLED, 2));
    for (attempt, server) in failure.attempts.iter().zip(&servers) {
        assert_eq!((attempt.status, attempt.detail.as_str()), (AHOY_E_CANCELLED, "cancelled"));
        assert!(balancer.endpoint(server.port()).is_closed());
        eventually("its connection closes", SOON, || sockets_to(server) == 0);
    }
}

#[test]
fn a_deadline_ends_both_and_both_are_told() {
    let servers = [Server::always(Reply::Hang), Server::always(Reply::Hang)];
    let client = hedging(&first_of(&[&servers[0], &servers[1]]), 5).tries(1).build();
    let failure = client.send(&get("/").timeout_ms(1500)).unwrap_err();
    assert_eq!((failure.status, failure.attempt_count), (AHOY_E_DEADLINE, 2), "{failure:?}");
    assert!(failure.attempts.iter().all(|attempt| attempt.status == AHOY_E_DEADLINE));
}

// The limit on calls in flight.

/// Waits until the queue of waiting calls is full: then a call of the least class is turned away at once.
fn until_full(client: &Client) {
    eventually("all wait", SOON, || {
        let probe = get("/").criticality(AHOY_SHEDDABLE).timeout_ms(1);
        client.send(&probe).unwrap_err().message.contains("calls in flight is reached")
    });
}

#[test]
fn one_call_too_many_is_turned_away_until_one_ends() {
    let (server, gate) = gated();
    let client = holding(&server).max_in_flight(3).build();
    let calls = hold(&client, &server, 3);
    let (outcome, took) = timed(|| client.get("/"));
    assert_overloaded(outcome, "the limit of 3 calls in flight is reached");
    assert!(took < SOON, "{took:?}");
    assert_overloaded(client.begin("/").end(), "the limit of 3");
    assert_eq!(server.request_count(), 3);
    calls[0].cancel().unwrap();
    calls[0].end().unwrap_err();
    assert_eq!(client.get("/").unwrap().status, 200);
    gate.open();
    assert!(calls[1..].iter().all(|call| call.end().unwrap().status == 200));
}

#[test]
fn a_streamed_call_counts_until_the_end_of_its_body() {
    let begun = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nbegun".to_vec();
    let server = Server::new(move |seen| match seen.path.as_str() {
        "/begun" => Reply::Begin(begun.clone()),
        _ => Reply::status(200),
    });
    let client = over(&server).tries(1).max_in_flight(1).build();
    for _ in 0..20 {
        assert_eq!(client.stream("/").rest().unwrap(), "status 200");
    }
    let streamed = client.stream("/begun");
    assert_eq!(streamed.exactly(5), "begun");
    assert_overloaded(client.get("/"), "the limit of 1 calls in flight is reached");
    drop(streamed);
    eventually("its reader has given it up", SOON, || client.get("/").is_ok());
}

#[test]
fn who_waits_gets_the_room_of_who_ends() {
    let (server, gate) = gated();
    let client = holding(&server).max_in_flight(1).wait_queue(1, 60_000).build();
    let held = hold(&client, &server, 1);
    let waiting = client.begin("/next");
    until_full(&client);
    assert!(waiting.poll().unwrap().is_none());
    assert_eq!(server.request_count(), 1);
    gate.open();
    assert_eq!(waiting.end().unwrap().status, 200);
    assert_eq!(held[0].end().unwrap().status, 200);
    assert_eq!(server.take_most_in_flight(), 1);
}

#[test]
fn the_more_important_is_served_first() {
    let (server, gate) = gated();
    let client = holding(&server).max_in_flight(1).wait_queue(3, 60_000).build();
    let held = hold(&client, &server, 1);
    let classes = [
        ("/later", AHOY_SHEDDABLE_PLUS),
        ("/usual", AHOY_CRITICAL),
        ("/first", AHOY_CRITICAL_PLUS),
    ];
    let waiting = classes.map(|(path, class)| client.start(&get(path).criticality(class)).unwrap());
    until_full(&client);
    gate.open();
    assert!(held.iter().chain(&waiting).all(|call| call.end().unwrap().status == 200));
    let paths: Vec<_> = server.requests().into_iter().map(|seen| seen.path).collect();
    assert_eq!(paths, ["/hold", "/first", "/usual", "/later"]);
}

#[test]
fn in_a_full_queue_the_less_important_gives_way() {
    let (server, gate) = gated();
    let client = holding(&server).max_in_flight(1).wait_queue(1, 60_000).build();
    let held = hold(&client, &server, 1);
    let less = client.start(&get("/less").criticality(AHOY_SHEDDABLE_PLUS)).unwrap();
    until_full(&client);
    let more = client.start(&get("/more")).unwrap();
    assert_overloaded(less.end(), "the limit of 1 calls in flight is reached");
    let same = client.start(&get("/same")).unwrap();
    assert_overloaded(same.end(), "the limit of 1 calls in flight is reached");
    gate.open();
    assert!(held.iter().chain([&more]).all(|call| call.end().unwrap().status == 200));
}

#[test]
fn a_wait_that_is_over_says_how_long_it_was() {
    let (server, gate) = gated();
    let client = holding(&server).max_in_flight(1).wait_queue(5, 80).build();
    let held = hold(&client, &server, 1);
    let (outcome, took) = timed(|| client.get("/"));
    assert_overloaded(outcome, "within 80 ms");
    assert!(took >= ms(79), "{took:?}");
    assert_overloaded(client.send(&get("/").timeout_ms(20)), "within ");
    // Each of them is told, also where the next one finds it when its time is over.
    let waiting: Vec<_> = (0..5).map(|_| client.begin("/")).collect();
    for call in waiting {
        assert_overloaded(call.end(), "within 80 ms");
        assert_overloaded(client.begin("/").end(), "within 80 ms");
    }
    gate.open();
    held[0].end().unwrap();
    assert_eq!(client.get("/").unwrap().status, 200);
}

#[test]
fn who_gives_up_waiting_leaves_its_place() {
    let (server, gate) = gated();
    let client = holding(&server).max_in_flight(1).wait_queue(1, 60_000).build();
    let held = hold(&client, &server, 1);
    let impatient = client.start(&get("/").timeout_ms(10)).unwrap();
    assert_overloaded(impatient.end(), "within ");
    for _ in 0..3 {
        let waiting = client.begin("/cancelled");
        until_full(&client);
        waiting.cancel().unwrap();
        let failure = waiting.end().unwrap_err();
        assert_eq!((failure.status, failure.attempt_count), (AHOY_E_CANCELLED, 0));
    }
    let waiting = client.begin("/served");
    until_full(&client);
    gate.open();
    assert_eq!(waiting.end().unwrap().status, 200);
    held[0].end().unwrap();
    assert_eq!(server.request_count(), 2);
}

#[test]
fn lesser_classes_fill_less_of_the_limit() {
    let (server, gate) = gated();
    let client = holding(&server).max_in_flight(4).build();
    let send = |class: i32| client.send(&get("/").criticality(class));
    let mut held = hold(&client, &server, 2);
    assert_overloaded(send(AHOY_SHEDDABLE), "the limit of 4");
    assert_eq!(send(AHOY_SHEDDABLE_PLUS).unwrap().status, 200);
    held.extend(hold(&client, &server, 1));
    assert_overloaded(send(AHOY_SHEDDABLE_PLUS), "the limit of 4");
    assert_eq!(send(AHOY_CRITICAL).unwrap().status, 200);
    held.extend(hold(&client, &server, 1));
    assert_overloaded(send(AHOY_CRITICAL_PLUS), "the limit of 4");
    gate.open();
    assert!(held.iter().all(|call| call.end().unwrap().status == 200));
    for number in [-1, 4, i32::MAX] {
        let failure = get("/").try_criticality(number).unwrap_err();
        assert_eq!(failure.status, AHOY_E_INVALID_ARGUMENT);
    }
}

#[test]
fn a_lesser_one_that_waits_holds_up_nobody_above_it() {
    let (server, gate) = gated();
    let client = holding(&server).max_in_flight(4).wait_queue(1, 60_000).build();
    let held = hold(&client, &server, 3);
    let lesser = client.start(&get("/lesser").criticality(AHOY_SHEDDABLE_PLUS)).unwrap();
    until_full(&client);
    assert_eq!(client.get("/").unwrap().status, 200, "there is room for it");
    assert!(lesser.poll().unwrap().is_none(), "it still waits");
    gate.open();
    assert!(held.iter().chain([&lesser]).all(|call| call.end().unwrap().status == 200));
}

#[test]
fn after_a_thousand_calls_and_cancels_all_of_the_limit_is_free() {
    let gate = Gate::default();
    let held = gate.clone();
    let server = Server::new(move |seen| match seen.path.as_str() {
        "/hold" => {
            held.pass();
            Reply::status(200)
        }
        "/lost" => Reply::Close,
        "/bad" => Reply::status(503),
        _ => Reply::status(200).after(ms(1)),
    });
    let client = over(&server).retry(&hasty().tries(2)).max_in_flight(8).wait_queue(8, 5).build();
    let paths = ["/", "/lost", "/bad", "/late"];
    for round in 0..50 {
        let calls: Vec<_> = (0..20)
            .map(|number| {
                let request = get(paths[number % 4]).criticality((number / 4 % 4) as i32);
                client.start(&request).unwrap()
            })
            .collect();
        let cancelled = calls.iter().skip(round % 3).step_by(3);
        cancelled.for_each(|call| call.cancel().unwrap());
        calls.iter().for_each(|call| drop(call.end()));
    }
    let calls = hold(&client, &server, 8);
    assert_overloaded(client.get("/"), "within 5 ms");
    gate.open();
    assert!(calls.iter().all(|call| call.end().unwrap().status == 200));
}

#[test]
fn an_adaptive_limit_grows_with_quick_answers_within_its_bounds() {
    let (server, gate) = gated();
    let slow = Server::always(Reply::status(200).after(ms(3)));
    let client = over(&slow).adaptive_limit(2, 2, 6).build();
    let grown = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| {
                while !grown.load(Ordering::SeqCst) {
                    if let Err(failure) = client.get("/") {
                        assert_eq!(failure.status, AHOY_E_OVERLOADED, "{}", failure.message);
                        thread::sleep(ms(1));
                    }
                }
            });
        }
        let deadline = Instant::now() + SOON;
        let mut most = 0;
        while most < 5 && Instant::now() < deadline {
            most = most.max(slow.take_most_in_flight());
            thread::sleep(ms(5));
        }
        grown.store(true, Ordering::SeqCst);
        assert!((5..=6).contains(&most), "{most} at once");
    });
    let client = holding(&server).adaptive_limit(3, 3, 3).build();
    let calls = hold(&client, &server, 3);
    assert_overloaded(client.get("/"), "the limit of 3");
    gate.open();
    calls.iter().for_each(|call| drop(call.end().unwrap()));
}

#[test]
fn an_adaptive_limit_takes_quick_and_slow_answers_for_no_queue() {
    let wait = |slow: bool| ms(if slow { 250 } else { 10 });
    let server = Server::new(move |seen| Reply::status(200).after(wait(seen.number % 5 == 0)));
    let client = over(&server).adaptive_limit(20, 20, 200).build();
    let (queue, begun) = (Queue::new(), Instant::now());
    // Five calls in 8 ms, whatever becomes of those before, are some 36 at once.
    for number in 0..3000 {
        thread::sleep((ms(8) * number / 5).saturating_sub(begun.elapsed()));
        client.submit(&get("/"), &queue, number.into()).unwrap();
    }
    let ends = (0..3000).map(|_| queue.next(20_000).unwrap().unwrap());
    // By then it has grown to what they need.
    let later: Vec<_> = ends.filter(|end| end.tag() >= 1000).map(|end| end.status()).collect();
    let away = later.iter().filter(|status| **status == AHOY_E_OVERLOADED).count();
    assert!(away < 200, "of {} calls {away} were turned away", later.len());
}

#[test]
fn bounds_that_do_not_go_together_are_refused() {
    let builder = Builder::new();
    for (bounds, name) in
        [((1, 0, 1), "floor"), ((2, 3, 2), "ceiling"), ((1, 2, 3), "start"), ((4, 2, 3), "start")]
    {
        let failure = builder.try_adaptive_limit(bounds.0, bounds.1, bounds.2).unwrap_err();
        assert_eq!(failure.status, AHOY_E_INVALID_ARGUMENT);
        assert!(failure.message.contains(name), "{}", failure.message);
    }
}

// The throttle.

#[test]
fn a_service_that_refuses_all_is_mostly_left_alone_until_it_is_well() {
    let server = Server::status(503);
    let client = over(&server).tries(1).throttle(2.0, 500).build();
    let mut refused = 0;
    for _ in 0..300 {
        match client.get("/") {
            Ok(answer) => assert_eq!(answer.status, 503),
            Err(failure) => {
                assert_overloaded(Err(failure), "the service refuses most of its calls");
                refused += 1;
            }
        }
    }
    assert!(refused > 200, "{refused} of 300");
    assert_eq!(server.request_count() + refused, 300);
    server.become_(|_| Reply::status(200));
    let mut in_a_row = 0;
    eventually("it is asked again", 3 * SOON, || {
        in_a_row = if client.get("/").is_ok() { in_a_row + 1 } else { 0 };
        thread::sleep(ms(10));
        in_a_row == 30
    });
}

#[test]
fn calls_that_their_callers_give_up_do_not_throttle() {
    let (server, gate) = gated();
    let client = holding(&server).tries(1).throttle(1.0, 60_000).build();
    for call in hold(&client, &server, 30) {
        call.cancel().unwrap();
        assert_eq!(call.end().unwrap_err().status, AHOY_E_CANCELLED);
    }
    for _ in 0..20 {
        assert_eq!(client.get("/").unwrap().status, 200);
    }
    gate.open();
    for k in [0.9, -1.0, f64::NAN] {
        assert_eq!(
            Builder::new().try_throttle(k, 1000).unwrap_err().status,
            AHOY_E_INVALID_ARGUMENT
        );
    }
    assert!(Builder::new().try_throttle(2.0, 0).is_err());
}

#[test]
fn calls_that_another_endpoint_answers_do_not_throttle() {
    let (refusing, good) = (Server::status(503), Server::ok());
    let balancer = first_of(&[&refusing, &good]);
    balancer.update().unwrap();
    balancer.endpoint(refusing.port()).disable_circuit().unwrap();
    let client = Builder::new().balancer(&balancer).retry(&hasty()).throttle(1.0, 60_000).build();
    for _ in 0..40 {
        let answer = client.get("/").unwrap();
        assert_eq!((answer.status, answer.attempt_count), (200, 2));
    }
}

#[test]
fn calls_that_never_reached_the_service_do_not_throttle() {
    let dead = Dead::new();
    let balancer = round_robin(&[dead.port()]);
    balancer.update().unwrap();
    balancer.endpoint(dead.port()).disable_circuit().unwrap();
    let client = Builder::new().balancer(&balancer).tries(1).throttle(1.0, 60_000).build();
    for _ in 0..40 {
        assert_eq!(client.get("/").unwrap_err().status, AHOY_E_CONNECT);
    }
}

// What is passed on.

#[test]
fn the_time_left_is_told_in_milliseconds() {
    let server = Server::status(503);
    let builder = over(&server).retry(&hasty()).deadline_header("X-Timeout-Ms");
    let client = builder.attempt_timeout_ms(5000).attempt_timeout_hard().build();
    client.send(&get("/").timeout_ms(60_000)).unwrap();
    client.send(&get("/").timeout_ms(3000)).unwrap();
    client.send(&get("/").timeout_ms(FOREVER)).unwrap();
    let told: Vec<u64> = server
        .requests()
        .iter()
        .map(|seen| seen.header("x-timeout-ms").unwrap().parse().unwrap())
        .collect();
    assert_eq!(told[..3], [5000; 3], "an attempt's own limit, where it cuts");
    assert!(told[3..6].iter().all(|told| (1..=3000).contains(told)), "{told:?}");
    assert!(told[3] >= told[4] && told[4] >= told[5], "less each time: {told:?}");
    assert_eq!(told[6..], [5000; 3]);
}

#[test]
fn grpcs_header_has_grpcs_form() {
    let server = Server::ok();
    let builder = over(&server).deadline_header("grpc-timeout").attempt_timeout_ms(500);
    builder.build().send(&get("/").timeout_ms(20_000)).unwrap();
    let request = server.request();
    let told = request.header("grpc-timeout").and_then(|told| told.strip_suffix('u')).unwrap();
    let told: u64 = told.parse().unwrap();
    assert!((15_000_000..=20_000_000).contains(&told), "the call's time left: {told} µs");
}

#[test]
fn an_inbound_limit_shortens_the_calls_own() {
    let server = Server::always(Reply::Hang);
    for (name, value) in [("X-Timeout-Ms", "150"), ("grpc-timeout", "150m")] {
        let client = over(&server).deadline_header(name).timeout_ms(60_000).tries(1).build();
        let request = get("/").inbound(&[("Other", "1"), (name, value)]);
        let (failure, took) = timed(|| client.send(&request).unwrap_err());
        assert_eq!(failure.status, AHOY_E_DEADLINE, "{}", failure.message);
        assert!(took >= ms(145) && took < SOON, "{took:?}");
        let zero = if name == "grpc-timeout" { "0m" } else { "0" };
        let failure = client.send(&get("/").inbound(&[(name, zero)])).unwrap_err();
        assert_eq!((failure.status, failure.attempt_count), (AHOY_E_DEADLINE, 0));
    }
    let client = over(&server).deadline_header("X-Timeout-Ms").timeout_ms(80).tries(1).build();
    let (_, took) = timed(|| client.send(&get("/").inbound(&[("X-Timeout-Ms", "60000")])));
    assert!(took < SOON, "it never makes it longer: {took:?}");
}

#[test]
fn an_inbound_limit_that_cannot_be_read_is_none() {
    let server = Server::ok();
    let client = over(&server).deadline_header("X-Timeout-Ms").build();
    for value in ["soon", "-1", "", "1.5"] {
        let request = get("/").inbound(&[("X-Timeout-Ms", value)]);
        assert_eq!(client.send(&request).unwrap().status, 200, "{value:?}");
    }
}

#[test]
fn attempts_are_numbered() {
    let server = Server::status(503);
    let client = over(&server).retry(&hasty()).attempt_header("X-Attempt").build();
    client.send(&get("/").header("X-Attempt", "77")).unwrap();
    let numbers: Vec<_> =
        server.requests().iter().map(|seen| seen.all("x-attempt").join(",")).collect();
    assert_eq!(numbers, ["1", "2", "3"]);
    let (slow, fast) = hare_and_tortoise();
    let client = hedging(&first_of(&[&slow, &fast]), 5).attempt_header("X-Attempt").build();
    client.get("/").unwrap();
    assert_eq!(slow.request().header("x-attempt"), Some("1"));
    assert_eq!(fast.request().header("x-attempt"), Some("2"));
}

#[test]
fn by_default_nothing_of_this_is_sent() {
    let server = Server::ok();
    let headers = [("traceparent", TRACE), ("tracestate", "a=1"), ("grpc-timeout", "1m")];
    client_over(&[server.port()]).send(&get("/").inbound(&headers)).unwrap();
    let seen = server.request();
    for name in ["traceparent", "tracestate", "grpc-timeout", "x-attempt"] {
        assert_eq!(seen.header(name), None, "{name}");
    }
}

#[test]
fn names_that_are_no_header_are_refused() {
    let builder = Builder::new();
    for name in ["", "a b", "a:b", "a\r\nb"] {
        for set in [
            Builder::try_deadline_header,
            Builder::try_attempt_header,
            Builder::try_pushback_header,
        ] {
            assert_eq!(set(&builder, name).unwrap_err().status, AHOY_E_INVALID_ARGUMENT);
        }
    }
    for set in [Builder::try_deadline_header, Builder::try_attempt_header] {
        let failure = set(&builder, "Host").unwrap_err();
        assert!(failure.message.starts_with("name: is host"), "{}", failure.message);
    }
    // What says what a request is bears no number, and none of framing is anybody's.
    for name in ["Accept-Encoding", "Expect", "Content-Type", "Content-Length", "Connection"] {
        for set in [Builder::try_deadline_header, Builder::try_attempt_header] {
            let failure = set(&builder, name).unwrap_err();
            assert_eq!(failure.status, AHOY_E_INVALID_ARGUMENT, "{name}");
        }
    }
    builder.try_pushback_header("Host").unwrap();
}

#[test]
fn no_header_of_traces_bears_a_number_beside_them() {
    let builder = Builder::new();
    builder.try_deadline_header("traceparent").unwrap();
    builder.option("trace", "pass_on").unwrap();
    let failure = builder.try_build().unwrap_err();
    assert!(failure.message.starts_with("deadline_header: "), "{}", failure.message);
    builder.option("trace", "off").unwrap();
    builder.build();
}

#[test]
fn one_header_cannot_tell_the_time_left_and_the_attempts_number() {
    let builder = Builder::new();
    builder.try_deadline_header("X-Told").unwrap();
    builder.try_attempt_header("x-told").unwrap();
    let failure = builder.try_build().unwrap_err();
    assert_eq!(failure.status, AHOY_E_INVALID_ARGUMENT);
    assert!(failure.message.starts_with("attempt_header: "), "{}", failure.message);
    builder.try_attempt_header("x-attempt").unwrap();
    builder.build();
}

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const TRACE_ID: &str = "0af7651916cd43dd8448eb211c80319c";

/// The parts of the traceparent that a server saw: trace, span and flags.
fn trace_of(seen: &Seen) -> [String; 3] {
    let values = seen.all("traceparent");
    assert_eq!(values.len(), 1, "{values:?}");
    let parts: Vec<_> = values[0].split('-').map(str::to_owned).collect();
    assert_eq!((parts.len(), parts[0].as_str(), values[0].len()), (4, "00", 55), "{}", values[0]);
    [parts[1].clone(), parts[2].clone(), parts[3].clone()]
}

#[test]
fn a_trace_goes_on_with_a_span_for_each_attempt() {
    let server = Server::status(503);
    let client = over(&server).retry(&hasty()).trace(AHOY_TRACE_PASS_ON).build();
    let inbound = [("traceparent", TRACE), ("tracestate", "a=1"), ("tracestate", "b=2")];
    client.send(&get("/").inbound(&inbound)).unwrap();
    let seen = server.requests();
    let mut spans = HashSet::from(["b7ad6b7169203331".to_owned()]);
    for attempt in &seen {
        let [trace, span, flags] = trace_of(attempt);
        assert_eq!((trace.as_str(), flags.as_str()), (TRACE_ID, "01"));
        assert!(spans.insert(span), "a new span");
        assert_eq!(attempt.all("tracestate").join(","), "a=1,b=2");
    }
    assert_eq!(seen.len(), 3);
}

#[test]
fn the_requests_own_trace_comes_before_the_inbound_one() {
    let server = Server::ok();
    let client = over(&server).trace(AHOY_TRACE_PASS_ON).build();
    let own = "00-11111111111111111111111111111111-2222222222222222-00";
    let inbound = [("traceparent", TRACE), ("tracestate", "a=1")];
    client.send(&get("/").header("traceparent", own).inbound(&inbound)).unwrap();
    let seen = server.request();
    let [trace, span, flags] = trace_of(&seen);
    assert_eq!((trace.as_str(), flags.as_str()), ("11111111111111111111111111111111", "00"));
    assert_ne!(span, "2222222222222222");
    assert_eq!(seen.header("tracestate"), None, "that is another trace's");
}

#[test]
fn a_damaged_trace_does_not_go_on_and_takes_its_state_along() {
    let damaged =
        ["", "00-0-0-01", &TRACE.to_uppercase(), &TRACE[..54], &TRACE.replace("00-", "ff-")];
    for value in damaged {
        let server = Server::ok();
        let client = over(&server).trace(AHOY_TRACE_PASS_ON).build();
        let inbound = [("traceparent", value), ("tracestate", "a=1")];
        client.send(&get("/").inbound(&inbound)).unwrap();
        client.send(&get("/").header("traceparent", value).header("tracestate", "a=1")).unwrap();
        for seen in server.requests() {
            assert_eq!(seen.header("traceparent"), None, "{value:?}");
            assert_eq!(seen.header("tracestate"), None, "{value:?}");
        }
    }
}

#[test]
fn a_trace_is_started_where_none_came_in() {
    for (mode, sampled) in [(AHOY_TRACE_START, false), (AHOY_TRACE_START_SAMPLED, true)] {
        let server = Server::ok();
        let client = over(&server).trace(mode).build();
        let inbound = [("traceparent", "nonsense"), ("tracestate", "a=1")];
        client.send(&get("/").inbound(&inbound)).unwrap();
        client.get("/").unwrap();
        let seen = server.requests();
        let traces: Vec<_> = seen.iter().map(trace_of).collect();
        assert_ne!(traces[0][0], traces[1][0], "each call is a trace of its own");
        for [trace, _, flags] in &traces {
            assert_ne!(trace, TRACE_ID);
            let flags = u8::from_str_radix(flags, 16).unwrap();
            assert_eq!(flags & 1 == 1, sampled);
        }
        assert!(seen.iter().all(|seen| seen.header("tracestate").is_none()));
    }
    for mode in [-1, 4] {
        assert_eq!(Builder::new().try_trace(mode).unwrap_err().status, AHOY_E_INVALID_ARGUMENT);
    }
}

#[test]
fn with_traces_off_the_requests_own_header_is_sent_as_it_is() {
    let server = Server::ok();
    client_over(&[server.port()]).send(&get("/").header("traceparent", TRACE)).unwrap();
    assert_eq!(server.request().header("traceparent"), Some(TRACE));
}

#[test]
fn a_server_may_say_not_to_repeat() {
    for value in ["-1", "never", ""] {
        let server = Server::always(Reply::status(503).header("X-Pushback", value));
        let builder = over(&server).retry(&hasty()).pushback_header("X-Pushback");
        let failure = builder.fail_on_status(true).build().get("/").unwrap_err();
        assert_eq!((failure.status, failure.attempt_count), (AHOY_E_HTTP_STATUS, 1), "{value:?}");
        assert!(failure.message.contains("said not to repeat"), "{}", failure.message);
        assert_eq!(server.request_count(), 1);
        let off = over(&server).retry(&hasty()).build();
        assert_eq!(off.get("/").unwrap().attempt_count, 3, "off by default");
    }
}

#[test]
fn a_server_may_say_how_long_to_wait_wherever_the_call_goes_next() {
    let pushing = || Server::always(Reply::status(503).header("X-Pushback", "60"));
    let (first, second, good) = (pushing(), pushing(), Server::ok());
    let builder = Builder::new().balancer(&first_of(&[&first, &second, &good]));
    let client = builder.retry(&hasty()).pushback_header("X-Pushback").build();
    let answer = client.get("/").unwrap();
    assert_eq!((answer.status, answer.attempt_count), (200, 3));
    let times = [first.request().at, second.request().at, good.request().at];
    for pair in times.windows(2) {
        assert!(pair[1] - pair[0] >= ms(60), "{:?}", pair[1] - pair[0]);
    }
    let late = Server::always(Reply::status(503).header("X-Pushback", "5000"));
    let builder = over(&late).retry(&hasty()).pushback_header("X-Pushback");
    assert_eq!(builder.timeout_ms(2000).build().get("/").unwrap().attempt_count, 1);
}
