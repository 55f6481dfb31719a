//! Endpoints by DNS: addresses and services, and how soon a change is seen. Against bind9, and against a name server in
//! this process where an answer is wanted that bind9 does not give.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ahoy::ffi::balancer::listing::*;
use ahoy::ffi::client::hooks::*;
use ahoy::ffi::values::status::*;
use support::bind::Bind;
use support::names::{A, AAAA, Names, SRV, Said, next, srv};
use support::*;

const SOON: Duration = Duration::from_secs(10);

fn web(port: u16, options: &str) -> Provider {
    Provider::from_url(&format!("dns://web.test.:{port}?{options}")).unwrap()
}

fn service(options: &str) -> Balancer {
    let url = format!("srv://_http._tcp.web.test.?{options}");
    Balancer::round_robin(&Provider::from_url(&url).unwrap())
}

fn loopback(last: u8) -> Vec<u8> {
    vec![127, 0, 0, last]
}

#[test]
fn a_name_gives_its_addresses_and_calls_reach_them() {
    let server = Server::always(Reply::text(200, "hello"));
    let bind = Bind::start(&["web 1 A 127.0.0.1"]);
    let balancer = Balancer::recommended(&web(server.port(), &bind.option()));
    let client = Builder::new().balancer(&balancer).build();
    assert_eq!(client.get("/").unwrap().status, 200, "the first call awaits the first list");
    assert_eq!((balancer.known(), balancer.list_state()), (1, AHOY_LIST_CURRENT));
}

#[test]
fn an_address_in_place_of_a_name_is_its_own_endpoint_and_nobody_is_asked() {
    let names = Names::start(|_| Said::Code(3));
    for (url, address) in [
        ("dns://127.0.0.1:7", "127.0.0.1"),
        ("dns://[::1]:7", "::1"),
        ("dns://[fe80::1%25lo]:7", "fe80::1%lo"),
    ] {
        let provider = Provider::from_url(&format!("{url}?{}", names.option())).unwrap();
        let balancer = Balancer::round_robin(&provider);
        balancer.wait_ready(SOON).unwrap();
        assert_eq!((balancer.known(), balancer.at(0).unwrap().address().as_str()), (1, address));
    }
    assert_eq!(names.asked(A).len() + names.asked(AAAA).len(), 0);
}

#[test]
fn p9_a_name_without_a_time_to_live_is_asked_for_once_a_second_and_so_is_one_that_does_not_exist() {
    let names = Names::start(|question| match (question.name.as_str(), question.kind) {
        ("web.test.", A) => Said::Records(vec![(0, loopback(1))]),
        _ => Said::Code(3),
    });
    let (there, gone) = (
        web(1, &names.option()),
        Provider::from_url(&format!("dns://gone.test.:1?{}", names.option())),
    );
    let client =
        Builder::new().balancer(&Balancer::round_robin(&there)).timeout_ms(20).tries(1).build();
    let other = Balancer::round_robin(&gone.unwrap());
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(3300) {
        // Nobody listens there: each call finds no endpoint, and wants a fresher list.
        let _ = client.get("/");
        let _ = other.wait_ready(ms(1));
        std::thread::sleep(ms(5));
    }
    for kind in [A, AAAA] {
        let asked = names.asked(kind).len();
        // Two names, and at most one question a second for each.
        assert!((4..=2 * 4).contains(&asked), "{asked} of kind {kind}");
    }
}

#[test]
fn p9_the_time_to_live_is_the_least_of_the_chain() {
    let bind = Bind::start(&["web 600 CNAME alias", "alias 1 CNAME real", "real 600 A 127.0.0.1"]);
    let balancer = Balancer::round_robin(&web(80, &bind.option()));
    balancer.wait_ready(SOON).unwrap();
    bind.update(&[
        "delete alias.test. CNAME",
        "add alias.test. 1 CNAME other.test.",
        "add other.test. 600 A 127.0.0.2",
        "add other.test. 600 A 127.0.0.3",
    ]);
    let took = balancer.when(SOON, |it| it.known() == 2);
    assert!(took < ms(1300), "{took:?}");
}

#[test]
fn p10_growth_is_seen_within_its_time_to_live_and_100_ms_without_a_failure() {
    let bind = Bind::start(&["web 1 A 127.0.0.1"]);
    let balancer = Balancer::round_robin(&web(80, &bind.option()));
    balancer.wait_ready(SOON).unwrap();
    bind.update(&["add web.test. 1 A 127.0.0.2", "add web.test. 1 A 127.0.0.3"]);
    let took = balancer.when(SOON, |it| it.known() == 3);
    assert!(took < ms(1100), "{took:?}");
}

