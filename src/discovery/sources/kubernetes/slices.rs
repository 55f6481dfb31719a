//! EndpointSlices (`discovery.k8s.io/v1`): the documents of the API server, and the hosts that all slices of a
//! service make together.
//!
//! A service has a slice for each hundred endpoints, port set and address family. While endpoints move between
//! slices one stands in two of them: it counts once, and the entry that is ready wins.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ptr;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::discovery::wire::{Entries, Skipped};
use crate::endpoint::{Host, Scheme};

/// The slices of one service, as they are known.
#[derive(Debug, Default)]
pub(crate) struct Slices {
    port: Option<String>,
    of_name: BTreeMap<String, Slice>,
    skipped: Skipped,
}

/// What one slice holds.
#[derive(Debug, Default)]
struct Slice {
    family: Family,
    entries: Vec<(Arc<Host>, Readiness)>,
    /// Endpoints that could not be read.
    skipped: Skipped,
    /// The ports that it states, where it has endpoints and none of these is the one that is wanted.
    other_ports: Option<Vec<String>>,
}

/// The best last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Family {
    #[default]
    Name,
    V6,
    V4,
}

/// Whether an endpoint takes calls; the best last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Readiness {
    /// Not serving, or serving but not meant to be used.
    None,
    /// Serves while it shuts down: used where nothing is ready.
    Terminating,
    Ready,
}

/// What came of a watch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The slices changed.
    Changed { version: String },
    /// Nothing did up to this version.
    Bookmark { version: String },
    /// The server reports an error, by its HTTP code; 410 where the version is too old.
    Error { code: u16 },
}

/// The answer to a list.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SliceList {
    /// The version from which a watch goes on.
    pub(crate) version: String,
    /// Where the next page begins.
    pub(crate) next: Option<String>,
}

impl Slices {
    /// No slices yet, whose hosts have the port of this name or number; without one, the only port, or else `http`.
    pub(crate) fn new(port: Option<&str>) -> Self {
        Self { port: port.map(str::to_owned), ..Self::default() }
    }

    /// The entries that could not be read since this was last asked.
    pub(crate) fn take_skipped(&mut self) -> Skipped {
        std::mem::take(&mut self.skipped)
    }

    /// Takes over one page of a list.
    ///
    /// # Errors
    /// Says that it is none.
    pub(crate) fn list(&mut self, document: &[u8]) -> Result<SliceList, String> {
        let page: ListDocument<'_> = read(document)?;
        if page.kind.is_some_and(|kind| kind != "EndpointSliceList") {
            return Err("the answer is no list of EndpointSlices".to_owned());
        }
        for item in page.items.unwrap_or_default() {
            self.put(item);
        }
        let next = page.metadata.next.filter(|next| !next.is_empty());
        Ok(SliceList { version: page.metadata.version.unwrap_or_default(), next })
    }

    /// Takes over one event of a watch.
    ///
    /// # Errors
    /// Says that it is none.
    pub(crate) fn event(&mut self, document: &[u8]) -> Result<Event, String> {
        let event: EventDocument<'_> = read(document)?;
        if event.kind == "ERROR" {
            let status: StatusDocument = read(event.object.get().as_bytes())?;
            return Ok(Event::Error { code: status.code.unwrap_or_default() });
        }
        let object: ObjectDocument = read(event.object.get().as_bytes())?;
        let version = object.metadata.version.unwrap_or_default();
        match event.kind.as_str() {
            "ADDED" | "MODIFIED" => self.put(event.object),
            "DELETED" => drop(self.of_name.remove(&object.metadata.name.unwrap_or_default())),
            "BOOKMARK" => return Ok(Event::Bookmark { version }),
            _ => return Err("an event of no known type".to_owned()),
        }
        Ok(Event::Changed { version })
    }

    /// The hosts that take calls, and the endpoints that could not be read.
    pub(crate) fn entries(&self) -> Entries {
        let mut skipped = Skipped::default();
        for slice in self.of_name.values() {
            skipped.count += slice.skipped.count;
            skipped.why = skipped.why.or(slice.skipped.why);
        }
        Entries { hosts: self.hosts(), skipped }
    }

    /// What is wrong where endpoints are left out for want of the port.
    pub(crate) fn without_port(&self) -> Option<String> {
        let slices = self.of_name.values().filter_map(|slice| slice.other_ports.as_ref());
        let ports: BTreeSet<&str> =
            slices.clone().flatten().map(String::as_str).take(MOST_PORTS).collect();
        slices.clone().next()?;
        let ports = ports.into_iter().collect::<Vec<_>>().join(", ");
        Some(match (&self.port, ports.as_str()) {
            (_, "") => "the slices state no port: write its number as port".to_owned(),
            (None, ports) => format!("no port is chosen; there are {ports}"),
            (Some(port), ports) => format!("the port {port} is in no slice; there are {ports}"),
        })
    }

