#!/usr/bin/env bash
# calway secret with stores that others wrote: systemd's own systemd-creds, the kernel's keyring as
# keyctl reads it, and gnome-keyring as the Secret Service of a desktop. What is written is what
# systemd will decrypt, and what commands read. In a mount namespace with an /etc and a host key of
# its own, and in sessions of their own; nothing of the machine is touched. CALWAY may name a program
# that is built already.
set -uo pipefail

here=$(cd "$(dirname "$0")" && pwd)
. "$here/../part.sh"

# It asks for the password at its start, and has nobody to ask for where a mailbox is served.
known='^ *The mailbox is served at https://127.0.0.1:1/EWS/Exchange.asmx$'
configuration() {
    cat <<'TOML'
[[calendar]]
name = "hq"
account = 'CORP\svc'
url = "https://127.0.0.1:1/EWS/Exchange.asmx"
TOML
}
row() {
    if [ "$2" = "$3" ]; then echo "passed  $1"; else echo "FAILED  $1: $2, not $3"; fi
}

# tally FILE COUNT: the rows of a script, which are to be so many.
tally() {
    cat "$1"
    passed=$((passed + $(grep -c '^passed ' "$1")))
    failed=$((failed + $(grep -c '^FAILED ' "$1")))
    rows=$(grep -c '^passed \|^FAILED ' "$1")
    [ "$rows" -eq "$2" ] || { echo "FAILED  $rows rows, not $2" && failed=$((failed + 1)); }
}

# ---- systemd's credentials ----

machine() {
    [ "$(id -u)" -eq 0 ] || { skip "only root has systemd-creds' key" && return; }
    command -v systemd-creds >/dev/null || {
        skip "systemd-creds is not here (systemd 250 or later)"
        return
    }
    build_calway || { failed=$((failed + 1)) && return; }
    rm -rf "$work/etc"
    cp -a /etc "$work/etc" && echo 0123456789abcdef0123456789abcdef >"$work/etc/machine-id"
    rm -rf "$work/etc/credstore.encrypted" "$work/etc/calway"
    unshare --mount --propagation private true || { skip "no namespace can be made" && return; }
    declare -f row configuration >"$work/inside.sh"
    cat >>"$work/inside.sh" <<'INSIDE'
mount --bind "$work/etc" /etc && mount -t tmpfs tmpfs /var/lib/systemd || exit 77
name=calendar.hq.password
store=/etc/credstore.encrypted
mkdir /etc/calway
configuration >/etc/calway/calway.toml
decrypted() { systemd-creds decrypt --name="$1" "$store/$1" - 2>&1; }

printf 'Wiedehopf-7' | "$CALWAY" secret set "$name" --with-key host
row "it is stored" "$?" 0
row "systemd decrypts it under its name" "$(decrypted "$name")" Wiedehopf-7
row "for root alone" "$(stat -c %a "$store/$name") $(stat -c %a "$store")" "600 700"
row "it is not there in the clear" "$(grep -rl Wiedehopf /etc/credstore.encrypted /etc/systemd /etc/calway | wc -l)" 0
printf 'Eisvogel-8\n' | "$CALWAY" secret set "$name" --stdin --with-key host
row "the new one is decrypted" "$(decrypted "$name")" Eisvogel-8
row "the one before is decrypted under its own name" "$(decrypted "$name.previous")" Wiedehopf-7
row "the service is told" "$(grep -c "^LoadCredentialEncrypted=$name" \
    /etc/systemd/system/calway.service.d/secrets.conf)" 2
# By itself systemd-creds takes no host key that lies in memory alone, as here.
"$CALWAY" secret generate store.key --with-key host
row "a key is made" "$(decrypted store.key | wc -c)" 43
# Root's commands read them where they lie.
said=$("$CALWAY" discover ann@corp.example 2>&1)
row "a command of root's reads it" "$(grep -c "$known" <<<"$said") $(grep -c secret <<<"$said")" "1 0"
mv "$store/$name.previous" "$store/$name"
said=$("$CALWAY" discover ann@corp.example 2>&1)
row "one that is another's cannot be decrypted" \
    "$(grep -c "secret $name: cannot be decrypted here" <<<"$said")" 1
"$CALWAY" secret remove "$name"
row "it is gone" "$(ls "$store")" store.key
said=$("$CALWAY" discover ann@corp.example 2>&1)
row "and missed" "$(grep -c "secret $name is missing" <<<"$said")" 1
INSIDE
    known=$known work=$work CALWAY=$CALWAY unshare --mount --propagation private \
        bash "$work/inside.sh" >"$work/output" 2>&1
    [ $? -ne 77 ] || { skip "nothing can be mounted here" && return; }
    tally "$work/output" 12
}

# ---- the desktop's keyring ----

