#!/usr/bin/env bash
# Builds and runs the demo in a temporary folder. Needs a C compiler and libahoy, nothing else.
#
#     AHOY_INCLUDE=include AHOY_LIB=target/release examples-c/demo.sh
#
# AHOY_INCLUDE is the folder of ahoy.h, AHOY_LIB that of libahoy.so or .dylib; CC and CFLAGS as usual. The
# defaults are those of a checkout after `cargo build --release`.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
cc=${CC:-cc}
include=$(cd "${AHOY_INCLUDE:-$root/include}" && pwd)
lib=$(cd "${AHOY_LIB:-$root/target/release}" && pwd)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The loader looks for the name that is recorded in the library, which a build folder does not have.
for file in "$lib"/libahoy.so "$lib"/libahoy.dylib; do
    [ -e "$file" ] || continue
    ln -s "$file" "$work/${file##*/}"
    version=$(sed -n 's/^#define AHOY_VERSION_STRING "\(.*\)"/\1/p' "$include/ahoy.h")
    case $version in 0.*) abi=${version%.*} ;; *) abi=${version%%.*} ;; esac
    case $file in *.so) ln -s "$file" "$work/libahoy.so.$abi" ;; esac
done

flags="-std=c11 -O2 -Wall -Wextra -Werror ${CFLAGS:-}"
# shellcheck disable=SC2086  # flags are words
"$cc" $flags -o "$work/endpoints" "$root/tests/endpoints/endpoints.c"
# shellcheck disable=SC2086
"$cc" $flags -I"$include" -o "$work/demo" "$here/demo.c" -L"$work" -lahoy -Wl,-rpath,"$work"
"$work/demo" "$work/endpoints"
