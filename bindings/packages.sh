#!/bin/sh
# Each language's package in a clean root: installed there without a network, then the programs of its README are run by
# it alone. packages.sh FOLDER [LANGUAGE...], where FOLDER has what `make wheel gem npm module` made. Needs root,
# mmdebstrap, and the network for the first run, which keeps the roots in FOLDER; npm asks its registry for koffi, and for
# what looks at the types, each time.
set -eu
folder=$(realpath "$1")
shift
cd "$(dirname "$0")/.."
# shellcheck source=tests/check.sh
. tests/check.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# fresh LANGUAGE DEBIAN-PACKAGE,...: a new root with the language and nothing of this tree.
fresh() {
    root=$work/$1
    base=$folder/clean-$1.tar
    if [ ! -e "$base" ]; then
        suite=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
        echo "packages: making a clean $suite with $2"
        mmdebstrap --quiet --format=tar --variant=apt --include="$2" "$suite" "$base.new"
        mv "$base.new" "$base"
    fi
    mkdir -p "$root"
    tar -xf "$base" -C "$root"
    mkdir "$root/package"
}

inside() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 "$@"; }

# programs README BLOCK-LANGUAGE ENDING COMMAND...: the README's programs, each run in the root beside hosts of which the
# first is dead.
programs() {
    readme=$1 language=$2 ending=$3
    shift 3
    cp bindings/suite/server.py "$root/package/"
    mkdir "$root/programs"
    /usr/bin/python3 - "$readme" "$language" "$root/programs" "$ending" <<'PY'
import pathlib, re, sys
readme, language, folder, ending = sys.argv[1:]
blocks = re.findall(rf"^```{language}\n(.*?)^```", pathlib.Path(readme).read_text(), re.M | re.S)
for number, block in enumerate(blocks, 1):
    (pathlib.Path(folder) / f"{number}{ending}").write_text(block)
PY
    mkfifo "$work/input"
    inside /usr/bin/python3 /package/server.py refuse service service <"$work/input" >"$work/ports" &
    exec 9>"$work/input"
    until [ -s "$work/ports" ]; do sleep 0.05; done
    read -r dead first second <"$work/ports"
    sed -i "s/\b8001\b/$dead/g; s/\b8002\b/$first/g; s/\b8003\b/$second/g" "$root"/programs/*
    for program in "$root"/programs/*; do
        check "$language: ${program##*/} of its README" ran "$@" "/programs/${program##*/}"
    done
    exec 9>&-
    rm "$work/input" "$work/ports"
}
ran() { inside "$@" >"$work/said" 2>&1 && [ -s "$work/said" ] || { cat "$work/said" && return 1; }; }

python() {
    fresh python python3,python3-pip
    cp "$folder"/ahoy_client-*.whl "$root/package/"
    check "the wheel installs" inside sh -c 'pip install -q --no-index --break-system-packages --root-user-action=ignore /package/*.whl'
    check "and needs nothing else" inside sh -c 'pip show ahoy-client | grep -qx "Requires: "'
    check "its library is its own" inside python3 -c \
        'import ahoy, ahoy._library as l, os; assert os.path.dirname(l.lib.path) == os.path.dirname(ahoy.__file__)'
    programs bindings/python/README.md python .py python3
    check "and goes again" inside sh -c 'pip uninstall -q -y --break-system-packages --root-user-action=ignore ahoy-client && ! find /usr -name "*ahoy*" | grep .'
}

ruby() {
    fresh ruby ruby,ruby-ffi,python3
    cp "$folder"/ahoy-client-*.gem "$root/package/"
    check "the gem installs" inside sh -c 'gem install --local --no-document /package/*.gem'
    check "its library is its own" inside ruby -e \
        'require "ahoy"; exit Ahoy::Native.ffi_libraries.first.name.start_with?(Gem.loaded_specs["ahoy-client"].full_gem_path)'
    programs bindings/ruby/README.md ruby .rb ruby
    check "and goes again" inside sh -c 'gem uninstall -x ahoy-client && ! find /var/lib/gems -name "*ahoy*" | grep .'
}

# npm, which is half a thousand packages in Debian, installs from outside; what is run has Node alone.
node() {
    fresh node nodejs,python3
    check "the package installs" npm install --prefix "$root" --ignore-scripts --no-audit --no-fund "$folder"/ahoy-client-*.tgz
    check "its types are found from every kind of program" \
        npx --yes --package=@arethetypeswrong/cli@0.18.5 attw --format ascii "$folder"/ahoy-client-*.tgz
    check "nothing was compiled" sh -c "! find '$root/node_modules' -name '*.o' -o -name Makefile | grep ."
    check "its library is its own" inside sh -c 'cd / && node -e "
        process.exit(require(\"ahoy-client\").libraryVersion() ? 0 : 1)"'
    check "it is imported and required" inside sh -c 'cd / && node --input-type=module -e "
        import { Client } from \"ahoy-client\"; import { createRequire } from \"module\";
        if (createRequire(\"/\")(\"ahoy-client\").Client !== Client) process.exit(1)"'
    programs bindings/node/README.md js .mjs node
}

go() {
    fresh go golang-go,gcc,libc6-dev,python3
    cp -R "$folder/go" "$root/package/proxy"
    mkdir "$root/app"
    printf 'module app\n\ngo 1.18\n' >"$root/app/go.mod"
    check "go asks the proxy on disk alone" inside go env -w GOPROXY=file:///package/proxy GOSUMDB=off GOFLAGS=-mod=mod
    check "the module installs" inside sh -c 'cd /app && go get github.com/libahoy/libahoy/bindings/go@latest'
    programs bindings/go/README.md go .go sh -c 'cd /app && go build -o /app/program "$0" && /app/program'
    check "no library is needed at run time" inside sh -c '! ldd /app/program | grep ahoy'
}

for language in ${*:-python ruby node go}; do "$language"; done
summary packages
