#!/usr/bin/env bash
# calway secret with systemd's own systemd-creds: what is written is what systemd will decrypt, and
# what root's commands read. In a mount namespace with an /etc and a host key of its own; nothing
# of the machine is touched. CALWAY may name a program that is built already.
set -uo pipefail

here=$(cd "$(dirname "$0")" && pwd)
. "$here/../part.sh"

[ "$(id -u)" -eq 0 ] || skip_all "only root has systemd-creds' key"
command -v systemd-creds >/dev/null || skip_all "systemd-creds is not here (systemd 250 or later)"
build_calway || exit 1
rm -rf "$work/etc"
cp -a /etc "$work/etc" && echo 0123456789abcdef0123456789abcdef >"$work/etc/machine-id"
rm -rf "$work/etc/credstore.encrypted" "$work/etc/calway"
unshare --mount --propagation private true || skip_all "no namespace can be made"

cat >"$work/inside.sh" <<'INSIDE'
mount --bind "$work/etc" /etc && mount -t tmpfs tmpfs /var/lib/systemd || exit 77
name=calendar.hq.password
store=/etc/credstore.encrypted
mkdir /etc/calway
cat >/etc/calway/calway.toml <<TOML
[[calendar]]
name = "hq"
account = 'CORP\svc'
url = "https://127.0.0.1:1/EWS/Exchange.asmx"
TOML
row() {
    if [ "$2" = "$3" ]; then echo "passed  $1"; else echo "FAILED  $1: $2, not $3"; fi
}
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
# Root's commands read them where they lie: this one asks for the password at its start, and then
# fails as nobody listens there.
said=$("$CALWAY" discover ann@corp.example 2>&1)
row "a command of root's reads it" "$(grep -c 'secret .* is missing' <<<"$said")" 0
"$CALWAY" secret remove "$name"
row "it is gone" "$(ls "$store")" store.key
said=$("$CALWAY" discover ann@corp.example 2>&1)
row "and missed" "$(grep -c "secret $name is missing" <<<"$said")" 1
INSIDE
work=$work CALWAY=$CALWAY unshare --mount --propagation private \
    bash "$work/inside.sh" >"$work/output" 2>&1
[ $? -ne 77 ] || skip_all "nothing can be mounted here"
cat "$work/output"
passed=$(grep -c '^passed ' "$work/output")
failed=$(grep -c '^FAILED ' "$work/output")
[ "$passed" -gt 0 ] || failed=$((failed + 1))
finish
