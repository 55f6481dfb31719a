//! Statistics: every call and every attempt is counted once, and what is shown has a bound.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use ahoy::ffi::observe::sample::*;
use ahoy::ffi::observe::snapshot::*;
use ahoy::ffi::values::status::*;
use support::registry::folder::{Folder, file_url};
use support::*;

const CALLS: &str = "ahoy_client_call_duration_seconds";
const ATTEMPTS: &str = "http_client_request_duration_seconds";
const BY_REASON: &str = "ahoy_client_attempts_total";
const BY_ENDPOINT: &str = "ahoy_endpoint_attempts_total";
const ACTIVE: &str = "ahoy_client_active_calls";
const EXTRA: &str = "ahoy_client_extra_attempts_total";
const SOON: Duration = ms(10_000);

/// Answers by the path: /503 and the like with that status, others with 200; /slow late.
fn by_path() -> Server {
    Server::new(|seen| match seen.path.trim_start_matches('/') {
        "slow" => Reply::status(200).after(ms(300)),
        path => Reply::status(path.parse().unwrap_or(200)),
    })
}

/// The counts of a client, once they agree with each other.
#[track_caller]
fn agreed(client: &Client, calls: f64) -> Snapshot {
    eventually("all calls have ended", SOON, || client.snapshot().sum(ACTIVE, &[]) == 0.0);
    let snapshot = client.snapshot();
    assert_eq!(snapshot.sum(CALLS, &[]), calls, "calls");
    let attempts = snapshot.sum(ATTEMPTS, &[]);
    assert_eq!(snapshot.sum(BY_REASON, &[]), attempts, "attempts by reason");
    snapshot
}

fn attempts_of(outcome: &Outcome) -> usize {
    match outcome {
        Ok(answer) => answer.attempt_count,
        Err(failure) => failure.attempt_count,
    }
}

#[test]
fn each_call_and_each_attempt_counts_once_whatever_its_end() {
    let (server, dead) = (by_path(), Dead::new());
    let balancer = round_robin(&[server.port(), dead.port()]);
    let client = Builder::new().balancer(&balancer).retry(&Retry::new().delay_ms(1)).build();
    let mut attempts = 0;
    for path in ["/", "/503", "/404", "/"] {
        attempts += attempts_of(&client.get(path));
    }
    attempts += attempts_of(&client.post("/503", "text/plain", b"x"));
    let started = client.begin("/slow");
    started.cancel().unwrap();
    attempts += attempts_of(&started.end());
    let queue = Queue::new();
    client.submit(&Request::new("PUT", "/").body(b"x"), &queue, 7).unwrap();
    attempts += attempts_of(&queue.next(FOREVER).unwrap().unwrap().take().unwrap());
    let response = client.stream("/");
    response.rest().unwrap();
    attempts += response.head().attempt_count;
    drop(response);
    let late = client.send(&Request::new("GET", "/slow").timeout_ms(50));
    assert_eq!(late.as_ref().unwrap_err().status, AHOY_E_DEADLINE);
    attempts += attempts_of(&late);

    let snapshot = agreed(&client, 9.0);
    assert_eq!(snapshot.sum(ATTEMPTS, &[]), attempts as f64);
    let calls = |labels: &[(&str, &str)]| snapshot.sum(CALLS, labels);
    assert_eq!(calls(&[("http_request_method", "GET"), ("http_response_status_code", "200")]), 3.0);
    assert_eq!(calls(&[("http_request_method", "POST"), ("error_type", "503")]), 1.0);
    assert_eq!(calls(&[("error_type", "deadline")]), 1.0);
    assert_eq!(calls(&[("error_type", "cancelled")]), 1.0);
    // All of them went to an endpoint.
    assert_eq!(snapshot.sum(BY_ENDPOINT, &[]), attempts as f64);
    assert_eq!(snapshot.sum("ahoy_endpoint_request_duration_seconds", &[]), attempts as f64);
    let refused = snapshot.sum(ATTEMPTS, &[("error_type", "connect")]);
    let port = dead.port().to_string();
    let dead = [("server_port", port.as_str()), ("result", "failed")];
    assert_eq!(snapshot.sum(BY_ENDPOINT, &dead), refused);
    assert_eq!(snapshot.sum("ahoy_client_streamed_bodies_total", &[("result", "complete")]), 1.0);
    // The first attempt of each of the nine; what failed was followed by retries.
    assert_eq!(snapshot.sum(BY_REASON, &[("reason", "first")]), 9.0);
    let granted = snapshot.sum(EXTRA, &[("kind", "retry"), ("result", "granted")]);
    assert_eq!(snapshot.sum(BY_REASON, &[("reason", "retry")]), granted);
}

