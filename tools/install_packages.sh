#!/bin/sh
# Installs what a list (tools/packages.txt unless named) has and this machine lacks, as root or through sudo. Does
# nothing, and needs no rights, when all of it is there.
# usage: tools/install_packages.sh [LIST]
set -eu
list=${1:-$(dirname "$0")/packages.txt}
missing=
for package in $(grep -v '^#' "$list"); do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ]; then
  run=
elif command -v sudo >/dev/null; then
  run=sudo
else
  echo "install_packages.sh: these packages are missing and there is no sudo; as root run: apt-get install$missing" >&2
  exit 1
fi
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
$run apt-get update -qq
# shellcheck disable=SC2086 # a list of words
$run apt-get install -y -qq --no-install-recommends $missing >/dev/null
