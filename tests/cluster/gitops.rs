//! The scripts for Argo CD, by Argo CD's own engine.

use serde_json::{Value, json};

use crate::support::gitops::{argocd, health, kstatus};

#[test]
fn argocd_scripts_pass_their_tests_in_layout_of_argocd() {
    let said = argocd(&["test"], &[]).ok();
    assert!(said.ends_with(" tests of 3 kinds, 0 failed\n"), "{said}");
}

#[test]
fn config_map_for_argocd_has_scripts_of_folder() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/argocd/argocd-cm.yaml");
    let committed = std::fs::read_to_string(path).unwrap();
    assert!(committed == argocd(&["configmap"], &[]).ok(), "run make generate-argocd");
}

/// All combinations of what decides a status.
fn generated() -> Vec<Value> {
    let mut all = Vec::new();
    for observed in [-1, 1, 2] {
        for ready in [None, Some("True"), Some("False"), Some("Unknown")] {
            for (type_, kind) in [("", ""), ("Stalled", "AccountShare"), ("Reconciling", "LocalPartner")] {
                let condition = |type_: &str, status: &str| {
                    json!({
                        "type": type_, "status": status, "reason": "Any", "message": "Any.", "observedGeneration": observed,
                        "lastTransitionTime": "2027-01-31T12:00:00Z",
                    })
                };
                let mut conditions: Vec<_> = ready.map(|status| condition("Ready", status)).into_iter().collect();
                conditions.extend((!type_.is_empty()).then(|| condition(type_, "True")));
                // The operator writes Stalled and Reconciling only beside a Ready that is not True.
                if !type_.is_empty() && ready.is_none_or(|status| status == "True") {
                    continue;
                }
                all.push(json!({
                    "apiVersion": "guestlist.dev/v1alpha1",
                    "kind": if kind.is_empty() { "GuestMembership" } else { kind },
                    "metadata": {"name": "any", "namespace": "partners", "generation": 2},
                    "status": {"observedGeneration": observed, "conditions": conditions},
                }));
            }
        }
    }
    all
}

#[test]
fn health_in_argocd_agrees_with_kstatus_in_each_state() {
    let mut all = generated();
    // Without conditions of the operator, kstatus knows only the observed generation.
    all.retain(|object| object["status"]["observedGeneration"] != 2 || object["status"]["conditions"][0].is_object());
    all.extend(all.clone().into_iter().map(|mut object| {
        object["metadata"]["deletionTimestamp"] = json!("2027-01-31T12:00:00Z");
        object
    }));
    assert!(all.len() > 30, "{}", all.len());
    for ((object, kstatus), health) in all.iter().zip(kstatus(&all)).zip(health(&all)) {
        let wanted = match kstatus.as_str() {
            "Current" => "Healthy",
            "Failed" => "Degraded",
            "InProgress" | "Terminating" => "Progressing",
            other => panic!("{other}: {object:#}"),
        };
        assert_eq!(health, wanted, "{kstatus}: {object:#}");
    }
}
