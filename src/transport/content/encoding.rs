//! The encodings that answers come in.

use http::HeaderMap;
use http::header::CONTENT_ENCODING;

/// One that is decoded here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::transport) enum Encoding {
    Gzip,
    #[cfg(feature = "brotli")]
    Brotli,
    #[cfg(feature = "zstd")]
    Zstd,
}

impl Encoding {
    /// The encoding that `headers` name; `None` for none, for another, and for several. `identity` stands for none
    /// (RFC 9110, 12.5.3), and so does an empty place of a list (5.6.1).
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let values = headers.get_all(CONTENT_ENCODING).iter();
        let names = values.flat_map(|value| value.as_bytes().split(|&byte| byte == b','));
        let mut encodings = names
            .map(<[u8]>::trim_ascii)
            .filter(|name| !name.is_empty() && !name.eq_ignore_ascii_case(b"identity"));
        let name = encodings.next()?;
        if encodings.next().is_some() {
            return None;
        }
        NAMES.iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, named)| *named)
    }

    /// As errors tell it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            #[cfg(feature = "brotli")]
            Self::Brotli => "brotli",
            #[cfg(feature = "zstd")]
            Self::Zstd => "zstd",
        }
    }
}

/// What `Accept-Encoding` says.
pub(in crate::transport) const ASKED: &str =
    match (cfg!(feature = "brotli"), cfg!(feature = "zstd")) {
        (true, true) => "gzip, br, zstd",
        (true, false) => "gzip, br",
        (false, true) => "gzip, zstd",
        (false, false) => "gzip",
    };

const NAMES: &[(&[u8], Encoding)] = &[
    (b"gzip", Encoding::Gzip),
    (b"x-gzip", Encoding::Gzip),
    #[cfg(feature = "brotli")]
    (b"br", Encoding::Brotli),
    #[cfg(feature = "zstd")]
    (b"zstd", Encoding::Zstd),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn named(values: &[&'static str]) -> Option<Encoding> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(CONTENT_ENCODING, value.parse().unwrap());
        }
        Encoding::of(&headers)
    }

    #[test]
    fn one_encoding_alone_is_decoded() {
        assert_eq!(named(&["gzip"]), Some(Encoding::Gzip));
        assert_eq!(named(&[" X-GZIP "]), Some(Encoding::Gzip));
        for others in
            [&[][..], &["deflate"], &["gzip, gzip"], &["gzip", "gzip"], &["gzip, deflate"]]
        {
            assert_eq!(named(others), None, "{others:?}");
        }
    }

    #[test]
    fn identity_and_empty_places_stand_for_none() {
        for list in
            [&["identity, gzip"][..], &["gzip, Identity"], &["identity", "gzip"], &[",gzip,,"]]
        {
            assert_eq!(named(list), Some(Encoding::Gzip), "{list:?}");
        }
        for list in [&["identity"][..], &["identity, identity"], &[""], &[","]] {
            assert_eq!(named(list), None, "{list:?}");
        }
    }

    #[test]
    fn what_is_asked_for_is_decoded() {
        for asked in ASKED.split(", ") {
            assert!(named(&[asked]).is_some(), "{asked}");
        }
    }
}
