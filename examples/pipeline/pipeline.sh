#!/usr/bin/env bash
# Reviews a pull request, or delivers what is merged; see README.md.
set -euo pipefail

manifests=${MANIFESTS:?names the folder of the manifests}
export GUESTLIST_WORKSPACE=${GUESTLIST_WORKSPACE:?names the workspace policy}
export GUESTLIST_DIRECTORY=${GUESTLIST_DIRECTORY:?names the directory, as in sqlite:directory.db}

case ${1:-} in
  review)
    if [ -n "${SARIF:-}" ]; then
      guestlist check --workspace "$GUESTLIST_WORKSPACE" -o sarif "$manifests" >"$SARIF" || true
    fi
    guestlist check --workspace "$GUESTLIST_WORKSPACE" "$manifests"
    # 0: merging changes nothing. 2: it changes something, and that is shown.
    code=0
    guestlist plan --prune "$manifests" || code=$?
    [ "$code" = 0 ] || [ "$code" = 2 ]
    ;;
  deliver)
    guestlist apply --prune --yes "$manifests"
    ;;
  *)
    echo "usage: $0 review|deliver" >&2
    exit 2
    ;;
esac
