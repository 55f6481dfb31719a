#!/usr/bin/env bash
# The acceptance checks of Go, Node and Ruby in full, with their figures: language_acceptance.sh [LANGUAGE...]
# AHOY_LIBRARY names the library; Go's archive lies in the module already.
set -uo pipefail
cd "$(dirname "$0")/.."
export AHOY_LIBRARY AHOY_FULL=1 AHOY_FIGURES=1
passed=0 failed=0
for language in ${*:-ruby node go}; do
    echo "== $language"
    case $language in
        ruby) ruby -W:no-experimental bindings/ruby/test/test_acceptance.rb ;;
        node) UV_THREADPOOL_SIZE=1 node --test bindings/node/test/acceptance.test.js ;;
        go) env -C bindings/go GOFLAGS=-mod=mod GOPROXY=off go test -v -timeout 20m \
            -run 'Cancel|ManyGoroutines|Transport|Errors|Flat|Collected|Close|Signals' . ;;
    esac && passed=$((passed + 1)) || failed=$((failed + 1))
done
echo "acceptance: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
