//! Endpoints that stand in a watched file, and in a document of Prometheus's HTTP service discovery.

use std::fs;
#[cfg(unix)]
use std::os::unix::fs::symlink;
use std::path::Path;
#[cfg(unix)]
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ahoy::ffi::client::hooks::*;
use ahoy::ffi::values::status::*;
#[cfg(unix)]
use support::registry::daemon::Daemon;
#[cfg(unix)]
use support::registry::folder::http;
use support::registry::folder::{Folder, file_url};
use support::registry::{SOON, churn, ports, sees};
use support::*;

fn ready(url: &str) -> Balancer {
    let balancer = Balancer::round_robin(&Provider::from_url(url).unwrap());
    balancer.wait_ready(SOON).unwrap();
    balancer
}

/// A group of targets on loopback.
fn group(ports: &[u16]) -> String {
    let targets: Vec<_> = ports.iter().map(|port| format!("\"127.0.0.1:{port}\"")).collect();
    format!(r#"[{{"targets": [{}], "labels": {{"zone": "a", "job": "web"}}}}]"#, targets.join(", "))
}

fn replace(path: &Path, content: &str) {
    let beside = path.with_extension("new");
    fs::write(&beside, content).unwrap();
    fs::rename(&beside, path).unwrap();
}

#[test]
fn a_file_is_read_again_however_it_changes() {
    let folder = Folder::new();
    let path = folder.file("web", "127.0.0.1:1\n127.0.0.1:2 weight=3\nnonsense\n");
    let balancer = ready(&file_url(&path));
    sees(&balancer, &[1, 2], SOON);
    replace(&path, "127.0.0.1:2\n");
    let replaced = sees(&balancer, &[2], SOON);
    fs::write(&path, "127.0.0.1:3\n").unwrap();
    let written = sees(&balancer, &[3], SOON);
    replace(&path, &group(&[4, 5]));
    sees(&balancer, &[4, 5], SOON);
    replace(&path, r#"[{"address": "127.0.0.1", "port": 6}, {"address": 7}]"#);
    sees(&balancer, &[6], SOON);
    // The bracket of an address begins no list.
    replace(&path, "[::1]:7 weight=2\n127.0.0.1:8\n");
    sees(&balancer, &[7, 8], SOON);
    replace(&path, "[fe80::1%lo]:9\n");
    sees(&balancer, &[9], SOON);
    eprintln!("file: replaced: seen after {replaced:?}; written in place: {written:?}");
}

#[test]
fn p15_entries_that_are_left_out_are_told_to_the_log() {
    let folder = Folder::new();
    let path = folder.file("web", "127.0.0.1:1\ns3cret\n127.0.0.1:99999\n");
    let balancer = Balancer::round_robin(&Provider::from_url(&file_url(&path)).unwrap());
    let said = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&said);
    let builder = Builder::new().balancer(&balancer);
    let builder = builder.on_log(AHOY_LOG_WARN, move |level, part, text| {
        told.lock().unwrap().push((level, part, text));
    });
    let client = builder.build();
    balancer.wait_ready(SOON).unwrap();
    sees(&balancer, &[1], SOON);
    let warned = |text: &str| (AHOY_LOG_WARN, "discovery".to_owned(), text.to_owned());
    let first = warned(
        "2 entries of the provider's list are left out, one of them: line 2: without a port",
    );
    eventually("it is told", SOON, || *said.lock().unwrap() == [first.clone()]);
    replace(&path, "127.0.0.1:1\n127.0.0.1:2\n");
    sees(&balancer, &[1, 2], SOON);
    replace(&path, "# web\n\n127.0.0.1:3\n127.0.0.1 80\n");
    let second = warned("1 entry of the provider's list is left out: line 4: without a port");
    eventually("it is told", SOON, || *said.lock().unwrap() == [first.clone(), second.clone()]);
    drop(client);
}

/// As after a change of their form by mistake.
#[test]
fn p15_entries_of_which_none_can_be_used_keep_the_last_list_and_are_told() {
    let folder = Folder::new();
    let path = folder.file("web", "127.0.0.1:1\n127.0.0.1:2\n");
    let balancer = ready(&format!("{}?empty_hold=0s", file_url(&path)));
    replace(&path, "- targets: [\"127.0.0.1:1\"]\n- targets: []\n");
    eventually("it is told", SOON, || balancer.list_error().is_some());
    let told = balancer.list_error().unwrap();
    assert!(told.starts_with("all 2 entries are unusable: "), "{told}");
    sees(&balancer, &[1, 2], ms(0));
    replace(&path, "127.0.0.1:2\n");
    sees(&balancer, &[2], SOON);
    assert_eq!(balancer.list_error(), None);
    replace(&path, "# nobody\n");
    sees(&balancer, &[], SOON);

    let document = Arc::new(Mutex::new(group(&[1])));
    let told = Arc::clone(&document);
    let server = Server::new(move |_| Reply::text(200, &told.lock().unwrap()));
    let url = format!("http+sd://127.0.0.1:{}/sd?refresh=100ms&empty_hold=0s", server.port());
    let balancer = ready(&url);
    *document.lock().unwrap() = r#"[{"targets": ["one"]}, {"targets": ["two"]}]"#.to_owned();
    eventually("it is told", SOON, || balancer.list_error().is_some());
    let told = balancer.list_error().unwrap();
    assert!(told.starts_with("all 2 entries are unusable: "), "{told}");
    sees(&balancer, &[1], ms(0));
    *document.lock().unwrap() = group(&[2]);
    sees(&balancer, &[2], SOON);
}

#[test]
fn an_empty_label_is_none_as_in_prometheus() {
    let folder = Folder::new();
    let group = r#"[{"targets": ["127.0.0.1:1"],
                     "labels": {"weight": "", "zone": "", "scheme": "", "authority": ""}}]"#;
    let balancer = ready(&file_url(&folder.file("web.json", group)));
    sees(&balancer, &[1], SOON);
}

