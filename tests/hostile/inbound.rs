//! Headers of an inbound request as they may come: with blanks around them, and more than once.

use ahoy::ffi::client::protection::*;

use support::*;

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[test]
fn of_several_deadlines_the_least_holds() {
    let _floor = crate::beside_others();
    let server = Server::always(Reply::Hang);
    for values in [&["9000", "100"][..], &[" 100\t", "x"], &["9000, 100"], &["100"]] {
        let builder = Builder::new().base_url(&server.url()).deadline_header("x-timeout-ms");
        let client = builder.build();
        let inbound: Vec<_> = values.iter().map(|value| ("x-timeout-ms", *value)).collect();
        let (outcome, took) = timed(|| client.send(&Request::new("GET", "/").inbound(&inbound)));
        assert!(outcome.is_err());
        assert!(took >= ms(30) && took < ms(3000), "{values:?}: {took:?}");
    }
}

#[test]
fn a_trace_may_have_blanks_around_it_but_there_is_only_one() {
    let _floor = crate::beside_others();
    let server = Server::ok();
    let client = Builder::new().base_url(&server.url()).trace(AHOY_TRACE_PASS_ON).build();
    let send = |values: &[&str]| {
        let inbound: Vec<_> = values.iter().map(|value| ("traceparent", *value)).collect();
        client.send(&Request::new("GET", "/").inbound(&inbound)).unwrap();
        let seen = server.requests().pop().unwrap();
        seen.header("traceparent").map(|value| value[..35].to_owned())
    };
    let expected = Some(TRACE[..35].to_owned());
    assert_eq!(send(&[&format!(" {TRACE}\t")]), expected);
    assert_eq!(send(&[TRACE]), expected);
    assert_eq!(send(&[TRACE, TRACE]), None);
    assert_eq!(send(&[TRACE, "x"]), None);
    let own = Request::new("GET", "/").header("traceparent", TRACE).header("traceparent", TRACE);
    client.send(&own).unwrap();
    assert_eq!(server.requests().pop().unwrap().header("traceparent"), None);
}
