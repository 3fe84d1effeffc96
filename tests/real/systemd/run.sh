#!/usr/bin/env bash
# The packages on a real systemd: a plain Debian is booted in a container, the .deb is installed
# there, and the README's installation is followed to the first sealed record; then watchdog,
# reload, stop, upgrade, downgrade, purge, and what the sandbox lets through. The .rpm is read with
# rpm's own tools, and installed, upgraded and erased by rpm on the same system. PACKAGES may name
# a folder where both are built already, RELEASE one Debian in place of both.
#
# Nothing of it touches this machine's own systemd: its tools are unpacked beside the system, and
# everything that runs ends with the first process of a namespace.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../part.sh"

PATH=$PATH:/usr/sbin:/sbin
[ "$(id -u)" = 0 ] || skip_all "a container can be booted by root alone"
# debootstrap fetches with wget.
install_packages rpm dpkg-dev wget || skip_all "rpm or wget cannot be installed (see $work/apt.log)"

# Plain trees, once: what a Debian has that serves, and what the package needs.
include=systemd,systemd-sysv,dbus,libpam-systemd,iproute2,procps,ca-certificates,libgssapi-krb5-2
include=$include,rpm
make_tree() {
    release=$1 tree=$work/tree-$1
    [ "$(cat "$tree.made" 2>/dev/null)" != "$include" ] || return 0
    rm -rf "$work/tools" "$tree" "$tree.made"
    mkdir -p "$work/tools/archives" "$tree"
    (
        cd "$work/tools/archives" || exit 1
        get() { timeout 200 apt-get -q download debootstrap systemd-container libsystemd-shared; }
        get || { timeout 120 apt-get -q update && get; }
    ) >"$work/tools.log" 2>&1 || return 1
    for archive in "$work"/tools/archives/*.deb; do
        dpkg-deb -x "$archive" "$work/tools" || return 1
    done
    DEBOOTSTRAP_DIR=$work/tools/usr/share/debootstrap timeout 500 \
        sh "$work/tools/usr/sbin/debootstrap" --variant=minbase --include="$include" \
        "$release" "$tree" >"$work/debootstrap.log" 2>&1 || return 1
    echo "$include" >"$tree.made"
}
if [ -z "${PACKAGES:-}" ]; then
    # What cargo installs lies among its own programs, wherever those are.
    for tool in cargo-deb cargo-generate-rpm; do
        command -v "$tool" >/dev/null || cargo install --quiet --locked --debug "$tool" ||
            skip_all "$tool cannot be installed"
    done
    PROFILE=${PROFILE:-release} bash "$root/packaging/build.sh" >"$work/build.log" 2>&1 ||
        { cat "$work/build.log"; exit 1; }
    PACKAGES=$target/packages
fi
build_lab || exit 1
export PACKAGES CALWAY_LAB=$lab ROOT=$root

bash "$here/packages.sh" >"$work/output" 2>&1
count "$work/output"
own=(unshare --mount --pid --fork --kill-child --mount-proc --propagation private)
# The first has a systemd that knows notify alone, the second one that knows notify-reload.
for release in ${RELEASE:-bookworm trixie}; do
    echo "-- $release"
    make_tree "$release" || {
        skip "no Debian $release can be set up (see $work/tools.log and debootstrap.log)"
        continue
    }
    export TREE=$tree
    timeout 500 "${own[@]}" python3 -B "$here/appliance.py" "$work" >"$work/output" 2>&1
    [ $? -lt 124 ] || echo "0 passed, 1 failed" >>"$work/output"
    count "$work/output"
done
finish
