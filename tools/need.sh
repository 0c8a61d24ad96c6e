#!/bin/sh
# Make sure that programs are there: tools/need.sh PROGRAM:PACKAGE ...
# As root on Debian and its kin it installs what is missing; otherwise it says exactly what to install.
set -eu

missing=""
for pair in "$@"; do
    program=${pair%%:*} package=${pair#*:}
    command -v "$program" >/dev/null 2>&1 || [ -e "$program" ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "missing on this machine:$missing" >&2
    echo "install them and start again:  sudo apt-get install --no-install-recommends$missing" >&2
    exit 1
fi
echo "installing$missing (Debian packages)"
export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
log=$(mktemp)
# shellcheck disable=SC2086  # a list of packages
if ! { apt-get update -q && apt-get install -y -q --no-install-recommends $missing; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "apt-get could not install$missing; the last lines above say why" >&2
    exit 1
fi
rm -f "$log"
