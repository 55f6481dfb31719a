#!/bin/sh
# Each package in a clean root: installed there by apt, then the quickstarts are built and run there from the installed
# files alone. test.sh FOLDER VERSION ABI, where FOLDER/deb has the packages. Needs root, mmdebstrap and the network.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=tests/check.sh
. tests/check.sh
from=$(realpath "$1") version=$2 abi=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
base=$from/clean-root.tar

# Compilers, and what hosts a service in the quickstart; nothing of this tree. Kept for the next run.
if [ ! -e "$base" ]; then
    suite=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
    echo "packages: making a clean $suite"
    mmdebstrap --quiet --format=tar --variant=apt --include=gcc,g++,libc6-dev,cmake,make,pkg-config,python3 "$suite" "$base.new"
    mv "$base.new" "$base"
fi

# The program of the README, as it is printed.
mkdir "$work/first"
sed -n '/^```c$/,/^```$/p' README.md | sed '1d;$d' >"$work/first/quickstart.c"
cp tests/static/call.c examples-cpp/quickstart.cpp "$work/first/"
cat >"$work/first/CMakeLists.txt" <<'CMAKE'
cmake_minimum_required(VERSION 3.13)
project(first C CXX)
find_package(ahoy CONFIG REQUIRED)
add_executable(shared quickstart.c)
target_link_libraries(shared ahoy::ahoy)
add_executable(static quickstart.c)
target_link_libraries(static ahoy::ahoy_static)
add_executable(plus quickstart.cpp)
target_link_libraries(plus ahoy::ahoy)
target_compile_features(plus PRIVATE cxx_std_17)
CMAKE
cat >"$work/first/all.sh" <<'SH'
set -eu
cd /first
step() { echo "== $*"; "$@"; }
compile() { out=$1; shift; step ${CC:-cc} -Wall -Wextra -o "$out" "$@"; }
well() { [ "$("./$1" | sort | uniq -c | sed 's/^ *//')" = "3 200 from http://127.0.0.1:8002" ] && echo "$1: 3 calls, 3 answers of 200"; }
cd / && python3 -m http.server 8002 --bind 127.0.0.1 >/dev/null 2>&1 & host=$!
trap 'kill $host' EXIT
python3 -c '
import socket, time
for _ in range(200):
    try: socket.create_connection(("127.0.0.1", 8002)).close(); break
    except OSError: time.sleep(0.05)'
compile by-hand quickstart.c -lahoy && well by-hand
compile by-pkg-config quickstart.c $(pkg-config --cflags --libs ahoy) && well by-pkg-config
compile archive quickstart.c $(pkg-config --cflags --libs ahoy-static) && well archive
compile wholly-static -static call.c $(pkg-config --static --cflags --libs ahoy) && [ "$(./wholly-static)" = well ] && echo "wholly-static: well"
plus() { [ "$("$1" 8001 8002 8003 | grep -c '^GET / -> 200')" = 3 ] && echo "C++, $1: 3 calls, 3 answers of 200"; }
CC=c++ compile plus -std=c++17 quickstart.cpp $(pkg-config --cflags --libs ahoy) && plus ./plus
step cmake -S . -B build >/dev/null && step cmake --build build >/dev/null
for one in shared static; do well "build/$one"; done
plus build/plus
for one in archive wholly-static build/static; do
    ! readelf -dW "$one" | grep libahoy
done
SH

# fresh NAME: a new clean root.
fresh() {
    root=$work/$1
    mkdir "$root"
    tar -xf "$base" -C "$root"
    mkdir "$root/debs"
    cp -r "$work/first" "$root/first"
}
inside() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 "$@"; }
apt_install() { cp "$from"/deb/$1 "$root/debs" && inside sh -c 'apt-get install -q -y --no-install-recommends /debs/*.deb'; }
timed() { # timed TITLE COMMAND...
    began=$(date +%s%N)
    check "$@"
    echo "$1: $((($(date +%s%N) - began) / 1000000)) ms"
}

fresh runtime
timed "libahoy$abi installs alone" apt_install "libahoy${abi}_*.deb"
loads() { inside python3 -c "import ctypes; l = ctypes.CDLL('libahoy.so.$abi'); l.ahoy_version.restype = ctypes.c_char_p; assert l.ahoy_version() == b'$version'"; }
check "and is loaded by its soname" loads
check "and goes again" inside apt-get purge -q -y "libahoy$abi"
gone() { ! find "$root/usr" -name '*ahoy*' | grep .; }
check "and leaves nothing" gone

fresh development
timed "libahoy-dev installs with it" apt_install "libahoy*.deb"
builds() { inside sh /first/all.sh >"$work/transcript" 2>&1 || { cat "$work/transcript" && return 1; }; }
timed "the quickstarts build and run from the installed files" builds
cat "$work/transcript" 2>/dev/null || :

if ls "$from"/deb/ahoy_*.deb >/dev/null 2>&1; then
    fresh tool
    timed "the tool installs" apt_install "*ahoy*.deb"
    check "and runs" inside ahoy --version
fi

# The same from the archive, unpacked somewhere.
if [ -e "$from/libahoy-$version-$(uname -m)-linux-gnu.tar.xz" ]; then
    fresh unpacked
    mkdir "$root/opt/ahoy"
    tar -xf "$from/libahoy-$version-$(uname -m)-linux-gnu.tar.xz" -C "$root/opt/ahoy" --strip-components=1
    elsewhere() { inside env PKG_CONFIG_PATH=/opt/ahoy/lib/pkgconfig LD_LIBRARY_PATH=/opt/ahoy/lib CMAKE_PREFIX_PATH=/opt/ahoy \
        CPATH=/opt/ahoy/include LIBRARY_PATH=/opt/ahoy/lib sh /first/all.sh; }
    timed "the same from the unpacked archive in /opt" elsewhere
fi

summary packages
