#!/bin/sh
# Puts the archive and the header where the module looks for them: archive.sh LIBAHOY.A
set -eu
archive=$(realpath "$1")
cd "$(dirname "$0")"
case $(uname -m) in x86_64) processor=amd64 ;; aarch64) processor=arm64 ;; *) processor=$(uname -m) ;; esac
mkdir -p include "lib/linux_$processor"
cp ../../include/ahoy.h include/
cp "$archive" "lib/linux_$processor/libahoy.a"
