#!/bin/sh
# Builds libahoy as it is shipped, measures it beside libcurl and a raw socket loop, prints a table and writes
# target/bench/report.json. Installs nothing.
#
#     benches/micro/run.sh              everything; ROUNDS=15 and PROFILE=dist are the defaults
#     benches/micro/run.sh http         one part: http, bodies, memory, many, policy or sources; the report then has its
#                                       figures only
#     benches/micro/run.sh needs http   says what is not there of what a part needs, and runs nothing
#     benches/micro/run.sh train        measures nothing: calls by which the compiler learns, for packaging/profile.sh
#
# LIBAHOY=FILE measures a library that was built before. The policies and the sources of endpoints are always measured in
# the release profile, which saves a second link-time optimisation of minutes.
set -eu
cd "$(dirname "$0")/../.."

CC=${CC:-cc}
CARGO=${CARGO:-cargo}
PROFILE=${PROFILE:-dist}
ROUNDS=${ROUNDS:-15}
TARGET=${CARGO_TARGET_DIR:-target}
LIB=$TARGET/$PROFILE
OUT=$TARGET/bench
PARTS=${*:-http bodies memory many policy sources}

has_part() { case " $PARTS " in *" $1 "*) true ;; *) false ;; esac; }

missing=
need() { command -v "$1" >/dev/null 2>&1 || missing="$missing $2"; }
PATH=$PATH:/usr/sbin:/usr/local/sbin
need nginx nginx
need "$CC" gcc
need openssl openssl
need readelf binutils
need awk gawk
need gzip gzip
need "$CARGO" cargo
need pkg-config pkg-config
if has_part sources; then
    need etcd etcd-server
    need java default-jre-headless
fi
if command -v pkg-config >/dev/null 2>&1; then
    pkg-config --exists libcurl || missing="$missing libcurl4-openssl-dev"
fi
if [ -n "$missing" ]; then
    echo "bench: not there:$missing" >&2
    echo "bench: on Debian: apt-get install nginx gcc openssl gawk pkg-config libcurl4-openssl-dev" >&2
    exit 1
fi
[ "$(uname -s)" = Linux ] || { echo "bench: needs Linux (epoll, 127.0.0.2, /proc)" >&2; exit 1; }
has_part needs && exit 0

mkdir -p "$OUT"
OUT=$(cd "$OUT" && pwd)
# The other parts are programs in C, which the library is linked with.
has_c() { has_part http || has_part bodies || has_part memory || has_part many || has_part train; }

compile() { # output, source, further flags
    output=$1 source=$2
    shift 2
    "$CC" -O2 -Wall -Wextra -Iinclude "benches/micro/$source" -o "$OUT/$output" "$@"
}

build_c() {
    if [ -z "${LIBAHOY:-}" ]; then
        "${MAKE:-make}" --no-print-directory library PROFILE="$PROFILE" CARGO="$CARGO" >&2
        LIBAHOY=$(ls "$LIB"/ready/libahoy.so.*)
    fi
    # A copy, so that a build meanwhile changes nothing, and under the name that programs ask for.
    cp --remove-destination "$LIBAHOY" "$OUT/libahoy.so"
    ln -sf libahoy.so "$OUT/$(readelf -d "$OUT/libahoy.so" | sed -n 's/.*SONAME.*\[\(.*\)\].*/\1/p')"
    ahoy="-L$OUT -lahoy -Wl,-rpath,$OUT"
    # shellcheck disable=SC2086,SC2046 # lists of flags
    {
        compile http http.c $ahoy $(pkg-config --cflags --libs libcurl) -pthread
        compile bodies bodies.c $ahoy $(pkg-config --cflags --libs libcurl)
        compile server server.c
        compile threads threads.c $ahoy -pthread
        compile http1000 http.c -DCALLS_AT_ONCE=1000 $ahoy $(pkg-config --cflags --libs libcurl) -pthread
        compile train train.c $ahoy
        compile many many.c $ahoy -pthread
        compile many_curl many.c -DMANY_LIBCURL $ahoy $(pkg-config --cflags --libs libcurl) -pthread
        compile first_response first_response.c -ldl
        compile first_call.so first_call.c -fPIC -shared $ahoy
        compile first_curl.so first_call.c -fPIC -shared -DFIRST_CALL_LIBCURL $(pkg-config --libs libcurl)
    }
}
if has_c; then build_c; fi

# ---- servers: one nginx worker, and a fixed one for memory ----