#[cfg(unix)]
#[test]
fn p16_a_config_maps_symlink_swap_is_seen_within_a_second() {
    let folder = Folder::new();
    let version = |name: &str, port: u16| {
        fs::create_dir(folder.path().join(name)).unwrap();
        folder.file(&format!("{name}/web.json"), group(&[port]));
    };
    version("..2026_01", 1);
    symlink("..2026_01", folder.path().join("..data")).unwrap();
    symlink("..data/web.json", folder.path().join("web.json")).unwrap();
    let balancer = ready(&file_url(&folder.path().join("web.json")));
    sees(&balancer, &[1], SOON);
    let mut seen = Vec::new();
    for number in 2..=6 {
        version(&format!("..2026_0{number}"), number);
        symlink(format!("..2026_0{number}"), folder.path().join("..data_tmp")).unwrap();
        fs::rename(folder.path().join("..data_tmp"), folder.path().join("..data")).unwrap();
        seen.push(sees(&balancer, &[number], SOON));
    }
    seen.sort();
    eprintln!("file: a ConfigMap's swap: seen after {seen:?}");
    // The slower half may have met a machine that does something else.
    assert!(seen[2] < ms(1000), "{seen:?}");
}

#[test]
fn a_file_that_is_gone_or_broken_keeps_the_last_list_and_is_told() {
    let folder = Folder::new();
    let path = folder.file("web.json", group(&[1]));
    let balancer = ready(&file_url(&path));
    fs::remove_file(&path).unwrap();
    let told = |word: &str| {
        let names = || balancer.list_error().is_some_and(|told| told.contains(word));
        eventually(word, SOON, names);
        assert_eq!(ports(&balancer).into_iter().collect::<Vec<_>>(), [1]);
    };
    told("no such file");
    replace(&path, "[{\"s3cret");
    told("JSON");
    assert!(!balancer.list_error().unwrap().contains("s3cret"));
    replace(&path, &group(&[2]));
    let back = sees(&balancer, &[2], SOON);
    assert!(balancer.list_error().is_none());
    eprintln!("file: one that was gone and came back: seen after {back:?}");

    // One that is not there yet is waited for.
    let late = folder.path().join("late.json");
    let balancer = Balancer::round_robin(&Provider::from_url(&file_url(&late)).unwrap());
    assert!(balancer.wait_ready(ms(300)).is_err());
    replace(&late, &group(&[3]));
    sees(&balancer, &[3], SOON);
}

