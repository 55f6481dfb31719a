#!/bin/sh
# What is handed out: for each target that was built an archive and what is linked into it (an SBOM in CycloneDX's JSON), and
# the checksums of all, in FOLDER.
#
#     release.sh FOLDER BUILT VERSION ABI TARGET...
#
# BUILT is cargo's target folder; a target is one that packaging/targets builds, as BUILT/TARGET. All of it is the same bytes
# for the same built files: names in order, one time for all (SOURCE_DATE_EPOCH, by default that of the last commit), no
# owner.
set -eu
cd "$(dirname "$0")/.."
out=$1 built=$2 version=$3 abi=$4
shift 4
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH
rm -rf "$out"
mkdir -p "$out"
out=$(cd "$out" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

archive() { # archive TREE: the folder of that name in $work
    chmod -R u=rwX,go=rX "$work/$1"
    find "$work/$1" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
    case $1 in
        *windows*) (cd "$work" && find "$1" -type f | LC_ALL=C sort | TZ=UTC zip -q -X -@ "$out/$1.zip") ;;
        *) tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner --format=gnu -c "$1" | xz -6 -T1 >"$out/$1.tar.xz" ;;
    esac
}

cyclonedx=${AHOY_CYCLONEDX:-$built/cyclonedx}
[ -x "$cyclonedx/bin/cargo-cyclonedx" ] || cargo install --quiet --locked --root "$cyclonedx" cargo-cyclonedx --version 0.5.9
# sbom TRIPLE FILE: cargo's own list of what is linked there, with versions, licences and checksums. The folder of the
# build is left out of it.
sbom() {
    PATH=$cyclonedx/bin:$PATH cargo cyclonedx --quiet --format json --spec-version 1.5 --no-build-deps --features silent --target "$1" \
        --override-filename ahoy-sbom
    sed "s,path+file://$PWD#,pkg:cargo/,g; s,?download_url=file://[^\"#]*,,g" ahoy-sbom.json >"$2"
    rm ahoy-sbom.json
}

for target; do
    case $target in
        linux-portable) name=x86_64-linux-gnu triple=x86_64-unknown-linux-gnu ;;
        linux-musl) name=x86_64-linux-musl triple=x86_64-unknown-linux-musl ;;
        linux-aarch64) name=aarch64-linux-gnu triple=aarch64-unknown-linux-gnu ;;
        linux-i686) name=i686-linux-gnu triple=i686-unknown-linux-gnu ;;
        windows) name=x86_64-windows triple=x86_64-pc-windows-gnu ;;
        macos-arm64) name=arm64-macos triple=aarch64-apple-darwin ;;
        macos-x86_64) name=x86_64-macos triple=x86_64-apple-darwin ;;
        *) echo "release: no target $target" >&2 && exit 2 ;;
    esac
    tree=libahoy-$version-$name
    case $target in
        linux-*) PREFIX=/$tree LIBDIR=/$tree/lib DESTDIR=$work sh packaging/install.sh "$built/$target" "$version" "$abi" ;;
        *) cp -R "$built/$target" "$work/$tree" ;;
    esac
    archive "$tree"
    sbom $triple "$out/$tree.cdx.json"
done

(cd "$out" && sha256sum -- * >"$work/sums" && mv "$work/sums" SHA256SUMS)
ls -l "$out"
