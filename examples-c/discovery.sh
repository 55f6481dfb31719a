#!/usr/bin/env bash
# Three backends register in etcd with leases, and a client follows them: one is killed, one drained, one added, and etcd
# itself is stopped and comes back. Calls go on, and list, circuits and answers are shown as they change; half a minute.
#
#     AHOY_INCLUDE=include AHOY_LIB=target/release examples-c/discovery.sh
#
# Needs a C compiler, libahoy, and etcd with etcdctl: apt-get install etcd-server etcd-client. The folders are as for
# demo.sh.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
cc=${CC:-cc}
include=$(cd "${AHOY_INCLUDE:-$root/include}" && pwd)
lib=$(cd "${AHOY_LIB:-$root/target/release}" && pwd)
for program in etcd etcdctl; do
    command -v "$program" >/dev/null || {
        echo "discovery.sh: there is no $program; apt-get install etcd-server etcd-client brings it" >&2
        exit 1
    }
done

work=$(mktemp -d)
declare -A keeper=() port=()
etcd= input=
at_exit() {
    for one in "${keeper[@]}"; do kill -- "-$one" 2>/dev/null || :; done
    [ -z "$etcd" ] || kill -KILL "$etcd" 2>/dev/null || :
    rm -rf "$work"
}
trap at_exit EXIT

# The loader looks for the name that is recorded in the library, which a build folder does not have.
for file in "$lib"/libahoy.so "$lib"/libahoy.dylib; do
    [ -e "$file" ] || continue
    ln -s "$file" "$work/${file##*/}"
    version=$(sed -n 's/^#define AHOY_VERSION_STRING "\(.*\)"/\1/p' "$include/ahoy.h")
    case $version in 0.*) abi=${version%.*} ;; *) abi=${version%%.*} ;; esac
    case $file in *.so) ln -s "$file" "$work/libahoy.so.$abi" ;; esac
done
flags="-std=c11 -O2 -Wall -Wextra -Werror ${CFLAGS:-}"
# shellcheck disable=SC2086  # flags are words
"$cc" $flags -o "$work/endpoints" "$root/tests/endpoints/endpoints.c"
# shellcheck disable=SC2086
"$cc" $flags -I"$include" -o "$work/discovery" "$here/discovery.c" -L"$work" -lahoy -Wl,-rpath,"$work"

coproc endpoints { exec "$work/endpoints" first@ok second@ok third@ok fourth@ok; }
exec {commands}>&"${endpoints[1]}" {answers}<&"${endpoints[0]}"
while read -r _ name number <&"$answers" && [ -n "$number" ]; do port[$name]=$number; done

# Ports that nobody has now; another program would have to take one within a moment.
read -r client peer < <(python3 -c '
import socket
all = [socket.socket() for _ in range(2)]
for one in all: one.bind(("127.0.0.1", 0))
print(*(one.getsockname()[1] for one in all))')
export ETCDCTL_API=3 ETCDCTL_ENDPOINTS=http://127.0.0.1:$client
# The client ends when nobody holds the other end of its input: what is started here does not.
start_etcd() {
    (
        [ -z "$input" ] || exec {input}>&-
        exec etcd --data-dir "$work/data" --log-level error --unsafe-no-fsync \
            --listen-client-urls "http://127.0.0.1:$client" --advertise-client-urls "http://127.0.0.1:$client" \
            --listen-peer-urls "http://127.0.0.1:$peer" --initial-advertise-peer-urls "http://127.0.0.1:$peer" \
            --initial-cluster "default=http://127.0.0.1:$peer"
    ) >>"$work/etcd.log" 2>&1 &
    etcd=$!
    disown "$etcd"
    until etcdctl endpoint health >/dev/null 2>&1; do
        kill -0 "$etcd" 2>/dev/null || { cat "$work/etcd.log" >&2; exit 1; }
    done
}

say() { printf '\n=== %s\n' "$1"; }

# Registers a backend for as long as it keeps its lease of 3 s alive.
register() {
    local lease
    lease=$(etcdctl lease grant 3 | awk '{ print $2 }')
    etcdctl put --lease="$lease" "/services/web/$1" "127.0.0.1:${port[$1]}" >/dev/null
    # A group of its own, so that the keeper ends with what it runs.
    set -m
    (
        [ -z "$input" ] || exec {input}>&-
        while :; do
            etcdctl lease keep-alive "$lease" >/dev/null 2>&1 || :
            sleep 0.2
        done
    ) &
    keeper[$1]=$!
    set +m
    disown "${keeper[$1]}"
}

start_etcd
for name in first second third; do register "$name"; done
say "three backends are registered in etcd, with leases of 3 s: ${port[first]}, ${port[second]} and ${port[third]}"
mkfifo "$work/input"
"$work/discovery" "etcd://127.0.0.1:$client/services/web" <"$work/input" &
demo=$!
exec {input}>"$work/input"
sleep 3

say "${port[first]} is killed: its lease ends within 3 s, and until then its circuit keeps calls away"
echo "fail first" >&"$commands"
kill -- "-${keeper[first]}"
unset 'keeper[first]'
sleep 6

say "${port[second]} is to be drained: it registers with weight 0"
etcdctl put --ignore-lease "/services/web/second" "127.0.0.1:${port[second]} weight=0" >/dev/null
sleep 3

say "${port[fourth]} is added"
register fourth
sleep 3

say "etcd is stopped; calls go on by the last list"
kill -TERM "$etcd"
while kill -0 "$etcd" 2>/dev/null; do sleep 0.05; done
sleep 4

say "etcd is back, and ${port[second]} takes calls again"
start_etcd
etcdctl put --ignore-lease "/services/web/second" "127.0.0.1:${port[second]}" >/dev/null
sleep 6

exec {input}>&-
wait "$demo"
