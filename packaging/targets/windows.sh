#!/bin/sh
# The library for Windows on x86-64, by mingw-w64: what is to be installed, in a folder as CMake and pkg-config expect it.
#
#     windows.sh FOLDER VERSION ABI      PROFILE=dev is quick; AHOY_TOOLCHAIN as in toolchain.sh
#
# | bin/ahoy.dll            | exports what ahoy.h declares and nothing else, needs system libraries alone               |
# | lib/libahoy.dll.a       | the import library of mingw                                                               |
# | lib/ahoy.lib, ahoy.def  | the import library as lld-link and MSVC make it, and the list of exports                  |
# | lib/libahoy.a           | the static library, for mingw; programs define AHOY_STATIC before they include ahoy.h      |
# | lib/cmake, lib/pkgconfig, include, share | as elsewhere                                                             |
#
# `sh tests/install-windows.sh` installs what it needs.
set -eu
cd "$(dirname "$0")/../.."
out=$1 version=$2 abi=$3
profile=${PROFILE:-dist}
triple=x86_64-pc-windows-gnu
mingw=x86_64-w64-mingw32

llvm=${AHOY_LLVM:-14}
for tool in $mingw-gcc $mingw-objdump $mingw-dlltool $mingw-strip $mingw-windres llvm-dlltool-$llvm; do
    command -v "$tool" >/dev/null || { echo "windows: $tool is missing: sh tests/install-windows.sh" >&2 && exit 1; }
done
# shellcheck source=packaging/targets/toolchain.sh
. packaging/targets/toolchain.sh

built=${CARGO_TARGET_DIR:-target}/windows-build
case $profile in dev) folder=$built/$triple/debug ;; *) folder=$built/$triple/$profile ;; esac
features=
[ "$profile" != dist ] || features='--features silent'
mkdir -p "$built"
# No path of this machine goes into what is shipped.
here=$(pwd)
flags="--remap-path-prefix=$here=ahoy --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo --remap-path-prefix=$toolchain=rust"
# shellcheck disable=SC2086 # a list of options
CARGO_TARGET_DIR=$built CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER=$mingw-gcc \
    CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUSTFLAGS=$flags CC_x86_64_pc_windows_gnu=$mingw-gcc AR_x86_64_pc_windows_gnu=$mingw-ar \
    web_cargo rustc --locked --profile "$profile" $features --lib --crate-type cdylib,staticlib \
    -Zbuild-std=std,panic_unwind --target $triple -- --print native-static-libs 2>"$built/log" || { cat "$built/log" >&2 && exit 1; }
libraries=$(sed -n 's/^note: native-static-libs: //p' "$built/log" | tail -n 1)
[ -z "$libraries" ] || echo "$libraries" >"$built/native-static-libs"
# Cargo says nothing of them where there was nothing to build.
libraries=$(tr ' ' '\n' <"$built/native-static-libs" | awk '!seen[$0]++' | tr '\n' ' ' | sed 's/ *$//')

rm -rf "$out"
mkdir -p "$out/bin" "$out/lib/cmake/ahoy" "$out/lib/pkgconfig" "$out/include" "$out/share/ahoy" "$out/share/doc/ahoy"
cp "$folder/ahoy.dll" "$out/bin/ahoy.dll"
cp "$folder/libahoy.a" "$out/lib/libahoy.a"
[ "$profile" = dev ] || $mingw-strip --strip-debug "$out/lib/libahoy.a"
cp include/ahoy.h include/ahoy.hpp include/ahoy.ffi.h "$out/include"
cp include/ahoy.json "$out/share/ahoy"
cp LICENSE-MIT LICENSE-APACHE README.md CHANGELOG.md "$out/share/doc/ahoy"
RUSTC="$toolchain/usr/bin/rustc" LD_LIBRARY_PATH="$toolchain/usr/lib/$(gcc -print-multiarch)" NOTICES_TARGET=$triple \
    CARGO="${CARGO:-cargo}" sh packaging/notices.sh "$built/THIRD-PARTY" --target $triple $features
cp "$built/THIRD-PARTY" "$out/share/doc/ahoy"

exports() { $mingw-objdump -p "$1" | sed -n '/Ordinal\/Name Pointer/,/^$/s/^[[:space:]]*\[ *[0-9]*\].* \([A-Za-z_][A-Za-z0-9_@]*\)$/\1/p' | sort -u; }
needs() { $mingw-objdump -p "$1" | sed -n 's/^[[:space:]]*DLL Name: //p' | sort -fu; }

awk -f tests/functions.awk include/ahoy.h | sed -n 's/^function|\([^|]*\).*/\1/p' | sort >"$built/declared"
exports "$out/bin/ahoy.dll" >"$built/exported"
diff "$built/declared" "$built/exported" || { echo "windows: exports (>) are not what ahoy.h declares (<)" >&2 && exit 1; }
# What comes with Windows 10 and later.
system='advapi32|bcrypt|bcryptprimitives|crypt32|iphlpapi|kernel32|ktmw32|msvcrt|ncrypt|ntdll|ole32|oleaut32|secur32|shell32|user32|userenv|ws2_32|api-ms-win-.*'
others=$(needs "$out/bin/ahoy.dll" | grep -viE "^($system)\.dll$" || :)
[ -z "$others" ] || { echo "windows: ahoy.dll needs $others" >&2 && exit 1; }

{ echo 'LIBRARY ahoy.dll' && echo EXPORTS && cat "$built/exported"; } >"$out/lib/ahoy.def"
# Both import libraries from the list, and without times. GNU's is made of objects, whose order MSVC's linker does not keep;
# LLVM's has a short record for each function, as MSVC's own.
$mingw-dlltool -D ahoy.dll -d "$out/lib/ahoy.def" -l "$out/lib/libahoy.dll.a" --deterministic-libraries
"llvm-dlltool-$llvm" -m i386:x86-64 -D ahoy.dll -d "$out/lib/ahoy.def" -l "$out/lib/ahoy.lib"

semicolons=$(echo "$libraries" | tr ' ' ';')
for file in ahoyConfig ahoyConfigVersion; do
    template=packaging/$file.cmake.in
    [ $file = ahoyConfigVersion ] || template=packaging/targets/windows.cmake.in
    sed -e "s/@VERSION@/$version/; s/@ABI@/$abi/; s/@PRIVATE@/$semicolons/" "$template" >"$out/lib/cmake/ahoy/$file.cmake"
done
pc() { # pc NAME DESCRIPTION CFLAGS LIBS
    cat >"$out/lib/pkgconfig/$1.pc" <<PC
prefix=\${pcfiledir}/../..
includedir=\${prefix}/include
libdir=\${prefix}/lib
description=\${prefix}/share/ahoy/ahoy.json

Name: $1
Description: $2
Version: $version
Cflags: -I\${includedir}$3
Libs: $4
PC
}
pc ahoy "HTTP client for services on several hosts" "" "-L\${libdir} -lahoy"
pc ahoy-static "HTTP client for services on several hosts, linked into the program" " -DAHOY_STATIC" "\${libdir}/libahoy.a $libraries"

echo "windows: $(wc -l <"$built/exported") functions; $(wc -c <"$out/bin/ahoy.dll") bytes in ahoy.dll, which needs:" $(needs "$out/bin/ahoy.dll")
