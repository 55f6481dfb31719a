#!/bin/sh
# The function that calls the host, in the binary: the unwinder must find no catch and no destructor in it, that is, no
# personality routine in its unwind entry. Needs the symbol table, which the dist library lacks:
#
#     CARGO_PROFILE_DIST_STRIP=none cargo rustc --profile dist --features silent --lib --crate-type cdylib
#     sh tests/fence.sh target/dist/libahoy.so
#
# Usage: fence.sh path/to/libahoy.so
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=tests/check.sh
. tests/check.sh

library=${1:-${CARGO_TARGET_DIR:-target}/release/libahoy.so}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

nm "$library" 2>/dev/null | awk '/runtime4host5fence8platform6fenced/ { print $1, $3 }' | sort -u >"$work/fences"
# One line for each function: where it begins, and P where its entry names a personality.
readelf --debug-dump=frames "$library" 2>/dev/null | awk '
    / CIE$/ { cie = $1 }
    /Augmentation:/ { with[cie] = $2 ~ /P/ ? "P" : "-" }
    / FDE cie=/ {
        id = $5; sub(/^cie=/, "", id)
        begin = $6; sub(/^pc=/, "", begin); sub(/\.\..*/, "", begin)
        print begin, with[id]
    }' | sort >"$work/entries"

check "the function is there, and not inlined everywhere" test -s "$work/fences"
check "the unwind entries are read" grep -q P "$work/entries"
plain() {
    join "$work/fences" "$work/entries" >"$work/both"
    [ "$(wc -l <"$work/both")" -eq "$(wc -l <"$work/fences")" ] || { echo "some have no entry" && return 1; }
    ! grep ' P$' "$work/both"
}
check "none of $(wc -l <"$work/fences") has a personality" plain

summary fence
