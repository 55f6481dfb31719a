//! What is written: what was asked for to standard output, all else to standard error.

use std::io::{Write, stderr, stdout};

/// Writes `text` to standard output.
pub(crate) fn out(text: &str) -> Result<(), String> {
    let mut out = stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(|error| format!("standard output: {error}"))
}

/// Tells a line to standard error. Where that cannot be written, nobody is there to be told.
pub(crate) fn tell(line: &str) {
    let _ = writeln!(stderr(), "{line}");
}
