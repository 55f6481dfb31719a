//! The layers import downwards only, and `unsafe` stays where pointers are.
//!
//! The compiler sees one crate and would allow any import; this table is what makes it a house with floors.

use std::fs;
use std::path::{Path, PathBuf};

#[path = "layering/graph.rs"]
mod graph;

/// Facts that pass between all layers: no behaviour beyond their own.
const PLAIN: &[&str] = &[
    "criticality",
    "endpoint",
    "error",
    "event",
    "host",
    "single_line",
    "outcome",
    "phase",
    "request",
    "response",
    "body_source",
    "statistics",
    "user_data",
];

/// Each module of the crate and what it may import besides itself and the plain data.
///
/// What touches the world shares `runtime`; `discovery` reaches registries over `transport`. `config` gathers what the adapters and the
/// policies are told, so it stands above them and below `client`.
const LAYERS: &[(&str, &[&str])] = &[
    ("criticality", &[]),
    ("endpoint", &[]),
    ("error", &[]),
    ("event", &[]),
    ("host", &[]),
    ("single_line", &[]),
    ("outcome", &[]),
    ("phase", &[]),
    ("request", &[]),
    ("response", &[]),
    ("body_source", &[]),
    ("statistics", &[]),
    ("user_data", &[]),
    ("policy", &[]),
    ("runtime", &["policy"]),
    ("transport", &["policy", "runtime"]),
    ("discovery", &["policy", "runtime", "transport"]),
    ("config", &["policy", "runtime", "discovery", "transport"]),
    ("options", &["policy", "runtime", "discovery", "config"]),
    ("balancer", &["policy", "runtime", "discovery", "transport", "config"]),
    ("client", &["policy", "runtime", "discovery", "transport", "config", "balancer"]),
    (
        "document",
        &["policy", "runtime", "discovery", "transport", "config", "options", "balancer", "client"],
    ),
    (
        "ffi",
        &[
            "policy",
            "runtime",
            "discovery",
            "transport",
            "config",
            "options",
            "balancer",
            "client",
            "document",
        ],
    ),
];

/// Raw pointers from C, and the few lines on signals and processes.
const MAY_BE_UNSAFE: &[&str] = &["ffi", "runtime"];

/// The folders in which the systems differ, each with a file for each of them: what one cannot do, its file says. All
/// other files are the same everywhere.
const SEAMS: &[&str] = &[
    "runtime/descriptors",
    "runtime/directory_watch",
    "runtime/files",
    "runtime/getaddrinfo",
    "runtime/host/fence",
    "runtime/host/thread_cancel",
    "runtime/interrupt",
    "runtime/os_error",
    "runtime/pinning",
    "runtime/process",
    "runtime/readiness",
    "runtime/signal",
    "runtime/socket",
    "transport/dns/system",
    "transport/proxy/sockets",
    "transport/tls/roots",
];

/// What only a seam may say.
const OF_SYSTEMS: &[&str] =
    &["libc", "windows_sys", "target_os", "target_family", "target_env", "target_vendor"];

#[test]
fn every_module_has_its_layer() {
    let known: Vec<_> = LAYERS.iter().map(|(module, _)| *module).collect();
    for (module, _) in sources() {
        assert!(
            known.contains(&module.as_str()),
            "src/{module} is in no layer of tests/layering.rs"
        );
    }
}

