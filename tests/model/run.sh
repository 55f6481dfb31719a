#!/bin/sh
# Tries all orders of the steps of two threads. Building loom takes a minute, the trying less than one.
set -eu
cd "$(dirname "$0")"

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/../../target}/model"
RUSTFLAGS="--cfg loom ${RUSTFLAGS:-}" exec "${CARGO:-cargo}" test --lib model "$@"
