# Inside the namespace: a journald, the lab with the program, and what journalctl shows of it.
set -uo pipefail
root=$1
work=$2
here=$root/tests/real/journald

mount -t tmpfs tmpfs /run/systemd 2>/dev/null || { mkdir -p /run/systemd; mount -t tmpfs tmpfs /run/systemd; }
mkdir -p /run/log /run/systemd/journal
mount -t tmpfs tmpfs /run/log
[ ! -d /var/log/journal ] || mount -t tmpfs tmpfs /var/log/journal
# The system's catalogs stay as they are: ours is compiled into a copy.
mkdir -p /var/lib/systemd/catalog
mount -t tmpfs tmpfs /var/lib/systemd/catalog
mkdir -p /usr/lib/systemd/catalog
mount -t tmpfs tmpfs /usr/lib/systemd/catalog
cp "$root/systemd/calway.catalog" /usr/lib/systemd/catalog/
printf '[Journal]\nStorage=volatile\nReadKMsg=no\nAudit=no\nRateLimitIntervalSec=0\n' \
    >"$work/journald.conf"
[ -e /etc/systemd/journald.conf ] || : >/etc/systemd/journald.conf
mount --bind "$work/journald.conf" /etc/systemd/journald.conf
if [ ! -s /etc/machine-id ]; then
    tr -d - </proc/sys/kernel/random/uuid >"$work/machine-id"
    touch /etc/machine-id
    mount --bind "$work/machine-id" /etc/machine-id
fi
/lib/systemd/systemd-journald &
for _ in $(seq 100); do
    [ -S /run/systemd/journal/socket ] && break
    sleep 0.1
done
[ -S /run/systemd/journal/socket ] || { echo "FAILED  journald did not start"; echo "0 passed, 1 failed"; exit; }
exec python3 "$here/journal.py" "$root" "$work"
