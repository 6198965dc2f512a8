//! No output contains a secret: objects, Events, logs at the most verbose level, metrics, probes, errors.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::harness::{BOB, Stage};
use crate::support::operator::eventually;

/// The token of a kubeconfig.
fn token(kubeconfig: &std::path::Path) -> String {
    let config: Value = serde_json::from_str(&std::fs::read_to_string(kubeconfig).unwrap()).unwrap();
    config["users"][0]["user"]["token"].as_str().unwrap().to_owned()
}

#[test]
fn the_service_accounts_token_is_in_nothing_that_is_written() {
    let mut stage = Stage::prepare();
    stage.operator.log_level = "debug";
    stage.operator.start();
    stage.settle();
    let secret = token(&stage.operator.kubeconfig);
    assert!(secret.len() > 100, "a token is planted");
    // Refusals, revocations and failures, so that every message occurs.
    stage.partners().patch("share/instagram", r#"{"spec":{"sharedBy":"zoe@elsewhere.example"}}"#);
    stage.operator.has_access(BOB, &[]);
    stage.partners().says("share/instagram", "HostAdminNotAllowedHere");
    let events = stage.partners().kubectl(&["get", "events.events.k8s.io", "-o", "json"]).ok();
    assert!(events.contains("HostAdminNotAllowedHere"), "{events}");
    let objects = stage.plane.kubectl(&["get", "lp,gm,share", "-A", "-o", "json", "--show-managed-fields"]).ok();
    let metrics = stage.operator.probe("/metrics").unwrap();
    stage.plane.stop_api_server();
    stage.operator.is_unready(&["GuestMembership"]);
    let probes = stage.operator.probe("/readyz").unwrap() + &stage.operator.probe("/healthz").unwrap();
    stage.operator.kill();
    // A token that has expired or was revoked: the server's answer reports it, and nothing else does.
    stage.plane.start_api_server();
    let config = std::fs::read_to_string(&stage.operator.kubeconfig).unwrap().replace(&secret, "planted-t0ken");
    let good = std::mem::replace(&mut stage.operator.kubeconfig, stage.operator.folder.join("revoked.kubeconfig"));
    std::fs::write(&stage.operator.kubeconfig, config).unwrap();
    stage.operator.go();
    stage.operator.is_unready(&["Unauthorized"]);
    let refused = stage.operator.probe("/readyz").unwrap();
    stage.operator.kubeconfig = good;
    let shown = stage.operator.directory_ok(&["show"]) + &stage.operator.show().to_string();
    let file = String::from_utf8_lossy(&stage.operator.bytes().concat()).into_owned();
    let log = stage.operator.log();
    assert!(log.contains("DEBUG"), "at its most talkative");
    for (place, text) in [
        ("objects", objects),
        ("events", events),
        ("metrics", metrics),
        ("probes", probes + &refused),
        ("log", log),
        ("show", shown),
        ("the directory's file", file),
    ] {
        assert!(!text.is_empty(), "{place}");
        for secret in [secret.as_str(), secret.rsplit('.').next().unwrap(), "planted-t0ken", "Bearer "] {
            assert!(!text.contains(secret), "a secret in {place}: {text}");
        }
    }
}

/// Runs `guestlist` until it reports an error. Returns its whole output.
fn said(arguments: &[&str], kubeconfig: &std::path::Path) -> String {
    let path = kubeconfig.with_extension("stderr");
    let mut child = Command::new(env!("CARGO_BIN_EXE_guestlist"))
        .args(arguments)
        .env("KUBECONFIG", kubeconfig)
        .current_dir(kubeconfig.parent().unwrap())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&path).unwrap())
        .spawn()
        .unwrap();
    let said = eventually("it says what is wrong", || {
        let ended = child.try_wait().unwrap().is_some();
        let said = std::fs::read_to_string(&path).unwrap();
        if ended || said.contains("ERROR") { Ok(said) } else { Err(said) }
    });
    let _ = child.kill();
    child.wait().unwrap();
    said
}

#[test]
fn mistyped_configuration_is_refused_without_repeating_password() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let run = ["run", "--health-address=127.0.0.1:0", "--metrics-address=127.0.0.1:0", "--log-level=debug"];
    // Invalid kubeconfigs, each with a token at the place of the error.
    for (name, text) in [
        ("broken", "users:\n- {name: x, user: {token: planted-s3cret, [}}\n".to_owned()),
        ("typed", "users:\n- {name: x, user: {token: {planted-s3cret: 1}}}\n".to_owned()),
        ("listed", "users:\n- name: x\n  user: planted-s3cret\n".to_owned()),
        (
            "certificate",
            json!({
                "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
                "users": [{"name": "u", "user": {"client-key-data": "planted-s3cret", "client-certificate-data": "planted-s3cret"}}],
                "contexts": [{"name": "k", "context": {"cluster": "c", "user": "u"}}], "current-context": "k",
            })
            .to_string(),
        ),
    ] {
        let said = said(&run, &file(name, &text));
        assert!(!said.contains("s3cret"), "{name}: {said}");
        assert!(said.contains("ERROR"), "{name}: {said}");
    }
    // A directory's URL with a password in it.
    let config = json!({
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {"token": "planted-s3cret"}}],
        "contexts": [{"name": "k", "context": {"cluster": "c", "user": "u"}}], "current-context": "k",
    });
    let kubeconfig = file("good", &config.to_string());
    let address = "--directory=keycloak:https://admin:planted-s3cret@idp.example#realm";
    let told =
        [said(&[&run[..], &[address]].concat(), &kubeconfig), said(&["directory", "show", address], &kubeconfig)];
    for told in told {
        assert!(!told.contains("s3cret") && told.contains("keycloak"), "{told}");
    }
}
