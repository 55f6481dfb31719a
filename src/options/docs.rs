//! `docs/options.md`, from the tables.

use std::fmt::Write as _;

use super::table::{Row, Table};
use super::{BALANCER, BREAKER, CLIENT, PROVIDER, RETRY};
use crate::discovery::url::{COMMON, SCHEMES};

/// Setters that have no key, and why.
pub const NO_KEYS: &[(&str, &str)] = &[
    ("ahoy_client_builder_set_balancer", "takes a handle"),
    ("ahoy_client_builder_set_base_url", "says what the client talks to, in place of a balancer"),
    ("ahoy_client_builder_set_retry", "takes a handle, all of whose settings have keys"),
    ("ahoy_client_builder_set_client_certificate_pem", "takes bytes, one of them a secret"),
    ("ahoy_client_builder_set_should_stop", "takes a function"),
    ("ahoy_client_builder_set_key_log", "takes a function"),
    ("ahoy_client_builder_set_wire_trace", "takes a function"),
    ("ahoy_client_builder_set_config", "takes a text of all settings"),
    ("ahoy_balancer_set_breaker", "takes a handle, all of whose settings have keys"),
    ("ahoy_balancer_random_set_function", "takes a function"),
    ("ahoy_retry_set_full_jitter", "is the word full of the key jitter"),
];

/// Words of a setting that its function cannot say, and why. The default is none of them: a handle that was told
/// nothing has it.
pub const NO_SETTERS: &[(&str, &str, &str)] = &[(
    "ahoy_client_builder_set_max_connections_per_endpoint",
    "off",
    "a number above that of the process's descriptors does the same",
)];

const HEAD: &str = "\
# Options

Every setting by the key that `ahoy_client_builder_set`, `ahoy_balancer_set`, `ahoy_retry_set`,
`ahoy_breaker_set` and `ahoy_provider_set` take, with the function of C that does the same. This page is made from the tables in
`src/options`: `AHOY_DOCS=write cargo test --test options` writes it anew.

A duration has a unit: `250ms`, `1.5s`, `1m30s`, `2h`; `forever` sets no limit. A size may have one: `512`,
`64KiB`, `1MiB`. Where several keys are given, their order does not matter, but for keys of which each stands in
place of the other, and for one that switches on what another switched off: there the last one counts.

A word that is the default, such as `off` or `auto`, need not have a function: a handle that was told nothing has it.
";

/// The whole page.
#[must_use]
pub fn markdown() -> String {
    let mut page = HEAD.to_owned();
    section(&mut page, "Client", "`ahoy_client_builder_set`", &CLIENT);
    page += "\nThe keys of the retry rules below are taken as well, as `retry_tries` and so on; \
             `ahoy_client_builder_set_retry` replaces all of them.\n";
    section(&mut page, "Retry", "`ahoy_retry_set`", &RETRY);
    section(&mut page, "Balancer", "`ahoy_balancer_set`", &BALANCER);
    page += "\nThe keys of the breaker below are taken as well, as `breaker_open_base` and so on; \
             `ahoy_balancer_set_breaker` replaces all of them.\n";
    section(&mut page, "Breaker", "`ahoy_breaker_set`", &BREAKER);
    section(&mut page, "Provider", "`ahoy_provider_set`, and in a URL", &PROVIDER);
    schemes(&mut page);
    page += "\n## Setters without a key\n\n| function | why |\n|---|---|\n";
    for (function, why) in NO_KEYS {
        let _ = writeln!(page, "| `{function}` | it {why} |");
    }
    page += "\n## Words that a setter cannot say\n\n| function | word | why |\n|---|---|---|\n";
    for (function, word, why) in NO_SETTERS {
        let _ = writeln!(page, "| `{function}` | `{word}` | {why} |");
    }
    page
}

fn section<C: Clone + 'static>(page: &mut String, title: &str, setter: &str, table: &Table<C>) {
    let _ = write!(page, "\n## {title}: {setter}\n\n");
    page.push_str("| key | value | default | purpose | cost of raising it | function |\n|---|---|---|---|---|---|\n");
    for row in table.rows().iter().filter(|row| !row.of_part) {
        page.push_str(&line(row));
    }
}

/// Which of them a source takes.
fn schemes(page: &mut String) {
    let common = COMMON.join("`, `");
    let _ = write!(
        page,
        "\nEvery source of `ahoy_provider_from_url` takes `{common}`; those below their own as well. A provider whose list a function tells takes `callbacks` and `empty_hold`.\n\n"
    );
    page.push_str("| URL | endpoints | options |\n|---|---|---|\n");
    for scheme in SCHEMES {
        let keys = match scheme.keys {
            [] => "none".to_owned(),
            keys => format!("`{}`", keys.join("`, `")),
        };
        let _ = writeln!(page, "| `{}` | {} | {keys} |", scheme.form, scheme.purpose);
    }
}

fn line<C>(row: &Row<C>) -> String {
    let Row { key, form, default, purpose, cost, function, .. } = row;
    format!("| `{key}` | {form} | {default} | {purpose} | {cost} | `{function}` |\n")
}
