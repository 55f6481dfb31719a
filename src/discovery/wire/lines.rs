//! A host on each line.

use super::Entries;
use super::entry::of_text;

/// Each line `host:port`, with properties behind as `key=value`; what follows a `#` is a comment.
///
/// # Errors
/// The document is no text.
pub fn lines(document: &[u8]) -> Result<Entries, &'static str> {
    let text = std::str::from_utf8(document).map_err(|_| "not UTF-8")?;
    let mut entries = Entries::default();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if !line.is_empty() {
            entries.add(of_text(line).map(Some));
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::Host;

    #[test]
    fn a_bad_line_is_skipped_and_the_others_serve() {
        let text = b"# web\n10.0.0.7:80\n\n  10.0.0.8:80 weight=3 # new\r\nnonsense\n10.0.0.9:x\n";
        let read = lines(text).unwrap();
        let hosts = [Host::new("10.0.0.7", 80), Host { weight: 3, ..Host::new("10.0.0.8", 80) }];
        assert_eq!(read.copied(), hosts);
        assert_eq!((read.skipped.count, read.skipped.why), (2, Some("without a port")));
        assert_eq!(lines(b"").unwrap(), Entries::default());
        assert!(lines(&[0xff]).is_err());
    }
}
