#!/bin/sh
# Counts the instructions of one warm GET and of one pick-permit-settle by callgrind, and fails where the second has
# grown by more than 3 % over benches/micro/instructions.json, or the first by more than 20 %: the C library and others
# go by the processor, and the same library took 35,500 on one machine and 41,700 on another. Compare GETs on one machine.
#
#     benches/micro/instructions.sh             compare
#     benches/micro/instructions.sh --update    write the counts down as the new baseline
#
# The difference between N and 2 N repetitions leaves out what only the start costs; only the calling thread
# counts, so the wall clock of the library's own thread does not matter. Uses the release profile, which CI has built anyway.
set -eu
cd "$(dirname "$0")/../.."

CC=${CC:-cc}
CARGO=${CARGO:-cargo}
TARGET=${CARGO_TARGET_DIR:-target}
BASELINE=benches/micro/instructions.json
GETS=300
ATTEMPTS=2000

for tool in valgrind readelf strip "$CC" "$CARGO"; do
    command -v "$tool" >/dev/null 2>&1 || { echo "instructions: $tool is not there" >&2; exit 1; }
done

"$CARGO" build --quiet --release --lib
work=$(mktemp -d)
server=
trap 'kill $server 2>/dev/null || true; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
# Without debug information, which valgrind would read for seconds each time.
strip -g -o "$work/libahoy.so" "$TARGET/release/libahoy.so"
# Cargo would build the library and its dependencies a second time, with the features of dev-dependencies, and put it where
# other tests load it from.
"${RUSTC:-rustc}" --edition 2024 --crate-name policy -C opt-level=3 -C codegen-units=1 -C strip=debuginfo -o "$work/policy" \
    -L dependency="$TARGET/release/deps" --extern ahoy="$TARGET/release/libahoy.rlib" benches/micro/policy.rs
ln -s libahoy.so "$work/$(readelf -d "$work/libahoy.so" | sed -n 's/.*SONAME.*\[\(.*\)\].*/\1/p')"
"$CC" -O2 -Iinclude benches/micro/instructions.c -o "$work/instructions" -L"$work" -lahoy -Wl,-rpath,"$work"
"$CC" -O2 benches/micro/server.c -o "$work/server"
"$work/server" >"$work/port" &
server=$!
until [ -s "$work/port" ]; do sleep 0.1; done
port=$(cat "$work/port")

# Instructions of a program's first thread. Large copies are made by vectors, not by "rep movsb": callgrind counts
# that one byte by byte, and from which size on it is used differs between processors.
counted() {
    rm -f "$work"/count*
    GLIBC_TUNABLES=glibc.cpu.x86_rep_movsb_threshold=1073741824 valgrind --quiet --tool=callgrind --separate-threads=yes --callgrind-out-file="$work/count" "$@" \
        >/dev/null 2>"$work/log" || { cat "$work/log" >&2; exit 1; }
    first=$work/count-01
    [ -s "$first" ] || first=$work/count
    sed -n 's/^summary: //p; s/^totals: //p' "$first" | head -n 1
}

# For one repetition: the least of eight counts of twice as many, less the least of as many. What disturbs a run adds to
# it, so a difference of two runs is too small as often as it is too large.
each() { # repetitions, command taking their number last
    count=$1
    shift
    once=
    twice=
    for run in 1 2 3 4 5 6 7 8; do
        once=$(less "$(counted "$@" "$count")" "$once")
        twice=$(less "$(counted "$@" $((2 * count)))" "$twice")
    done
    echo $(((twice - once) / count))
}

less() { if [ -z "$2" ] || [ "$1" -lt "$2" ]; then echo "$1"; else echo "$2"; fi; }

get=$(each $GETS "$work/instructions" "$port")
figures="get $get"
attempt=$(each $ATTEMPTS "$work/policy" instructions)
figures="$figures
attempt $attempt"

compiler=$(rustc --version | cut -d' ' -f1-2)
if [ "${1:-}" = --update ]; then
    {
        printf '{\n  "compiler": "%s"' "$compiler"
        echo "$figures" | while read -r name count; do printf ',\n  "%s": %s' "$name" "$count"; done
        printf '\n}\n'
    } >"$BASELINE"
    cat "$BASELINE"
    exit 0
fi

known=$(sed -n 's/.*"compiler": "\(.*\)".*/\1/p' "$BASELINE")
if [ "$known" != "$compiler" ]; then
    echo "instructions: the baseline is of $known, this is $compiler; if only that differs: --update"
fi
echo "$figures" | while read -r name count; do
    before=$(sed -n "s/.*\"$name\": \([0-9]*\).*/\1/p" "$BASELINE")
    awk -v name="$name" -v count="$count" -v before="${before:-0}" 'BEGIN {
        if (before == 0) { print name ": " count ", no baseline"; exit 1 }
        change = 100 * (count / before - 1)
        printf "%s: %d instructions, baseline %d, %+.1f %%\n", name, count, before, change
        if (change < -3) print name ": a gain worth writing down: --update"
        exit change > (name == "get" ? 20 : 3)
    }' || exit 1
done
