#!/bin/sh
# Installs what packaging/targets/macos.sh needs on Debian and Ubuntu: LLVM's compiler, linker and tools (220 MB).
set -eu
packages='clang-14 lld-14 llvm-14'
missing=
for package in $packages; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
as_root=
[ "$(id -u)" -eq 0 ] || as_root=sudo
$as_root apt-get -q update
# shellcheck disable=SC2086 # a list of package names
$as_root env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends $missing