# It needs a build of its own, which CALWAY_DESKTOP may name, and a session that nobody else has.
desktop() {
    install_packages gnome-keyring dbus-daemon libsecret-tools || {
        skip "gnome-keyring cannot be installed"
        return
    }
    if [ -z "${CALWAY_DESKTOP:-}" ]; then
        (cd "$root" && cargo build --quiet --locked -p calway --bin calway \
            --features secret-service) || { failed=$((failed + 1)) && return; }
        # The next build without it takes its place.
        CALWAY_DESKTOP=$work/calway-desktop
        cp "$target/debug/calway" "$CALWAY_DESKTOP"
    fi
    rm -rf "$work/home"
    mkdir -p -m 700 "$work/home" "$work/home/run"
    configuration >"$work/home/calway.toml"
    declare -f row >"$work/desktop.sh"
    cat >>"$work/desktop.sh" <<'DESKTOP'
# Unlocked by the password of whoever signs in to the desktop.
printf 'Morgenrot-1' | gnome-keyring-daemon --unlock --components=secrets >/dev/null || exit 1
name=calendar.hq.password
found() { secret-tool lookup service calway username "$1"; }
set_it() {
    "$CALWAY" secret set "$name" --store secret-service --config "$HOME/calway.toml"
}
list() { "$CALWAY" secret list --json --config "$HOME/calway.toml" --store secret-service; }
discover() { "$CALWAY" discover ann@corp.example --config "$HOME/calway.toml" 2>&1; }

printf 'Wiedehopf-7\n' | set_it
row "the keyring takes it" "$?" 0
row "others of the session find it by its name" "$(found "$name")" Wiedehopf-7
row "it is listed, and not shown" "$(list | grep -c "\"name\":\"$name\".*\"store\":\"secret-service\"") \
$(list | grep -c Wiedehopf)" "1 0"
row "it is not in the clear on the disk" "$(grep -rl Wiedehopf "$HOME" | wc -l)" 0
said=$(discover)
row "a command reads it" \
    "$(grep -c "$known" <<<"$said") $(grep -c secret <<<"$said")" "1 0"
printf 'Eisvogel-8' | set_it
row "the new one takes its place" "$(found "$name")" Eisvogel-8
row "the one before is kept" "$(found "$name.previous")" Wiedehopf-7
said=$(env -u DBUS_SESSION_BUS_ADDRESS "$CALWAY" secret set "$name" --store secret-service \
    --config "$HOME/calway.toml" <<<x 2>&1)
row "without a session it says so" "$(grep -c 'no desktop session' <<<"$said")" 1
"$CALWAY" secret remove "$name" --store secret-service --config "$HOME/calway.toml"
row "it is gone, with the one before" "$(found "$name")$(found "$name.previous")" ""
said=$(discover)
row "and missed" "$(grep -c "secret $name is missing" <<<"$said")" 1
DESKTOP
    HOME=$work/home XDG_RUNTIME_DIR=$work/home/run XDG_DATA_HOME=$work/home/data known=$known \
        CALWAY=$CALWAY_DESKTOP timeout 120 dbus-run-session -- bash "$work/desktop.sh" \
        >"$work/desktop.output" 2>&1 </dev/null || failed=$((failed + 1))
    tally "$work/desktop.output" 10
}

# ---- the kernel's keyring ----

# In a session keyring of its own; what is kept is taken away again.
kernel() {
    install_packages keyutils || { skip "keyctl cannot be installed" && return; }
    keyctl session - true 2>/dev/null || { skip "the kernel gives no keyring here" && return; }
    build_calway || { failed=$((failed + 1)) && return; }
    configuration >"$work/calway.toml"
    declare -f row >"$work/kernel.sh"
    cat >>"$work/kernel.sh" <<'KERNEL'
name=calendar.hq.password
file=$work/calway.toml
found() { keyctl pipe "%user:keyring:$1@calway" 2>/dev/null; }
set_it() { "$CALWAY" secret set "$name" --store keyutils --config "$file"; }
list() { "$CALWAY" secret list --json --store keyutils --config "$file"; }

printf 'Wiedehopf-7\n' | set_it
row "the kernel keeps it, and keyctl finds it by its name" "$? $(found "$name")" "0 Wiedehopf-7"
row "it is listed, and not shown" "$(list | grep -c "\"name\":\"$name\".*\"store\":\"keyutils\"") \
$(list | grep -c Wiedehopf)" "1 0"
said=$("$CALWAY" discover ann@corp.example --config "$file" 2>&1)
row "a command reads it" "$(grep -c "$known" <<<"$said") $(grep -c secret <<<"$said")" "1 0"
printf 'Eisvogel-8' | set_it
row "the new one takes its place, the one before is kept" \
    "$(found "$name") $(found "$name.previous")" "Eisvogel-8 Wiedehopf-7"
"$CALWAY" secret remove "$name" --store keyutils --config "$file"
row "it is gone, with the one before" "$(found "$name")$(found "$name.previous")" ""
said=$("$CALWAY" discover ann@corp.example --config "$file" 2>&1)
row "and missed" "$(grep -c "secret $name is missing" <<<"$said")" 1
KERNEL
    known=$known work=$work CALWAY=$CALWAY timeout 120 keyctl session - bash "$work/kernel.sh" \
        >"$work/kernel.output" 2>&1 </dev/null || failed=$((failed + 1))
    tally "$work/kernel.output" 6
}

machine
kernel
desktop
finish
