#!/usr/bin/env bash
# What of the acceptance table (docs/acceptance.md) no other test does: a thousand requests with errors and cancels under
# valgrind, and 64 threads with a thousand calls each on one client.
#
#     AHOY_STAGE=PREFIX  an installed libahoy; by default one is made in a temporary folder
set -euo pipefail
# shellcheck source=tests/endpoints/common.sh
source "$(dirname "$0")/endpoints/common.sh"

use_stage
build_endpoints
# shellcheck disable=SC2046,SC2086  # flags are words
"${CC:-cc}" -std=gnu11 -O2 -Wall -Wextra -Werror ${CFLAGS:-} -o "$work/requests" "$root/tests/hosts/requests.c" \
    $(pkg-config --cflags --libs ahoy) -pthread ${LDFLAGS:-}

# ends NAME PROGRAM ARGUMENT ...
ends() {
    local name=$1
    run "$@"
    if [ "$(cat "$work/$name.status")" = 0 ]; then
        pass "$name"
        cat "$work/$name.out"
    else
        fail "$name" "exit status $(cat "$work/$name.status")" "$work/$name.err" "$work/$name.out"
    fi
}

start_endpoints ok@ok busy@status=503 dead@refuse hang@hang
ports=("${port[ok]}" "${port[busy]}" "${port[dead]}" "${port[hang]}")
ends threads "$work/requests" threads 64 1000 "${port[ok]}"
ends requests "$work/requests" mixed 1000 "${ports[@]}"
ends requests-valgrind sh "$root/tests/memcheck.sh" "$work/requests" mixed 1000 "${ports[@]}"

finish
