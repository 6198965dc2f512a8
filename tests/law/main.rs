//! Every rule at every door it has: a spec that it refuses, and one at the edge that it lets through. One table of manifests
//! goes through the API server, `guestlist check` and the reconcile; what only the directory knows is tried in the
//! reconcile. A word of the law that has no pair at a door of its own fails here.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "a test may stop at the first surprise"
)]

#[path = "../support/check.rs"]
mod checked;
#[path = "../support/controlplane.rs"]
mod controlplane;
#[path = "../support/world/mod.rs"]
mod world;

mod check;
mod complete;
mod directory;
mod pairs;
mod propagators;
mod reconcile;
mod server;
