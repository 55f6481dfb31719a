#!/bin/sh
# Prints what has a linker take each function of ahoy.h from an archive: a line of options for each.
set -eu
cd "$(dirname "$0")/.."
sed -n 's/^[a-z].*[ *]\(ahoy_[a-z0-9_]*\)(.*);$/-u \1/p' include/ahoy.ffi.h
