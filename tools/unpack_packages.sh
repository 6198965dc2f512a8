#!/usr/bin/env bash
# Unpacks Debian's packages into a folder, without installing them: tools/unpack_packages.sh DIR PACKAGE...
# No service starts and nothing is configured. Fails with a message where there is no apt.
set -euo pipefail
out=$1
shift

if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
    echo "These packages are needed, and there is no apt to fetch them: $*" >&2
    exit 1
fi
mkdir -p "$out"
work=$(mktemp -d "$out/.fetch-XXXXXX")
trap 'rm -rf "$work"' EXIT
# As root, apt fetches as another user, who may not write into this folder.
chmod 755 "$work"
if ! (cd "$work" && apt-get -qq -o APT::Sandbox::User=root download "$@") 2>"$work/said"; then
    # The lists of packages are missing or old.
    apt-get -qq update >&2
    (cd "$work" && apt-get -qq -o APT::Sandbox::User=root download "$@")
fi
for package in "$work"/*.deb; do
    dpkg-deb --extract "$package" "$out"
done
