//! Every rule at every stage that enforces it: a spec that it refuses, and one at the edge that it lets through. One table of manifests
//! goes through the API server, `guestlist check` and the reconcile; what only the directory knows is tried in the
//! reconcile. A reason that has no pair at one of its stages fails here.

mod check;
mod complete;
mod directory;
#[allow(dead_code, reason = "the API server's test uses the rest")]
mod pairs;
mod propagators;
mod reconcile;
