#!/usr/bin/env bash
# Runs the tests of the bindings with the library that was built: tests/bindings.sh LIBRARY [LANGUAGE...]
set -euo pipefail
cd "$(dirname "$0")/.."
AHOY_LIBRARY=$(realpath "$1")
export AHOY_LIBRARY
shift
languages=${*:-low_layers c python go ruby node pages examples}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ln -s "$AHOY_LIBRARY" "$work/libahoy.so.0.1"
export LD_LIBRARY_PATH=$work
passed=0
failed=0

# count NAME COMMAND...: a command is one check, unless it closes with unittest's "Ran N tests", minitest's "N runs," or Node's "# pass N".
count() {
    local name=$1 log code=0 ran
    shift
    log=$(mktemp)
    "$@" >"$log" 2>&1 || code=$?
    ran=$(sed -n 's/^Ran \([0-9]*\) tests\? in.*/\1/p; s/^\([0-9]*\) runs, .*/\1/p; s/^# pass \([0-9]*\)$/\1/p' "$log" | tail -n 1)
    if [ "$code" -eq 0 ]; then
        passed=$((passed + ${ran:-1}))
        echo "ok    $name ${ran:+($ran tests)}"
    else
        failed=$((failed + 1))
        echo "FAIL  $name"
        [ "$code" -lt 128 ] || echo "CRASH $name: ended by signal $((code - 128))"
        # Node tells what failed in the midst of what passed.
        grep -B 25 -A 25 '^ *not ok' "$log" || tail -n 60 "$log"
    fi
    rm -f "$log"
}

low_layers() {
    count "low layers are what ahoy.json says" /usr/bin/python3 bindings/generate.py --check
}

c() {
    count "c suite is built" cc -std=c11 -Wall -Wextra -Iinclude bindings/suite/suite.c -o "$work/suite" \
        "$work/libahoy.so.0.1" -lcjson
    count "c suite" "$work/suite" bindings/suite/scenarios.json bindings/suite/server.py
}

python() {
    local test
    for test in client async trio acceptance httpx requests ahoyhoy hosts suite; do
        count "python $test" env PYTHONPATH=bindings/python/src:bindings/python/tests \
            /usr/bin/python3 -W error -m unittest "test_$test"
    done
}

go() {
    # The archive beside the library is what is installed; Go's own checks of pointers and of races are on.
    local archive=${AHOY_LIBRARY%/*}/ready/libahoy.a
    if [ ! -e "$archive" ]; then
        failed=$((failed + 1))
        echo "FAIL  go: $archive is not there"
        return
    fi
    (cd bindings/go && ./archive.sh "$archive")
    count "go is formatted" sh -c 'test -z "$(gofmt -l bindings/go)"'
    count "go vet" env -C bindings/go GOFLAGS=-mod=mod GOPROXY=off go vet .
    count "go tests" env -C bindings/go GOFLAGS=-mod=mod GOPROXY=off GODEBUG=cgocheck=2 go test -race -short .
    ln -s libahoy.so.0.1 "$work/libahoy.so"
    printf 'Name: ahoy\nDescription: -\nVersion: 0\nCflags: -I%s/include\nLibs: -L%s -lahoy\n' "$PWD" "$work" >"$work/ahoy.pc"
    count "go with the shared library" env -C bindings/go GOFLAGS=-mod=mod GOPROXY=off PKG_CONFIG_PATH="$work" \
        go test -tags dynamic -run 'TestErrors|TestTransport' .
}

ruby() {
    local test
    for test in client interrupts acceptance faraday suite; do
        count "ruby $test" ruby_itself -W:no-experimental "bindings/ruby/test/test_$test.rb"
    done
}

ruby_itself() { command ruby "$@"; }

node() {
    (cd bindings/node && test -d node_modules/express && test -d node_modules/undici || npm install --ignore-scripts --no-audit --no-fund --silent)
    count "node" sh -c 'cd bindings/node && exec node --test test/*.test.js'
}

pages() {
    count "programs of the pages" /usr/bin/python3 tests/language_pages.py
}

examples() {
    count "services of the examples" /usr/bin/python3 tests/language_examples.py
}

for language in $languages; do "$language"; done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
