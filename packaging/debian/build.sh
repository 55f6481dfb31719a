#!/bin/sh
# Debian packages of what `make` built: build.sh FOLDER VERSION ABI puts them into FOLDER/deb and runs lintian.
# Nothing is compiled here. DEB_MAINTAINER names the person that answers for them.
set -eu
cd "$(dirname "$0")/../.."
from=$(realpath "$1") version=$2 abi=$3
source=$PWD
out=$from/deb
maintainer=${DEB_MAINTAINER:-"libahoy maintainers <maintainers@libahoy.dev>"}

rm -rf "$out"
mkdir -p "$out/libahoy-$version/debian/source"
cd "$out/libahoy-$version/debian"

# The date of the sources, so that the same sources make the same packages.
: "${SOURCE_DATE_EPOCH:=$(git -C "$source" log -1 --format=%ct 2>/dev/null || date +%s)}"
export SOURCE_DATE_EPOCH
cat >changelog <<END
libahoy ($version-1) unstable; urgency=medium

  * Version $version; see CHANGELOG.md in the documentation.

 -- $maintainer  $(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")
END
echo '3.0 (quilt)' >source/format

cat >control <<END
Source: libahoy
Section: libs
Priority: optional
Maintainer: $maintainer
Build-Depends: debhelper-compat (= 13)
Standards-Version: 4.6.2
Rules-Requires-Root: no

Package: libahoy$abi
Architecture: any
Multi-Arch: same
Pre-Depends: \${misc:Pre-Depends}
Depends: \${shlibs:Depends}, \${misc:Depends}
Recommends: ca-certificates
Description: HTTP client for services on several hosts
 Balances requests over the endpoints of a service, keeps a circuit breaker for
 each, retries what may be repeated, and does all of it under one deadline,
 inside the calling process.

Package: libahoy-dev
Section: libdevel
Architecture: any
Multi-Arch: same
Depends: libahoy$abi (= \${binary:Version}), \${misc:Depends}
Description: HTTP client for services on several hosts (development files)
 Balances requests over the endpoints of a service, keeps a circuit breaker for
 each, retries what may be repeated, and does all of it under one deadline,
 inside the calling process.
 .
 This package has the headers, the archive for static linking, and the files
 for pkg-config and CMake.
END
cat >"libahoy$abi.install" <<END
usr/lib/*/libahoy.so.*
END
cat >libahoy-dev.install <<END
usr/include/*
usr/lib/*/libahoy.a
usr/lib/*/libahoy.so
usr/lib/*/pkgconfig
usr/lib/*/cmake
usr/share/ahoy
END
if [ -e "$from/ready/bin/ahoy" ]; then
    cat >>control <<END

Package: ahoy
Section: net
Architecture: any
Depends: \${shlibs:Depends}, \${misc:Depends}
Description: calls to services on several hosts from the command line
 Calls services on several hosts as programs with libahoy do, and shows what
 each attempt did.
END
    printf '%s\n' 'usr/bin/ahoy' 'usr/share/bash-completion' 'usr/share/zsh' 'usr/share/fish' >ahoy.install
fi

{
    echo 'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/'
    printf 'Upstream-Name: libahoy\n\nFiles: *\n'
    printf 'Copyright: %s %s\n' "$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y)" \
        "$(sed -n 's/^Copyright (c) *//p' "$source/LICENSE-MIT" | head -n 1)"
    printf 'License: Expat or Apache-2.0\n\nLicense: Expat\n'
    sed -e '/^MIT License/d; /^Copyright/d' -e 's/^$/./; s/^/ /' "$source/LICENSE-MIT" | sed '/./,$!d; 1{/^ \.$/d}'
    printf '\nLicense: Apache-2.0\n On Debian systems, the text is in /usr/share/common-licenses/Apache-2.0.\n'
    printf 'Comment:\n What is linked into the library has licences of its own: THIRD-PARTY.gz beside this file.\n'
} >copyright

# Each symbol with the first release that had it.
{
    echo "libahoy.so.$abi libahoy$abi #MINVER#"
    {
        for release in $(cd "$source/abi" && ls -v); do
            grep -qx "soname libahoy.so.$abi" "$source/abi/$release" || continue
            sed -n "s/^function .* \(ahoy_[a-z0-9_]*\)(.*/\1 $release/p" "$source/abi/$release"
        done
        # Those that came since.
        sed -n "s/^AHOY_API.*[ *]\(ahoy_[a-z0-9_]*\)(.*/\1 $version/p" "$source/include/ahoy.h"
        sed -n "s/^[a-z].*[ *]\(ahoy_[a-z0-9_]*\)(.*);\$/\1 $version/p" "$source/include/ahoy.ffi.h"
    } | awk '!seen[$1]++ { print $1, $2 }' | sort | sed "s/^\([^ ]*\) \(.*\)/ \1@AHOY_$abi \2/"
    echo " AHOY_$abi@AHOY_$abi $version"
} >"libahoy$abi.symbols"

cat >rules <<END
#!/usr/bin/make -f
%:
	dh \$@
override_dh_auto_configure override_dh_auto_build override_dh_auto_test override_dh_auto_clean:
override_dh_auto_install:
	PREFIX=/usr LIBDIR=/usr/lib/\$(shell dpkg-architecture -qDEB_HOST_MULTIARCH) DESTDIR=\$(CURDIR)/debian/tmp \\
	    sh $source/packaging/install.sh $from $version $abi
	rm -rf debian/tmp/usr/share/doc/ahoy
override_dh_installdocs:
	dh_installdocs $source/README.md $from/ready/THIRD-PARTY
override_dh_installchangelogs:
	dh_installchangelogs $source/CHANGELOG.md
override_dh_makeshlibs:
	dh_makeshlibs -- -c4
# It is stripped already, and has no debugging symbols for a package of their own.
override_dh_strip:
	dh_strip --no-automatic-dbgsym
END
chmod 755 rules

cd ..
dpkg-buildpackage --build=binary --unsigned-source --unsigned-changes --no-check-builddeps >"$out/build.log" 2>&1 || {
    tail -n 40 "$out/build.log" >&2
    exit 1
}
cd "$out"
ls -l ./*.deb
lintian --fail-on error --allow-root ./*.changes
