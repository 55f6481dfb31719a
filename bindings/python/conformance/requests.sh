#!/bin/sh
# The test suite of requests through ahoy.requests.Adapter: requests.sh LIBRARY
set -eu
library=$(realpath "$1")
cd "$(dirname "$0")/../../.."
root=$PWD
. bindings/python/conformance/environment.sh
version=2.34.2
environment requests "requests[socks]==$version" "pytest<9" pytest-httpbin==2.1.0 "httpbin~=0.10.0" trustme setuptools wheel pytest-timeout
source_of requests $version
compared requests tests --timeout 60
