#!/usr/bin/env bash
# Runs the programs in tests/hosts: what hosts do to a library beside calling it, as C, Ruby, Python,
# LuaJIT and PHP programs.
# Each must end in time with status 0, print "well" and nothing else. docs/hazards.md says which row of the
# hazard table is shown by which of them.
#
#     AHOY_STAGE=PREFIX  an installed libahoy; by default `make install` makes one in a temporary folder
set -euo pipefail
# shellcheck source=tests/endpoints/common.sh
source "$(dirname "$0")/endpoints/common.sh"

use_stage
build_endpoints
AHOY_LIBRARY=$(pkg-config --variable=libdir ahoy)/libahoy.so
export AHOY_LIBRARY

# host NAME SECONDS PROGRAM ARGUMENT ...: the program gets the ports of the endpoints ok and hang as well.
host() {
    local name=$1 limit=$2 status=0 before after
    shift 2
    start_endpoints ok hang
    before=$(date +%s%N)
    timeout -k 1 "$limit" "$@" "${port[ok]}" "${port[hang]}" \
        >"$work/$name.out" 2>"$work/$name.err" </dev/null || status=$?
    after=$(date +%s%N)
    took=$(((after - before) / 1000000))
    if [ "$status" -ne 0 ]; then
        fail "$name" "exit status $status after $took ms (124 and 137: it hung)" "$work/$name.err"
    elif [ "$(cat "$work/$name.out")" != "$expected" ]; then
        fail "$name" "printed something else than it should" "$work/$name.out"
    elif [ -s "$work/$name.err" ]; then
        fail "$name" "printed to standard error" "$work/$name.err"
    else
        return 0
    fi
    return 1
}

# well NAME SECONDS PROGRAM ARGUMENT ...
well() {
    expected=well
    ! host "$@" || pass "$1 ($took ms)"
}

# leaves HOW: fifty programs that leave with calls in flight, each fast and without a word.
leaves() {
    local how=$1 slowest=0 number
    expected=
    for number in {1..50}; do
        host "exit-$how" 10 "$work/exit" "$how" || return 0
        [ "$took" -le "$slowest" ] || slowest=$took
    done
    # From the start of the program, two calls and up to 20 ms of waiting included.
    if [ "$slowest" -lt "${AHOY_EXIT_MS:-200}" ]; then
        pass "exit-$how ($number of them, slowest $slowest ms)"
    else
        fail "exit-$how" "took $slowest ms"
    fi
}

for program in ends fork exit roots signals; do
    # shellcheck disable=SC2046,SC2086  # flags are words
    "${CC:-cc}" -std=gnu11 -O2 -Wall -Wextra -Werror ${CFLAGS:-} -o "$work/$program" \
        "$root/tests/hosts/$program.c" $(pkg-config --cflags --libs ahoy) -pthread ${LDFLAGS:-}
done
# shellcheck disable=SC2046,SC2086
"${CC:-cc}" -std=gnu11 -O2 -Wall -Wextra -Werror ${CFLAGS:-} -o "$work/unload" \
    "$root/tests/hosts/unload.c" $(pkg-config --cflags ahoy) -ldl ${LDFLAGS:-}

# shellcheck disable=SC2046,SC2086
"${CXX:-c++}" -std=c++17 -O2 -Wall -Wextra -Werror ${CFLAGS:-} -o "$work/throws" \
    "$root/tests/hosts/throws.cpp" $(pkg-config --cflags --libs ahoy) ${LDFLAGS:-}

for scenario in before-first-use during-first-use client-made-only child-uses child-frees child-exits child-execs grandchild in-flight; do
    well "fork-$scenario" 30 "$work/fork" "$scenario"
done
for scenario in exit-in-done exit-always exit-in-hook exit-in-provider exit-in-readable cancelled; do
    well "ends-$scenario" 30 "$work/ends" "$scenario"
done
for callback in done hook; do
    # An exception that leaves a callback ends the process, by SIGABRT: nobody else may catch it.
    start_endpoints ok hang
    status=0
    # A subshell that goes on, for bash tells of signals.
    (timeout -k 1 20 "$work/throws" "$callback" "${port[ok]}" "${port[hang]}" >"$work/throws.out" 2>&1
        exit $?) 2>/dev/null || status=$?
    if [ "$status" -eq 134 ]; then
        pass "throws-$callback"
    else
        fail "throws-$callback" "status $status, not 134" "$work/throws.out"
    fi
done
for scenario in stolen sigpipe alarm; do
    well "signals-$scenario" 30 "$work/signals" "$scenario"
done
for how in return exit quick_exit thread; do
    leaves "$how"
done
# Where there are none, nothing can be seen to be read.
if compgen -G "/etc/ssl/cert*" >/dev/null; then
    well roots 30 "$work/roots"
else
    echo "SKIP  roots: this system has no certificates"
fi
well unload 30 "$work/unload" "$AHOY_LIBRARY"

if ! ruby -e 'require "ffi"' 2>/dev/null; then
    echo "SKIP  ruby: Ruby or its ffi gem is not installed, so its programs WERE NOT RUN"
else
    well ruby-preloading-server 60 ruby "$root/tests/hosts/puma.rb"
    for way in get wait; do
        well "ruby-ctrl-c-$way" 20 ruby "$root/tests/hosts/ctrl_c.rb" "$way"
    done
fi

# Hosts with one thread, whose functions must not be called on any other.
if ! command -v luajit >/dev/null; then
    echo "SKIP  luajit: LuaJIT is not installed, so its program WAS NOT RUN"
else
    well one-thread-luajit 60 luajit "$root/tests/hosts/one_thread.lua" "$root/include/ahoy.ffi.h"
fi
if ! php -m 2>/dev/null | grep -qx FFI; then
    echo "SKIP  php: PHP or its FFI is not installed, so its program WAS NOT RUN"
else
    well one-thread-php 60 php -d ffi.enable=1 "$root/tests/hosts/one_thread.php" "$root/include/ahoy.ffi.h"
fi

if ! python3 -c 'import ctypes, multiprocessing' 2>/dev/null; then
    echo "SKIP  python: Python is not installed, so its programs WERE NOT RUN"
else
    export PYTHONDONTWRITEBYTECODE=1
    well python-workers 60 python3 -W error::ResourceWarning "$root/tests/hosts/workers.py"
    for way in get wait should-stop; do
        well "python-ctrl-c-$way" 20 python3 "$root/tests/hosts/ctrl_c.py" "$way"
    done
fi

if ! command -v gunicorn >/dev/null; then
    echo "SKIP  gunicorn: it is not installed, so its program WAS NOT RUN"
else
    well python-preloading-gunicorn 90 python3 "$root/tests/hosts/gunicorn.py"
fi

finish
