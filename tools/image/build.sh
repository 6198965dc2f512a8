#!/usr/bin/env bash
# Builds guestlist as a static program for musl, and a container image of it: tools/image/build.sh --out DIR ARCH...
# Keeps folders and times out of the image, so that verify.sh can compare digests. Says clearly what is missing.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD

out=
profile=release
archs=()
while [ $# -gt 0 ]; do
    case $1 in
        --out) out=$2; shift 2 ;;
        --profile) profile=$2; shift 2 ;;
        amd64 | arm64) archs+=("$1"); shift ;;
        *) echo "image: unknown argument $1: use --out DIR, --profile release or quick, amd64, arm64" >&2; exit 2 ;;
    esac
done
if [ -z "$out" ] || [ ${#archs[@]} -eq 0 ]; then
    echo "image: name a folder by --out, and the architectures: amd64, arm64" >&2
    exit 2
fi
mkdir -p "$out"
out=$(cd "$out" && pwd)

# One folder for each set of versions. Its path does not matter to the result.
tools=${GUESTLIST_IMAGE_TOOLS:-$root/target/image/tools}/$(cksum <tools/image/requirements.txt | cut -d' ' -f1)
zig=$tools/ziglang
if [ ! -e "$tools/ready" ]; then
    python3 -m pip --version >/dev/null 2>&1 ||
        tools/system_packages.sh "Python 3 with pip, to install Zig's compiler" python3-pip
    echo "image: installing Zig (80 MB), once" >&2
    rm -rf "$tools"
    python3 -m pip install --quiet --no-deps --require-hashes --target "$tools" --requirement tools/image/requirements.txt
    touch "$tools/ready"
fi

# The folders of this machine stay out of the program: the project's, cargo's and those of the toolchains.
cargo_home=${CARGO_HOME:-$HOME/.cargo}
target_dir=${CARGO_TARGET_DIR:-$root/target}
sysroot=$(rustc --print sysroot)
rustflags="--remap-path-prefix=$root=/guestlist --remap-path-prefix=$target_dir=/guestlist/target"
rustflags+=" --remap-path-prefix=$cargo_home=/cargo --remap-path-prefix=$sysroot=/rust"
cflags="-ffile-prefix-map=$root=/guestlist -ffile-prefix-map=$cargo_home=/cargo -ffile-prefix-map=$tools=/zig"
case $profile in
    release | quick) ;;
    *) echo "image: the profile is release or quick, not $profile" >&2; exit 2 ;;
esac

given=()
for arch in "${archs[@]}"; do
    case $arch in
        amd64) target=x86_64-unknown-linux-musl ;;
        arm64) target=aarch64-unknown-linux-musl ;;
    esac
    if [ ! -d "$(rustc --print target-libdir --target "$target")" ]; then
        command -v rustup >/dev/null || {
            echo "image: Rust's library for $target is missing, and rustup is not in PATH: install rustup (https://rustup.rs)." >&2
            exit 1
        }
        rustup target add "$target"
    fi
    echo "image: building for $target" >&2
    env PATH="$tools/bin:$PATH" CARGO_ZIGBUILD_ZIG_PATH="$zig/zig" CARGO_ZIGBUILD_CACHE_DIR="$root/target/image/cache" \
        ZIG_GLOBAL_CACHE_DIR="$root/target/image/cache/zig" RUSTFLAGS="$rustflags" "CFLAGS_${target//-/_}=$cflags" \
        cargo zigbuild --locked --bin guestlist --target "$target" --profile "$profile"
    given+=("--binary=$arch=$target_dir/$target/$profile/guestlist")
done

# The tests make a second image by the same program and Zig.
ln -sfn "$zig" target/image/zig
(cd tools/image && CGO_ENABLED=0 go build -trimpath -buildvcs=false -o "$root/target/image/image" .)
target/image/image pack --root "$root" --zig "$zig" --out "$out" "${given[@]}"
