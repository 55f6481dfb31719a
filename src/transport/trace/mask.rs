//! Takes secrets out of heads: known headers, passwords in URLs, and values in queries whose names say what they are. Pure.
//!
//! Names decide, since a value does not show what it is. Rather one value too many is masked than one too few.

use crate::request::decoded;

/// A head, its lines as they are but for their secrets.
pub(super) fn head(head: &[u8]) -> Vec<u8> {
    let mut masked = Vec::with_capacity(head.len());
    let mut is_secret = false;
    for (number, line) in head.split_inclusive(|&byte| byte == b'\n').enumerate() {
        let (text, end) = line.split_at(line.trim_ascii_end().len());
        let name = name_length(text).filter(|_| number > 0 || text.starts_with(b":"));
        let continues = text.starts_with(b" ") || text.starts_with(b"\t");
        is_secret = match name {
            Some(length) => is_secret_header(&text[..length]),
            None => is_secret && continues,
        };
        match name {
            Some(length) if is_secret => {
                masked.extend_from_slice(&text[..length]);
                masked.extend_from_slice(b": ***");
            }
            None if is_secret => masked.extend_from_slice(b" ***"),
            _ => urls(text, &mut masked),
        }
        masked.extend_from_slice(end);
    }
    masked
}

/// Up to the colon; pseudo-headers of HTTP/2 begin with one.
fn name_length(line: &[u8]) -> Option<usize> {
    let from = usize::from(line.starts_with(b":"));
    let colon = line.get(from..)?.iter().position(|&byte| byte == b':')?;
    // Some readers pass over blanks before the colon.
    let name = line[..from + colon].trim_ascii_end();
    (!name.is_empty() && !name.contains(&b' ')).then_some(name.len())
}

fn is_secret_header(name: &[u8]) -> bool {
    const KNOWN: [&[u8]; 4] = [b"authorization", b"proxy-authorization", b"cookie", b"set-cookie"];
    KNOWN.iter().any(|known| name.eq_ignore_ascii_case(known)) || is_secret_name(name)
}

/// Whether a name says that its value is a credential.
fn is_secret_name(name: &[u8]) -> bool {
    const PARTS: [&str; 13] = [
        "token",
        "secret",
        "password",
        "passwd",
        "signature",
        "credential",
        "apikey",
        "accesskey",
        "privatekey",
        "authkey",
        "session",
        "jwt",
        "assertion",
    ];
    const WHOLE: [&str; 7] = ["code", "otp", "pass", "pwd", "sid", "sig", "ticket"];
    // As in `Ocp-Apim-Subscription-Key`, `subscriptionKey` and `x-auth`.
    const LAST_WORDS: [&str; 2] = ["auth", "key"];
    let name = decoded(name);
    let letters = name.iter().filter(|byte| byte.is_ascii_alphanumeric());
    let plain: String = letters.map(|byte| char::from(byte.to_ascii_lowercase())).collect();
    PARTS.iter().any(|part| plain.contains(part))
        || WHOLE.contains(&plain.as_str())
        || LAST_WORDS.contains(&last_word(&name).as_str())
}

/// What stands behind the last mark, or begins with the last capital after a small letter.
fn last_word(name: &[u8]) -> String {
    let begins = |at: usize| {
        let (before, first) = (name[at - 1], name[at]);
        !before.is_ascii_alphanumeric() || before.is_ascii_lowercase() && first.is_ascii_uppercase()
    };
    let from = (1..name.len()).rev().find(|at| begins(*at)).unwrap_or(0);
    name[from..].iter().map(|byte| char::from(byte.to_ascii_lowercase())).collect()
}

/// A line with what may be URLs in it.
fn urls(line: &[u8], masked: &mut Vec<u8>) {
    let mut rest = line;
    while let Some(at) = rest.windows(3).position(|three| three == b"://") {
        let (before, after) = rest.split_at(at + 3);
        parameters(before, masked);
        let end = after.iter().position(|byte| b"/?# \t\"<>,".contains(byte));
        let authority = &after[..end.unwrap_or(after.len())];
        let user = authority.iter().rposition(|&byte| byte == b'@').unwrap_or(0);
        if user > 0 {
            masked.extend_from_slice(b"***");
        }
        masked.extend_from_slice(&authority[user..]);
        rest = &after[authority.len()..];
    }
    parameters(rest, masked);
}

