"""Two runs of one test suite, and what was known of their differences: compare.py NAME THEIRS.XML OURS.XML KNOWN.TXT

A line of KNOWN.TXT is a test, or several where a `*` stands for a part of the name, and, after a tab, why it ends
otherwise; before a test that ends now so, now so, stands a `~`.
"""

import collections
import re
import sys
import xml.etree.ElementTree


def outcomes(report):
    """How each test ended, by its name."""
    found = {}
    for case in xml.etree.ElementTree.parse(report).iter("testcase"):
        ended = {child.tag for child in case} & {"failure", "error", "skipped"}
        name = f"{case.get('classname')}::{case.get('name')}"
        # A test whose fixture fails after it is reported twice.
        found[name] = "failed" if ended - {"skipped"} or found.get(name) == "failed" else "skipped" if ended else "passed"
    return found


def known(path):
    """The listed tests as patterns, and whether they need not differ."""
    with open(path) as file:
        lines = [line.rstrip("\n") for line in file if line.strip() and not line.startswith("#")]
    told = [line.split("\t", 1) for line in lines]
    return {re.compile(re.escape(name.lstrip("~")).replace(r"\*", ".*")): name.startswith("~") for name, _ in told}


def main(name, theirs, ours, listed):
    theirs, ours, listed = outcomes(theirs), outcomes(ours), known(listed)
    differ = {test for test in theirs.keys() | ours.keys() if theirs.get(test) != ours.get(test)}
    unlisted = {test for test in differ if not any(name.fullmatch(test) for name in listed)}
    needed = [name for name, either in listed.items() if not either]
    unneeded = {name.pattern for name in needed if not any(name.fullmatch(test) for test in differ)}
    for test in sorted(unlisted):
        print(f"FAIL  {test}: {theirs.get(test)} there, {ours.get(test)} here")
    for name in sorted(unneeded):
        print(f"FAIL  {name} is listed, and ends as it does there")
    counts = [collections.Counter(run.values()) for run in (theirs, ours)]
    told = [f"{count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped" for count in counts]
    print(f"{name}: with its own transport {told[0]}; through libahoy {told[1]}; {len(differ)} differ")
    wrong = len(unlisted) + len(unneeded)
    print(f"{len(ours) - wrong} passed, {wrong} failed")
    sys.exit(wrong > 0 or not counts[1]["passed"])


main(*sys.argv[1:])
