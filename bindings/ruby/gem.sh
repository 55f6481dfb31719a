#!/bin/sh
# Makes the gem with a library in it: gem.sh LIBRARY FOLDER
set -eu
library=$(realpath "$1")
mkdir -p "$2"
folder=$(realpath "$2")
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -R ahoy-client.gemspec README.md lib "$work"
cp "$library" "$work/lib/ahoy/libahoy.so"
strip --strip-unneeded "$work/lib/ahoy/libahoy.so"
cd "$work"
gem build --quiet ahoy-client.gemspec >/dev/null
cp ./*.gem "$folder"
ls "$folder"/*.gem
