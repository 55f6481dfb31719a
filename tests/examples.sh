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

# A real server in front of a certificate that a throw-away authority has signed.
start_nginx() {
    mkdir "$work/tls"
    (
        cd "$work/tls"
        openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=Example CA" -keyout ca.key -out ca.pem
        openssl req -newkey rsa:2048 -nodes -subj "/CN=localhost" -keyout server.key -out server.csr
        printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n' >server.ext
        openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
            -extfile server.ext -out server.pem
    ) >"$work/tls/openssl.log" 2>&1 || {
        cat "$work/tls/openssl.log" >&2
        return 1
    }
    # nginx cannot choose a port by itself. One that the endpoints hold and give up is free but for a race,
    # hence some tries.
    local try tries=5
    for ((try = 0; try < tries; try++)); do
        start_endpoints nginx@refuse
        local number=${port[nginx]}
        stop_endpoints
        cat >"$work/tls/nginx.conf" <<CONF
daemon off;
worker_processes 1;
pid $work/tls/nginx.pid;
error_log stderr;
events {}
http {
    access_log off;
    client_body_temp_path $work/tls/body;
    proxy_temp_path $work/tls/proxy;
    fastcgi_temp_path $work/tls/fastcgi;
    uwsgi_temp_path $work/tls/uwsgi;
    scgi_temp_path $work/tls/scgi;
    server {
        listen 127.0.0.1:$number ssl;
        ssl_certificate $work/tls/server.pem;
        ssl_certificate_key $work/tls/server.key;
        location / { return 200 "hello over TLS\\n"; }
    }
}
CONF
        nginx -p "$work/tls" -c "$work/tls/nginx.conf" 2>"$work/tls/nginx.log" &
        nginx_pid=$!
        until (exec 3<>"/dev/tcp/127.0.0.1/$number") 2>/dev/null; do
            kill -0 "$nginx_pid" 2>/dev/null || break
            sleep 0.02
        done
        if kill -0 "$nginx_pid" 2>/dev/null; then return 0; fi
        nginx_pid=
    done
    cat "$work/tls/nginx.log" >&2
    return 1
}

cleanup_more() {
    [ -n "${nginx_pid:-}" ] || return 0
    kill "$nginx_pid" 2>/dev/null || true
    wait "$nginx_pid" 2>/dev/null || true
    nginx_pid=
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

# Debian keeps nginx out of the path of ordinary users.
PATH=$PATH:/usr/sbin:/sbin
if ! command -v nginx >/dev/null; then
    echo "SKIP  https: nginx is not installed, so https.c WAS NOT TESTED"
elif start_nginx; then
    example https -- "https://localhost:${port[nginx]}" "$work/tls/ca.pem"
    cleanup_more
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
