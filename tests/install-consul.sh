#!/bin/sh
# Unpacks Consul of Debian 11, the last that has one, into the target directory, for the tests of that source; installs
# nothing. Where it cannot be had, those tests say so and are left out.
set -eu
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
case $target in /*) ;; *) target=$PWD/$target ;; esac
place=$target/consul

if command -v consul >/dev/null || [ -x "$place/usr/bin/consul" ]; then
    echo "consul: nothing to unpack"
    exit 0
fi
keys=/usr/share/keyrings/debian-archive-keyring.gpg
if ! command -v apt-get >/dev/null || [ ! -e "$keys" ]; then
    echo "consul: this is no Debian; NOT UNPACKED" >&2
    exit 0
fi
mirror=$(apt-cache policy | sed -n 's/^ *[0-9]* \(http[^ ]*debian\) .*main.*/\1/p' | head -n 1)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$place"
echo "deb [signed-by=$keys] ${mirror:-http://deb.debian.org/debian} bullseye main" >"$work/sources.list"
apt() {
    apt-get -q -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::State::Lists="$work/lists" -o Dir::Cache="$work/cache" "$@" >>"$work/log" 2>&1
}
if (cd "$work" && apt update && apt download consul && dpkg -x consul_*.deb "$place"); then
    echo "consul: unpacked into $place"
else
    tail -n 5 "$work/log" >&2
    echo "consul: not to be had; NOT UNPACKED" >&2
fi
