#!/bin/sh
# The benchmark with its peer: the table of docs/benchmarks.md on standard output.
#
# CALWAY_BENCH_SMALL=1 only shows whether it runs. Leave the machine alone meanwhile.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/.." && pwd)
work=${CARGO_TARGET_DIR:-$root/target}/bench
mkdir -p "$work"

install() {
    cmp -s "$here/requirements.txt" "$work/installed" && return
    rm -rf "$work/venv"
    python3 -m venv "$work/venv" >"$work/pip.log" 2>&1 &&
        "$work/venv/bin/pip" install -q -r "$here/requirements.txt" >>"$work/pip.log" 2>&1 &&
        cp "$here/requirements.txt" "$work/installed"
}

if install; then
    CALWAY_BENCH_PYTHON=$work/venv/bin/python
    export CALWAY_BENCH_PYTHON
else
    echo "SKIPPED: the peer; exchangelib could not be installed (see $work/pip.log)" >&2
    unset CALWAY_BENCH_PYTHON
fi

cd "$root"
exec cargo bench --bench relay -- --markdown
