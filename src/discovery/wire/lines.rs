//! A host on each line.

use std::sync::Arc;

use super::entry::of_text;
use super::parsed_entries::ParsedEntries;
use super::{Entries, Entry};

/// The lines of a document that is read again and again.
#[derive(Debug, Default)]
pub struct Lines(ParsedEntries<Entry>);

impl Lines {
    /// Each line `host:port`, with properties behind as `key=value`; what follows a `#` is a comment. None where the
    /// document is as before.
    ///
    /// # Errors
    /// The document is no text.
    pub fn read(&mut self, document: &[u8]) -> Result<Option<Entries>, &'static str> {
        let is_new = self.0.read(document, |at| {
            let rest = &document[at..];
            if rest.is_empty() {
                return Ok(None);
            }
            let end = rest.iter().position(|byte| *byte == b'\n');
            let length = end.map_or(rest.len(), |end| end + 1);
            let line = str::from_utf8(&rest[..length]).map_err(|_| "not UTF-8")?;
            Ok(Some((at + length, entry(line))))
        })?;
        Ok(is_new.then(|| self.entries()))
    }

    fn entries(&self) -> Entries {
        let mut entries: Entries = self.0.iter().collect();
        entries.skipped.line = self.0.iter().position(Result::is_err).map(|before| before + 1);
        entries
    }
}

/// The lines of one document.
///
/// # Errors
/// As for [`Lines::read`].
pub fn lines(document: &[u8]) -> Result<Entries, &'static str> {
    Lines::default().read(document).map(Option::unwrap_or_default)
}

fn entry(line: &str) -> Entry {
    let line = line.split('#').next().unwrap_or_default().trim();
    if line.is_empty() { Ok(None) } else { of_text(line).map(|host| Some(Arc::new(host))) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::wire::Skipped;
    use crate::endpoint::Host;

    #[test]
    fn a_bad_line_is_skipped_and_the_others_serve() {
        let text = b"# web\n10.0.0.7:80\n\n  10.0.0.8:80 weight=3 # new\r\nnonsense\n10.0.0.9:x\n";
        let read = lines(text).unwrap();
        let hosts = [Host::new("10.0.0.7", 80), Host { weight: 3, ..Host::new("10.0.0.8", 80) }];
        assert_eq!(read.copied(), hosts);
        let skipped = Skipped { count: 2, why: Some("without a port"), line: Some(5) };
        assert_eq!(read.skipped, skipped);
        assert_eq!(lines(b"").unwrap(), Entries::default());
        assert!(lines(&[0xff]).is_err());
    }

    #[test]
    fn a_document_that_changed_is_read_as_if_it_were_the_first() {
        let mut read = Lines::default();
        for (text, is_new) in [
            ("", true),
            ("a:1\nb:1\n", true),
            ("a:1\nb:1\n", false),
            ("a:1\nb:1", true),
            ("a:1\nb:12", true),
            ("a:1\nno\nb:12", true),
            ("\na:1\nb:12", true),
        ] {
            let again = read.read(text.as_bytes()).unwrap();
            assert_eq!(again.is_some(), is_new, "{text}");
            assert!(again.is_none_or(|again| again == lines(text.as_bytes()).unwrap()), "{text}");
        }
        assert!(read.read(b"\na:1\n\xff").is_err());
        assert_eq!(read.read(b"\na:1\n").unwrap().map(|it| it.hosts.len()), Some(1));
    }
}
