#!/usr/bin/env bash
# The whole connector on a machine whose clock jumps by a day and back by two, and on one that has
# no random numbers yet, or gives none: nothing is lost, nothing done twice, and there are words.
#
# Its clock is libfaketime's, its kernel's random numbers are held back by a seccomp filter around
# it alone: nothing of the machine itself is changed. CALWAY and CALWAY_LAB may name programs that
# are built already.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../part.sh"

rm -rf "$work"/store-*
build_calway || exit 1
build_lab || exit 1
export CALWAY CALWAY_LAB=$lab
install_packages libfaketime || true
FAKETIME_LIBRARY=$(find /usr/lib -name libfaketimeMT.so.1 2>/dev/null | head -n 1)
export FAKETIME_LIBRARY

timeout 560 python3 "$here/machine.py" "$work" >"$work/output" 2>&1
[ $? -lt 124 ] || echo "0 passed, 1 failed" >>"$work/output"
count "$work/output"
grep -q '^NOT HERE: ' "$work/output" && skip "$(sed -n 's/^NOT HERE: //p' "$work/output" | sort -u)"
finish
