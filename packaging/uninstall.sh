#!/bin/sh
# Takes away what install.sh put there.
# Usage: uninstall.sh VERSION ABI, with PREFIX, LIBDIR and DESTDIR in the environment.
set -eu
version=$1 abi=$2
: "${PREFIX:=/usr/local}"
: "${LIBDIR:=$PREFIX/lib}"
prefix=${DESTDIR:-}$PREFIX
lib=${DESTDIR:-}$LIBDIR

rm -f "$prefix/include/ahoy.h" "$prefix/include/ahoy.hpp" "$prefix/include/ahoy.ffi.h" "$prefix/bin/ahoy" \
    "$lib/libahoy.a" "$lib/libahoy.so" "$lib/libahoy.so.$abi" "$lib/libahoy.so.$version" \
    "$lib/pkgconfig/ahoy.pc" "$lib/pkgconfig/ahoy-static.pc" \
    "$prefix/share/man/man1/ahoy.1" "$prefix/share/bash-completion/completions/ahoy" "$prefix/share/zsh/site-functions/_ahoy" \
    "$prefix/share/fish/vendor_completions.d/ahoy.fish"
rm -rf "$lib/cmake/ahoy" "$prefix/share/ahoy" "$prefix/share/doc/ahoy"
