#!/bin/sh
# How many lines of its parser each target's seeds alone reach; fails below LEAST per cent (80 by default). Which
# lines are a target's parser says parsers.txt. LINES=1 names the lines that are not reached.
#
#     sh fuzz/coverage.sh [TARGET...]
#
# Needs no cargo-fuzz. Needs llvm-profdata and llvm-cov of the compiler's own LLVM: from the rustup component
# llvm-tools, from the system (llvm-profdata-22), or else Debian's, unpacked under the target directory and not
# installed (50 MB to fetch).
set -eu
cd "$(dirname "$0")"

target=${CARGO_TARGET_DIR:-target}
case $target in /*) ;; *) target=$PWD/$target ;; esac
target=$target/fuzz-coverage
reports=$target/reports
mkdir -p "$reports"

fail() {
    echo "fuzz-coverage: $1; NOTHING WAS MEASURED" >&2
    exit 1
}

llvm=$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
sysroot=$(rustc --print sysroot)
host=$(rustc -vV | sed -n 's/^host: //p')
tool() { # tool NAME: where it is
    for file in "$sysroot/lib/rustlib/$host/bin/$1" "$(command -v "$1-$llvm" || :)" "$target/llvm/usr/lib/llvm-$llvm/bin/$1"; do
        if [ -x "$file" ]; then echo "$file" && return; fi
    done
    return 1
}
if ! tool llvm-cov >/dev/null; then
    command -v apt-get >/dev/null || fail "there is no llvm-cov of LLVM $llvm: rustup component add llvm-tools"
    echo "fuzz-coverage: fetching Debian's llvm-$llvm"
    rm -rf "$target/llvm" && mkdir -p "$target/llvm"
    (cd "$target/llvm" && apt-get -q download "llvm-$llvm" "libllvm$llvm" >log 2>&1) ||
        { cat "$target/llvm/log" >&2; fail "apt-get download failed: rustup component add llvm-tools, or apt-get update"; }
    for package in "$target/llvm"/*.deb; do dpkg -x "$package" "$target/llvm" && rm "$package"; done
    export LD_LIBRARY_PATH="$target/llvm/usr/lib/$(gcc -print-multiarch):$target/llvm/usr/lib/llvm-$llvm/lib"
elif [ -d "$target/llvm/usr" ]; then
    export LD_LIBRARY_PATH="$target/llvm/usr/lib/$(gcc -print-multiarch):$target/llvm/usr/lib/llvm-$llvm/lib"
fi
profdata=$(tool llvm-profdata) && cov=$(tool llvm-cov) || fail "the tools of LLVM $llvm are not there"
"$cov" --version >"$target/log" 2>&1 || { cat "$target/log" >&2; fail "$cov does not run"; }

if [ $# -eq 0 ]; then
    for file in fuzz_targets/*.rs; do set -- "$@" "$(basename "$file" .rs)"; done
fi
bins=
for name; do bins="$bins --bin $name"; done
# shellcheck disable=SC2086 # a list of options
RUSTFLAGS='--cfg fuzzing -Cinstrument-coverage' AHOY_HEADER=skip CARGO_PROFILE_DEV_DEBUG=0 env -u LD_LIBRARY_PATH \
    ${CARGO:-cargo} build --quiet --target "$host" --target-dir "$target" $bins || fail "the targets do not build"

for name; do
    program=$target/$host/debug/$name
    rm -f "$reports/$name".*
    # Given files, libFuzzer runs each of them once and changes none.
    LLVM_PROFILE_FILE="$reports/$name.%p.profraw" "$program" seeds/"$name"/* >"$reports/$name.log" 2>&1 ||
        { cat "$reports/$name.log" >&2; fail "a seed of $name fails"; }
    "$profdata" merge -sparse "$reports/$name".*.profraw -o "$reports/$name.profdata"
    "$cov" export -format=lcov -instr-profile="$reports/$name.profdata" "$program" -sources ../src \
        >"$reports/$name.lcov" 2>"$reports/$name.log" || { cat "$reports/$name.log" >&2; fail "llvm-cov fails"; }
done
python3 coverage.py "${LEAST:-80}" "$reports" "$@"