/// Values whose names stand before them, between the marks of a query.
fn parameters(text: &[u8], masked: &mut Vec<u8>) {
    for part in text.split_inclusive(|byte| b"?&#;".contains(byte)) {
        let end = part.iter().position(|byte| b"?&#; \t\"<>".contains(byte)).unwrap_or(part.len());
        let equals = part[..end].iter().position(|&byte| byte == b'=');
        match equals.filter(|&at| is_secret_name(&part[..at])) {
            Some(at) => {
                masked.extend_from_slice(&part[..=at]);
                masked.extend_from_slice(b"***");
                masked.extend_from_slice(&part[end..]);
            }
            None => masked.extend_from_slice(part),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(text: &str) -> String {
        String::from_utf8(head(text.as_bytes())).unwrap()
    }

    #[test]
    fn credentials_are_masked_and_all_else_is_as_it_was() {
        let before = "GET /a?b=1&access_token=hush&c=2&sig=hush HTTP/1.1\r\nHost: a:80\r\n\
             AUTHORIZATION: Bearer hush\r\nCookie: id=hush\r\nX-Api-Key: hush\r\nAccept: */*\r\n\
             Referer: https://me:hush@b.example/p?q=1#token=hush\r\nX: folded\r\n more\r\n\
             Proxy-Authorization: Basic\r\n hush\r\n\r\n";
        let after = "GET /a?b=1&access_token=***&c=2&sig=*** HTTP/1.1\r\nHost: a:80\r\n\
             AUTHORIZATION: ***\r\nCookie: ***\r\nX-Api-Key: ***\r\nAccept: */*\r\n\
             Referer: https://***@b.example/p?q=1#token=***\r\nX: folded\r\n more\r\n\
             Proxy-Authorization: ***\r\n ***\r\n\r\n";
        assert_eq!(masked(before), after);
    }

    #[test]
    fn answers_and_pseudo_headers_are_masked_alike() {
        assert_eq!(
            masked("HTTP/1.1 302 Found\r\nSet-Cookie: a=hush\r\nLocation: /x?code=hush\r\n\r\n"),
            "HTTP/1.1 302 Found\r\nSet-Cookie: ***\r\nLocation: /x?code=***\r\n\r\n"
        );
        assert_eq!(
            masked(":method: GET\r\n:path: /?password=hush&x\r\ncookie: hush\r\n\r\n"),
            ":method: GET\r\n:path: /?password=***&x\r\ncookie: ***\r\n\r\n"
        );
    }

    #[test]
    fn names_are_read_as_servers_and_clients_read_them() {
        assert_eq!(
            masked("GET /?api%5Fkey=hush&%74oken=hush&user%5Bpwd%255D=a HTTP/1.1\r\nA%74: b\r\n"),
            "GET /?api%5Fkey=***&%74oken=***&user%5Bpwd%255D=a HTTP/1.1\r\nA%74: b\r\n"
        );
        let blank = masked("HTTP/1.1 200 OK\r\nSet-Cookie : a=hush\r\nCookie\t: hush\r\n\r\n");
        assert!(!blank.contains("hush"), "{blank}");
    }

    #[test]
    fn names_that_end_in_a_word_for_credentials_are_masked() {
        for line in ["Ocp-Apim-Subscription-Key", "x-functions-key", "X-Auth", "x-ticket-key"] {
            let head = |value| format!("GET / HTTP/1.1\r\n{line}: {value}\r\n");
            assert_eq!(masked(&head("hush")), head("***"));
        }
        for name in ["subscription-key", "subscriptionKey", "auth", "otp", "client_assertion"] {
            assert_eq!(
                masked(&format!("GET /?{name}=hush HTTP/1.1")),
                format!("GET /?{name}=*** HTTP/1.1")
            );
        }
    }

    #[test]
    fn names_that_only_look_alike_are_not_masked() {
        for line in [
            "GET /?author=a&monkey=b&keys=c&key_id=d HTTP/1.1\r\n",
            "Keep-Alive: 5\r\n",
            "ETag: \"x\"\r\n",
        ] {
            assert_eq!(masked(line), line);
        }
    }

    #[test]
    fn nothing_breaks_it() {
        for text in
            ["", "\n", ":", "://", "a://@", "://x@y@z/", "=", "?token=", "\r\n\r\n", "token"]
        {
            let _ = masked(text);
        }
    }
}