#[test]
fn nothing_imports_upwards() {
    let mut wrong = Vec::new();
    for (module, file) in sources() {
        let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == module) else { continue };
        for import in imports(&code(&file)) {
            let below = allowed.contains(&import.as_str()) || PLAIN.contains(&import.as_str());
            if import != module && !below {
                wrong.push(format!("{} imports crate::{import}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "not allowed by tests/layering.rs:\n{}", wrong.join("\n"));
}

#[test]
fn unsafe_stays_at_the_edges() {
    let mut wrong = Vec::new();
    for (module, file) in sources() {
        if !MAY_BE_UNSAFE.contains(&module.as_str()) && words(&code(&file)).any(|w| w == "unsafe") {
            wrong.push(file.display().to_string());
        }
    }
    assert!(wrong.is_empty(), "`unsafe` outside of {MAY_BE_UNSAFE:?}: {wrong:?}");
}

#[test]
fn systems_differ_in_seams_only() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let seams: Vec<_> = SEAMS.iter().map(|seam| root.join(seam)).collect();
    let all = sources();
    let outside = all.iter().filter(|(_, file)| !seams.iter().any(|seam| file.starts_with(seam)));
    let wrong: Vec<_> = outside
        .filter_map(|(_, file)| Some((file, of_a_system(&code(file))?)))
        .map(|(file, what)| format!("{} says {what}", file.display()))
        .collect();
    assert!(
        wrong.is_empty(),
        "only a seam of tests/layering.rs may do that:\n{}",
        wrong.join("\n")
    );
    for seam in &seams {
        let has = |name: &str| seam.join(name).is_file();
        assert!(has("mod.rs") && (has("windows.rs") || has("other.rs")), "{}", seam.display());
    }
}

/// What in the code is of one system.
fn of_a_system(code: &str) -> Option<String> {
    let told = words(code).find(|word| OF_SYSTEMS.contains(word)).map(str::to_owned);
    let path =
        || ["std::os::", "io::unix", "io::windows"].into_iter().find(|path| code.contains(path));
    told.or_else(|| path().map(str::to_owned)).or_else(|| {
        conditions(code).find_map(|condition| {
            words(condition).find(|word| ["windows", "unix"].contains(word))?;
            Some(format!("cfg({condition}"))
        })
    })
}

/// What stands in the parentheses after each `cfg`, and on to the end of its line.
fn conditions(code: &str) -> impl Iterator<Item = &str> {
    let after =
        ["cfg(", "cfg!(", "cfg_attr("].into_iter().flat_map(|begin| code.split(begin).skip(1));
    after.map(|rest| rest.lines().next().unwrap_or_default())
}

#[test]
fn the_scanner_sees_what_is_of_one_system() {
    for code in [
        "#[cfg(windows)]",
        "#[cfg(all(test, unix))]",
        "if cfg!(target_os = \"linux\") {}",
        "use std::os::fd::AsRawFd;",
        "libc::close(1)",
        "use tokio::io::unix::AsyncFd;",
    ] {
        assert!(of_a_system(code).is_some(), "{code}");
    }
    let same = "#[cfg(test)]\nlet unix = \"unix:\"; let windows = connect_unix();";
    assert_eq!(of_a_system(same), None);
}

#[test]
fn the_scanner_sees_the_forms_of_an_import() {
    let code = "use crate::policy::Retry; fn f(x: crate::error::Error) {}\n\
                use crate::{client::{self, Client}, ffi, outcome::Failure};\n\
                pub(crate) fn g() {}";
    assert_eq!(imports(code), ["policy", "error", "client", "ffi", "outcome"]);
}

/// Circles between modules that remain. A new one fails the test, and so does one that is listed and gone.
const CIRCLES: &[&[&str]] = &[
    // A callback runs inside the fence, which notes that the callback of a lost thread is over.
    &["runtime::host::callback", "runtime::host::fence"],
    // One set of cores: a shard asks for an I/O thread where none is left, and an I/O thread drives a shard.
    &["runtime::io_thread", "runtime::shard"],
];

#[test]
fn no_circle_is_new() {
    let found = graph::circles(&graph::edges());
    let listed: Vec<Vec<String>> =
        CIRCLES.iter().map(|circle| circle.iter().map(|it| (*it).to_owned()).collect()).collect();
    let new: Vec<_> = found.iter().filter(|circle| !listed.contains(circle)).collect();
    let gone: Vec<_> = listed.iter().filter(|circle| !found.contains(circle)).collect();
    assert!(new.is_empty(), "circles between modules, not listed in tests/layering.rs: {new:#?}");
    assert!(gone.is_empty(), "listed in tests/layering.rs and gone: {gone:#?}");
}

/// All source files but `lib.rs`, each with the name of its top module.
fn sources() -> Vec<(String, PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a readable folder") {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                files.push(path);
            }
        }
    }
    files.retain(|file| *file != root.join("lib.rs"));
    files.sort();
    assert!(!files.is_empty(), "no sources in {}", root.display());
    let module = |file: &Path| {
        let inside = file.strip_prefix(&root).expect("a file in src");
        let first = inside.components().next().expect("a name");
        Path::new(first.as_os_str()).with_extension("").display().to_string()
    };
    files.into_iter().map(|file| (module(&file), file)).collect()
}

/// The file without its comments. Good enough for text without `//` inside strings but in URLs, where only
/// the rest of that line is lost.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).expect("a readable file");
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_')
}

/// The modules named after each `crate::`, also in `crate::{a, b::{c, d}}`.
fn imports(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for rest in code.split("crate::").skip(1) {
        let Some(group) = rest.strip_prefix('{') else {
            found.extend(words(rest).next().map(str::to_owned));
            continue;
        };
        let mut depth = 0;
        let mut top = String::new();
        for c in group.chars() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                _ if depth == 0 => top.push(c),
                _ => {}
            }
        }
        found
            .extend(top.split(',').filter_map(|path| words(path.trim()).next().map(str::to_owned)));
    }
    found.retain(|name| !name.is_empty());
    found
}
