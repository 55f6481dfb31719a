#!/bin/sh
# The header alone: in each language version that the documentation promises, with both compilers, and
# twice in one program. CC and CXX are not used: the promise names gcc and clang.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=tests/check.sh
. tests/check.sh

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
strict="-Wall -Wextra -Wpedantic -Wconversion -Werror"
echo '#include <ahoy.h>' >"$work/alone.c"
cp "$work/alone.c" "$work/alone.cpp"

# shellcheck disable=SC2086 # flags are lists
for compiler in gcc clang; do
    for standard in c99 c11 c17; do
        check "$compiler -std=$standard" $compiler -std=$standard $strict -Wstrict-prototypes \
            -fsyntax-only -Iinclude "$work/alone.c"
    done
done
# shellcheck disable=SC2086
for compiler in g++ clang++; do
    for standard in c++11 c++17 c++20; do
        check "$compiler -std=$standard" $compiler -std=$standard $strict \
            -fsyntax-only -Iinclude "$work/alone.cpp"
    done
done

# A definition that slipped into the header would clash here.
twice() {
    printf '#include <ahoy.h>\n#include <ahoy.h>\nint one(void);\nint one(void) { return AHOY_OK; }\n' \
        >"$work/one.c"
    printf '#include <ahoy.h>\nint one(void);\nint main(void) { return one(); }\n' >"$work/two.c"
    # shellcheck disable=SC2086
    "$1" -std=c99 $strict -Iinclude "$work/one.c" "$work/two.c" -o "$work/twice" && "$work/twice"
}
check "included twice by gcc" twice gcc
check "included twice by clang" twice clang

# Every name that the header brings is ours.
foreign() {
    found=$(grep -E '^#define ' include/ahoy.h | grep -vE '^#define AHOY_' || :)
    types=$(sed -n 's/^typedef .*[ *]\([a-z_0-9]*\);$/\1/p' include/ahoy.h | grep -v '^ahoy_' || :)
    [ -z "$found$types" ] || { printf '%s\n' "$found" "$types" && return 1; }
}
check "all names start with ahoy" foreign

# Macros and constants work in the preprocessor.
cat >"$work/macros.c" <<'C'
#include <ahoy.h>
#if !AHOY_CHECK_VERSION(AHOY_VERSION_MAJOR, AHOY_VERSION_MINOR, AHOY_VERSION_PATCH)
#error this version is older than itself
#endif
#if AHOY_CHECK_VERSION(AHOY_VERSION_MAJOR, AHOY_VERSION_MINOR, AHOY_VERSION_PATCH + 1)
#error this version is newer than itself
#endif
#if AHOY_OK != 0
#error AHOY_OK is 0
#endif
const char *version(void);
const char *version(void) { return "v" AHOY_VERSION_STRING; }
C
# shellcheck disable=SC2086
check "macros" gcc -std=c99 $strict -fsyntax-only -Iinclude "$work/macros.c"

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
check "version from Cargo.toml" grep -qxF "#define AHOY_VERSION_STRING \"$version\"" include/ahoy.h

summary header