#[test]
fn an_answer_counts_by_its_status_also_where_that_is_an_error() {
    let server = by_path();
    for fails in [false, true] {
        let client = Builder::new()
            .balancer(&round_robin(&[server.port()]))
            .retry(&Retry::new().tries(1))
            .fail_on_status(fails)
            .build();
        for path in ["/404", "/404", "/503"] {
            assert_eq!(client.get(path).is_err(), fails);
        }
        let snapshot = agreed(&client, 3.0);
        for metric in [CALLS, ATTEMPTS] {
            for (status, count) in [("404", 2.0), ("503", 1.0)] {
                let labels = [("http_response_status_code", status), ("error_type", status)];
                assert_eq!(snapshot.sum(metric, &labels), count, "{metric} {status} {fails}");
            }
        }
    }
}

#[test]
fn hedges_are_counted_apart_and_losers_as_cancelled() {
    let servers = [by_path(), Server::ok()];
    let ports = servers.each_ref().map(Server::port);
    let balancer = Balancer::custom(&Provider::loopback(&ports), |_| 0);
    let client = Builder::new().balancer(&balancer).hedge_delay_ms(20, 1.0).build();
    assert_eq!(client.get("/slow").unwrap().attempt_count, 2);
    let snapshot = agreed(&client, 1.0);
    assert_eq!(snapshot.sum(BY_REASON, &[("reason", "hedge")]), 1.0);
    assert_eq!(snapshot.sum(EXTRA, &[("kind", "hedge"), ("result", "granted")]), 1.0);
    assert_eq!(snapshot.sum(ATTEMPTS, &[("error_type", "cancelled")]), 1.0);
    assert_eq!(snapshot.sum(BY_ENDPOINT, &[("result", "cancelled")]), 1.0);
}

#[test]
fn what_the_budget_refuses_is_told() {
    let server = Server::status(503);
    let retry = Retry::new().delay_ms(1).tries(2);
    let client = over_two(&server).retry(&retry).retry_budget(0.0, 0, 10_000).build();
    client.get("/").unwrap();
    let snapshot = agreed(&client, 1.0);
    assert_eq!(snapshot.sum(EXTRA, &[("kind", "retry"), ("result", "over_budget")]), 1.0);
    assert_eq!(snapshot.sum(EXTRA, &[("result", "granted")]), 0.0);
    let stopped = "ahoy_client_retries_stopped_total";
    assert_eq!(snapshot.sum(stopped, &[("reason", "budget")]), 1.0);
}

#[test]
fn what_fails_in_a_race_that_is_won_stops_no_call_and_a_retry_counts_once_it_is_made() {
    let slow = Server::always(Reply::status(200).after(ms(400)));
    let failing = [Server::status(503), Server::status(503)];
    let ports = [slow.port(), failing[0].port(), failing[1].port()];
    let balancer = Balancer::custom(&Provider::loopback(&ports), |_| 0);
    let by_tries = [Retry::new().tries(1), Retry::new().tries(3).delay_ms(60_000).jitter_ms(0, 0)];
    for retry in by_tries {
        let builder = Builder::new().balancer(&balancer).retry(&retry).hedge_delay_ms(20, 1.0);
        let client = builder.timeout_ms(600_000).build();
        assert_eq!(client.get("/").unwrap().attempt_count, 2);
        let snapshot = agreed(&client, 1.0);
        assert_eq!(snapshot.sum("ahoy_client_retries_stopped_total", &[]), 0.0);
        assert_eq!(snapshot.sum(EXTRA, &[("kind", "retry")]), 0.0);
    }
}

