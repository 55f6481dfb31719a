#!/bin/sh
# Shows that each fuzz target finds a bug: planted/TARGET.patch is applied to a copy of the tree, the seeds must not
# show it, and the target must find it within SECONDS_EACH (120 by default); says after how many seconds it did. Needs
# cargo-fuzz, as run.sh does.
#
#     sh fuzz/planted.sh [TARGET...]
#
# The bugs of all targets that are named are planted at once, so that one build is enough. A target whose parser calls
# another's may find that one's; run alone it can find only its own. Built with little optimisation and no sanitizer,
# which takes a third of the time.
set -eu
cd "$(dirname "$0")"
export RUSTC_BOOTSTRAP=1
export AHOY_HEADER=skip
seconds=${SECONDS_EACH:-120}
target=${CARGO_TARGET_DIR:-target}
case $target in /*) ;; *) target=$PWD/$target ;; esac
export CARGO_TARGET_DIR="$target"
# In one place, so that what does not change is built once.
copy=$target/planted
host=$(rustc -vV | sed -n 's/^host: //p')

fail() {
    echo "fuzz-planted: $1" >&2
    exit 1
}

if [ $# -eq 0 ]; then
    for file in fuzz_targets/*.rs; do set -- "$@" "$(basename "$file" .rs)"; done
fi
rm -rf "$copy" && mkdir -p "$copy"
(cd .. && git ls-files -z --cached --others --exclude-standard |
    tar --null --ignore-failed-read -T - -c 2>/dev/null) | tar -x -C "$copy"
for name; do
    [ -f "planted/$name.patch" ] || fail "$name has no bug in planted/"
    patch -s -d "$copy" -p1 <"planted/$name.patch"
done
# The files that were patched in an earlier run have their old times again, which cargo takes for unchanged.
touch "$copy/src/lib.rs"
(cd "$copy/fuzz" && ${CARGO:-cargo} fuzz build --dev --sanitizer none --fuzz-dir . >"$copy/log" 2>&1) ||
    { cat "$copy/log" >&2; fail "the targets do not build"; }

missed=
for name; do
    program=$target/$host/debug/$name
    why=$(head -n 1 "planted/$name.patch")
    "$program" seeds/"$name"/* >"$copy/$name.log" 2>&1 || fail "a seed of $name shows a bug already, see $copy/$name.log"
    mkdir -p "$copy/corpus/$name"
    dictionary=dictionaries/$name.dict
    begun=$(date +%s)
    # shellcheck disable=SC2046 # a list of flags
    if "$program" "$copy/corpus/$name" "seeds/$name" -max_total_time="$seconds" -artifact_prefix="$copy/$name-" \
        $([ ! -f "$dictionary" ] || echo "-dict=$dictionary") $(cat flags.txt) >"$copy/$name.log" 2>&1; then
        printf '%-17s not found within %s s: %s\n' "$name" "$seconds" "$why"
        missed="$missed $name"
    elif ! grep -q 'panicked at' "$copy/$name.log"; then
        fail "$name ended without a finding, see $copy/$name.log"
    else
        printf '%-17s found after %3s s: %s\n' "$name" "$(($(date +%s) - begun))" "$why"
    fi
done
[ -z "$missed" ] || fail "not found:$missed"
