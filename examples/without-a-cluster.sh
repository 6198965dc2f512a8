#!/usr/bin/env bash
# The main job on files and a directory alone: no cluster, no operator. Everything is in a temporary directory that goes with it.
set -euo pipefail
cd "$(dirname "$0")/.."

built=${GUESTLIST_BUILT:-$PWD/target/debug}
export PATH=$built:$PATH
dir=$(mktemp -d "${TMPDIR:-/tmp}/guestlist-files.XXXXXX")
trap 'rm -rf "$dir"' EXIT
export GUESTLIST_DIRECTORY=sqlite:$dir/directory.db
policy=(--workspace examples/acme/workspace.yaml)

say() { printf '\n\033[1m# %s\033[0m\n' "$*"; }
# Shows a command as one can copy it, and runs it.
run() {
  local word line='$'
  for word in "$@"; do case $word in *[!A-Za-z0-9_./:=@,+-]*|'') line+=" '$word'" ;; *) line+=" $word" ;; esac; done
  printf '\033[36m%s\033[0m\n' "$line"
  "$@"
}
# Shows a command that has to end with this exit code.
ends() {
  local code=0 wanted=$1
  shift
  run "$@" || code=$?
  [ "$code" = "$wanted" ] || { echo "demo: this should have ended with exit code $wanted, not $code" >&2; exit 1; }
}

say "People and accounts, and what guestlist would do with the manifests, and why"
run guestlist directory import examples/acme/directory.yaml
ends 2 guestlist plan "${policy[@]}" examples/acme

say "guestlist apply does it; then two guests follow their invitations and turn MFA on"
guestlist apply "${policy[@]}" examples/acme >/dev/null
for who in carol bob; do
  run guestlist directory accept $who@acme.example
  run guestlist directory enroll-mfa $who@acme.example
done
ends 2 guestlist plan "${policy[@]}" examples/acme
guestlist apply "${policy[@]}" examples/acme >/dev/null
run guestlist directory show

say "A second apply does nothing"
ends 0 guestlist apply "${policy[@]}" examples/acme

say "bob loses his MFA: he cannot use anything from that moment, and the next apply takes it back from the record"
run guestlist directory reset-mfa bob@acme.example
ends 2 guestlist plan "${policy[@]}" examples/acme
