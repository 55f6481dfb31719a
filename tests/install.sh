#!/bin/sh
# The installation: all files in place, nothing that names its place, so that it works after a move; linked
# against shared and static; and gone after uninstall. Expects `make stage` to have built the library.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=tests/check.sh
. tests/check.sh

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
make=${MAKE:-make}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
unset PKG_CONFIG_PATH LD_LIBRARY_PATH

check "make install DESTDIR=" "$make" -s install PREFIX=/usr DESTDIR="$work/root"
mv "$work/root/usr" "$work/moved"

for file in include/ahoy.h include/ahoy.hpp include/ahoy.ffi.h include/ahoy.json lib/libahoy.a "lib/libahoy.so.$version" \
    lib/libahoy.so lib/pkgconfig/ahoy.pc; do
    check "$file is there" test -s "$work/moved/$file"
done
soname=$(readelf -dW "$work/moved/lib/libahoy.so" | sed -n 's/.*soname: \[\(.*\)\]/\1/p')
check "the soname $soname is there" test -s "$work/moved/lib/$soname"

export PKG_CONFIG_PATH="$work/moved/lib/pkgconfig"
check "pkg-config knows the version" test "$(pkg-config --modversion ahoy)" = "$version"
cat >"$work/version.c" <<'C'
#include <ahoy.h>
#include <string.h>
int main(void)
{
    return strcmp(ahoy_version(), AHOY_VERSION_STRING) != 0 || ahoy_version_number() != AHOY_VERSION_NUM;
}
C
shared() {
    # shellcheck disable=SC2046 # flags are a list
    ${CC:-cc} "$work/version.c" -o "$work/shared" $(pkg-config --cflags --libs ahoy) &&
        LD_LIBRARY_PATH="$work/moved/lib" "$work/shared"
}
static() {
    # shellcheck disable=SC2046
    ${CC:-cc} $(pkg-config --cflags ahoy) "$work/version.c" "$work/moved/lib/libahoy.a" -o "$work/static" \
        $(pkg-config --static --libs-only-l ahoy | sed 's/-lahoy//') && "$work/static"
}
check "a program linked with the moved library" shared
check "a program linked with the archive, without the shared library" static

only_ours() { ! nm -g --defined-only "$work/moved/lib/libahoy.a" | awk 'NF == 3 && $3 !~ /^ahoy_/' | grep .; }
check "only ahoy_ functions are global in the archive" only_ours
entirely_static() {
    # shellcheck disable=SC2046
    ${CC:-cc} -static tests/static/call.c -o "$work/entirely" $(pkg-config --static --cflags --libs ahoy) &&
        ! readelf -lW "$work/entirely" | grep INTERP && [ "$("$work/entirely")" = well ]
}
check "a program linked with -static makes a call" entirely_static
# Optimised as a whole, as shipped archives are, so that its standard library comes with it in one object.
"${RUSTC:-rustc}" --edition 2024 --crate-type staticlib -O -C lto=fat -o "$work/libother.a" tests/static/other.rs
beside() {
    # shellcheck disable=SC2046
    ${CC:-cc} -DOTHER tests/static/call.c -o "$work/beside" $(pkg-config --cflags ahoy) "$@" \
        $(pkg-config --static --libs-only-l ahoy | sed 's/-lahoy//') && [ "$("$work/beside")" = well ]
}
check "beside another Rust archive" beside "$work/moved/lib/libahoy.a" "$work/libother.a"
check "and in the other order" beside "$work/libother.a" "$work/moved/lib/libahoy.a"

mkdir -p "$work/root"
mv "$work/moved" "$work/root/usr"
check "make uninstall" "$make" -s uninstall PREFIX=/usr DESTDIR="$work/root"
empty() { left=$(find "$work/root" ! -type d) && [ -z "$left" ] || { echo "$left" && return 1; }; }
check "uninstall leaves nothing" empty

summary install
