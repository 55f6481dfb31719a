#!/bin/sh
# Makes the wheel with a library in it: wheel.sh LIBRARY FOLDER
set -eu
library=$(realpath "$1")
mkdir -p "$2"
folder=$(realpath "$2")
cd "$(dirname "$0")"

# What the library asks of the C library says on which systems the wheel runs: the versions of its symbols, and of the loader
# that reads packed relocations. musl's symbols have no versions.
glibc=$(objdump -p "$library" | sed -n 's/.* GLIBC_ABI_DT_RELR$/2.36/p; s/.* GLIBC_\([0-9]*\.[0-9]*\).*/\1/p' | sort -V | tail -n 1)
AHOY_PLATFORM=$([ -n "$glibc" ] && echo "manylinux_$glibc" | tr . _ || echo musllinux_1_2)_$(uname -m)
export AHOY_PLATFORM

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -R pyproject.toml setup.py README.md src "$work"
cp "$library" "$work/src/ahoy/libahoy.so"
strip --strip-unneeded "$work/src/ahoy/libahoy.so"
find "$work" -name __pycache__ -prune -exec rm -rf {} +
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --quiet install setuptools wheel
"$work/venv/bin/pip" --quiet wheel --no-deps --no-build-isolation --wheel-dir "$folder" "$work"
ls "$folder"/*.whl
