//! Options by name: what the five handles list and take, and the page made from the same tables.

// The build script has uses for all of it.
#[allow(dead_code, reason = "this test writes no truths")]
#[path = "../build/json.rs"]
mod json;
use std::path::Path;
use std::time::Duration;
use std::{env, fs};

use ahoy::ffi::values::status::*;
use ahoy::options::{BALANCER, BREAKER, CLIENT, Form, PROVIDER, RETRY, Row, Table};
use json::Json;
use support::*;

/// Fails where the file is not what the tables say; writes it where that is asked for.
fn is_in_step(file: &str, wanted: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if env::var_os("AHOY_DOCS").is_some_and(|mode| mode == "write") {
        fs::write(&path, wanted).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == wanted, "{file} is stale: AHOY_DOCS=write cargo test --test options");
}

#[test]
fn the_page_of_options_is_what_the_tables_say() {
    is_in_step("docs/options.md", &ahoy::options::markdown());
}

#[test]
fn the_schema_is_what_the_tables_say() {
    is_in_step("docs/ahoy.schema.json", &ahoy::document::schema());
}

/// What begins the settings in `ahoy.json`; the build script makes what stands before.
const SETTINGS: &str = "  \"settings\": [\n";

#[test]
fn the_description_has_the_settings_that_the_tables_say() {
    let settings = Json::List(
        [scope("client", &CLIENT), scope("retry", &RETRY)]
            .into_iter()
            .chain([scope("balancer", &BALANCER), scope("breaker", &BREAKER)])
            .chain([scope("provider", &PROVIDER)])
            .flatten()
            .collect(),
    );
    let text = fs::read_to_string("include/ahoy.json").unwrap();
    let (before, _) = text.split_once(SETTINGS).expect("the build script writes its part");
    let wanted = format!("{before}{}}}\n", settings.field("settings", ""));
    is_in_step("include/ahoy.json", &wanted);
}

fn scope<C: Clone + 'static>(scope: &str, table: &Table<C>) -> Vec<Json> {
    let own = table.rows().iter().filter(|row| !row.of_part);
    own.map(|row| setting(scope, row)).collect()
}

fn setting<C>(scope: &str, row: &Row<C>) -> Json {
    let mut fields = vec![("key", row.key.as_str().into()), ("scope", scope.into())];
    fields.extend(range(row.range));
    if !row.words.is_empty() {
        fields.push(("words", row.words.iter().map(|word| Json::from(*word)).collect()));
    }
    fields.extend([
        ("default", row.default.as_str().into()),
        ("function", row.function.as_str().into()),
        ("doc", row.purpose.into()),
        ("cost", row.cost.into()),
    ]);
    Json::Object(fields)
}

fn range(form: Form) -> Vec<(&'static str, Json)> {
    let number = |it: &dyn ToString| Json::Number(it.to_string());
    let ms = |it: Duration| Json::Number(it.as_millis().to_string());
    let mut fields = Vec::new();
    let (kind, unit) = match form {
        Form::Flag => ("flag", None),
        Form::Count(..) => ("count", None),
        Form::Real(..) | Form::RealAbove0(_) => ("real", None),
        Form::Size => ("size", Some("bytes")),
        Form::Duration(..) => ("duration", Some("ms")),
        Form::Choice(_) => ("choice", None),
        Form::Text(_) => ("text", None),
    };
    fields.push(("type", kind.into()));
    fields.extend(unit.map(|unit| ("unit", unit.into())));
    match form {
        Form::Count(least, most) => {
            fields.extend([("min", number(&least)), ("max", number(&most))])
        }
        Form::Real(least, f64::MAX) => fields.push(("min", number(&least))),
        Form::Real(least, most) => fields.extend([("min", number(&least)), ("max", number(&most))]),
        Form::RealAbove0(f64::MAX) => fields.push(("above", number(&0))),
        Form::RealAbove0(most) => fields.extend([("above", number(&0)), ("max", number(&most))]),
        Form::Duration(least, Duration::MAX) => {
            fields.extend([("min", ms(least)), ("forever", true.into())]);
        }
        Form::Duration(least, most) => fields.extend([("min", ms(least)), ("max", ms(most))]),
        Form::Choice(words) => {
            fields.push(("choices", words.iter().map(|word| Json::from(*word)).collect()));
        }
        Form::Text(what) => fields.push(("form", what.into())),
        Form::Flag | Form::Size => {}
    }
    fields
}

