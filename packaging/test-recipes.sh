#!/bin/sh
# The vcpkg port and the Conan recipe, as far as that goes without their servers: test-recipes.sh [PROFILE]
# The port runs in CMake with stand-ins for vcpkg's functions, and what it leaves must be found by find_package. Conan,
# where it is installed (pip install conan), takes the recipe with its sources; with AHOY_CONAN=1 it builds from them as
# well, for minutes.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=tests/check.sh
. tests/check.sh
profile=${1:-dist}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
target=${CARGO_TARGET_DIR:-target}
case $target in /*) ;; *) target=$PWD/$target ;; esac
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)

check "the port's version is that of the crate" grep -qF "\"version\": \"$version\"" packaging/vcpkg/vcpkg.json
check "its manifest is JSON" python3 -m json.tool packaging/vcpkg/vcpkg.json

# vcpkg's functions, as far as the port calls them. What was built before is taken in place of a build.
cat >"$work/run.cmake" <<CMAKE
cmake_minimum_required(VERSION 3.13)
set(CURRENT_BUILDTREES_DIR "$work/buildtrees")
set(CURRENT_PACKAGES_DIR "$work/packages")
set(TARGET_TRIPLET x64-linux)
file(MAKE_DIRECTORY "\${CURRENT_BUILDTREES_DIR}")
file(CREATE_LINK "$target" "\${CURRENT_BUILDTREES_DIR}/x64-linux" SYMBOLIC)
function(vcpkg_execute_required_process)
  cmake_parse_arguments(it "" "WORKING_DIRECTORY;LOGNAME" "COMMAND" \${ARGN})
  if("build" IN_LIST it_COMMAND)
    return()
  endif()
  execute_process(COMMAND \${it_COMMAND} PROFILE=$profile WORKING_DIRECTORY "\${it_WORKING_DIRECTORY}" COMMAND_ERROR_IS_FATAL ANY)
endfunction()
function(vcpkg_cmake_config_fixup)
  file(MAKE_DIRECTORY "\${CURRENT_PACKAGES_DIR}/share")
  file(RENAME "\${CURRENT_PACKAGES_DIR}/lib/cmake/ahoy" "\${CURRENT_PACKAGES_DIR}/share/cmake-ahoy")
endfunction()
function(vcpkg_fixup_pkgconfig)
endfunction()
function(vcpkg_install_copyright)
  list(REMOVE_AT ARGN 0)
  foreach(file \${ARGN})
    string(REPLACE "/dist/" "/$profile/" file "\${file}")
    if(NOT EXISTS "\${file}")
      message(FATAL_ERROR "\${file} is not there")
    endif()
  endforeach()
endfunction()
set(VCPKG_LIBRARY_LINKAGE \${LINKAGE})
include("$PWD/packaging/vcpkg/portfile.cmake")
CMAKE
port() { rm -rf "$work/buildtrees" "$work/packages" && cmake -DLINKAGE="$1" -P "$work/run.cmake"; }
check "the port, dynamic" port dynamic
check "it leaves the shared library alone" test -e "$work/packages/lib/libahoy.so.$version" -a ! -e "$work/packages/lib/libahoy.a"
check "the port, static" port static
check "it leaves the archive alone" test -e "$work/packages/lib/libahoy.a" -a ! -e "$work/packages/lib/libahoy.so"

if command -v conan >/dev/null; then
    export CONAN_HOME="$work/conan"
    conan profile detect >/dev/null 2>&1
    exported() { conan export packaging/conan && conan list "libahoy/$version" | grep -q "libahoy/$version"; }
    check "Conan takes the recipe" exported
    # Its sources must be enough to build from: what cargo reads is there.
    sources() { folder=$(conan cache path "libahoy/$version:export_source" 2>/dev/null || conan cache path "libahoy/$version" --folder export_source) &&
        CARGO_NET_OFFLINE=true cargo metadata --locked --format-version 1 --no-deps --manifest-path "$folder/Cargo.toml" >/dev/null &&
        test -e "$folder/src/lib.rs" -a -e "$folder/packaging/link.sh" -a -e "$folder/build/main.rs"; }
    check "with all sources" sources
    if [ -n "${AHOY_CONAN:-}" ]; then
        made() { conan create packaging/conan -o "&:profile=$profile" --no-remote; }
        check "Conan makes a package" made
    fi
else
    echo "SKIP  conan: it is not installed (pip install conan), so its recipe WAS NOT TRIED"
fi
summary recipes
