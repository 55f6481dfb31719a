#!/usr/bin/env bash
# The tests of Python's binding that need nothing but Python and nginx, on one Python after the other: pythons.sh LIBRARY FOLDER
#
# PYTHONS names them, such as one without the global lock; else they are pyenv's from 3.9 on, and the newest of Debian: that of
# sid, in a root that FOLDER keeps. The root needs root, mmdebstrap and, at first, the network.
set -euo pipefail
cd "$(dirname "$0")/.."
library=$(realpath "$1")
mkdir -p "$2"
folder=$(realpath "$2")
tests=(test_client test_async test_acceptance test_suite)
passed=0 failed=0

# told NAME COMMAND...: the last lines of unittest, and whether it was well.
told() {
    local name=$1 log=$folder/log
    shift
    if "$@" >"$log" 2>&1; then
        passed=$((passed + 1))
        echo "ok    $name: $(grep '^Ran' "$log")"
    else
        failed=$((failed + 1))
        echo "FAIL  $name"
        tail -n 60 "$log"
    fi
}

version() { "$1" -c 'import sys, sysconfig; print(sys.version.split()[0] + "t" * bool(sysconfig.get_config_var("Py_GIL_DISABLED")))'; }

here() {
    told "$(version "$1")" env AHOY_LIBRARY="$library" PYTHONPATH=bindings/python/src:bindings/python/tests \
        "$1" -W error -m unittest "${tests[@]}"
}

sid() {
    local root=$folder/sid
    if [ ! -e "$root/usr/bin/python3" ]; then
        # A mirror that stands still has lists that are past their time.
        mmdebstrap --quiet --variant=apt --aptopt='Acquire::Check-Valid-Until "false"' --include=python3,nginx \
            sid "$root.new" http://deb.debian.org/debian
        mv "$root.new" "$root"
    fi
    rm -rf "$root/tree"
    mkdir -p "$root/tree/bindings"
    cp -R bindings/python bindings/suite "$root/tree/bindings/"
    cp "$library" "$root/tree/libahoy.so"
    told "$(chroot "$root" python3 -c 'import platform; print(platform.python_version())')" unshare --mount sh -c '
        mount -t proc proc "$1/proc"
        mount --rbind /dev "$1/dev"
        root=$1
        shift
        exec chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 AHOY_LIBRARY=/tree/libahoy.so \
            PYTHONPATH=/tree/bindings/python/src:/tree/bindings/python/tests python3 -W error -m unittest "$@"' \
        sh "$root" "${tests[@]}"
}

if [ -n "${PYTHONS:-}" ]; then
    for python in $PYTHONS; do here "$python"; done
else
    for python in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.{9,1[0-9]}.*/bin/python; do
        [ ! -x "$python" ] || here "$python"
    done
    sid
fi
echo "pythons: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
