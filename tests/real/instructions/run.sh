#!/bin/sh
# Counts the instructions of a record under valgrind, and holds them against the sum of its
# unavoidable parts.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../part.sh"

# The whole way from an answer's bytes to sealed bytes takes at most so many times its parts.
AT_MOST=2.5

install_packages valgrind || skip_all "valgrind could not be installed (see $work/apt.log)"
command -v valgrind >/dev/null || skip_all "valgrind is not here"

(cd "$root" && cargo bench --quiet --locked -p calway --bench instructions -- --at-most "$AT_MOST") \
    >"$work/output" 2>&1 || true
count "$work/output"
finish
