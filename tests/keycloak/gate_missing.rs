//! A realm whose sign-in does not enforce MFA is reported for as long as that lasts.

use assert_cmd::Command;
use guestlist::directory::{DirectoryReader as _, SignInGate};
use serde_json::{Value, json};

use crate::prepared::Stage;
use crate::sign_in::{End, application, browser, person};
use crate::support::keycloak::block_on;

const FLOWS: [(&str, &str, &str); 3] = [
    ("browserFlow", "browser", "browser sign-in"),
    ("directGrantFlow", "direct grant", "direct grant"),
    ("resetCredentialsFlow", "reset credentials", "password reset"),
];

fn gate(stage: &Stage) -> SignInGate {
    block_on(stage.directory().sign_in())
}

/// The only way to circumvent MFA.
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

    // A flow of the realm's own is evaluated by its steps.
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

    // An application may override the realm's flow.
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

/// Adds a step to a flow, and makes it the first one.
fn put_first(stage: &Stage, flow: &str, within: &str, provider: &str) {
    let path = format!("/authentication/flows/{within}/executions/execution");
    stage.admin("POST", &path, Some(json!({"provider": provider})));
    let rows = stage.admin("GET", &format!("/authentication/flows/{flow}/executions"), None);
    let row = rows.as_array().unwrap().iter().find(|row| row["providerId"] == provider).unwrap().clone();
    require(stage, flow, row["displayName"].as_str().unwrap(), "REQUIRED");
    raise(stage, &row);
}

fn raise(stage: &Stage, row: &Value) {
    for _ in 0..8 {
        stage.admin(
            "POST",
            &format!("/authentication/executions/{}/raise-priority", row["id"].as_str().unwrap()),
            None,
        );
    }
}

#[test]
fn password_form_counts_by_the_sub_flows_that_follow_it() {
    let stage = Stage::prepared("gate-password-form");
    block_on(application(&stage.realm, "portal"));
    let guest = json!({"guestlist.id": ["1"], "guestlist.methods": ["TOTP,WebAuthn"]});
    block_on(person(&stage.realm, "bob@acme.example", false, guest));
    let signs_in = || block_on(browser(&stage.realm, "portal", "bob@acme.example"));
    let flows = "/authentication/flows";
    let rows = |flow: &str| stage.admin("GET", &format!("{flows}/{flow}/executions"), None);
    let row = |flow: &str, name: &str| {
        rows(flow).as_array().unwrap().iter().find(|row| row["displayName"] == name).unwrap().clone()
    };

    // Replaces the single form for name and password: the sub-flows follow.
    stage.admin("POST", &format!("{flows}/guestlist browser/copy"), Some(json!({"newName": "split"})));
    require(&stage, "split", "Username Password Form", "DISABLED");
    put_first(&stage, "split", "split guestlist browser forms", "auth-password-form");
    put_first(&stage, "split", "split guestlist browser forms", "auth-username-form");
    stage.admin("PUT", "", Some(json!({"browserFlow": "split"})));
    assert_eq!((gate(&stage), signs_in()), (SignInGate::Enforced, End::SetsUp));

    // In its own sub-flow, which signs in with the password alone.
    stage.admin("POST", &format!("{flows}/guestlist browser/copy"), Some(json!({"newName": "beside"})));
    let body =
        json!({"alias": "own forms", "type": "basic-flow", "description": "", "provider": "registration-page-form"});
    stage.admin("POST", &format!("{flows}/beside/executions/flow"), Some(body));
    require(&stage, "beside", "own forms", "ALTERNATIVE");
    put_first(&stage, "beside", "own forms", "auth-password-form");
    put_first(&stage, "beside", "own forms", "auth-username-form");
    raise(&stage, &row("beside", "own forms"));
    stage.admin("PUT", "", Some(json!({"browserFlow": "beside"})));
    assert_eq!(signs_in(), End::SignedIn);
    let way = way(&stage);
    assert!(way.contains("\"beside\"") && way.contains("after the execution \"Password Form\""), "{way}");
    let said = stage.setup(&["--strict"]);
    assert!(!said.ok && said.out.contains("after the execution \"Password Form\""), "{}", said.out);
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
