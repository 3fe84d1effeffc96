#!/usr/bin/env bash
# The real program writes to a real systemd-journald, without booting: journalctl shows its fields,
# and with our catalog what to do. promtool reads a scrape and the alert rules.
#
# Everything journald has is mounted in a namespace of its own and goes with it. CALWAY and
# CALWAY_LAB may name programs that are built already.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../part.sh"

[ "$(id -u)" = 0 ] || skip_all "only root may have a journald of its own"
command -v /lib/systemd/systemd-journald >/dev/null || skip_all "there is no systemd-journald"
own=(unshare --mount --pid --fork --kill-child --mount-proc --propagation private)
"${own[@]}" true 2>"$work/mount.log" || skip_all "no mounts of its own (see $work/mount.log)"
build_calway || exit 1
export CALWAY
install_packages prometheus || skip "promtool cannot be installed (see $work/apt.log)"
build_lab || exit 1
export CALWAY_LAB=$lab

rm -rf "$work/disk" "$work/journald"
# With the first process of the namespace everything in it ends, however this goes.
timeout 200 "${own[@]}" bash "$here/inside.sh" "$root" "$work" >"$work/journald.log" 2>&1
status=$?
[ $status -lt 124 ] || echo "0 passed, 1 failed" >>"$work/journald.log"
count "$work/journald.log"
finish
