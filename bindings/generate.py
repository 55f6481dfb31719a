#!/usr/bin/env python3
"""Writes the low layer of each binding from include/ahoy.json.

    generate.py            writes the files anew
    generate.py --check    fails where one is not what the description says
"""

import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
DESCRIPTION = json.loads((HERE.parent / "include" / "ahoy.json").read_text())
HELD = {t["name"]: t["held"] for t in DESCRIPTION["types"]}


def bare(c_type):
    """A type of C without const, and whether a pointer to it was meant, and how deep."""
    words = c_type.replace("const", " ").replace("*", " * ").split()
    return words[0], words.count("*")


# Handles of what no longer changes: their functions only read.
RESULTS = {"ahoy_attempt", "ahoy_error", "ahoy_event", "ahoy_response", "ahoy_sample", "ahoy_snapshot", "ahoy_text"}


def gives_up_the_lock(function):
    """Whether another thread may have to run before this function can return.

    What belongs to one thread at a time takes no lock of the library, nor does what only reads a result. Any other
    function may wait for a lock whose holder is in a callback, which wants Python's lock.
    """
    handles = {bare(p["type"])[0] for p in function["parameters"] if p["role"] in ("handle", "freed")}
    return function["blocks"] != "never" or any(HELD[h] == "shared" and h not in RESULTS for h in handles)


def python_type(c_type, role=None):
    name, depth = bare(c_type)
    if name.endswith("_fn"):
        return f"fn {name}"
    if depth == 0:
        return "int32_t" if name == "ahoy_status" else name
    if name == "char" and depth == 1:
        return "text" if role != "buffer" else "buffer"
    if depth == 1 and role == "out_value":
        return f"{name}*"
    if depth == 2:
        return "pointer*"
    if role == "bytes":
        return "bytes"
    return "pointer"


def python():
    lines = ['"""Made from include/ahoy.json by bindings/generate.py: not to be changed by hand."""', ""]
    lines += [f'SONAME = "{DESCRIPTION["soname"]}"', ""]
    lines += ["# name: result, arguments, whether Python's lock is given up meanwhile"]
    lines += ["FUNCTIONS: dict[str, tuple[str, tuple[str, ...], bool]] = {"]
    for function in DESCRIPTION["functions"]:
        result = python_type(function["returns"]["type"])
        arguments = tuple(python_type(p["type"], p.get("role")) for p in function["parameters"])
        lines.append(f'    "{function["name"]}": ("{result}", {tuple_of(arguments)}, {gives_up_the_lock(function)}),')
    lines += ["}", "", "CALLBACKS: dict[str, tuple[str, tuple[str, ...]]] = {"]
    for callback in DESCRIPTION["callbacks"]:
        result = python_type(callback["returns"]["type"])
        arguments = tuple(
            python_type(p["type"], "out_value" if bare(p["type"])[0] == "size_t" else p.get("role"))
            for p in callback["parameters"]
        )
        lines.append(f'    "{callback["name"]}": ("{result}", {tuple_of(arguments)}),')
    lines += ["}", ""]
    lines += [f'{constant["name"]} = {int(constant["value"])}' for constant in DESCRIPTION["constants"]]
    return "\n".join(lines) + "\n"


def tuple_of(words):
    inner = ", ".join(f'"{w}"' for w in words)
    return f"({inner},)" if len(words) == 1 else f"({inner})"


def camel(name):
    return "".join(word.capitalize() for word in name.split("_")).replace("Tls", "TLS").replace("Http", "HTTP")


