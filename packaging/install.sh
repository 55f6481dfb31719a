#!/bin/sh
# Copies what `make` built: needs neither cargo nor a compiler.
# Usage: install.sh FOLDER VERSION ABI, with PREFIX, LIBDIR and DESTDIR in the environment.
#
# No file names its place, where LIBDIR is below PREFIX: the tree may be moved afterwards.
set -eu
cd "$(dirname "$0")/.."
from=$1 version=$2 abi=$3
ready=$from/ready
: "${PREFIX:=/usr/local}"
: "${LIBDIR:=$PREFIX/lib}"
root=${DESTDIR:-}

if [ ! -e "$ready/libahoy.so.$version" ] || [ ! -e "$ready/THIRD-PARTY" ]; then
    echo "nothing is built in $from: run make first" >&2
    exit 1
fi

# up FOLDER: from FOLDER up to PREFIX, such as ../.. for PREFIX/lib/pkgconfig; PREFIX where FOLDER is elsewhere.
up() {
    case $1 in
        "$PREFIX"/*) printf '%s/' "$2" && printf '%s\n' "${1#"$PREFIX"/}" | sed 's,[^/][^/]*,..,g' ;;
        *) printf '%s\n' "$PREFIX" ;;
    esac
}
# below PREFIX: the rest of a path, behind a variable; else the path.
below() {
    case $1 in
        "$PREFIX"/*) printf '%s/%s\n' "$2" "${1#"$PREFIX"/}" ;;
        *) printf '%s\n' "$1" ;;
    esac
}
put() { # put MODE FOLDER FILE...
    mode=$1 folder=$root$2
    shift 2
    install -d "$folder"
    install -m "$mode" "$@" "$folder"
}
write() { # write FOLDER NAME: from the standard input
    install -d "$root$1"
    cat >"$root$1/$2"
    chmod 644 "$root$1/$2"
}

put 644 "$PREFIX/include" include/ahoy.h include/ahoy.hpp include/ahoy.ffi.h
put 644 "$PREFIX/share/ahoy" include/ahoy.json
put 755 "$LIBDIR" "$ready/libahoy.so.$version"
ln -sf "libahoy.so.$version" "$root$LIBDIR/libahoy.so.$abi"
ln -sf "libahoy.so.$abi" "$root$LIBDIR/libahoy.so"
put 644 "$LIBDIR" "$ready/libahoy.a"
put 644 "$PREFIX/share/doc/ahoy" LICENSE-MIT LICENSE-APACHE "$ready/THIRD-PARTY" README.md CHANGELOG.md
if [ -e "$ready/bin/ahoy" ]; then
    put 755 "$PREFIX/bin" "$ready/bin/ahoy"
    "$ready/bin/ahoy" man | write "$PREFIX/share/man/man1" ahoy.1
    "$ready/bin/ahoy" completions bash | write "$PREFIX/share/bash-completion/completions" ahoy
    "$ready/bin/ahoy" completions zsh | write "$PREFIX/share/zsh/site-functions" _ahoy
    "$ready/bin/ahoy" completions fish | write "$PREFIX/share/fish/vendor_completions.d" ahoy.fish
fi

# A C compiler adds two by itself: libc, and what unwinds, of which a static program takes another form.
private=$(sed 's/-lgcc_s//; s/-lc$//; s/^ *//; s/ *$//' "$from/native-static-libs")
# pc NAME DESCRIPTION LIBS [PRIVATE]
pc() {
    write "$LIBDIR/pkgconfig" "$1.pc" <<PC
prefix=$(up "$LIBDIR/pkgconfig" '${pcfiledir}')
includedir=\${prefix}/include
libdir=$(below "$LIBDIR" '${prefix}')
description=\${prefix}/share/ahoy/ahoy.json

Name: $1
Description: $2
Version: $version
Cflags: -I\${includedir}
Libs: $3${4:+
Libs.private: $4}
PC
}
pc ahoy "HTTP client for services on several hosts" "-L\${libdir} -lahoy" "$private"
pc ahoy-static "HTTP client for services on several hosts, linked into the program" \
    "\${libdir}/libahoy.a $private"

cmake=$LIBDIR/cmake/ahoy
for file in ahoyConfig ahoyConfigVersion; do
    # shellcheck disable=SC2016 # CMake's variables
    sed -e "s,@UP@,$(up "$cmake" '${CMAKE_CURRENT_LIST_DIR}')," -e "s,@LIBDIR@,$(below "$LIBDIR" '${_ahoy_prefix}')," \
        -e "s/@VERSION@/$version/; s/@ABI@/$abi/; s/@PRIVATE@/$(printf %s "$private" | sed 's/ \{1,\}/;/g')/" \
        "packaging/$file.cmake.in" | write "$cmake" "$file.cmake"
done
