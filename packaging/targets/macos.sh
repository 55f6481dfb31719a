#!/bin/sh
# The library for macOS 11 or later, built on Linux: what is to be installed, in a folder as CMake and pkg-config expect it.
#
#     macos.sh arm64|x86_64 FOLDER VERSION ABI      PROFILE=dev is quick; AHOY_TOOLCHAIN and AHOY_ZIG as in their scripts
#
# Nothing of it was ever run: no macOS is at hand. What is checked is the file: names, versions, what it needs, signature.
#
# Rust is compiled by Debian's compiler for foreign targets, C by zig, which brings the system's headers, and lld links, for
# zig's linker takes no list of exports. Of Apple's SDK only names are needed, in `.tbd` files: zig has those of libSystem,
# and those of the frameworks are what the crates declare. Needs Debian's clang, lld and llvm, 14 or later.
set -eu
cd "$(dirname "$0")/../.."
arch=$1 out=$2 version=$3 abi=$4
profile=${PROFILE:-dist}
least=11.0
llvm=${AHOY_LLVM:-14}
case $arch in
    arm64) triple=aarch64-apple-darwin zig_target=aarch64-macos.$least ;;
    x86_64) triple=x86_64-apple-darwin zig_target=x86_64-macos.$least ;;
    *) echo "macos: no processor $arch" >&2 && exit 2 ;;
esac
for tool in clang ld64.lld llvm-ar llvm-nm llvm-objcopy llvm-objdump; do
    command -v "$tool-$llvm" >/dev/null || { echo "macos: $tool-$llvm is missing: apt-get install clang-$llvm lld-$llvm llvm-$llvm" >&2 && exit 1; }
done
# shellcheck source=packaging/targets/zig.sh
. packaging/targets/zig.sh
# shellcheck source=packaging/targets/toolchain.sh
. packaging/targets/toolchain.sh

built=${CARGO_TARGET_DIR:-target}/macos-build/$arch
mkdir -p "$built"
built=$(cd "$built" && pwd)
case $profile in dev) folder=$built/$triple/debug ;; *) folder=$built/$triple/$profile ;; esac
features=
[ "$profile" != dist ] || features='--features silent'

# The SDK: names alone.
sdk=$built/sdk
rm -rf "$sdk"
mkdir -p "$sdk/usr/lib"
sed 's/arm64e\.x1-macos/arm64-macos/g; s/, *arm64e\.x1-maccatalyst//g' \
    "$(dirname "$zig")/lib/libc/darwin/libSystem.tbd" >"$sdk/usr/lib/libSystem.tbd"
for alias in c m pthread dl; do ln -s libSystem.tbd "$sdk/usr/lib/lib$alias.tbd"; done
names() { # names INSTALL-NAME: a .tbd file of the names in the standard input
    printf -- "--- !tapi-tbd\ntbd-version: 4\ntargets: [ arm64-macos, x86_64-macos ]\ninstall-name: '%s'\n" "$1"
    printf 'exports:\n  - targets: [ arm64-macos, x86_64-macos ]\n    symbols: [ %s ]\n...\n' \
        "$(sed "s/.*/'_&'/" | paste -sd, -)"
}
# The crate libc names it, and the link drops it again, for nothing of it is used.
echo iconv | names /usr/lib/libiconv.2.dylib >"$sdk/usr/lib/libiconv.tbd"
${CARGO:-cargo} metadata --locked --format-version 1 --filter-platform $triple | tr ',' '\n' |
    sed -n 's/.*"manifest_path":"\([^"]*-sys-[^"]*\)\/Cargo.toml".*/\1/p' |
    grep -E '/(core-foundation|security-framework|system-configuration)-sys-' >"$built/crates"
xargs -I {} grep -rhoE 'pub (fn|static) [A-Za-z_0-9]+' {}/src <"$built/crates" | sed 's/.* //' | sort -u >"$built/declared-by-crates"
framework() { # framework NAME PATTERN
    mkdir -p "$sdk/System/Library/Frameworks/$1.framework"
    grep -E "$2" "$built/declared-by-crates" | names "/System/Library/Frameworks/$1.framework/Versions/A/$1" \
        >"$sdk/System/Library/Frameworks/$1.framework/$1.tbd"
}
framework CoreFoundation '^k?CF'
framework SystemConfiguration '^k?SC'
framework Security '^(k?Sec|SSL|CMS|kCMS|Authorization|kAuth|errSec)'

# What cc and rustc say of the target is said here already, in each one's words.
cat >"$built/cc" <<CC
#!/bin/sh
skip=
for argument; do
    shift
    [ -z "\$skip" ] || { skip= && continue; }
    case \$argument in
        --target=* | -mmacosx-version-min=* | -mmacos-version-min=*) ;;
        -arch | -isysroot | -target) skip=yes ;;
        *) set -- "\$@" "\$argument" ;;
    esac
done
exec env ZIG_GLOBAL_CACHE_DIR="$ZIG_GLOBAL_CACHE_DIR" ZIG_LOCAL_CACHE_DIR="$ZIG_LOCAL_CACHE_DIR" "$zig" cc -target $zig_target -fno-sanitize=all "\$@"
CC
cat >"$built/clang" <<LD
#!/bin/sh
exec clang-$llvm --target=$arch-apple-macos$least -mlinker-version=609 --ld-path="$(command -v "ld64.lld-$llvm")" \\
    -isysroot "$sdk" -nostdlib "\$@" -lSystem
LD
chmod +x "$built/cc" "$built/clang"
mkdir -p "$built/bin"
ln -sf "$(command -v "llvm-objcopy-$llvm")" "$built/bin/rust-objcopy" # rustc strips with it

