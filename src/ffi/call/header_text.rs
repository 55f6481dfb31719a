//! Headers as text for C.

use std::ffi::{CStr, c_char};

/// The headers as C wants them: names and values, each followed by a NUL, in one piece of memory.
pub(super) struct HeaderText {
    text: Vec<u8>,
    /// Where each header's name and value begin.
    starts: Vec<(usize, usize)>,
}

impl HeaderText {
    pub(super) fn new(headers: &http::HeaderMap) -> Self {
        let mut text = Vec::new();
        let mut starts = Vec::with_capacity(headers.len());
        for (name, value) in headers {
            let name_start = text.len();
            text.extend_from_slice(name.as_str().as_bytes());
            text.push(0);
            starts.push((name_start, text.len()));
            text.extend_from_slice(value.as_bytes());
            text.push(0);
        }
        Self { text, starts }
    }

    pub(super) fn name(&self, index: usize) -> Option<*const c_char> {
        let (name, _) = self.starts.get(index)?;
        Some(self.text[*name..].as_ptr().cast())
    }

    pub(super) fn value(&self, index: usize) -> Option<*const c_char> {
        let (_, value) = self.starts.get(index)?;
        Some(self.text[*value..].as_ptr().cast())
    }

    pub(super) fn find(&self, wanted: &CStr) -> Option<*const c_char> {
        let index = self.starts.iter().position(|(name, value)| {
            self.text[*name..*value - 1].eq_ignore_ascii_case(wanted.to_bytes())
        })?;
        self.value(index)
    }
}
