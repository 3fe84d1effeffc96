#!/usr/bin/env bash
# The whole connector on a disk of its own, which gets full, and on one that the system makes
# read-only: what the journal says, and that nothing is lost and nothing done twice.
#
# The disks are mounted in a namespace of its own and go with it. CALWAY and CALWAY_LAB may name
# programs that are built already.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../part.sh"

# As root, or as root of a namespace of one's own.
own=(unshare --mount --pid --fork --kill-child --propagation private)
[ "$(id -u)" = 0 ] || own+=(--user --map-root-user)
disk=$work/disk
mkdir -p "$disk"
"${own[@]}" mount -t tmpfs -o size=1m tmpfs "$disk" 2>"$work/mount.log" ||
    skip_all "no disk can be mounted (see $work/mount.log)"
build_calway || exit 1
build_lab || exit 1
export CALWAY CALWAY_LAB=$lab

# With the first process of the namespace everything in it ends, however this goes.
timeout 280 "${own[@]}" python3 "$here/disk.py" "$work" >"$work/output" 2>&1
[ $? -lt 124 ] || echo "0 passed, 1 failed" >>"$work/output"
count "$work/output"
# Only root has block devices, on which the second disk needs its file system.
grep -q '^NOT HERE: ' "$work/output" && skip "$(sed -n 's/^NOT HERE: //p' "$work/output")"
finish
