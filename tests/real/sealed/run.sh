#!/bin/sh
# Lets node-jose open what the real connector sealed, and refuse it with any byte altered.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
out=$target/real/sealed.jsonl
mkdir -p "$target/real"
rm -f "$out"
(cd "$root" && CALWAY_SEALED_OUT=$out cargo test --quiet --test it an_edit_reaches_the_cloud)
exec sh "$root/tests/real/jose/run.sh" opens "$out"
