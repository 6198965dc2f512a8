#!/usr/bin/env bash
# Shows guestlist on a real Kubernetes API server, which the script starts for this run. `make demo` runs the script.
# It uses loopback and a temporary directory only, and removes everything at its end. KEEP=1 leaves all running.
set -euo pipefail
cd "$(dirname "$0")/.."

bin=${GUESTLIST_CONTROLPLANE:-$PWD/target/controlplane/demo}
built=${GUESTLIST_BUILT:-$PWD/target/quick}
export PATH=$built:$bin:$PATH
dir=$(mktemp -d "${TMPDIR:-/tmp}/guestlist-demo.XXXXXX")
export GUESTLIST_DIRECTORY=sqlite:$dir/directory.db
export KUBECONFIG=$dir/plane/admin.kubeconfig
keep=${KEEP:-}

say()  { printf '\n\033[1m# %s\033[0m\n' "$*"; }
# Prints a command in a form to copy, and runs it.
run() {
  local word line='$'
  for word in "$@"; do case $word in *[!A-Za-z0-9_./:=@,+-]*|'') line+=" '$word'" ;; *) line+=" $word" ;; esac; done
  printf '\033[36m%s\033[0m\n' "$line"
  "$@"
}
# Runs a command, and fails unless it is refused.
refused() {
  local code=0
  run "$@" 2>&1 || code=$?
  [ "$code" = 1 ] || { echo "demo: this should have been refused, with exit code 1, not $code" >&2; exit 1; }
}
# Applies a manifest from standard input, and fails unless the API server refuses it.
apply_refused() {
  local manifest; manifest=$(cat)
  printf '%s\n' "$manifest" | sed 's/^/    /'
  refused kubectl apply --server-side -f - <<<"$manifest"
}
# Waits for a value, and prints only after a timeout.
until_is() { # OBJECT JSONPATH VALUE
  kubectl --namespace partners wait "$1" --for=jsonpath="$2"="$3" --timeout=60s >/dev/null && return
  kubectl --namespace partners get "$1" --output yaml
  tail -n 20 "$dir/operator.log"
  exit 1
}
ready() { printf '{.status.conditions[?(@.type=="Ready")].%s}' "$1"; }
show() { run kubectl --namespace partners get lp,gm,share; }

finish() {
  local code=$?
  if [ "$code" = 0 ] && [ -n "$keep" ]; then return; fi
  if [ "$code" != 0 ] && [ -s "$dir/operator.log" ]; then echo "--- the end of the operator's log"; tail -n 20 "$dir/operator.log"; fi
  for pid in ${operator:-} ${plane:-}; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done
  rm -rf "$dir"
}
trap finish EXIT
trap 'exit 130' INT TERM

say "A Kubernetes API server: etcd and kube-apiserver, on free ports"
mkdir "$dir/plane"
setsid controlplane serve --dir "$dir/plane" --stay </dev/null >"$dir/plane.json" 2>"$dir/plane.err" &
plane=$!
until [ -s "$dir/plane.json" ]; do
  kill -0 "$plane" 2>/dev/null || { cat "$dir/plane.err"; exit 1; }
  sleep 0.1
done
run kubectl version

say "The parts of the chart: CRDs, the operator's permissions, and the admission policy for deletions"
kubectl create namespace guestlist
guestlist crds | kubectl apply --server-side -f -
kubectl wait --for=condition=Established crd --all --timeout=30s >/dev/null
kubectl apply --server-side -f examples/chart-without-pods.yaml

say "The workspace: its people and accounts, and the policy with the Host Admins of each namespace"
run guestlist directory import examples/acme/directory.yaml
run cat examples/acme/workspace.yaml

say "The operator, as a process with the chart's service account (this API server schedules no pods)"
token=$(kubectl --namespace guestlist create token guestlist --duration=24h)
cp "$KUBECONFIG" "$dir/operator.kubeconfig"
config() { kubectl --kubeconfig "$dir/operator.kubeconfig" config "$@" >/dev/null; }
config set-credentials operator --token="$token"
config set-context test --user=operator
config delete-user test
KUBECONFIG=$dir/operator.kubeconfig setsid guestlist run --workspace examples/acme/workspace.yaml \
  --lease-namespace guestlist --health-address 127.0.0.1:0 --metrics-address 127.0.0.1:0 >"$dir/operator.log" 2>&1 </dev/null &
operator=$!
echo "guestlist run, process $operator"

say "Two partners, a dozen guests, six shares"
kubectl create namespace partners
run kubectl apply --server-side -f examples/acme/partners.yaml -f examples/acme/memberships.yaml -f examples/acme/shares.yaml
until_is gm/bob '{.status.state}' Invited
until_is gm/judy '{.status.state}' Invited
until_is gm/grace "$(ready reason)" InviterNotActive
until_is share/instagram "$(ready status)" True
say "No guest has joined, so none has an account. Guests that a Guest Admin invites wait for the Guest Admin"
show

