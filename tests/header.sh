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

# ahoy.ffi.h declares the same functions, types and numbers: a compiler that has seen ahoy.h takes them again.
{
    echo '#include <ahoy.h>'
    sed -n 's/^    \(AHOY_[A-Z0-9_]*\) = \(-\{0,1\}[0-9]*\),\{0,1\}$/_Static_assert(\1 == \2, "\1");/p' include/ahoy.ffi.h
    sed -n 's,^/\* \(([a-z0-9_]*)\(AHOY_[A-Z0-9_]*\)\) is \(0x[0-9a-f]*\) \*/$,_Static_assert(\1 == \3\, "\2");,p' include/ahoy.ffi.h
    sed '/^enum {/,/^};/d' include/ahoy.ffi.h
} >"$work/plain.c"
# shellcheck disable=SC2086
check "ahoy.ffi.h declares what ahoy.h does" gcc -std=c11 $strict -fsyntax-only -Iinclude "$work/plain.c"
same_count() { [ "$(grep -cE "$1" include/ahoy.h)" = "$(grep -cE "$2" "$work/plain.c")" ]; }
check "ahoy.ffi.h has every function" same_count '^AHOY_API' '^[a-z].*[ *]ahoy_[a-z0-9_]*\('
check "ahoy.ffi.h has every type" same_count '^typedef' '^typedef'
check "ahoy.ffi.h has every number" same_count '^#define AHOY_([A-UW-Z][A-Z0-9_]*) (-?[0-9]+|UINT64_MAX)$' '^_Static_assert'
no_macro() { ! grep '^#' include/ahoy.ffi.h; }
check "ahoy.ffi.h needs no preprocessor" no_macro

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
check "version from Cargo.toml" grep -qxF "#define AHOY_VERSION_STRING \"$version\"" include/ahoy.h

summary header
