#!/usr/bin/env bash
# Python programs that leave while callbacks come, each many times: tests/hosts/exit.py says how. The interpreter ends
# threads that ask for its lock meanwhile, and is gone a moment later.
#
#     AHOY_STAGE=PREFIX  an installed libahoy; by default `make install` makes one in a temporary folder
#     AHOY_EXITS=5       how often each; `make exits` takes 50
#     AHOY_PYTHONS       interpreters; by default those of python3, python3.11, 3.12, 3.13 that are there, also pyenv's
set -euo pipefail
# shellcheck source=tests/endpoints/common.sh
source "$(dirname "$0")/endpoints/common.sh"

times=${AHOY_EXITS:-5}
use_stage
build_endpoints
AHOY_LIBRARY=$(pkg-config --variable=libdir ahoy)/libahoy.so
export AHOY_LIBRARY PYTHONDONTWRITEBYTECODE=1
# shellcheck disable=SC2046  # flags are words
"${CC:-cc}" -O2 -fPIC -shared -Wall -Wextra -Werror -o "$work/exit_py.so" "$root/tests/hosts/exit_py.c" \
    $(pkg-config --cflags --libs ahoy)
start_endpoints ok hang

# exits PYTHON KIND HOW: how often each status came, in `count`; `bad` is of all but 0, `words` what was said.
exits() {
    local python=$1 number status
    shift
    count=() bad=0
    : >"$work/exits.err"
    for ((number = 0; number < times; number++)); do
        status=0
        # A subshell, for bash tells of signals.
        (timeout -k 1 20 "$python" "$root/tests/hosts/exit.py" "$@" "${port[ok]}" "${port[hang]}" \
            "$work/exit_py.so" >>"$work/exits.err" 2>&1 </dev/null
            exit $?) 2>/dev/null || status=$?
        count[status]=$((${count[status]:-0} + 1))
        [ "$status" -eq 0 ] || bad=$((bad + 1))
    done
    words=
    for status in "${!count[@]}"; do words+=" ${count[status]} with $status"; done
}

# shown NAME HOLDS: how often each status came, by interpreter.
shown() {
    if [ "$2" = yes ]; then pass "exits-$1 (of $times each:$all)"; else fail "exits-$1" "of $times each:$all" "$work/exits.err"; fi
}

# The commands that pyenv puts into the path run the version that is chosen, and no other one.
if command -v pyenv >/dev/null; then of_pyenv=$(echo "$(pyenv root)"/versions/3.1[123].*/bin/python3); fi
pythons=() versions=
for python in ${AHOY_PYTHONS:-python3 python3.11 python3.12 python3.13 ${of_pyenv:-}}; do
    version=$("$python" -c 'import ctypes, sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
    case " $versions " in *" $version "*) continue ;; esac
    versions+=" $version"
    pythons+=("$python=$version")
done
[ "${#pythons[@]}" -gt 0 ] || echo "SKIP  exits: Python is not installed, so its exits WERE NOT TRIED"

# plain: none is aborted or hangs. With the stop none fails in any way, nor says a word; without it a slow one does.
for kind in done log hooks provider destroy blocked; do
    for how in plain stop slow-stop slow; do
        case $kind-$how in blocked-slow*) continue ;; esac
        all= holds=yes
        for python in ${pythons[@]+"${pythons[@]}"}; do
            exits "${python%=*}" "$kind" "$how"
            all+=" Python ${python#*=}:$words;"
            case $how in
                plain) [ -z "${count[134]:-}${count[124]:-}${count[137]:-}" ] || holds=no ;;
                *stop) [ "$bad" -eq 0 ] && [ ! -s "$work/exits.err" ] || holds=no ;;
                # Otherwise no callback came after the interpreter, and the stop proves nothing. No Python bears a log's;
                # 3.13 ends the thread of any other even then.
                slow) [ "$bad" -gt 0 ] || [ "$kind" != log ] || holds=no ;;
            esac
            [ "$holds" = yes ] || break
        done
        shown "$kind-$how" "$holds"
    done
done

finish
