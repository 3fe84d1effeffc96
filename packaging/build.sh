#!/usr/bin/env bash
# Builds both packages into target/packages. PROFILE names Cargo's profile: `dist`, which takes
# minutes, unless it says otherwise; `dev` and `release` are for tests.
#
# Needs cargo-deb, cargo-generate-rpm, python3, libkrb5-dev and libclang-dev.
set -euo pipefail
cd "$(dirname "$0")/.."
profile=${PROFILE:-dist}
target=${CARGO_TARGET_DIR:-target}
folder=$target/$profile
fast=() plain=()
# Twenty times the size: nobody waits for its compression.
[ "$profile" != dev ] || { folder=$target/debug fast=(--fast) plain=(--payload-compress none); }
package=$folder/package
out=$target/packages
# The same sources give the same packages: no file is younger than the last change.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH

cargo build --quiet --locked -p calway --bin calway --profile "$profile" \
    --no-default-features --features kerberos
calway=$folder/calway
[ "$profile" != dev ] || strip "$calway"

# What both packages have below /usr, beside what Cargo.toml names by itself.
rm -rf "$package" "$out"
files=$package/files
mkdir -p "$out" "$files/share/man/man1" "$files/share/doc/calway"
"$calway" generate man "$files/share/man/man1"
"$calway" generate completions "$package/completions"
gzip -9n "$files"/share/man/man1/*
doc=$files/share/doc/calway
cp -r docs/guide docs/reference docs/spec docs/decisions packaging/examples "$doc/"
cp LICENSE-MIT LICENSE-APACHE "$doc/"
cp CHANGELOG.md "$doc/changelog"
python3 packaging/licences.py >"$doc/licences.txt"
gzip -9n "$doc/changelog" "$doc/licences.txt"
# add FOLDER FILE…: what is there of these goes below /usr/FOLDER.
add() {
    mkdir -p "$files/$1"
    cp -r "${@:2}" "$files/$1/"
}
add lib/systemd/catalog systemd/calway.catalog
add share/calway packaging/grafana packaging/prometheus
cp packaging/copyright "$package/copyright"
find "$package" -exec touch --date="@$SOURCE_DATE_EPOCH" {} +

cargo deb --quiet --no-build --no-strip "${fast[@]}" -p calway --profile "$profile" --output "$out/"
cargo generate-rpm --profile "$profile" --target-dir "$target" --output "$out/" \
    --source-date "$SOURCE_DATE_EPOCH" "${plain[@]}"
ls -l "$out"
