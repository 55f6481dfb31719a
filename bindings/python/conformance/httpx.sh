#!/bin/sh
# The test suite of httpx through ahoy.httpx.Transport and AsyncTransport: httpx.sh LIBRARY
set -eu
library=$(realpath "$1")
cd "$(dirname "$0")/../../.."
root=$PWD
. bindings/python/conformance/environment.sh
version=0.28.1
environment httpx "httpx[brotli,cli,http2,socks,zstd]==$version" "pytest<9" pytest-timeout trio trustme uvicorn chardet \
    hatchling hatch-fancy-pypi-readme
source_of httpx $version
compared httpx tests --timeout 60
