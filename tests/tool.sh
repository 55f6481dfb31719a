#!/bin/sh
# The command-line tool against the staged library: each command, its exit codes and what it says.
# Usage: tool.sh TOOL; needs AHOY_STAGE, an installation of the library.
set -u
tool=$1
export LD_LIBRARY_PATH="${AHOY_STAGE:?}/lib"
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'kill $pids 2>/dev/null; rm -rf "$folder"' EXIT
pids=
passed=0
failed=0

# check NAME CODE STDOUT STDERR COMMAND...: the exit code, and patterns that both outputs must hold (- for any)
check() {
    name=$1 code=$2 out=$3 err=$4
    shift 4
    "$@" >"$folder/out" 2>"$folder/err" </dev/null
    got=$?
    problem=
    [ "$got" -eq "$code" ] || problem="ended with $got, not $code"
    [ "$out" = - ] || grep -Eq -e "$out" "$folder/out" || problem="$problem; nothing like '$out' on standard output"
    [ "$err" = - ] || grep -Eq -e "$err" "$folder/err" || problem="$problem; nothing like '$err' on standard error"
    if [ -z "$problem" ]; then
        passed=$((passed + 1))
        return
    fi
    failed=$((failed + 1))
    echo "FAILED $name: $problem"
    sed 's/^/    out: /' "$folder/out"
    sed 's/^/    err: /' "$folder/err"
}

# wait_for PATTERN FILE
wait_for() {
    tries=0
    until grep -Eq -e "$1" "$2" 2>/dev/null; do
        tries=$((tries + 1))
        [ "$tries" -lt 200 ] || return 1
        sleep 0.05
    done
}

# The functions as the tool declares them have as many arguments as in the header.
python3 - include/ahoy.h tools/ahoy/src/c.rs <<'PY' || failed=$((failed + 1))
import re, sys
header, declared = (open(path).read() for path in sys.argv[1:])
header = re.sub(r'/\*.*?\*/', '', header, flags=re.S)
known = {}
for name, arguments in re.findall(r'\b(ahoy_\w+)\(([^()]*(?:\([^()]*\)[^()]*)*)\);', header):
    known[name] = 0 if arguments.strip() in ('', 'void') else arguments.count(',') + 1
wrong = 0
functions = re.findall(r'fn (ahoy_\w+)\((.*?)\)\s*(?:->|;)', declared, flags=re.S)
for name, arguments in functions:
    count = len([one for one in arguments.split(',') if one.strip()])
    if known.get(name) != count:
        wrong += 1
        print(f'FAILED {name}: {count} arguments, {known.get(name)} in the header')
sys.exit(wrong > 0 or len(functions) < 40)
PY
passed=$((passed + 1))

# A server of one page, whose port it tells.
cat >"$folder/server.py" <<'PY'
import http.server
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        status = 404 if self.path == '/none' else 200
        body = ('hello ' + self.headers.get('x-who', 'you')).encode()
        self.send_response(status)
        self.send_header('content-length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *arguments):
        pass
server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Page)
print(server.server_port, flush=True)
server.serve_forever()
PY
python3 "$folder/server.py" >"$folder/port" &
pids=$!
wait_for '[0-9]' "$folder/port"
port=$(cat "$folder/port")

check version 0 '^ahoy [0-9]' - "$tool" --version
check help 0 'endpoints.*Show' - "$tool" --help
check 'no command' 2 - 'Usage' "$tool"
check 'unknown command' 2 - 'endpoints' "$tool" endpoint
check 'option without value' 2 - 'KEY=VALUE' "$tool" get -o timeout http://127.0.0.1 /

echo "127.0.0.1:$port" >"$folder/hosts"
check endpoints 0 "^http://127.0.0.1:$port  " '1 endpoint, current' "$tool" endpoints "file://$folder/hosts"
check 'unknown scheme' 1 - '^ahoy: .*unknown scheme' "$tool" endpoints nothing://x
check 'no registry' 1 - '^ahoy: consul://127.0.0.1:1' "$tool" endpoints consul://127.0.0.1:1/web --wait 300ms
check 'unknown option' 1 - 'empty_hold' "$tool" endpoints "file://$folder/hosts" -o empty_hol=1s
: >"$folder/none"
check 'empty list' 1 - 'the list is empty' "$tool" endpoints "file://$folder/none" -o empty_hold=0s

