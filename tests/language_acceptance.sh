#!/usr/bin/env bash
# The acceptance checks of Go, Node, Python and Ruby in full, with their figures: language_acceptance.sh [LANGUAGE...]
# AHOY_LIBRARY names the library, which is to be an optimised one; Go's archive lies in the module already.
#
# What is asked for are spans, which other work of the machine makes longer: where this may be had (root), the checks run
# before it, as a group of processes that gets what processor time it wants.
set -uo pipefail
cd "$(dirname "$0")/.."
if [ -z "${AHOY_FIRST:-}" ]; then
    export AHOY_FIRST=1
    exec setsid -w bash -c '{ echo -20 >/proc/self/autogroup; } 2>/dev/null || echo "beside other work of the machine"; exec "$@"' \
        first bash "tests/${0##*/}" "$@"
fi
export AHOY_LIBRARY AHOY_FULL=1 AHOY_FIGURES=1
passed=0 failed=0

node_ready() {
    test -d bindings/node/node_modules/koffi || (cd bindings/node && npm install --ignore-scripts --no-audit --no-fund --silent)
}

for language in ${*:-ruby python node go}; do
    echo "== $language"
    case $language in
        ruby) ruby -W:no-experimental bindings/ruby/test/test_acceptance.rb ;;
        python) env PYTHONPATH=bindings/python/src:bindings/python/tests /usr/bin/python3 -W error -m unittest -v test_acceptance ;;
        node) node_ready && UV_THREADPOOL_SIZE=1 node --test bindings/node/test/acceptance.test.js ;;
        go) env -C bindings/go GOFLAGS=-mod=mod GOPROXY=off go test -v -timeout 20m \
            -run 'Cancel|OneAtATime|ManyGoroutines|Transport|Errors|Flat|Collected|Close|Signals' . ;;
        *) false ;;
    esac && passed=$((passed + 1)) || failed=$((failed + 1))
done
echo "acceptance: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
