//! `ahoy.h`: what cbindgen makes of `src/ffi`, with the version and with Doxygen's words.

use std::path::Path;

use crate::docs::unlink;
use crate::{Result, Version};

/// The whole header.
pub(crate) fn generate(root: &Path, module: &Path, version: &Version) -> Result<String> {
    let mut config = cbindgen::Config::from_file(root.join("cbindgen.toml"))?;
    let after = config.after_includes.take().unwrap_or_default();
    config.after_includes = Some(format!("{}\n{after}", version.macros()));

    // The module and what it declares, instead of the whole crate: no `cargo metadata`, nothing from inner
    // layers, the order of the `mod` lines, and the same text whatever features are on.
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
