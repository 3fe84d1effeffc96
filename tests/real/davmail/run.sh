#!/bin/sh
# Lets DavMail loose on the lab's Exchange and lists a calendar through it over CalDAV.
#
# CALWAY_LAB may name a calway-lab that is built already.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
work=$target/real/davmail
jar=/usr/share/davmail/davmail.jar
port=11080
mkdir -p "$work"

# What cannot be installed is skipped on a desk, and is a failure in CI.
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

installed() {
    [ -f "$jar" ] && command -v java >/dev/null && command -v openssl >/dev/null &&
        command -v python3 >/dev/null
}

install() {
    [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null || return 1
    DEBIAN_FRONTEND=noninteractive
    export DEBIAN_FRONTEND
    # Recommended are desktops, and the lists may be older than what the mirror has.
    set -- -q -y --no-install-recommends -o DPkg::Lock::Timeout=120
    timeout 300 apt-get "$@" install davmail openssl python3 >"$work/apt.log" 2>&1 || {
        timeout 120 apt-get -q update >>"$work/apt.log" 2>&1
        timeout 300 apt-get "$@" install davmail openssl python3 >>"$work/apt.log" 2>&1
    }
}

installed || install || skip "davmail could not be installed (see $work/apt.log)"
installed || skip "davmail is installed without $jar, java, openssl or python3"

lab=${CALWAY_LAB:-}
if [ -z "$lab" ]; then
    (cd "$root" && cargo build --quiet -p calway-lab)
    lab=$target/debug/calway-lab
fi

# A network of its own keeps the ports apart from everybody's. DavMail takes a machine that has
# nothing but loopback for one without a network, so both ends of a pair stand in it.
if [ -z "${APART:-}" ] && [ "$(id -u)" -eq 0 ] && unshare --net true 2>/dev/null; then
    APART=1 CALWAY_LAB=$lab exec unshare --net "$here/run.sh"
fi
if [ -n "${APART:-}" ]; then
    ip link set lo up
    ip link add near type veth peer name far
    ip address add 192.0.2.1/24 dev near
    ip link set near up
    ip link set far up
fi

stop() {
    for one in ${davmail:-} ${exchange:-}; do
        kill "$one" 2>/dev/null || true
        wait "$one" 2>/dev/null || true
    done
    davmail=
    exchange=
    rm -f "$work/facts"
}
trap stop EXIT
trap 'exit 130' INT TERM

# The value of a fact of the lab.
fact() {
    python3 -c 'import json, os, sys; print(json.loads(os.environ["LAB"])[sys.argv[1]])' "$1"
}

configure() {
    host=$(fact url)
    host=${host#https://}
    # What an administrator does who takes over a certificate of his own: its fingerprint.
    openssl s_client -connect "${host%%/*}" </dev/null 2>/dev/null |
        openssl x509 -noout -fingerprint -sha1 >"$work/fingerprint"
    cat >"$work/davmail.properties" <<END
davmail.server=true
davmail.mode=EWS
davmail.url=$(fact url)
davmail.bindAddress=127.0.0.1
davmail.allowRemote=false
davmail.caldavPort=$port
davmail.imapPort=
davmail.popPort=
davmail.smtpPort=
davmail.ldapPort=
davmail.disableUpdateCheck=true
davmail.server.certificate.hash=$(sed 's/.*=//' "$work/fingerprint")
davmail.logFilePath=$work/davmail.log
log4j.rootLogger=WARN
log4j.logger.davmail=DEBUG
END
}

# await_port: until DavMail listens, at most thirty seconds.
await_port() {
    python3 - "$port" <<'END'
import socket, sys, time
until = time.monotonic() + 30
while True:
    try:
        socket.create_connection(("127.0.0.1", int(sys.argv[1])), 1).close()
        break
    except OSError:
        if time.monotonic() > until:
            sys.exit("DavMail does not listen")
        time.sleep(0.2)
END
}

passed=0
failed=0

# with_davmail OPTIONS…: a lab with these, DavMail in front of it, at most one minute for a client.
with_davmail() {
    rm -f "$work/facts" "$work/davmail.log"
    mkfifo "$work/facts"
    "$lab" exchange --json --account 'CORP\user00001' --password "$LAB_PASSWORD" --series 1 "$@" \
        >"$work/facts" &
    exchange=$!
    LAB=$(head -n 1 "$work/facts")
    export LAB
    configure
    timeout 120 java -Djava.awt.headless=true -jar "$jar" "$work/davmail.properties" \
        >"$work/davmail.out" 2>&1 &
    davmail=$!
    if await_port; then
        timeout 60 python3 "$here/listing.py" >"$work/output" 2>&1 || true
    else
        cp "$work/davmail.out" "$work/output"
    fi
    stop
    cat "$work/output"
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

export LAB_PASSWORD='pass word 1' CALDAV_PORT=$port
echo "DavMail, Basic"
LOGIN=user00001@corp.example with_davmail --no-ntlm
echo "DavMail, NTLM"
LOGIN='CORP\user00001' with_davmail --no-basic

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
