#!/usr/bin/env bash
# README's first ten minutes, as they are printed: its commands in their order in one shell, its program where it says,
# and each output beside what it shows. Ports are free ones, the home is a temporary folder, and PROFILE=release stands
# in for the optimised library, which takes minutes to build.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/check.sh
. tests/check.sh

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
read -r -a ports < <(python3 -c '
import socket
free = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
print(*sorted(it.getsockname()[1] for it in free))')

# The blocks of the README, up to where it describes what the library does.
sed '/^## Three commands/,$d' README.md |
    sed -e "s/\<8001\>/${ports[0]}/g; s/\<8002\>/${ports[1]}/g; s/\<8003\>/${ports[2]}/g" |
    awk -v work="$work" '
        /^```./ { inside = substr($0, 4); count++; file = sprintf("%s/%02d.%s", work, count, inside); next }
        /^```/ { inside = ""; close(file); next }
        inside { print >file }'

# One shell for all of them; a text is what the commands before it printed. A host is up before what follows, on however
# busy a machine.
{
    echo 'set -eu'
    for block in "$work"/[0-9]*; do
        case $block in
            *.sh) echo "echo '$block' >&2; { $(printf '\n' && cat "$block")
                } >'$block.out'
                for port in \$(sed -n 's/.*http.server \([0-9]*\).*/\1/p' '$block'); do
                    until (: </dev/tcp/127.0.0.1/\$port) 2>>'$work/waits'; do sleep 0.05; done
                done"
                last=$block ;;
            *.c) echo "cp '$block' quickstart.c" ;;
            *.text) cp "$block" "$last.expected" ;;
        esac
    done
    echo 'kill $host $second 2>/dev/null || :'
} >"$work/all.bash"

export PROFILE=release CARGO_HOME=${CARGO_HOME:-$HOME/.cargo} RUSTUP_HOME=${RUSTUP_HOME:-$HOME/.rustup}
unset PKG_CONFIG_PATH LD_LIBRARY_PATH
started=$(date +%s)
check "the commands of the README succeed" env HOME="$work" MAKEFLAGS= timeout 600 bash "$work/all.bash"
echo "readme: its commands took $(($(date +%s) - started)) s"

# Numbers that uniq counts differ from run to run.
counts() { sed 's/^ *[0-9][0-9]* \(200 \)/N \1/' "$1"; }
compared=0
for expected in "$work"/*.expected; do
    compared=$((compared + 1))
    check "output $compared is what the README shows" diff <(counts "$expected") <(counts "${expected%.expected}.out")
done
check "outputs were compared" test "$compared" = 2
answered() { [ "$(grep -c '^200 from' "$work/first/answers")" = 40 ] && [ "$(wc -l <"$work/first/answers")" = 40 ]; }
check "no call failed while a host died" answered

summary readme
