#!/bin/sh
# zig's C compiler, which links for an older glibc than this system's: PyPI's ziglang (about 100 MB to fetch).
#
#     . packaging/targets/zig.sh     fetches it once, then sets `zig`, a command
#
# AHOY_ZIG is the folder, by default `zig` in cargo's target folder.
zig_folder=${AHOY_ZIG:-${CARGO_TARGET_DIR:-target}/zig}
case $zig_folder in /*) ;; *) zig_folder=$PWD/$zig_folder ;; esac
zig_version=0.17.1

# Several builds may want it at the same time.
mkdir -p "$zig_folder"
(
    flock 9
    [ -x "$zig_folder/ziglang/zig" ] ||
        python3 -m pip install --quiet --disable-pip-version-check --no-deps --target "$zig_folder" "ziglang==$zig_version"
) 9>"$zig_folder/lock" || { echo "zig: cannot be fetched; it needs python3-pip" >&2 && exit 1; }
zig=$zig_folder/ziglang/zig
export ZIG_GLOBAL_CACHE_DIR="$zig_folder/cache" ZIG_LOCAL_CACHE_DIR="$zig_folder/cache"
