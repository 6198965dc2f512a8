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
    # Shown also where a rule is broken: the reviewer sees what it means. 0: no operation now. 2: operations now. Either way the
    # plan lists the grants that follow later.
    code=0
    guestlist plan --prune "$manifests" || code=$?
    # The differences of access between the pull request and its base, now and later. 0: none. 2: some.
    differs=0
    if [ -n "${BASE:-}" ]; then
      # The base branch may have no manifests yet.
      [ -e "$BASE" ] || BASE=-
      guestlist plan "$manifests" --base "$BASE" ${BASE_WORKSPACE:+--base-workspace "$BASE_WORKSPACE"} -o markdown \
        >"${REPORT:-/dev/stdout}" </dev/null || differs=$?
    fi
    [ "$judged" = 0 ] && [ "$code" != 1 ] && [ "$differs" != 1 ]
    ;;
  deliver)
    guestlist apply --prune --yes "$manifests"
    ;;
  *)
    echo "usage: $0 review|deliver" >&2
    exit 2
    ;;
esac