    /// The hosts that take calls: those that are ready, and where none is, those that serve while they shut down.
    /// Of a service with addresses of both families those of IPv4, lest each of its pods counts twice.
    pub(crate) fn hosts(&self) -> Vec<Arc<Host>> {
        let used = |entry: &&(Arc<Host>, Readiness)| entry.1 > Readiness::None;
        let families =
            self.of_name.values().filter(|slice| slice.entries.iter().any(|it| used(&it)));
        let Some(family) = families.map(|slice| slice.family).max() else { return Vec::new() };
        let slices = self.of_name.values().filter(|slice| slice.family == family);
        let mut best: HashMap<(&str, u16), &(Arc<Host>, Readiness)> = HashMap::new();
        for entry in slices.clone().flat_map(|slice| &slice.entries).filter(used) {
            match best.entry((entry.0.address.as_str(), entry.0.port)) {
                Entry::Vacant(place) => drop(place.insert(entry)),
                Entry::Occupied(mut place) if place.get().1 < entry.1 => drop(place.insert(entry)),
                Entry::Occupied(_) => {}
            }
        }
        let most = best.values().map(|entry| entry.1).max();
        let is_chosen = |entry: &&(Arc<Host>, Readiness)| {
            let best = best.get(&(entry.0.address.as_str(), entry.0.port));
            best.is_some_and(|best| ptr::eq(*best, *entry)) && Some(entry.1) == most
        };
        let chosen = slices.flat_map(|slice| &slice.entries).filter(is_chosen);
        chosen.map(|entry| Arc::clone(&entry.0)).collect()
    }

    /// Puts a slice in the place of the one of its name.
    fn put(&mut self, slice: &RawValue) {
        let Ok(mut document) = read::<SliceDocument<'_>>(slice.get().as_bytes()) else {
            return self.skipped.add("a slice that cannot be read");
        };
        let Some(name) = document.metadata.name.take() else {
            return self.skipped.add("a slice without a name");
        };
        let slice = self.slice(document);
        self.of_name.insert(name, slice);
    }

    fn slice(&mut self, document: SliceDocument<'_>) -> Slice {
        let family = match document.address_type.as_str() {
            "IPv4" => Family::V4,
            "IPv6" => Family::V6,
            _ => Family::Name,
        };
        let endpoints = document.endpoints.unwrap_or_default();
        let ports = document.ports.unwrap_or_default();
        let Some((port, scheme)) = self.port_of(&ports) else {
            // A port that nothing listens on: an endpoint that may have it later.
            let named = || ports.iter().filter(is_tcp).map(PortDocument::named).collect();
            let other_ports = (!endpoints.is_empty()).then(named);
            return Slice { family, other_ports, ..Slice::default() };
        };
        let (mut entries, mut skipped) = (Vec::with_capacity(endpoints.len()), Skipped::default());
        for endpoint in endpoints {
            match entry(endpoint, port, scheme) {
                Some(entry) => entries.push(entry),
                None => skipped.add("an endpoint that cannot be read"),
            }
        }
        for why in skipped.why.iter().cycle().take(skipped.count) {
            self.skipped.add(why);
        }
        Slice { family, entries, skipped, other_ports: None }
    }

    /// The port of the slice that was asked for, and what its names say of TLS.
    fn port_of(&self, ports: &[PortDocument]) -> Option<(u16, Option<Scheme>)> {
        let number = self.port.as_deref().and_then(|port| port.parse().ok());
        if let Some(number) = number.filter(|number| *number > 0)
            && ports.iter().filter(is_tcp).all(|port| port.port.is_none())
        {
            // A headless service without ports, or one for any port.
            return Some((number, None));
        }
        let mut tcp = ports.iter().filter(is_tcp);
        let named = |name: &str| {
            let number = name.parse::<u16>().ok();
            let is_it = |port: &&PortDocument| {
                port.name.as_deref().unwrap_or_default() == name
                    || number.is_some() && port.port == number
            };
            ports.iter().filter(is_tcp).find(is_it)
        };
        let port = match &self.port {
            Some(name) => named(name),
            None if tcp.clone().count() == 1 => tcp.next(),
            None => named("http").or_else(|| named("https")),
        }?;
        let is_https = port.app_protocol.as_deref().or(port.name.as_deref()) == Some("https");
        Some((port.port.filter(|port| *port > 0)?, is_https.then_some(Scheme::Https)))
    }
}

