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
    judged=0
    guestlist check --workspace "$GUESTLIST_WORKSPACE" "$manifests" || judged=$?
    # Shown also where a rule is broken: the reviewer sees what it means. 0: merging changes nothing. 2: it changes something.
    code=0
    guestlist plan --prune "$manifests" || code=$?
    [ "$judged" = 0 ] && { [ "$code" = 0 ] || [ "$code" = 2 ]; }
    ;;
  deliver)
    guestlist apply --prune --yes "$manifests"
    ;;
  *)
    echo "usage: $0 review|deliver" >&2
    exit 2
    ;;
esac
