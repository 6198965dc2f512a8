#!/usr/bin/env bash
# Builds the image here and in a copy of the source in another folder, and compares the digests. Also builds it for
# arm64, and runs that program if the machine can.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
work=$root/target/image/verify

echo "image: 1 of 3, building in $root" >&2
first=$(tools/image/build.sh --out "$work/here" amd64 | tail -n 1)

echo "image: 2 of 3, building in $work/elsewhere" >&2
rm -rf "$work/elsewhere"
mkdir -p "$work/elsewhere/guestlist"
git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents --target-directory "$work/elsewhere/guestlist" --
second=$(cd "$work/elsewhere/guestlist" &&
    CARGO_TARGET_DIR="$work/elsewhere/target" GUESTLIST_IMAGE_TOOLS="$root/target/image/tools" \
        tools/image/build.sh --out "$work/elsewhere/image" amd64 | tail -n 1)
if [ "$first" != "$second" ]; then
    echo "image: the digests differ: $first here, $second in another folder" >&2
    exit 1
fi

echo "image: 3 of 3, building for arm64" >&2
tools/image/build.sh --out "$work/arm64" arm64 >/dev/null
program=target/aarch64-unknown-linux-musl/release/guestlist
emulator=
if [ "$(uname -m)" != aarch64 ]; then
    emulator=$root/target/image/qemu/usr/bin/qemu-aarch64-static
    [ -e "$emulator" ] || tools/unpack_packages.sh "$root/target/image/qemu" qemu-user-static || emulator=none
fi
if [ "$emulator" = none ]; then
    echo "image: the program for arm64 was built. It was not run, because there is no emulator." >&2
else
    $emulator "$program" --version >&2
    $emulator "$program" check examples/acme --workspace examples/acme/workspace.yaml >&2
fi
echo "image: $first, equal in both folders"
