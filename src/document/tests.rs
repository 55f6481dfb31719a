//! What holds of every text.

use serde_json::Value;

use super::*;
use crate::client::Route;
use crate::discovery::Supply;
use crate::error::Error;
use crate::options::{BALANCER, BREAKER, CLIENT, RETRY, Table};

fn keys<C: Clone + 'static>(table: &Table<C>) -> Vec<String> {
    let own = table.rows().iter().filter(|row| !row.of_part);
    own.map(|row| row.key.clone()).collect()
}

fn nothing(_: &str) -> Result<Supply, Error> {
    Err(Error::invalid("provider", "is none"))
}

fn taken(text: &str, present: Option<CurrentClient<'_>>) -> Result<Document, Error> {
    let loaders = Loaders { read_file: &|_| Err("is none".to_owned()), provider: &nothing };
    read(text, &loaders, present)
}

#[test]
fn no_setting_is_called_as_a_part_of_the_text() {
    assert!(reading::KEYS.iter().all(|key| CLIENT.row(key).is_none()));
    assert!(balancer::KEYS.iter().all(|key| BALANCER.row(key).is_none()));
}

#[test]
fn the_schema_knows_every_key() {
    let schema: Value = serde_json::from_str(&schema()).unwrap();
    let properties = &schema["properties"];
    let names = |properties: &Value| -> Vec<String> {
        properties["properties"].as_object().unwrap().keys().cloned().collect()
    };
    let sorted = |mut keys: Vec<String>, more: &[&str]| {
        keys.extend(more.iter().map(|key| (*key).to_owned()));
        keys.sort();
        keys
    };
    assert_eq!(names(&schema), sorted(keys(&CLIENT), &reading::KEYS));
    assert_eq!(names(&properties["retry"]), keys(&RETRY));
    assert_eq!(names(&properties["breaker"]), keys(&BREAKER));
    let described = &properties["balancer"]["anyOf"][1];
    assert_eq!(names(described), sorted(keys(&BALANCER), &balancer::KEYS));
    assert_eq!(names(&properties["tls"]), sorted(Vec::new(), &tls::KEYS));
    let host = &properties["hosts"]["items"]["anyOf"][1];
    assert_eq!(names(host), sorted(Vec::new(), &hosts::KEYS));
}

#[test]
fn what_is_masked_stays_as_it_is_where_a_client_is_there() {
    let text = r#"{"headers": {"authorization": "hunter2", "x-a": ["1", "2"]},
                   "proxy": "http://u:p@a:1"}"#;
    let known = taken(text, None).unwrap().client;
    let masked = r#"{"headers": {"Authorization": "****", "x-a": ["3", "****"]},
                     "proxy": "http://****@a:1", "timeout": "1s"}"#;
    let present = CurrentClient { client: &known, route: &Route::Absolute };
    let kept = taken(masked, Some(present)).unwrap().client;
    assert_eq!(kept.headers["authorization"], "hunter2");
    assert_eq!(kept.headers.get_all("x-a").iter().collect::<Vec<_>>(), ["3", "2"]);
    assert_eq!(format!("{:?}", kept.proxy), format!("{:?}", known.proxy));
    let unknown = r#"{"headers": {"x-b": "****"}}"#;
    assert!(taken(unknown, Some(present)).unwrap_err().message().starts_with("headers.x-b: "));
}
