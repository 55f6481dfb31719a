#!/bin/sh
# A compiler for foreign targets: Debian's rustc-web with its sources, for `-Zbuild-std`, unpacked and not installed (145 MB
# to fetch, 870 MB unpacked).
#
#     . packaging/targets/toolchain.sh     fetches it once, then defines `web_cargo`, which runs its cargo
#
# AHOY_TOOLCHAIN is the folder, by default `toolchain` in cargo's target folder.
toolchain=${AHOY_TOOLCHAIN:-${CARGO_TARGET_DIR:-target}/toolchain}
case $toolchain in /*) ;; *) toolchain=$PWD/$toolchain ;; esac

fetch_toolchain() (
    command -v apt-get >/dev/null || { echo "toolchain: this system has no apt-get to fetch Debian's rustc-web" >&2 && exit 1; }
    wanted='rustc-web cargo-web rust-web-src'
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    tell() { cat "$work/log" >&2 && echo "toolchain: $1" >&2 && exit 1; }
    as_root=
    [ "$(id -u)" -eq 0 ] || as_root=sudo
    $as_root apt-get -q update >"$work/log" 2>&1 || tell "apt-get update failed"
    # What these need and the system does not have is fetched as well.
    # shellcheck disable=SC2086 # a list of package names
    apt-get install --simulate --no-install-recommends $wanted >"$work/log" 2>&1 || tell "apt-get knows no $wanted"
    packages=$(sed -n 's/^Inst \([^ ]*\).*/\1/p' "$work/log")
    for one in $wanted; do
        case " $(echo "$packages" | tr '\n' ' ')" in *" $one "*) ;; *) packages="$packages $one" ;; esac
    done
    mkdir "$work/packages"
    # shellcheck disable=SC2086
    (cd "$work/packages" && apt-get -q download $packages) >"$work/log" 2>&1 || tell "apt-get download failed"
    rm -rf "$toolchain.new"
    mkdir -p "$toolchain.new"
    for package in "$work"/packages/*.deb; do dpkg -x "$package" "$toolchain.new"; done
    mv "$toolchain.new" "$toolchain"
)

# Several builds may want it at the same time.
mkdir -p "$(dirname "$toolchain")"
(
    flock 9
    [ -x "$toolchain/usr/bin/rustc" ] && [ -x "$toolchain/usr/bin/cargo" ] || fetch_toolchain
) 9>"$toolchain.lock" || exit 1

web_cargo() {
    LD_LIBRARY_PATH="$toolchain/usr/lib/$(gcc -print-multiarch)" RUSTC="$toolchain/usr/bin/rustc" RUSTC_BOOTSTRAP=1 \
        AHOY_HEADER=skip "$toolchain/usr/bin/cargo" "$@"
}
