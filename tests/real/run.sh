#!/usr/bin/env bash
# Everything that needs a part which others wrote. Each script installs what it needs, says
# `SKIPPED: why` where it cannot (and fails instead where CI=true), and ends with its counts.
set -uo pipefail
cd "$(dirname "$0")"
passed=0 failed=0
for script in */run.sh; do
    echo "-- ${script%/run.sh}"
    if bash "$script"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