#[test]
fn a_call_that_fails_in_a_race_is_stopped_once() {
    let hanging = [(); 3].map(|()| Server::always(Reply::Hang));
    let ports = hanging.each_ref().map(Server::port);
    let builder = Builder::new().balancer(&Balancer::custom(&Provider::loopback(&ports), |_| 0));
    let client = builder.attempt_timeout_ms(50).timeout_ms(300).build();
    assert_eq!(client.get("/").unwrap_err().status, AHOY_E_DEADLINE);
    let snapshot = agreed(&client, 1.0);
    assert_eq!(snapshot.sum("ahoy_client_retries_stopped_total", &[]), 1.0);
}

#[test]
fn a_limit_that_is_reached_keeps_no_hedge_where_there_is_nowhere_to_hedge_to() {
    let slow = Server::always(Reply::status(200).after(ms(200)));
    let client = over_two(&slow).hedge_delay_ms(20, 1.0).max_in_flight(1).build();
    client.get("/").unwrap();
    let snapshot = agreed(&client, 1.0);
    assert_eq!(snapshot.sum(EXTRA, &[("kind", "hedge"), ("result", "over_limit")]), 0.0);
}

fn over_two(server: &Server) -> Builder {
    Builder::new().balancer(&round_robin(&[server.port()]))
}

#[test]
fn calls_that_are_turned_away_are_counted_by_criticality() {
    let server = by_path();
    let client = over_two(&server).max_in_flight(1).build();
    let held = client.begin("/slow");
    eventually("the call is under way", SOON, || server.request_count() == 1);
    assert_eq!(client.snapshot().sum(ACTIVE, &[]), 1.0);
    let refused = client.send(&Request::new("GET", "/").criticality(2)).unwrap_err();
    assert_eq!(refused.status, AHOY_E_OVERLOADED);
    held.end().unwrap();
    let snapshot = agreed(&client, 2.0);
    let shed = "ahoy_client_calls_shed_total";
    assert_eq!(snapshot.sum(shed, &[("criticality", "sheddable_plus"), ("reason", "limit")]), 1.0);
    assert_eq!(snapshot.sum(shed, &[]), 1.0);
    assert_eq!(snapshot.sum("ahoy_client_calls_limit", &[]), 1.0);
}

#[test]
fn many_threads_add_up() {
    const EACH: usize = 200;
    let server = Server::ok();
    let client = client_over(&[server.port()]);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope
                .spawn(|| (0..EACH).for_each(|_| assert_eq!(client.get("/").unwrap().status, 200)));
        }
        // Snapshots meanwhile never see more calls end than have begun, nor fewer than before.
        scope.spawn(|| {
            let mut before = 0.0;
            for _ in 0..200 {
                let now = client.snapshot().sum(CALLS, &[]);
                assert!(now >= before, "{now} after {before}");
                before = now;
            }
        });
    });
    let snapshot = agreed(&client, 8.0 * EACH as f64);
    assert_eq!(snapshot.sum(BY_ENDPOINT, &[("result", "good")]), 8.0 * EACH as f64);
}

