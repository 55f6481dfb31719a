#!/bin/sh
# Whether what the fuzz targets stand on is as they are: the library compiles with what it shows them, and each bug of
# planted/ can be planted. Needs no cargo-fuzz.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=tests/check.sh
. tests/check.sh

check "the library with cfg(fuzzing)" "${CARGO:-cargo}" rustc --locked --lib --profile check -- --cfg fuzzing
for target in fuzz/fuzz_targets/*.rs; do
    name=$(basename "$target" .rs)
    check "a planted bug for $name" patch --dry-run --force -p1 -i "fuzz/planted/$name.patch"
done
summary fuzzing
