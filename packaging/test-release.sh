#!/bin/sh
# Whether the archives of `make release` are whole: test-release.sh FOLDER VERSION
# Their checksums hold, each has what a program is built from and an SBOM that CycloneDX's schema allows and that names what
# THIRD-PARTY does, and where this machine can link for the target, a program is linked with what was unpacked, by pkg-config
# and by CMake; where it can also run it, it runs. AHOY_CYCLONEDX as in release.sh.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=tests/check.sh
. tests/check.sh
out=$(cd "$1" && pwd) version=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
check "the checksums hold" sh -c "cd '$out' && sha256sum --check --quiet SHA256SUMS"

# PyPI's cyclonedx-python-lib brings the schema (12 MB, fetched once).
schema=${AHOY_CYCLONEDX:-${CARGO_TARGET_DIR:-target}/cyclonedx}/python
[ -d "$schema/cyclonedx" ] ||
    python3 -m pip install --quiet --disable-pip-version-check --no-warn-conflicts --root-user-action=ignore \
        --target "$schema" 'cyclonedx-python-lib[json-validation]==11.12.0'
cat >"$work/sbom.py" <<'PY'
import json, re, sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

text = open(sys.argv[1]).read()
error = JsonStrictValidator(SchemaVersion.V1_5).validate_str(text)
assert error is None, error
assert "path+file" not in text and "file://" not in text, "it names a folder"
components = json.loads(text)["components"]
listed = {f"{one['name']} {one['version']}" for one in components if one["licenses"]}
linked = set(re.findall(r"^-+\n(\S+ \S+): ", open(sys.argv[2]).read(), re.M))
assert len(linked) > 50 and linked <= listed, f"of THIRD-PARTY it does not name {sorted(linked - listed)}"
PY
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
# What compiles for the system, as $work/cc, with what CMake is told of it; how a program is run, in $under; what is asked of it
# then, in $will; the name of the library. False where nothing can be linked.
compiler() {
    under= will=runs shared=libahoy.so.${version%.*}
    case $1 in
        x86_64-linux-gnu) printf '#!/bin/sh\nexec cc "$@"\n' >"$work/cc" && about='' && chmod +x "$work/cc" && return ;;
        x86_64-windows)
            about='-DCMAKE_SYSTEM_NAME=Windows' shared=ahoy.dll
            command -v x86_64-w64-mingw32-gcc >/dev/null ||
                { echo "SKIP  $1: no x86_64-w64-mingw32-gcc, so nothing WAS LINKED with it" && return 1; }
            printf '#!/bin/sh\nexec x86_64-w64-mingw32-gcc "$@"\n' >"$work/cc"
            chmod +x "$work/cc"
            command -v wine >/dev/null || { will=links && return; }
            under=wine
            # The standard library asks for it, and wine 8 does not have it.
            "$work/cc" -shared -o "$work/bcryptprimitives.dll" tests/windows/bcryptprimitives.c -ladvapi32
            cp "$tree/bin/ahoy.dll" "$work"
            return
            ;;
        aarch64-*) triple=$1 about='-DCMAKE_SYSTEM_NAME=Linux' under='qemu-aarch64 -L /usr/aarch64-linux-gnu' ;;
        i686-*) triple=x86-linux-gnu about='-DCMAKE_SYSTEM_NAME=Linux' ;;
        *-macos)
            triple=$(echo "$1" | sed 's/arm64/aarch64/').11.0
            about="-DCMAKE_SYSTEM_NAME=Darwin -DCMAKE_INSTALL_NAME_TOOL=$(command -v true)"
            will=links
            shared=@rpath/libahoy.${version%.*}.dylib
            ;;
        *) triple=$1 about='-DCMAKE_SYSTEM_NAME=Linux' ;;
    esac
    # shellcheck source=packaging/targets/zig.sh
    . packaging/targets/zig.sh
    # gcc adds what unwinds by itself, and so ahoy.pc leaves it out; zig does not.
    case $1 in aarch64-*-gnu | i686-*) unwinds=' -lunwind' ;; *) unwinds= ;; esac
    printf '#!/bin/sh\nexec "%s" cc -target %s "$@"%s\n' "$zig" "$triple" "$unwinds" >"$work/cc"
    chmod +x "$work/cc"
}
linked() { # linked NAME: the program, with what pkg-config says of NAME
    rm -f "$work/first.exe"
    # shellcheck disable=SC2046 # a list of flags
    "$work/cc" "$work/first.c" -o "$work/first.exe" $(PKG_CONFIG_PATH=$tree/lib/pkgconfig pkg-config --cflags --libs "$1")
}
by_cmake() { # by_cmake TARGET
    rm -rf "$work/cmake" "$work/first.exe"
    mkdir "$work/cmake"
    cat >"$work/cmake/CMakeLists.txt" <<CMAKE
cmake_minimum_required(VERSION 3.16)
project(first C)
# CMake asks the machine that it runs on for the version of macOS, and does without where there is none.
if(APPLE)
  set(CMAKE_SHARED_LIBRARY_RUNTIME_C_FLAG "-Wl,-rpath,")
endif()
find_package(ahoy ${version%.*} REQUIRED CONFIG)
add_executable(first ../first.c)
set_target_properties(first PROPERTIES SUFFIX .exe)
target_link_libraries(first PRIVATE $1)
CMAKE
    # shellcheck disable=SC2086 # a list of options
    cmake -S "$work/cmake" -B "$work/cmake/built" -DCMAKE_C_COMPILER="$work/cc" -DCMAKE_PREFIX_PATH="$tree" $about &&
        cmake --build "$work/cmake/built" --verbose &&
        mv "$work/cmake/built/first.exe" "$work"
}
runs() {
    # shellcheck disable=SC2086 # a command and its options
    [ "$(env LD_LIBRARY_PATH="$libraries" WINEDEBUG=-all WINEDLLOVERRIDES=mscoree,mshtml= WINEPREFIX="${AHOY_WINEPREFIX:-$work/wine}" \
        $under "$work/first.exe" | tr -d '\r')" = "$version 1" ]
}
links() { [ -s "$work/first.exe" ]; }
asks_for() { grep -qaF "$1" "$work/first.exe"; }

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
    check "$system: its SBOM is whole" env PYTHONPATH="$schema" python3 "$work/sbom.py" "$out/$name.cdx.json" \
        "$tree/share/doc/ahoy/THIRD-PARTY"
    compiler "$system" || continue
    libraries=$tree/lib
    check "$system: a program is linked" linked ahoy
    check "$system: which asks for $shared" asks_for "$shared"
    check "$system: and $will" "$will"
    libraries=
    check "$system: one is linked by CMake" by_cmake ahoy::ahoy
    check "$system: which asks for $shared" asks_for "$shared"
    check "$system: and $will" "$will"
    # There is no static library for macOS.
    case $system in *-macos) ;; *)
        check "$system: one is linked statically" linked ahoy-static
        check "$system: and $will" "$will"
        check "$system: one is linked statically by CMake" by_cmake ahoy::ahoy_static
        check "$system: and $will" "$will"
        ;;
    esac
    rm -rf "$tree"
done
summary release
