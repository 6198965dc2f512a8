//! Obstacles to the invitation of a guest. Once the obstacle alone is gone, the operator invites the guest: no restart,
//! full read or other edit is needed.

use guestlist::cache::Kind::{Membership, Partner};
use guestlist::directory::{Import, UserRecord};
use guestlist::engine::Input;
use guestlist::workspace_policy::WorkspacePolicy;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::churn::vanish;
use super::driver::{Sim, email, key};
use super::edits::happen;
use super::failed_operations::{ready, wait};
use super::server::PatchTarget;
use super::walk;
use crate::support::worlds::{Edit, PAUSED, specs};

const ALICE: &str = "alice@host.example";
const ERIN: &str = "erin@acme.example";
/// The host organization as the policy sees it. It lets the namespace name one person of the partner's domain.
const POLICY: &str = r#"{"domains": ["host.example"], "mailInterval": "10m",
    "tenants": [{"namespace": "partners", "hostAdmins": ["*@host.example", "erin@acme.example"]}]}"#;

fn invited_by(inviter: &str) -> Value {
    specs::membership("acme", ERIN, false, inviter)
}

fn owners(account: &str, owners: &[&str]) -> Edit {
    Edit::SetOwners(account.to_owned(), owners.iter().map(|owner| (*owner).to_owned()).collect())
}

fn user(address: &str, enabled: bool) -> Edit {
    Edit::SetUser(address.to_owned(), enabled)
}

fn acme(patch: Value) -> Edit {
    Edit::Spec(key(Partner, "acme"), patch)
}

fn erin(patch: Value) -> Edit {
    Edit::Spec(key(Membership, "erin"), patch)
}

fn pause(edit: fn(Value) -> Edit, on: bool) -> Edit {
    let Edit::Spec(key, _) = edit(json!({})) else { unreachable!() };
    Edit::Annotate(key, PAUSED, on.then(|| "true".to_owned()))
}

fn policy(text: &str) -> Edit {
    Edit::Policy(serde_json::from_str(text).unwrap())
}

