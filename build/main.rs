//! Generates from `src/ffi` what hosts read, and gives the shared library its name.
//!
//! | file         | for                                                    | made in          |
//! |--------------|--------------------------------------------------------|------------------|
//! | `ahoy.h`     | C and C++                                              | `header.rs`      |
//! | `ahoy.ffi.h` | readers of declarations: cffi, PHP's FFI, LuaJIT       | `plain.rs`       |
//! | `ahoy.json`  | programs: ownership, blocking, threads, documentation  | `description.rs` |
//!
//! They always go to `$OUT_DIR/include`. The committed copies in `include/` follow as `AHOY_HEADER` says:
//!
//! | `AHOY_HEADER`     | in a checkout                                 | anywhere else |
//! |-------------------|-----------------------------------------------|---------------|
//! | `write` (default) | replaced when it differs and can be written   | left alone    |
//! | `check`           | a difference fails the build; left alone      | the same      |
//! | `skip`            | left alone                                    | left alone    |

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process;

mod committed;
mod description;
mod docs;
mod fields;
mod functions;
mod header;
mod json;
mod plain;
mod source;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() {
    if let Err(error) = run() {
        println!("cargo::error={error}");
        process::exit(1);
    }
}

fn run() -> Result<()> {
    // What is committed is on the list so that a deleted file is made again.
    for input in ["build", "cbindgen.toml", "Cargo.toml", "src/ffi"] {
        println!("cargo::rerun-if-changed={input}");
    }
    for committed in ["ahoy.h", "ahoy.ffi.h", "ahoy.json"] {
        println!("cargo::rerun-if-changed=include/{committed}");
    }
    println!("cargo::rerun-if-env-changed=AHOY_HEADER");

    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let version = Version::of_the_crate()?;
    link_arguments(&version)?;

    let module = root.join("src/ffi/mod.rs");
    if !module.is_file() {
        return Err(format!("{} is missing", module.display()).into());
    }
    let source = source::Source::read(&module)?;
    let made = [
        ("ahoy.h", header::generate(&root, &module, &version)?),
        ("ahoy.ffi.h", plain::write(&source)),
        ("ahoy.json", with_settings(&root, &description::write(&source, &version)?)),
    ];
    let include = PathBuf::from(variable("OUT_DIR")?).join("include");
    for (name, text) in &made {
        committed::replace(&include.join(name), text)?;
    }
    println!("cargo::metadata=include={}", include.display());
    for (name, text) in &made {
        committed::sync(&root, name, text)?;
    }
    Ok(())
}

/// The description with the settings that the committed one has: the crate's table of them is out of reach here, and
/// `tests/options.rs` keeps that part in step.
fn with_settings(root: &Path, made: &str) -> String {
    let committed = fs::read_to_string(root.join("include/ahoy.json")).unwrap_or_default();
    let settings = committed.split_once(description::SETTINGS).map_or("  ]\n}\n", |(_, it)| it);
    format!("{made}{settings}")
}

fn variable(name: &str) -> Result<String> {
    env::var(name).map_err(|error| format!("{name}: {error}").into())
}

/// The crate's version: one source for the macros and the shared object's name.
struct Version {
    major: u32,
    minor: u32,
    patch: u32,
    text: String,
}

impl Version {
    fn of_the_crate() -> Result<Self> {
        let part = |name| -> Result<u32> { Ok(variable(name)?.parse()?) };
        let version = Self {
            major: part("CARGO_PKG_VERSION_MAJOR")?,
            minor: part("CARGO_PKG_VERSION_MINOR")?,
            patch: part("CARGO_PKG_VERSION_PATCH")?,
            text: variable("CARGO_PKG_VERSION")?,
        };
        if version.minor > 99 || version.patch > 99 {
            return Err("AHOY_VERSION_NUM has two digits each for minor and patch".into());
        }
        Ok(version)
    }

    /// What programs load at run time. Before 1.0 each minor version may break the ABI, after it none does.
    fn soname(&self) -> String {
        match self.major {
            0 => format!("libahoy.so.0.{}", self.minor),
            major => format!("libahoy.so.{major}"),
        }
    }

    /// The same on macOS.
    fn install_name(&self) -> String {
        match self.major {
            0 => format!("libahoy.0.{}.dylib", self.minor),
            major => format!("libahoy.{major}.dylib"),
        }
    }

    fn macros(&self) -> String {
        let Self { major, minor, patch, text } = self;
        let number = major * 10_000 + minor * 100 + patch;
        format!(
            "/** The version of this header, from the crate's manifest. */\n\
             #define AHOY_VERSION_MAJOR {major}\n\
             #define AHOY_VERSION_MINOR {minor}\n\
             #define AHOY_VERSION_PATCH {patch}\n\
             /** The same as one number, major * 10000 + minor * 100 + patch, to compare with\n\
             \x20   ahoy_version_number(). */\n\
             #define AHOY_VERSION_NUM {number}\n\
             #define AHOY_VERSION_STRING \"{text}\"\n"
        )
    }
}

/// A plain `cdylib` has no soname, so programs would record whatever file name they were linked with.
fn link_arguments(version: &Version) -> Result<()> {
    let link = |argument: &str| println!("cargo::rustc-cdylib-link-arg=-Wl,{argument}");
    match variable("CARGO_CFG_TARGET_OS")?.as_str() {
        "linux" => {
            link(&format!("-soname,{}", version.soname()));
            // Destructors of thread-locals would point into unmapped code after dlclose.
            link("-z,nodelete");
        }
        // The time of the build would make two builds differ.
        "windows" if variable("CARGO_CFG_TARGET_ENV")? == "gnu" => link("--no-insert-timestamp"),
        "macos" => {
            link(&format!("-install_name,@rpath/{}", version.install_name()));
            // The loader refuses a library whose compatibility version is below that which a program was linked with.
            let Version { major, minor, text, .. } = version;
            link(&format!("-compatibility_version,{major}.{minor}.0"));
            link(&format!("-current_version,{text}"));
            // The crate libc names libiconv, of which nothing is used.
            link("-dead_strip_dylibs");
        }
        _ => {}
    }
    Ok(())
}
