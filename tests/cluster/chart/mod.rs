//! The Helm chart: what it renders, that a real API server accepts it, and that its roles and admission policies work as
//! documented. `tests/local/chart_values.rs` compares its values with their schema and README.

mod accepted;
mod policies;
mod rendered;

use serde_json::Value;

use crate::support::controlplane::{Said, run_built};

const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/guestlist");
const MONITORING: &str = "--api-versions=monitoring.coreos.com/v1";

/// The main shapes of the chart: a file in `values/`, and further arguments of `helm template`.
const SHAPES: [(&str, &[&str]); 7] = [
    ("default", &[]),
    ("keycloak", &[]),
    ("monitoring", &[MONITORING]),
    ("network-policy", &[]),
    ("given", &[]),
    ("namespaces", &[]),
    ("everything", &[MONITORING]),
];

/// The file with the values of a shape.
fn values(shape: &str) -> String {
    format!("{}/tests/cluster/chart/values/{shape}.yaml", env!("CARGO_MANIFEST_DIR"))
}

fn helm(arguments: &[&str]) -> Said {
    run_built("helm", arguments, "")
}

/// The manifests of a shape.
#[track_caller]
fn rendered(shape: &str) -> String {
    let (_, arguments) = SHAPES.iter().find(|(name, _)| *name == shape).expect("a shape");
    let file = format!("--values={}", values(shape));
    helm(&[&["template", "guestlist", CHART, "--namespace=guestlist", &file], *arguments].concat()).ok()
}

/// The documents of a rendering, each as text with its last line break.
fn documents(rendered: &str) -> Vec<String> {
    let whole = format!("\n{rendered}");
    whole.split("\n---\n").filter(|text| !text.trim().is_empty()).map(|text| format!("{}\n", text.trim_end())).collect()
}

fn document(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}:\n{text}"))
}

/// The Deployment of a rendering.
fn deployment(rendered: &str) -> Value {
    let all = documents(rendered);
    all.iter().map(|text| document(text)).find(|value| value["kind"] == "Deployment").expect("a Deployment")
}