name=$(echo $triple | tr - _)
upper=$(echo "$name" | tr '[:lower:]' '[:upper:]')
# No path of this machine goes into what is shipped.
here=$(pwd)
flags="--remap-path-prefix=$here=ahoy --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo --remap-path-prefix=$toolchain=rust"
export "CC_$name=$built/cc" "AR_$name=llvm-ar-$llvm" "CARGO_TARGET_${upper}_LINKER=$built/clang" "CARGO_TARGET_${upper}_RUSTFLAGS=$flags"
# shellcheck disable=SC2086 # a list of options
PATH="$built/bin:$PATH" SDKROOT="$sdk" MACOSX_DEPLOYMENT_TARGET=$least CARGO_TARGET_DIR=$built \
    web_cargo rustc --locked --profile "$profile" $features --lib --crate-type cdylib \
    -Zbuild-std=std,panic_unwind --target $triple >"$built/log" 2>&1 || { cat "$built/log" >&2 && exit 1; }

rm -rf "$out"
mkdir -p "$out/lib/cmake/ahoy" "$out/lib/pkgconfig" "$out/include" "$out/share/ahoy" "$out/share/doc/ahoy"
library=$out/lib/libahoy.$abi.dylib
cp "$folder/libahoy.dylib" "$library"
ln -s "libahoy.$abi.dylib" "$out/lib/libahoy.dylib"
cp include/ahoy.h include/ahoy.hpp include/ahoy.ffi.h "$out/include"
cp include/ahoy.json "$out/share/ahoy"
cp LICENSE-MIT LICENSE-APACHE README.md CHANGELOG.md "$out/share/doc/ahoy"
# shellcheck disable=SC2086
RUSTC="$toolchain/usr/bin/rustc" LD_LIBRARY_PATH="$toolchain/usr/lib/$(gcc -print-multiarch)" NOTICES_TARGET=$triple \
    CARGO="${CARGO:-cargo}" sh packaging/notices.sh "$built/THIRD-PARTY" --target $triple $features
cp "$built/THIRD-PARTY" "$out/share/doc/ahoy"
for file in ahoyConfig ahoyConfigVersion; do
    template=packaging/$file.cmake.in
    [ $file = ahoyConfigVersion ] || template=packaging/targets/macos.cmake.in
    sed -e "s/@VERSION@/$version/; s/@ABI@/$abi/" "$template" >"$out/lib/cmake/ahoy/$file.cmake"
done
cat >"$out/lib/pkgconfig/ahoy.pc" <<PC
prefix=\${pcfiledir}/../..
includedir=\${prefix}/include
libdir=\${prefix}/lib
description=\${prefix}/share/ahoy/ahoy.json

Name: ahoy
Description: HTTP client for services on several hosts
Version: $version
Cflags: -I\${includedir}
Libs: -L\${libdir} -lahoy -Wl,-rpath,\${libdir}
PC

fail() { echo "macos: $1" >&2 && exit 1; }
objdump() { "llvm-objdump-$llvm" --macho "$@"; }

awk -f tests/functions.awk include/ahoy.h | sed -n 's/^function|\([^|]*\).*/_\1/p' | sort >"$built/declared"
"llvm-nm-$llvm" --extern-only --defined-only --just-symbol-name "$library" | sort >"$built/exported"
diff "$built/declared" "$built/exported" || fail "exports (>) are not what ahoy.h declares (<)"

# Its own name and the versions that a program notes, then what it needs: "NAME (compatibility version X, current version Y)".
objdump --dylib-id "$library" | sed 1d >"$built/id"
objdump --dylibs-used "$library" | sed 1d | sed 's/^[[:space:]]*//' >"$built/dylibs"
[ "$(cat "$built/id")" = "@rpath/libahoy.$abi.dylib" ] || fail "it calls itself $(cat "$built/id")"
grep -qxF "@rpath/libahoy.$abi.dylib (compatibility version ${version%.*}.0, current version $version)" "$built/dylibs" ||
    fail "its versions are others: $(grep libahoy "$built/dylibs")"
needs=$(sed 's/ (.*//; /libahoy/d; s,.*/,,' "$built/dylibs" | sort)
others=$(echo "$needs" | grep -vxE 'libSystem\.B\.dylib|CoreFoundation|Security|SystemConfiguration' || :)
[ -z "$others" ] || fail "it needs $others"
objdump --private-headers "$library" | awk '/LC_BUILD_VERSION/ { found = 1 } found && $1 == "minos" { print $2; exit }' >"$built/minos"
[ "$(cat "$built/minos")" = $least ] || fail "it needs macOS $(cat "$built/minos")"
# ARM's loader kills a process whose pages are not those that were signed.
[ "$arch" = x86_64 ] || python3 packaging/targets/macos_signature.py "$library" || fail "its signature is wrong"
# Debug information of a quick build names sources.
[ "$profile" = dev ] || ! grep -aqF -e "$here" -e "$HOME/" "$library" || fail "a path of this machine is in it"

# A program in C links with it, and asks for it by that name.
"$built/cc" -std=c11 -Wall -Wextra -Werror -I "$out/include" -c examples-c/quickstart.c -o "$built/program.o"
"$built/clang" -L "$out/lib" "$built/program.o" -lahoy -Wl,-rpath,@loader_path/../lib -o "$built/program"
objdump --dylibs-used "$built/program" | grep -q "@rpath/libahoy.$abi.dylib" || fail "a program does not link with it"

echo "macos-$arch: $(wc -l <"$built/exported") functions, $(stat -c %s "$library") bytes, macOS $least, needs" $needs
