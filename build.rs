//! Generates `ahoy.h` from `src/ffi` and gives the shared library its name.
//!
//! The header always goes to `$OUT_DIR/include/ahoy.h`. The committed copy, `include/ahoy.h`, follows
//! as `AHOY_HEADER` says:
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

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() {
    if let Err(error) = run() {
        println!("cargo::error={error}");
        process::exit(1);
    }
}

fn run() -> Result<()> {
    // `include` is on the list so that a deleted header is made again.
    for input in ["build.rs", "cbindgen.toml", "Cargo.toml", "src/ffi", "include/ahoy.h"] {
        println!("cargo::rerun-if-changed={input}");
    }
    println!("cargo::rerun-if-env-changed=AHOY_HEADER");

    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let version = Version::of_the_crate()?;
    link_arguments(&version)?;

    let header = generate(&root, &version)?;
    let include = PathBuf::from(variable("OUT_DIR")?).join("include");
    fs::create_dir_all(&include)?;
    replace(&include.join("ahoy.h"), &header)?;
    println!("cargo::metadata=include={}", include.display());

    sync(&root, &header)
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
        "macos" => link("-install_name,@rpath/libahoy.dylib"),
        _ => {}
    }
    Ok(())
}

fn generate(root: &Path, version: &Version) -> Result<String> {
    let mut config = cbindgen::Config::from_file(root.join("cbindgen.toml"))?;
    let after = config.after_includes.take().unwrap_or_default();
    config.after_includes = Some(format!("{}\n{after}", version.macros()));

    // The module and what it declares, instead of the whole crate: no `cargo metadata`, nothing from inner
    // layers, the order of the `mod` lines, and the same text whatever features are on.
    let module = root.join("src/ffi/mod.rs");
    if !module.is_file() {
        return Err(format!("{} is missing", module.display()).into());
    }
    let builder = cbindgen::Builder::new().with_config(config).with_src(module);
    let mut header = Vec::new();
    builder.generate()?.write(&mut header);
    Ok(for_c(&String::from_utf8(header)?))
}

/// Turns what rustdoc understands and Doxygen does not, section headings and links to items, and drops the
/// underscore of names that are taken in Rust only: `fn_` is the documented parameter `fn`.
fn for_c(header: &str) -> String {
    let line = |line: &str| match line.trim_start().strip_prefix('*') {
        Some(comment) => match comment.strip_prefix(" # ") {
            Some(title) => format!(" * @par {title}\n"),
            None => unlink(line.trim_end()) + "\n",
        },
        None if line.starts_with('#') => line.trim_end().to_owned() + "\n",
        // `usize` is to be `size_t`, but `isize` holds a pointer's width: a descriptor, or on Windows a SOCKET.
        None => {
            let named = line.trim_end().replace("_,", ",").replace("_)", ")");
            named.replace("ptrdiff_t ", "intptr_t ") + "\n"
        }
    };
    header.lines().map(line).collect()
}

/// ``[`name`]`` and ``[`name`](target)`` as `` `name` ``.
fn unlink(text: &str) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("[`") {
        let Some((name, after)) = after.split_once("`]") else { break };
        let target = after.strip_prefix('(').and_then(|a| a.split_once(')'));
        rest = target.map_or(after, |(_, after)| after);
        result.push_str(&format!("{before}`{}`", name.rsplit("::").next().unwrap_or(name)));
    }
    result + rest
}

/// Keeps the committed header in step.
fn sync(root: &Path, header: &str) -> Result<()> {
    let committed = root.join("include").join("ahoy.h");
    let current = fs::read_to_string(&committed).unwrap_or_default();
    let mode = env::var("AHOY_HEADER").unwrap_or_else(|_| "write".to_owned());
    match mode.as_str() {
        "skip" => Ok(()),
        _ if current == *header => Ok(()),
        "check" => Err(stale(&current, header).into()),
        "write" if !is_checkout(root) => Ok(()),
        "write" => {
            // Distributions build from read-only sources: they have the header they were given.
            if let Err(error) = replace(&committed, header) {
                println!("cargo::warning={} is stale and stays so: {error}", committed.display());
            }
            Ok(())
        }
        other => Err(format!("AHOY_HEADER is `{other}`, not check, write or skip").into()),
    }
}

fn stale(current: &str, header: &str) -> String {
    let same = current.lines().zip(header.lines()).take_while(|(a, b)| a == b).count();
    let line = |text: &str| text.lines().nth(same).unwrap_or("(end of file)").to_owned();
    format!(
        "include/ahoy.h is not what src/ffi says: line {} is `{}` and should be `{}`; \
         build without AHOY_HEADER=check and commit the header",
        same + 1,
        line(current),
        line(header)
    )
}

/// Packaged sources belong to a registry or to `cargo package`, which refuses changed files.
fn is_checkout(root: &Path) -> bool {
    let packaged = [".cargo_vcs_info.json", "Cargo.toml.orig"];
    let folders = ["target/package", "registry/src"];
    let place = root.to_string_lossy().replace('\\', "/");
    !packaged.iter().any(|name| root.join(name).exists())
        && !folders.iter().any(|name| place.contains(name))
}

/// Writes beside the target and renames, so that a compiler running meanwhile never sees half a header.
fn replace(target: &Path, text: &str) -> Result<()> {
    let folder = target.parent().ok_or("a header needs a folder")?;
    fs::create_dir_all(folder)?;
    let temporary = folder.join(format!(".ahoy.h.{}", process::id()));
    let written = fs::write(&temporary, text).and_then(|()| fs::rename(&temporary, target));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    Ok(written?)
}
