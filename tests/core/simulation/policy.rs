//! Changes of the workspace policy, and of nothing else: each has its effect at once.

use guestlist::cache::Kind::{Membership, Share};
use guestlist::directory::Login;
use guestlist::engine::Input;
use guestlist::workspace_policy::WorkspacePolicy;
use jiff::SignedDuration;
use serde_json::json;

use super::driver::{Sim, email};
use super::failed_operations::ready;
use super::walk;
use crate::support::worlds::specs;

fn policy(sim: &mut Sim, text: &str) {
    text.clone_into(&mut sim.policy);
    sim.engine.handle(Input::Policy(Ok(Box::new(WorkspacePolicy::parse(text).unwrap()))), sim.now);
}

fn erin(sim: &mut Sim) {
    sim.create(Membership, "erin", specs::membership("acme", "erin@acme.example", true, "alice@host.example"));
}

#[test]
fn unreadable_policy_grants_nothing_until_it_is_readable_again() {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    sim.edit(Share, "instagram", json!({"exclude": [{"name": "bob"}]}));
    sim.settle();
    let (before, text) = (sim.effective(), sim.policy.clone());
    sim.engine.handle(Input::Policy(Err("line 1, column 1: not a mapping".to_owned())), sim.now);
    erin(&mut sim);
    sim.edit(Share, "instagram", json!({"exclude": null}));
    sim.edit(Membership, "dave", json!({"suspended": true}));
    sim.settle();
    assert_eq!((sim.effective(), sim.mails), (before, 3));
    assert_eq!(ready(&sim, Membership, "erin").1, "PolicyUnreadable");
    let login = |sim: &Sim| sim.guest(&email("dave@acme.example")).unwrap().login;
    assert_eq!(login(&sim), Login::DisabledByGuestlist, "access is still revoked");
    assert!(sim.engine.health().missing().iter().any(|problem| problem.starts_with("PolicyUnreadable")));
    // The file has its earlier content again.
    sim.edit(Membership, "dave", json!({"suspended": null}));
    policy(&mut sim, &text);
    sim.settle();
    assert_eq!(sim.engine.health().missing(), [] as [String; 0]);
    assert_eq!((sim.state("erin"), login(&sim)), ("Invited", Login::Enabled));
    walk::is_where_the_law_says(&sim);
    walk::is_at_rest(&mut sim);
}

#[test]
fn policy_of_another_installation_is_not_in_force() {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    let (before, text) = (sim.effective(), sim.policy.clone());
    policy(&mut sim, "installation: other\ndomains: [host.example]\ntenants: []\n");
    sim.settle();
    assert_eq!(sim.effective(), before, "the last policy stays in force");
    assert!(sim.engine.health().missing().iter().any(|problem| problem.starts_with("PolicyUnreadable")));
    policy(&mut sim, &text);
    sim.settle();
    assert_eq!(sim.engine.health().missing(), [] as [String; 0]);
    walk::is_at_rest(&mut sim);
}

#[test]
fn shorter_time_to_the_purge_has_effect_at_once() {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    sim.delete(Membership, "dave");
    sim.settle();
    sim.now += SignedDuration::from_hours(2);
    sim.settle();
    assert_eq!(sim.destructions, 0, "the policy's default is a day");
    let shorter = format!("{}purge: {{after: 1h}}\n", sim.policy);
    policy(&mut sim, &shorter);
    sim.settle();
    assert_eq!(sim.destructions, 1);
    walk::is_at_rest(&mut sim);
}