say "Guests accept their invitations and turn MFA on (commands of the embedded directory act as the guests)"
for who in carol dave bob erin frank ivan; do guestlist directory accept $who@acme.example; done
for who in judy mallory niaj; do guestlist directory accept $who@bolt.example; done
for who in carol dave bob erin; do guestlist directory enroll-mfa $who@acme.example; done
guestlist directory enroll-mfa ivan@acme.example --method WebAuthn
for who in judy mallory; do guestlist directory enroll-mfa $who@bolt.example; done
for who in carol dave bob erin ivan; do until_is gm/$who '{.status.state}' Active; done
until_is gm/judy '{.status.state}' Active
until_is gm/frank '{.status.state}' Joined
until_is gm/grace '{.status.state}' Invited
say "Active with MFA: access. Joined without MFA (frank, niaj): no access. carol is Active: grace is invited"
show
run guestlist directory show

say "Rules of one object: the API server enforces them (MFA cannot be turned off, ownership is never shared)"
apply_refused <<'M'
apiVersion: guestlist.dev/v1alpha1
kind: GuestMembership
metadata: {name: trent, namespace: partners}
spec:
  partnerRef: {name: acme}
  email: trent@acme.example
  invitedBy: alice@host.example
  mfa: {required: false}
M
apply_refused <<'M'
apiVersion: guestlist.dev/v1alpha1
kind: AccountShare
metadata: {name: takeover, namespace: partners}
spec:
  partnerRef: {name: acme}
  account: ads-manager
  sharedBy: alice@host.example
  guestAdminRole: Owner
M

say "Rules that need other objects or the directory: the operator enforces them, and writes the reason to the status"
kubectl apply --server-side -f - <<'M'
apiVersion: guestlist.dev/v1alpha1
kind: GuestMembership
metadata: {name: peggy, namespace: partners}
spec:
  partnerRef: {name: acme}
  email: peggy@elsewhere.example
  invitedBy: alice@host.example
---
apiVersion: guestlist.dev/v1alpha1
kind: AccountShare
metadata: {name: borrowed, namespace: partners}
spec:
  partnerRef: {name: acme}
  account: billing-portal
  sharedBy: alice@host.example
M
run kubectl --namespace partners patch share newsletter --type merge -p '{"spec":{"roleOverrides":[{"name":"bob","role":"Manager"}]}}'
until_is gm/peggy "$(ready reason)" DomainNotAllowed
until_is share/borrowed "$(ready reason)" SharerNotOwner
until_is share/newsletter "$(ready reason)" ManagerNeedsGuestAdmin
run kubectl --namespace partners get gm/peggy share/borrowed share/newsletter
kubectl --namespace partners get gm/peggy share/borrowed share/newsletter --output \
  jsonpath='{range .items[*]}{.metadata.name}{": "}{.status.conditions[?(@.type=="Ready")].message}{"\n"}{end}'
run guestlist explain ManagerNeedsGuestAdmin

say "Rules in files: guestlist check finds broken ones before the manifests reach a cluster"
cat >"$dir/wrong.yaml" <<'M'
apiVersion: guestlist.dev/v1alpha1
kind: LocalPartner
metadata: {name: lax, namespace: partners}
spec:
  hostAdmins: [alice@host.example]
  mfa: {required: false, enrolWithin: 9000h}
M
refused guestlist check "$dir/wrong.yaml" --workspace examples/acme/workspace.yaml

say "A reset of bob's MFA: the operator withholds bob's access until MFA is on again"
run guestlist directory reset-mfa bob@acme.example
until_is gm/bob '{.status.state}' Joined
run kubectl --namespace partners get gm bob
until_is share/instagram '{.status.withheld[0].name}' bob
run kubectl --namespace partners get share instagram --output jsonpath='{.status.withheld}{"\n"}'
run guestlist directory enroll-mfa bob@acme.example --method WebAuthn
until_is gm/bob '{.status.state}' Active
run kubectl --namespace partners get gm bob

say "Deleting a partner that has guests is refused (spec.deletion is Block)"
refused kubectl --namespace partners delete lp bolt
say "With spec.deletion Cascade, the deletion removes the guests too"
run kubectl --namespace partners patch lp bolt --type merge -p '{"spec":{"deletion":"Cascade"}}'
run kubectl --namespace partners delete lp bolt --timeout=60s
show
run guestlist directory show

say "The same without a cluster"
examples/without-a-cluster.sh

if [ -n "$keep" ]; then
  say "The cluster and the operator still run. To explore them:"
  cat <<M
  export KUBECONFIG=$KUBECONFIG GUESTLIST_DIRECTORY=$GUESTLIST_DIRECTORY GUESTLIST_WORKSPACE=$PWD/examples/acme/workspace.yaml PATH=$built:$bin:\$PATH
  kubectl --namespace partners get lp,gm,share
  guestlist directory show
  tail -f $dir/operator.log
To stop them:
  kill $operator $plane && rm -rf $dir
M
else
  say "Done: everything is stopped and removed"
fi