#[test]
fn connections_and_bytes_are_counted() {
    let server = Server::ok();
    let client = client_over(&[server.port()]);
    (0..5).for_each(|_| drop(client.get("/").unwrap()));
    let snapshot = client.snapshot();
    assert_eq!(snapshot.sum("ahoy_client_connections_opened_total", &[]), 1.0);
    assert_eq!(snapshot.sum("ahoy_client_connections_reused_total", &[]), 4.0);
    let open = |snapshot: &Snapshot, state| {
        snapshot.sum("http_client_open_connections", &[("http_connection_state", state)])
    };
    assert_eq!((open(&snapshot, "idle"), open(&snapshot, "active")), (1.0, 0.0));
    assert!(snapshot.sum("ahoy_client_sent_bytes_total", &[]) > 5.0 * 40.0);
    assert!(snapshot.sum("ahoy_client_received_bytes_total", &[]) > 5.0 * 19.0);
    server.stop();
    eventually("the connection is closed", SOON, || open(&client.snapshot(), "idle") == 0.0);
    let closed = "ahoy_client_connections_closed_total";
    assert_eq!(client.snapshot().sum(closed, &[("reason", "peer")]), 1.0);
}

#[cfg(unix)]
#[test]
fn a_child_counts_from_zero_and_its_parent_goes_on() {
    let _alone = alone();
    let server = Server::ok();
    let client = client_over(&[server.port()]);
    (0..3).for_each(|_| drop(client.get("/").unwrap()));
    Child::run(|| {
        assert_eq!(client.snapshot().sum(CALLS, &[]), 0.0);
        assert_eq!(client.get("/").unwrap().status, 200);
        client.begin("/").end().unwrap();
        let snapshot = client.snapshot();
        assert_eq!((snapshot.sum(CALLS, &[]), snapshot.sum(ATTEMPTS, &[])), (2.0, 2.0));
        assert_eq!(snapshot.sum(BY_ENDPOINT, &[]), 2.0);
    })
    .ends();
    client.get("/").unwrap();
    let snapshot = agreed(&client, 4.0);
    assert_eq!(snapshot.sum(BY_ENDPOINT, &[]), 4.0);
}

#[test]
fn a_server_that_invents_statuses_makes_no_series_without_end() {
    let next = AtomicUsize::new(200);
    let server = Server::new(move |_| Reply::status(next.fetch_add(1, Ordering::Relaxed) as u16));
    let client = over_two(&server).retry(&Retry::new().tries(1)).build();
    // Those of 1xx are no answers, and 304 and 204 have no body, as any answer to HEAD.
    (0..250).for_each(|_| drop(client.head("/")));
    let snapshot = agreed(&client, 250.0);
    let series = snapshot.series().into_iter().filter(|series| series.name == ATTEMPTS).count();
    assert_eq!(series, 48);
    assert_eq!(snapshot.sum(ATTEMPTS, &[]), 250.0);
    assert_eq!(snapshot.sum(ATTEMPTS, &[("error_type", "_OTHER")]), 203.0);
}

/// The ports that are shown one by one.
fn shown(snapshot: &Snapshot) -> Vec<String> {
    let all = snapshot.series().into_iter().filter(|series| series.name == BY_ENDPOINT);
    let good = all.filter(|series| series.has(&[("result", "good")]));
    let mut ports: Vec<_> = good.filter_map(|it| it.labels.get("server_port").cloned()).collect();
    ports.sort();
    ports
}

#[test]
fn endpoints_beyond_the_bound_are_one_and_the_busiest_are_shown() {
    let servers: Vec<_> = (0..4).map(|_| Server::ok()).collect();
    let ports: Vec<_> = servers.iter().map(Server::port).collect();
    let chosen = std::sync::Arc::new(AtomicUsize::new(0));
    let choice = std::sync::Arc::clone(&chosen);
    let balancer =
        Balancer::custom(&Provider::loopback(&ports), move |_| choice.load(Ordering::Relaxed));
    balancer.option("metrics_endpoints", "2").unwrap();
    let client = single(&balancer);
    let ask = |server: usize, times: usize| {
        chosen.store(server, Ordering::Relaxed);
        (0..times).for_each(|_| assert_eq!(client.get("/").unwrap().status, 200));
    };
    (0..4).for_each(|server| ask(server, 3));
    let snapshot = client.snapshot();
    assert_eq!(shown(&snapshot).len(), 2);
    let rest = [("server_address", "other"), ("result", "good")];
    assert_eq!(snapshot.sum(BY_ENDPOINT, &rest), 6.0);
    assert_eq!(snapshot.sum(BY_ENDPOINT, &[]), 12.0);
    ask(3, 20);
    ask(0, 5);
    // This one finds that the fourth is busier than the second, and the next shows it.
    let _ = client.snapshot();
    ask(3, 2);
    let snapshot = client.snapshot();
    assert!(shown(&snapshot).contains(&ports[3].to_string()), "{:?}", shown(&snapshot));
    assert_eq!(shown(&snapshot).len(), 2);
}

