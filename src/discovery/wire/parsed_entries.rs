//! A document that is read again and again: of its entries only those are parsed whose bytes are new.
//!
//! A registry that tells a whole list at each change repeats nearly all of the document before. So the bytes of each entry,
//! with what separates it from the entry before, are kept as a hash. Entries that the new document begins with are known
//! from the front, those that it ends with from the back, and what lies between is parsed. Where an entry ends, a parser
//! is in the same state whatever stood before, and where that is it knows by the next byte at the latest, which the hash is
//! therefore of too. So the result is that of reading all of it.

use xxhash_rust::xxh64::xxh64;

/// The entries of the last document.
#[derive(Debug)]
pub(super) struct ParsedEntries<E> {
    all: Vec<ParsedEntry<E>>,
    /// The length of the document; none where none was read.
    len: Option<usize>,
}

#[derive(Debug)]
struct ParsedEntry<E> {
    /// Where it ends in the document. It begins where the one before ends.
    end: usize,
    hash: u64,
    entry: E,
}

impl<E> Default for ParsedEntries<E> {
    fn default() -> Self {
        Self { all: Vec::new(), len: None }
    }
}

impl<E> ParsedEntries<E> {
    /// Reads `document`; whether it has other entries than the one before. `next` parses the entry that begins at a place,
    /// and says where it ends; none at the end of the document.
    ///
    /// # Errors
    /// Those of `next`; then nothing is known any more.
    pub(super) fn read(
        &mut self,
        document: &[u8],
        mut next: impl FnMut(usize) -> Result<Option<(usize, E)>, &'static str>,
    ) -> Result<bool, &'static str> {
        let mut known = std::mem::take(self);
        let (count, first) = (known.all.len(), known.first(document));
        let len = known.len.unwrap_or_default();
        let shift = |end: usize| end.wrapping_add(document.len()).wrapping_sub(len);
        let last = known.last(document, first, shift);
        let mut rest_at = known.all[..last].last().map_or(0, |parsed| shift(parsed.end));
        let mut rest = known.all.split_off(last).into_iter().peekable();
        let mut all = known.all;
        all.truncate(first);
        let mut at = all.last().map_or(0, |parsed| parsed.end);
        let mut is_same = known.len.is_some() && first == count;
        loop {
            // What the parser has passed is known no longer.
            while let Some(passed) = rest.next_if(|_| rest_at < at) {
                rest_at = shift(passed.end);
            }
            if at > 0 && at == rest_at && rest.peek().is_some() {
                all.extend(rest.by_ref().map(|it| ParsedEntry { end: shift(it.end), ..it }));
                at = all.last().map_or(at, |parsed| parsed.end);
            }
            let Some((end, entry)) = next(at)? else { break };
            is_same = false;
            all.push(ParsedEntry { end, hash: hash(document, at, end).unwrap_or_default(), entry });
            at = end;
        }
        *self = Self { all, len: Some(document.len()) };
        Ok(!is_same)
    }

    /// How many entries `document` begins with.
    fn first(&self, document: &[u8]) -> usize {
        let mut at = 0;
        let is_there = |parsed: &&ParsedEntry<E>| {
            let hash = hash(document, at, parsed.end);
            at = parsed.end;
            hash == Some(parsed.hash)
        };
        self.all.iter().take_while(is_there).count()
    }

    /// From which entry on `document` ends with them, beyond the first ones; never the first of all, since what stands
    /// before that one separates it from nothing.
    fn last(&self, document: &[u8], first: usize, shift: impl Fn(usize) -> usize) -> usize {
        let begun = self.all[..first].last().map_or(0, |parsed| parsed.end);
        let mut last = self.all.len();
        while last > first.max(1) {
            let (start, parsed) = (shift(self.all[last - 2].end), &self.all[last - 1]);
            if start < begun || hash(document, start, shift(parsed.end)) != Some(parsed.hash) {
                break;
            }
            last -= 1;
        }
        last
    }

    /// All entries, in their order.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &E> {
        self.all.iter().map(|parsed| &parsed.entry)
    }
}

/// Of the bytes of an entry and the next one; none where the document is shorter.
fn hash(document: &[u8], start: usize, end: usize) -> Option<u64> {
    document.get(start..end)?;
    Some(xxh64(&document[start..document.len().min(end + 1)], 0))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;

    use super::*;

    /// The words of a text, each with the space before it; a question mark is none.
    fn word(text: &str, at: usize) -> Result<Option<(usize, String)>, &'static str> {
        let word = text[at..].trim_start().split(' ').next().unwrap_or_default();
        if word.contains('?') {
            return Err("a question");
        }
        let end = text.len() - text[at..].trim_start().len() + word.len();
        Ok((!word.is_empty()).then(|| (end, word.to_owned())))
    }

    /// Reads `text`: whether it is another one, and how many words were parsed.
    fn read(
        entries: &mut ParsedEntries<String>,
        text: &str,
    ) -> Result<(bool, usize), &'static str> {
        let parsed = Cell::new(0);
        let changed = entries.read(text.as_bytes(), |at| {
            let word = word(text, at)?;
            parsed.set(parsed.get() + usize::from(word.is_some()));
            Ok(word)
        })?;
        let expected: Vec<&str> = text.split_whitespace().collect();
        assert!(entries.iter().eq(&expected), "{text}: {entries:?}");
        Ok((changed, parsed.get()))
    }

    #[test]
    fn only_what_is_new_is_parsed() {
        let mut entries = ParsedEntries::default();
        for (text, changed, parsed) in [
            ("", true, 0),
            ("", false, 0),
            ("a b c d", true, 4),
            ("a b c d", false, 0),
            ("a b xx c d", true, 1),
            ("a b c d", true, 0),
            ("a b c dd", true, 1),
            ("a b c", true, 1),
            ("b c", true, 1),
            ("b c c c", true, 2),
            ("b c ", true, 0),
            ("x", true, 1),
        ] {
            assert_eq!(read(&mut entries, text), Ok((changed, parsed)), "{text:?}");
        }
        assert_eq!(read(&mut entries, "x ?"), Err("a question"));
        assert_eq!(read(&mut entries, "x"), Ok((true, 1)), "nothing is known after an error");
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_a_whole_reading_says(texts in prop::collection::vec("[abc ]{0,12}", 1..20)) {
            let mut entries = ParsedEntries::default();
            let mut before: Option<Vec<String>> = None;
            for text in texts {
                let (changed, _) = read(&mut entries, &text).unwrap();
                let words: Vec<String> = entries.iter().cloned().collect();
                prop_assert!(changed || before.as_ref() == Some(&words));
                before = Some(words);
            }
        }
    }
}