#[test]
fn every_handle_lists_its_options() {
    for (options, key) in [
        (client_options(), "timeout"),
        (client_options(), "retry_tries"),
        (retry_options(), "tries"),
        (balancer_options(), "zone"),
        (balancer_options(), "breaker_open_max"),
        (breaker_options(), "open_max"),
        (provider_options(), "empty_hold"),
    ] {
        assert!(options.is_sorted());
        let (_, description) = options.iter().find(|(known, _)| known == key).expect(key);
        assert!(description.contains("; default "), "{description}");
    }
}

#[test]
fn options_of_providers_name_the_sources_that_take_them() {
    let options = provider_options();
    let says = |key: &str| {
        let (_, description) = options.iter().find(|(known, _)| known == key).expect(key);
        description.rsplit_once("Taken by ").expect(key).1
    };
    assert_eq!(says("zookeeper_session_timeout"), "zk.");
    assert_eq!(says("entry"), "etcd, zk.");
    assert_eq!(says("coalesce"), "all URLs.");
    assert_eq!(says("empty_hold"), "all URLs and callbacks.");
    assert_eq!(says("callbacks"), "callbacks.");
    // A source that no build is without.
    let provider = Provider::from_url("dns://a.test:80").unwrap();
    for (key, _) in &options {
        let unknown = |failure: Failure| failure.status == AHOY_E_UNKNOWN_OPTION;
        let known = !provider.set(key, "").is_err_and(unknown);
        let taken = says(key);
        assert_eq!(known, taken.contains("all URLs") || taken.contains("dns"), "{key}: {taken}");
    }
}

#[test]
fn retries_are_set_by_name_on_their_handle_and_on_a_client() {
    let server = Server::always(Reply::status(503));
    let retry = Retry::new();
    retry.option("tries", "2").unwrap();
    retry.option("delay", "0ms").unwrap();
    let builder = Builder::new().balancer(&round_robin(&[server.port()]));
    builder.option("retry_tries", "1").unwrap();
    assert_eq!(builder.build().get("/").unwrap().attempt_count, 1);
    let builder = builder.retry(&retry);
    assert_eq!(builder.build().get("/").unwrap().attempt_count, 2, "the handle replaces all");
    assert_eq!(retry.option("tries", "3").unwrap_err().status, AHOY_E_IN_USE);
}

#[test]
fn circuits_are_set_by_name_on_their_handle_and_on_a_balancer() {
    let server = Server::always(Reply::status(503));
    let breaker = Breaker::new();
    breaker.option("consecutive_failures", "1").unwrap();
    breaker.option("min_closed", "0").unwrap();
    let by_handle = round_robin(&[server.port()]).with(&breaker);
    let by_name = round_robin(&[server.port()]);
    by_name.option("breaker_consecutive_failures", "1").unwrap();
    by_name.option("breaker_min_closed", "0").unwrap();
    for balancer in [by_handle, by_name] {
        let client = Builder::new().balancer(&balancer).tries(1).build();
        assert_eq!(client.get("/").unwrap().status, 503);
        assert!(balancer.endpoint(server.port()).is_open());
    }
}

#[test]
fn a_duration_needs_a_unit() {
    let builder = Builder::new();
    refused(builder.option("timeout", "5"), "value");
    let failure = builder.option("timeout", "5").unwrap_err();
    assert!(failure.message.ends_with("write 5s or 5ms"), "{}", failure.message);
    for value in ["250ms", "1.5s", "1m30s", "2h", "forever"] {
        builder.option("timeout", value).unwrap();
    }
}

