//! Two readings of one thing agree: what the API server makes of a manifest by schema and CEL, and what `guestlist check`
//! makes of it, on objects that are generated and on texts as people and tools write them. And what was stored before a
//! rule was there is not locked by it.

mod characters;
mod generate;
mod objects;
mod ratchet;
mod texts;

use std::sync::OnceLock;

use crate::support::controlplane::ControlPlane;

const CRDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");

/// An API server with the CRDs, for all tests of this file.
fn plane() -> &'static ControlPlane {
    static PLANE: OnceLock<ControlPlane> = OnceLock::new();
    PLANE.get_or_init(started)
}

fn started() -> ControlPlane {
    let plane = ControlPlane::start_shared();
    install(&plane);
    plane
}

fn install(plane: &ControlPlane) {
    plane.kubectl(&["apply", "--server-side", "--warnings-as-errors", "-f", CRDS]).ok();
    plane.kubectl(&["wait", "--for=condition=Established", "--timeout=60s", "crd", "--all"]).ok();
}
