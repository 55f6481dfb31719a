//! URLs that name a source, and the table of their schemes: one row a source.

use super::config::Secret;
pub use super::scheme::{COMMON, REGISTRY, Scheme};
use super::sources;
use super::target::Target;

/// Every scheme.
pub static SCHEMES: &[Scheme] = &[
    sources::dns::SCHEME,
    sources::srv::SCHEME,
    sources::file::SCHEME,
    sources::http_sd::SCHEME.of_registry(),
    sources::consul::SCHEME.of_registry(),
    sources::etcd::SCHEME.of_registry(),
    sources::zookeeper::SCHEME.of_registry(),
    sources::kubernetes::SCHEME.of_registry(),
    sources::xds::SCHEME,
];

/// The scheme called `name`.
#[must_use]
pub fn scheme(name: &str) -> Option<&'static Scheme> {
    SCHEMES.iter().find(|scheme| scheme.name == name)
}

/// A URL in its parts.
#[derive(Debug)]
pub struct Parsed {
    /// What it names.
    pub target: Target,
    /// The credentials before the authority.
    pub user: Option<(String, Option<Secret>)>,
    /// The options, decoded.
    pub options: Vec<(String, String)>,
}

/// Takes a URL apart.
///
/// # Errors
/// It has no known scheme, or an escape that is none. The text shows nothing of the URL but its scheme.
pub fn parse(url: &str) -> Result<Parsed, String> {
    let (name, rest) = url.split_once("://").ok_or_else(|| no_scheme("has no scheme"))?;
    let Some(scheme) = scheme(name) else {
        let shown = name.len() <= 16
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        return Err(no_scheme(&match shown {
            true => format!("has the unknown scheme {name}"),
            false => "has an unknown scheme".to_owned(),
        }));
    };
    if rest.contains('#') {
        return Err("has a #, behind which nothing is read; write %23 for one".to_owned());
    }
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (before, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let (user, authority) = match before.rsplit_once('@') {
        Some((user, authority)) => (Some(credentials(user)?), authority),
        None => (None, before),
    };
    let mut options = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, "true"));
        options.push((decoded(key)?, decoded(value)?));
    }
    let target =
        Target { scheme: scheme.name, authority: decoded(authority)?, path: decoded(path)? };
    Ok(Parsed { target, user, options })
}

/// The URL with an option of this value in place of what it says of the option.
#[must_use]
pub fn with_option(url: &str, key: &str, value: &str) -> String {
    let (before, query) = url.split_once('?').unwrap_or((url, ""));
    let states = |pair: &&str| {
        let name = pair.split_once('=').map_or(*pair, |(name, _)| name);
        decoded(name).is_ok_and(|name| name == key)
    };
    let others = query.split('&').filter(|pair| !pair.is_empty() && !states(pair));
    let stated = format!("{key}={}", escaped(value));
    let options: Vec<_> = others.chain([stated.as_str()]).collect();
    format!("{before}?{}", options.join("&"))
}

/// The text with escapes for what would end it in a query, or show as something else.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'&' | b'#' | b'%' | b'"' | b'\\' | ..=b' ' | 0x7f.. => {
                escaped.push_str(&format!("%{byte:02X}"));
            }
            _ => escaped.push(char::from(byte)),
        }
    }
    escaped
}

fn no_scheme(problem: &str) -> String {
    let known: Vec<_> = SCHEMES.iter().map(|scheme| scheme.form).collect();
    format!("{problem}; known are {}", known.join(", "))
}

fn credentials(user: &str) -> Result<(String, Option<Secret>), String> {
    let (name, password) = match user.split_once(':') {
        Some((name, password)) => (name, Some(Secret::new(decoded(password)?))),
        None => (user, None),
    };
    Ok((decoded(name)?, password))
}

/// Percent escapes resolved; a `+` stays one, since tokens in base 64 hold some.
fn decoded(text: &str) -> Result<String, String> {
    if !text.contains('%') {
        return Ok(text.to_owned());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.filter(|digits| digits.bytes().all(|it| it.is_ascii_hexdigit()));
        let byte = byte.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.ok_or("has a % without two hexadecimal digits; write %25 for one")?);
        rest = &tail[2..];
    }
    String::from_utf8(bytes).map_err(|_| "has an escape that is no utf-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        let parsed =
            parse("dns://u%40x:p%3aw@a.example:80/x%20y?empty_hold=5s&token=a+b%3D").unwrap();
        assert_eq!(parsed.target.authority, "a.example:80");
        assert_eq!(parsed.target.path, "/x y");
        let (user, password) = parsed.user.unwrap();
        assert_eq!((user.as_str(), password.unwrap().reveal()), ("u@x", "p:w"));
        let options: Vec<_> =
            parsed.options.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(options, [("empty_hold", "5s"), ("token", "a+b=")]);
    }

    #[test]
    fn an_option_is_read_from_the_url_as_it_was_set() {
        let url = "etcd://u:p@a/x%3f?tls&%74oken=a&silence=5s";
        for value in ["", "true", "a b&c=d%23#?+/é\"\\"] {
            let with = with_option(url, "token", value);
            let options = parse(&with).unwrap().options;
            let options: Vec<_> =
                options.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
            assert_eq!(options, [("tls", "true"), ("silence", "5s"), ("token", value)]);
        }
        assert_eq!(with_option("dns://a:1", "family", "v4"), "dns://a:1?family=v4");
    }

    #[test]
    fn what_is_refused_shows_nothing_of_the_url() {
        for url in ["secret", "s3cret and more://x", "dns://x?token=s3cret%zz", "etcd://a/s3cret#f"]
        {
            let problem = parse(url).unwrap_err();
            assert!(!problem.contains("s3cret"), "{problem}");
        }
    }

    #[test]
    fn schemes_have_names_of_their_own_and_keys_that_are_not_common() {
        for (index, scheme) in SCHEMES.iter().enumerate() {
            assert!(SCHEMES[..index].iter().all(|other| other.name != scheme.name));
            assert!(scheme.form.starts_with(&format!("{}://", scheme.name)), "{}", scheme.form);
            assert!(scheme.keys.iter().all(|key| !COMMON.contains(key)), "{:?}", scheme.keys);
        }
    }
}
