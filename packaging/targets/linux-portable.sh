#!/bin/sh
# The library for Linux on x86-64 with glibc 2.17 of 2012 or later, in FOLDER/ready, as packaging/link.sh leaves it:
#
#     linux-portable.sh FOLDER DIST VERSION ABI      DIST has what `make dist` built
#
# Rust's standard library asks for no more than 2.17. What asks for more is the link against this system's libraries, so
# the same object is linked by zig, which knows the symbols of each glibc; one that 2.17 does not have fails the link.
set -eu
cd "$(dirname "$0")/../.."
out=$1 dist=$2 version=$3 abi=$4
# shellcheck source=packaging/targets/zig.sh
. packaging/targets/zig.sh

mkdir -p "$out"
cp "$dist/libahoy.a" "$dist/native-static-libs" "$out"
cat >"$out/cc" <<CC
#!/bin/sh
exec env ZIG_GLOBAL_CACHE_DIR="$ZIG_GLOBAL_CACHE_DIR" ZIG_LOCAL_CACHE_DIR="$ZIG_LOCAL_CACHE_DIR" "$zig" cc -target x86_64-linux-gnu.2.17 "\$@"
CC
chmod +x "$out/cc"
# In place of libgcc_s, which must be as new as the compiler that made it: what unwinds comes along.
CC="$out/cc" SHARED_LIBRARIES='-lunwind -lpthread -lm -ldl -lc' sh packaging/link.sh "$out" "$version" "$abi"
cp "$dist/ready/THIRD-PARTY" "$out/ready"

library=$out/ready/libahoy.so.$version
highest=$(objdump -T "$library" | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -n 1)
[ "$(printf '%s\nGLIBC_2.17\n' "$highest" | sort -V | tail -n 1)" = GLIBC_2.17 ] ||
    { echo "linux-portable: it needs $highest" >&2 && exit 1; }
needs=$(readelf -d "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort)
others=$(echo "$needs" | grep -vE '^(libc|libm|libdl|libpthread|librt|ld-linux-x86-64)\.so\.[0-9]$' || :)
[ -z "$others" ] || { echo "linux-portable: it needs $others" >&2 && exit 1; }
awk -f tests/functions.awk include/ahoy.h | sed -n 's/^function|\([^|]*\).*/\1/p' | sort >"$out/declared"
nm -D --defined-only "$library" | sed -n 's/.* T \([^@]*\).*/\1/p' | sort >"$out/exported"
diff "$out/declared" "$out/exported" || { echo "linux-portable: exports (>) are not what ahoy.h declares (<)" >&2 && exit 1; }
echo "linux-portable: $(wc -l <"$out/exported") functions, $(stat -c %s "$library") bytes, no symbol above $highest, needs" $needs
