//! A realm whose sign-in does not enforce MFA is seen for as long as that lasts.

use assert_cmd::Command;
use guestlist::directory::{Observe as _, SignInGate};
use serde_json::{Value, json};

use crate::prepared::Stage;
use crate::sign_in::application;
use crate::support::block_on;

const FLOWS: [(&str, &str, &str); 3] = [
    ("browserFlow", "browser", "browser sign-in"),
    ("directGrantFlow", "direct grant", "direct grant"),
    ("resetCredentialsFlow", "reset credentials", "password reset"),
];

fn gate(stage: &Stage) -> SignInGate {
    block_on(stage.directory().sign_in())
}

/// The one way around.
#[track_caller]
fn way(stage: &Stage) -> String {
    match gate(stage) {
        SignInGate::Open(ways) if ways.len() == 1 => ways[0].clone(),
        other => panic!("{other:?}"),
    }
}

fn require(stage: &Stage, flow: &str, name: &str, requirement: &str) {
    let path = format!("/authentication/flows/{flow}/executions");
    let rows = stage.admin("GET", &path, None);
    let mut row = rows.as_array().unwrap().iter().find(|row| row["displayName"] == name).unwrap().clone();
    row["requirement"] = json!(requirement);
    stage.admin("PUT", &path, Some(row));
}

#[test]
fn sign_in_without_mfa_is_found_in_every_flow_in_use() {
    let stage = Stage::prepared("gate-checked");
    assert_eq!(gate(&stage), SignInGate::Enforced);
    for (binding, original, words) in FLOWS {
        stage.admin("PUT", "", Some(json!({binding: original})));
        let way = way(&stage);
        assert!(way.contains(&format!("{original:?}")) && way.contains(words), "{way}");
        assert!(way.contains("`guestlist directory setup`"), "{way}");
        stage.admin("PUT", "", Some(json!({binding: format!("guestlist {original}")})));
    }
    assert_eq!(gate(&stage), SignInGate::Enforced);

    // A flow of the realm's own counts by what stands in it.
    stage.admin("POST", "/authentication/flows/guestlist browser/copy", Some(json!({"newName": "corporate"})));
    stage.admin("PUT", "", Some(json!({"browserFlow": "corporate"})));
    assert_eq!(gate(&stage), SignInGate::Enforced);
    let said = stage.setup(&[]);
    assert_eq!((said.ok, said.out.contains("\"corporate\" for browser")), (true, false), "{}", said.out);
    for sub_flow in ["corporate guestlist key", "corporate guestlist code", "corporate guestlist factor"] {
        require(&stage, "corporate", sub_flow, "DISABLED");
        assert!(way(&stage).contains("\"corporate\""));
        require(&stage, "corporate", sub_flow, "CONDITIONAL");
    }
    assert_eq!(gate(&stage), SignInGate::Enforced);
    stage.admin("PUT", "", Some(json!({"browserFlow": "guestlist browser"})));

    // An application may go around the realm's flow.
    block_on(application(&stage.realm, "kiosk"));
    let flows = stage.admin("GET", "/authentication/flows", None);
    let id = |alias: &str| flows.as_array().unwrap().iter().find(|flow| flow["alias"] == alias).unwrap()["id"].clone();
    let kiosk = format!("/clients/{}", stage.client("kiosk"));
    let overrides = |flows: Value| {
        let mut client = stage.admin("GET", &kiosk, None);
        client["authenticationFlowBindingOverrides"] = flows;
        stage.admin("PUT", &kiosk, Some(client));
    };
    for (sort, original) in [("browser", "browser"), ("direct_grant", "direct grant")] {
        overrides(json!({sort: id(original)}));
        let way = way(&stage);
        assert!(way.contains("kiosk") && way.contains(&format!("{original:?}")), "{way}");
        overrides(json!({sort: id(&format!("guestlist {original}"))}));
        assert_eq!(gate(&stage), SignInGate::Enforced);
    }

    // Without the role the state is unknown, and everything else works.
    stage.admin("DELETE", &stage.roles(), Some(stage.role("view-realm")));
    let SignInGate::Unknown(why) = gate(&stage) else { panic!("it may not look") };
    assert!(why.contains("give it the role view-realm of the client realm-management"), "{why}");
    assert!(stage.operator(&["show"]).ok);
}

#[test]
fn plan_and_apply_warn_while_sign_in_does_not_enforce_mfa() {
    let stage = Stage::prepared("gate-warned");
    let folder = stage.folder.path();
    std::fs::write(folder.join("workspace.yaml"), "domains: [host.example]\ntenants: []\n").unwrap();
    std::fs::create_dir(folder.join("manifests")).unwrap();
    let run = |command: &str, args: &[&str]| {
        let output = Command::cargo_bin("guestlist")
            .unwrap()
            .current_dir(folder)
            .env("GUESTLIST_DIRECTORY", stage.realm.address())
            .env("GUESTLIST_KEYCLOAK_CLIENT_SECRET_FILE", "secret")
            .args([command, "manifests", "--workspace", "workspace.yaml"])
            .args(args)
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let manifest = "apiVersion: guestlist.dev/v1alpha1\nkind: LocalPartner\nmetadata: {name: acme, namespace: partners}\n\
                    spec: {hostAdmins: [nobody@host.example]}\n";
    std::fs::write(folder.join("manifests/acme.yaml"), manifest).unwrap();
    let before = run("plan", &[]);
    assert!(!before.1.contains("warning"), "{before:?}");
    stage.admin("PUT", "", Some(json!({"browserFlow": "browser"})));
    for command in ["plan", "apply"] {
        let (status, out, error) = run(command, &[]);
        let warned =
            "warning: sign-in does not enforce MFA: the flow \"browser\" of the realm's browser sign-in does not check";
        assert!(out.contains(warned), "{command}: {out}{error}");
        if command == "plan" {
            assert_eq!(status, before.0, "a warning changes no exit status");
        }
        let (_, out, error) = run(command, &["-o", "json"]);
        let json: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{error}"));
        let warnings = json["warnings"].to_string();
        assert!(warnings.contains("sign-in does not enforce MFA"), "{command}: {warnings}");
    }
    stage.admin("PUT", "", Some(json!({"browserFlow": "guestlist browser"})));
    assert!(!run("plan", &[]).1.contains("warning"));
}
