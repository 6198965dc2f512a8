#!/usr/bin/env bash
# Prepares Prometheus and promtool for tests in target/prometheus: Debian's package, unpacked and not installed. Where it
# cannot be had, it says so, and the tests run without them.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=target/prometheus

if [ ! -e "$out/ready" ]; then
    echo "prometheus: fetching Prometheus and promtool (19 MB), once" >&2
    rm -rf "$out"
    tools/unpack_packages.sh "$out/packages" prometheus || {
        echo "prometheus: the tests of the alerts and the dashboard on Prometheus are left out" >&2
        exit 0
    }
    touch "$out/ready"
fi