#[test]
fn p10_a_name_that_vanished_and_came_back_is_seen_within_5_2_s_whatever_its_zone_says() {
    // A negative answer of this zone holds for ten minutes.
    let bind = Bind::start(&["web 1 A 127.0.0.1"]);
    let balancer = Balancer::round_robin(&web(80, &format!("{}&empty_hold=0ms", bind.option())));
    balancer.wait_ready(SOON).unwrap();
    bind.update(&["delete web.test. A"]);
    balancer.when(SOON, |it| it.known() == 0);
    bind.update(&["add web.test. 1 A 127.0.0.1"]);
    let took = balancer.when(SOON, |it| it.known() == 1);
    assert!(took < ms(5200), "{took:?}");
}

#[test]
fn p11_an_aaaa_question_that_is_never_answered_hides_no_a_and_costs_50_ms() {
    for broken in [Said::Silence, Said::Code(2)] {
        let names = Names::start(move |question| match question.kind {
            A => Said::Records(vec![(1, loopback(1))]),
            _ => broken.clone(),
        });
        let balancer = Balancer::round_robin(&web(80, &names.option()));
        let (ready, took) = timed(|| balancer.wait_ready(SOON));
        ready.unwrap();
        assert!(took < ms(110), "{took:?}");
        assert_eq!((balancer.known(), balancer.list_state()), (1, AHOY_LIST_CURRENT));
    }
}

/// A service of two servers; what is said of their addresses.
fn two_servers(say: impl Fn(&str, u16) -> Said + Send + Sync + 'static) -> Names {
    Names::start(move |question| match question.kind {
        SRV => Said::Records(vec![
            (1, srv(1, 1, 8001, "one.test")),
            (1, srv(1, 1, 8002, "other.test")),
        ]),
        kind => say(&question.name, kind),
    })
}

#[test]
fn p11_a_service_has_its_list_while_questions_for_its_servers_are_never_answered() {
    for (unanswered, known, limit) in [
        ((|_, kind| kind == AAAA) as fn(&str, u16) -> bool, 2, 250),
        (|name, _| name == "other.test.", 1, 1000),
    ] {
        let names = two_servers(move |name, kind| match kind {
            _ if unanswered(name, kind) => Said::Silence,
            A => Said::Records(vec![(1, loopback(1))]),
            _ => Said::Records(Vec::new()),
        });
        let balancer = service(&names.option());
        let (ready, took) = timed(|| balancer.wait_ready(SOON));
        ready.unwrap();
        assert!(took < ms(limit), "{took:?}");
        assert_eq!((balancer.known(), balancer.list_state()), (known, AHOY_LIST_CURRENT));
    }
}

#[test]
fn a_service_has_its_list_though_its_name_server_is_silent_over_tcp() {
    let names = Names::start(|question| match question.kind {
        _ if question.tcp => Said::Silence,
        SRV => Said::Records(vec![(1, srv(1, 1, 8001, "one.test"))]),
        A => Said::Records(vec![(1, loopback(1))]),
        _ => Said::Records(Vec::new()),
    });
    let balancer = service(&names.option());
    let (ready, took) = timed(|| balancer.wait_ready(SOON));
    ready.unwrap();
    assert!(took < ms(1000), "{took:?}");
    assert_eq!(balancer.known(), 1);
}

#[test]
fn the_address_of_a_server_serves_while_it_cannot_be_asked_for_and_not_once_there_is_none() {
    let code = Arc::new(AtomicUsize::new(0));
    let says = Arc::clone(&code);
    let names = two_servers(move |name, kind| match (says.load(Ordering::SeqCst), kind) {
        (code @ 1.., A) if name == "other.test." => Said::Code(u8::try_from(code).unwrap()),
        (_, A) => Said::Records(vec![(1, loopback(1))]),
        _ => Said::Records(Vec::new()),
    });
    let balancer = service(&names.option());
    balancer.wait_ready(SOON).unwrap();
    let asks = || names.asked(A).len();
    code.store(2, Ordering::SeqCst);
    let before = asks();
    eventually("both servers are asked for again", SOON, || asks() > before + 4);
    assert_eq!(balancer.known(), 2, "the server fails");
    code.store(3, Ordering::SeqCst);
    balancer.when(SOON, |it| it.known() == 1);
}

