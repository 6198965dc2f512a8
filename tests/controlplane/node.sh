#!/usr/bin/env bash
# Prepares a node for tests in target/node: containerd, runc and the CNI plugins of Debian, unpacked and not installed,
# and the image that holds a pod's namespaces. Where they cannot be had, it says so, and the tests run without a node.
set -euo pipefail
cd "$(dirname "$0")/../.."
node=target/node

if [ ! -e "$node/ready" ]; then
    echo "node: fetching containerd, runc and the CNI plugins (35 MB), once" >&2
    rm -rf "$node"
    tools/unpack_packages.sh "$node/packages" containerd runc containernetworking-plugins || {
        echo "node: the tests of the chart on a node are left out" >&2
        exit 0
    }
    touch "$node/ready"
fi
case $(uname -m) in
    aarch64 | arm64) arch=arm64 ;;
    *) arch=amd64 ;;
esac
target/image/image plain --name guestlist.test/pause:1 --binary "$arch=target/controlplane/bin/pause" --out "$node/pause" >/dev/null
