#!/bin/sh
# Lets node-jose and node-kms loose on the lab's key server and cloud, and on sealed lines.
#
#   run.sh                 against `calway-lab cloud`, which it builds and starts
#   run.sh opens FILE...   FILE holds lines of {"jwe": …, "jwk": {"kty":"oct","k": …}, "plain": …}
#
# CALWAY_LAB may name a calway-lab that is built already.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
work=$target/real/jose

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

install() {
    command -v node >/dev/null && command -v npm >/dev/null || skip "node and npm are not here"
    mkdir -p "$work"
    cp "$here"/package.json "$here"/package-lock.json "$here"/*.js "$work"/
    if ! cmp -s "$here/package-lock.json" "$work/installed"; then
        (cd "$work" && npm ci --ignore-scripts --no-audit --no-fund >npm.log 2>&1) ||
            skip "npm could not install node-jose and node-kms (see $work/npm.log)"
        cp "$here/package-lock.json" "$work/installed"
    fi
}

install

if [ "${1:-}" = opens ]; then
    shift
    [ $# -gt 0 ] || { echo "usage: run.sh opens FILE..."; exit 2; }
    exec node "$work/main.js" opens "$@"
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
"$lab" cloud --json --kms-listen 127.0.0.1:0 \
    --ca-out "$work/ca.pem" --anchor-out "$work/anchor.pem" >"$work/facts" &
pid=$!
LAB=$(head -n 1 "$work/facts")
[ -n "$LAB" ] || { echo "FAILED  the lab did not start"; echo "0 passed, 1 failed"; exit 1; }
export LAB

status=0
node "$work/main.js" || status=$?
exit $status