#[test]
fn an_empty_file_that_is_gone_before_its_hold_is_over_takes_nobody_away() {
    const HOLD: Duration = ms(1000);
    let folder = Folder::new();
    let path = folder.file("web", "127.0.0.1:1\n");
    let balancer = ready(&format!("{}?empty_hold=1s", file_url(&path)));
    let empties = || {
        eventually("its age shows", SOON, || balancer.list_age().unwrap() > ms(300));
        replace(&path, "");
        eventually("it is read", SOON, || balancer.list_age().unwrap() < ms(300));
    };
    empties();
    fs::remove_file(&path).unwrap();
    eventually("it is told", SOON, || balancer.list_error().is_some());
    let gone = Instant::now();
    while gone.elapsed() < HOLD + ms(300) {
        sees(&balancer, &[1], ms(0));
        std::thread::sleep(ms(10));
    }
    // One that is there again and stays empty is believed.
    let begun = Instant::now();
    empties();
    sees(&balancer, &[], SOON);
    assert!(begun.elapsed() > HOLD - ms(100), "{:?}", begun.elapsed());
}

#[test]
fn p21_two_hundred_changes_of_a_file_under_eight_calling_threads_fail_no_call() {
    let folder = Folder::new();
    let path = folder.path().join("web.json");
    let _alone = alone();
    let listed = Mutex::new(Vec::new());
    let change = |change: &dyn Fn(&mut Vec<u16>)| {
        let mut listed = listed.lock().unwrap();
        change(&mut listed);
        replace(&path, &group(&listed));
    };
    let register = |port: u16| change(&|listed| listed.push(port));
    let leave = |port: u16| change(&|listed| listed.retain(|it| *it != port));
    churn("file", &file_url(&path), register, leave);
}

#[test]
fn p23_a_document_over_http_is_asked_for_now_and_then_and_garbage_keeps_the_last_list() {
    let document = Arc::new(Mutex::new(group(&[1, 2])));
    let shown = Arc::clone(&document);
    let server = Server::new(move |_| {
        Reply::text(200, &shown.lock().unwrap()).header("content-type", "application/json")
    });
    let url = format!(
        "http+sd://127.0.0.1:{}/sd%3Fservice=web?refresh=200ms&token=s3cret",
        server.port()
    );
    let balancer = ready(&url);
    sees(&balancer, &[1, 2], SOON);
    let request = server.requests()[0].clone();
    assert_eq!(request.path, "/sd?service=web");
    assert_eq!(request.header("authorization"), Some("Bearer s3cret"));
    *document.lock().unwrap() = group(&[2, 3]);
    let seen = sees(&balancer, &[2, 3], SOON);
    // Promise 23: what is no document keeps the last list.
    let _alone = alone();
    for garbage in ["[".repeat(1 << 20), "{}".to_owned(), String::new()] {
        *document.lock().unwrap() = garbage;
        eventually("it is told", SOON, || balancer.list_error().is_some());
        assert_eq!(ports(&balancer).into_iter().collect::<Vec<_>>(), [2, 3]);
        *document.lock().unwrap() = group(&[2, 3]);
        eventually("it is well again", SOON, || balancer.list_error().is_none());
    }
    eprintln!("http+sd: with a refresh of 200 ms a change was seen after {seen:?}");
}

/// The second half of promise 17.
#[test]
fn p17_a_tokens_file_is_read_again_when_the_server_refuses_the_old_token() {
    let folder = Folder::new();
    let path = folder.file("token", "0ld\n");
    let valid = Arc::new(Mutex::new("Bearer 0ld"));
    let (accepted, document) = (Arc::clone(&valid), group(&[1]));
    let server = Server::new(move |seen| match seen.header("authorization") {
        Some(token) if token == *accepted.lock().unwrap() => Reply::text(200, &document),
        _ => Reply::status(401),
    });
    let query = format!("refresh=100ms&token_file={}", path.display());
    let balancer = ready(&format!("http+sd://127.0.0.1:{}/sd?{query}", server.port()));
    fs::write(&path, "n3w").unwrap();
    *valid.lock().unwrap() = "Bearer n3w";
    let asked = server.request_count();
    eventually("it is asked again", SOON, || server.request_count() > asked + 4);
    let tokens: Vec<_> = server
        .requests()
        .into_iter()
        .map(|it| it.header("authorization").map(str::to_owned))
        .collect();
    let old = tokens.iter().rposition(|it| it.as_deref() == Some("Bearer 0ld")).unwrap();
    assert!(
        tokens.iter().skip(old + 1).all(|it| it.as_deref() == Some("Bearer n3w")),
        "{tokens:?}"
    );
    assert!(balancer.list_error().is_none(), "{:?}", balancer.list_error());
}

