//! What Consul answers to `/v1/health/service/NAME`.

use std::sync::Arc;

use serde_json::Value;

use super::entry::{checked, property};
use super::json::{self, field, number, text};
use super::parsed_entries::ParsedEntries;
use super::{Entries, Entry};
use crate::endpoint::Host;

/// The instances of a document that is read again and again.
#[derive(Debug, Default)]
pub struct Instances(ParsedEntries<Entry>);

impl Instances {
    /// The instances of a document: those whose checks all pass, and those that warn with their weight for that; none
    /// that is critical. Zone and scheme come from the service's metadata, the zone otherwise from its locality. None
    /// where the document is as before.
    ///
    /// # Errors
    /// The document is no list in JSON.
    pub fn read(&mut self, document: &[u8]) -> Result<Option<Entries>, &'static str> {
        let is_new = self.0.read(document, |at| {
            let Some((element, end)) = json::element(document, at)? else { return Ok(None) };
            let entry = match serde_json::from_str::<Value>(element.get()) {
                Err(_) => Err("not JSON"),
                Ok(element) => instance(&element).map(|host| host.map(Arc::new)),
            };
            Ok(Some((end, entry)))
        })?;
        Ok(is_new.then(|| self.0.iter().collect()))
    }
}

/// The instances of one document.
///
/// # Errors
/// As for [`Instances::read`].
pub fn health(document: &[u8]) -> Result<Entries, &'static str> {
    Instances::default().read(document).map(Option::unwrap_or_default)
}

fn instance(element: &Value) -> Result<Option<Host>, &'static str> {
    let service = field(element, &["Service"]).ok_or("without a service")?;
    let Some(state) = worst(element)? else { return Ok(None) };
    let of = |object: &'_ Value| text(object, &["Address"]).map(|text| text.map(str::to_owned));
    let mut address = of(service).map_err(|()| "its address is not a text")?;
    if let (None, Some(node)) = (&address, field(element, &["Node"])) {
        address = of(node).map_err(|()| "its address is not a text")?;
    }
    let port = number(service, &["Port"]).map_err(|()| "its port is not valid")?.unwrap_or(0);
    let port = u16::try_from(port).map_err(|_| "its port is not valid")?;
    let address = address.ok_or("without an address")?;
    let mut host = checked(&address, port)?;
    if let Some(weights) = field(service, &["Weights"]) {
        let weight = number(weights, &[state]).map_err(|()| "its weight is not valid")?;
        host.weight = weight.unwrap_or(1);
    }
    place(&mut host, element, service);
    Ok(Some(host))
}

/// Its zone and scheme. Others write metadata too: a value that means something else there is none.
fn place(host: &mut Host, element: &Value, service: &Value) {
    let localities = [Some(service), field(element, &["Node"])].into_iter().flatten();
    let zone =
        localities.filter_map(|it| field(it, &["Locality"])).find_map(|it| field(it, &["Zone"]));
    if let Some(zone) = zone.and_then(Value::as_str).filter(|zone| !zone.is_empty()) {
        host.zone = Some(zone.to_owned());
    }
    for key in ["zone", "scheme"] {
        // As templates write what they have no value for, an empty one is none.
        let stated = field(service, &["Meta"]).and_then(|meta| text(meta, &[key]).ok().flatten());
        if let Some(value) = stated {
            let _ = property(host, key, value);
        }
    }
}

