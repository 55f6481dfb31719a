//! `ahoy.ffi.h`: the header without a single macro, for hosts that read declarations themselves.

use std::fmt::Write as _;

use crate::source::{Constant, Function, Source};

const HEAD: &str = "\
/*
 * ahoy.ffi.h: what ahoy.h declares, without a preprocessor's line: for cffi, PHP's FFI, LuaJIT and
 * other readers of declarations, which take this file as it is. Not to be included in C.
 *
 * Generated from the Rust sources. Changes made here are lost. ahoy.h has the documentation, and
 * ahoy.json has it for programs, with ownership, blocking and threads.
 */
";

/// The whole file.
pub(crate) fn write(source: &Source) -> String {
    let mut out = HEAD.to_owned();
    let (small, large): (Vec<_>, Vec<_>) =
        source.constants.iter().partition(|it| i32::try_from(it.value).is_ok());
    out += "\nenum {\n";
    for (index, Constant { name, value, .. }) in small.iter().enumerate() {
        let comma = if index + 1 < small.len() { "," } else { "" };
        let _ = writeln!(out, "    {name} = {value}{comma}");
    }
    out += "};\n\n/* No enumerator holds these: */\n";
    for Constant { name, kind, value, .. } in large {
        let _ = writeln!(out, "/* ({kind}){name} is {value:#x} */");
    }
    out.push('\n');
    for handle in &source.handles {
        let _ = writeln!(out, "typedef struct {0} {0};", handle.name);
    }
    out += "typedef int32_t ahoy_status;\n\n";
    for Function { name, parameters, returns, .. } in &source.callbacks {
        let _ = writeln!(out, "typedef {}(*{name})({});", spaced(returns), listed(parameters));
    }
    out.push('\n');
    for Function { name, parameters, returns, .. } in &source.functions {
        let _ = writeln!(out, "{}{name}({});", spaced(returns), listed(parameters));
    }
    out
}

fn listed(parameters: &[crate::source::Parameter]) -> String {
    if parameters.is_empty() {
        return "void".to_owned();
    }
    let one = |it: &crate::source::Parameter| format!("{}{}", spaced(&it.kind), it.name);
    parameters.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// A type with what parts it from the name that follows.
fn spaced(kind: &str) -> String {
    if kind.ends_with('*') { kind.to_owned() } else { format!("{kind} ") }
}
