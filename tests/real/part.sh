# Sourced by each run.sh, which names its folder in $here: where things are, how what others wrote
# is installed, a lab to play against, and the counts.

root=$(cd "$here/../../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
work=$target/real/$(basename "$here")
passed=0
failed=0
mkdir -p "$work"

# skip WHY: what cannot be had is skipped on a desk, and is a failure in CI.
skip() {
    if [ "${CI:-}" = true ]; then
        echo "FAILED  cannot run here: $1"
        failed=$((failed + 1))
    else
        echo "SKIPPED: $1"
    fi
}

# finish: the counts, and the end.
finish() {
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ] || exit 1
    exit 0
}

# skip_all WHY: nothing of it can run.
skip_all() {
    skip "$1"
    finish
}

# count FILE: shows what a client said, and adds the counts of its last line.
count() {
    cat "$1"
    last=$(tail -n 1 "$1")
    case $last in
    *' passed, '*' failed')
        passed=$((passed + ${last%% passed*}))
        counted=${last#* passed, }
        failed=$((failed + ${counted%% failed*}))
        ;;
    *) failed=$((failed + 1)) ;;
    esac
}

# ---- what others wrote ----

# install_packages NAME…: of the distribution. None of their services is started.
install_packages() {
    missing=
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
            missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null || return 1
    policy=/usr/sbin/policy-rc.d
    own_policy=
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod +x "$policy"
        own_policy=1
    fi
    # Recommended are desktops, and the lists may be older than what the mirror has. Split on
    # purpose: names of packages.
    # shellcheck disable=SC2086
    set -- -q -y --no-install-recommends -o DPkg::Lock::Timeout=120 install $missing
    export DEBIAN_FRONTEND=noninteractive
    status=0
    timeout 300 apt-get "$@" >"$work/apt.log" 2>&1 || {
        timeout 120 apt-get -q update >>"$work/apt.log" 2>&1
        timeout 300 apt-get "$@" >>"$work/apt.log" 2>&1 || status=$?
    }
    [ -z "$own_policy" ] || rm -f "$policy"
    return "$status"
}

# install_python [OPTION…]: requirements.txt into $work/venv, once for each list of versions.
install_python() {
    cmp -s "$here/requirements.txt" "$work/python-installed" && return
    rm -rf "$work/venv"
    "${PYTHON:-python3}" -m venv "$@" "$work/venv" >"$work/pip.log" 2>&1 &&
        "$work/venv/bin/pip" install -q --disable-pip-version-check \
            -r "$here/requirements.txt" >>"$work/pip.log" 2>&1 &&
        cp "$here/requirements.txt" "$work/python-installed"
}

# install_node: package-lock.json into $work, beside the scripts.
install_node() {
    command -v node >/dev/null && command -v npm >/dev/null || return 1
    cp "$here"/*.js "$here/package.json" "$here/package-lock.json" "$work/"
    cmp -s "$here/package-lock.json" "$work/node-installed" && return
    (cd "$work" && npm ci --ignore-scripts --no-audit --no-fund >npm.log 2>&1) &&
        cp "$here/package-lock.json" "$work/node-installed"
}

# ---- the lab ----

# build_lab: $lab is its program; CALWAY_LAB may name one that is built already.
build_lab() {
    lab=${CALWAY_LAB:-}
    [ -z "$lab" ] || return 0
    (cd "$root" && cargo build --quiet --locked -p calway-lab)
    lab=$target/debug/calway-lab
}

# build_calway OPTION…: $CALWAY is the connector's program, which may be named from outside.
build_calway() {
    [ -z "${CALWAY:-}" ] || return 0
    (cd "$root" && cargo build --quiet --locked -p calway --bin calway "$@") || return 1
    CALWAY=$target/debug/calway
}

# start_lab KIND OPTION…: its facts are in $LAB.
start_lab() {
    rm -f "$work/facts"
    mkfifo "$work/facts"
    "$lab" "$@" --json >"$work/facts" &
    lab_pid=$!
    LAB=$(head -n 1 "$work/facts")
    export LAB
    [ -n "$LAB" ] && return
    echo "FAILED  the lab did not start"
    failed=$((failed + 1))
    finish
}

stop_lab() {
    if [ -n "${lab_pid:-}" ]; then
        kill "$lab_pid" 2>/dev/null || true
        wait "$lab_pid" 2>/dev/null || true
    fi
    lab_pid=
    rm -f "$work/facts"
}