servers=
work=$(mktemp -d)
stop() {
    for server in $servers; do kill "$server" 2>/dev/null || true; done
    rm -rf "$work"
}
trap stop EXIT
trap 'exit 130' INT TERM

answers() { "$OUT/http" "$1" "$work/ca.pem" only raw_sync 8 >/dev/null 2>&1; }

start_nginx() {
    key='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'
    printf 'subjectAltName=%s' \
        "$(for host in 1 2 3 4 5 6 7 8; do printf 'IP:127.0.0.%s,' $host; done | sed 's/,$//')" >"$work/names"
    # shellcheck disable=SC2086 # a list of options
    {
        openssl req -x509 $key -days 2 -subj "/CN=bench authority" -keyout "$work/ca.key" -out "$work/ca.pem"
        openssl req $key -subj /CN=bench -keyout "$work/key.pem" -out "$work/request.pem"
        openssl x509 -req -in "$work/request.pem" -days 2 -CA "$work/ca.pem" -CAkey "$work/ca.key" \
            -CAcreateserial -extfile "$work/names" -out "$work/cert.pem"
    } 2>"$work/openssl.log" || { cat "$work/openssl.log" >&2; exit 1; }
    body=$(printf '%0128d' 0 | tr 0 x)
    # A port that somebody has makes nginx fail; then others are tried.
    for attempt in 1 2 3 4 5; do
        # Five in a row, as http.c asks them.
        http_port=$(awk -v seed="$$$attempt" 'BEGIN { srand(seed); print 20000 + int(rand() * 10000) }')
        tls_port=$((http_port + 1)) h2_port=$((http_port + 2))
        cat >"$work/nginx.conf" <<CONF
worker_processes 1;
worker_rlimit_nofile 16384;
daemon off;
pid $work/nginx.pid;
error_log $work/error.log crit;
events { worker_connections 8192; }
http {
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    default_type text/plain;
    client_body_temp_path $work;
    proxy_temp_path $work;
    fastcgi_temp_path $work;
    uwsgi_temp_path $work;
    scgi_temp_path $work;
    server {
        listen $http_port;
        listen $tls_port ssl;
        listen $h2_port ssl http2;
        ssl_certificate $work/cert.pem;
        ssl_certificate_key $work/key.pem;
        location / { return 200 "$body"; }
        location /bodies/ { root $work; }
        location = /bodies/gzip { root $work; add_header Content-Encoding gzip; }
        location = /bodies/brotli { root $work; add_header Content-Encoding br; }
        location = /bodies/zstd { root $work; add_header Content-Encoding zstd; }
        # Taken in whole, and then answered by the location above.
        location = /upload {
            client_max_body_size 0;
            client_body_buffer_size 17m;
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
            proxy_method GET;
            proxy_pass http://127.0.0.1:$http_port/;
        }
    }
    server {
        listen $((http_port + 3));
        listen $((http_port + 4)) ssl;
        keepalive_timeout 0;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_certificate $work/cert.pem;
        ssl_certificate_key $work/key.pem;
        location / { return 200 "$body"; }
    }
}
CONF
        nginx -p "$work" -c "$work/nginx.conf" 2>>"$work/error.log" &
        nginx=$!
        for wait in 1 2 3 4 5 6 7 8 9 10; do
            sleep 0.2
            kill -0 "$nginx" 2>/dev/null || break
            if answers "$http_port"; then
                servers="$servers $nginx"
                return
            fi
        done
        kill "$nginx" 2>/dev/null || true
    done
    cat "$work/error.log" >&2
    echo "bench: nginx did not start" >&2
    exit 1
}

