#!/bin/sh
# Lets exchangelib and ews-javascript-api loose on the lab's Exchange; exchangelib also with the
# connector beside it, which writes join details into its invitations. CALWAY and CALWAY_LAB may
# name programs that are built already.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../part.sh"

trap stop_lab EXIT
trap 'exit 130' INT TERM

# with_lab COMMAND…: against a lab of its own, at most five minutes.
with_lab() {
    # Split on purpose: options of the lab.
    # shellcheck disable=SC2086
    start_lab exchange --password "$LAB_PASSWORD" --ca-out "$work/ca.pem" ${options:-}
    timeout 300 "$@" >"$work/output" 2>&1 || true
    stop_lab
    count "$work/output"
}

build_lab
export LAB_PASSWORD='pass word ü 1'
# exchangelib keeps a cache among the temporary files.
mkdir -p "$work/tmp"
export TMPDIR="$work/tmp"

if install_python; then
    echo "exchangelib"
    with_lab "$work/venv/bin/python" "$here/exchangelib_client.py"
    options="--no-basic --extended-protection require --prefix none --stream-prefix soap11"
    echo "exchangelib, $options"
    with_lab "$work/venv/bin/python" "$here/exchangelib_client.py" ntlm
    options=
    build_calway
    export CALWAY CALWAY_LAB="$lab" CONNECTOR="$work/connector"
    mkdir -p "$CONNECTOR"
    echo "exchangelib, and the connector"
    with_lab "$work/venv/bin/python" "$here/decorated.py"
else
    skip "exchangelib could not be installed (see $work/pip.log)"
fi

if install_node; then
    echo "ews-javascript-api"
    NODE_EXTRA_CA_CERTS="$work/ca.pem"
    export NODE_EXTRA_CA_CERTS
    with_lab node "$work/ews_javascript.js"
else
    skip "ews-javascript-api could not be installed (see $work/npm.log)"
fi

finish
