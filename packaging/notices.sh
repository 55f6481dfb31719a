#!/bin/sh
# The licences of what is linked into the library: notices.sh FILE [CARGO ARGUMENT...]
# From cargo's own list of packages and the files that they bring. Fails on a licence that is not known to go with
# MIT OR Apache-2.0, and on a package that brings no text of its licence and whose licence is not a well-known one.
set -eu
# The order is the same wherever it is made.
export LC_ALL=C
cd "$(dirname "$0")/.."
out=$1
shift
cargo=${CARGO:-cargo}
[ ! "$out" -nt Cargo.lock ] || [ ! "$out" -nt Cargo.toml ] || [ ! "$out" -nt packaging/notices.sh ] || exit 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# shellcheck disable=SC2086 # words
$cargo tree --locked --edges normal --prefix none --format '{p}|{l}' "$@" | sed 's/ (\*)$//' | sort -u |
    sed -n 's/^\([^ ]*\) v\([^ |]*\).*|\(.*\)$/\1|\2|\3/p' | grep -v '^ahoy|' >"$work/packages"
test -s "$work/packages"
host=${NOTICES_TARGET:-$("${RUSTC:-rustc}" -vV | sed -n 's/^host: //p')}
# shellcheck disable=SC2086
$cargo metadata --locked --format-version 1 --filter-platform "$host" | tr ',' '\n' |
    sed -n 's/.*"manifest_path":"\([^"]*\)\/Cargo.toml".*/\1/p' | sort -u >"$work/folders"

# What goes with MIT OR Apache-2.0.
known='MIT|Apache-2.0|Apache-2.0 WITH LLVM-exception|BSD-2-Clause|BSD-3-Clause|ISC|Zlib|0BSD|Unlicense|CC0-1.0|Unicode-3.0|BSL-1.0|MIT-0|CDLA-Permissive-2.0'
{
    echo "libahoy is licensed under MIT OR Apache-2.0. These are linked into it, with their licences; so is Rust's"
    echo "standard library, which is MIT OR Apache-2.0 as well (https://github.com/rust-lang/rust)."
    while IFS='|' read -r name version licence; do
        folder=$(grep "/$name-$version\$" "$work/folders" || grep "/$name\$" "$work/folders" || :)
        folder=$(printf '%s\n' "$folder" | head -n 1)
        # Lines are what holds together; of each, one alternative is taken.
        unknown=$(printf '%s\n' "$licence" | sed 's/[()]//g; s/ AND /\n/g; s, OR ,/,g; s, */ *,/,g' |
            grep -vE "(^|/)($known)(/|\$)" || :)
        [ -z "$unknown" ] || { echo "notices: $name $version: $unknown is not known" >&2 && exit 1; }
        printf '\n%s\n%s %s: %s\n' ------------------------------------------------------------ "$name" "$version" "$licence"
        found=
        for file in "$folder"/LICEN[SC]E* "$folder"/COPYING* "$folder"/NOTICE* "$folder"/UNLICENSE* \
            "$folder"/*/LICENSE "$folder"/*/COPYING "$folder"/LICENSES/*; do
            [ -f "$file" ] || continue
            # One of two to choose from: zstd is taken under the other.
            ! grep -q 'GNU GENERAL PUBLIC LICENSE' "$file" || continue
            found=yes
            sum=$(cksum <"$file" | tr ' ' -)
            title=${file#"$folder"/}
            if [ -e "$work/$sum" ]; then
                printf '  %s: as of %s\n' "$title" "$(cat "$work/$sum")"
            else
                echo "$name $version" >"$work/$sum"
                printf '\n' && cat "$file"
            fi
        done
        [ -n "$found" ] || echo "  (no file of its own; the text of its licence is above or below)"
    done <"$work/packages"
} >"$out.new"
mv "$out.new" "$out"
