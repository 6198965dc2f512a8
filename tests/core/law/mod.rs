//! Every rule at every door it has: a spec that it refuses, and one at the edge that it lets through. One table of manifests
//! goes through the API server, `guestlist check` and the reconcile; what only the directory knows is tried in the
//! reconcile. A word of the law that has no pair at a door of its own fails here.

mod check;
mod complete;
mod directory;
#[allow(dead_code, reason = "the API server's test uses the rest")]
mod pairs;
mod propagators;
mod reconcile;
