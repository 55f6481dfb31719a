#!/bin/sh
# Installs what `make test` needs beyond Rust, make and a C compiler, on Debian and its relatives; with `packages` what
# `make deb` and `make test-packages` need, with `faraday` what `make conformance-ruby` needs.
# Looks for the programs first, so that it costs nothing where all is there and works without a network.
set -eu

missing=
need() { # need PACKAGE COMMAND...: the command succeeds where the package is there
    package=$1
    shift
    "$@" >/dev/null 2>&1 || missing="$missing $package"
}

has() { command -v "$1" || test -x "/usr/sbin/$1"; }
has_library() { ldconfig -p | grep -q "$1" || /sbin/ldconfig -p | grep -q "$1"; }
has_php_ffi() { has php && php -m | grep -qx FFI; }
has_python() { /usr/bin/python3 -c "import $1"; }
has_faraday() { has ruby && ruby -e 'require "faraday"'; }
has_ruby() { ruby -e "require '$1'"; }
has_ffi() { has ruby && ruby -e 'require "ffi"'; }

need gcc has gcc
need g++ has g++
need libc6-dev test -e /usr/include/stdlib.h
need binutils has readelf
need clang has clang
need patch has patch
need libasio-dev test -e /usr/include/asio.hpp
need golang-go has go
need golang-opentelemetry-otel-dev test -d /usr/share/gocode/src/go.opentelemetry.io/otel
need ruby has ruby
need ruby-ffi has_ffi
need ruby-faraday has_faraday
need ruby-sinatra has_ruby sinatra/base
need puma has puma
need nodejs has node
need npm has npm
need libcjson-dev test -e /usr/include/cjson/cJSON.h
need python3 has python3
# The system's Python, which finds the packages of the system.
need python3-venv has_python ensurepip
need python3-cffi /usr/bin/python3 -c 'import cffi'
need python3-jsonschema /usr/bin/python3 -c 'import jsonschema'
need php-cli has_php_ffi
need luajit has luajit
need gunicorn has gunicorn
need python3-httpx has_python httpx
need python3-requests has_python requests
need python3-flask has_python flask
need python3-gevent has_python gevent
need python3-celery has_python celery
need python3-uvloop has_python uvloop
need python3-trio has_python trio
need mypy has mypy
need ca-certificates test -e /etc/ssl/certs/ca-certificates.crt
need valgrind has valgrind
need pkg-config has pkg-config
need cmake has cmake
need nginx-light has nginx
need nghttp2-server has nghttpd
need openssl has openssl
need bind9 has named
need bind9-dnsutils has nsupdate
need libcurl4 has_library libcurl.so.4
need prometheus has promtool
need etcd-server has etcd
need etcd-client has etcdctl
if [ "${1-}" = packages ]; then
    need debhelper has dh
    need dpkg-dev has dpkg-buildpackage
    need lintian has lintian
    need mmdebstrap has mmdebstrap
    need xz-utils has xz
fi
if [ "${1-}" = faraday ]; then
    need ruby-rspec has rspec
    need ruby-webmock has_ruby webmock
fi
need default-jre-headless has java
need zookeeper test -e /usr/share/java/zookeeper.jar
need libslf4j-java test -e /usr/share/java/slf4j-nop.jar
need kubernetes-client has kubectl
if [ -z "$missing" ]; then
    echo "deps: nothing to install"
    exit 0
fi

fail() {
    echo "deps: $1" >&2
    echo "deps: install these by hand and run again:$missing" >&2
    exit 1
}

command -v apt-get >/dev/null || fail "this system has no apt-get"
as_root=
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || fail "installing needs root or sudo"
    as_root=sudo
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() {
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 "$@" >"$log" 2>&1 && return
    tail -n 20 "$log" >&2
    fail "apt-get $1 failed"
}

echo "deps: installing$missing"
apt update
# shellcheck disable=SC2086 # a list of package names
apt install --no-install-recommends $missing
