#!/bin/sh
# Runs the parts of the test suite and adds up what they counted.
# Usage: run.sh [PART...]; all parts by default, which install what they need.
#
# A part is a command that closes with cargo's `test result:` lines or with `N passed, N failed`, which a
# name may precede. One that exits with failure but counted none has one failure; one that counted nothing at
# all checks nothing but its exit code. What a part skips for want of a program has failed: all is installed.
#
# Tests of what happens in time fail now and then where other work takes the processors. Where `make test` saw up to three
# tests of a part fail, they are run once more with nothing beside, and the report names the part. What fails again has
# failed.
set -eu
cd "$(dirname "$0")/.."

cargo=${CARGO:-cargo}
target=${CARGO_TARGET_DIR:-target}
case $target in /*) ;; *) target=$PWD/$target ;; esac
export CARGO_TARGET_DIR="$target"
export AHOY_STAGE="$target/stage"
export PKG_CONFIG_PATH="$AHOY_STAGE/lib/pkgconfig"
export LD_LIBRARY_PATH="$AHOY_STAGE/lib"
# A build that rewrites a stale header would hide that it was stale.
export AHOY_HEADER=check
library=$target/release/libahoy.so

mkdir -p "$target"
log=$target/test-part.log
passed=0
failed=0
report=
counted=
# The processes that run parts beside, each with the name of its files.
lanes=

# count PASSED FAILED LINE: a line of the report, for whom this runs beside as well.
count() {
    passed=$((passed + $1))
    failed=$((failed + $2))
    report="$report$3
"
    counted="$counted$1 $2 $3
"
}

# part NAME COMMAND...
part() {
    name=$1
    shift
    printf '\n== %s: %s\n' "$name" "$*"
    started=$(date +%s)
    # The exit code of the command, not of tee.
    { code=0; "$@" 2>&1 </dev/null || code=$?; echo "$code" >"$log.code"; } | tee "$log"
    code=$(cat "$log.code")
    set -- "$(awk '
        /^test result: / { passed += $4; failed += $6; counted = 1 }
        { sub(/^[a-z-]+: /, "") }
        /^[0-9]+ passed, [0-9]+ failed/ { passed += $1; failed += $3; counted = 1 }
        /^SKIP / { failed++; counted = 1 }
        END { print passed + 0, failed + 0, counted + 0 }' "$log")"
    # shellcheck disable=SC2086 # three numbers
    set -- $1
    ok=$1 bad=$2
    if [ "$code" -ne 0 ]; then
        [ "$bad" -gt 0 ] || bad=1
    elif [ "$3" -eq 0 ]; then
        ok=1
    elif [ "$ok" -eq 0 ]; then
        echo "$name: ran no test"
        bad=$((bad + 1))
    fi
    [ "$bad" -eq 0 ] || cp "$log" "$target/test-$name.log"
    count "$ok" "$bad" "$(printf '%-18s %5d passed %5d failed %5d s' "$name" "$ok" "$bad" $(($(date +%s) - started)))"
    [ "$bad" -eq 0 ]
}

# Programs of tests that wait most of the time and leave the processors to others: for registries above all, and for hosts that
# hang and processes that end. So shared out that "waiting" and "cargo" take equally long, and "hanging" ends before them.
waits='discovery(_.*)?|fairness'
hangs='exit|forever|fork|health|out_of_the_box|process|resting|soft_limit|tls'

# `cargo test` that compiles by clippy, which is the compiler and its lints in one: `cargo clippy` beside would look at
# everything once more, which took 95 s of processor time.
cargo_test() {
    RUSTC_WORKSPACE_WRAPPER=clippy-driver CLIPPY_ARGS=-Dwarnings__CLIPPY_HACKERY__ "$cargo" test --locked "$@"
}

# programs [-v] PATTERN: the arguments for the programs of tests with such names; with -v for all others.
programs() {
    for program in tests/*.rs tests/*/main.rs; do
        program=${program%/main.rs}
        basename "$program" .rs
    done | grep -xE "$@" | sed 's/^/--test /'
}