#[test]
fn what_served_before_the_name_service_failed_serves_until_all_of_it_can_be_asked_for_again() {
    let state = Arc::new(AtomicUsize::new(0));
    let is = Arc::clone(&state);
    let names = Names::start(move |question| {
        let is_late = matches!((&*question.name, question.kind), ("other.test.", A) | (_, AAAA));
        match (is.load(Ordering::SeqCst), question.kind) {
            (DOWN, _) => Said::Code(2),
            (BACK_IN_PART, _) if is_late => Said::Code(2),
            (_, SRV) => Said::Records(vec![
                (1, srv(1, 1, 8001, "one.test")),
                (1, srv(1, 1, 8002, "other.test")),
            ]),
            (_, A) => Said::Records(vec![(1, loopback(1))]),
            _ if question.name == "web.test." => {
                Said::Records(vec![(1, 1_u128.to_be_bytes().to_vec())])
            }
            _ => Said::Records(Vec::new()),
        }
    });
    let balancers = [service(&names.option()), Balancer::round_robin(&web(8001, &names.option()))];
    for balancer in &balancers {
        balancer.wait_ready(SOON).unwrap();
        balancer.when(SOON, |it| it.known() == 2);
    }
    for (next, list) in [(DOWN, AHOY_LIST_LAST), (BACK_IN_PART, AHOY_LIST_CURRENT)] {
        state.store(next, Ordering::SeqCst);
        for balancer in &balancers {
            balancer.when(SOON, |it| it.list_state() == list);
            assert_eq!(balancer.known(), 2);
        }
    }
}

const DOWN: usize = 1;
const BACK_IN_PART: usize = 2;

#[test]
fn a_service_whose_servers_cannot_be_asked_for_has_not_lost_its_endpoints() {
    let names = two_servers(|_, _| Said::Code(2));
    let balancer = service(&format!("{}&empty_hold=0ms", names.option()));
    balancer.wait_ready(ms(1)).unwrap_err();
    balancer.when(SOON, |it| it.list_error().is_some());
    let problem = balancer.list_error().unwrap();
    assert!(problem.contains(".test: the name server says"), "{problem}");
    assert_ne!(balancer.list_state(), AHOY_LIST_CURRENT);
}

/// A name with an address of each kind, whose times to live are these seconds, until it is denied by its A record, or by
/// both. That there is no AAAA record is said last.
fn dual_stack(ttls: [u32; 2]) -> (Names, Arc<AtomicUsize>) {
    let denied = Arc::new(AtomicUsize::new(0));
    let is_denied = Arc::clone(&denied);
    let names =
        Names::start(move |question| match (is_denied.load(Ordering::SeqCst), question.kind) {
            (1.., A) => Said::Code(3),
            (2.., _) => {
                std::thread::sleep(ms(100));
                Said::Code(3)
            }
            (_, A) => Said::Records(vec![(ttls[0], loopback(1))]),
            _ => Said::Records(vec![(ttls[1], 1_u128.to_be_bytes().to_vec())]),
        });
    (names, denied)
}

#[test]
fn p1_addresses_of_both_kinds_serve_through_the_hold_when_their_name_goes() {
    for ttls in [[1, 1], [1, 60]] {
        let (names, denied) = dual_stack(ttls);
        let balancer = Balancer::round_robin(&web(80, &names.option()));
        balancer.wait_ready(SOON).unwrap();
        balancer.when(SOON, |it| it.known() == 2);
        denied.store(2, Ordering::SeqCst);
        balancer.when(SOON, |it| it.list_error().is_some());
        assert_eq!(balancer.list_error().as_deref(), Some("web.test.: no such name"));
        assert_eq!(balancer.known(), 2, "{ttls:?}");
    }
}

#[test]
fn p1_the_servers_of_a_service_serve_through_the_hold_when_their_names_go_one_after_the_other() {
    let are_gone = Arc::new(AtomicBool::new(false));
    let gone = Arc::clone(&are_gone);
    let names = two_servers(move |name, kind| match (gone.load(Ordering::SeqCst), kind) {
        (true, A) if name == "other.test." => {
            std::thread::sleep(ms(200));
            Said::Code(3)
        }
        (true, _) => Said::Code(3),
        (false, A) => Said::Records(vec![(1, loopback(1))]),
        _ => Said::Records(Vec::new()),
    });
    let balancer = service(&names.option());
    balancer.wait_ready(SOON).unwrap();
    balancer.when(SOON, |it| it.known() == 2);
    are_gone.store(true, Ordering::SeqCst);
    balancer.when(SOON, |it| it.list_error().is_some());
    assert_eq!(balancer.known(), 2, "{:?}", balancer.list_error());
}

