//! Enforcement by the API server: the rules of one object, as CEL in the CRDs.

use guestlist::domain::Reason;
use guestlist::validation::entry;
use serde_json::Value;

use crate::pairs::{Asked, PAIRS, Pair, WORLD, document};
use crate::support::controlplane::ControlPlane;

const CRDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");

fn plane() -> ControlPlane {
    let plane = ControlPlane::start();
    plane.kubectl(&["apply", "--server-side", "--warnings-as-errors", "-f", CRDS]).ok();
    plane.kubectl(&["wait", "--for=condition=Established", "--timeout=4m", "crd", "--all"]).ok();
    plane.kubectl(&["create", "namespace", "partners"]).ok();
    plane
}

/// The reasons at the start of a sentence in the server's message.
fn words(message: &str) -> Vec<Reason> {
    let words =
        message.split(|c: char| !c.is_ascii_alphanumeric() && c != ':').filter_map(|word| word.strip_suffix(':'));
    let mut words: Vec<_> = words.filter_map(Reason::parse).collect();
    words.sort();
    words.dedup();
    words
}

#[test]
fn each_server_rule_refuses_its_case_and_accepts_the_nearest() {
    let plane = plane();
    let dry = ["apply", "--server-side", "--dry-run=server", "-f", "-"];
    for pair in PAIRS.iter().filter(|pair| pair.asked == Asked::Alone) {
        let (kind, name, path) = pair.place();
        let refused = plane.kubectl_with(&dry, document(&pair.world(pair.refused), (kind, name))).refused();
        assert_eq!(words(&refused), [pair.reason], "{pair:?}: {refused}");
        let list = path.rsplit_once('[').map_or(path, |(list, _)| list);
        assert!(refused.contains(list), "{pair:?} names no place: {refused}");
        plane.kubectl_with(&dry, document(&pair.world(pair.passes), (kind, name))).ok();
    }
    plane.kubectl_with(&["apply", "--server-side", "-f", "-"], WORLD).ok();
    for pair in PAIRS.iter().filter(|pair| pair.asked == Asked::Changed) {
        changes(&plane, pair);
    }
    for reason in Reason::ALL.iter().filter(|reason| entry(**reason).example.starts_with("kubectl ")) {
        plane.kubectl_with(&["apply", "--server-side", "--force-conflicts", "-f", "-"], WORLD).ok();
        shown(&plane, entry(*reason).example);
    }
}

fn changes(plane: &ControlPlane, pair: &Pair) {
    let (kind, name, _) = pair.place();
    let apply = |instead: &str| {
        let world = pair.world(instead);
        plane.kubectl_with(
            &["apply", "--server-side", "--dry-run=server", "-o", "json", "-f", "-"],
            document(&world, (kind, name)),
        )
    };
    let refused = apply(pair.refused).refused();
    assert_eq!(words(&refused), [pair.reason], "{pair:?}: {refused}");
    let stored: Value = serde_json::from_str(&apply(pair.passes).ok()).unwrap();
    assert_eq!(stored["metadata"]["name"], name);
}

/// The commands in the output of `guestlist explain` work as printed.
fn shown(plane: &ControlPlane, command: &str) {
    let kubectl = plane.program("kubectl");
    let folder = std::path::Path::new(kubectl.get_program()).parent().unwrap().display().to_string();
    let output = std::process::Command::new("sh")
        .args(["-c", command])
        .env("PATH", format!("{folder}:{}", std::env::var("PATH").unwrap()))
        .env("KUBECONFIG", plane.kubeconfig())
        .env("EDITOR", "true")
        .output()
        .unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
}
