#!/usr/bin/env bash
# What the built packages hold, read with the distributions' own tools: the .rpm by rpm, the .deb
# by dpkg-deb, the unit by systemd-analyze, the licences against `cargo tree`. $PACKAGES is where
# they lie, $ROOT the tree that they were built from.
set -uo pipefail
passed=0 failed=0
rpm=$(echo "$PACKAGES"/*.rpm)
deb=$(echo "$PACKAGES"/*.deb)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# expect WHAT COMMAND…: the command is well.
expect() {
    if "${@:2}" >"$folder/out" 2>&1; then
        passed=$((passed + 1))
        echo "ok      $1"
    else
        failed=$((failed + 1))
        echo "FAILED  $1"
        tail -n 20 "$folder/out"
    fi
}

# The files of both, the folders for completions of zsh apart.
dpkg-deb --fsys-tarfile "$deb" | tar -t | sed 's/^\.//' | grep -v '/$' |
    sed 's/vendor-completions/site-functions/' | grep -v /copyright | sort >"$folder/of-deb"
rpm -qpl "$rpm" | sed 's/^//' | sort >"$folder/of-rpm"

same_files() { diff "$folder/of-deb" "$folder/of-rpm"; }

whole() {
    for file in /usr/bin/calway /etc/calway/calway.toml /usr/lib/systemd/system/calway.service \
        /usr/lib/sysusers.d/calway.conf /usr/lib/tmpfiles.d/calway.conf \
        /usr/lib/systemd/catalog/calway.catalog /usr/lib/systemd/system-generators/calway \
        /usr/share/man/man1/calway.1.gz /usr/share/man/man1/calway-run.1.gz \
        /usr/share/bash-completion/completions/calway /usr/share/zsh/site-functions/_calway \
        /usr/share/fish/vendor_completions.d/calway.fish /usr/share/doc/calway/licences.txt.gz \
        /usr/share/calway/grafana/calway.json /usr/share/calway/prometheus/calway.rules.yml \
        /usr/share/doc/calway/guide/exchange.md /usr/share/doc/calway/changelog.gz; do
        grep -qx "$file" "$folder/of-rpm" || { echo "not there: $file"; return 1; }
    done
}

configuration() {
    [ "$(rpm -qpc "$rpm")" = /etc/calway/calway.toml ] &&
        [ "$(dpkg-deb --ctrl-tarfile "$deb" | tar -xO ./conffiles | grep -v '^$')" = \
            /etc/calway/calway.toml ] &&
        # Bits of a file's flags: 1 configuration, 16 not to be replaced.
        rpm -qp --queryformat '[%{FILENAMES} %{FILEFLAGS} %{FILEMODES:perms} %{FILEGROUPNAME}\n]' \
            "$rpm" | grep -x '/etc/calway/calway.toml 17 -rw-r----- calway'
}

requires() {
    needed=$(rpm -qp --requires "$rpm")
    for one in 'systemd >= 252' ca-certificates shadow-utils 'libgssapi_krb5.so.2()(64bit)' \
        'libc.so.6()(64bit)' /bin/sh; do
        grep -qxF "$one" <<<"$needed" || { echo "does not need $one"; return 1; }
    done
    # What RHEL 9 and Debian 12 have.
    newest=$(grep -o 'GLIBC_2[.0-9]*' <<<"$needed" | sort -uV | tail -n 1)
    [ "$(printf '%s\nGLIBC_2.34\n' "$newest" | sort -V | tail -n 1)" = GLIBC_2.34 ] ||
        { echo "needs $newest"; return 1; }
}

scripts() {
    rpm -qp --scripts "$rpm" >"$folder/scripts"
    for one in preinstall postinstall preuninstall postuninstall; do
        grep -q "^$one scriptlet" "$folder/scripts" || return 1
    done
    for one in "$ROOT"/packaging/rpm/* "$ROOT"/packaging/deb/*; do sh -n "$one" || return 1; done
}

unpacks() {
    mkdir "$folder/host"
    rpm --root "$folder/host" --initdb &&
        rpm --root "$folder/host" --install --nodeps --noscripts "$rpm" &&
        rpm --root "$folder/host" --query --list calway | cmp - <(rpm -qpl "$rpm") &&
        "$folder/host/usr/bin/calway" --version &&
        rpm --root "$folder/host" --erase --nodeps --noscripts calway &&
        [ ! -e "$folder/host/usr/bin/calway" ]
}

signed() { rpm --checksig "$rpm" | grep -q 'digests OK'; }

# Every crate that Cargo links, as Cargo's own tree has it, with its version and a text.
licences() {
    dpkg-deb --fsys-tarfile "$deb" | tar -xO ./usr/share/doc/calway/licences.txt.gz |
        gunzip >"$folder/licences"
    (cd "$ROOT" && cargo tree --locked -p calway -e normal,no-proc-macro --prefix none \
        --no-default-features --features kerberos) |
        sed 's/ (.*//; s/ v/ /' | grep -v '^calway ' | sort -u >"$folder/crates"
    [ "$(wc -l <"$folder/crates")" -gt 100 ] || return 1
    while read -r crate; do
        grep -q "^  $crate: " "$folder/licences" && grep -qx "of $crate" "$folder/licences" ||
            { echo "no licence of $crate"; return 1; }
    done <"$folder/crates"
    # The same sources, the same text.
    python3 "$ROOT/packaging/licences.py" | cmp - "$folder/licences"
}

# 12 is 1.2, the most that is allowed.
exposure() {
    systemd-analyze security --offline=true --threshold=12 --no-pager \
        "$ROOT/systemd/calway.service"
}

expect "both packages have the same files" same_files
expect "the packages have all that was promised" whole
expect "the configuration is an administrator's own, and not everybody's" configuration
expect "the .rpm asks for what it needs, and for nothing newer" requires
expect "the .rpm's scripts are there" scripts
expect "the .rpm is sound" signed
expect "the .rpm is unpacked and taken away by rpm" unpacks
expect "each crate that is linked is there with its licence" licences
expect "the unit is exposed by no more than 1.2" exposure
echo "$passed passed, $failed failed"