#[test]
fn addresses_of_one_kind_leave_where_the_other_is_asked_for_and_there() {
    let (names, denied) = dual_stack([1, 60]);
    let balancer = Balancer::round_robin(&web(80, &names.option()));
    balancer.wait_ready(SOON).unwrap();
    balancer.when(SOON, |it| it.known() == 2);
    denied.store(1, Ordering::SeqCst);
    let took = balancer.when(SOON, |it| it.known() == 1);
    assert!(took < ms(2500), "{took:?}");
    assert_eq!((balancer.at(0).unwrap().address(), names.asked(AAAA).len()), ("::1".to_owned(), 2));
}

#[test]
fn a_name_that_does_not_exist_is_told_from_one_without_addresses() {
    let names = Names::start(|question| match (question.name.as_str(), question.kind) {
        ("bare.test.", _) => Said::Records(Vec::new()),
        _ => Said::Code(3),
    });
    for (url, reason) in [
        ("dns://gone.test.:1", "gone.test.: no such name"),
        ("dns://bare.test.:1", "bare.test.: the name has no address"),
        ("srv://_http._tcp.gone.test.", "_http._tcp.gone.test.: no such name"),
        ("srv://bare.test.", "bare.test.: the name has no service"),
    ] {
        let provider = Provider::from_url(&format!("{url}?{}", names.option())).unwrap();
        for provider in [Provider::merge(std::slice::from_ref(&provider)), provider] {
            let balancer = Balancer::round_robin(&provider);
            balancer.wait_ready(SOON).unwrap();
            assert_eq!((balancer.known(), balancer.list_state()), (0, AHOY_LIST_CURRENT));
            assert_eq!(balancer.list_error().as_deref(), Some(reason));
            let failure = Builder::new().balancer(&balancer).build().get("/").unwrap_err();
            assert_eq!(failure.status, AHOY_E_NO_ENDPOINTS);
            let said = format!("no endpoint is known; provider: {reason}");
            assert!(failure.message.contains(&said), "{}", failure.message);
        }
    }
}

#[test]
fn why_a_list_was_empty_is_no_longer_told_once_it_is_not() {
    let is_there = Arc::new(AtomicBool::new(false));
    let there = Arc::clone(&is_there);
    let names = Names::start(move |question| match question.kind {
        A if there.load(Ordering::Relaxed) => Said::Records(vec![(1, loopback(1))]),
        _ => Said::Code(3),
    });
    let balancer = Balancer::round_robin(&web(1, &names.option()));
    balancer.wait_ready(SOON).unwrap();
    assert_eq!(balancer.list_error().as_deref(), Some("web.test.: no such name"));
    is_there.store(true, Ordering::Relaxed);
    balancer.when(SOON, |it| it.known() == 1);
    assert_eq!(balancer.list_error(), None);
}

#[test]
fn a_service_that_is_decidedly_not_there_has_none() {
    let names = Names::start(|_| Said::Records(vec![(1, srv(0, 0, 0, ""))]));
    let balancer = service(&format!("{}&empty_hold=0ms", names.option()));
    balancer.wait_ready(ms(1)).unwrap_err();
    balancer.when(SOON, |it| it.list_state() == AHOY_LIST_CURRENT);
    assert_eq!((balancer.known(), balancer.list_error()), (0, None));
}

