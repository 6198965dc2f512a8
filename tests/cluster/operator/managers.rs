//! Server-side apply by an automation and by a person on one object: a conflict is reported, and no entry is lost.

use serde_json::{Value, json};

use crate::support::controlplane::Said;
use crate::support::gitops::flux;
use crate::support::harness::Stage;

/// The share as the repository declares it. Carol passes the account on to these guests.
fn share(guests: &[&str], annotations: &Value) -> Value {
    json!({
        "apiVersion": "guestlist.dev/v1alpha1", "kind": "AccountShare",
        "metadata": {"name": "instagram", "namespace": "partners", "annotations": annotations},
        "spec": {
            "partnerRef": {"name": "acme"}, "account": "instagram", "sharedBy": "alice@host.example",
            "guestUsers": guests.iter().map(|name| json!({"name": name, "propagatedBy": "carol"})).collect::<Vec<_>>(),
        },
    })
}

/// Applies a part of the share by hand.
fn by_hand(stage: &Stage, manager: &str, spec: &Value) -> Said {
    let mut part = share(&[], &json!({}));
    part["metadata"].as_object_mut().unwrap().remove("annotations");
    part["spec"] = json!({"partnerRef": {"name": "acme"}, "account": "instagram", "sharedBy": "alice@host.example"});
    part["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    let manager = format!("--field-manager={manager}");
    stage.plane.kubectl_with(&["apply", "--server-side", &manager, "-f", "-"], &part.to_string())
}

/// The names of the entries, sorted.
fn entries(stage: &Stage) -> Vec<String> {
    let seen = stage.partners().get("share/instagram");
    let entries = seen["spec"]["guestUsers"].as_array().into_iter().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry["name"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[test]
fn tool_and_person_apply_one_share_and_no_entry_is_lost() {
    let stage = Stage::prepare();
    let tool = |guests: &[&str], annotations: &Value| {
        flux(stage.plane.kubeconfig(), "apply", &[share(guests, annotations)]).ok()
    };
    let (plain, entry) = (json!({}), |name: &str| json!({"guestUsers": [{"name": name, "propagatedBy": "carol"}]}));
    assert_eq!(tool(&["bob"], &plain), "AccountShare/partners/instagram created\n");
    by_hand(&stage, "oncall", &entry("dave")).ok();
    assert_eq!(entries(&stage), ["bob", "dave"]);

    // A field of the repository: the server names the manager and the field, and nothing changes.
    let before = stage.versions();
    let refused = by_hand(&stage, "oncall", &json!({"sharedBy": "dan@host.example"})).refused();
    assert!(refused.contains("kustomize-controller") && refused.contains(".spec.sharedBy"), "{refused}");
    assert_eq!(stage.versions(), before);

    // The tool applies the same manifest without a write, and removes only its own entries.
    assert_eq!(tool(&["bob"], &plain), "AccountShare/partners/instagram unchanged\n");
    assert_eq!(stage.versions(), before);
    assert_eq!(tool(&["erin"], &plain), "AccountShare/partners/instagram configured\n");
    assert_eq!(entries(&stage), ["dave", "erin"]);
    by_hand(&stage, "oncall", &json!({})).ok();
    assert_eq!(entries(&stage), ["erin"]);

    // Flux undoes what is applied under kubectl's own name, unless the object asks it to merge.
    by_hand(&stage, "kubectl", &entry("fay")).ok();
    assert_eq!(entries(&stage), ["erin", "fay"]);
    tool(&["erin"], &plain);
    assert_eq!(entries(&stage), ["erin"]);
    let merge = json!({"kustomize.toolkit.fluxcd.io/ssa": "Merge"});
    tool(&["erin"], &merge);
    by_hand(&stage, "kubectl", &entry("fay")).ok();
    tool(&["erin"], &merge);
    assert_eq!(entries(&stage), ["erin", "fay"]);
}
