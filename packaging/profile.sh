#!/bin/sh
# Counts how often services pass where, for the compiler: builds the library as it is shipped, but with counters, has it make
# the calls of benches/micro, and writes down what it counted.
# Usage: profile.sh FOLDER PROFILE.GZ; FOLDER is for what is built meanwhile.
#
# The counts belong to functions by their names, which tell how the crate was built. So cargo is asked here for what
# `make library` asks it for, but for the flags: an archive, by the profile dist, with the same features. Another version of
# rustc gives other names, and none of the counts is of use to it.
#
# Needs rustc's counters (rustup has them), llvm-profdata of LLVM 19 or later, and what `make bench` needs.
set -eu
cd "$(dirname "$0")/.."
work=$1 profile=$2
mkdir -p "$work"
work=$(cd "$work" && pwd)

profdata=
for known in ${LLVM_PROFDATA:-llvm-profdata-22 llvm-profdata-21 llvm-profdata-20 llvm-profdata-19}; do
    if command -v "$known" >/dev/null; then profdata=$known && break; fi
done
[ -n "$profdata" ] || { echo "profile: no llvm-profdata of LLVM 19 or later; on Debian: apt-get install llvm-19" >&2; exit 1; }

# Before the minutes that the build takes.
sh benches/micro/run.sh needs train http bodies many

rm -f "$work/counting.so"
RUSTFLAGS="-Cprofile-generate=$work/counts" CARGO_TARGET_DIR=$work/build \
    "${CARGO:-cargo}" rustc --locked --profile dist --features silent --lib --crate-type staticlib
# The start of the counters stands in the archive like any other function.
sh packaging/roots.sh >"$work/roots"
echo "-u __llvm_profile_runtime" >>"$work/roots"
"${CC:-cc}" -shared -o "$work/counting.so" -Wl,-soname,libahoy.so.0 -Wl,-z,nodelete "@$work/roots" \
    "$work/build/dist/libahoy.a" -lgcc_s -lutil -lrt -lpthread -lm -ldl -lc

# Build scripts and macros were built with counters as well, and have run by now.
rm -rf "$work/counts"
ROUNDS=2 LIBAHOY=$work/counting.so CARGO_TARGET_DIR=$work sh benches/micro/run.sh train http bodies many >"$work/log" 2>&1 ||
    { cat "$work/log" >&2; exit 1; }
"$profdata" merge -o "$work/profile" "$work"/counts/*.profraw
gzip -9 -n <"$work/profile" >"$profile"
"$profdata" show "$work/profile"
