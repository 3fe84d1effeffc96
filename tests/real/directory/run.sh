#!/usr/bin/env bash
# The real connector in a real domain: Samba as the domain controller, Apache with
# mod_auth_gssapi before the lab's Exchange, and acceptors of NTLM that others wrote.
#
# Everything runs in namespaces of its own: nothing of this machine is changed but packages that
# are installed. An argument names the tests to run. CALWAY and CALWAY_LAB may name programs that are built already (calway with the
# feature kerberos).
set -uo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
work=$target/real/directory
mkdir -p "$work"

# What cannot be had is skipped on a desk, and is a failure in CI.
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

[ "$(id -u)" = 0 ] || skip "it needs root (namespaces, packages)"
unshare --mount --net --uts --pid --fork true 2>/dev/null || skip "no namespaces here"

packages="samba-ad-dc samba-ad-provision winbind ldb-tools krb5-user apache2
    libapache2-mod-auth-gssapi gss-ntlmssp python3-gssapi python3-venv openssl iproute2
    libkrb5-dev libclang-dev"
missing=
for package in $packages; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
        missing="$missing $package"
done
if [ -n "$missing" ]; then
    export DEBIAN_FRONTEND=noninteractive
    # Nobody's services are to be started here.
    policy=/usr/sbin/policy-rc.d
    [ -e "$policy" ] || { printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy" && own=1; }
    # Split on purpose: names of packages.
    # shellcheck disable=SC2086
    (apt-get update -qq && timeout 240 apt-get install -y -qq --no-install-recommends $missing) \
        >"$work/apt.log" 2>&1
    status=$?
    [ -z "${own:-}" ] || rm -f "$policy"
    [ "$status" = 0 ] || skip "packages could not be installed (see $work/apt.log)"
fi

# The system's own interpreter: it has the binding to GSS-API.
if ! cmp -s "$here/requirements.txt" "$work/installed"; then
    rm -rf "$work/venv"
    /usr/bin/python3 -m venv --system-site-packages "$work/venv" >"$work/pip.log" 2>&1 &&
        "$work/venv/bin/pip" install -q -r "$here/requirements.txt" >>"$work/pip.log" 2>&1 &&
        cp "$here/requirements.txt" "$work/installed" ||
        skip "pyspnego could not be installed (see $work/pip.log)"
fi

if [ -z "${CALWAY:-}" ]; then
    (cd "$root" && cargo build --quiet --locked -p calway --features kerberos) || exit 1
    CALWAY=$target/debug/calway
fi
if [ -z "${CALWAY_LAB:-}" ]; then
    (cd "$root" && cargo build --quiet --locked -p calway-lab) || exit 1
    CALWAY_LAB=$target/debug/calway-lab
fi
export CALWAY CALWAY_LAB

# With the last process of the namespace everything in it ends, however this goes.
timeout 280 unshare --mount --net --uts --pid --fork --mount-proc --kill-child \
    --propagation private "$work/venv/bin/python" "$here/directory.py" "$@"
status=$?
[ "$status" -lt 124 ] || echo "0 passed, 1 failed"
exit "$status"