# What the answers of bodies.c hold: 16 MiB and less of one letter, and 16 MB of JSON in each encoding.
make_bodies() {
    mkdir -p "$work/bodies"
    chmod 755 "$work" "$work/bodies"
    head -c 16777216 /dev/zero | tr '\0' x >"$work/bodies/16m"
    head -c 65536 "$work/bodies/16m" >"$work/bodies/64k"
    head -c 1024 "$work/bodies/16m" >"$work/bodies/1k"
    truncate -s 1G "$work/bodies/1g"
    awk 'BEGIN {
        srand(7)
        for (i = 0; i < 130000; i++)
            printf "{\"id\": %d, \"name\": \"user-%x\", \"score\": %.4f, \"tags\": [\"t%d\", \"t%d\"], \"active\": %s, \"created\": \"2026-%02d-%02dT10:%02d:00Z\"}\n",
                i, rand() * 1e9, rand() * 100, rand() * 50, rand() * 50, rand() < 0.5 ? "true" : "false",
                1 + rand() * 12, 1 + rand() * 28, rand() * 60
    }' >"$work/bodies/json"
    gzip -6 <"$work/bodies/json" >"$work/bodies/gzip"
    BENCH_WITHOUT=
    for encoder in brotli zstd; do
        if command -v $encoder >/dev/null && curl-config --features 2>/dev/null | grep -qx $encoder; then
            $encoder -6 -c <"$work/bodies/json" >"$work/bodies/$encoder"
        else
            BENCH_WITHOUT="$BENCH_WITHOUT $encoder"
            echo "bench: $encoder is left out: its command is not there, or libcurl has it not" >&2
        fi
    done
    export BENCH_WITHOUT
}

start_server() { # hold; sets port
    "$OUT/server" "$@" >"$work/port" &
    servers="$servers $!"
    until [ -s "$work/port" ]; do sleep 0.1; done
    port=$(cat "$work/port")
    rm "$work/port"
}

# ---- the machine ----

governor=$(cat /sys/devices/system/cpu/cpu0/cpufreq/scaling_governor 2>/dev/null || echo unknown)
model=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
machine="$(nproc) x ${model:-$(uname -m)}, Linux $(uname -r), governor $governor"
versions="$(rustc --version | cut -d' ' -f1-2), libcurl $(pkg-config --modversion libcurl), $(nginx -v 2>&1 | sed 's/.*: //')"
load_before=$(cut -d' ' -f1-3 /proc/loadavg)

# ---- measure ----

: >"$OUT/figures"
if has_part http || has_part bodies || has_part many || has_part train; then start_nginx; fi
if has_part train; then "$OUT/train" "$http_port" "$tls_port" "$h2_port" "$work/ca.pem"; fi
if has_part bodies; then
    make_bodies
    echo "bench: bodies, $ROUNDS rounds" >&2
    # Without spinners: a body is CPU and memory, and on processors that share a core they take half of it from both sides.
    BENCH_SPIN=${BENCH_SPIN:-0} "$OUT/bodies" "$http_port" "$tls_port" "$work/ca.pem" "$ROUNDS" >>"$OUT/figures"
fi
if has_part http; then
    echo "bench: http, $ROUNDS rounds" >&2
    "$OUT/http" "$http_port" "$work/ca.pem" "$ROUNDS" >>"$OUT/figures"
    if command -v strace >/dev/null 2>&1; then
        # The difference between N and 2 N requests leaves out what only the start costs.
        calls() { # mode, requests
            strace -c -f -o "$work/strace" "$OUT/http" "$http_port" "$work/ca.pem" only "$1" "$2" >/dev/null
            awk '$NF == "total" { print $4 }' "$work/strace"
        }
        for mode in raw_sync libcurl_sync sync libcurl_tls_sync tls_sync libcurl_multi64 async64 queue64 libcurl_h2_multi64 h2_async64; do
            once=$(calls $mode 2000)
            twice=$(calls $mode 4000)
            echo "$once $twice" | awk -v name="${mode}_syscalls" \
                '{ printf "%s\t%.2f\t1/request\t\t\t\t\n", name, ($2 - $1) / 2000 }' >>"$OUT/figures"
        done
    else
        echo "bench: no strace, so system calls are not counted" >&2
    fi
fi
if has_part memory; then
    echo "bench: first answer and memory" >&2
    start_server
    fixed=$port
    "$OUT/first_response" ahoy "$OUT/first_call.so" "$fixed" >>"$OUT/figures"
    "$OUT/first_response" libcurl "$OUT/first_curl.so" "$fixed" >>"$OUT/figures"
    start_server 256
    "$OUT/first_response" idle "$OUT/first_call.so" "$fixed" "$port" 256 >>"$OUT/figures"
    stat -c %s "$OUT/libahoy.so" | awk '{ printf "library_mb\t%.2f\tMB\t\t\t\t\n", $1 / 1e6 }' >>"$OUT/figures"