def go():
    lines = ["// Code generated from include/ahoy.json by bindings/generate.py. DO NOT EDIT.", "", "package ahoy", ""]
    lines += ["// Code is a status of the library. It is an error itself, for errors.Is.", "type Code int32", "", "const ("]
    for status in DESCRIPTION["statuses"]:
        name = camel(status["name"].removeprefix("AHOY_").removeprefix("E_").lower()).replace("Ok", "OK")
        lines += [f'\t// {name}: {status["text"]}', f'\t{name} Code = {status["value"]}']
    lines += [")", "", "// The severities of the log.", "const ("]
    levels = {c["name"].removeprefix("AHOY_LOG_"): c["value"] for c in DESCRIPTION["constants"] if c["name"].startswith("AHOY_LOG_")}
    longest = max(map(len, levels))
    lines += [f'\tLog{camel(level.lower()).ljust(longest)} LogLevel = {value}' for level, value in levels.items()]
    return "\n".join(lines + [")"]) + "\n"


RUBY_TYPES = {"double": "double", "void": "void", "bool": "bool", "size_t": "size_t", "intptr_t": "long_long"}


def ruby_type(c_type, role=None):
    name, depth = bare(c_type)
    if depth == 0:
        if name.endswith("_fn"):
            return "pointer" if role else name
        if name == "ahoy_status":
            return "int32"
        return RUBY_TYPES.get(name, name.removesuffix("_t"))
    return "string" if name == "char" and depth == 1 and role != "buffer" else "pointer"


def ruby():
    lines = ["# frozen_string_literal: true", "", "# Made from include/ahoy.json by bindings/generate.py."]
    lines += ["module Ahoy", "  module Native"]
    for constant in DESCRIPTION["constants"]:
        lines.append(f'    {constant["name"]} = {int(constant["value"])}')
    lines.append("")
    for callback in DESCRIPTION["callbacks"]:
        arguments = ", ".join(f":{ruby_type(p['type'])}" for p in callback["parameters"])
        lines.append(f'    callback :{callback["name"]}, [{arguments}], :{ruby_type(callback["returns"]["type"])}')
    lines.append("")
    for function in DESCRIPTION["functions"]:
        arguments = ", ".join(f":{ruby_type(p['type'], p.get('role') or 'value')}" for p in function["parameters"])
        result = ruby_type(function["returns"]["type"])
        blocking = ", blocking: true" if gives_up_the_lock(function) else ""
        lines.append(f'    lazily :{function["name"]}, [{arguments}], :{result}{blocking}')
    return "\n".join([*lines, "  end", "end"]) + "\n"


def node_argument(parameter):
    """A parameter as koffi reads it: what the library sets is an array of one."""
    name, depth = bare(parameter["type"])
    role = parameter["role"]
    if name.endswith("_fn"):
        kind = "void *"
    elif role in ("out", "error", "out_array"):
        kind = "_Out_ void **"
    elif role == "out_value":
        kind = f"_Out_ {name} *"
    elif depth == 0:
        kind = "int32_t" if name == "ahoy_status" else name
    else:
        kind = "const char *" if name == "char" and role == "text" else "void *"
    return f"{kind} {parameter['name']}"


def node():
    lines = ['"use strict";', "", "// Made from include/ahoy.json by bindings/generate.py.", ""]
    lines += [f'exports.SONAME = "{DESCRIPTION["soname"]}";', "", "exports.FUNCTIONS = {"]
    for function in DESCRIPTION["functions"]:
        name, depth = bare(function["returns"]["type"])
        result = "const char *" if name == "char" and depth else "void *" if depth else name
        result = "int32_t" if result == "ahoy_status" else result
        arguments = ", ".join(map(node_argument, function["parameters"])) or "void"
        lines.append(f'  {function["name"]}: "{result} {function["name"]}({arguments})",')
    return "\n".join([*lines, "};"]) + "\n"


FILES = {"node/src/declarations.js": node, "ruby/lib/ahoy/declarations.rb": ruby, "go/codes.go": go, "python/src/ahoy/_declarations.py": python}


def main():
    stale = []
    for name, make in FILES.items():
        path, made = HERE / name, make()
        if not path.exists() or path.read_text() != made:
            stale.append(name)
            if "--check" not in sys.argv[1:]:
                path.write_text(made)
    if stale and "--check" in sys.argv[1:]:
        sys.exit(f"generate: not what include/ahoy.json says: {', '.join(stale)}; run bindings/generate.py")


main()
