# The commands of this project. `make` lists them. Everything they need besides cargo, go and make they build themselves.

CONTROLPLANE := $(CURDIR)/target/controlplane
export GUESTLIST_CONTROLPLANE ?= $(CONTROLPLANE)/bin

.DEFAULT_GOAL := help
.PHONY: help demo test lint generate clean controlplane need-cargo need-go

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: need-cargo need-go controlplane ## show the main job on a real API server (KEEP=1 leaves it up)
	@echo "== building guestlist"
	@cargo build --locked
	@examples/demo.sh

test: need-cargo need-go controlplane ## run every test
	@echo "== tests"
	@cargo test --locked

lint: need-cargo ## formatting and lints
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings

generate: need-cargo ## write what is generated from the code: CRDs, their copy in the chart, docs
	cargo run --locked --quiet -- crds --output crds
	mkdir -p charts/guestlist/files/crds && cp crds/*.yaml charts/guestlist/files/crds/
	cargo run --locked --quiet -- explain --markdown > docs/rules.md

controlplane: need-go ## build etcd, kube-apiserver and their tools (once; some minutes)
	@cd tests/controlplane && GOFLAGS=-mod=readonly go run . build --out "$(CONTROLPLANE)"

clean: ## remove what was built
	rm -rf target

need-cargo:
	@command -v cargo >/dev/null || { echo "cargo is missing: install Rust with rustup (https://rustup.rs); rust-toolchain.toml picks the version"; exit 1; }

need-go:
	@command -v go >/dev/null || { echo "go is missing: install Go 1.26 or newer (https://go.dev/dl); the tests and the demo build a real kube-apiserver from its Go modules"; exit 1; }