#[test]
fn every_refused_parameter_is_named_at_once() {
    let balancer = round_robin(&[1]);
    let failure = balancer.set_slow_start(0, 2.0, 1.0).unwrap_err();
    assert_eq!(failure.status, AHOY_E_INVALID_ARGUMENT);
    let named: Vec<_> = failure.message.lines().map(|it| it.split(':').next().unwrap()).collect();
    assert_eq!(named, ["window_ms", "min_ratio"]);
}

#[test]
fn what_an_error_quotes_stays_within_its_line() {
    let builder = Builder::new();
    for (key, value) in [("timeout", "1\nretry: off"), ("ti\rmeout", "1s"), ("no_proxy", "a\nb/c")]
    {
        let message = builder.option(key, value).unwrap_err().message;
        assert!(!message.contains(char::is_control), "{message:?}");
    }
    builder.option("ca_file", "no\nfile").unwrap();
    let message = builder.try_build().unwrap_err().message;
    assert!(message.starts_with("ca_file: no\u{fffd}file: "), "{message:?}");
}

#[test]
#[cfg(feature = "http2")]
fn building_names_every_option_that_does_not_go_with_the_others() {
    let builder = Builder::new();
    builder.option("http2", "true").unwrap();
    builder.option("warm_up", "1").unwrap();
    let failure = builder.try_build().unwrap_err();
    assert_eq!(failure.status, AHOY_E_INVALID_ARGUMENT);
    let named: Vec<_> = failure.message.lines().map(|it| it.split(':').next().unwrap()).collect();
    assert_eq!(named, ["http2", "warm_up"]);
}

/// What switches it off is taken, so that the text of a configuration can be read again.
#[cfg(not(all(feature = "http2", feature = "proxy")))]
fn is_refused_as_unsupported(feature: &str, options: &[(&str, &str)]) {
    for (key, value) in options {
        let failure = Builder::new().option(key, value).unwrap_err();
        assert_eq!(failure.status, AHOY_E_UNSUPPORTED, "{key}: {}", failure.message);
        let said = format!("{key}: the library was built without {feature}");
        assert!(failure.message.ends_with(&said), "{}", failure.message);
    }
    for (key, value) in [("http2", "false"), ("proxy", "off"), ("no_proxy", "off")] {
        Builder::new().option(key, value).unwrap();
    }
}

#[test]
#[cfg(not(feature = "http2"))]
fn http2_that_is_not_built_in_is_refused() {
    is_refused_as_unsupported("http2", &[("http2", "true"), ("http2", "prior_knowledge")]);
    let failure =
        Builder::new().try_http2(ahoy::ffi::client::builder::AHOY_HTTP2_ALPN).unwrap_err();
    assert_eq!(failure.status, AHOY_E_UNSUPPORTED, "{}", failure.message);
}

#[test]
#[cfg(not(feature = "proxy"))]
fn a_proxy_that_is_not_built_in_is_refused() {
    let options = [
        ("proxy", "http://127.0.0.1:3128"),
        ("no_proxy", "a.example"),
        ("proxy_from_environment", "true"),
    ];
    is_refused_as_unsupported("proxy", &options);
    let failure = Builder::new().try_proxy("http://127.0.0.1:3128").unwrap_err();
    assert_eq!(failure.status, AHOY_E_UNSUPPORTED, "{}", failure.message);
}

#[test]
fn a_balancer_whose_rules_do_not_go_together_is_refused_and_can_be_mended() {
    let server = Server::ok();
    let balancer = round_robin(&[server.port()]);
    balancer.option("breaker_open_base", "1h").unwrap();
    refused(balancer.pick().map(drop), "breaker_open_max");
    balancer.option("breaker_open_max", "2h").unwrap();
    assert_eq!(balancer.pick().unwrap().port(), server.port());
}