#[test]
fn an_endpoint_that_leaves_takes_its_series_along() {
    let servers = [Server::ok(), Server::ok()];
    let ports = servers.each_ref().map(Server::port);
    let balancer = round_robin(&ports);
    let client = single(&balancer);
    (0..4).for_each(|_| drop(client.get("/").unwrap()));
    assert_eq!(shown(&client.snapshot()).len(), 2);
    balancer.leave(&Host::new("127.0.0.1", ports[0])).unwrap();
    assert_eq!(shown(&client.snapshot()), [ports[1].to_string()]);
    let known = client.snapshot().sum("ahoy_balancer_endpoints", &[]);
    assert_eq!(known, 1.0);
}

#[test]
fn an_address_that_is_listed_for_http_and_https_is_one_series() {
    let server = Server::ok();
    let host = || Host::new("127.0.0.1", server.port());
    let balancer = Balancer::least_request(&Provider::of(&[host(), host().https()]));
    let client = Builder::new().balancer(&balancer).build();
    for _ in 0..8 {
        let _ = client.get("/");
    }
    let snapshot = agreed(&client, 8.0);
    let series: Vec<_> = snapshot.series().into_iter().map(|it| (it.name, it.labels)).collect();
    let kinds: HashSet<_> = series.iter().collect();
    assert_eq!(kinds.len(), series.len(), "{series:?}");
    assert_eq!(snapshot.sum(BY_ENDPOINT, &[]), snapshot.sum(ATTEMPTS, &[]));
    assert!(snapshot.sum(BY_ENDPOINT, &[("result", "failed")]) > 0.0);
    assert_eq!(snapshot.sum("ahoy_endpoint_active_attempts", &[]), 0.0);
}

#[test]
fn one_text_has_what_several_clients_count() {
    let server = Server::ok();
    let named = |name: &str| {
        let builder = Builder::new().base_url(&url(server.port()));
        builder.option("name", name).unwrap();
        builder.build()
    };
    let (payments, users) = (named("payments"), named("users"));
    payments.get("/").unwrap();
    (0..2).for_each(|_| drop(users.get("/").unwrap()));
    let snapshot = payments.snapshot();
    snapshot.add(&users).unwrap();
    let counted = |name| snapshot.sum(CALLS, &[("client", name)]);
    assert_eq!([counted("payments"), counted("users")], [1.0, 2.0]);
    assert_eq!(snapshot.sum(CALLS, &[]), 3.0, "none is without a name");
    for format in [AHOY_FORMAT_OPENMETRICS, AHOY_FORMAT_PROMETHEUS] {
        let text = snapshot.text(format);
        let types: Vec<_> = text.lines().filter(|line| line.starts_with("# TYPE")).collect();
        let once: HashSet<_> = types.iter().collect();
        assert_eq!(once.len(), types.len(), "{text}");
        let samples: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(samples.iter().all(|line| line.contains("client=\"")), "{text}");
        let series: HashSet<_> =
            samples.iter().map(|line| line.rsplit_once(' ').unwrap().0).collect();
        assert_eq!(series.len(), samples.len(), "{text}");
    }
}

