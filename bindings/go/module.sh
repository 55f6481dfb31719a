#!/bin/sh
# Makes the module as a proxy on disk gives it, with the archive in it: module.sh LIBAHOY.A VERSION FOLDER
# Then `GOPROXY=file://FOLDER go get github.com/libahoy/libahoy/bindings/go@vVERSION`.
set -eu
archive=$(realpath "$1")
version=v$2
mkdir -p "$3"
folder=$(realpath "$3")
cd "$(dirname "$0")"
./archive.sh "$archive"
module=$(sed -n 's/^module //p' go.mod)
at=$folder/$module/@v
mkdir -p "$at"
cp go.mod "$at/$version.mod"
printf '{"Version":"%s"}\n' "$version" >"$at/$version.info"
echo "$version" >"$at/list"
/usr/bin/python3 - "$at/$version.zip" "$module@$version" <<'PY'
import glob, sys, zipfile
name, prefix = sys.argv[1:]
files = [f for f in glob.glob("*.go") + glob.glob("*.[ch]") if not f.endswith("_test.go")]
files += ["go.mod", "README.md", "include/ahoy.h", *glob.glob("lib/*/libahoy.a")]
with zipfile.ZipFile(name, "w", zipfile.ZIP_DEFLATED) as made:
    for file in sorted(files):
        made.write(file, f"{prefix}/{file}")
    for licence in ("LICENSE-APACHE", "LICENSE-MIT"):
        made.write(f"../../{licence}", f"{prefix}/{licence}")
PY
ls "$at/$version.zip"
