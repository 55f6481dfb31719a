#!/bin/sh
# Whether what the fuzz targets stand on is as they are: each bug of planted/ can be planted. Needs no cargo-fuzz. That the
# library compiles with what it shows them, its unit tests say, which have it too.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=tests/check.sh
. tests/check.sh

for target in fuzz/fuzz_targets/*.rs; do
    name=$(basename "$target" .rs)
    check "a planted bug for $name" patch --dry-run --force -p1 -i "fuzz/planted/$name.patch"
done
summary fuzzing
