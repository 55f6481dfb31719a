#!/bin/sh
# Installs what `make windows` and `make test-windows` need on Debian and its relatives: mingw-w64 (56 MB), wine (105 MB), and
# LLVM with its compiler and linker (220 MB), as for macOS.
set -eu
missing=
has() { command -v "$1" >/dev/null; }
has x86_64-w64-mingw32-gcc && has x86_64-w64-mingw32-g++ || missing="$missing mingw-w64"
has wine || missing="$missing wine wine64"
has llvm-dlltool-14 || missing="$missing llvm-14"
has clang-14 || missing="$missing clang-14"
has lld-link-14 || missing="$missing lld-14"
# For the example with an event loop.
[ -e /usr/include/asio.hpp ] || missing="$missing libasio-dev"
# For the network of few ports.
[ -x /sbin/ip ] || has ip || missing="$missing iproute2"
[ -n "$missing" ] || exit 0
as_root=
[ "$(id -u)" -eq 0 ] || as_root=sudo
# shellcheck disable=SC2086 # a list of packages
$as_root apt-get -q update && $as_root apt-get install -q -y --no-install-recommends $missing
