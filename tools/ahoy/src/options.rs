//! `ahoy options`: the table of settings, as the library that this is linked with has it.

use std::ffi::{CStr, c_char};
use std::process::ExitCode;

use crate::Outcome;
use crate::c;
use crate::cli::OptionsArgs;
use crate::print;

/// A handle's settings: its name, how many, their keys and what they are for.
type Handle = (
    &'static str,
    unsafe extern "C" fn() -> usize,
    unsafe extern "C" fn(usize) -> *const c_char,
    unsafe extern "C" fn(usize) -> *const c_char,
);

const HANDLES: [Handle; 5] = [
    (
        "client",
        c::ahoy_client_option_count,
        c::ahoy_client_option_key_at,
        c::ahoy_client_option_description_at,
    ),
    (
        "balancer",
        c::ahoy_balancer_option_count,
        c::ahoy_balancer_option_key_at,
        c::ahoy_balancer_option_description_at,
    ),
    (
        "retry",
        c::ahoy_retry_option_count,
        c::ahoy_retry_option_key_at,
        c::ahoy_retry_option_description_at,
    ),
    (
        "breaker",
        c::ahoy_breaker_option_count,
        c::ahoy_breaker_option_key_at,
        c::ahoy_breaker_option_description_at,
    ),
    (
        "provider",
        c::ahoy_provider_option_count,
        c::ahoy_provider_option_key_at,
        c::ahoy_provider_option_description_at,
    ),
];

pub(crate) fn run(asked: &OptionsArgs) -> Outcome {
    let filter = asked.filter.as_deref().unwrap_or_default();
    let is_handle = HANDLES.iter().any(|(name, ..)| *name == filter);
    let mut table = String::new();
    for (name, count, key_at, description_at) in HANDLES {
        // SAFETY: asks for static texts within the count.
        let text =
            |text: *const c_char| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned();
        // SAFETY: as above.
        let all = (0..unsafe { count() })
            .map(|at| unsafe { (text(key_at(at)), text(description_at(at))) });
        let wanted =
            all.filter(|(key, _)| if is_handle { name == filter } else { key.contains(filter) });
        let mut wanted = wanted.peekable();
        if wanted.peek().is_none() {
            continue;
        }
        table.push_str(&format!("{}{name}\n", if table.is_empty() { "" } else { "\n" }));
        for (key, description) in wanted {
            table.push_str(&format!("  {key}\n"));
            for line in wrapped(&description, 96) {
                table.push_str(&format!("      {line}\n"));
            }
        }
    }
    if table.is_empty() {
        return Err(format!("no option has {filter:?} in its key"));
    }
    print::out(&table)?;
    Ok(ExitCode::SUCCESS)
}

/// Lines of at most `width` characters, but for words that are longer.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is one");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
            continue;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines
}
