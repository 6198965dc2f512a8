# The tasks of development, each with its own setup. The programs of a control plane are built once, into target/.

CONTROLPLANE := target/controlplane/bin/controlplane
CHART_CRDS   := charts/guestlist/files/crds
# The parts of the chart that the demo applies without Helm.
WITHOUT_PODS := --show-only templates/rbac.yaml --show-only templates/deletion-policy.yaml

# Most tests wait for a server rather than compute.
export RUST_TEST_THREADS ?= $(shell echo $$((2 * $$(getconf _NPROCESSORS_ONLN))))

NO_GO = echo "This needs Go 1.26 or newer to build a Kubernetes API server, and go is not in PATH."; \
  echo "Install it from https://go.dev/dl or as your system's package golang."

.DEFAULT_GOAL := help
.PHONY: help demo demo-cluster demo-keycloak test test-keycloak fuzz mutants lint deny timer generate generate-argocd controlplane keycloak gitops image image-verify image-for-tests chart node prometheus bench clean needs-cargo needs-go

help: ## Lists the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 24

demo: needs-cargo ## Shows the operator on a real API server (KEEP=1 leaves it running); without Go, on files
	@if command -v go >/dev/null; then $(MAKE) --no-print-directory demo-cluster; else \
	  $(NO_GO); echo "Until then, this shows the same rules on files and a directory:"; \
	  $(DEMO_BUILD) && examples/without-a-cluster.sh; fi

# Optimization would take minutes.
DEMO_BUILD := cargo build --locked --profile quick

demo-cluster: needs-cargo needs-go
	@[ -e target/controlplane/demo ] && [ -e target/quick/guestlist ] || { \
	  echo "The first run builds guestlist, up to 3 minutes on two cores, and needs a Kubernetes API server: etcd,"; \
	  echo "kube-apiserver and kubectl. It takes them from KUBEBUILDER_ASSETS or PATH, fetches them by setup-envtest in"; \
	  echo "seconds, or builds them, up to 8 minutes on two cores. Later runs take about 20 seconds."; }
	@cd tests/controlplane && go run . build --demo --out ../../target/controlplane
	$(DEMO_BUILD)
	@KEEP=$(KEEP) GUESTLIST_CONTROLPLANE=$${GUESTLIST_CONTROLPLANE:-$(CURDIR)/target/controlplane/demo} examples/demo.sh

demo-keycloak: needs-cargo needs-go keycloak controlplane ## Shows the main job on a real Keycloak; needs Go, Java 21 and Maven
	cargo build --locked --bins --example keycloak
	@cargo run --locked --quiet --example keycloak

# Cargo starts each test binary through this program, which records the seconds of its tests.
SLOWEST_TESTS := $(CURDIR)/target/debug/examples/slowest_tests
TIMED_TEST    := cargo --config "target.'cfg(unix)'.runner=['$(SLOWEST_TESTS)']" test --locked

test: needs-cargo controlplane keycloak gitops image-for-tests node prometheus timer ## Runs all tests, and prints the ten slowest; the first time it builds a control plane and an image (about 15 minutes)
	@status=0; set -x; (cd tests/controlplane && go vet ./... && go test ./...) && (cd tools/image && go vet ./... && go test ./...) || status=1; \
	  $(TIMED_TEST) --no-fail-fast || status=1; $(TIMED_TEST) --test keycloak || status=1; \
	  set +x; $(SLOWEST_TESTS) --report; exit $$status

test-keycloak: needs-cargo controlplane keycloak gitops image-for-tests node prometheus timer ## Runs on Keycloak all that runs on the embedded directory (7 minutes)
	@status=0; set -x; $(TIMED_TEST) --test keycloak --features keycloak-whole || status=1; \
	  set +x; $(SLOWEST_TESTS) --report; exit $$status

timer: needs-cargo
	cargo build --locked --quiet --example slowest_tests
	@rm -rf target/timings

# Number of inputs and seed of a run.
INPUTS ?= 1000000
SEED   ?= $(shell date +%s)

fuzz: needs-cargo ## Fuzzes all parsers for some minutes (INPUTS=, SEED=); make test does so for seconds
	GUESTLIST_FUZZ_SEED=$(SEED) GUESTLIST_FUZZ_INPUTS=$(INPUTS) cargo test --locked --profile fuzz --test local fuzz:: -- --nocapture

# The version of cargo-mutants, which is installed below target/ unless it is in PATH. SAMPLE: the number of mutants; none: all.
# ONLY: a part of their names. FROM: a file with a name or a part of one in each line. A run skips
# the mutants whose results are recorded for the same tree.
MUTANTS_VERSION := 27.1.0

