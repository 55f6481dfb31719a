#!/usr/bin/env python3
"""Measures the shape of the source: folders, circles, functions, files, unsafe blocks, prose.

    tests/house.py              this tree
    tests/house.py REVISION     the tree of a revision beside it, for a before and an after
"""

import io
import os
import re
import statistics
import subprocess
import sys
import tarfile
import tempfile


def sources(root):
    """The Rust files of src, by their paths below root."""
    found = {}
    for folder, _, names in os.walk(os.path.join(root, "src")):
        for name in names:
            if name.endswith(".rs"):
                path = os.path.join(folder, name)
                with open(path, encoding="utf-8") as file:
                    found[os.path.relpath(path, root)] = file.read()
    return found


def without_tests(text):
    return re.split(r"#\[cfg\((?:all\()?test\b[^\n]*\n(?:#[^\n]*\n)*mod \w+ \{", text)[0]


def without_test_modules(files):
    """The files but those that a folder's module declares for tests only."""
    tests, folders = set(), ()
    for path, text in files.items():
        for name in re.findall(r"#\[cfg\((?:all\()?test\b[^\n]*\nmod (\w+);", text):
            module = os.path.join(os.path.dirname(path), name)
            tests.add(module + ".rs")
            folders += (module + os.sep,)
    return {path: text for path, text in files.items() if path not in tests and not path.startswith(folders)}


def without_comments(text):
    return "\n".join(re.sub(r"(?<!:)//.*", "", line) for line in text.split("\n"))


def fullest_folders(files):
    counts = {}
    for path in files:
        folder = os.path.dirname(path)
        counts[folder] = counts.get(folder, 0) + 1
    return sorted(counts.items(), key=lambda item: -item[1])


def function_lengths(files):
    """Lines of each function from its signature to its closing brace, comments and tests left out."""
    lengths = []
    for text in files.values():
        lines = [l for l in without_comments(without_tests(text)).split("\n") if l.strip()]
        for start, line in enumerate(lines):
            match = re.match(r"^(\s*)(?:pub(?:\([^)]*\))? )?(?:const |async |unsafe |extern \"C(?:-unwind)?\" )*fn \w+", line)
            if not match:
                continue
            closing = match.group(1) + "}"
            for end in range(start, min(start + 200, len(lines))):
                if lines[end] == closing or (end == start and lines[end].rstrip().endswith("}")):
                    lengths.append((end - start + 1, line.strip()))
                    break
                if lines[end].rstrip().endswith(";") and "{" not in "".join(lines[start : end + 1]):
                    break
    return sorted(lengths, key=lambda item: item[0])


def largest_files(files):
    code = lambda text: sum(1 for l in without_comments(without_tests(text)).split("\n") if l.strip())
    return sorted(((code(text), path) for path, text in files.items()), reverse=True)


def split_top(group):
    parts, depth, current = [], 0, ""
    for c in group:
        depth += (c == "{") - (c == "}")
        if c == "," and depth == 0:
            parts.append(current)
            current = ""
        else:
            current += c
    return [part for part in parts + [current] if part]


def expand(path):
    at = path.find("{")
    if at < 0:
        return [path]
    return [path[:at] + rest for part in split_top(path[at + 1 : path.rindex("}")]) for rest in expand(part)]


