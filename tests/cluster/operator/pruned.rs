//! Offboarding by a tool that prunes: nothing is left whatever the order of its deletions, and a partner that is deleted
//! alone keeps its guests.

use std::path::{Path, PathBuf};

use crate::support::controlplane::Said;
use crate::support::gitops::{flux, objects};
use crate::support::harness::{BOB, CAROL, Stage, WORLD, condition, deactivated};
use crate::support::operator::{Operator, eventually};

const POLICY: &str = "
installation: test
domains: [host.example]
tenants:
- {namespace: partners, hostAdmins: ['*@host.example']}
- {namespace: 'team-*', hostAdmins: ['*@host.example']}
mailInterval: 0s
invitationsPerHour: 100000
";

/// A stage with the deletion policy of the chart, and the kubeconfig of a tool in the cluster.
fn stage(prepared: Stage) -> (Stage, PathBuf) {
    let mut stage = prepared;
    stage.operator.policy(POLICY);
    stage.operator.start();
    let plane = &stage.plane;
    Operator::install(plane, "deletion-policy");
    plane.kubectl(&["create", "namespace", "gitops"]).ok();
    plane.kubectl(&["create", "serviceaccount", "tool", "-n", "gitops"]).ok();
    let account = "--serviceaccount=gitops:tool";
    plane.kubectl(&["create", "clusterrolebinding", "tool", "--clusterrole=cluster-admin", account]).ok();
    let tool = plane.service_account("gitops", "tool");
    (stage, tool)
}

/// The objects of [`WORLD`] in a namespace of its own, with addresses of its own.
fn world(team: &str) -> String {
    WORLD.replace("namespace: partners", &format!("namespace: {team}")).replace("@acme.", &format!("@{team}."))
}

/// Waits until both guests are Active. Something else has applied the world.
#[track_caller]
fn joined(stage: &Stage, team: &str) {
    let [bob, carol] = ["bob", "carol"].map(|guest| format!("{guest}@{team}.example"));
    stage.operator.joins_with_mfa(&carol);
    stage.operator.joins_with_mfa(&bob);
    stage.at(team).guest("carol", &carol, "Active", &["instagram:Manager"]);
    stage.at(team).guest("bob", &bob, "Active", &["instagram:Collaborator"]);
}

/// Creates a namespace, applies the world as the administrator, and brings both guests to Active.
#[track_caller]
fn settle(stage: &Stage, team: &str) {
    stage.plane.kubectl(&["create", "namespace", team]).ok();
    stage.apply(&world(team));
    joined(stage, team);
}

/// Waits until a namespace has no object, and the directory only deactivated records of it.
#[track_caller]
fn is_gone(stage: &Stage, team: &str) {
    eventually(&format!("nothing of {team} is left"), || {
        let left = stage.versions();
        if left.contains(&format!("/{team}/")) { Err(format!("{left}\n{}", stage.operator.log())) } else { Ok(()) }
    });
    let show = stage.operator.show();
    for list in ["guests", "partners"] {
        assert!(show[list].as_array().unwrap().iter().all(|item| item["namespace"] != team), "{show:#}");
    }
    let removed = deactivated(&stage.operator);
    let guests = ["bob", "carol"].map(|guest| format!("{guest}@{team}.example"));
    assert!(guests.iter().all(|guest| removed.contains(guest)), "{removed:?}");
}

/// Waits until the policy refuses an administrator. It takes effect a moment after it was stored.
#[track_caller]
fn person_is_refused(stage: &Stage, team: &str) {
    eventually("the policy refuses a person", || {
        let said = stage.at(team).kubectl(&["delete", "lp/acme", "--dry-run=server"]);
        let refused = !said.success && said.stderr.contains("DeletionBlocked");
        if refused { Ok(()) } else { Err(format!("{said:?}")) }
    });
}

/// The partner is being deleted alone: its status has the reason, and the guests keep their access.
#[track_caller]
fn is_blocked(stage: &Stage, team: &str) {
    stage.at(team).shows("lp/acme", "is blocked", |seen| {
        seen["metadata"]["deletionTimestamp"].is_string() && condition(seen, "Ready")["reason"] == "DeletionBlocked"
    });
    stage.at(team).guest("bob", &format!("bob@{team}.example"), "Active", &["instagram:Collaborator"]);
    stage.at(team).guest("carol", &format!("carol@{team}.example"), "Active", &["instagram:Manager"]);
}

