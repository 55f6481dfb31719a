#!/bin/sh
# The shared library: exports what the header declares and nothing else, has its name, stays loaded.
# Usage: symbols.sh path/to/libahoy.so
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=tests/check.sh
. tests/check.sh

library=${1:-${CARGO_TARGET_DIR:-target}/release/libahoy.so}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

awk -f tests/functions.awk include/ahoy.h | sed -n 's/^function|\([^|]*\).*/\1/p' | sort >"$work/declared"
# What is installed has versions of symbols, and these a symbol of their own.
nm -D --defined-only "$library" | awk '$2 != "A" { sub(/@.*/, "", $NF); print $NF }' | sort >"$work/exported"
readelf -dW "$library" >"$work/dynamic"

check "the header declares functions" test -s "$work/declared"
check "exports are the header's functions (< declared, > exported)" \
    diff "$work/declared" "$work/exported"

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
case $version in
    0.*) soname=libahoy.so.${version%.*} ;;
    *) soname=libahoy.so.${version%%.*} ;;
esac
check "soname $soname" grep -qF "soname: [$soname]" "$work/dynamic"
check "NODELETE" grep -q 'FLAGS_1.*NODELETE' "$work/dynamic"
absent() { ! grep -E "$1" "$work/dynamic"; }
check "no text relocations" absent TEXTREL
check "no run path" absent '(RPATH|RUNPATH)'
check "no static thread-local storage" absent STATIC_TLS
needed() {
    others=$(sed -n 's/.*Shared library: \[\(.*\)\]/\1/p' "$work/dynamic" |
        grep -vE '^(libc|libm|libgcc_s|libdl|libpthread|librt|ld-linux.*)\.so' || :)
    [ -z "$others" ] || { echo "$others" && return 1; }
}
check "needs the C library only" needed

summary symbols