fn is_tcp(port: &&PortDocument) -> bool {
    port.protocol.as_deref().is_none_or(|it| it == "TCP")
}

/// How many ports a message names.
const MOST_PORTS: usize = 10;

/// The version at which a list was answered.
///
/// # Errors
/// Says that it is no list.
pub(super) fn version(document: &[u8]) -> Result<String, String> {
    let page: ListDocument<'_> = read(document)?;
    Ok(page.metadata.version.unwrap_or_default())
}

/// Its first address, by the API's own advice: several are those of one and the same.
fn entry(endpoint: &RawValue, port: u16, scheme: Option<Scheme>) -> Option<(Arc<Host>, Readiness)> {
    let endpoint: EndpointDocument = read(endpoint.get().as_bytes()).ok()?;
    let address = endpoint.addresses.first()?;
    let mut host = Host::registered(address, port).ok()?;
    host.scheme = scheme;
    host.zone = endpoint.zone.filter(|zone| !zone.is_empty());
    let conditions = endpoint.conditions.unwrap_or_default();
    // What is left out: ready, serving as ready, and not terminating.
    let is_ready = conditions.ready.unwrap_or(true);
    let serves = conditions.serving.unwrap_or(is_ready);
    let readiness = match (is_ready, serves && conditions.terminating == Some(true)) {
        (true, _) => Readiness::Ready,
        (false, true) => Readiness::Terminating,
        (false, false) => Readiness::None,
    };
    Some((Arc::new(host), readiness))
}

/// What is quoted of an error is its place, never the document.
fn read<'a, T: Deserialize<'a>>(document: &'a [u8]) -> Result<T, String> {
    serde_json::from_slice(document).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => {
            "the answer is no document of EndpointSlices".to_owned()
        }
        _ => format!("the answer is no JSON, line {} column {}", error.line(), error.column()),
    })
}

#[derive(Deserialize)]
struct ListDocument<'a> {
    kind: Option<String>,
    metadata: Metadata,
    #[serde(borrow)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Default, Deserialize)]
struct Metadata {
    name: Option<String>,
    #[serde(rename = "resourceVersion")]
    version: Option<String>,
    #[serde(rename = "continue")]
    next: Option<String>,
}

#[derive(Deserialize)]
struct EventDocument<'a> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(borrow)]
    object: &'a RawValue,
}