#[test]
fn clients_that_nothing_tells_apart_are_refused() {
    let client = |name| {
        let builder = Builder::new();
        builder.option("name", name).unwrap();
        builder.build()
    };
    for (name, said) in [("off", "no name"), ("users", "\"users\"")] {
        let (one, other) = (client(name), client(name));
        let snapshot = one.snapshot();
        let failure = snapshot.add(&other).unwrap_err();
        assert_eq!(failure.status, AHOY_E_INVALID_ARGUMENT);
        let told = ["client: ", said, "ahoy_client_builder_set_name"];
        assert!(told.iter().all(|it| failure.message.contains(it)), "{}", failure.message);
        assert!(snapshot.add(&client("others")).is_ok());
    }
    // What the configuration text cannot hold.
    for name in ["", "two\nlines", " blanks"] {
        refused(Builder::new().name(name), "name");
    }
    let builder = Builder::new();
    builder.name("payments").unwrap();
    builder.name("off").unwrap();
    let series = builder.build().snapshot().series();
    assert!(series.iter().all(|it| !it.labels.contains_key("client")), "as in a text");
}

#[test]
fn each_opening_of_a_circuit_is_counted_also_where_none_is_told() {
    let server =
        Server::new(|seen| Reply::status(if seen.number.is_multiple_of(2) { 500 } else { 200 }));
    let breaker = Breaker::new().consecutive(1).open_ms(1, 1).min_closed(0);
    let client = single(&round_robin(&[server.port()]).with(&breaker));
    for _ in 0..10 {
        eventually("it fails", SOON, || client.get("/").is_ok_and(|it| it.status == 500));
        eventually("it serves", SOON, || client.get("/").is_ok_and(|it| it.status == 200));
    }
    let reason = &[("reason", "answers")];
    assert_eq!(client.snapshot().sum("ahoy_balancer_circuits_opened_total", reason), 10.0);
}

#[test]
fn what_is_under_way_to_endpoints_that_are_not_shown_is_one_series() {
    let begin = |_: &_| Reply::Begin(CHUNKED.as_bytes().to_vec());
    let servers = [(); 3].map(|()| Server::new(begin));
    let balancer =
        Balancer::least_request(&Provider::loopback(&servers.each_ref().map(Server::port)));
    let balancer = balancer.ruled(|it| it.option("metrics_endpoints", "1"));
    let client = single(&balancer);
    let _streams: Vec<_> = (0..6).map(|_| client.stream("/")).collect();
    let active = |labels| client.snapshot().sum("ahoy_endpoint_active_attempts", labels);
    assert_eq!((active(&[]), active(&[("server_address", "other")])), (6.0, 4.0));
}

/// What is in flight to servers of which no attempt has ended, and how much of it to those not shown, within this bound.
fn hanging(bound: &str) -> (f64, f64) {
    let servers = [(); 2].map(|()| Server::new(|_| Reply::Hang));
    let balancer =
        Balancer::least_request(&Provider::loopback(&servers.each_ref().map(Server::port)));
    let balancer = balancer.ruled(|it| it.option("metrics_endpoints", bound));
    let builder = Builder::new().balancer(&balancer);
    builder.option("attempt_timeout", "forever").unwrap();
    let client = builder.build();
    let calls = [(); 6].map(|()| client.begin("/"));
    let under_way = || servers.iter().map(Server::in_flight).sum::<usize>();
    eventually("all are under way", SOON, || under_way() == 6);
    let snapshot = client.snapshot();
    let active = |labels| snapshot.sum("ahoy_endpoint_active_attempts", labels);
    let shown = (active(&[]), active(&[("server_address", "other")]));
    calls.into_iter().for_each(|call| drop((call.cancel(), call.end())));
    shown
}

#[test]
fn endpoints_that_hang_from_their_first_attempt_are_shown() {
    assert_eq!(hanging("100"), (6.0, 0.0));
    assert_eq!(hanging("1"), (6.0, 3.0), "one of them is");
    assert_eq!(hanging("0"), (6.0, 6.0));
}

