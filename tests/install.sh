#!/bin/sh
# The installation: all files in place, nothing that names its place, so that it works after a move; linked
# against shared and static, by pkg-config and CMake; and gone after uninstall.
# Usage: install.sh [PROFILE]: that of what was built, release by default, as `make stage` does.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=tests/check.sh
. tests/check.sh

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
make=${MAKE:-make}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
unset PKG_CONFIG_PATH LD_LIBRARY_PATH

profile=${1:-release}
abi=${version%.*}
case $version in 0.*) ;; *) abi=${version%%.*} ;; esac
# Debian's place for libraries, which is one level deeper than the usual one.
lib=lib/x86_64-linux-gnu
installed() { "$make" -s "$1" PROFILE="$profile" CARGO=false PREFIX=/usr LIBDIR=/usr/$lib DESTDIR="$work/root"; }

check "make install DESTDIR=, without cargo" installed install
mv "$work/root/usr" "$work/moved"

for file in include/ahoy.h include/ahoy.hpp include/ahoy.ffi.h share/ahoy/ahoy.json $lib/libahoy.a "$lib/libahoy.so.$version" $lib/libahoy.so \
    $lib/pkgconfig/ahoy.pc $lib/pkgconfig/ahoy-static.pc $lib/cmake/ahoy/ahoyConfig.cmake \
    $lib/cmake/ahoy/ahoyConfigVersion.cmake share/doc/ahoy/LICENSE-MIT share/doc/ahoy/LICENSE-APACHE; do
    check "$file is there" test -s "$work/moved/$file"
done
soname=$(readelf -dW "$work/moved/$lib/libahoy.so" | sed -n 's/.*soname: \[\(.*\)\]/\1/p')
check "the soname $soname is there" test -s "$work/moved/$lib/$soname"
check "the shared library" sh tests/symbols.sh "$work/moved/$lib/libahoy.so"
check "each function has the version of its ABI" test \
    "$(nm -D --defined-only "$work/moved/$lib/libahoy.so" | grep -c "@@AHOY_$abi\$")" = "$(grep -c ^AHOY_API include/ahoy.h)"
nowhere() { ! grep -rlE "$work|/usr/" "$work/moved/$lib/pkgconfig" "$work/moved/$lib/cmake"; }
check "no file names its place" nowhere
# Every package that is linked in, with a text of its licence or of one like it.
notices=$work/moved/share/doc/ahoy/THIRD-PARTY
"${CARGO:-cargo}" tree --locked --edges normal --prefix none --format '{p}|{l}' ${FEATURES-} |
    sed -n 's/ (\*)$//; s/^\([^ ]*\) v\([^ |]*\).*|\(.*\)$/\1 \2: \3/p' | grep -v '^ahoy ' | sort -u >"$work/packages"
all_named() { [ -s "$work/packages" ] && ! grep -vxFf "$notices" "$work/packages"; }
check "the notices name every package" all_named

export PKG_CONFIG_PATH="$work/moved/$lib/pkgconfig"
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
        LD_LIBRARY_PATH="$work/moved/$lib" "$work/shared"
}
static() {
    # shellcheck disable=SC2046
    ${CC:-cc} $(pkg-config --cflags ahoy) "$work/version.c" "$work/moved/$lib/libahoy.a" -o "$work/static" \
        $(pkg-config --static --libs-only-l ahoy | sed 's/-lahoy//') && "$work/static"
}
check "a program linked with the moved library" shared
check "a program linked with the archive, without the shared library" static

static_pc() {
    # shellcheck disable=SC2046
    ${CC:-cc} "$work/version.c" -o "$work/static-pc" $(pkg-config --cflags --libs ahoy-static) &&
        ! readelf -dW "$work/static-pc" | grep libahoy && "$work/static-pc"
}
check "the same by ahoy-static.pc" static_pc

mkdir "$work/cmake"
cat >"$work/cmake/CMakeLists.txt" <<CMAKE
cmake_minimum_required(VERSION 3.13)
project(version C)
find_package(ahoy $abi CONFIG REQUIRED)
foreach(kind ahoy ahoy_static)
  add_executable(with_\${kind} $work/version.c)
  target_link_libraries(with_\${kind} ahoy::\${kind})
endforeach()
CMAKE
cmake_both() {
    cmake -S "$work/cmake" -B "$work/cmake/build" -DCMAKE_PREFIX_PATH="$work/moved" && cmake --build "$work/cmake/build" &&
        "$work/cmake/build/with_ahoy" && "$work/cmake/build/with_ahoy_static" &&
        ! readelf -dW "$work/cmake/build/with_ahoy_static" | grep libahoy
}
check "CMake finds both targets" cmake_both
too_new() {
    sed "s/find_package(ahoy $abi /find_package(ahoy $1 /" "$work/cmake/CMakeLists.txt" >"$work/too_new" &&
        mkdir -p "$work/cmake-$1" && mv "$work/too_new" "$work/cmake-$1/CMakeLists.txt" &&
        ! cmake -S "$work/cmake-$1" -B "$work/cmake-$1/build" -DCMAKE_PREFIX_PATH="$work/moved"
}
check "CMake refuses another ABI" too_new 0.0.1
check "CMake refuses a newer version" too_new "$version.1"

only_ours() { ! nm -g --defined-only "$work/moved/$lib/libahoy.a" | awk 'NF == 3 && $3 !~ /^ahoy_/' | grep .; }
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
check "beside another Rust archive" beside "$work/moved/$lib/libahoy.a" "$work/libother.a"
check "and in the other order" beside "$work/libother.a" "$work/moved/$lib/libahoy.a"

mkdir -p "$work/root"
mv "$work/moved" "$work/root/usr"
check "make uninstall" installed uninstall
empty() { left=$(find "$work/root" ! -type d) && [ -z "$left" ] || { echo "$left" && return 1; }; }
check "uninstall leaves nothing" empty

summary install
