#!/bin/sh
# ThreadSanitizer over the runtime, the queue and asynchronous calls, and half a minute of the soak.
#
#     tsan.sh [SECONDS]     of the soak; 30 by default, 0 leaves it out
#
# It sees only what was compiled for it, so std must be built again, with a compiler whose sources are there:
# Debian's rustc-web, unpacked under target/tsan/toolchain (150 MB to fetch, 900 MB unpacked) and not installed.
# The sanitizer's runtime comes from the toolchain that rustup keeps, for Debian's has none.
set -eu
cd "$(dirname "$0")/.."

seconds=${1:-30}
target=${CARGO_TARGET_DIR:-target}
case $target in /*) ;; *) target=$PWD/$target ;; esac
target=$target/tsan
toolchain=$target/toolchain
triple=x86_64-unknown-linux-gnu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

fail() {
    echo "tsan: $1; NOTHING WAS CHECKED" >&2
    exit 1
}

runtime=$(find "$(rustc --print sysroot)/lib/rustlib/$triple/lib" -name 'librustc-*_rt.tsan.a' 2>/dev/null | head -n 1)
[ -n "$runtime" ] || fail "the installed Rust toolchain brings no ThreadSanitizer runtime for $triple"

fetch() {
    command -v apt-get >/dev/null || fail "this system has no apt-get to fetch Debian's rustc-web"
    wanted='rustc-web cargo-web rust-web-src'
    as_root=
    [ "$(id -u)" -eq 0 ] || as_root=sudo
    $as_root apt-get -q update >"$work/log" 2>&1 || { cat "$work/log" >&2; fail "apt-get update failed"; }
    # What these need and the system does not have is fetched as well.
    # shellcheck disable=SC2086 # a list of package names
    apt-get install --simulate --no-install-recommends $wanted >"$work/log" 2>&1 ||
        { cat "$work/log" >&2; fail "apt-get knows no $wanted"; }
    packages=$(sed -n 's/^Inst \([^ ]*\).*/\1/p' "$work/log")
    for one in $wanted; do
        case " $(echo "$packages" | tr '\n' ' ')" in *" $one "*) ;; *) packages="$packages $one" ;; esac
    done
    echo "tsan: fetching" $packages
    # shellcheck disable=SC2086
    (cd "$work" && apt-get -q download $packages) >"$work/log" 2>&1 || { cat "$work/log" >&2; fail "apt-get download failed"; }
    rm -rf "$toolchain" "$toolchain.new"
    for package in "$work"/*.deb; do dpkg -x "$package" "$toolchain.new"; done
    mv "$toolchain.new" "$toolchain"
}

mkdir -p "$target"
[ -x "$toolchain/usr/bin/rustc" ] && [ -x "$toolchain/usr/bin/cargo" ] || fetch

multiarch=$(gcc -print-multiarch)
export LD_LIBRARY_PATH="$toolchain/usr/lib/$multiarch"
cp "$runtime" "$toolchain/usr/lib/rustlib/$triple/lib/librustc-stable_rt.tsan.a"
export RUSTC="$toolchain/usr/bin/rustc"
export RUSTC_BOOTSTRAP=1 # for -Z
export RUSTFLAGS=-Zsanitizer=thread
export CARGO_TARGET_DIR="$target"
export AHOY_HEADER=skip
# Everything takes about ten times as long.
export AHOY_RACES=3000
cargo() {
    command=$1
    shift
    "$toolchain/usr/bin/cargo" "$command" -Zbuild-std --target "$triple" "$@"
}

code=0
run() { # run NAME COMMAND...: a program with a report of the sanitizer fails
    echo "== tsan: $1"
    shift
    "$@" || code=1
}

tests='--test calls --test queue --test concurrency --test close'
# shellcheck disable=SC2086 # a list of options
cargo test --no-run --lib $tests || fail "the tests do not build"
# One test at a time: 65,536 calls in flight of one would hold up the calls of another for too long.
# shellcheck disable=SC2086
run "the tests" cargo test --no-fail-fast $tests -- --test-threads 1
run "unit tests of the runtime" cargo test --lib runtime::
run "unit tests of the client" cargo test --lib client::

if [ "$seconds" -gt 0 ]; then
    cargo rustc --lib --crate-type cdylib || fail "the library does not build"
    # The library takes the sanitizer's functions from the program that loads it.
    run "the soak" env -u LD_LIBRARY_PATH AHOY_LIB="$target/$triple/debug" AHOY_TSAN="$runtime" \
        sh tests/soak/run.sh "$seconds"
fi
exit $code
