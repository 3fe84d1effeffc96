#!/bin/sh
# The connector with 1,000, 15,000 and 50,000 mailboxes: a table of docs/benchmarks.md on standard
# output. CALWAY_SCALE=1000 for one of them. Leave the machine alone meanwhile.
set -eu

cd "$(dirname "$0")/.."
exec cargo bench --bench scale