#[test]
fn a_server_without_an_address_is_told_by_its_name_and_once() {
    // Six lookups, some of them 5 s apart.
    const LONG: Duration = ms(60_000);
    let lacking = Arc::new(AtomicUsize::new(1));
    let lacks = Arc::clone(&lacking);
    let names = two_servers(move |name, kind| match (lacks.load(Ordering::SeqCst), kind) {
        (2, A) => Said::Code(3),
        (1, A) if name == "other.test." => Said::Code(3),
        (_, A) => Said::Records(vec![(1, loopback(1))]),
        _ => Said::Records(Vec::new()),
    });
    let balancer = service(&format!("{}&empty_hold=0ms", names.option()));
    let lines: Arc<Mutex<Vec<String>>> = Arc::default();
    let heard = Arc::clone(&lines);
    let told = move |_, _: String, text| heard.lock().unwrap().push(text);
    let _client = Builder::new().on_log(AHOY_LOG_WARN, told).balancer(&balancer).build();
    balancer.wait_ready(LONG).unwrap();
    let looked_up = |times: usize| {
        let before = names.asked(SRV).len();
        // Each lookup has a question over UDP at least, and a list behind it when the next begins.
        eventually("it is looked up", LONG, || names.asked(SRV).len() > before + times);
    };
    looked_up(2);
    let other =
        "1 entry of the provider's list is left out: no address is known of the server other.test";
    assert_eq!(*lines.lock().unwrap(), [other]);
    lacking.store(2, Ordering::SeqCst);
    balancer.when(LONG, |it| it.known() == 0);
    let reason = "_http._tcp.web.test.: no address is known of the server one.test";
    assert_eq!(balancer.list_error().as_deref(), Some(reason));
    looked_up(2);
    assert_eq!(lines.lock().unwrap().len(), 2, "{:?}", lines.lock().unwrap());
    lacking.store(0, Ordering::SeqCst);
    balancer.when(LONG, |it| it.known() == 2);
    lacking.store(1, Ordering::SeqCst);
    balancer.when(LONG, |it| it.known() == 1);
    eventually("it is told again", LONG, || lines.lock().unwrap().len() == 3);
}

#[test]
fn a_server_that_gets_an_address_is_seen_within_5_2_s_however_long_its_service_holds() {
    let there = Arc::new(AtomicBool::new(false));
    let is_there = Arc::clone(&there);
    let names = Names::start(move |question| match (question.kind, &*question.name) {
        (SRV, _) => Said::Records(vec![
            (300, srv(1, 1, 8001, "one.test")),
            (300, srv(1, 1, 8002, "other.test")),
        ]),
        (A, "other.test.") if !is_there.load(Ordering::SeqCst) => Said::Code(3),
        (A, _) => Said::Records(vec![(300, loopback(1))]),
        _ => Said::Records(Vec::new()),
    });
    let balancer = service(&names.option());
    balancer.wait_ready(SOON).unwrap();
    assert_eq!(balancer.known(), 1);
    there.store(true, Ordering::SeqCst);
    let took = balancer.when(SOON, |it| it.known() == 2);
    assert!(took < ms(5200), "{took:?}");
}

#[test]
fn silent_name_servers_are_given_up_after_dns_timeout_and_a_third_one_is_asked_then() {
    let silent = || Names::start(|_| Said::Silence);
    let good = Names::start(|question| match question.kind {
        A => Said::Records(vec![(1, loopback(1))]),
        _ => Said::Records(Vec::new()),
    });
    let (one, other) = (silent(), silent());
    let alone = Balancer::round_robin(&web(80, &format!("{}&dns_timeout=500ms", one.option())));
    alone.wait_ready(ms(1)).unwrap_err();
    let took = alone.when(SOON, |it| it.list_error().is_some());
    assert!(took > ms(450) && took < ms(800), "{took:?}");
    let servers: Vec<_> =
        [one, other, good].iter().map(|it| format!("127.0.0.1:{}", it.port)).collect();
    let options = format!("dns_server={}&dns_timeout=500ms", servers.join(","));
    let balancer = Balancer::round_robin(&web(80, &options));
    let (ready, took) = timed(|| balancer.wait_ready(SOON));
    ready.unwrap();
    assert!(took < ms(800), "{took:?}");
}

/// A name server that knows `web.test` and its service, and takes a moment to say so.
fn knowing() -> Names {
    Names::start(|question| {
        std::thread::sleep(ms(20));
        match question.kind {
            SRV => Said::Records(vec![(1, srv(1, 1, 8001, "web.test"))]),
            A => Said::Records(vec![(1, loopback(1))]),
            _ => Said::Records(Vec::new()),
        }
    })
}

/// The lists of `web.test` and of its service by these name servers in their order, and how long both took.
fn lists_by(servers: &[&Names]) -> (Vec<usize>, Duration) {
    let servers: Vec<_> = servers.iter().map(|it| format!("127.0.0.1:{}", it.port)).collect();
    let options = format!("dns_server={}&empty_hold=0ms", servers.join(","));
    let balancers = [Balancer::round_robin(&web(80, &options)), service(&options)];
    let (ready, took) = timed(|| balancers.iter().try_for_each(|it| it.wait_ready(SOON)));
    ready.unwrap();
    (balancers.iter().map(Balancer::known).collect(), took)
}

