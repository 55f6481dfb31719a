#!/bin/sh
# The C examples and the NULL test with what packaging/targets/linux-portable.sh or linux-cross.sh left; with musl the tests
# of Go's binding as well (apt: golang-go):
#
#     linux_cross.sh portable|aarch64|i686|musl FOLDER VERSION ABI
#
# portable, i686 and musl run on this machine, i686 with the libraries of 32 bits (apt: libc6-i386), musl by its loader (apt:
# musl); aarch64 in qemu-user, with the libraries of libc6-arm64-cross.
set -eu
cd "$(dirname "$0")/.."
system=$1 folder=$(cd "$2" && pwd) version=$3 abi=$4
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
case $system in
    portable) AHOY_UNDER='' ;;
    i686) AHOY_UNDER='' && [ -x /lib/ld-linux.so.2 ] || { echo "i686: apt-get install libc6-i386" >&2 && exit 1; } ;;
    musl) AHOY_UNDER='' && [ -x /lib/ld-musl-x86_64.so.1 ] || { echo "musl: apt-get install musl" >&2 && exit 1; } ;;
    aarch64)
        AHOY_UNDER='qemu-aarch64 -L /usr/aarch64-linux-gnu'
        command -v qemu-aarch64 >/dev/null && [ -d /usr/aarch64-linux-gnu/lib ] ||
            { echo "aarch64: apt-get install qemu-user libc6-arm64-cross" >&2 && exit 1; }
        ;;
    *) echo "linux_cross: no system $system" >&2 && exit 2 ;;
esac
export AHOY_UNDER AHOY_STAGE="$stage" AHOY_CC="$folder/cc"
PREFIX=$stage LIBDIR=$stage/lib DESTDIR='' sh packaging/install.sh "$folder" "$version" "$abi" >/dev/null
bash tests/examples.sh
CC=$AHOY_CC sh tests/null.sh plain "$folder/ready/libahoy.so.$version" | tail -n 1
if [ "$system" = musl ]; then
    mkdir "$stage/go"
    cp -R --parents bindings/go bindings/suite include "$stage/go"
    "$stage/go/bindings/go/archive.sh" "$folder/ready/libahoy.a"
    env -C "$stage/go/bindings/go" CC="$AHOY_CC" GOFLAGS=-mod=mod GOPROXY=off go test -short .
fi
