#!/bin/sh
# Lets exchangelib and ews-javascript-api loose on the lab's Exchange.
#
# CALWAY_LAB may name a calway-lab that is built already.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
work=$target/real/exchange
passed=0
failed=0
mkdir -p "$work"

# What cannot be installed is skipped on a desk, and is a failure in CI.
skip() {
    if [ "${CI:-}" = true ]; then
        echo "FAILED  cannot run here: $1"
        failed=$((failed + 1))
    else
        echo "SKIPPED: $1"
    fi
}

# install_python, install_node: into $work, once for each list of versions.
install_python() {
    cmp -s "$here/requirements.txt" "$work/python-installed" && return
    rm -rf "$work/venv"
    python3 -m venv "$work/venv" >"$work/pip.log" 2>&1 &&
        "$work/venv/bin/pip" install -q -r "$here/requirements.txt" >>"$work/pip.log" 2>&1 &&
        cp "$here/requirements.txt" "$work/python-installed"
}

install_node() {
    command -v node >/dev/null && command -v npm >/dev/null || return 1
    cp "$here"/*.js "$here/package.json" "$here/package-lock.json" "$work/"
    cmp -s "$here/package-lock.json" "$work/node-installed" && return
    (cd "$work" && npm ci --ignore-scripts --no-audit --no-fund >npm.log 2>&1) &&
        cp "$here/package-lock.json" "$work/node-installed"
}

stop() {
    [ -z "${pid:-}" ] || kill "$pid" 2>/dev/null || true
    pid=
    rm -f "$work/facts"
}
trap stop EXIT
trap 'exit 130' INT TERM

# with_lab COMMAND…: against a lab of its own, at most five minutes.
with_lab() {
    rm -f "$work/facts"
    mkfifo "$work/facts"
    # Split on purpose: options of the lab.
    # shellcheck disable=SC2086
    "$lab" exchange --json --password "$LAB_PASSWORD" --ca-out "$work/ca.pem" ${options:-} \
        >"$work/facts" &
    pid=$!
    LAB=$(head -n 1 "$work/facts")
    export LAB
    timeout 300 "$@" >"$work/output" 2>&1 || true
    cat "$work/output"
    stop
    last=$(tail -n 1 "$work/output")
    case $last in
    *' passed, '*' failed')
        passed=$((passed + ${last%% passed*}))
        counted=${last#* passed, }
        failed=$((failed + ${counted%% failed*}))
        ;;
    *) failed=$((failed + 1)) ;;
    esac
}

lab=${CALWAY_LAB:-}
if [ -z "$lab" ]; then
    (cd "$root" && cargo build --quiet -p calway-lab)
    lab=$target/debug/calway-lab
fi
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

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
