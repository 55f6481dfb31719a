#!/bin/sh
# Prints docs/hazards.md with results: each row's hazard, the tests that show what holds, and how each of them
# ended. A row whose test failed or is not there fails the run.
#
#     hazard_table.sh [CARGO-LOG HOSTS-LOG]     runs both by default
set -eu
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
rust=${1:-$work/cargo.log}
hosts=${2:-$work/hosts.log}
if [ $# -eq 0 ]; then
    # Names without a file of their own are unit tests.
    files=$(grep -o '`[a-z_0-9]*::[a-z_0-9:]*`' docs/hazards.md | sed 's/`\([a-z_0-9]*\)::.*/\1/' | sort -u |
        while read -r file; do
            if [ -f "tests/$file.rs" ] || [ -f "tests/$file/main.rs" ]; then echo "--test $file"; fi
        done)
    # shellcheck disable=SC2086 # a list of options
    ${CARGO:-cargo} test --no-fail-fast --lib $files >"$rust" 2>&1 || tail -n 3 "$rust" >&2
    bash tests/hazards.sh >"$hosts" 2>&1 || :
    AHOY_EXITS=50 bash tests/exits.sh >>"$hosts" 2>&1 || :
fi

awk '
    FILENAME == ARGV[1] {
        # Unit tests are named by their module, others by their file.
        if ($1 == "Running") file = $2 == "unittests" ? "" : $2
        sub(/\/main\.rs$/, "", file); sub(/^.*\//, "", file); sub(/\.rs$/, "", file)
        if ($1 == "test" && $3 == "...") result[(file == "" ? "" : file "::") $2] = $NF
        next
    }
    FILENAME == ARGV[2] {
        if ($1 == "ok" || $1 == "FAIL" || $1 == "SKIP") { name = $2; sub(/:$/, "", name); result["host: " name] = $1 }
        next
    }
    # The table ends with the first line that is none of it.
    /^\| hazard/ { table = 1 }
    !/^\|/ { table = 0 }
    table && !/^\| hazard/ && !/^\|-/ {
        split($0, cell, "|")
        print substr(cell[2], 2)
        rest = cell[4]
        found = 0
        while (match(rest, /`(host: [a-zA-Z_-]+|[a-z_0-9]+(::[a-z_0-9]+)+)`/)) {
            name = substr(rest, RSTART + 1, RLENGTH - 2)
            rest = substr(rest, RSTART + RLENGTH)
            found = 1
            is = name in result ? result[name] : "NOT THERE"
            printf "    %-9s %s\n", is, name
            if (is == "ok") passed++; else failed++
        }
        if (!found) print "    -         " substr(cell[4], 2)
    }
    END { printf "%d passed, %d failed\n", passed, failed; exit failed > 0 || passed == 0 }
' "$rust" "$hosts" docs/hazards.md
