#!/usr/bin/env python3
"""Holds the ABI against what each release had: abi.py checks, abi.py write notes the version that is being made.

abi/VERSION has a line for each function, callback, type and constant of a release, from include/ahoy.json. While the
soname stays, a line may be added and none may go or change. docs/abi.md has the promise.
"""

import glob
import json
import os
import re
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")


def lines(description):
    """What a compiled program relies on, by name."""
    found = {}
    for kind in ["function", "callback"]:
        for it in description[kind + "s"]:
            listed = ", ".join(parameter["type"] for parameter in it["parameters"]) or "void"
            found[it["name"]] = f"{kind} {it['returns']['type']} {it['name']}({listed})"
    for it in description["constants"]:
        found[it["name"]] = f"constant {it['type']} {it['name']} = {it['value']}"
    for it in description["types"]:
        found[it["name"]] = f"type {it['name']}, {it['held']}"
    return found


def read(path):
    with open(path) as file:
        soname, *rest = file.read().splitlines()
    name = lambda line: re.match(r"(?:function .*?|callback .*?|constant \w+ |type )(\w+)(?:\(| =|, \w+$)", line)[1]
    return soname.removeprefix("soname "), {name(line): line for line in rest}


def faults(release, soname, old, description):
    """What a program that was built with a release would miss."""
    if soname != description["soname"]:
        return []
    now = lines(description)
    return [
        f"{release} has `{line}`, and now it is " + (f"`{now[name]}`" if name in now else "gone")
        for name, line in old.items()
        if now.get(name) != line
    ]


def releases():
    return sorted(glob.glob(os.path.join(ROOT, "abi", "[0-9]*")))


def write(description):
    with open(os.path.join(ROOT, "abi", description["version"]), "w") as file:
        print(f"soname {description['soname']}", *lines(description).values(), sep="\n", file=file)


def changed(description, change):
    """A copy of the description after `change`."""
    copy = json.loads(json.dumps(description))
    change(copy)
    return copy


def self_test(description):
    """The check finds each kind of break, and none where there is none."""
    old = lines(description)

    def found(change):
        return len(faults("x", description["soname"], old, changed(description, change)))

    def renamed(it):
        it["soname"] = "libahoy.so.99"
        it["functions"].clear()

    broken = {
        "a function goes": lambda it: it["functions"].pop(),
        "a parameter comes": lambda it: it["functions"][0]["parameters"].append({"type": "int32_t"}),
        "a parameter's type changes": lambda it: it["functions"][-1]["parameters"][0].update(type="int32_t"),
        "a result changes": lambda it: it["functions"][0]["returns"].update(type="double"),
        "a callback changes": lambda it: it["callbacks"][0]["parameters"].clear(),
        "a constant changes": lambda it: it["constants"][1].update(value=12345),
        "a constant goes": lambda it: it["constants"].pop(),
        "a handle is no longer shared": lambda it: it["types"][0].update(held="owned"),
    }
    kept = {
        "nothing": lambda it: None,
        "a function comes": lambda it: it["functions"].append(
            {"name": "ahoy_new", "returns": {"type": "void"}, "parameters": []}
        ),
        "a parameter's name changes": lambda it: it["functions"][-1]["parameters"][0].update(name="other"),
        "the soname changes": renamed,
    }
    wrong = [f"the check misses that {it}" for it, change in broken.items() if found(change) != 1]
    return wrong + [f"the check refuses that {it}" for it, change in kept.items() if found(change) != 0]


with open(os.path.join(ROOT, "include", "ahoy.json")) as file:
    description = json.load(file)
if sys.argv[1:] == ["write"]:
    write(description)
    sys.exit()
checks = {"the check itself": self_test(description)}
for path in releases():
    checks[os.path.basename(path)] = faults(os.path.basename(path), *read(path), description)
if len(checks) == 1:
    checks["abi/"] = ["abi/ holds no release"]
broken = [it for said in checks.values() for it in said]
print(*(f"FAILED: {it}" for it in broken), sep="\n", end="\n" if broken else "")
if broken:
    print("A break needs a new soname: docs/abi.md. Before the first release, `make abi` notes the change.")
print(f"abi: {sum(not said for said in checks.values())} passed, {sum(map(bool, checks.values()))} failed")
sys.exit(bool(broken))
