#!/usr/bin/env bash
# Builds each program of examples-c against an installed libahoy, as its users do, runs it against endpoints on
# loopback and compares what it prints with examples-c/expected/NAME.txt.
#
#     AHOY_STAGE=PREFIX  an installed libahoy; by default `make install` makes one in a temporary folder
#     AHOY_VALGRIND=1    runs each under valgrind, which must find no error and nothing lost
#     AHOY_UNDER=COMMAND runs each under a command, such as an emulator, and
#     AHOY_CC=COMPILER   builds them for it (tests/linux_cross.sh)
set -euo pipefail
# shellcheck source=tests/endpoints/common.sh
source "$(dirname "$0")/endpoints/common.sh"
# shellcheck source=tests/endpoints/nginx.sh
source "$root/tests/endpoints/nginx.sh"

expected=$root/examples-c/expected
read -ra under <<<"${AHOY_UNDER:-}"
if [ "${AHOY_VALGRIND:-0}" = 1 ]; then
    # So many callers, for the suppressions name functions far up the stack.
    named
    under=(env "LD_LIBRARY_PATH=$work/named" valgrind --quiet --num-callers=40 --error-exitcode=9 --leak-check=full
        --errors-for-leak-kinds=definite "--suppressions=$root/tests/endpoints/valgrind.supp")
fi

without_refused() { grep -v 'connect refused' | sort; }
without_averages() { grep -v 'attempts for each call'; }

# example NAME [ORDER] -- ARGUMENT ...   (ORDER: the filter that output and expectation pass before comparison)
example() {
    local name=$1 order=cat
    shift
    if [ "$1" != -- ]; then order=$1 && shift; fi
    shift
    run "$name" "${under[@]}" "$work/bin/$name" "$@"
    compare "$name" "$expected/$name.txt" "$order"
}

use_stage
build_endpoints
mkdir "$work/bin"
make -s -C "$root/examples-c" OUT="$work/bin" ${AHOY_CC:+CC="$AHOY_CC"}

start_endpoints dead-1@refuse well@ok dead-2@refuse
# The balancer draws, so how often a call meets a dead host differs.
example quickstart without_refused -- "${port[dead-1]}" "${port[well]}" "${port[dead-2]}"

start_endpoints hung@hang failing@status=503 well@ok
example resilient without_averages -- "${port[hung]}" "${port[failing]}" "${port[well]}"

start_endpoints first@ok second@ok third@ok
example random -- 42 "${port[first]}" "${port[second]}" "${port[third]}"

start_endpoints flaky@status=503:times=3
example custom_retry -- "http://127.0.0.1:${port[flaky]}"

start_endpoints here@ok there@ok dead@refuse
example custom_provider -- "${port[here]}" "${port[there]}" "${port[dead]}"

start_endpoints echo redirect
example session -- "http://127.0.0.1:${port[echo]}/api" "http://127.0.0.1:${port[redirect]}/start"

start_endpoints echo
example streaming -- "http://127.0.0.1:${port[echo]}"

start_endpoints flaky@status=503:times=1
example sign -- "http://127.0.0.1:${port[flaky]}" secret 1800000000

cleanup_more() { stop_nginx; }
if ! command -v nginx >/dev/null; then
    echo "SKIP  https: nginx is not installed, so https.c WAS NOT TESTED"
elif start_nginx; then
    example https -- "https://localhost:${port[nginx]}" "$work/tls/ca.pem"
    stop_nginx
else
    fail https "nginx did not start"
fi

# The demo starts endpoints of its own, shows times, and judges itself.
limit=()
if [ ${#under[@]} -gt 0 ]; then limit=(3000); fi # the endpoints that are well must stay so under valgrind
run demo "${under[@]}" "$work/bin/demo" "$work/endpoints" "${limit[@]}"
if [ "$(cat "$work/demo.status")" -ne 0 ]; then
    fail demo "exit status $(cat "$work/demo.status")" "$work/demo.err" "$work/demo.out"
elif ! grep -q "came back by itself" "$work/demo.out"; then
    fail demo "no summary" "$work/demo.out"
else
    pass demo
fi

finish