"$tool" endpoints --watch "file://$folder/hosts" >"$folder/watched" 2>/dev/null &
pids="$pids $!"
wait_for "[+] http://127.0.0.1:$port" "$folder/watched"
printf '127.0.0.1:%s\n127.0.0.1:9\n' "$port" >"$folder/new" && mv "$folder/new" "$folder/hosts"
wait_for '[+] http://127.0.0.1:9' "$folder/watched"
printf '127.0.0.1:%s\n127.0.0.1:9 weight=5 zone=a priority=2\n' "$port" >"$folder/new" && mv "$folder/new" "$folder/hosts"
wait_for '~ http://127.0.0.1:9  weight 5, zone a, priority 2$' "$folder/watched"
check 'what hosts state' 0 '^http://127.0.0.1:9 .*  weight 5, zone a, priority 2$' - "$tool" endpoints "file://$folder/hosts"
echo "127.0.0.1:$port" >"$folder/new" && mv "$folder/new" "$folder/hosts"
check watch 0 '- http://127.0.0.1:9$' - sh -c "sleep 1; cat $folder/watched"

"$tool" endpoints --watch "file://$folder/typos" >"$folder/watched" 2>"$folder/warned" &
pids="$pids $!"
echo "127.0.0.1:$port weigth" >"$folder/new" && mv "$folder/new" "$folder/typos"
wait_for 'left out' "$folder/warned"
check 'entries left out' 0 "^1 entry of the provider's list is left out: line 1: a word without '='" - cat "$folder/warned"

check get 0 '^hello you$' "attempt 1  http://127.0.0.1:$port  200" "$tool" get "file://$folder/hosts" /
check 'get a URL' 0 '^hello me$' - "$tool" get "http://127.0.0.1:$port" / -H 'x-who: me' -o timeout=5s
check 'get with the head' 0 '^content-length: 9' - "$tool" get -i "http://127.0.0.1:$port" /
check 'get an error' 4 - '404' "$tool" get -q "file://$folder/hosts" /none
check 'get nothing' 1 - 'AHOY_E_' "$tool" get http://127.0.0.1:1 /
check 'get of a wrong path names the service without its secrets' 1 - '^ahoy: http://127.0.0.1:1/v1: path: must start' \
    "$tool" get http://127.0.0.1:1/v1 orders
check 'get of a wrong option' 1 - 'timeout' "$tool" get -o timeou=5s "http://127.0.0.1:$port" /

printf '{"hosts": ["127.0.0.1:%s"]}' "$port" >"$folder/config.json"
check check 0 - 'a client can be made of it' "$tool" check "$folder/config.json"
check 'get by a configuration' 0 '^hello you$' - "$tool" get "$folder/config.json" /
echo '{"hots": []}' >"$folder/wrong.json"
check 'check what is wrong' 1 - 'hots' "$tool" check "$folder/wrong.json"
check 'check what is not there' 1 - 'No such file' "$tool" check "$folder/nothing.json"

check options 0 '^breaker$' - "$tool" options
check 'options of a handle' 0 'retry_budget' - "$tool" options client
check 'options of a source' 0 '^ +.*Taken by zk\.' - "$tool" options zookeeper_session_timeout
check 'options of providers' 0 '^  empty_hold' - "$tool" options provider
check 'options by key' 0 'retry_budget_floor' - "$tool" options budget_floor
check 'no option' 1 - 'no option has' "$tool" options nothing_like_it

check completions 0 'complete ' - "$tool" completions bash
check 'completions are a script' 0 - - bash -n "$folder/out"
check 'man page' 0 '^\.TH ahoy' - "$tool" man

# A disk that is full is told, and ends it as any other want; where standard error cannot be written, the exit code tells.
if [ -c /dev/full ]; then
    for command in options man 'completions bash' "check $folder/config.json" "endpoints file://$folder/hosts" \
        "endpoints --watch file://$folder/hosts"; do
        check "$command on a full disk" 1 - '^ahoy: standard output: No space' sh -c "'$tool' $command >/dev/full"
    done
    check 'get on a full disk' 1 - '^ahoy: writing the body: No space' sh -c "'$tool' get http://127.0.0.1:$port / >/dev/full"
    check 'nobody told' 1 - - sh -c "'$tool' get http://127.0.0.1:1 / 2>/dev/full"
    check 'nobody told of attempts' 0 'hello' - sh -c "'$tool' get http://127.0.0.1:$port / 2>/dev/full"
fi

printf '{"hosts": ["127.0.0.1:1"]}\0 and more' >"$folder/nul.json"
check 'check what holds a NUL' 1 - 'holds a NUL, at byte 26' "$tool" check "$folder/nul.json"
check 'a wait as options have it' 0 - '1 endpoint' "$tool" endpoints --wait 1m30s "file://$folder/hosts"
check 'a wait without a unit' 2 - 'such as 500ms, 10s or 1m30s' "$tool" endpoints --wait 5 "file://$folder/hosts"
check 'a wait from small to large' 2 - '1m30s' "$tool" endpoints --wait 30s1m "file://$folder/hosts"

echo "tool: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