mutants: export PATH := $(CURDIR)/target/mutants/tools/bin:$(PATH)
mutants: needs-cargo controlplane ## Tests mutants of the pure code: SAMPLE=40 SEED=7 takes up to an hour, all take nights (SHARD=1/8)
	@cargo mutants --version 2>/dev/null | grep -qx 'cargo-mutants $(MUTANTS_VERSION)' || \
	  cargo install --locked --root target/mutants/tools cargo-mutants --version $(MUTANTS_VERSION)
	cargo run --locked --quiet --example mutants -- --sample "$(SAMPLE)" --seed "$(SEED)" --shard "$(SHARD)" --only "$(ONLY)" --from "$(FROM)"

lint: needs-cargo deny ## Checks formatting, lints, dependencies, API docs, links and prose; the first time it builds cargo-deny (some minutes)
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo clippy --locked --test keycloak --features keycloak-whole -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps
	cargo test --locked --test local -- readme:: documentation:: prose:: committed_reference

# The version of cargo-deny, which is installed below target/ unless it is in PATH.
DENY_VERSION := 0.20.2

deny: export PATH := $(CURDIR)/target/tools/bin:$(PATH)
deny: needs-cargo
	@cargo deny --version 2>/dev/null | grep -qx 'cargo-deny $(DENY_VERSION)' || \
	  cargo install --locked --debug --root target/tools cargo-deny --version $(DENY_VERSION)
	cargo deny check licenses bans sources
	@if cargo deny fetch db 2>/dev/null; then cargo deny check advisories; else \
	  echo "The known vulnerabilities are not checked: their database cannot be fetched."; fi

generate: needs-cargo ## Writes what is made: CRDs, chart copies and README, reference in docs/, permissions of the demo
	cargo run --locked --quiet -- crds --output crds
	rm -f $(CHART_CRDS)/*.yaml
	mkdir -p $(CHART_CRDS) docs
	cp crds/*.yaml $(CHART_CRDS)/
	for page in rules conditions fields metrics cli policy annotations; do \
	  cargo run --locked --quiet -- explain --markdown $$page > docs/$$page.md || exit 1; done
	GUESTLIST_WRITE_CHART_README=1 cargo test --locked --quiet --test local readme_lists_the_values
	@if helm=$$(PATH="$(CURDIR)/target/controlplane/bin:$$PATH" command -v helm); then \
	  "$$helm" template guestlist charts/guestlist --namespace guestlist $(WITHOUT_PODS) > examples/chart-without-pods.yaml; else \
	  echo "examples/chart-without-pods.yaml stays as it is: it needs helm (make controlplane)."; fi

generate-argocd: gitops ## Writes the ConfigMap for Argo CD from the scripts in deploy/argocd
	target/gitops/argocd configmap deploy/argocd/resource_customizations > deploy/argocd/argocd-cm.yaml

controlplane: needs-go ## Builds etcd, kube-apiserver, kubectl, kube-controller-manager, kube-scheduler, kubelet and helm, once
	@cd tests/controlplane && go run . build --out ../../target/controlplane

# Containerd and its parts, which run pods in tests.
node: controlplane image-for-tests
	@tests/controlplane/node.sh

# Prometheus and promtool, which test the alerts and the dashboard.
prometheus:
	@tests/prometheus/fetch.sh

gitops: needs-go ## Builds what the tests need of Flux and Argo CD (some minutes the first time)
	@mkdir -p target/gitops
	@cd tests/gitops && CGO_ENABLED=0 go build -trimpath -buildvcs=false -gcflags=all=-dwarf=false -ldflags "-s -w" -o ../../target/gitops/ ./flux ./argocd

keycloak: ## Fetches Keycloak and builds its image, once; needs Java 21 and Maven
	@tests/keycloak/build.sh

# The architectures of the image: amd64, arm64 or both. The default is that of this machine.
OWN_ARCH := $(if $(filter aarch64 arm64,$(shell uname -m)),arm64,amd64)
ARCHS    ?= $(OWN_ARCH)

image: needs-cargo needs-go ## Builds the container image into target/image: an OCI layout, and a file (ARCHS="amd64 arm64")
	@tools/image/build.sh --out target/image $(ARCHS)

image-verify: needs-cargo needs-go ## Builds the image in two folders, compares the digests, and builds it for arm64
	@tools/image/verify.sh

# The image of make test: quick to build, and for this machine.
image-for-tests: needs-cargo needs-go
	@tools/image/build.sh --out target/image/test --profile quick $(OWN_ARCH)

chart: image controlplane ## Packages the chart with the digest of the image into target/chart
	@mkdir -p target/chart
	@target/image/image chart --root . --layout target/image/oci --helm target/controlplane/bin/helm --out target/chart

bench: needs-cargo controlplane keycloak ## Runs the benchmarks
	cargo bench --locked

clean: ## Removes everything that was built
	cargo clean

needs-cargo:
	@command -v cargo >/dev/null || { echo "This needs Rust, and cargo is not in PATH: install rustup (https://rustup.rs)."; exit 1; }
	@command -v cc >/dev/null || { echo "This needs a C compiler for SQLite, and cc is not in PATH: install gcc or clang."; exit 1; }

needs-go:
	@command -v go >/dev/null || { $(NO_GO); exit 1; }
