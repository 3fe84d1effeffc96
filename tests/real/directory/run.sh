#!/usr/bin/env bash
# The real connector in a real domain: Samba as the domain controller, Apache with
# mod_auth_gssapi before the lab's Exchange, and acceptors of NTLM that others wrote.
#
# Everything runs in namespaces of its own: nothing of this machine is changed but packages that
# are installed. An argument names the tests to run. CALWAY and CALWAY_LAB may name programs that
# are built already (calway with the feature kerberos).
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../part.sh"

[ "$(id -u)" = 0 ] || skip_all "it needs root (namespaces, packages)"
unshare --mount --net --uts --pid --fork true 2>/dev/null || skip_all "no namespaces here"
install_packages samba-ad-dc samba-ad-provision winbind ldb-tools krb5-user apache2 \
    libapache2-mod-auth-gssapi gss-ntlmssp python3-gssapi python3-venv openssl iproute2 \
    libkrb5-dev libclang-dev ||
    skip_all "packages could not be installed (see $work/apt.log)"
# The system's own interpreter: it has the binding to GSS-API.
PYTHON=/usr/bin/python3 install_python --system-site-packages ||
    skip_all "pyspnego could not be installed (see $work/pip.log)"

build_calway --features kerberos || exit 1
build_lab || exit 1
export CALWAY CALWAY_LAB=$lab

# With the last process of the namespace everything in it ends, however this goes.
timeout 280 unshare --mount --net --uts --pid --fork --mount-proc --kill-child \
    --propagation private "$work/venv/bin/python" "$here/directory.py" "$@"
status=$?
[ "$status" -lt 124 ] || echo "0 passed, 1 failed"
exit "$status"