#[test]
fn circuits_and_checks_and_the_list_are_counted() {
    let (server, dead) = (Server::ok(), Dead::new());
    let balancer = round_robin(&[server.port(), dead.port()]).check(None, 20, 1_000);
    let client = single(&balancer);
    (0..4).for_each(|_| drop(client.get("/")));
    let opened = |reason| {
        client.snapshot().sum("ahoy_balancer_circuits_opened_total", &[("reason", reason)])
    };
    assert!(opened("unreachable") >= 1.0);
    balancer.endpoint(server.port()).open().unwrap();
    assert_eq!(opened("hand"), 1.0);
    let states = |state| client.snapshot().sum("ahoy_balancer_endpoints", &[("state", state)]);
    assert_eq!(states("opened_by_hand"), 1.0);
    let checks =
        |result| client.snapshot().sum("ahoy_balancer_checks_total", &[("result", result)]);
    eventually("both are checked", SOON, || {
        drop(client.get("/"));
        checks("passed") > 0.0 && checks("failed") > 0.0
    });
    balancer.update().unwrap();
    let refreshes =
        |result| client.snapshot().sum("ahoy_balancer_refreshes_total", &[("result", result)]);
    assert_eq!((refreshes("changed"), refreshes("same")), (1.0, 1.0));
    let age = client.snapshot().sum("ahoy_balancer_list_age_seconds", &[]);
    assert!((0.0..10.0).contains(&age), "{age}");
}

#[test]
fn what_a_provider_told_is_counted_once_also_where_the_balancer_changes() {
    let (folder, server) = (Folder::new(), Server::ok());
    let path = folder.file("web", format!("127.0.0.1:{}\n", server.port()));
    let config = |threshold| {
        let url = file_url(&path);
        format!(r#"{{"provider": "{url}", "balancer": {{"panic_threshold": {threshold}}}}}"#)
    };
    let client = Client::from_config(&config(0.1)).unwrap();
    client.get("/").unwrap();
    let told = || client.snapshot().sum("ahoy_balancer_refreshes_total", &[]);
    assert_eq!(told(), 1.0);
    client.reconfigure(&config(0.2)).unwrap();
    client.get("/").unwrap();
    assert_eq!(told(), 1.0);
}

#[test]
fn a_provider_that_fails_is_counted_with_the_calls_that_fail_for_it() {
    let provider = Provider::custom(|_| AHOY_E_CONNECT);
    let client = single(&Balancer::round_robin(&provider));
    assert_eq!(client.get("/").unwrap_err().status, AHOY_E_DISCOVERY);
    let snapshot = agreed(&client, 1.0);
    assert_eq!(snapshot.sum(CALLS, &[("error_type", "discovery")]), 1.0);
    assert_eq!(snapshot.sum("ahoy_balancer_refreshes_total", &[("result", "failed")]), 1.0);
}

#[test]
fn samples_tell_their_kind_and_a_base_url_its_server() {
    let server = Server::ok();
    let client = Builder::new().base_url(&server.url()).build();
    client.get("/").unwrap();
    let snapshot = client.snapshot();
    let port = server.port().to_string();
    let labels = [("server_address", "127.0.0.1"), ("server_port", port.as_str())];
    assert_eq!(snapshot.sum(ATTEMPTS, &labels), 1.0);
    for series in snapshot.series() {
        let kind = match series.name.as_str() {
            name if name.ends_with("_total") => AHOY_METRIC_COUNTER,
            name if name.ends_with("_duration_seconds") => AHOY_METRIC_HISTOGRAM,
            _ => AHOY_METRIC_GAUGE,
        };
        assert_eq!(series.kind, kind, "{series:?}");
        assert_eq!(series.buckets.len(), if kind == AHOY_METRIC_HISTOGRAM { 15 } else { 0 });
        assert!(series.help.ends_with('.'), "{series:?}");
    }
    let text = snapshot.text(AHOY_FORMAT_OPENMETRICS);
    assert!(text.ends_with("# EOF\n") && text.contains("# TYPE ahoy_client_attempts counter"));
    let text = snapshot.text(AHOY_FORMAT_PROMETHEUS);
    assert!(text.contains("# TYPE ahoy_client_attempts_total counter"));
}
