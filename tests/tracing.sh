#!/bin/sh
# Runs the OpenTelemetry example with Python's SDK, in an environment of its own below the target folder, and the spans of
# the bindings of Python and Go: tracing.sh LIBRARY. The packages are installed once. Node's are among its other tests.
set -eu
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
python=$target/tracing-python
if ! "$python/bin/python" -c 'import cffi, opentelemetry.sdk' 2>/dev/null; then
    rm -rf "$python"
    python3 -m venv "$python"
    "$python/bin/pip" install --quiet --disable-pip-version-check cffi opentelemetry-sdk==1.45.2
fi
"$python/bin/python" tests/tracing.py "$1"
# The binding of Python makes spans by itself.
if AHOY_LIBRARY=$(realpath "$1") PYTHONPATH=bindings/python/src:bindings/python/tests \
    "$python/bin/python" -W error -m unittest test_opentelemetry; then
    passed=1
else
    echo "0 passed, 1 failed"
    exit 1
fi
# Debian has Go's SDK as sources below one folder, without modules.
archive=$(dirname "$(realpath "$1")")/ready/libahoy.a
gopath=$(realpath "$target")/tracing-go
tree=$gopath/src/github.com/libahoy/libahoy
rm -rf "$gopath"
mkdir -p "$tree/bindings"
cp -R include "$tree/"
cp -R bindings/go "$tree/bindings/"
"$tree/bindings/go/archive.sh" "$archive"
if env -C "$tree/bindings/go/opentelemetry" GOPATH="$gopath:/usr/share/gocode" \
    GO111MODULE=off go test .; then
    echo "$((passed + 1)) passed, 0 failed"
else
    echo "$passed passed, 1 failed"
    exit 1
fi
