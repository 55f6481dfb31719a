#!/usr/bin/env bash
# Scrapes examples-c/metrics by a real Prometheus while its service has a bad and a dead endpoint, and runs the query of
# each panel of docs/grafana-dashboard.json against it; promtool looks at the other text format.
#
#     AHOY_STAGE=PREFIX  an installed libahoy; by default `make install` makes one in a temporary folder
set -euo pipefail
# shellcheck source=tests/endpoints/common.sh
source "$(dirname "$0")/endpoints/common.sh"

use_stage
build_endpoints
mkdir "$work/bin"
make -s -C "$root/examples-c" OUT="$work/bin" EXAMPLES=metrics

start_endpoints one@ok two@ok bad@status=503 dead@refuse
python3 "$root/tests/prometheus.py" "$root/docs/grafana-dashboard.json" "$work" "$work/bin/metrics" \
    "one=${port[one]}" "two=${port[two]}" "bad=${port[bad]}" "dead=${port[dead]}"
