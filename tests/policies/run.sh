#!/bin/sh
# The tests of src/policy, with the golden digests, on other processors than this one:
#
#     run.sh [SYSTEM...]      of i686 s390x x86_64-musl; all by default. AHOY_TOOLCHAIN as in packaging/targets/toolchain.sh
#
# i686 has 32 bits and runs natively, s390x has the bytes in the other order and runs under qemu, musl has another libm.
# `apt-get install libc6-i386 gcc-s390x-linux-gnu libc6-dev-s390x-cross qemu-user musl` brings what they need beside zig.
set -eu
cd "$(dirname "$0")/../.."
# shellcheck source=packaging/targets/toolchain.sh
. packaging/targets/toolchain.sh
# shellcheck source=packaging/targets/zig.sh
. packaging/targets/zig.sh

built=${CARGO_TARGET_DIR:-target}/policies
case $built in /*) ;; *) built=$PWD/$built ;; esac
mkdir -p "$built"

# on TRIPLE RUNNER FLAGS: builds with $built/cc-TRIPLE as linker, runs, and says how many passed.
on() {
    triple=$1
    name=$(echo "$triple" | tr - _)
    upper=$(echo "$name" | tr '[:lower:]' '[:upper:]')
    began=$(date +%s)
    (
        export "CARGO_TARGET_${upper}_LINKER=$built/cc-$triple" "CARGO_TARGET_${upper}_RUSTFLAGS=$3"
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

for system in ${*:-i686 s390x x86_64-musl}; do
    case $system in
        i686)
            by_zig i686-unknown-linux-gnu x86-linux-gnu.2.17
            on i686-unknown-linux-gnu '' ''
            ;;
        s390x)
            command -v s390x-linux-gnu-gcc >/dev/null || { echo "policies: s390x-linux-gnu-gcc is missing" >&2 && exit 1; }
            ln -sf "$(command -v s390x-linux-gnu-gcc)" "$built/cc-s390x-unknown-linux-gnu"
            on s390x-unknown-linux-gnu 'qemu-s390x -L /usr/s390x-linux-gnu' ''
            ;;
        x86_64-musl)
            by_zig x86_64-unknown-linux-musl x86_64-linux-musl
            on x86_64-unknown-linux-musl '' '-Ctarget-feature=-crt-static -Clink-self-contained=no'
            ;;
        *) echo "policies: no system $system" >&2 && exit 2 ;;
    esac
done
