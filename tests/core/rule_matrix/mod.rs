//! Every rule at every stage that enforces it: a spec that it refuses, and one at its limit that it accepts. One table
//! of manifests goes through the API server, `guestlist check` and the reconcile. Rules that need the directory are
//! tested in the reconcile. A reason without a pair at one of its stages fails here.

mod check;
mod complete;
mod directory;
#[allow(dead_code, reason = "the API server's test uses the rest")]
mod pairs;
mod propagators;
mod reconcile;