#[test]
fn a_sick_name_server_beside_one_that_knows_the_name_hides_nothing() {
    let good = knowing();
    for code in [1, 2, 4, 5] {
        let sick = Names::start(move |_| Said::Code(code));
        for servers in [[&good, &sick], [&sick, &good]] {
            assert_eq!(lists_by(&servers).0, [1, 1], "code {code}");
        }
    }
    let denying = Names::start(|_| Said::Code(3));
    assert_eq!(lists_by(&[&good, &denying]).0, [1, 1]);
    assert_eq!(denying.asked(A).len(), 0, "the first one has answered");
}

#[test]
fn a_mute_name_server_before_one_that_knows_the_name_costs_a_moment() {
    let (mute, good) = (Names::start(|_| Said::Silence), knowing());
    let (known, took) = lists_by(&[&mute, &good]);
    assert_eq!(known, [1, 1]);
    assert!(took < ms(2000), "{took:?}");
}

#[test]
fn addresses_of_one_kind_that_fails_serve_for_max_stale_beside_those_of_the_other() {
    let fails = Arc::new(AtomicBool::new(false));
    let failing = Arc::clone(&fails);
    let names = Names::start(move |question| match question.kind {
        A if failing.load(Ordering::SeqCst) => Said::Code(2),
        A => Said::Records(vec![(1, loopback(1))]),
        _ => Said::Records(vec![(1, 1_u128.to_be_bytes().to_vec())]),
    });
    let balancer = Balancer::round_robin(&web(80, &format!("{}&max_stale=2s", names.option())));
    balancer.wait_ready(SOON).unwrap();
    balancer.when(SOON, |it| it.known() == 2);
    fails.store(true, Ordering::SeqCst);
    balancer.when(SOON, |it| it.list_error().is_some());
    assert_eq!(balancer.known(), 2, "the last one serves");
    let took = balancer.when(SOON, |it| it.known() == 1);
    assert!(took < ms(4500), "{took:?}");
    fails.store(false, Ordering::SeqCst);
    balancer.when(SOON, |it| it.known() == 2);
}

/// How the calls of a client spread over servers on two addresses of one service.
fn shares(weights: [u16; 2], calls: usize) -> [usize; 2] {
    let (one, other) =
        (Server::always(Reply::text(200, "a")), Server::always(Reply::text(200, "b")));
    let ports = [one.port(), other.port()];
    let names = Names::start(move |question| match question.kind {
        SRV => Said::Records(
            (0..2).map(|it| (60, srv(1, weights[it], ports[it], "web.test"))).collect(),
        ),
        A => Said::Records(vec![(60, loopback(1))]),
        _ => Said::Records(Vec::new()),
    });
    let url = format!("srv://_http._tcp.web.test.?{}", names.option());
    let balancer = Balancer::random(&Provider::from_url(&url).unwrap());
    let client = Builder::new().balancer(&balancer).build();
    let mut counts = [0; 2];
    for _ in 0..calls {
        counts[usize::from(client.get("/").unwrap().body == b"b")] += 1;
    }
    counts
}

#[test]
fn p12_weights_of_nothing_but_0_are_even_and_a_0_beside_a_10_is_seldom() {
    let [one, other] = shares([0, 0], 6000);
    // Four standard deviations of a fair draw are 2.6 %.
    assert!(one.abs_diff(other) * 20 < 6000, "{one} and {other}");
    let [seldom, usual] = shares([0, 10], 3000);
    assert!(seldom > 0 && seldom * 20 < usual, "{seldom} beside {usual}");
}

#[test]
fn p13_a_hundred_services_are_all_there() {
    let records: Vec<String> = (1..=100)
        .flat_map(|it| {
            [
                format!("_http._tcp.web 1 SRV 1 1 80 host{it}.test."),
                format!("host{it} 1 A 127.0.1.{it}"),
            ]
        })
        .collect();
    let records: Vec<&str> = records.iter().map(String::as_str).collect();
    let bind = Bind::start(&records);
    for options in ["", "&transport=tcp"] {
        let balancer = service(&format!("{}{options}", bind.option()));
        balancer.wait_ready(SOON).unwrap();
        assert_eq!(balancer.known(), 100, "{options}");
    }
}

