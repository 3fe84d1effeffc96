#!/bin/sh
# Lets node-jose and node-kms loose on the lab's key server and cloud, and on sealed lines.
#
#   run.sh                 against `calway-lab cloud`, which it builds and starts
#   run.sh opens FILE...   FILE holds lines of {"jwe": …, "jwk": {"kty":"oct","k": …}, "plain": …}
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../part.sh"

install_node || skip_all "npm could not install node-jose and node-kms (see $work/npm.log)"

if [ "${1:-}" = opens ]; then
    shift
    [ $# -gt 0 ] || { echo "usage: run.sh opens FILE..."; exit 2; }
    exec node "$work/main.js" opens "$@"
fi

trap stop_lab EXIT
trap 'exit 130' INT TERM
build_lab
start_lab cloud --kms-listen 127.0.0.1:0 --ca-out "$work/ca.pem" --anchor-out "$work/anchor.pem"
node "$work/main.js"
