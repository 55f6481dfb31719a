#!/bin/sh
# The tests of src/policy, with the golden digests, on other processors than this one:
#
#     run.sh [SYSTEM...]      of aarch64 armv7 i686 s390x x86_64-musl windows; all by default. AHOY_TOOLCHAIN and AHOY_ZIG as in
#                             packaging/targets
#
# armv7 and i686 have 32 bits, s390x has the bytes in the other order, musl and Windows have another libm. i686 and musl run
# natively, Windows under wine, the others in qemu-user. `apt-get install libc6-i386 libc6-arm64-cross libc6-armhf-cross
# gcc-s390x-linux-gnu libc6-dev-s390x-cross qemu-user musl` and `sh tests/install-windows.sh` bring what they need beside zig.
set -eu
cd "$(dirname "$0")/../.."
# shellcheck source=packaging/targets/toolchain.sh
. packaging/targets/toolchain.sh
# shellcheck source=packaging/targets/zig.sh
. packaging/targets/zig.sh

built=${CARGO_TARGET_DIR:-target}/policies
case $built in /*) ;; *) built=$PWD/$built ;; esac
mkdir -p "$built"

# on TRIPLE RUNNER FLAGS [LEVEL]: builds with $built/cc-TRIPLE as linker, optimised to LEVEL, runs, and says how many passed.
# What needs no emulator takes a minute to run as it is, and minutes to optimise.
on() {
    triple=$1
    name=$(echo "$triple" | tr - _)
    upper=$(echo "$name" | tr '[:lower:]' '[:upper:]')
    began=$(date +%s)
    (
        export "CARGO_TARGET_${upper}_LINKER=$built/cc-$triple" "CARGO_TARGET_${upper}_RUSTFLAGS=$3"
        [ -z "${4:-}" ] || export "CARGO_PROFILE_DEV_OPT_LEVEL=$4"
        [ -z "$2" ] || export "CARGO_TARGET_${upper}_RUNNER=$2"
        CARGO_TARGET_DIR=$built web_cargo test --locked --manifest-path tests/policies/Cargo.toml --lib \
            -Zbuild-std=std,panic_unwind,test --target "$triple"
    ) >"$built/$triple.log" 2>&1 || { cat "$built/$triple.log" >&2 && echo "policies: $triple FAILED" >&2 && exit 1; }
    echo "$triple: $(grep '^test result' "$built/$triple.log"); $(grep -c 'golden::.* ok$' "$built/$triple.log") of them golden;" \
        "$(($(date +%s) - began)) s with the build"
}
# zig TRIPLE TARGET: zig as the linker.
by_zig() {
    cat >"$built/cc-$1" <<CC
#!/bin/sh
for argument; do
    shift
    case \$argument in -m32 | -m64 | --target=*) ;; -lgcc_s) set -- "\$@" -lunwind ;; *) set -- "\$@" "\$argument" ;; esac
done
exec "$zig" cc -target $2 "\$@"
CC
    chmod +x "$built/cc-$1"
}

for system in ${*:-aarch64 armv7 i686 s390x x86_64-musl windows}; do
    case $system in
        aarch64)
            by_zig aarch64-unknown-linux-gnu aarch64-linux-gnu.2.17
            on aarch64-unknown-linux-gnu 'qemu-aarch64 -L /usr/aarch64-linux-gnu' ''
            ;;
        armv7)
            by_zig armv7-unknown-linux-gnueabihf arm-linux-gnueabihf.2.17
            on armv7-unknown-linux-gnueabihf 'qemu-arm -L /usr/arm-linux-gnueabihf' ''
            ;;
        i686)
            by_zig i686-unknown-linux-gnu x86-linux-gnu.2.17
            on i686-unknown-linux-gnu '' '' 0
            ;;
        s390x)
            command -v s390x-linux-gnu-gcc >/dev/null || { echo "policies: s390x-linux-gnu-gcc is missing" >&2 && exit 1; }
            ln -sf "$(command -v s390x-linux-gnu-gcc)" "$built/cc-s390x-unknown-linux-gnu"
            on s390x-unknown-linux-gnu 'qemu-s390x -L /usr/s390x-linux-gnu' ''
            ;;
        x86_64-musl)
            by_zig x86_64-unknown-linux-musl x86_64-linux-musl
            on x86_64-unknown-linux-musl '' '-Ctarget-feature=-crt-static -Clink-self-contained=no' 0
            ;;
        windows)
            mingw=x86_64-w64-mingw32
            command -v $mingw-gcc >/dev/null && command -v wine >/dev/null ||
                { echo "policies: $mingw-gcc or wine is missing: sh tests/install-windows.sh" >&2 && exit 1; }
            ln -sf "$(command -v $mingw-gcc)" "$built/cc-x86_64-pc-windows-gnu"
            # The standard library asks for it, and wine 8 does not have it.
            mkdir -p "$built/x86_64-pc-windows-gnu/debug/deps"
            $mingw-gcc -shared -o "$built/x86_64-pc-windows-gnu/debug/deps/bcryptprimitives.dll" \
                tests/windows/bcryptprimitives.c -ladvapi32
            export WINEDEBUG=-all WINEDLLOVERRIDES="mscoree,mshtml=" WINEPREFIX="${AHOY_WINEPREFIX:-$built/wine}"
            on x86_64-pc-windows-gnu wine '' 0
            ;;
        *) echo "policies: no system $system" >&2 && exit 2 ;;
    esac
done