#[test]
fn p13_a_server_that_tells_a_random_part_makes_nobody_leave() {
    let turn = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&turn);
    let names = Names::start(move |question| match question.kind {
        SRV if question.tcp => {
            Said::Records((0..40).map(|it| (0, srv(1, 1, 1000 + it, "web.test"))).collect())
        }
        SRV => {
            let from = u16::try_from(next(&count)).unwrap() * 7;
            Said::Records(
                (from..from + 26).map(|it| (0, srv(1, 1, 1000 + it % 40, "web.test"))).collect(),
            )
        }
        A => Said::Records(vec![(0, loopback(1))]),
        _ => Said::Records(Vec::new()),
    });
    let balancer = service(&names.option());
    balancer.wait_ready(SOON).unwrap();
    while turn.load(Ordering::SeqCst) < 5 {
        assert_eq!(balancer.known(), 40);
        std::thread::sleep(ms(5));
    }
}

#[test]
fn an_address_that_left_is_gone_though_the_answer_over_udp_is_doubted() {
    let bind = Bind::start(&["web 1 A 127.0.0.1", "web 1 A 127.0.0.2"]);
    let balancer = Balancer::round_robin(&web(80, &bind.option()));
    balancer.wait_ready(SOON).unwrap();
    bind.update(&["delete web.test. A 127.0.0.2"]);
    let took = balancer.when(SOON, |it| it.known() == 1);
    assert!(took < ms(1300), "{took:?}");
}

#[test]
fn priorities_of_services_are_levels() {
    let names = Names::start(|question| match question.kind {
        SRV => Said::Records(vec![
            (60, srv(20, 0, 8002, "web.test")),
            (60, srv(10, 5, 8001, "web.test")),
        ]),
        A => Said::Records(vec![(60, loopback(1))]),
        _ => Said::Records(Vec::new()),
    });
    let balancer = service(&names.option());
    balancer.wait_ready(SOON).unwrap();
    assert_eq!(balancer.known(), 2);
    assert!(balancer.at(0).unwrap().url().ends_with(":8001"), "{}", balancer.at(0).unwrap().url());
}

#[test]
fn p23_garbage_is_reported_and_the_last_list_stays() {
    let broken = Arc::new(AtomicUsize::new(0));
    let mode = Arc::clone(&broken);
    let names = Names::start(move |question| match (mode.load(Ordering::SeqCst), question.kind) {
        (0, A) => Said::Records(vec![(0, loopback(1))]),
        (1, _) => Said::Garbage(vec![0xff; 300]),
        (2, _) => Said::Garbage(vec![0x85, 0x80, 0, 1, 0, 9, 0, 0, 0, 0, 3, b'w']),
        _ => Said::Records(Vec::new()),
    });
    let balancer =
        Balancer::round_robin(&web(80, &format!("{}&dns_timeout=200ms", names.option())));
    balancer.wait_ready(SOON).unwrap();
    for mode in [1, 2] {
        broken.store(mode, Ordering::SeqCst);
        balancer.when(SOON, |it| it.list_state() == AHOY_LIST_LAST);
        assert_eq!(balancer.known(), 1);
        broken.store(0, Ordering::SeqCst);
        balancer.when(SOON, |it| it.list_state() == AHOY_LIST_CURRENT);
    }
}

#[test]
fn a_name_server_that_is_down_fails_calls_only_at_their_limit_and_is_tried_on() {
    let up = Arc::new(AtomicBool::new(false));
    let is_up = Arc::clone(&up);
    let server = Server::always(Reply::text(200, "hello"));
    let names = Names::start(move |question| match (is_up.load(Ordering::SeqCst), question.kind) {
        (false, _) => Said::Code(2),
        (true, A) => Said::Records(vec![(1, loopback(1))]),
        _ => Said::Records(Vec::new()),
    });
    let balancer = Balancer::recommended(&web(server.port(), &names.option()));
    let client = Builder::new().balancer(&balancer).timeout_ms(300).build();
    let (failure, took) = timed(|| client.get("/").unwrap_err());
    assert_eq!(failure.status, AHOY_E_DISCOVERY, "{}", failure.message);
    assert!(took > ms(290) && took < ms(400), "{took:?}");
    let waiting = Builder::new().balancer(&balancer).build().begin("/");
    up.store(true, Ordering::SeqCst);
    assert_eq!(waiting.wait(FOREVER).unwrap().unwrap().status, 200, "it awaited the first list");
}
