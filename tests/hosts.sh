#!/usr/bin/env bash
# Runs the Go and the Ruby program against endpoints on loopback and compares what they print: libahoy must be
# usable from languages other than C.
#
#     AHOY_STAGE=PREFIX  an installed libahoy; by default `make install` makes one in a temporary folder
set -euo pipefail
# shellcheck source=tests/endpoints/common.sh
source "$(dirname "$0")/endpoints/common.sh"

use_stage
build_endpoints

# host NAME LANGUAGE PROGRAM ARGUMENT ...: two of three hosts are dead, and every call is answered all the same.
host() {
    local name=$1 language=$2
    shift 2
    {
        echo "a list:"
        printf '200 hello from well\n%.0s' 1 2 3
        echo "a provider in $language:"
        printf '200 hello from well\n%.0s' 1 2 3
    } >"$work/$name.txt"
    start_endpoints dead-1@refuse well@ok dead-2@refuse
    run "$name" "$@" "${port[dead-1]}" "${port[well]}" "${port[dead-2]}"
    compare "$name" "$work/$name.txt"
}

if ! command -v go >/dev/null; then
    echo "SKIP  go: Go is not installed, so examples-go WAS NOT TESTED"
elif (cd "$root/examples-go" && GOFLAGS=-mod=mod GOPROXY=off GOCACHE=${GOCACHE:-$work/go} go build -o "$work/go-example" .) 2>"$work/go.log"; then
    # Checks each pointer that goes to C, at a cost that does not matter here.
    GODEBUG=cgocheck=2 host go Go "$work/go-example"
else
    fail go "does not build" "$work/go.log"
fi

if command -v go >/dev/null; then
    # Thousands of goroutines wait for calls that take 300 ms, on fewer than 20 threads: through a queue.
    calls=5000
    if [ "$(ulimit -Hn)" -lt 12000 ]; then
        calls=$(($(ulimit -Hn) / 3))
        echo "SKIP  go-queue: at most $(ulimit -Hn) descriptors, so only $calls calls of 5000 WERE MADE"
    fi
    if (cd "$root/examples-go" && GOFLAGS=-mod=mod GOPROXY=off GOCACHE=${GOCACHE:-$work/go} go build -o "$work/go-queue" ./queue) 2>"$work/go-queue.log" &&
        "$work/go-queue" "$calls" 300 >"$work/go-queue.log" 2>&1; then
        pass go-queue
        cat "$work/go-queue.log"
    else
        fail go-queue "see below" "$work/go-queue.log"
    fi
fi

if ! ruby -e 'require "ffi"' 2>/dev/null; then
    echo "SKIP  ruby: Ruby or its ffi gem is not installed, so examples-ruby WAS NOT TESTED"
else
    host ruby Ruby ruby "$root/examples-ruby/quickstart.rb"
fi

finish
