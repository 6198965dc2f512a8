//! Decisions of a person beside the operator: viewing its next operations, detaching objects and orphans, and adopting
//! a directory.

use std::process::Output;

use serde_json::Value;

use crate::support::harness::{BOB, CAROL, Stage, WORLD};
use crate::support::operator::{POLICY, eventually};

fn guestlist(stage: &Stage, args: &[&str]) -> Output {
    stage.operator.guestlist(stage.plane.kubeconfig(), args)
}

#[track_caller]
fn says(stage: &Stage, args: &[&str], code: i32) -> String {
    let output = guestlist(stage, args);
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
    said
}

/// The operations, planned or done, sorted by object; the order among objects is free.
fn sorted(mut operations: Vec<String>) -> Vec<String> {
    operations.sort();
    operations
}

#[test]
fn plan_from_cluster_matches_operations_of_the_operator() {
    let mut stage = Stage::start();
    stage.settle();
    stage.rests(4);
    assert!(says(&stage, &["plan", "--from-cluster"], 0).contains("Plan: 0 operations"));

    // While the operator is down: one guest leaves, one is added, one is suspended, and an object waits.
    stage.operator.kill();
    let partners = stage.partners();
    partners.begin_to_delete("gm/bob");
    partners.patch("gm/carol", r#"{"spec":{"suspended":true}}"#);
    let newcomer = |name: &str, inviter: &str| {
        let bob = WORLD.split("---").nth(1).unwrap();
        format!("---{}", bob.replace("bob", name).replace(CAROL, inviter))
    };
    stage.apply(&(newcomer("ned", "alice@host.example") + &newcomer("ned2", "ned@acme.example")));
    let before = stage.operator.show();
    let output = guestlist(&stage, &["plan", "--from-cluster", "-o", "json"]);
    let plan: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(stage.operator.show(), before, "a plan wrote");
    let planned = plan["operations"].as_array().unwrap().iter().map(|done| {
        let (object, text) = (&done["object"], |value: &Value| value.as_str().unwrap().to_owned());
        format!(
            "{} {}/{} {}",
            text(&object["kind"]),
            text(&object["namespace"]),
            text(&object["name"]),
            text(&done["operation"])
        )
    });
    let planned = sorted(planned.collect());
    assert!(planned.contains(&"GuestMembership partners/bob deactivate".to_owned()), "{planned:?}");
    assert!(planned.contains(&"GuestMembership partners/ned invite_guest".to_owned()), "{planned:?}");

    let begun = stage.operator.log().len();
    stage.operator.start();
    stage.partners().says("gm/ned", "Invited");
    stage.operator.has_access(CAROL, &[]);
    stage.rests(8);
    let log = stage.operator.log()[begun..].to_owned();
    let done = log.lines().filter_map(|line| {
        let (_, rest) = line.split_once("operation done: ")?.1.split_once(" key=")?;
        let (key, rest) = rest.split_once(" operation=\"")?;
        Some(format!("{key} {}", rest.split('"').next()?))
    });
    assert_eq!(sorted(done.collect()), planned, "{log}");
}

#[test]
fn detached_objects_delete_without_operator_and_keep_access() {
    let mut stage = Stage::start();
    stage.settle();
    stage.operator.kill();
    let refused = says(&stage, &["detach", "--all"], 1);
    assert!(refused.contains("4 objects") && refused.contains("--yes"), "{refused}");
    let said = says(&stage, &["detach", "--all", "--yes"], 0);
    assert!(said.contains("removed the finalizer of GuestMembership partners/bob"), "{said}");
    assert!(says(&stage, &["detach", "--all", "--yes"], 0).contains("no object has guestlist's finalizer"));
    for object in ["gm/bob", "gm/carol", "share/instagram", "lp/acme"] {
        stage.partners().delete(object);
    }
    assert_eq!(stage.operator.access(BOB), ["instagram:Collaborator"]);
}

#[test]
fn too_many_orphans_keep_access_until_they_are_detached() {
    let mut stage = Stage::start();
    stage.settle();
    let guests = (0..3).map(|n| WORLD.split("---").nth(1).unwrap().replace("bob", &format!("guest-{n}")));
    stage.apply(&guests.collect::<Vec<_>>().join("---"));
    for n in 0..3 {
        stage.partners().says(&format!("gm/guest-{n}"), "Invited");
    }
    stage.rests(4);
    assert!(says(&stage, &["detach", "--orphans"], 0).contains("there is no orphan"));
    stage.operator.kill();
    says(&stage, &["detach", "--all", "--yes"], 0);
    stage.partners().kubectl(&["delete", "gm", "--all"]).ok();
    stage.operator.go();
    stage.operator.is_unready(&["TooManyOrphans", "5 of 5", "guestlist detach --orphans"]);
    assert_eq!(stage.operator.access(CAROL), ["instagram:Manager"]);
    let said = says(&stage, &["detach", "--orphans"], 1);
    assert!(said.contains("no membership declares bob@acme.example") && said.contains("5 ownership marks"), "{said}");
    says(&stage, &["detach", "--orphans", "--yes"], 0);
    stage.operator.is_ready();
    assert!(stage.operator.runs(), "it went on beside it: {}", stage.operator.log());
    let show = stage.operator.show();
    assert_eq!(show["guests"], serde_json::json!([]), "{show}");
    assert!(show["users"].to_string().contains(BOB), "the people stay: {show}");
}

#[test]
fn directory_of_other_installation_is_unchanged_until_adopted() {
    let mut stage = Stage::start();
    stage.settle();
    stage.rests(4);
    stage.operator.kill();
    let before = stage.operator.show();
    stage.operator.policy(&POLICY.replace("installation: test", "installation: other"));
    stage.operator.go();
    stage.operator.logs(&["ForeignDirectory", "test", "other", "guestlist detach --adopt-directory"]);
    eventually("it stops", || if stage.operator.runs() { Err(stage.operator.log()) } else { Ok(()) });
    assert_eq!(stage.operator.show(), before);
    let asked = says(&stage, &["detach", "--adopt-directory"], 1);
    assert!(asked.contains("from installation \"test\"") && asked.contains("--yes"), "{asked}");
    says(&stage, &["detach", "--adopt-directory", "--yes"], 0);
    assert!(says(&stage, &["detach", "--adopt-directory"], 0).contains("already"));
    stage.operator.kill();
    stage.operator.start();
    // Active stays Active, and nobody is invited again.
    stage.partners().guest("carol", CAROL, "Active", &["instagram:Manager"]);
    stage.partners().guest("bob", BOB, "Active", &["instagram:Collaborator"]);
    assert_eq!(stage.operator.show(), before);
    assert!(!stage.operator.log().contains("operation=\"resend_invitation\""), "{}", stage.operator.log());
}