def circles(files):
    """Sets of modules that import each other, names traced through what folders hand on."""
    modules = {}
    for path in files:
        parts = path[len("src/") : -len(".rs")].split("/")
        if parts[-1] in ("mod", "lib"):
            parts.pop()
        modules["::".join(parts)] = path
    is_folder = lambda module: modules[module].endswith(("mod.rs", "lib.rs"))
    code = {m: without_comments(re.sub(r"#\[cfg\(test\)\]\n.*", "", without_tests(files[p]))) for m, p in modules.items()}
    uses = re.compile(r"^[ \t]*(pub(?:\([a-z: ]+\))? )?use ([^;]+);", re.M)

    def absolute(module, parts):
        if parts[0] == "crate":
            return parts[1:]
        own = module.split("::") if module else []
        while parts and parts[0] == "super":
            own, parts = own[:-1], parts[1:]
        return own + [part for part in parts if part != "self"]

    handed_on = {}
    for module in filter(is_folder, modules):
        for public, path in uses.findall(code[module]):
            for full in expand(re.sub(r"\s+", "", path)) if public else []:
                parts = full.split("::")
                named = parts[0] in ("crate", "super", "self")
                origin = absolute(module, parts) if named else (module.split("::") if module else []) + parts
                handed_on[module, parts[-1]] = origin

    def resolve(path, depth=0):
        for length in range(len(path), -1, -1):
            module = "::".join(path[:length])
            if module in modules:
                rest = path[length:]
                if rest and (module, rest[0]) in handed_on and depth < 5:
                    return resolve(handed_on[module, rest[0]] + rest[1:], depth + 1)
                return module
        return ""

    edges = {}
    for module, text in code.items():
        paths = []
        for public, path in uses.findall(text):
            if not (public and is_folder(module)):
                paths += expand(re.sub(r"\s+", "", path))
        paths += re.findall(r"\b(?:crate|super)(?:::\w+)+", uses.sub("", text))
        used = {resolve(absolute(module, p.split("::"))) for p in paths if p.startswith(("crate", "super"))}
        edges[module] = used - {"", module}

    def reach(start):
        seen, following = set(), [start]
        while following:
            for used in edges.get(following.pop(), ()):
                if used not in seen:
                    seen.add(used)
                    following.append(used)
        return seen

    reached = {module: reach(module) for module in modules}
    found = {tuple(sorted(o for o in reached[m] if m in reached[o])) for m in modules if m in reached[m]}
    return sorted(found, key=len, reverse=True)


def unsafe_blocks(files):
    return sum(len(re.findall(r"\bunsafe \{", without_comments(text))) for text in files.values())


def relatives(root, files):
    """Sentences of prose in which 'who' or 'whoever' stands."""
    word = re.compile(r"\b[Ww]ho(ever)?\b")
    count = lambda lines: sum(1 for line in lines if word.search(line))
    comments = lambda text: [l[m.start() :] for l in text.split("\n") if (m := re.search(r"(?<!:)//", l))]
    counts = {"src": sum(count(comments(text)) for text in files.values())}
    for path in ["README.md", "CONTRIBUTING.md", "include/ahoy.h"]:
        with open(os.path.join(root, path), encoding="utf-8") as file:
            counts[path] = count(file.read().split("\n"))
    counts["docs"] = 0
    for folder in ["docs", "benches"]:
        for inside, _, names in os.walk(os.path.join(root, folder)):
            for name in names:
                if name.endswith(".md"):
                    with open(os.path.join(inside, name), encoding="utf-8") as file:
                        counts["docs"] += count(file.read().split("\n"))
    return counts


def measure(root):
    files = without_test_modules(sources(root))
    lengths = function_lengths(files)
    plain = [length for length, _ in lengths]
    folders = fullest_folders(files)
    with open(os.path.join(root, "include/ahoy.h"), encoding="utf-8") as file:
        wide = sum(1 for line in file if len(line.rstrip("\n")) > 100)
    longest = largest_files(files)[0]
    found = circles(files)
    rows = [
        ("files in the fullest folders", ", ".join(f"{folder} {count}" for folder, count in folders[:3])),
        ("circles between modules", f"{len(found)}, the largest of {len(found[0]) if found else 0}"),
        ("functions", f"{len(plain)}: median {statistics.median(plain):g}, p90 {plain[int(len(plain) * 0.9)]}, longest {plain[-1]}"),
        ("the longest function", lengths[-1][1][:80]),
        ("the largest file, lines of code", f"{longest[0]} {longest[1]}"),
        ("unsafe blocks", str(unsafe_blocks(files))),
        ("'who' and 'whoever'", ", ".join(f"{path} {count}" for path, count in relatives(root, files).items())),
        ("header lines above 100 columns", str(wide)),
    ]
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"  {name:<{width}}  {value}")


def main():
    root = subprocess.run(["git", "rev-parse", "--show-toplevel"], capture_output=True, text=True, check=True).stdout.strip()
    if len(sys.argv) > 1:
        archive = subprocess.run(["git", "-C", root, "archive", sys.argv[1]], capture_output=True, check=True).stdout
        with tempfile.TemporaryDirectory() as folder:
            with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
                tar.extractall(folder, filter="data")
            print(sys.argv[1])
            measure(folder)
    print("this tree")
    measure(root)


main()