#[test]
fn over_tls_with_a_private_authority_and_a_token_that_expires() {
    let (authority, stranger, folder) = (Authority::new(), Authority::new(), Folder::new());
    let (trusted, foreign) =
        (folder.file("ca.pem", &authority.pem), folder.file("stranger.pem", &stranger.pem));
    let has_expired = Arc::new(AtomicBool::new(false));
    let (expired, document) = (Arc::clone(&has_expired), group(&[1]));
    let server = Server::tls(authority.server("127.0.0.1"), move |seen| {
        let is_known = seen.header("authorization") == Some("Bearer s3cret");
        match is_known && !expired.load(Ordering::SeqCst) {
            true => Reply::text(200, &document),
            false => Reply::status(401),
        }
    });
    let of = |ca: &Path, token: &str| {
        let query = format!("refresh=100ms&tls=true&ca_file={}&token={token}", ca.display());
        let url = format!("http+sd://127.0.0.1:{}/sd?{query}", server.port());
        Balancer::round_robin(&Provider::from_url(&url).unwrap())
    };
    let told = |message: &str, reason: &str| {
        assert!(message.contains(reason), "{message}");
        assert!(!message.contains("s3cret") && !message.contains("wr0ng"), "{message}");
    };
    let balancer = of(&trusted, "s3cret");
    balancer.wait_ready(SOON).unwrap();
    told(&of(&foreign, "s3cret").wait_ready(ms(2000)).unwrap_err().message, "certificate");
    let failure = of(&trusted, "wr0ng").wait_ready(SOON).unwrap_err();
    assert_eq!(failure.status, AHOY_E_DISCOVERY);
    told(&failure.message, "401");
    has_expired.store(true, Ordering::SeqCst);
    eventually("it is told", SOON, || balancer.list_error().is_some());
    told(&balancer.list_error().unwrap(), "401");
    assert_eq!(ports(&balancer).into_iter().collect::<Vec<_>>(), [1], "the last list serves");
}

#[test]
fn a_server_that_refuses_the_document_is_told() {
    let server = Server::status(403);
    let url = format!("http+sd://127.0.0.1:{}/sd?token=s3cret", server.port());
    let balancer = Balancer::round_robin(&Provider::from_url(&url).unwrap());
    let failure = balancer.wait_ready(SOON).unwrap_err();
    assert_eq!(failure.status, AHOY_E_DISCOVERY);
    assert!(
        failure.message.contains("403") && !failure.message.contains("s3cret"),
        "{}",
        failure.message
    );
}

#[test]
fn a_server_that_answers_with_a_fault_of_its_own_is_left_for_the_next() {
    let document = group(&[1]);
    let (broken, well) = (Server::status(503), Server::new(move |_| Reply::text(200, &document)));
    let url = |first: &Server, second: &Server| {
        format!("http+sd://127.0.0.1:{},127.0.0.1:{}/sd", first.port(), second.port())
    };
    sees(&ready(&url(&broken, &well)), &[1], ms(0));
    // Where no server is well the answer is told.
    let other = Server::status(502);
    let balancer = Balancer::round_robin(&Provider::from_url(&url(&broken, &other)).unwrap());
    let failure = balancer.wait_ready(ms(1000)).unwrap_err();
    assert!(failure.message.contains("status 50"), "{}", failure.message);
    // Nor is one that is busy for good, but for a while.
    for status in [408, 429] {
        let busy = Server::status(status);
        sees(&ready(&url(&busy, &well)), &[1], ms(0));
    }
    // What a server refuses is refused.
    let refusing = Server::status(404);
    let balancer = Balancer::round_robin(&Provider::from_url(&url(&refusing, &broken)).unwrap());
    let failure = balancer.wait_ready(SOON).unwrap_err();
    assert!(failure.message.contains("404"), "{}", failure.message);
}

#[test]
fn p18_a_server_that_asks_to_be_left_alone_is_asked_again_after_that() {
    let document = group(&[1]);
    let server = Server::new(move |seen| match seen.number {
        0 => Reply::status(429).header("retry-after", "1"),
        _ => Reply::text(200, &document),
    });
    let url = format!("http+sd://127.0.0.1:{}/sd", server.port());
    let balancer = Balancer::round_robin(&Provider::from_url(&url).unwrap());
    let _ = balancer.wait_ready(SOON);
    sees(&balancer, &[1], SOON);
    let [first, second] = &server.requests()[..] else { panic!() };
    assert!(second.at - first.at >= ms(1000), "{:?}", second.at - first.at);
}

