#!/bin/sh
# Makes from cargo's archive what is installed: the archive and the shared library, from one object.
# Usage: link.sh FOLDER VERSION ABI, where FOLDER has libahoy.a and native-static-libs; the result is in FOLDER/ready.
# SHARED_LIBRARIES is what the shared library is linked with, where that is not native-static-libs.
#
# The object holds what the functions of ahoy.h need, and they alone are global in it. So the archive links beside
# another Rust archive, whose standard library has the same names. Symbols that nothing refers to go, for as strong ones
# they would take the place of the other's weak ones; so does bitcode, which is for link-time optimisation by the same
# compiler. The shared library gives each function the version of its ABI, which rustc cannot: it hands the linker a
# version script without a name, beside which none with a name may stand.
#
# Relative relocations are packed where this system's C library reads them so (glibc 2.36 of 2022): 0.2 MB less in the file
# and in each process. An older one refuses such a library with a word; for those is `make linux-portable`.
#
# Needs GNU's tools; elsewhere cargo's libraries are taken as they are.
set -eu
cd "$(dirname "$0")/.."
from=$1 version=$2 abi=$3
ready=$from/ready

[ ! "$ready/libahoy.a" -nt "$from/libahoy.a" ] || [ ! -e "$ready/libahoy.so.$version" ] || exit 0
rm -rf "$ready"
mkdir -p "$ready"

if ! "${LD:-ld}" --version 2>/dev/null | grep -q '^GNU ld'; then
    cp "$from/libahoy.a" "$ready/libahoy.a"
    cp "$from/libahoy.so" "$ready/libahoy.so.$version"
    exit 0
fi

work=$ready/work
mkdir "$work"
# Every function is a root of what stays.
sh packaging/roots.sh >"$work/roots"
test -s "$work/roots"
"${LD:-ld}" -r -S --gc-sections --force-group-allocation "@$work/roots" -o "$work/whole.o" "$from/libahoy.a"
"${OBJCOPY:-objcopy}" -R .llvmbc -R .llvmcmd "$work/whole.o"
"${NM:-nm}" -g --defined-only "$work/whole.o" | awk '$3 !~ /^ahoy_/ { print $3 }' >"$work/others"
"${OBJCOPY:-objcopy}" --strip-unneeded --localize-symbols="$work/others" "$work/whole.o" "$work/ahoy.o"

packed=
if [ -z "${SHARED_LIBRARIES:-}" ] &&
    "${READELF:-readelf}" -V "$("${CC:-cc}" -print-file-name=libc.so.6)" 2>/dev/null | grep -q GLIBC_ABI_DT_RELR &&
    "${LD:-ld}" --help | grep -q pack-relative-relocs; then
    packed=-Wl,-z,pack-relative-relocs
fi

printf 'AHOY_%s { global: ahoy_*; local: *; };\n' "$abi" >"$work/version"
# shellcheck disable=SC2046 # libraries are a list
"${CC:-cc}" -shared -s -o "$ready/libahoy.so.$version" "$work/ahoy.o" \
    -Wl,-soname,"libahoy.so.$abi" -Wl,--version-script="$work/version" \
    -Wl,-z,nodelete,-z,relro,-z,now,-z,noexecstack -Wl,--no-undefined -Wl,--as-needed -Wl,--build-id $packed \
    ${SHARED_LIBRARIES:-$(cat "$from/native-static-libs")}

"${AR:-ar}" rcsD "$work/libahoy.a" "$work/ahoy.o"
# The archive last: its time says that all is there.
mv "$work/libahoy.a" "$ready/libahoy.a"
rm -rf "$work"
