#!/usr/bin/env python3
"""How many lines of its parser each fuzz target's seeds reach, by parsers.txt.

    coverage.py LEAST REPORTS [TARGET...]

REPORTS holds TARGET.lcov for each target. Fails where a target reaches less than LEAST per cent. With LINES=1 the
lines that are not reached are named.
"""

import os
import re
import sys
from pathlib import Path

FUZZ = Path(__file__).resolve().parent
TREE = FUZZ.parent


def parsers():
    """For each target its files, each with the functions that count; none for all."""
    found = {}
    for line in (FUZZ / "parsers.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            target, file, *functions = line.split()
            found.setdefault(target, []).append((file, functions))
    return found


def lines_of(file, functions):
    """The numbers of the lines that belong to `functions`, as rustfmt lays them out; None for all."""
    if not functions:
        return None
    lines = (TREE / file).read_text().splitlines()
    numbers, missing = set(), set(functions)
    for at, line in enumerate(lines):
        start = re.match(r"( *)(?:pub(?:\([^)]*\))? )?(?:const )?(?:async )?(?:unsafe )?fn (\w+)", line)
        if start and start[2] in functions:
            end = at
            while not re.match(start[1] + r"\}|.*\{.*\}$", lines[end]):
                end += 1
            numbers.update(range(at + 1, end + 2))
            missing.discard(start[2])
    if missing:
        sys.exit(f"parsers.txt: {file} has no function {', '.join(sorted(missing))}")
    return numbers


def reached(report):
    """For each file of an LCOV report, how often each of its lines was run."""
    files = {}
    for line in report.read_text().splitlines():
        if line.startswith("SF:"):
            counts = files.setdefault(line[3:].removeprefix(f"{TREE}/"), {})
        elif line.startswith("DA:"):
            number, count = line[3:].split(",")[:2]
            counts[int(number)] = max(counts.get(int(number), 0), int(count))
    return files


def main():
    least, reports, targets = float(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
    table = parsers()
    all_targets = sorted(path.stem for path in (FUZZ / "fuzz_targets").glob("*.rs"))
    if set(table) != set(all_targets):
        sys.exit(f"parsers.txt: not the targets of fuzz_targets: {set(table) ^ set(all_targets)}")
    below = []
    for target in targets or all_targets:
        files = reached(reports / f"{target}.lcov")
        run = count = 0
        missed = []
        for file, functions in table[target]:
            wanted = lines_of(file, functions)
            lines = {n: c for n, c in files.get(file, {}).items() if wanted is None or n in wanted}
            if not lines:
                sys.exit(f"{target}: the report has no line of {file}")
            run += sum(1 for c in lines.values() if c)
            count += len(lines)
            missed += [f"{file}:{n}" for n, c in sorted(lines.items()) if not c]
        share = 100 * run / count
        seeds = len(list((FUZZ / "seeds" / target).iterdir()))
        print(f"{target:17} {share:5.1f} %  {run:3} of {count:3} lines, {seeds:2} seeds")
        if os.environ.get("LINES"):
            print("".join(f"    {line}\n" for line in missed), end="")
        if share < least:
            below.append(target)
    if below:
        sys.exit(f"below {least:g} %: {', '.join(below)}")


main()