#[test]
fn a_server_that_hangs_is_left_for_the_next_and_one_that_is_slow_is_waited_for() {
    let (hung, document) = (Server::always(Reply::Begin(Vec::new())), group(&[1]));
    let well = Server::new(move |_| Reply::text(200, &document));
    let document = group(&[2]);
    let slow = Server::new(move |_| Reply::text(200, &document).after(ms(900)));
    let url = |servers: &[&Server]| {
        let servers: Vec<_> = servers.iter().map(|it| format!("127.0.0.1:{}", it.port())).collect();
        format!("http+sd://{}/sd?connect_timeout=300ms", servers.join(","))
    };
    // Whichever is asked first.
    for _ in 0..6 {
        sees(&ready(&url(&[&hung, &well])), &[1], ms(0));
    }
    assert!(hung.request_count() > 0, "it was asked");
    // It is told as late, and asked once.
    let balancer = Balancer::round_robin(&Provider::from_url(&url(&[&slow])).unwrap());
    let _ = balancer.wait_ready(ms(0));
    eventually("it is told", SOON, || {
        balancer.list_error().is_some_and(|told| told.contains("no answer for 450ms so far"))
    });
    sees(&balancer, &[2], SOON);
    assert_eq!((balancer.list_error(), slow.request_count()), (None, 1));
    // Two that are slow are asked both, and the first answer counts.
    let document = group(&[3]);
    let other = Server::new(move |_| Reply::text(200, &document).after(ms(900)));
    let balancer = ready(&url(&[&slow, &other]));
    assert_eq!(balancer.count(), 1);
}

/// Opening a pipe waits for its writer, and all that the thread has to do with it.
#[cfg(unix)]
#[test]
fn a_pipe_in_place_of_a_file_holds_up_nobody() {
    let folder = Folder::new();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let url = format!("http+sd://127.0.0.1:1/sd?token_file={}", pipe.display());
    let balancer = Balancer::round_robin(&Provider::from_url(&url).unwrap());
    let failure = balancer.wait_ready(ms(2000)).unwrap_err();
    let reason = format!("token_file {} cannot be read: not a file", pipe.display());
    assert!(failure.message.contains(&reason), "{failure:?}");
    let path = folder.file("web", "127.0.0.1:1\n");
    sees(&ready(&format!("{}?snapshot={}", file_url(&path), pipe.display())), &[1], SOON);
}

/// Prometheus reads the documents that these tests read, and finds the same targets.
#[cfg(unix)]
#[test]
fn prometheus_finds_the_same_endpoints() {
    let document = group(&[1, 2, 3]);
    let shown = document.clone();
    let server =
        Server::new(move |_| Reply::text(200, &shown).header("content-type", "application/json"));
    let (folder, port) = (Folder::new(), Dead::new());
    let file = folder.file("web.json", &document);
    let config = format!(
        "scrape_configs:\n- job_name: http\n  http_sd_configs: [{{url: '{}/sd'}}]\n\
         - job_name: file\n  file_sd_configs: [{{files: ['{}']}}]\n",
        server.url(),
        file.display()
    );
    let config = folder.file("prometheus.yml", config).display().to_string();
    let arguments = [
        format!("--config.file={config}"),
        format!("--storage.tsdb.path={}", folder.path().join("data").display()),
        format!("--web.listen-address=127.0.0.1:{}", port.port()),
        "--log.level=error".to_owned(),
    ];
    let _prometheus = Daemon::start("prometheus", arguments.into(), folder.path().join("log"));
    for (job, url) in
        [("http", format!("http+sd://127.0.0.1:{}/sd", server.port())), ("file", file_url(&file))]
    {
        let balancer = ready(&url);
        for endpoint in ports(&balancer) {
            let target = format!(r#""__address__":"127.0.0.1:{endpoint}","__meta"#);
            let found = || {
                let answer = http(port.port(), "GET", "/api/v1/targets", "", b"");
                answer.is_some_and(|(_, body)| {
                    body.contains(&format!("127.0.0.1:{endpoint}\"")) && body.contains(job)
                })
            };
            eventually(&target, ms(20_000), found);
        }
    }
}
