#!/bin/sh
# Lets DavMail loose on the lab's Exchange and lists a calendar through it over CalDAV.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../part.sh"
jar=/usr/share/davmail/davmail.jar
port=11080

install_packages davmail openssl python3 ||
    skip_all "davmail could not be installed (see $work/apt.log)"
[ -f "$jar" ] && command -v java >/dev/null || skip_all "davmail is installed without $jar or java"
build_lab

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
    if [ -n "${davmail:-}" ]; then
        kill "$davmail" 2>/dev/null || true
        wait "$davmail" 2>/dev/null || true
    fi
    davmail=
    stop_lab
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

# with_davmail OPTIONS…: a lab with these, DavMail in front of it, at most one minute for a client.
with_davmail() {
    rm -f "$work/davmail.log"
    start_lab exchange --account 'CORP\user00001' --password "$LAB_PASSWORD" --series 1 "$@"
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
    count "$work/output"
}

export LAB_PASSWORD='pass word 1' CALDAV_PORT=$port
echo "DavMail, Basic"
LOGIN=user00001@corp.example with_davmail --no-ntlm
echo "DavMail, NTLM"
LOGIN='CORP\user00001' with_davmail --no-basic

finish