/// Deletes objects as Argo CD does with those of a wave: all at once, and in the foreground.
fn delete_wave(stage: &Stage, tool: &Path, team: &str, objects: &[&str], more: &[&str]) -> Vec<Said> {
    let delete = |object: &str| {
        let arguments = [&["delete", object, "-n", team, "--cascade=foreground"], more].concat();
        stage.plane.kubectl_as(tool, &arguments, "")
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = objects.iter().map(|object| scope.spawn(move || delete(object))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// Prunes waves of objects: each one after the end of the one before.
#[track_caller]
fn argocd_prunes(stage: &Stage, tool: &Path, team: &str, waves: &[&[&str]]) {
    for objects in waves {
        for said in delete_wave(stage, tool, team, objects, &["--timeout=4m"]) {
            said.ok();
        }
    }
    is_gone(stage, team);
}

#[test]
fn flux_prunes_partner_first_and_nothing_is_left() {
    let (stage, tool) = stage(Stage::prepare());
    stage.plane.kubectl(&["create", "namespace", "team-1"]).ok();
    let team = objects(&world("team-1"));
    flux(&tool, "apply", &team).ok();
    // As with `wait: true`: a guest who has not accepted yet is Ready. Bob waits for an inviter who is Active.
    flux(&tool, "wait", &team[2..]).ok();
    joined(&stage, "team-1");
    flux(&tool, "wait", &team).ok();
    person_is_refused(&stage, "team-1");
    let pruned = flux(&tool, "prune", &team).ok();
    let order = ["LocalPartner/team-1/acme", "GuestMembership/team-1/carol", "GuestMembership/team-1/bob"];
    let wanted = order.map(|object| format!("{object} deleted\n")).concat() + "AccountShare/team-1/instagram deleted\n";
    assert_eq!(pruned, wanted, "the order of Flux");
    is_gone(&stage, "team-1");

    // A tool that is no service account is refused at first. It deletes the rest, so its next attempt passes.
    stage.plane.kubectl(&["create", "namespace", "team-2"]).ok();
    let (team, person) = (objects(&world("team-2")), stage.plane.kubeconfig());
    flux(person, "apply", &team).ok();
    joined(&stage, "team-2");
    person_is_refused(&stage, "team-2");
    let refused = flux(person, "prune", &team).refused();
    assert!(refused.contains("DeletionBlocked") && refused.contains("acme"), "{refused}");
    eventually("the next attempt passes", || {
        let said = flux(person, "prune", &team);
        if said.success { Ok(()) } else { Err(said.stderr) }
    });
    is_gone(&stage, "team-2");
}

#[test]
fn argocd_prunes_in_any_order_of_waves_and_nothing_is_left() {
    // With the garbage collector, which ends a deletion in the foreground.
    let (stage, tool) = stage(Stage::prepare_with_controllers());
    let (partner, others) = (["lp/acme"], ["gm/bob", "gm/carol", "share/instagram"]);
    settle(&stage, "team-1");
    person_is_refused(&stage, "team-1");
    argocd_prunes(&stage, &tool, "team-1", &[&[&partner[..], &others].concat()]);
    settle(&stage, "team-2");
    argocd_prunes(&stage, &tool, "team-2", &[&others, &partner]);

    // The partner alone in the wave that is pruned first: the tool waits for its end. Nobody loses access, until the
    // partner takes the others along.
    settle(&stage, "team-3");
    delete_wave(&stage, &tool, "team-3", &partner, &["--wait=false"]).remove(0).ok();
    is_blocked(&stage, "team-3");
    stage.at("team-3").patch("lp/acme", r#"{"spec":{"deletion":"Cascade"}}"#);
    is_gone(&stage, "team-3");
}

/// Takes a partner's deletion back as the documentation says: the object vanishes and is created again.
#[track_caller]
fn take_back(stage: &Stage) {
    stage.partners().patch("lp/acme", r#"{"metadata":{"finalizers":null}}"#);
    let partner = objects(WORLD).into_iter().find(|object| object["kind"] == "LocalPartner").unwrap();
    stage.apply(&partner.to_string());
}

/// Both guests of [`WORLD`] are Active and have their access.
#[track_caller]
fn nobody_lost_access(stage: &Stage) {
    stage.partners().guest("bob", BOB, "Active", &["instagram:Collaborator"]);
    stage.partners().guest("carol", CAROL, "Active", &["instagram:Manager"]);
}

#[test]
fn partner_deleted_alone_is_taken_back_with_all_guests() {
    let (mut stage, tool) = stage(Stage::prepare());
    stage.settle();
    let invitations = |stage: &Stage| {
        ["bob", "carol"].map(|guest| stage.partners().get(&format!("gm/{guest}"))["status"]["invitation"].clone())
    };
    let before = invitations(&stage);
    let delete = ["delete", "lp/acme", "-n", "partners", "--wait=false"];
    stage.plane.kubectl_as(&tool, &delete, "").ok();
    stage.partners().says("lp/acme", "DeletionBlocked");
    nobody_lost_access(&stage);
    stage.apply(&WORLD.split("---").nth(1).unwrap().replace("bob", "ned"));
    stage.partners().says("gm/ned", "PartnerDeleting");
    // Applying the manifest again does not end the deletion.
    stage.apply(WORLD);
    stage.partners().says("lp/acme", "DeletionBlocked");

    take_back(&stage);
    stage.partners().says("lp/acme", "Reconciled");
    nobody_lost_access(&stage);
    stage.partners().says("gm/ned", "Invited");
    stage.partners().delete("gm/ned");

    // While no operator runs, the access does not change at any moment.
    stage.plane.kubectl_as(&tool, &delete, "").ok();
    stage.partners().says("lp/acme", "DeletionBlocked");
    stage.operator.kill();
    let guests = stage.operator.show()["guests"].clone();
    take_back(&stage);
    stage.operator.start();
    stage.partners().says("lp/acme", "Reconciled");
    nobody_lost_access(&stage);
    assert_eq!(stage.operator.show()["guests"], guests);
    assert_eq!(invitations(&stage), before, "nobody was invited again");
}
