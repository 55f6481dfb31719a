//! What a client may not be talked into, and what a host program can rely on.

#![allow(unsafe_code, reason = "some of it is done as only a C program does")]

use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use ahoy::ffi::balancer::balancer::*;
use ahoy::ffi::balancer::provider::*;
use ahoy::ffi::client::builder::*;
use ahoy::ffi::client::hooks::*;
use ahoy::ffi::values::status::*;
use support::*;

fn assert_invalid<T: std::fmt::Debug>(result: Result<T, Failure>, parameter: &str) {
    let failure = result.unwrap_err();
    assert_eq!(failure.status, AHOY_E_INVALID_ARGUMENT, "{}", failure.message);
    assert!(failure.message.starts_with(parameter), "not {parameter}: {}", failure.message);
}

const BAD_PATHS: [&str; 9] =
    ["/a\r\nX: y", "/a\nb", "/a\rb", "/a b", "/a\tb", "/\u{e9}", "/a\u{7f}", "/a#b", ""];

#[test]
fn a_path_that_could_split_a_request_is_refused_and_nothing_sent() {
    let server = Server::ok();
    let clients = [client_over(&[server.port()]), Builder::new().base_url(&server.url()).build()];
    for client in clients {
        for path in BAD_PATHS {
            assert_invalid(client.get(path), "path");
            assert_invalid(client.post(path, "text/plain", b"x"), "path");
            assert_invalid(Request::try_new("GET", path), "path");
            assert_invalid(Request::new("GET", "/").try_set_path(path), "path");
        }
    }
    let absolute = Builder::new().build();
    for path in BAD_PATHS {
        assert_invalid(absolute.get(&format!("{}{path}\r\n", server.url())), "path");
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn a_bad_base_url_is_refused() {
    for url in ["http://a\r\n", "http://a b/", "ftp://a/", "/a", "http://", "http://u:p@a/", ""] {
        assert_invalid(Builder::new().try_base_url(url), "base_url");
    }
}

#[test]
fn header_names_and_values_that_could_split_a_request_are_refused() {
    let (builder, request) = (Builder::new(), Request::new("GET", "/"));
    for name in ["x\r\ny", "x\n", "x\r", "x y", "x:", "", "\u{e9}"] {
        assert_invalid(builder.try_header(name, b"v"), "name");
        assert_invalid(request.try_header(name, b"v"), "name");
        assert_invalid(request.try_set_header(name, b"v"), "name");
        assert_invalid(builder.try_forward_header(name), "name");
    }
    for value in [&b"v\r\nx: y"[..], b"v\n", b"v\rw", b"v\x01", b"v\x7f"] {
        assert_invalid(builder.try_header("x", value), "value");
        assert_invalid(request.try_header("x", value), "value");
        assert_invalid(request.try_set_header("x", value), "value");
    }
    let secret = builder.try_header("x", b"hush\n").unwrap_err();
    assert!(!secret.message.contains("hush"), "{}", secret.message);
}

#[test]
fn headers_that_frame_a_message_are_the_librarys() {
    let request = Request::new("POST", "/");
    for name in ["Content-Length", "transfer-encoding", "Connection", "Upgrade", "TE", "Keep-Alive"]
    {
        assert_invalid(request.try_header(name, b"1"), "name");
        assert_invalid(Builder::new().try_header(name, b"1"), "name");
    }
}

#[test]
fn a_content_type_that_could_split_a_request_is_refused_and_nothing_sent() {
    let server = Server::ok();
    let client = client_over(&[server.port()]);
    for value in ["text/plain\r\nX: y", "text\nplain", "text\rplain"] {
        assert_invalid(client.post("/", value, b"x"), "content_type");
        assert_invalid(client.put("/", value, b"x"), "content_type");
        assert_invalid(client.patch("/", value, b"x"), "content_type");
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn a_method_that_is_none_is_refused() {
    for method in ["", "GE T", "GET\r\n", "G\u{e9}T", "CONNECT"] {
        assert_invalid(Request::try_new(method, "/"), "method");
    }
}

#[test]
fn a_nul_ends_a_string_and_does_not_smuggle() {
    let server = Server::ok();
    // What a caller with counted strings would pass: the library sees what stands before the NUL.
    let path = b"/a\0\r\nX: y\r\n\0";
    let client = client_over(&[server.port()]);
    let mut response = ptr::null_mut();
    // SAFETY: the path ends with NUL.
    let status = unsafe {
        let path = path.as_ptr().cast();
        ahoy::ffi::client::client::ahoy_client_get(
            client.raw(),
            path,
            &raw mut response,
            ptr::null_mut(),
        )
    };
    assert_eq!(status, AHOY_OK);
    // SAFETY: the response is ours.
    unsafe { ahoy::ffi::call::response::ahoy_response_free(response) };
    let seen = server.request();
    assert_eq!((seen.path.as_str(), seen.header("x")), ("/a", None));
}

#[test]
fn bad_hosts_are_refused() {
    let provider = Provider::list();
    for address in [
        "",
        "a b",
        "a\r\nb",
        "a/b",
        "u@a",
        "a:80",
        "http://a",
        "b\u{fc}cher.example",
        "a\"b",
        "{a}",
    ] {
        assert_invalid(provider.add(address, 80), "address");
    }
    assert_invalid(provider.add("a.example", 0), "port");
}

#[test]
fn what_is_in_use_can_no_longer_be_changed() {
    let in_use = |result: Result<(), Failure>, name: &str| {
        let failure = result.unwrap_err();
        assert_eq!(failure.status, AHOY_E_IN_USE);
        assert!(failure.message.contains(name), "{}", failure.message);
    };
    let provider = Provider::loopback(&[1]);
    let balancer = Balancer::random(&provider);
    in_use(provider.add("127.0.0.1", 2), "provider");
    let breaker = Breaker::new();
    balancer.set_breaker(&breaker).unwrap();
    in_use(breaker.try_consecutive(3), "breaker");
    let retry = Retry::new();
    let _builder = Builder::new().balancer(&balancer).retry(&retry);
    in_use(balancer.set_breaker(&Breaker::new()), "balancer");
    in_use(balancer.set_function(|_| 0), "balancer");
    in_use(retry.try_tries(5), "retry");
}

#[test]
fn a_pick_and_an_update_are_first_uses_too() {
    let (picked, updated) = (round_robin(&[1]), round_robin(&[1]));
    picked.pick().unwrap();
    updated.update().unwrap();
    for balancer in [picked, updated] {
        assert_eq!(balancer.set_breaker(&Breaker::new()).unwrap_err().status, AHOY_E_IN_USE);
    }
}

/// Calls a registration, and says how often `destroy` ran: after it, and once `keep` is gone too.
fn destroyed<K>(register: impl FnOnce(*mut c_void, Destroy) -> K) -> (usize, usize) {
    unsafe extern "C-unwind" fn count(user_data: *mut c_void) {
        // SAFETY: the counter outlives the registration.
        unsafe { &*user_data.cast::<AtomicUsize>() }.fetch_add(1, Ordering::SeqCst);
    }
    let counter = AtomicUsize::new(0);
    let keep = register((&raw const counter).cast_mut().cast(), Some(count));
    let before = counter.load(Ordering::SeqCst);
    drop(keep);
    (before, counter.load(Ordering::SeqCst))
}

type Destroy = Option<unsafe extern "C-unwind" fn(*mut c_void)>;

unsafe extern "C-unwind" fn provide(_: *mut c_void, _: *mut ahoy_hosts) -> ahoy_status {
    AHOY_OK
}

unsafe extern "C-unwind" fn choose(_: *mut c_void, _: usize) -> usize {
    0
}

unsafe extern "C-unwind" fn draw(_: *mut c_void, _: u64) -> u64 {
    0
}

#[test]
fn destroy_runs_once_when_the_last_user_is_gone() {
    let kept = (0, 1);
    // SAFETY: each function fits its data, and each handle lives.
    unsafe {
        assert_eq!(
            destroyed(|data, end| {
                let provider = Provider::owning(ahoy_provider_custom_new(Some(provide), data, end));
                Balancer::round_robin(&provider)
            }),
            kept
        );
        assert_eq!(
            destroyed(|data, end| {
                let provider = Provider::loopback(&[1]);
                let raw = ahoy_balancer_custom_new(provider.raw(), Some(choose), data, end);
                Builder::new().balancer(&Balancer::owning(raw)).build()
            }),
            kept
        );
        assert_eq!(
            destroyed(|data, end| {
                let balancer = Balancer::random(&Provider::loopback(&[1]));
                let null = ptr::null_mut();
                ahoy_balancer_random_set_function(balancer.raw(), Some(draw), data, end, null);
                let endpoint = balancer.pick().unwrap();
                drop(endpoint);
                balancer
            }),
            kept
        );
    }
}

#[test]
fn destroy_runs_once_for_each_hook() {
    type Register = unsafe fn(*mut ahoy_client_builder, *mut c_void, Destroy) -> ahoy_status;
    unsafe extern "C-unwind" fn request(
        _: *mut c_void,
        _: *mut ahoy::ffi::call::request::ahoy_request,
    ) -> i32 {
        0
    }
    unsafe extern "C-unwind" fn response(
        _: *mut c_void,
        _: *const ahoy::ffi::call::response::ahoy_response,
    ) {
    }
    unsafe extern "C-unwind" fn error(
        _: *mut c_void,
        _: *const ahoy::ffi::values::error::ahoy_error,
    ) {
    }
    unsafe extern "C-unwind" fn log(_: *mut c_void, _: i32, _: *const i8, _: *const i8) {}
    const NULL: *mut *mut ahoy::ffi::values::error::ahoy_error = ptr::null_mut();
    // SAFETY: each function fits its data; the builder is the caller's matter.
    let hooks: [Register; 4] = unsafe {
        [
            |builder, data, end| {
                ahoy_client_builder_on_request(builder, Some(request), data, end, NULL)
            },
            |builder, data, end| {
                ahoy_client_builder_on_response(builder, Some(response), data, end, NULL)
            },
            |builder, data, end| {
                ahoy_client_builder_on_error(builder, Some(error), data, end, NULL)
            },
            |builder, data, end| ahoy_client_builder_on_log(builder, 1, Some(log), data, end, NULL),
        ]
    };
    for register in hooks {
        let two_clients = destroyed(|data, end| {
            let builder = Builder::new();
            // SAFETY: the builder lives.
            assert_eq!(unsafe { register(builder.raw(), data, end) }, AHOY_OK);
            (builder.build(), builder.build())
        });
        assert_eq!(two_clients, (0, 1));
        let replaced = destroyed(|data, end| {
            let builder = Builder::new();
            // SAFETY: the builder lives.
            assert_eq!(unsafe { register(builder.raw(), data, end) }, AHOY_OK);
            // SAFETY: as above.
            assert_eq!(unsafe { register(builder.raw(), ptr::null_mut(), None) }, AHOY_OK);
            builder
        });
        assert_eq!(replaced, (1, 1), "at once where another takes its place");
        // SAFETY: NULL is refused.
        let failed = destroyed(|data, end| unsafe { register(ptr::null_mut(), data, end) });
        assert_eq!(failed, (1, 1), "on failed registration too");
    }
}

#[test]
fn destroy_runs_once_where_registration_fails() {
    let at_once = (1, 1);
    let null = ptr::null_mut();
    // SAFETY: NULL is refused, and so is a balancer that is not random.
    unsafe {
        assert_eq!(destroyed(|data, end| ahoy_provider_custom_new(None, data, end)), at_once);
        let provider = Provider::loopback(&[1]);
        let custom = |data, end| ahoy_balancer_custom_new(provider.raw(), None, data, end);
        assert_eq!(destroyed(custom), at_once);
        let custom = |data, end| ahoy_balancer_custom_new(ptr::null(), Some(choose), data, end);
        assert_eq!(destroyed(custom), at_once);
        let other = Balancer::round_robin(&provider);
        let random =
            |data, end| ahoy_balancer_random_set_function(other.raw(), Some(draw), data, end, null);
        assert_eq!(destroyed(random), at_once);
        let used = Balancer::random(&provider);
        used.pick().unwrap();
        let random =
            |data, end| ahoy_balancer_random_set_function(used.raw(), Some(draw), data, end, null);
        assert_eq!(destroyed(random), at_once);
        let builder = Builder::new();
        let hook = |data, end| ahoy_client_builder_on_log(builder.raw(), 99, None, data, end, null);
        assert_eq!(destroyed(hook), at_once);
    }
}

#[test]
fn handles_may_be_freed_in_any_order() {
    let server = Server::ok();
    // Each number is an order in which provider, breaker, balancer, retry and builder go.
    for order in 0..120 {
        let provider = Provider::loopback(&[server.port()]);
        let balancer = Balancer::round_robin(&provider);
        let (breaker, retry) = (Breaker::new(), Retry::new());
        balancer.set_breaker(&breaker).unwrap();
        let builder = Builder::new().balancer(&balancer).retry(&retry);
        let client = builder.build();
        let mut handles: Vec<Box<dyn std::any::Any>> = vec![
            Box::new(provider),
            Box::new(breaker),
            Box::new(balancer),
            Box::new(retry),
            Box::new(builder),
        ];
        let mut rest = order;
        for left in (1..=handles.len()).rev() {
            drop(handles.swap_remove(rest % left));
            rest /= left;
        }
        assert_eq!(client.get("/").unwrap().status, 200);
    }
}

#[test]
fn a_client_may_go_before_what_it_was_made_from() {
    let server = Server::ok();
    let balancer = round_robin(&[server.port()]);
    let client = Builder::new().balancer(&balancer).build();
    client.get("/").unwrap();
    drop(client);
    let endpoint = balancer.pick().unwrap();
    drop(balancer);
    assert_eq!(endpoint.port(), server.port());
}

#[test]
fn a_blocking_call_inside_any_callback_says_would_deadlock() {
    let (good, bad) = (Server::ok(), Dead::new());
    let inner = Arc::new(OnceLock::<Client>::new());
    let told = Arc::new(Mutex::new(Vec::new()));
    let try_it = {
        let (inner, told) = (Arc::clone(&inner), Arc::clone(&told));
        move |place: &'static str| {
            let failure = inner.get().unwrap().get("/").unwrap_err();
            told.lock().unwrap().push((place, failure.status));
        }
    };
    inner.set(client_over(&[good.port()])).unwrap();
    let ports = [bad.port(), good.port()];
    let provide = try_it.clone();
    let provider = Provider::custom(move |out| {
        provide("provider");
        ports.iter().for_each(|port| out.add("127.0.0.1", *port).unwrap());
        AHOY_OK
    });
    let choose = try_it.clone();
    let balancer = Balancer::custom(&provider, move |_| {
        choose("balancer");
        0
    });
    let [request, response, error, log] = [(); 4].map(|()| try_it.clone());
    let client = Builder::new()
        .balancer(&balancer)
        .on_request(move |_| {
            request("request");
            AHOY_OK
        })
        .on_response(move |_| response("response"))
        .on_error(move |_| error("error"))
        .on_log(AHOY_LOG_DEBUG, move |_, _, _| log("log"))
        .build();
    assert_eq!(client.get("/").unwrap().status, 200);
    let told = told.lock().unwrap();
    assert!(told.iter().all(|(_, status)| *status == AHOY_E_WOULD_DEADLOCK), "{told:?}");
    for place in ["provider", "balancer", "request", "response", "error", "log"] {
        assert!(told.iter().any(|(told, _)| *told == place), "{place} did not run");
    }
    assert_eq!(inner.get().unwrap().get("/").unwrap().status, 200, "outside it works");
}

#[test]
fn accessors_work_inside_callbacks() {
    let server = Server::ok();
    let balancer = Arc::new(round_robin(&[server.port()]));
    balancer.update().unwrap();
    let (shared, told) = (Arc::clone(&balancer), Arc::new(Mutex::new(Vec::new())));
    let kept = Arc::clone(&told);
    let client = Builder::new()
        .balancer(&balancer)
        .on_response(move |answer| {
            let endpoint = shared.pick().unwrap();
            let seen = (answer.status, shared.count(), endpoint.url(), endpoint.is_closed());
            kept.lock().unwrap().push(seen);
        })
        .build();
    client.get("/").unwrap();
    assert_eq!(*told.lock().unwrap(), [(200, 1, server.url(), true)]);
}

#[test]
fn an_update_inside_its_own_provider_says_would_deadlock() {
    let slot = Arc::new(OnceLock::<Balancer>::new());
    let told = Arc::new(Mutex::new(Vec::new()));
    let (inner, kept) = (Arc::clone(&slot), Arc::clone(&told));
    let provider = Provider::custom(move |out| {
        kept.lock().unwrap().push(inner.get().unwrap().update().unwrap_err().status);
        out.add("127.0.0.1", 1).unwrap();
        AHOY_OK
    });
    slot.set(Balancer::round_robin(&provider)).unwrap();
    slot.get().unwrap().update().unwrap();
    assert_eq!(*told.lock().unwrap(), [AHOY_E_WOULD_DEADLOCK]);
}

/// Through the crate alone: a program that links the library has no part in its runtime.
#[test]
fn a_blocking_call_inside_a_runtime_of_the_same_crate_says_would_deadlock() {
    let server = Server::ok();
    let clients = [client_over(&[server.port()]), Builder::new().base_url(&server.url()).build()];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for client in clients {
        let call = runtime.block_on(async {
            assert_eq!(client.get("/").unwrap_err().status, AHOY_E_WOULD_DEADLOCK);
            let call = client.begin("/");
            assert_eq!(call.wait(1000).unwrap_err().status, AHOY_E_WOULD_DEADLOCK);
            assert_eq!(client.close(1000).unwrap_err().status, AHOY_E_WOULD_DEADLOCK);
            call
        });
        assert_eq!(call.end().unwrap().status, 200);
        assert_eq!(client.get("/").unwrap().status, 200);
    }
}

#[test]
fn a_destroy_of_a_random_function_may_use_its_balancer() {
    unsafe extern "C-unwind" fn set_breaker(balancer: *mut c_void) {
        // SAFETY: the balancer lives; a lock that is held would hang this test.
        unsafe {
            ahoy_balancer_set_breaker(balancer.cast(), Breaker::new().raw(), ptr::null_mut());
        }
    }
    let provider = Provider::loopback(&[1]);
    for (balancer, wanted) in [
        (Balancer::random(&provider), AHOY_OK),
        (Balancer::round_robin(&provider), AHOY_E_INVALID_ARGUMENT),
    ] {
        let (raw, data) = (balancer.raw(), balancer.raw().cast());
        // SAFETY: function and data belong together.
        unsafe {
            for _ in 0..2 {
                let status = ahoy_balancer_random_set_function(
                    raw,
                    Some(draw),
                    data,
                    Some(set_breaker),
                    ptr::null_mut(),
                );
                assert_eq!(status, wanted);
            }
            // The one that is in use must not outlive the balancer's handle.
            ahoy_balancer_random_set_function(
                raw,
                Some(draw),
                ptr::null_mut(),
                None,
                ptr::null_mut(),
            );
        }
    }
}
