#!/usr/bin/env bash
# Installs system packages where it may: tools/system_packages.sh PURPOSE PACKAGE...
# Elsewhere it says what is missing, and fails.
set -euo pipefail
purpose=$1
shift

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "This needs $purpose. Install your system's packages for it; Debian's are: $*" >&2
    exit 1
fi
missing=()
for package in "$@"; do
    state=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0
echo "Installing ${missing[*]}: this needs $purpose." >&2
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install --quiet --quiet --yes --no-install-recommends "${missing[@]}" >&2
