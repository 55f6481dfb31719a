//! The files of certificates and keys that a text names.

use serde_json::{Map, Value};

use super::faults::{Faults, item};
use super::json::Json;
use super::object::{MASK, MASKED, Object, list, misplaced, text};
use crate::config::{ClientConfig, TlsFiles};
use crate::transport::{Tls, TlsConfig};

/// What the object may say.
pub(super) const KEYS: [&str; 3] = ["ca_files", "certificate_file", "key_file"];

/// Reads a file.
pub type ReadFile<'a> = &'a dyn Fn(&str) -> Result<Vec<u8>, String>;

/// Sets what the object at `path` says. What is masked is what `present` has.
pub(super) fn read(
    json: &Json,
    path: &str,
    config: &mut ClientConfig,
    present: Option<&ClientConfig>,
    (read_file, faults): (ReadFile<'_>, &mut Faults),
) {
    let Some(mut object) = Object::of(json, path, faults) else { return };
    if let Some((json, path)) = object.take("ca_files") {
        roots(json, &path, config, present, (read_file, faults));
    }
    identity(&mut object, config, present, (read_file, faults));
    object.end(&KEYS, faults);
}

fn roots(
    json: &Json,
    path: &str,
    config: &mut ClientConfig,
    present: Option<&ClientConfig>,
    (read_file, faults): (ReadFile<'_>, &mut Faults),
) {
    let items = list(json, path, faults);
    let known = present.map_or(0, |kept| kept.tls.extra_roots_pem.len());
    if let Some(problem) = misplaced(items, known) {
        return faults.add(path, problem);
    }
    for (index, json) in items.iter().enumerate() {
        let path = item(path, index);
        if json.as_text() == Some(MASK) {
            match present.and_then(|kept| masked_roots(kept, index)) {
                Some(kept) => config.add_roots(None, kept.clone()),
                None => faults.add(path, MASKED),
            }
        } else if let Some((name, pem)) = file(json, &path, read_file, faults) {
            let tls = TlsConfig { extra_roots_pem: vec![pem.clone()], ..TlsConfig::default() };
            if is_usable(tls, |_| path.clone(), faults) {
                config.add_roots(Some(name), pem);
            }
        }
    }
}

/// The certificates at this place that a text masks: those of a file are shown by its name.
fn masked_roots(config: &ClientConfig, index: usize) -> Option<&Vec<u8>> {
    let is_named = config.tls_files.roots.get(index).is_some_and(Option::is_some);
    config.tls.extra_roots_pem.get(index).filter(|_| !is_named)
}

fn identity(
    object: &mut Object<'_>,
    config: &mut ClientConfig,
    present: Option<&ClientConfig>,
    (read_file, faults): (ReadFile<'_>, &mut Faults),
) {
    let (certificate, key) = match (object.take("certificate_file"), object.take("key_file")) {
        (Some(certificate), Some(key)) => (certificate, key),
        (Some((_, path)), None) => return faults.add(path, "needs key_file"),
        (None, Some((_, path))) => return faults.add(path, "needs certificate_file"),
        (None, None) => return,
    };
    if [&certificate, &key].iter().all(|(json, _)| json.as_text() == Some(MASK)) {
        match present.and_then(|kept| kept.tls.identity.clone()) {
            Some(kept) => config.tls.identity = Some(kept),
            None => faults.add(certificate.1, MASKED),
        }
        return;
    }
    let chain = file(certificate.0, &certificate.1, read_file, faults);
    let secret = file(key.0, &key.1, read_file, faults);
    if let (Some((chain_name, chain)), Some((key_name, secret))) = (chain, secret) {
        let pair = (chain, secret);
        let tls = TlsConfig { identity: Some(pair.clone()), ..TlsConfig::default() };
        let path = |fault: &str| match fault.starts_with("key_pem") {
            true => key.1.clone(),
            false => certificate.1.clone(),
        };
        if is_usable(tls, path, faults) {
            config.tls.identity = Some(pair);
            config.tls_files.identity = Some((chain_name, key_name));
        }
    }
}

/// Name and content of the file that stands at `path`.
fn file(
    json: &Json,
    path: &str,
    read_file: ReadFile<'_>,
    faults: &mut Faults,
) -> Option<(String, Vec<u8>)> {
    let name = text(json, path, faults)?;
    match read_file(name) {
        Ok(content) => Some((name.to_owned(), content)),
        Err(problem) => {
            faults.add(path, format!("cannot be read: {problem}"));
            None
        }
    }
}

fn is_usable(tls: TlsConfig, path: impl Fn(&str) -> String, faults: &mut Faults) -> bool {
    match Tls::new(tls, None) {
        Ok(_) => true,
        Err(fault) => {
            let problem = fault.split_once(": ").map_or(fault.as_str(), |(_, problem)| problem);
            faults.add(path(&fault), problem);
            false
        }
    }
}

/// The names of files; what was given as bytes is masked.
pub(super) fn write(config: &ClientConfig) -> Option<Value> {
    let ClientConfig { tls, tls_files: TlsFiles { roots, identity }, .. } = config;
    let mut object = Map::new();
    if !tls.extra_roots_pem.is_empty() {
        let name = |index| roots.get(index).and_then(Option::as_deref).unwrap_or(MASK);
        let names = (0..tls.extra_roots_pem.len()).map(|index| Value::from(name(index)));
        object.insert("ca_files".to_owned(), names.collect());
    }
    if tls.identity.is_some() {
        let names =
            identity.as_ref().map(|(certificate, key)| (certificate.as_str(), key.as_str()));
        let (certificate, key) = names.unwrap_or((MASK, MASK));
        object.insert("certificate_file".to_owned(), certificate.into());
        object.insert("key_file".to_owned(), key.into());
    }
    (!object.is_empty()).then_some(Value::Object(object))
}
