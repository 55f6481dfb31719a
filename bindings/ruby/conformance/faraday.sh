#!/bin/sh
# Faraday's shared examples for adapters, through libahoy's: faraday.sh LIBRARY
#
# They are in the source of the gem that is installed, which is fetched from where gems are, or from Debian's sources.
# FARADAY_SPECS=FOLDER names the folder `spec` of a copy at hand instead. Needs ruby-faraday, ruby-rspec, ruby-webmock.
set -eu
AHOY_LIBRARY=$(realpath "$1")
export AHOY_LIBRARY
cd "$(dirname "$0")/../../.."
target=${CARGO_TARGET_DIR:-target}

# From Debian's sources, which the system's own lists of packages may leave out.
debian_source() {
    suite=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
    mkdir -p apt/lists/partial
    echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian $suite main" \
        >apt/sources.list
    set -- -q -o Dir::Etc::sourcelist="$PWD/apt/sources.list" -o Dir::Etc::sourceparts=- -o Dir::State::lists="$PWD/apt/lists"
    apt-get update "$@" && apt-get source "$@" ruby-faraday
}

fetched() {
    version=$(ruby -e 'require "faraday"; puts Faraday::VERSION')
    folder=$target/conformance/faraday
    mkdir -p "$folder"
    cd "$folder"
    if [ ! -d "faraday-$version/spec" ]; then
        { gem fetch faraday --version "$version" && gem unpack "faraday-$version.gem"; } >gem.log 2>&1 ||
            debian_source >apt.log 2>&1 || {
            cat gem.log apt.log >&2
            echo "faraday.sh: neither gem nor apt-get source has Faraday $version; name its folder spec by FARADAY_SPECS" >&2
            exit 1
        }
    fi
    find "$PWD" -path '*/spec/external_adapters/faraday_specs_setup.rb' | sed 's,/external_adapters/.*,,' | head -n 1
}

FARADAY_SPECS=${FARADAY_SPECS:-$(fetched)}
export FARADAY_SPECS
test -n "$FARADAY_SPECS"
exec rspec --no-color -I bindings/ruby/lib bindings/ruby/conformance/faraday_spec.rb
