#!/bin/sh
# Runs the OpenTelemetry example with Python's SDK, in an environment of its own below the target folder: tracing.sh
# LIBRARY. The packages are installed once.
set -eu
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
python=$target/tracing-python
if ! "$python/bin/python" -c 'import cffi, opentelemetry.sdk' 2>/dev/null; then
    rm -rf "$python"
    python3 -m venv "$python"
    "$python/bin/pip" install --quiet --disable-pip-version-check cffi opentelemetry-sdk==1.45.2
fi
exec "$python/bin/python" tests/tracing.py "$1"
