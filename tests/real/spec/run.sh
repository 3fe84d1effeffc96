#!/bin/sh
# docs/spec against itself (OpenAPI, examples), and the lab's cloud against docs/spec.
#
# CALWAY_LAB may name a calway-lab that is built already.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
work=$target/real/spec

skip() {
    if [ "${CI:-}" = true ]; then
        echo "FAILED  cannot run here: $1"
        echo "0 passed, 1 failed"
        exit 1
    fi
    echo "SKIPPED: $1"
    echo "0 passed, 0 failed"
    exit 0
}

command -v python3 >/dev/null || skip "python3 is not here"
mkdir -p "$work"
if ! cmp -s "$here/requirements.txt" "$work/installed"; then
    python3 -m venv "$work/venv" >"$work/pip.log" 2>&1 || skip "python3 has no venv"
    "$work/venv/bin/pip" install --quiet --disable-pip-version-check \
        -r "$here/requirements.txt" >"$work/pip.log" 2>&1 ||
        skip "pip could not install the validators (see $work/pip.log)"
    cp "$here/requirements.txt" "$work/installed"
fi

lab=${CALWAY_LAB:-}
if [ -z "$lab" ]; then
    (cd "$root" && cargo build --quiet -p calway-lab)
    lab=$target/debug/calway-lab
fi

stop() {
    [ -z "${pid:-}" ] || kill "$pid" 2>/dev/null || true
    rm -f "$work/facts"
}
trap stop EXIT INT TERM

rm -f "$work/facts"
mkfifo "$work/facts"
"$lab" cloud --json --ca-out "$work/ca.pem" >"$work/facts" &
pid=$!
LAB=$(head -n 1 "$work/facts")
[ -n "$LAB" ] || { echo "FAILED  the lab did not start"; echo "0 passed, 1 failed"; exit 1; }
export LAB

status=0
"$work/venv/bin/python" "$here/check.py" "$root/docs/spec" || status=$?
exit $status