#[derive(Deserialize)]
struct ObjectDocument {
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Deserialize)]
struct StatusDocument {
    code: Option<u16>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SliceDocument<'a> {
    metadata: Metadata,
    address_type: String,
    #[serde(borrow)]
    endpoints: Option<Vec<&'a RawValue>>,
    ports: Option<Vec<PortDocument>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PortDocument {
    name: Option<String>,
    port: Option<u16>,
    protocol: Option<String>,
    app_protocol: Option<String>,
}

impl PortDocument {
    /// Its name and number, for people.
    fn named(&self) -> String {
        let name = self.name.as_deref().filter(|name| !name.is_empty());
        match (name, self.port) {
            (Some(name), Some(port)) => format!("{name} ({port})"),
            (Some(name), None) => name.to_owned(),
            (None, port) => port.unwrap_or_default().to_string(),
        }
    }
}

#[derive(Deserialize)]
struct EndpointDocument {
    addresses: Vec<String>,
    conditions: Option<Conditions>,
    zone: Option<String>,
}

#[derive(Default, Deserialize)]
struct Conditions {
    ready: Option<bool>,
    serving: Option<bool>,
    terminating: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An endpoint as the API server writes it.
    fn endpoint(address: &str, ready: bool, serving: bool, terminating: bool) -> String {
        format!(
            r#"{{"addresses":["{address}"],"conditions":{{"ready":{ready},"serving":{serving},
                "terminating":{terminating}}},"nodeName":"n","zone":"z1"}}"#
        )
    }

    fn ready(address: &str) -> String {
        endpoint(address, true, true, false)
    }

    const HTTP: &str = r#"{"name":"http","protocol":"TCP","port":8080}"#;

    fn slice(name: &str, family: &str, endpoints: &[String], ports: &[&str]) -> String {
        format!(
            r#"{{"kind":"EndpointSlice","apiVersion":"discovery.k8s.io/v1",
                "metadata":{{"name":"{name}","resourceVersion":"7"}},"addressType":"{family}",
                "endpoints":[{}],"ports":[{}]}}"#,
            endpoints.join(","),
            ports.join(",")
        )
    }

    fn listed(port: Option<&str>, slices: &[String]) -> Slices {
        let mut all = Slices::new(port);
        let document = format!(
            r#"{{"kind":"EndpointSliceList","metadata":{{"resourceVersion":"9","continue":""}},
                "items":[{}]}}"#,
            slices.join(",")
        );
        let page = all.list(document.as_bytes());
        assert_eq!(page, Ok(SliceList { version: "9".to_owned(), next: None }));
        all
    }

    fn places(slices: &Slices) -> Vec<String> {
        let hosts = slices.hosts();
        let places = hosts.iter().map(|host| format!("{}:{}", host.address, host.port));
        let mut places: Vec<_> = places.collect();
        places.sort();
        places
    }

    fn event(kind: &str, object: &str) -> String {
        format!(r#"{{"type":"{kind}","object":{object}}}"#)
    }

    #[test]
    fn p07_ready_endpoints_alone_and_then_those_that_serve_while_they_end() {
        let all = [
            ready("10.0.0.1"),
            endpoint("10.0.0.2", false, true, true),
            endpoint("10.0.0.3", false, false, true),
            endpoint("10.0.0.4", false, false, false),
        ];
        let slices = listed(None, &[slice("a", "IPv4", &all, &[HTTP])]);
        assert_eq!(places(&slices), ["10.0.0.1:8080"]);
        assert_eq!(slices.hosts()[0].zone.as_deref(), Some("z1"));
        let slices = listed(None, &[slice("a", "IPv4", &all[1..], &[HTTP])]);
        assert_eq!(places(&slices), ["10.0.0.2:8080"]);
        let slices = listed(None, &[slice("a", "IPv4", &all[2..], &[HTTP])]);
        assert_eq!(places(&slices), [""; 0]);
        let unknown = r#"{"addresses":["10.0.0.5"],"conditions":{}}"#.to_owned();
        let slices = listed(None, &[slice("a", "IPv4", &[unknown], &[HTTP])]);
        assert_eq!(places(&slices), ["10.0.0.5:8080"], "what is not said is ready");
    }

    #[test]
    fn p08_slices_merge_and_the_entry_that_is_ready_wins() {
        let gone = endpoint("10.0.0.1", false, false, true);
        for order in [["a", "b"], ["b", "a"]] {
            let slices = listed(
                None,
                &[
                    slice(order[0], "IPv4", &[ready("10.0.0.1"), ready("10.0.0.2")], &[HTTP]),
                    slice(order[1], "IPv4", &[gone.clone(), ready("10.0.0.3")], &[HTTP]),
                ],
            );
            let expected = ["10.0.0.1:8080", "10.0.0.2:8080", "10.0.0.3:8080"];
            assert_eq!(places(&slices), expected);
        }
    }

    #[test]
    fn events_put_a_slice_in_the_place_of_its_former() {
        let mut slices = listed(None, &[slice("a", "IPv4", &[ready("10.0.0.1")], &[HTTP])]);
        let changed = slice("a", "IPv4", &[ready("10.0.0.2")], &[HTTP]);
        let seven = Ok(Event::Changed { version: "7".to_owned() });
        assert_eq!(slices.event(event("MODIFIED", &changed).as_bytes()), seven);
        assert_eq!(places(&slices), ["10.0.0.2:8080"]);
        let other = slice("b", "IPv4", &[ready("10.0.0.3")], &[HTTP]);
        assert_eq!(slices.event(event("ADDED", &other).as_bytes()), seven);
        assert_eq!(places(&slices), ["10.0.0.2:8080", "10.0.0.3:8080"]);
        assert_eq!(slices.event(event("DELETED", &changed).as_bytes()), seven);
        assert_eq!(places(&slices), ["10.0.0.3:8080"]);
        let bookmark = r#"{"kind":"EndpointSlice","metadata":{"resourceVersion":"12"}}"#;
        assert_eq!(
            slices.event(event("BOOKMARK", bookmark).as_bytes()),
            Ok(Event::Bookmark { version: "12".to_owned() })
        );
        let gone = r#"{"kind":"Status","code":410,"message":"too old","reason":"Expired"}"#;
        assert_eq!(slices.event(event("ERROR", gone).as_bytes()), Ok(Event::Error { code: 410 }));
    }

    #[test]
    fn a_port_is_chosen_by_name_or_number_and_only_a_clear_one_without() {
        let ports = [
            r#"{"name":"metrics","port":9090}"#,
            r#"{"name":"http","protocol":"UDP","port":1}"#,
            r#"{"name":"http","port":8080}"#,
            r#"{"name":"web","appProtocol":"https","port":8443}"#,
        ];
        let of = |port: Option<&str>, ports: &[&str]| {
            listed(port, &[slice("a", "IPv4", &[ready("h")], ports)]).hosts().pop()
        };
        let number = |port, ports: &[&str]| of(port, ports).map(|host| host.port);
        assert_eq!(number(Some("metrics"), &ports), Some(9090));
        assert_eq!(number(Some("9090"), &ports), Some(9090));
        assert_eq!(number(None, &ports), Some(8080));
        assert_eq!(number(None, &ports[..1]), Some(9090));
        assert_eq!(number(None, &[ports[0], ports[3]]), None);
        assert_eq!(number(Some("other"), &ports), None);
        assert_eq!(of(Some("web"), &ports).unwrap().scheme, Some(Scheme::Https));
        assert_eq!(of(Some("http"), &ports).unwrap().scheme, None);
    }

    #[test]
    fn a_port_that_is_in_no_slice_is_told_with_those_that_are() {
        let ports = [HTTP, r#"{"name":"metrics","port":9090}"#, r#"{"port":9091}"#];
        let told = |port: Option<&str>, endpoints: &[String], ports: &[&str]| {
            listed(port, &[slice("a", "IPv4", endpoints, ports)]).without_port()
        };
        let one = [ready("10.0.0.1")];
        let expected = "the port htttp is in no slice; there are 9091, http (8080), metrics (9090)";
        assert_eq!(told(Some("htttp"), &one, &ports).as_deref(), Some(expected));
        let expected = "no port is chosen; there are 9091, metrics (9090)";
        assert_eq!(told(None, &one, &ports[1..]).as_deref(), Some(expected));
        let expected = "the slices state no port: write its number as port";
        assert_eq!(told(Some("http"), &one, &[]).as_deref(), Some(expected));
        assert_eq!(told(Some("http"), &one, &ports), None);
        assert_eq!(told(Some("htttp"), &[], &ports), None, "there is nobody");
    }

    #[test]
    fn a_port_by_number_counts_where_the_slice_states_none() {
        for ports in [&[][..], &[r#"{"name":"","port":null}"#]] {
            let of =
                |port| places(&listed(port, &[slice("a", "IPv4", &[ready("10.0.0.1")], ports)]));
            assert_eq!(of(Some("8080")), ["10.0.0.1:8080"]);
            assert_eq!(of(Some("http")), [""; 0]);
            assert_eq!(of(None), [""; 0]);
        }
    }

    #[test]
    fn a_service_of_both_families_counts_each_pod_once() {
        let four = slice("a", "IPv4", &[ready("10.0.0.1")], &[HTTP]);
        let six = slice("b", "IPv6", &[ready("fd00::1")], &[HTTP]);
        assert_eq!(places(&listed(None, &[six.clone(), four])), ["10.0.0.1:8080"]);
        let gone = slice("a", "IPv4", &[endpoint("10.0.0.1", false, false, false)], &[HTTP]);
        assert_eq!(places(&listed(None, &[gone, six])), ["fd00::1:8080"]);
    }

    #[test]
    fn p15_bad_entries_are_counted_and_the_others_serve() {
        let bad = [
            r#"{"addresses":[]}"#.to_owned(),
            r#"{"addresses":"10.0.0.9"}"#.to_owned(),
            r#"{"addresses":["a b"]}"#.to_owned(),
            ready("10.0.0.1"),
        ];
        let mut slices =
            listed(None, &[slice("a", "IPv4", &bad, &[HTTP]), "7".to_owned(), "{}".to_owned()]);
        assert_eq!(places(&slices), ["10.0.0.1:8080"]);
        assert_eq!(slices.take_skipped().count, 5);
    }

    #[test]
    fn p23_garbage_is_an_error_that_quotes_nothing() {
        let deep = "[".repeat(10 << 20);
        for garbage in ["", "secret", "{\"secret\": ", "[1]", &deep, "{\"metadata\": 1}"] {
            let mut slices = Slices::new(None);
            let list = slices.list(garbage.as_bytes()).unwrap_err();
            let event = slices.event(garbage.as_bytes()).unwrap_err();
            assert!(!format!("{list}{event}").contains("secret"), "{list} {event}");
        }
    }
}
