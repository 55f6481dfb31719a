# Shared by tests/examples.sh and tests/hosts.sh, which source it. Sets `root`, `work` (a temporary folder that
# goes with the script) and the functions below.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$(mktemp -d)

# Puts cargo's own library where valgrind's programs find it: the installed one has no names, which suppressions need.
named() {
    mkdir "$work/named"
    ln -s "${CARGO_TARGET_DIR:-$root/target}/release/libahoy.so" "$work/named/libahoy.so.0.1"
}
passed=0
failed=0
declare -A port # by the name of the endpoint

cleanup() {
    stop_endpoints
    if declare -F cleanup_more >/dev/null; then cleanup_more; fi
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# Points pkg-config and the loader at an installed libahoy: AHOY_STAGE (a prefix), or one made here.
use_stage() {
    stage=${AHOY_STAGE:-}
    if [ -z "$stage" ]; then
        stage=$work/stage
        make -C "$root" build install PROFILE=release PREFIX="$stage" DESTDIR= >"$work/install.log" 2>&1 || {
            tail -n 20 "$work/install.log" >&2
            echo "make install failed" >&2
            exit 1
        }
    fi
    export PKG_CONFIG_PATH=$stage/lib/pkgconfig
    local lib
    lib=$(pkg-config --variable=libdir ahoy)
    export LD_LIBRARY_PATH=$lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
    export DYLD_LIBRARY_PATH=$lib${DYLD_LIBRARY_PATH:+:$DYLD_LIBRARY_PATH}
}

build_endpoints() {
    "${CC:-cc}" -std=c11 -O2 -Wall -Wextra -Wpedantic -Werror -o "$work/endpoints" \
        "$root/tests/endpoints/endpoints.c"
}

# start_endpoints [NAME@]SCRIPT ...: returns when all of them are ready, with their ports in `port`.
start_endpoints() {
    stop_endpoints
    port=()
    coproc ENDPOINTS { exec "$work/endpoints" "$@"; }
    endpoints_pid=$ENDPOINTS_PID
    # Copies, as bash takes its own away when the program ends.
    exec {from_endpoints}<&"${ENDPOINTS[0]}" {to_endpoints}>&"${ENDPOINTS[1]}"
    exec {ENDPOINTS[0]}<&- {ENDPOINTS[1]}>&-
    local name number
    while read -r -t 10 number name number <&"$from_endpoints"; do
        [ -n "$name" ] || return 0 # "ready"
        port[$name]=$number
    done
    echo "the endpoints did not start" >&2
    exit 1
}

stop_endpoints() {
    [ -n "${endpoints_pid:-}" ] || return 0
    exec {from_endpoints}<&- {to_endpoints}>&- # the end of its input ends it
    wait "$endpoints_pid" || true
    endpoints_pid=
}

# A filter that replaces what differs from run to run: ports by the names of their endpoints.
with_names() {
    local name script=''
    for name in "${!port[@]}"; do script+="s/:${port[$name]}\\b/:<$name>/g;"; done
    sed "$script"
}

pass() {
    passed=$((passed + 1))
    echo "ok    $1"
}

# fail NAME WHY [FILE ...]: shows the files.
fail() {
    failed=$((failed + 1))
    echo "FAIL  $1: $2"
    shift 2
    [ $# -eq 0 ] || sed 's/^/      /' "$@"
}

# compare NAME EXPECTED [ORDER]: holds what `run NAME` kept against what is expected. Both pass the filter ORDER
# first, such as sort where the order of lines does not matter.
compare() {
    local name=$1 expected=$2 order=${3:-cat} status
    status=$(cat "$work/$name.status")
    with_names <"$work/$name.out" | "$order" >"$work/$name.got"
    "$order" <"$expected" >"$work/$name.want"
    if [ "$status" -ne 0 ]; then
        fail "$name" "exit status $status" "$work/$name.err" "$work/$name.got"
    elif ! diff -u "$work/$name.want" "$work/$name.got" >"$work/$name.diff"; then
        fail "$name" "not the expected output" "$work/$name.diff"
    else
        pass "$name"
    fi
}

# run NAME PROGRAM ARGUMENT ...: keeps output, errors and exit status under $work/NAME.*.
run() {
    local name=$1 status=0
    shift
    timeout 120 "$@" >"$work/$name.out" 2>"$work/$name.err" </dev/null || status=$?
    echo "$status" >"$work/$name.status"
}

finish() {
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
}
