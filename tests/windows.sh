#!/usr/bin/env bash
# What `make windows` built, under wine: the C and C++ examples against endpoints on loopback, programs of other linkers, the
# NULL test, a host that unloads it, calls without a free port or socket, and the Rust tests that run there. Which do not, and
# why: tests/windows/without.txt.
#
#     windows.sh FOLDER [examples|linkers|null|unload|ports|sockets|rust [NAME...]]     FOLDER as packaging/targets/windows.sh made it
set -euo pipefail
folder=$(realpath "$1")
part=${2:-all}
shift $(($# > 1 ? 2 : 1))
# shellcheck source=tests/endpoints/common.sh
source "$(dirname "$0")/endpoints/common.sh"
# shellcheck source=tests/endpoints/nginx.sh
source "$root/tests/endpoints/nginx.sh"
cd "$root"
mingw=x86_64-w64-mingw32
for tool in $mingw-gcc $mingw-g++ wine; do
    command -v "$tool" >/dev/null || { echo "windows: $tool is missing: sh tests/install-windows.sh" >&2 && exit 1; }
done
# Neither .NET nor a browser is wanted.
export WINEDEBUG=-all WINEDLLOVERRIDES="mscoree,mshtml=" WINEPREFIX=${AHOY_WINEPREFIX:-$work/wine}
mkdir -p "$work/bin"
cp "$folder/bin/ahoy.dll" "$work/bin"
$mingw-gcc -shared -o "$work/bin/bcryptprimitives.dll" tests/windows/bcryptprimitives.c -ladvapi32
wineboot -i >/dev/null 2>&1 || { echo "windows: wine does not start" >&2 && exit 1; }
cleanup_more() {
    stop_nginx
    wineserver -k 2>/dev/null || true
    wineserver -w 2>/dev/null || true
}

# Programs write the ends of their lines as Windows has them.
plain() { tr -d '\r'; }
without_refused() { plain | grep -v 'connect refused' | sort; }
without_averages() { plain | grep -v 'attempts for each call'; }

flags=(-O2 -Wall -Wextra -Wpedantic -Werror -D_POSIX_THREAD_SAFE_FUNCTIONS -I "$folder/include")
c_program() { # c_program NAME [ARGUMENT...]: linked with the import library
    local name=$1
    shift
    $mingw-gcc-posix -std=c11 "${flags[@]}" "$@" -o "$work/bin/$name.exe" "examples-c/$name.c" -L "$folder/lib" -l:libahoy.dll.a
}
cpp_program() { # cpp_program NAME [ARGUMENT...]
    local name=$1
    shift
    $mingw-g++-posix -std=c++20 "${flags[@]}" -static -o "$work/bin/$name-cpp.exe" "examples-cpp/$name.cpp" "$@" -L "$folder/lib" \
        -l:libahoy.dll.a -lws2_32 -lmswsock
}
example() { # example NAME PROGRAM EXPECTED ORDER -- ARGUMENT...
    local name=$1 program=$2 expected=$3 order=$4
    shift 5
    run "$name" wine "$work/bin/$program.exe" "$@"
    compare "$name" "$expected" "$order"
}
of_c() { local name=$1 order=$2 && shift 3 && example "$name" "$name" "examples-c/expected/$name.txt" "$order" -- "$@"; }

# https again, with the authority in the user's store of roots. Taken out of it by a program it would be back later: wine 8
# deletes no key for that.
by_the_store() {
    local name="https by the store of roots" key='HKCU\Software\Microsoft\SystemCertificates\Root\Certificates'
    $mingw-gcc-posix -std=c11 "${flags[@]}" -o "$work/bin/store.exe" tests/windows/store.c -lcrypt32
    openssl x509 -in "$work/tls/ca.pem" -outform DER -out "$work/tls/ca.der"
    wine "$work/bin/store.exe" "$work/tls/ca.der"
    sed "s/^platform's roots: .*/platform's roots: AHOY_OK/" examples-c/expected/https.txt >"$work/https.txt"
    example "$name" https "$work/https.txt" plain -- "https://localhost:${port[nginx]}" "$work/tls/ca.pem"
    key="$key\\$(sha1sum "$work/tls/ca.der" | cut -c 1-40 | tr a-f A-F)"
    wine reg delete "$key" /f >/dev/null
    example "https with it empty again" https examples-c/expected/https.txt plain -- "https://localhost:${port[nginx]}" "$work/tls/ca.pem"
}

examples() {
    local name
    for name in quickstart resilient random custom_retry custom_provider session streaming sign https; do c_program $name; done
    build_endpoints
    start_endpoints dead-1@refuse well@ok dead-2@refuse
    of_c quickstart without_refused -- "${port[dead-1]}" "${port[well]}" "${port[dead-2]}"
    # The same program with the library in it.
    local private
    private=$(sed -n 's/^Libs: //p' "$folder/lib/pkgconfig/ahoy-static.pc" | sed "s,\\\${libdir},$folder/lib,")
    # shellcheck disable=SC2086 # a list
    $mingw-gcc-posix -std=c11 "${flags[@]}" -DAHOY_STATIC -o "$work/bin/static.exe" examples-c/quickstart.c -static $private
    mkdir -p "$work/static" && mv "$work/bin/static.exe" "$work/bin/bcryptprimitives.dll" "$work/static"
    run static wine "$work/static/static.exe" "${port[dead-1]}" "${port[well]}" "${port[dead-2]}"
    mv "$work/static/bcryptprimitives.dll" "$work/bin"
    compare static examples-c/expected/quickstart.txt without_refused
    start_endpoints hung@hang failing@status=503 well@ok
    of_c resilient without_averages -- "${port[hung]}" "${port[failing]}" "${port[well]}"
    start_endpoints first@ok second@ok third@ok
    of_c random plain -- 42 "${port[first]}" "${port[second]}" "${port[third]}"
    start_endpoints flaky@status=503:times=3
    of_c custom_retry plain -- "http://127.0.0.1:${port[flaky]}"
    start_endpoints here@ok there@ok dead@refuse
    of_c custom_provider plain -- "${port[here]}" "${port[there]}" "${port[dead]}"
    start_endpoints echo redirect
    of_c session plain -- "http://127.0.0.1:${port[echo]}/api" "http://127.0.0.1:${port[redirect]}/start"
    start_endpoints echo
    of_c streaming plain -- "http://127.0.0.1:${port[echo]}"
    start_endpoints flaky@status=503:times=1
    of_c sign plain -- "http://127.0.0.1:${port[flaky]}" secret 1800000000
    start_nginx
    of_c https plain -- "https://localhost:${port[nginx]}" "$work/tls/ca.pem"
    by_the_store
    stop_nginx
    # Of the system's headers only those of asio, which has an event loop of Windows' own.
    mkdir -p "$work/asio"
    ln -sf /usr/include/asio /usr/include/asio.hpp "$work/asio"
    for name in quickstart custom_provider streaming coroutine without_exceptions asio; do
        if cpp_program $name -isystem "$work/asio" -D_WIN32_WINNT=0x0A00 2>"$work/$name.log"; then pass "$name.cpp builds"; else fail "$name.cpp" "does not build" "$work/$name.log"; fi
    done
    start_endpoints dead-1@refuse well@ok dead-2@refuse
    example quickstart-cpp quickstart-cpp examples-cpp/expected/quickstart.txt without_refused -- "${port[dead-1]}" "${port[well]}" "${port[dead-2]}"
    start_endpoints well@ok
    example asio-cpp asio-cpp examples-cpp/expected/asio.txt plain -- "http://127.0.0.1:${port[well]}"
}

# clang with lld instead of mingw's gcc and ld: in mingw's world, and in MSVC's, whose C library is not at hand; so there a
# program that needs none.
linkers() {
    local llvm=${AHOY_LLVM:-14} tool gcc ended
    for tool in clang lld-link llvm-dlltool; do
        command -v "$tool-$llvm" >/dev/null || { fail linkers "$tool-$llvm is missing: sh tests/install-windows.sh" && return; }
    done
    gcc=$(dirname "$($mingw-gcc-posix -print-libgcc-file-name)")
    "clang-$llvm" --target=x86_64-pc-windows-gnu -std=c11 "${flags[@]}" --ld-path="$(command -v "ld.lld-$llvm")" -L "$gcc" -o "$work/bin/lld.exe" \
        examples-c/random.c "$folder/lib/ahoy.lib"
    build_endpoints
    start_endpoints first@ok second@ok third@ok
    example "clang and lld" lld examples-c/expected/random.txt plain -- 42 "${port[first]}" "${port[second]}" "${port[third]}"
    stop_endpoints
    printf 'LIBRARY kernel32.dll\nEXPORTS\nExitProcess\n' >"$work/kernel32.def"
    "llvm-dlltool-$llvm" -m i386:x86-64 -d "$work/kernel32.def" -l "$work/kernel32.lib"
    "clang-$llvm" --target=x86_64-pc-windows-msvc -std=c11 -ffreestanding -fms-extensions -O2 -Wall -Wextra -Werror -I "$folder/include" \
        -c tests/windows/entry.c -o "$work/entry.obj"
    for tool in ahoy.lib libahoy.dll.a; do
        "lld-link-$llvm" /nodefaultlib /entry:entry /subsystem:console "/out:$work/bin/entry.exe" "$work/entry.obj" \
            "$folder/lib/$tool" "$work/kernel32.lib"
        ended=0
        wine "$work/bin/entry.exe" || ended=$?
        if [ $ended -eq 42 ]; then pass "lld-link with $tool"; else fail "lld-link with $tool" "its program ended with $ended"; fi
    done
}

null() {
    awk -f tests/functions.awk include/ahoy.h | awk -f tests/null_calls.awk tests/null_preamble.h - >"$work/null_calls.c"
    $mingw-gcc-posix -std=gnu11 -g -Wall -Wextra -Werror -Wno-int-to-pointer-cast -Wno-pointer-to-int-cast -Itests/windows/posix \
        -include shim.h -I "$folder/include" -Itests "$work/null_calls.c" -o "$work/bin/null_calls.exe" -L "$folder/lib" \
        -l:libahoy.dll.a -lws2_32 -static
    if timeout 300 wine "$work/bin/null_calls.exe" >"$work/null.log" 2>&1; then
        pass "NULL test: $(tail -n 1 "$work/null.log" | plain)"
    else
        fail "NULL test" "see below" "$work/null.log"
    fi
}

# LoadLibrary and FreeLibrary a hundred times, with calls under way.
unload() {
    $mingw-gcc-posix -std=gnu11 -O2 -Wall -Wextra -Werror -Itests/windows/posix -I "$folder/include" -o "$work/bin/unload.exe" tests/hosts/unload.c
    build_endpoints
    start_endpoints well@ok hung@hang
    run unload timeout 100 wine "$work/bin/unload.exe" "$(winepath -w "$work/bin/ahoy.dll")" "${port[well]}" "${port[hung]}"
    echo well >"$work/well"
    compare unload "$work/well" plain
    stop_endpoints
}

# Calls while Winsock has no port left: in a network of its own, of thirty-two. Under wine a shortage of the kernel's.
ports() {
    if [ "${AHOY_FEW_PORTS:-}" != set ]; then
        AHOY_FEW_PORTS=set AHOY_WINEPREFIX='' unshare --map-root-user --net bash "$root/tests/windows.sh" "$folder" ports >"$work/ports.log" 2>&1 || true
        if grep -q '^ok' "$work/ports.log"; then pass "ports: $(grep '^ports:' "$work/ports.log")"; else fail ports "see below" "$work/ports.log"; fi
        return
    fi
    ip link set lo up
    echo '40000 40031' >/proc/sys/net/ipv4/ip_local_port_range
    shortage ports
}

# The same while it has no socket left: wine's server opens them, and here no more than 400 files.
sockets() {
    wineserver -k || true
    wineserver -w
    (ulimit -n 400 && wineserver -p) >/dev/null 2>&1
    shortage sockets >"$work/sockets.log" 2>&1 || true
    wineserver -k || true
    wineserver -w
    if grep -q '^ok' "$work/sockets.log"; then pass "sockets: $(grep '^sockets:' "$work/sockets.log")"; else fail sockets "see below" "$work/sockets.log"; fi
}

shortage() { # shortage ports|sockets
    $mingw-gcc-posix -std=c11 "${flags[@]}" -o "$work/bin/shortages.exe" tests/windows/shortages.c -L "$folder/lib" -l:libahoy.dll.a -lws2_32
    build_endpoints
    start_endpoints well@ok
    timeout 120 wine "$work/bin/shortages.exe" "$1" "${port[well]}" | plain
    stop_endpoints
}

# What a file's tests are run without, as arguments of the program.
without() { awk -v file="$1" '$1 == file { print "--skip"; print file "::" $2 }' tests/windows/without.txt; }

# tests PROGRAM ARGUMENT...: how it ended.
tests() {
    local program=$1
    shift
    timeout "${AHOY_WINDOWS_LIMIT:-300}" wine "$work/bin/$program.exe" --test-threads "${AHOY_WINDOWS_THREADS:-4}" "$@" 2>&1 | plain
}
sum() { sed -n "s/^test result.* \([0-9]*\) $1.*/\1/p" "$2" | awk '{ all += $1 } END { print all + 0 }'; }

# file NAME PROGRAM [FILTER]: the tests of a file. What fails beside others runs once more, alone: wine's server takes
# turns, and many tests measure milliseconds.
file() {
    local name=$1 program=$2 filter=${3:-} again=() one count log=$work/$1.log
    # shellcheck disable=SC2046 # a list of arguments
    tests "$program" $filter $(without "$name") >"$log" || true
    count=$(sum passed "$log")
    mapfile -t again < <(sed -n 's/^test \(.*\) \.\.\. FAILED$/\1/p' "$log")
    grep -q '^test result' "$log" || { fail "$name" "it did not end" "$log" && return; }
    for one in "${again[@]}"; do
        if tests "$program" --exact "$one" >"$log.again"; then
            count=$((count + 1))
        else
            grep -A 3 panicked "$log.again" >"$log.why" || true
            fail "$one" "twice" "$log.why"
        fi
    done
    ran=$((ran + count))
    pass "$name: $count of $(($(sum passed "$log") + ${#again[@]})) functions, ${#again[@]} of them tried twice"
}

rust() { # rust [FILE...]: these files of tests/, or all; then the count is held against the bar
    local files=("$@") name ran=0 of_all
    # shellcheck source=packaging/targets/toolchain.sh
    . packaging/targets/toolchain.sh
    CARGO_TARGET_DIR=${AHOY_WINDOWS_TARGET:-${CARGO_TARGET_DIR:-target}/windows-build} CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER=$mingw-gcc \
        CARGO_PROFILE_DEV_DEBUG=0 CC_x86_64_pc_windows_gnu=$mingw-gcc AR_x86_64_pc_windows_gnu=$mingw-ar web_cargo test --locked --no-run \
        --test windows --test console --test shards -Zbuild-std=std,panic_unwind,test --target x86_64-pc-windows-gnu 2>"$work/build.log" ||
        { fail rust "the tests do not build" "$work/build.log" && return; }
    while read -r name program; do
        ln -sf "$(realpath "$program")" "$work/bin/$name.exe"
    done < <(sed -n 's,^ *Executable tests/\([a-z]*\)[./].* (\(.*\)).*,\1 \2,p' "$work/build.log")
    [ ${#files[@]} -gt 0 ] || mapfile -t files < <(sed -n 's/^mod \(.*\);$/\1/p' tests/windows/main.rs; echo console; echo shards)
    for name in "${files[@]}"; do
        case $name in
            console | shards) file "$name" "$name" ;;
            *) file "$name" windows "$name::" ;;
        esac
    done
    of_all=$(cat tests/*.rs | grep -c '#\[test\]')
    echo "windows: $ran of $of_all functions of tests/"
    [ $# -gt 0 ] || [ $((ran * 100)) -ge $((of_all * 60)) ] || fail rust "fewer than 60 in a hundred"
}

case $part in
    all) examples && linkers && null && unload && ports && sockets && rust ;;
    examples | linkers | null | unload | ports | sockets) "$part" ;;
    rust) rust "$@" ;;
    *) echo "windows.sh: $part is not examples, linkers, null, unload, ports, sockets or rust" >&2 && exit 2 ;;
esac
finish
