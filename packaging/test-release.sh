#!/bin/sh
# Whether the archives of `make release` are whole: test-release.sh FOLDER VERSION
# Their checksums hold, each has what a program is built from, and where this machine can link for the target, a program
# is linked with what was unpacked; where it can also run it, it runs.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=tests/check.sh
. tests/check.sh
out=$(cd "$1" && pwd) version=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
check "the checksums hold" sh -c "cd '$out' && sha256sum --check --quiet SHA256SUMS"
check "the SBOM is CycloneDX and names rustls" python3 -c '
import json, sys
sbom = json.load(open(sys.argv[1]))
assert sbom["bomFormat"] == "CycloneDX"
assert any(one["name"] == "rustls" and one["version"] and one["licenses"] for one in sbom["components"])' "$out/libahoy-$version.cdx.json"

cat >"$work/first.c" <<'C'
#include <ahoy.h>
#include <stdio.h>
#include <string.h>
int main(void) {
    ahoy_client_builder *builder = ahoy_client_builder_new();
    ahoy_error *err = NULL;
    int refused = ahoy_client_builder_set(builder, "timeout", "soon", &err) == AHOY_E_INVALID_ARGUMENT;
    printf("%s %d\n", ahoy_version(), refused && strstr(ahoy_error_message(err), "timeout") != NULL);
    ahoy_error_free(err);
    ahoy_client_builder_free(builder);
    return !refused;
}
C
runs() { [ "$("$@" | tr -d '\r')" = "$version 1" ]; }

for archive in "$out"/libahoy-"$version"-*.tar.xz "$out"/libahoy-"$version"-*.zip; do
    [ -e "$archive" ] || continue
    case $archive in
        *.zip) unzip -q "$archive" -d "$work" ;;
        *) tar -C "$work" -xf "$archive" ;;
    esac
    name=$(basename "$archive")
    name=${name%.tar.xz}
    name=${name%.zip}
    tree=$work/$name
    system=${name#libahoy-"$version"-}
    for file in include/ahoy.h include/ahoy.hpp share/ahoy/ahoy.json share/doc/ahoy/THIRD-PARTY share/doc/ahoy/LICENSE-MIT \
        lib/pkgconfig/ahoy.pc lib/cmake/ahoy/ahoyConfig.cmake; do
        check "$system has $file" test -s "$tree/$file"
    done
    check "$system names no path of the machine that built it" sh -c "! grep -rqF -e '$PWD' -e '${CARGO_HOME:-$HOME/.cargo}' '$tree'"
    PKG_CONFIG_PATH=$tree/lib/pkgconfig
    export PKG_CONFIG_PATH
    # shellcheck disable=SC2046 # lists of flags
    case $system in
        x86_64-linux-gnu)
            check "$system: a program is linked" cc "$work/first.c" -o "$work/first" $(pkg-config --cflags --libs ahoy)
            check "$system: and runs" runs env LD_LIBRARY_PATH="$tree/lib" "$work/first"
            check "$system: linked statically" cc "$work/first.c" -o "$work/first" $(pkg-config --cflags --libs ahoy-static)
            check "$system: and runs" runs "$work/first"
            ;;
        x86_64-windows)
            if command -v x86_64-w64-mingw32-gcc >/dev/null; then
                check "$system: a program is linked" x86_64-w64-mingw32-gcc "$work/first.c" -o "$work/first.exe" -I "$tree/include" \
                    "$tree/lib/libahoy.dll.a"
                if command -v wine >/dev/null; then
                    # The standard library asks for it, and wine 8 does not have it.
                    x86_64-w64-mingw32-gcc -shared -o "$work/bcryptprimitives.dll" tests/windows/bcryptprimitives.c -ladvapi32
                    cp "$tree/bin/ahoy.dll" "$work"
                    check "$system: and runs" runs env WINEDEBUG=-all WINEDLLOVERRIDES=mscoree,mshtml= \
                        WINEPREFIX="${AHOY_WINEPREFIX:-$work/wine}" wine "$work/first.exe"
                fi
            else
                echo "SKIP  $system: no x86_64-w64-mingw32-gcc, so nothing WAS LINKED with it"
            fi
            ;;
        *)
            # shellcheck source=packaging/targets/zig.sh
            . packaging/targets/zig.sh
            case $system in
                i686-*) triple=x86-linux-gnu ;;
                *-macos) triple=$(echo "$system" | sed 's/arm64/aarch64/').11.0 ;;
                *) triple=$system ;;
            esac
            check "$system: a program is linked" "$zig" cc -target "$triple" "$work/first.c" -o "$work/first" -I "$tree/include" \
                -L "$tree/lib" -lahoy
            case $system in
                *-macos) check "$system: and asks for the library by its name" grep -qF "@rpath/libahoy.${version%.*}.dylib" "$work/first" ;;
                i686-* | x86_64-*) check "$system: and runs" runs env LD_LIBRARY_PATH="$tree/lib" "$work/first" ;;
                *) check "$system: and runs" runs qemu-aarch64 -L /usr/aarch64-linux-gnu -E LD_LIBRARY_PATH="$tree/lib" "$work/first" ;;
            esac
            ;;
    esac
    rm -rf "$tree"
done
summary release