/// An obstacle: its name, the edits that set it up, Erin's membership, and the edits that remove it.
type Obstacle = (&'static str, Vec<Edit>, Value, Vec<Edit>);

#[expect(clippy::too_many_lines, reason = "one table")]
fn obstacles(sim: &Sim) -> Vec<Obstacle> {
    let by_alice = || invited_by(ALICE);
    let with = |patch: Value| specs::with(by_alice(), [patch]);
    let create = |name: &str, spec: Value| Edit::Create(key(Membership, name), spec);
    let other = |name: &str| specs::membership("acme", &format!("{name}@acme.example"), false, ALICE);
    let soon = sim.now + SignedDuration::from_hours(1);
    vec![
        (
            "the guest owns an account",
            vec![owners("instagram", &[ALICE, ERIN])],
            by_alice(),
            vec![owners("instagram", &[ALICE])],
        ),
        (
            "the guest is the only Owner",
            vec![owners("newsletter", &[ERIN])],
            by_alice(),
            vec![owners("newsletter", &[ALICE])],
        ),
        (
            "the guest is a Host Admin of another partner",
            vec![Edit::Create(key(Partner, "beta"), specs::partner(&[ALICE, ERIN]))],
            by_alice(),
            vec![Edit::Spec(key(Partner, "beta"), json!({"hostAdmins": [ALICE]}))],
        ),
        (
            "the guest is the Host Admin of another partner alone",
            vec![Edit::Create(key(Partner, "beta"), specs::partner(&[ERIN]))],
            by_alice(),
            vec![Edit::Delete(key(Partner, "beta"))],
        ),
        ("the Host Admin is disabled", vec![user(ALICE, false)], by_alice(), vec![user(ALICE, true)]),
        (
            "the Host Admin does not exist yet",
            vec![acme(json!({"hostAdmins": [ALICE, "zoe@host.example"]}))],
            invited_by("zoe@host.example"),
            vec![user("zoe@host.example", true)],
        ),
        (
            "the inviter is no Host Admin yet",
            vec![user("zoe@host.example", true)],
            invited_by("zoe@host.example"),
            vec![acme(json!({"hostAdmins": [ALICE, "zoe@host.example"]}))],
        ),
        (
            "the inviting Guest Admin has not joined",
            vec![create("fay", specs::with(other("fay"), [specs::role(true)]))],
            invited_by("fay@acme.example"),
            vec![
                Edit::Accept("fay@acme.example".to_owned()),
                Edit::Enrol("fay@acme.example".to_owned(), guestlist::domain::MfaMethod::TOTP),
            ],
        ),
        (
            "the inviting Guest Admin is a Guest User yet",
            vec![
                create("fay", other("fay")),
                Edit::Wait(SignedDuration::from_mins(1)),
                Edit::Accept("fay@acme.example".to_owned()),
                Edit::Enrol("fay@acme.example".to_owned(), guestlist::domain::MfaMethod::TOTP),
            ],
            invited_by("fay@acme.example"),
            vec![Edit::Spec(key(Membership, "fay"), specs::role(true))],
        ),
        (
            "another membership has the address",
            vec![create("eve", specs::membership("acme", ERIN, false, ALICE))],
            by_alice(),
            vec![Edit::Delete(key(Membership, "eve"))],
        ),
        (
            "the partner is full",
            vec![acme(json!({"guests": {"maxGuests": 1}})), create("fay", other("fay"))],
            by_alice(),
            vec![Edit::Delete(key(Membership, "fay"))],
        ),
        (
            "the quota is too low",
            vec![acme(json!({"guests": {"maxGuests": 1}})), create("fay", other("fay"))],
            by_alice(),
            vec![acme(json!({"guests": {"maxGuests": 2}}))],
        ),
        (
            "the domain is denied",
            vec![acme(json!({"guests": {"deniedDomains": ["acme.example"]}}))],
            by_alice(),
            vec![acme(json!({"guests": null}))],
        ),
        (
            "the policy denies the Host Admin",
            vec![policy(r#"{"domains": ["host.example"], "tenants": []}"#)],
            by_alice(),
            vec![policy(POLICY)],
        ),
        (
            "the policy names no domain",
            vec![policy(r#"{"tenants": [{"namespace": "partners", "hostAdmins": ["*@host.example"]}]}"#)],
            by_alice(),
            vec![policy(POLICY)],
        ),
        ("the membership is suspended", Vec::new(), with(specs::suspended(true)), vec![erin(specs::suspended(false))]),
        (
            "the end has passed",
            Vec::new(),
            with(specs::expires_at(Some(sim.now - SignedDuration::from_hours(1)))),
            vec![erin(specs::expires_at(None))],
        ),
        (
            "the partner is suspended",
            vec![acme(specs::suspended(true))],
            by_alice(),
            vec![acme(specs::suspended(false))],
        ),
        ("the partner is paused", vec![pause(acme, true)], by_alice(), vec![pause(acme, false)]),
        (
            "the end is too late until some time has passed",
            vec![acme(json!({"guests": {"maxDuration": "30m"}}))],
            with(specs::expires_at(Some(soon))),
            Vec::new(),
        ),
    ]
}

#[test]
fn guest_is_invited_once_the_only_obstacle_is_gone() {
    let names: Vec<&str> = obstacles(&Sim::new(0)).into_iter().map(|(name, ..)| name).collect();
    for (number, name) in names.into_iter().enumerate() {
        let mut sim = Sim::new(0);
        POLICY.clone_into(&mut sim.policy);
        sim.restart();
        sim.create(Partner, "acme", specs::partner(&[ALICE]));
        sim.settle();
        let (_, before, spec, remove) = obstacles(&sim).swap_remove(number);
        for edit in before {
            happen(&mut sim, edit);
            sim.settle();
        }
        sim.create(Membership, "erin", spec);
        sim.settle();
        assert_ne!(sim.state("erin"), "Invited", "{name}");
        for edit in remove {
            assert_ne!(sim.state("erin"), "Invited", "{name}, before {edit:?}");
            happen(&mut sim, edit);
            sim.settle();
        }
        // The mail interval of the address, or the time until less of it is left.
        wait(&mut sim, SignedDuration::from_mins(31));
        assert_eq!(sim.state("erin"), "Invited", "{name}: {}", sim.status(Membership, "erin"));
        walk::is_at_rest(&mut sim);
    }
}

/// Erin is a user of the workspace who is adopted as a guest, and then named as Host Admin of another partner.
/// Another controller delays the removal of the object.
#[test]
fn place_of_a_deactivated_guest_is_free_at_once() {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    happen(&mut sim, acme(json!({"guests": {"maxGuests": 3}})));
    let finalizers = json!({"metadata": {"finalizers": [guestlist::api::FINALIZER, "example.com/backup"]}});
    sim.server.patch(&key(Membership, "bob"), PatchTarget::Object, &finalizers, sim.now).unwrap();
    sim.create(Membership, "erin", invited_by(ALICE));
    sim.settle();
    assert_eq!(sim.status(Membership, "erin")["violations"][0]["reason"], "QuotaExceeded");
    sim.delete(Membership, "bob");
    sim.settle();
    assert!(sim.server.object(&key(Membership, "bob")).is_some());
    assert_eq!(sim.state("erin"), "Invited");
}

#[test]
fn host_admin_counts_once_they_are_no_guest() {
    let mut sim = Sim::new(0);
    sim.policy = POLICY.replace("\"hostAdmins\"", "\"adoption\": true, \"hostAdmins\"");
    sim.restart();
    sim.create(Partner, "acme", specs::with(specs::partner(&[ALICE]), [specs::adoption(true)]));
    happen(&mut sim, user(ERIN, true));
    sim.settle();
    sim.create(Membership, "erin", invited_by(ALICE));
    sim.settle();
    assert_eq!(sim.state("erin"), "Invited");
    sim.create(Partner, "beta", specs::partner(&[ERIN]));
    sim.settle();
    assert_eq!(ready(&sim, Partner, "beta"), ("False".to_owned(), "HostAdminIsGuest".to_owned()));
    happen(&mut sim, Edit::Delete(key(Membership, "erin")));
    sim.settle();
    assert_eq!(ready(&sim, Partner, "beta"), ("True".to_owned(), "Reconciled".to_owned()));
    walk::is_at_rest(&mut sim);
}

/// The operator learns of a user at the address only from the refusal of the directory.
#[test]
fn refused_invitation_is_explained_by_the_user_at_the_address() {
    let mut sim = Sim::new(0);
    sim.create(Partner, "acme", specs::partner(&[ALICE]));
    sim.settle();
    let erin = UserRecord { email: email(ERIN), name: "Erin".to_owned(), enabled: true, verified: true };
    sim.directory.0.lock().unwrap().import(&Import { users: vec![erin], accounts: Vec::new() }).unwrap();
    sim.create(Membership, "erin", invited_by(ALICE));
    wait(&mut sim, SignedDuration::from_mins(6));
    assert_eq!(ready(&sim, Membership, "erin"), ("False".to_owned(), "IsWorkspaceUser".to_owned()));
    assert_eq!(sim.engine.queue().failing().next(), None);
}

/// An address never changes, so this membership is not that of Carol's guest.
#[test]
fn membership_with_the_address_of_another_can_be_deleted() {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    sim.edit(Membership, "bob", json!({"email": "carol@acme.example"}));
    sim.settle();
    sim.delete(Membership, "bob");
    sim.settle();
    assert!(sim.server.object(&key(Membership, "bob")).is_none(), "{:#?}", sim.last_calls());
    assert!(sim.guest(&email("bob@acme.example")).unwrap().deactivated_at.is_some());
    assert_eq!(sim.state("carol"), "Active");
    walk::is_at_rest(&mut sim);
}

#[test]
fn policy_that_returns_unchanged_ends_the_wait() {
    let mut sim = Sim::new(0);
    sim.create(Partner, "acme", specs::partner(&[ALICE]));
    sim.settle();
    sim.engine.handle(Input::Policy(Err("failed to read the policy".to_owned())), sim.now);
    sim.create(Membership, "erin", invited_by(ALICE));
    sim.settle();
    assert_eq!(ready(&sim, Membership, "erin"), ("False".to_owned(), "PolicyUnreadable".to_owned()));
    let same = WorkspacePolicy::parse(&sim.policy).unwrap();
    sim.engine.handle(Input::Policy(Ok(Box::new(same))), sim.now);
    sim.settle();
    assert_eq!(sim.state("erin"), "Invited");
    walk::is_at_rest(&mut sim);
}

#[test]
fn suspended_guest_keeps_its_place_in_the_quota() {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    sim.edit(Partner, "acme", json!({"guests": {"maxGuests": 3}}));
    sim.edit(Membership, "dave", json!({"suspended": true}));
    sim.settle();
    assert_eq!(sim.state("dave"), "Suspended");
    sim.create(Membership, "erin", invited_by(ALICE));
    sim.settle();
    assert_eq!(ready(&sim, Membership, "erin"), ("False".to_owned(), "QuotaExceeded".to_owned()));
}

/// An orphan counts too. The operator plans both new guests at once.
#[test]
fn two_new_guests_at_once_get_no_more_than_the_last_place() {
    for seed in 0..20 {
        let mut sim = Sim::new(seed);
        walk::begin(&mut sim);
        vanish(&mut sim, Membership, "dave");
        sim.edit(Partner, "acme", json!({"guests": {"maxGuests": 4}}));
        sim.settle();
        for name in ["erin", "fay"] {
            let address = format!("{name}@acme.example");
            sim.create(Membership, name, specs::membership("acme", &address, false, ALICE));
        }
        sim.settle();
        let mut states = ["erin", "fay"].map(|name| sim.state(name));
        states.sort_unstable();
        assert_eq!(states, ["Invited", "Rejected"], "seed {seed}");
        assert_eq!(sim.everything().guests.iter().filter(|guest| guest.is_live()).count(), 4, "seed {seed}");
    }
}
