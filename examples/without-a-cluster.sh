#!/usr/bin/env bash
# Shows guestlist on files and a directory, without a cluster or an operator. It uses a temporary directory, and removes it.
set -euo pipefail
cd "$(dirname "$0")/.."

built=${GUESTLIST_BUILT:-$PWD/target/quick}
export PATH=$built:$PATH
dir=$(mktemp -d "${TMPDIR:-/tmp}/guestlist-files.XXXXXX")
trap 'rm -rf "$dir"' EXIT
export GUESTLIST_DIRECTORY=sqlite:$dir/directory.db
policy=(--workspace examples/acme/workspace.yaml)

say() { printf '\n\033[1m# %s\033[0m\n' "$*"; }
# Prints a command in a form to copy, and runs it.
run() {
  local word line='$'
  for word in "$@"; do case $word in *[!A-Za-z0-9_./:=@,+-]*|'') line+=" '$word'" ;; *) line+=" $word" ;; esac; done
  printf '\033[36m%s\033[0m\n' "$line"
  "$@"
}
# Runs a command, and fails unless it ends with this exit code.
ends() {
  local code=0 wanted=$1
  shift
  run "$@" || code=$?
  [ "$code" = "$wanted" ] || { echo "demo: this should have ended with exit code $wanted, not $code" >&2; exit 1; }
}

say "People and accounts, and the plan: each operation with its reason"
run guestlist directory import examples/acme/directory.yaml
ends 2 guestlist plan "${policy[@]}" examples/acme

say "guestlist apply runs the operations. Then two guests accept their invitations and turn MFA on"
guestlist apply "${policy[@]}" examples/acme >/dev/null
for who in carol bob; do
  run guestlist directory accept $who@acme.example
  run guestlist directory enroll-mfa $who@acme.example
done
ends 2 guestlist plan "${policy[@]}" examples/acme
guestlist apply "${policy[@]}" examples/acme >/dev/null
run guestlist directory show

say "A second apply has no operations"
ends 0 guestlist apply "${policy[@]}" examples/acme

say "A reset of bob's MFA: bob has no access from this moment. The next apply revokes the grants in the record"
run guestlist directory reset-mfa bob@acme.example
ends 2 guestlist plan "${policy[@]}" examples/acme
