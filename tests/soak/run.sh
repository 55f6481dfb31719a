#!/bin/sh
# Runs the soak: many threads and all ways to wait against servers that misbehave.
#
#     run.sh [SECONDS]     300 by default
#
# AHOY_LIB=DIRECTORY      where libahoy.so is; otherwise it is built here
# AHOY_SOAK_SEED=N        the servers' schedule and what the threads do; 1 by default
# AHOY_SOAK_THREADS=N     16 by default
# AHOY_SOAK_RETIRE=1      two minutes more, to see idle shards end
# AHOY_TSAN=ARCHIVE       the library was made for ThreadSanitizer, whose runtime this is
# AHOY_VALGRIND=1         10 s and 4 threads under valgrind, with limits to match
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

if [ -z "${AHOY_LIB:-}" ]; then
    (cd "$root" && "${CARGO:-cargo}" build --release)
    AHOY_LIB=$root/target/release
    [ -z "${CARGO_TARGET_DIR:-}" ] || AHOY_LIB=$CARGO_TARGET_DIR/release
fi
# The name that programs look for is made by the installation.
soname=$(readelf -d "$AHOY_LIB/libahoy.so" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')
mkdir "$work/lib"
ln -s "$(cd "$AHOY_LIB" && pwd)/libahoy.so" "$work/lib/libahoy.so"
ln -sf libahoy.so "$work/lib/${soname:-libahoy.so.0}"

compile() {
    "${CC:-cc}" -std=c11 -O2 -g -Wall -Wextra -Wpedantic -Werror "$@"
}
compile -o "$work/servers" "$here/servers.c"
compile -pthread -I"$root/include" ${AHOY_TSAN:+-fsanitize=thread} -c -o "$work/soak.o" "$here/soak.c"
# The sanitizer that Rust comes with, whole: the library takes its functions from the program.
compile -pthread -o "$work/soak" "$work/soak.o" -L"$work/lib" -lahoy -Wl,-rpath,"$work/lib" \
    ${AHOY_TSAN:+-rdynamic -Wl,--whole-archive "$AHOY_TSAN" -Wl,--no-whole-archive -lm -ldl}

slow=
if [ -n "${AHOY_VALGRIND:-}" ]; then
    slow=1
    # Everything takes many times longer; a child's memory is its parent's, so it leaves without a look at it.
    export AHOY_SOAK_LEAVE_BY_KILL=1
    set -- "${1:-10}" "${AHOY_SOAK_THREADS:-4}" sh "$root/tests/memcheck.sh" --child-silent-after-fork=yes --fair-sched=yes
elif [ -n "${AHOY_TSAN:-}" ]; then
    slow=1
    export AHOY_SOAK_LEAVE_BY_KILL=1 TSAN_OPTIONS="die_after_fork=0 ${TSAN_OPTIONS:-}"
    set -- "${1:-30}" "${AHOY_SOAK_THREADS:-8}"
else
    set -- "${1:-300}" "${AHOY_SOAK_THREADS:-16}"
fi
seconds=$1
threads=$2
shift 2
nice -n 5 "$@" "$work/soak" --seed "${AHOY_SOAK_SEED:-1}" --seconds "$seconds" --threads "$threads" \
    ${slow:+--slack 5000 --no-memory} ${AHOY_SOAK_RETIRE:+--retire} "$work/servers"
