//! A kubeconfig file: which cluster a context names, and with which credentials.
//!
//! Tokens and certificates are read, also from the files that it names. A user whose credentials come from a program
//! (`exec`), a password or a plugin is refused by name: the library starts no programs in its host's process.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::discovery::wire::yaml;

/// How an API server is reached.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Access {
    /// Its URL.
    pub(crate) server: String,
    /// The name that its certificate has, instead of the URL's.
    pub(crate) server_name: Option<String>,
    /// The certificates that are trusted, in PEM.
    pub(crate) authority: Option<Part>,
    /// A certificate of this client and its key, in PEM.
    pub(crate) identity: Option<(Part, Part)>,
    /// A bearer's token.
    pub(crate) token: Option<Part>,
    /// The namespace that the context names.
    pub(crate) namespace: Option<String>,
}

/// What stands in the file, or in another one.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// Its bytes.
    Inline(Vec<u8>),
    /// A file that may change.
    File(PathBuf),
}

impl Access {
    /// Reads the context of this name, or the current one. Relative paths begin at `directory`, the file's own.
    ///
    /// # Errors
    /// Says what is missing or not supported, by its key and never by its value.
    pub(crate) fn read(
        text: &str,
        directory: &Path,
        context: Option<&str>,
    ) -> Result<Self, String> {
        let document = &yaml::read(text).map_err(|error| format!("kubeconfig: {error}"))?;
        let name = context.or_else(|| text_of(document, "current-context"));
        let name = name.ok_or("kubeconfig has no current-context: set context")?;
        let context = named(document, "contexts", name, "context")?;
        let part = |key| text_of(context, key).ok_or_else(|| format!("the context has no {key}"));
        let cluster = named(document, "clusters", part("cluster")?, "cluster")?;
        let user = named(document, "users", part("user")?, "user")?;
        if let Some(key) =
            NOT_SUPPORTED.iter().find(|key| is_set(user, key) || is_set(cluster, key))
        {
            return Err(format!(
                "kubeconfig: {key} is not supported, only tokens and certificates"
            ));
        }
        let server = text_of(cluster, "server").ok_or("the cluster has no server")?;
        let certificate = data_or_file(user, "client-certificate", directory)?;
        let key = data_or_file(user, "client-key", directory)?;
        Ok(Self {
            server: server.to_owned(),
            server_name: text_of(cluster, "tls-server-name").map(str::to_owned),
            authority: data_or_file(cluster, "certificate-authority", directory)?,
            identity: certificate.zip(key),
            token: token(user, directory),
            namespace: text_of(context, "namespace").map(str::to_owned),
        })
    }
}

/// What would need programs, or trust in everybody.
const NOT_SUPPORTED: [&str; 6] =
    ["exec", "auth-provider", "username", "as", "insecure-skip-tls-verify", "proxy-url"];

fn is_set(map: &Value, key: &str) -> bool {
    map.get(key).is_some_and(|value| !value.is_null() && value != "false" && value != "")
}

fn text_of<'a>(map: &'a Value, key: &str) -> Option<&'a str> {
    map.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// The entry of a list of named ones, as contexts, clusters and users are.
fn named<'a>(document: &'a Value, list: &str, name: &str, kind: &str) -> Result<&'a Value, String> {
    let mut entries = document.get(list).and_then(Value::as_array).into_iter().flatten();
    let entry = entries.find(|entry| text_of(entry, "name") == Some(name));
    entry
        .and_then(|entry| entry.get(kind))
        .ok_or_else(|| format!("kubeconfig has no {kind} of the name {name:?}"))
}

/// A file that is read again when it changes goes before a token that was written down once.
fn token(user: &Value, directory: &Path) -> Option<Part> {
    let file = text_of(user, "tokenFile").map(|file| Part::File(directory.join(file)));
    file.or_else(|| text_of(user, "token").map(|token| Part::Inline(token.as_bytes().to_vec())))
}

/// Base64 under `KEY-data`, or else a file under `KEY`.
fn data_or_file(map: &Value, key: &str, directory: &Path) -> Result<Option<Part>, String> {
    let data_key = format!("{key}-data");
    if let Some(data) = text_of(map, &data_key) {
        let packed: String = data.split_ascii_whitespace().collect();
        let bytes = STANDARD.decode(packed);
        return match bytes {
            Ok(bytes) => Ok(Some(Part::Inline(bytes))),
            Err(_) => Err(format!("kubeconfig: {data_key} is not base64")),
        };
    }
    Ok(text_of(map, key).map(|file| Part::File(directory.join(file))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r"
apiVersion: v1
kind: Config
current-context: one
clusters:
- name: east
  cluster:
    server: https://10.0.0.1:6443
    certificate-authority-data: cGVt
    tls-server-name: kubernetes
- cluster:
    certificate-authority: ca/ca.pem
    server: https://10.0.0.2
  name: west
contexts:
- context: {cluster: east, user: robot, namespace: shop}
  name: one
- {name: two, context: {cluster: west, user: human}}
- {name: three, context: {cluster: west, user: program}}
- {name: four, context: {cluster: nowhere, user: robot}}
- {name: five, context: {cluster: east, user: broken}}
users:
- name: robot
  user:
    token: secret
- name: human
  user:
    client-certificate: /etc/cert.pem
    client-key-data: |
      a2V5
    tokenFile: token
- name: program
  user:
    exec: {command: aws}
- name: broken
  user:
    client-key-data: secret!
";

    fn read(context: Option<&str>) -> Result<Access, String> {
        Access::read(FILE, Path::new("/home/kube"), context)
    }

    fn inline(bytes: &[u8]) -> Part {
        Part::Inline(bytes.to_vec())
    }

    fn file(path: &str) -> Part {
        Part::File(path.into())
    }

    #[test]
    fn the_current_context_and_another() {
        let one = read(None).unwrap();
        assert_eq!(one.server, "https://10.0.0.1:6443");
        assert_eq!(one.server_name.as_deref(), Some("kubernetes"));
        assert_eq!(one.namespace.as_deref(), Some("shop"));
        assert!(one.authority == Some(inline(b"pem")));
        assert!(one.token == Some(inline(b"secret")) && one.identity.is_none());
        let two = read(Some("two")).unwrap();
        assert!(two.authority == Some(file("/home/kube/ca/ca.pem")));
        assert!(two.identity == Some((file("/etc/cert.pem"), inline(b"key"))));
        assert!(two.token == Some(file("/home/kube/token")) && two.namespace.is_none());
    }

    #[test]
    fn json_is_yaml_too() {
        let text = r#"{"current-context": "a", "contexts": [{"name": "a", "context": {"cluster": "c",
            "user": "u"}}], "clusters": [{"name": "c", "cluster": {"server": "http://h:1"}}],
            "users": [{"name": "u", "user": {}}]}"#;
        let access = Access::read(text, Path::new(""), None).unwrap();
        assert_eq!(access.server, "http://h:1");
        assert!(access.token.is_none() && access.identity.is_none() && access.authority.is_none());
    }

    #[test]
    fn what_is_missing_or_not_supported_is_named_without_its_value() {
        let text = |context| read(Some(context)).err().unwrap();
        assert!(text("three").contains("exec"), "{}", text("three"));
        assert!(text("four").contains("nowhere"));
        assert!(text("none").contains("no context of the name \"none\""));
        assert!(text("five").contains("client-key-data") && !text("five").contains("secret"));
        for garbage in ["", "\t- [", "a: [", "[]", "current-context: x", "token: *secret"] {
            let error = Access::read(garbage, Path::new("/"), None).err().unwrap();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