/// The name of its weight; none where a check is critical, which maintenance is too.
fn worst(element: &Value) -> Result<Option<&'static str>, &'static str> {
    let mut worst = "Passing";
    let checks = field(element, &["Checks"]).and_then(Value::as_array);
    for check in checks.into_iter().flatten() {
        match field(check, &["Status"]).and_then(Value::as_str) {
            Some("passing") => {}
            Some("warning") => worst = "Warning",
            Some(_) => return Ok(None),
            None => return Err("a check without a status"),
        }
    }
    Ok(Some(worst))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::Scheme;

    fn instance(service: &str, status: &str) -> String {
        format!(
            r#"{{"Node": {{"Node": "n", "Address": "10.0.0.1"}}, "Service": {{{service}}},
                "Checks": [{{"CheckID": "serfHealth", "Status": "passing"}}, {{"Status": "{status}"}}]}}"#
        )
    }

    fn read(service: &str, status: &str) -> Entries {
        health(format!("[{}]", instance(service, status)).as_bytes()).unwrap()
    }

    #[test]
    fn an_instance_that_passes_or_warns_has_its_weight_for_that() {
        let service =
            r#""Address": "10.0.0.7", "Port": 80, "Weights": {"Passing": 10, "Warning": 2}"#;
        let of = |weight| Host { weight, ..Host::new("10.0.0.7", 80) };
        assert_eq!(read(service, "passing").copied(), [of(10)]);
        assert_eq!(read(service, "warning").copied(), [of(2)]);
        assert_eq!(read(service, "critical"), Entries::default());
        assert_eq!(read(service, "maintenance"), Entries::default());
    }

    #[test]
    fn the_nodes_address_stands_in_for_the_services() {
        assert_eq!(
            read(r#""Address": "", "Port": 80"#, "passing").copied(),
            [Host::new("10.0.0.1", 80)]
        );
        let meta =
            r#""Port": 80, "Locality": {"Zone": "l"}, "Meta": {"zone": "m", "scheme": "https"}"#;
        let placed = Host {
            zone: Some("m".to_owned()),
            scheme: Some(Scheme::Https),
            ..Host::new("10.0.0.1", 80)
        };
        assert_eq!(read(meta, "passing").copied(), [placed]);
        let local = read(r#""Port": 80, "Locality": {"Zone": "l"}"#, "passing");
        assert_eq!(local.hosts[0].zone.as_deref(), Some("l"));
    }

    #[test]
    fn metadata_of_another_meaning_take_no_instance_away() {
        let meta = r#""Port": 80, "Meta": {"scheme": "tcp", "priority": "3", "weight": "heavy", "zone": "m"}"#;
        let placed = Host { zone: Some("m".to_owned()), ..Host::new("10.0.0.1", 80) };
        let read = read(meta, "passing");
        assert_eq!((read.copied(), read.skipped.count), (vec![placed], 0));
    }

    #[test]
    fn a_bad_instance_is_skipped() {
        let good = instance(r#""Port": 80"#, "passing");
        for bad in [
            "{}",
            "7",
            r#"{"Service": {"Port": 80}}"#,
            &instance(r#""Port": 0"#, "passing"),
            &instance(r#""Port": "x""#, "passing"),
            &instance(r#""Address": "a b", "Port": 1"#, "passing"),
            &instance(r#""Port": 1, "Weights": {"Passing": -1}"#, "passing"),
            r#"{"Service": {"Address": "a", "Port": 1}, "Checks": [{}]}"#,
        ] {
            let read = health(format!("[{bad}, {good}]").as_bytes()).unwrap();
            assert_eq!((read.hosts.len(), read.skipped.count), (1, 1), "{bad}");
        }
        assert!(health(b"{}").is_err() && health(b"").is_err());
    }

    #[test]
    fn an_answer_that_changed_is_read_as_if_it_were_the_first() {
        let of = |ports: &[u16]| {
            let all = ports.iter().map(|port| instance(&format!(r#""Port": {port}"#), "passing"));
            format!("[{}]", all.collect::<Vec<_>>().join(","))
        };
        let mut read = Instances::default();
        for (ports, is_new) in [
            (&[][..], true),
            (&[], false),
            (&[1, 2, 0, 3], true),
            (&[1, 2, 0, 3], false),
            (&[1, 4, 2, 0, 3], true),
            (&[2, 0, 3], true),
            (&[2], true),
        ] {
            let again = read.read(of(ports).as_bytes()).unwrap();
            assert_eq!(again.is_some(), is_new, "{ports:?}");
            assert!(again.is_none_or(|again| again == health(of(ports).as_bytes()).unwrap()));
        }
    }
}
