#!/bin/sh
# Calls every exported function with NULL, bad UTF-8 and wrong numbers, from a program made from the header.
# Usage: null.sh plain|valgrind|asan path/to/libahoy.so
set -eu
cd "$(dirname "$0")/.."

mode=${1:-plain}
library=${2:-${CARGO_TARGET_DIR:-target}/release/libahoy.so}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

awk -f tests/functions.awk include/ahoy.h | awk -f tests/null_calls.awk tests/null_preamble.h - >"$work/null_calls.c"

compiler=${CC:-cc}
flags="-std=gnu11 -g -Wall -Wextra -Werror -Iinclude -Itests"
[ "$mode" != asan ] || flags="$flags -fsanitize=address,undefined -fno-sanitize-recover=undefined"

# The library is loaded by its soname, which the build tree does not have.
soname=$(readelf -dW "$library" | sed -n 's/.*soname: \[\(.*\)\]/\1/p')
ln -s "$(realpath "$library")" "$work/$soname"
# shellcheck disable=SC2086 # flags are a list
$compiler $flags "$work/null_calls.c" -o "$work/null_calls" "$work/$soname" -lm -pthread -Wl,-rpath,"$work"

case $mode in
    # shellcheck disable=SC2086 # a command with its arguments, such as an emulator
    plain) ${AHOY_UNDER:-} "$work/null_calls" ;;
    valgrind) NULL_CALLS_SECONDS=1200 sh tests/memcheck.sh "$work/null_calls" ;;
    asan) ASAN_OPTIONS=detect_leaks=1 "$work/null_calls" ;;
    *) echo "null.sh: $mode is not plain, valgrind or asan" >&2; exit 2 ;;
esac