run() {
    case $1 in
        deps) part deps "${MAKE:-make}" --no-print-directory deps ;;
        format) part format "$cargo" fmt --all --check ;;
        fuzzing) part fuzzing sh fuzz/check.sh ;;
        arena)
            at="--manifest-path benches/arena/Cargo.toml --target-dir $target/arena/build"
            # shellcheck disable=SC2086 # words
            part arena cargo_test $at
            ;;
        # Everything below stands on the library: where that fails, the rest would only repeat it.
        build) part build "${MAKE:-make}" --no-print-directory stage || finish ;;
        header) part header sh tests/header.sh ;;
        symbols)
            part symbols sh tests/symbols.sh "$library" || :
            part fence sh tests/fence.sh "$library"
            ;;
        description) part description /usr/bin/python3 tests/description/check.py "$library" ;;
        abi) part abi python3 tests/abi.py ;;
        install) part install sh tests/install.sh ;;
        tool)
            "${MAKE:-make}" --no-print-directory tool PROFILE=release || :
            part tool sh tests/tool.sh "$target/release/ready/bin/ahoy"
            ;;
        # All that cargo builds, linted, and the tests of "cargo" before they are run. After "minimal": of two sets of features the
        # library that was built last is there, and the other is built again.
        clippy) part clippy cargo_test --no-run --all-targets --features xds ;;
        # As many tests at once as processors, which is as many as there are I/O threads: the callbacks of some hold one for
        # seconds on purpose, and what is timed is measured beside.
        cargo)
            # shellcheck disable=SC2046 # words
            part cargo cargo_test --no-fail-fast --features xds --lib $(programs -v "$waits|$hangs") -- --skip policy::
            ;;
        waiting)
            # shellcheck disable=SC2046 # words
            part waiting cargo_test --no-fail-fast --features xds $(programs "$waits")
            ;;
        hanging)
            # shellcheck disable=SC2046 # words
            part hanging cargo_test --no-fail-fast --features xds $(programs "$hangs")
            ;;
        # In virtual time.
        policies)
            part policies cargo_test --features xds --lib policy:: || :
            part simulator cargo_test --features xds --example sim
            ;;
        # Without proxies, HTTP/2, brotli and zstd: that it builds, calls, and refuses what is left out.
        minimal) part minimal cargo_test --no-default-features --test options --test quickstart ;;
        readme) part readme bash tests/readme.sh ;;
        examples) part examples bash tests/examples.sh ;;
        acceptance) part acceptance bash tests/acceptance.sh ;;
        tracing) part tracing sh tests/tracing.sh "$library" ;;
        cpp) part cpp bash tests/cpp.sh ;;
        prometheus) part prometheus bash tests/prometheus.sh ;;
        # Two at a time: each waits half of its time.
        bindings) part bindings bash tests/bindings.sh "$library" low_layers c node ruby pages examples ;;
        go-python) part go-python bash tests/bindings.sh "$library" go python ;;
        hosts) part hosts bash tests/hosts.sh ;;
        schema) part schema /usr/bin/python3 tests/schema.py ;;
        hazards) part hazards bash tests/hazards.sh ;;
        exits) part exits bash tests/exits.sh ;;
        instructions) part instructions sh benches/micro/instructions.sh ;;
        null) part null sh tests/null.sh plain "$library" ;;
        valgrind)
            part null-valgrind sh tests/null.sh valgrind "$library" || :
            part examples-valgrind env AHOY_VALGRIND=1 bash tests/examples.sh || :
            part cpp-valgrind env AHOY_VALGRIND=1 bash tests/cpp.sh || :
            ;;
        asan)
            part null-asan sh tests/null.sh asan "$library" || :
            part examples-asan env CFLAGS='-g -fsanitize=address' LDFLAGS=-fsanitize=address \
                bash tests/examples.sh || :
            part cpp-asan env AHOY_ASAN=1 bash tests/cpp.sh || :
            ;;
        *) echo "run.sh: no part is called $1" >&2; exit 2 ;;
    esac
}

