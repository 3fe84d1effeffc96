#!/bin/sh
# docs/spec against itself (OpenAPI, examples), and the lab's cloud against docs/spec.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../part.sh"

install_python || skip_all "pip could not install the validators (see $work/pip.log)"

trap stop_lab EXIT
trap 'exit 130' INT TERM
build_lab
start_lab cloud --ca-out "$work/ca.pem"
"$work/venv/bin/python" "$here/check.py" "$root/docs/spec"
