#!/bin/sh
# The library for another Linux, in FOLDER/ready, as packaging/link.sh leaves it:
#
#     linux-cross.sh aarch64|i686|musl FOLDER VERSION ABI      PROFILE=dev is quick; AHOY_TOOLCHAIN and AHOY_ZIG as in their scripts
#
# aarch64: glibc 2.17 or later on 64-bit ARM. i686: the same on x86 with 32 bits. musl: x86-64 with musl's loader, such as Alpine.
# The Rust part is built by Debian's compiler for foreign targets with the standard library from source; C and the link are
# zig's. aarch64 needs Debian's binutils-aarch64-linux-gnu beside.
set -eu
cd "$(dirname "$0")/../.."
system=$1 out=$2 version=$3 abi=$4
profile=${PROFILE:-dist}
case $system in
    aarch64) triple=aarch64-unknown-linux-gnu zig_target=aarch64-linux-gnu.2.17 tools=aarch64-linux-gnu- flags= ;;
    i686) triple=i686-unknown-linux-gnu zig_target=x86-linux-gnu.2.17 tools= flags= ;;
    musl) triple=x86_64-unknown-linux-musl zig_target=x86_64-linux-musl tools= flags=-Ctarget-feature=-crt-static ;;
    *) echo "linux-cross: no system $system" >&2 && exit 2 ;;
esac
for tool in ld objcopy nm ar; do
    command -v $tools$tool >/dev/null || { echo "linux-cross: $tools$tool is missing: apt-get install binutils-${tools%-}" >&2 && exit 1; }
done
# shellcheck source=packaging/targets/zig.sh
. packaging/targets/zig.sh
# shellcheck source=packaging/targets/toolchain.sh
. packaging/targets/toolchain.sh

mkdir -p "$out"
out=$(cd "$out" && pwd)
# The target is said by rustc in words that zig does not know. zig looks for undefined behaviour unless told not to.
cat >"$out/cc" <<CC
#!/bin/sh
for argument; do
    shift
    case \$argument in --target=* | -m32 | -m64) ;; *) set -- "\$@" "\$argument" ;; esac
done
exec env ZIG_GLOBAL_CACHE_DIR="$ZIG_GLOBAL_CACHE_DIR" ZIG_LOCAL_CACHE_DIR="$ZIG_LOCAL_CACHE_DIR" "$zig" cc -target $zig_target -fno-sanitize=undefined "\$@"
CC
chmod +x "$out/cc"
case $profile in dev) folder=$out/build/$triple/debug ;; *) folder=$out/build/$triple/$profile ;; esac
features=
[ "$profile" != dist ] || features='--features silent'
name=$(echo $triple | tr - _)
upper=$(echo "$name" | tr '[:lower:]' '[:upper:]')
# No path of this machine goes into what is shipped.
here=$(pwd)
flags="$flags --remap-path-prefix=$here=ahoy --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo --remap-path-prefix=$toolchain=rust"
export "CC_$name=$out/cc" "AR_$name=${tools}ar" "CARGO_TARGET_${upper}_LINKER=$out/cc" "CARGO_TARGET_${upper}_RUSTFLAGS=$flags"
# shellcheck disable=SC2086 # a list of options
CARGO_TARGET_DIR=$out/build web_cargo rustc --locked --profile "$profile" $features --lib --crate-type staticlib \
    -Zbuild-std=std,panic_unwind --target $triple >"$out/log" 2>&1 || { cat "$out/log" >&2 && exit 1; }

cp "$folder/libahoy.a" "$out"
# A program that links the archive brings what unwinds; the shared library has it within.
case $system in musl) echo -lgcc_eh -lc ;; *) echo -lgcc_s -lutil -lrt -lpthread -lm -ldl -lc ;; esac >"$out/native-static-libs"
ld=${tools}ld
if [ "$system" = i686 ]; then
    printf '#!/bin/sh\nexec ld -m elf_i386 "$@"\n' >"$out/ld"
    chmod +x "$out/ld"
    ld=$out/ld
fi
CC="$out/cc" LD=$ld OBJCOPY=${tools}objcopy NM=${tools}nm AR=${tools}ar SHARED_LIBRARIES=-lunwind \
    sh packaging/link.sh "$out" "$version" "$abi"
RUSTC="$toolchain/usr/bin/rustc" LD_LIBRARY_PATH="$toolchain/usr/lib/$(gcc -print-multiarch)" NOTICES_TARGET=$triple \
    CARGO="${CARGO:-cargo}" sh packaging/notices.sh "$out/ready/THIRD-PARTY" --target $triple $features

library=$out/ready/libahoy.so.$version
awk -f tests/functions.awk include/ahoy.h | sed -n 's/^function|\([^|]*\).*/\1/p' | sort >"$out/declared"
"${tools}nm" -D --defined-only "$library" | sed -n 's/.* T \([^@]*\).*/\1/p' | sort >"$out/exported"
diff "$out/declared" "$out/exported" || { echo "$system: exports (>) are not what ahoy.h declares (<)" >&2 && exit 1; }
echo "$system: $(wc -l <"$out/exported") functions, $(stat -c %s "$library") bytes, needs" \
    $(readelf -d "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort)
