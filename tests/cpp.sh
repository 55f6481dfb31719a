#!/usr/bin/env bash
# Holds include/ahoy.hpp against ahoy.h, compiles it alone, and builds and runs examples-cpp and tests/cpp against an
# installed libahoy: by g++ and clang++, as C++17 and C++20, with exceptions and without.
#
#     AHOY_STAGE=PREFIX  an installed libahoy; by default `make install` makes one in a temporary folder
#     AHOY_VALGRIND=1    one build only, each program under valgrind, which must find no error and nothing lost
#     AHOY_ASAN=1        one build only, with AddressSanitizer
#
# These two run what g++ builds as C++20, so that without them only its header is compiled so.
set -euo pipefail
# shellcheck source=tests/endpoints/common.sh
source "$(dirname "$0")/endpoints/common.sh"

expected=$root/examples-cpp/expected
warnings="-Wall -Wextra -Wpedantic -Wconversion -Werror"
headers="g++/c++17 g++/c++20 clang++/c++17 clang++/c++20"
builds="g++/c++17 clang++/c++17 clang++/c++20"
flags=-O0
under=()
if [ "${AHOY_VALGRIND:-0}" = 1 ]; then
    builds=g++/c++20 flags="-O0 -g1"
    named
    under=(env "LD_LIBRARY_PATH=$work/named" valgrind --quiet --num-callers=40 --error-exitcode=9 --leak-check=full --show-leak-kinds=definite
        --errors-for-leak-kinds=definite "--suppressions=$root/tests/endpoints/valgrind.supp")
elif [ "${AHOY_ASAN:-0}" = 1 ]; then
    builds=g++/c++20 flags="-O0 -g1 -fsanitize=address"
fi

# On a busy machine an attempt may be late, and another beside it.
without_refused() { grep -v 'connect refused\|answered first' | sort; }

# The header alone, in each mode, as header.cpp fills its templates in.
header() {
    local build=$1 mode name
    for mode in "" -fno-rtti "-fno-exceptions -fno-rtti" -DAFTER_OTHERS; do
        name="header $build $mode"
        # shellcheck disable=SC2086 # lists of words
        if "${build%/*}" "-std=${build#*/}" $mode $warnings -fsyntax-only $(pkg-config --cflags ahoy) \
            "$root/tests/cpp/header.cpp" 2>"$work/header.err"; then
            pass "$name"
        else
            fail "$name" "does not compile" "$work/header.err"
        fi
    done
}

# What clang says of a view whose owner goes at once. g++ has no such attribute.
dangling() {
    # shellcheck disable=SC2046 # a list of words
    if clang++ "-std=${1#*/}" -Wall -Wextra -Xclang -verify -fsyntax-only $(pkg-config --cflags ahoy) \
        "$root/tests/cpp/dangling.cpp" 2>"$work/dangling.err"; then
        pass "dangling $1"
    else
        fail "dangling $1" "not the warnings that it states" "$work/dangling.err"
    fi
}

# Everything that a build runs, into $work/bin/BUILD.
compile() {
    local build=$1 out=$work/bin/$1 mode pids=()
    mkdir -p "$out"
    make -s -j2 -C "$root/examples-cpp" OUT="$out" CXX="${build%/*}" STD="${build#*/}" CXXFLAGS="$flags" \
        LDFLAGS="${AHOY_ASAN:+-fsanitize=address}" || return
    for mode in checks:-fexceptions "checks_plain:-fno-exceptions -fno-rtti"; do
        # shellcheck disable=SC2086,SC2046 # lists of words
        "${build%/*}" "-std=${build#*/}" $flags ${mode#*:} $warnings -o "$out/${mode%%:*}" "$root/tests/cpp/checks.cpp" \
            $(pkg-config --cflags --libs ahoy) -pthread &
        pids+=($!)
    done
    wait "${pids[0]}" && wait "${pids[1]}"
}

# example BUILD NAME [ORDER] -- ARGUMENT ...
example() {
    local bin=$work/bin/$1 name=$2 order=cat build=$1
    shift 2
    if [ "$1" != -- ]; then order=$1 && shift; fi
    shift
    run "$name" "${under[@]}" "$bin/$name" "$@"
    echo "      $build"
    compare "$name" "$expected/$name.txt" "$order"
}

# The checks count for themselves.
checks() {
    local bin=$work/bin/$1 name
    for name in checks checks_plain; do
        start_endpoints ok hang echo
        run "$name" "${under[@]}" "$bin/$name" "${port[ok]}" "${port[hang]}" "${port[echo]}"
        if [ "$(cat "$work/$name.status")" -eq 0 ]; then
            pass "$name $1: $(tail -n 1 "$work/$name.out")"
        else
            fail "$name $1" "exit status $(cat "$work/$name.status")" "$work/$name.err" "$work/$name.out"
        fi
    done
}

use_stage
build_endpoints
if [ ${#under[@]} -eq 0 ] && [ -z "${AHOY_ASAN:-}" ]; then
    if python3 "$root/tests/hpp.py"; then pass "ahoy.hpp has all of ahoy.h"; else fail "ahoy.hpp" "is not what ahoy.h says"; fi
    for build in $headers; do
        header "$build"
        case $build in clang*) dangling "$build" ;; esac
    done
fi

export AHOY_VALGRIND=${AHOY_VALGRIND:-}
[ "$AHOY_VALGRIND" = 1 ] || unset AHOY_VALGRIND
for build in $builds; do
    if ! compile "$build" >"$work/compile.log" 2>&1; then
        fail "$build" "does not build" "$work/compile.log"
        continue
    fi
    start_endpoints dead-1@refuse well@ok dead-2@refuse
    # The balancer draws, so how often a call meets a dead host differs.
    for name in quickstart without_exceptions; do
        example "$build" $name without_refused -- "${port[dead-1]}" "${port[well]}" "${port[dead-2]}"
    done
    start_endpoints here@ok there@ok dead@refuse
    example "$build" custom_provider -- "${port[here]}" "${port[there]}" "${port[dead]}"
    start_endpoints well@ok hung@hang
    example "$build" asynchronous -- "http://127.0.0.1:${port[well]}"
    example "$build" asio -- "http://127.0.0.1:${port[well]}"
    example "$build" coroutine -- "http://127.0.0.1:${port[well]}" "http://127.0.0.1:${port[hung]}"
    start_endpoints echo
    example "$build" streaming -- "http://127.0.0.1:${port[echo]}"
    checks "$build"
done
finish
