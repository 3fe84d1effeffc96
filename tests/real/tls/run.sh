#!/usr/bin/env bash
# What OpenSSL's server offers, and what the connector says of it: the cipher suites of old and of
# new Windows. CALWAY may name a program that is built already.
set -uo pipefail

here=$(cd "$(dirname "$0")" && pwd)
. "$here/../part.sh"

install_packages openssl || skip_all "openssl could not be installed (see $work/apt.log)"
build_calway || exit 1

openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/key.pem" -out "$work/cert.pem" -days 2 \
    -subj "/CN=127.0.0.1" -addext "subjectAltName=IP:127.0.0.1" \
    -addext "basicConstraints=critical,CA:FALSE" 2>/dev/null || skip_all "openssl made no certificate"
# An authority, one below it, and a server's certificate of that one, alone and with its chain.
sign() {
    openssl req -newkey rsa:2048 -nodes -keyout "$work/$1.key" -subj "/CN=$1" -out "$work/$1.csr" &&
        openssl x509 -req -in "$work/$1.csr" -CA "$work/$2.pem" -CAkey "$work/$2.key" -days 2 \
            -CAcreateserial -extfile <(printf '%s\n' "${@:3}") -out "$work/$1.pem"
} 2>/dev/null
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/root.key" -out "$work/root.pem" -days 2 \
    -subj "/CN=root" 2>/dev/null &&
    sign between root "basicConstraints=critical,CA:TRUE" &&
    sign leaf between "basicConstraints=critical,CA:FALSE" "subjectAltName=IP:127.0.0.1" ||
    skip_all "openssl made no chain"
printf 'lab-password' >"$work/calendar.hq.password"

server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null' EXIT

certificate=cert key=key.pem trusted=cert
# A name, the words that are expected of the connector or of s_server, and what s_server is told
# beside its certificate.
row() {
    local name=$1 words=$2 port said
    shift 2
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])')
    openssl s_server -accept "127.0.0.1:$port" -cert "$work/$certificate.pem" \
        -key "$work/$key" "$@" >"$work/server.log" 2>&1 < <(exec sleep 60) &
    server=$!
    for _ in $(seq 400); do
        grep -q ACCEPT "$work/server.log" && break
        sleep 0.05
    done
    cat >"$work/calway.toml" <<TOML
[[calendar]]
name = "hq"
account = 'CORP\svc'
domains = ["corp.example"]
autodiscover = "https://127.0.0.1:$port/autodiscover/autodiscover.svc"
discover = { srv = false }
ca_file = "$work/$trusted.pem"
system_trust = false
[store]
path = "$work/calway.db"
TOML
    # What is no HTTP server gives no answer.
    said=$(CREDENTIALS_DIRECTORY=$work timeout 8 "$CALWAY" discover ann@corp.example \
        --config "$work/calway.toml" 2>&1)
    kill "$server" 2>/dev/null
    wait "$server" 2>/dev/null
    server=
    if grep -qF "$words" <<<"$said" || grep -qF "$words" "$work/server.log"; then
        passed=$((passed + 1))
        echo "passed  $name"
    else
        failed=$((failed + 1))
        echo "FAILED  $name"
        sed 's/^/    /' <<<"$said"
    fi
}

suites="TLS: the server shares no cipher suite with us, as on Windows Server 2012 R2 and older"
# Microsoft's list for Windows 8.1 and Server 2012 R2, what it has with a certificate for RSA.
old=ECDHE-RSA-AES256-SHA384:ECDHE-RSA-AES128-SHA256:ECDHE-RSA-AES256-SHA:ECDHE-RSA-AES128-SHA
old=$old:DHE-RSA-AES256-GCM-SHA384:DHE-RSA-AES128-GCM-SHA256:AES256-GCM-SHA384:AES128-GCM-SHA256
old=$old:AES256-SHA256:AES128-SHA256:AES256-SHA:AES128-SHA
row "Windows Server 2012 R2 is named" "$suites" -tls1_2 -cipher "$old"
row "Windows Server 2016 is spoken to" "CIPHER is ECDHE-RSA-AES256-GCM-SHA384" -tls1_2 -cipher "ECDHE-RSA-AES256-GCM-SHA384:$old"
row "TLS 1.1 is named" "neither TLS 1.3 nor TLS 1.2" -tls1_1 -cipher "ALL:@SECLEVEL=0"
certificate=leaf key=leaf.key trusted=root
row "a chain that is not sent is named" "intermediate certificates (install its whole chain there)"
row "a chain that is sent is followed" "CIPHER is" -cert_chain "$work/between.pem"
trusted=between
row "an intermediate authority in ca_file is trusted" "CIPHER is"
finish