# Runs what failed in a part that failed little once more, after all else.
again() {
    joined
    few=$(printf '%s' "$counted" | awk '$2 >= 1 && $2 <= 3 { print $2, $3 }')
    while read -r bad name; do
        # No neighbour makes a program crash.
        ! grep -q '^CRASH \|(signal: ' "$target/test-$name.log" 2>/dev/null || continue
        case $name in
            # The programs of tests alone that had a failure.
            cargo | waiting | hanging)
                # shellcheck disable=SC2016 # the backquotes are cargo's
                targets=$(sed -n 's/.*to rerun pass `\(.*\)`$/\1/p' "$target/test-$name.log")
                [ -n "$targets" ] || continue
                # shellcheck disable=SC2086 # words
                set -- cargo_test --no-fail-fast --features xds $targets
                ;;
            bindings | go-python | hosts | hazards | exits | acceptance | tracing | prometheus | examples | cpp)
                set -- sh tests/run.sh --part "$name"
                ;;
            *) continue ;;
        esac
        if "$@" </dev/null; then
            failed=$((failed - bad))
            passed=$((passed + bad))
            report="$report$name: $bad failed beside other work and passed alone
"
        fi
    done <<FEW
$few
FEW
}

finish() {
    joined
    printf '\n%s\n%d passed, %d failed\n' "$report" "$passed" "$failed"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
    exit
}

# Runs parts beside the rest, with logs of their own; `joined` waits for all of these, or for the NAME that the first of its
# parts has, shows what they said, and counts it.
# A shell has its background ignore SIGINT, which tests send.
beside() {
    aside=$target/test-beside-$1
    env --default-signal=INT,QUIT nice -n "${nicer:-0}" sh tests/run.sh --beside "$aside" "$@" >"$aside.log" 2>&1 &
    lanes="$lanes $! $1"
}

joined() { # joined [NAME]
    named=${1-}
    # shellcheck disable=SC2086 # pairs
    set -- $lanes
    lanes=
    while [ $# -gt 0 ]; do
        lane=$1 name=$2
        shift 2
        if [ -n "$named" ] && [ "$named" != "$name" ]; then
            lanes="$lanes $lane $name"
            continue
        fi
        code=0
        wait "$lane" || code=$?
        aside=$target/test-beside-$name
        cat "$aside.log"
        if [ "$code" -eq 0 ]; then
            while read -r ok bad line; do
                count "$ok" "$bad" "$line"
            done <"$aside.report"
        else
            failed=$((failed + 1))
        fi
    done
}

each() {
    for one in "$@"; do
        run "$one" || :
    done
}

case ${1-} in
    '')
        # First what no clock decides, two parts at a time; what later parts need is installed meanwhile. Then the tests of
        # Rust, of which most of the time waits for something to happen, and beside them those that wait longest, and what
        # leaves the processors to them.
        beside deps
        beside minimal fuzzing clippy
        each build
        joined deps
        [ "$failed" -eq 0 ] || finish
        beside null valgrind schema
        beside cpp
        each format arena header symbols description abi install tool readme instructions
        joined
        # What no clock decides fills the time in which tests wait.
        nicer=10
        beside asan policies
        nicer=5
        beside waiting
        beside hanging
        beside examples tracing acceptance prometheus hosts exits
        each cargo
        joined
        # How late a process ends is looked at to the millisecond, and so is a language's event loop.
        each hazards
        nicer=0
        beside go-python
        each bindings
        again
        finish
        ;;
    --part)
        log=$target/test-again.log
        run "$2"
        ;;
    --beside)
        aside=$2
        shift 2
        log=$aside.part
        each "$@"
        printf '%s' "$counted" >"$aside.report"
        ;;
    *)
        each build "$@"
        finish
        ;;
esac
