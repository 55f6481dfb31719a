#!/bin/sh
# Runs each fuzz target for SECONDS_EACH (120 by default), beginning with the seeds in the tree; or the targets that
# are named. What is found stays in fuzz/artifacts. Needs cargo-fuzz: cargo install cargo-fuzz.
#
#     sh fuzz/run.sh [TARGET...]
set -eu
cd "$(dirname "$0")"
# Sanitizers are not stable; the compiler is, and is told to allow them.
export RUSTC_BOOTSTRAP=1
export AHOY_HEADER=skip
seconds=${SECONDS_EACH:-120}
count=0
if [ $# -eq 0 ]; then
    for file in fuzz_targets/*.rs; do set -- "$@" "$(basename "$file" .rs)"; done
fi
for target; do
    echo "== $target"
    mkdir -p "corpus/$target"
    dictionary=dictionaries/$target.dict
    # shellcheck disable=SC2046 # a list of flags
    ${CARGO:-cargo} fuzz run --fuzz-dir . "$target" "corpus/$target" "seeds/$target" -- \
        -max_total_time="$seconds" -print_final_stats=1 \
        $([ ! -f "$dictionary" ] || echo "-dict=$dictionary") $(cat flags.txt)
    count=$((count + 1))
done
echo "$count targets, $seconds s each: nothing found"