fi
# The p99 of a mode with 1,000 in flight, and its ratio to another mode's, process after process.
active() { # name, mode, mode to compare with
    for round in 1 2 3 4 5 6 7; do
        for mode in "$3" "$2"; do
            "$OUT/http1000" "$http_port" "$work/ca.pem" only "$mode" 20000 |
                sed -n 's/.* p99 \([0-9.]*\) us.*/\1/p'
        done | paste - -
    done | awk '{ print $2 / $1, $2 }' | sort -n | awk -v name="$1" -v to="$3" '
        { ratio[NR] = $1; value[NR] = $2 }
        END { printf "%s\t%s\tus\t%s\t%.4f\t%.4f\t%.4f\n", name, value[4], to, ratio[4], ratio[2], ratio[6] }'
}
if has_part many; then
    echo "bench: many connections" >&2
    start_server 9900
    "$OUT/many" idle "$port" 9900 >>"$OUT/figures"
    start_server 6000
    "$OUT/many" waits "$port" 5000 >>"$OUT/figures"
    start_server 6000
    "$OUT/many_curl" curl_waits "$port" 5000 >>"$OUT/figures"
    start_server
    "$OUT/many" callers "$port" 64 1000 >>"$OUT/figures"
    active active1000_p99_vs_libcurl_multi async64 libcurl_multi64 >>"$OUT/figures"
    active streams1000_p99_vs_libcurl_multi h2_async64 libcurl_h2_multi64 >>"$OUT/figures"
fi
if has_part policy; then
    echo "bench: policies" >&2
    # With the feature that the sources need, so that one build is enough.
    "$CARGO" bench --quiet --profile release --features xds --bench policy >"$work/policy"
    grep '	' "$work/policy" >>"$OUT/figures" ||
        echo "bench: no figures of benches/micro/policy.rs: Cargo.toml must name it with harness = false" >&2
fi
if has_part sources; then
    echo "bench: sources of endpoints" >&2
    sh tests/install-consul.sh >&2
    "$CARGO" bench --quiet --profile release --features xds --bench sources >"$work/sources"
    cat "$work/sources" >>"$OUT/figures"
fi
load_after=$(cut -d' ' -f1-3 /proc/loadavg)

# ---- tell ----

awk -F '\t' '
    BEGIN { print "[" }
    {
        printf "%s  {\"name\": \"%s\", \"value\": %s, \"unit\": \"%s\", ", (NR > 1 ? ",\n" : ""), $1, $2, $3
        if ($4 == "") printf "\"ratio_to\": null, \"ratio\": null}"
        else printf "\"ratio_to\": \"%s\", \"ratio\": %s}", $4, $5
    }
    END { print "\n]" }' "$OUT/figures" >"$OUT/report.json"

printf '%s\n' "machine: $machine" "versions: $versions" \
    "load average: $load_before before, $load_after after" "profile: $PROFILE, rounds: $ROUNDS" >"$OUT/machine.txt"
{
    cat "$OUT/machine.txt"
    echo
    awk -F '\t' '
        # Goals: r is one on the ratio, v one on the value; what has none is told for comparison.
        FILENAME ~ /goals/ { split($0, part, " "); kind[part[1]] = part[2]; sign[part[1]] = part[3]
                             goal[part[1]] = part[4]; order[++goals] = part[1]; next }
        { value[$1] = $2; unit[$1] = $3; to[$1] = $4; ratio[$1] = $5; low[$1] = $6; high[$1] = $7; seen[++count] = $1 }
        function line(name,   shown, verdict, figure) {
            shown = to[name] == "" ? "" : sprintf("%.2f x %s (%.2f-%.2f)", ratio[name], to[name], low[name], high[name])
            verdict = ""
            if (name in goal) {
                figure = kind[name] == "r" ? ratio[name] : value[name]
                verdict = (sign[name] == "<=" ? figure <= goal[name] + 0 : figure >= goal[name] + 0) ? "pass" : "MISS"
            }
            printf "%-32s %10.4g %-12s %-40s %-8s %s\n", name, value[name], unit[name], shown,
                (name in goal) ? sign[name] " " goal[name] : "", verdict
        }
        END {
            printf "%-32s %10s %-12s %-40s %-8s %s\n", "figure", "median", "unit", "ratio (quartiles)", "goal", ""
            for (i = 1; i <= goals; i++) {
                if (order[i] in value) line(order[i])
                else printf "%-32s %10s %-12s %-40s %-8s %s\n", order[i], "-", "", "", sign[order[i]] " " goal[order[i]], "not measured"
            }
            print ""
            for (i = 1; i <= count; i++) if (!(seen[i] in goal)) line(seen[i])
        }' benches/micro/goals "$OUT/figures"
} | tee "$OUT/report.txt"
echo
echo "report: $OUT/report.json"
