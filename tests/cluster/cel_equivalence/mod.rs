//! The API server (schema and CEL) and `guestlist check` give the same verdict, on generated objects and on texts of
//! people and tools. A new rule does not lock an object that was stored before it.

mod characters;
mod generate;
mod objects;
mod ratchet;
mod texts;

use std::sync::OnceLock;

use crate::support::controlplane::ControlPlane;

const CRDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");

/// An API server with the CRDs, shared by all tests of this file.
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
    plane.kubectl(&["wait", "--for=condition=Established", "--timeout=4m", "crd", "--all"]).ok();
}
