#!/bin/sh
# Makes the package with a library in it: npm.sh LIBRARY FOLDER
set -eu
library=$(realpath "$1")
mkdir -p "$2"
folder=$(realpath "$2")
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
at=$work/lib/$(node -p 'process.platform + "-" + process.arch')
mkdir -p "$at"
cp -R package.json README.md src "$work"
cp "$library" "$at/libahoy.so"
strip --strip-unneeded "$at/libahoy.so"
(cd "$work" && npm pack --silent --pack-destination "$folder")
