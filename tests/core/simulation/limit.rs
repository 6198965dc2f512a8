//! A namespace sends no more invitations in an hour than the policy allows, also with faults, restarts and deleted objects.
//! The waiting memberships follow, the longest waiting first.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;

use guestlist::cache::Kind::{Membership, Partner};
use guestlist::cache::ObjectRef;
use guestlist::executor::object_store::PatchTarget;
use guestlist::plan::{Inputs, Plan, plan};
use guestlist::workspace_policy::WorkspacePolicy;
use jiff::SignedDuration;
use serde_json::json;

use super::driver::{Sim, TROUBLES, email, key};
use super::failed_operations::{ready, wait};
use super::walk;

const LIMIT: usize = 2;
const GUESTS: [&str; 7] = ["gia", "abe", "fay", "ben", "eve", "cat", "dan"];

fn limited(seed: u64) -> Sim {
    let mut sim = Sim::new(seed);
    sim.policy =
        format!("{}invitationsPerHour: {LIMIT}\n", sim.policy.replace("mailInterval: 10m", "mailInterval: 0s"));
    sim.restart();
    for partner in ["acme", "beta"] {
        sim.create(Partner, partner, json!({"hostAdmins": ["alice@host.example"]}));
    }
    sim.settle();
    sim
}

fn invite(sim: &mut Sim, name: &str, partner: &str) {
    let spec = json!({
        "partnerRef": {"name": partner}, "email": format!("{name}@acme.example"), "invitedBy": "alice@host.example",
    });
    sim.create(Membership, name, spec);
}

/// Every other guest belongs to another partner; both partners are in the same namespace.
fn invite_all(sim: &mut Sim) {
    for (number, name) in GUESTS.into_iter().enumerate() {
        invite(sim, name, ["acme", "beta"][number % 2]);
    }
}

fn is_invited(sim: &Sim, name: &str) -> bool {
    sim.state(name) == "Invited"
}

#[test]
fn waiting_invitations_go_out_in_the_order_of_waiting() {
    let mut sim = limited(0);
    invite_all(&mut sim);
    sim.settle();
    for hour in 0..4 {
        let invited: Vec<bool> = GUESTS.iter().map(|name| is_invited(&sim, name)).collect();
        let expected: Vec<bool> = (0..GUESTS.len()).map(|place| place < LIMIT * (hour + 1)).collect();
        assert_eq!(invited, expected, "after {hour} hours");
        let waits = GUESTS.iter().filter(|name| !is_invited(&sim, name));
        for name in waits {
            assert_eq!(ready(&sim, Membership, name), ("False".to_owned(), "InvitationLimit".to_owned()));
            assert_eq!(sim.state(name), "Pending");
        }
        // Before the hour is over, nothing is written and nothing is planned.
        let (version, calls) = (sim.server.version, sim.calls.len());
        wait(&mut sim, SignedDuration::from_mins(59));
        assert_eq!((sim.server.version, sim.calls.len()), (version, calls), "hour {hour}");
        wait(&mut sim, SignedDuration::from_mins(1) + SignedDuration::from_secs(10));
    }
    walk::is_at_rest(&mut sim);
}

#[test]
fn invitation_limit_holds_in_any_order_with_failing_calls() {
    for seed in 1..40 {
        let mut sim = limited(seed);
        let trouble = TROUBLES[usize::try_from(seed).unwrap() % TROUBLES.len()];
        sim.trouble = Some((sim.calls.len() + usize::try_from(seed).unwrap() % 17, trouble));
        invite_all(&mut sim);
        sim.settle();
        for hour in 0..6 {
            if seed % 3 == 0 {
                sim.restart();
            }
            if hour == 1 {
                // A new name does not circumvent the limit, and a deletion does not free capacity.
                sim.delete(Membership, "abe");
                sim.settle();
                invite(&mut sim, "abraham", "beta");
            }
            sim.settle();
            wait(&mut sim, SignedDuration::from_mins(60) + SignedDuration::from_secs(10));
        }
        for name in GUESTS.into_iter().filter(|name| *name != "abe").chain(["abraham"]) {
            assert!(is_invited(&sim, name), "{name} with seed {seed}: {:?}", ready(&sim, Membership, name));
        }
    }
}

#[test]
fn place_of_a_refused_invitation_goes_to_the_next() {
    let refused = Some("user abe@acme.example: department: too short".to_owned());
    // An invitation that the directory does not answer may have been sent, so it keeps its place.
    for (refuses, cat) in [(refused, "Invited"), (None, "Pending")] {
        let mut sim = limited(0);
        (sim.cursed, sim.refuses) = (vec![email("abe@acme.example")], refuses);
        for name in ["abe", "ben", "cat"] {
            invite(&mut sim, name, "acme");
            wait(&mut sim, SignedDuration::from_secs(1));
        }
        assert_eq!((sim.state("ben"), sim.state("cat")), ("Invited", cat), "{:?}", sim.refuses);
    }
}

#[test]
fn invitations_resent_or_of_deleted_memberships_count() {
    let mut sim = limited(0);
    invite(&mut sim, "abe", "acme");
    sim.settle();
    let resend = |sim: &mut Sim| {
        let now = sim.now.to_string();
        let patch = json!({"metadata": {"annotations": {"guestlist.dev/resend-invitation": now}}});
        sim.server.patch(&key(Membership, "abe"), PatchTarget::Object, &patch, sim.now).unwrap();
        sim.settle();
    };
    wait(&mut sim, SignedDuration::from_mins(1));
    resend(&mut sim);
    assert_eq!(sim.mails, 2);
    wait(&mut sim, SignedDuration::from_mins(1));
    resend(&mut sim);
    assert_eq!((sim.mails, ready(&sim, Membership, "abe").1.as_str()), (2, "InvitationLimit"));
    sim.delete(Membership, "abe");
    sim.settle();
    sim.restart();
    invite(&mut sim, "ben", "acme");
    sim.settle();
    assert_eq!((sim.mails, sim.state("ben")), (2, "Pending"));
    wait(&mut sim, SignedDuration::from_mins(58) + SignedDuration::from_secs(10));
    assert_eq!((sim.mails, sim.state("ben")), (3, "Invited"));
}

#[test]
fn next_membership_takes_the_place_of_a_deleted_one() {
    let mut sim = limited(0);
    let minutes = SignedDuration::from_mins;
    for (name, after) in [("abe", 30), ("ben", 1), ("cat", 1), ("dan", 8)] {
        invite(&mut sim, name, "acme");
        wait(&mut sim, minutes(after));
    }
    let invited = |sim: &Sim| ["abe", "ben", "cat", "dan"].map(|name| sim.state(name) == "Invited");
    assert_eq!(invited(&sim), [true, true, false, false]);
    // The mail to Abe counts until the hour is over, and the mail to Ben for another half.
    sim.delete(Membership, "cat");
    wait(&mut sim, minutes(21));
    assert_eq!(sim.state("dan"), "Invited", "{:?}", ready(&sim, Membership, "dan"));
    walk::is_at_rest(&mut sim);
}

/// The directory does not answer the next one, so only the deletion moves up the one after it.
#[test]
fn all_waiting_memberships_move_up_after_a_deletion() {
    let mut sim = limited(0);
    let minutes = SignedDuration::from_mins;
    sim.cursed = vec![email("dan@acme.example")];
    for (name, after) in [("abe", 30), ("ben", 1), ("cat", 1), ("dan", 1), ("eve", 7)] {
        invite(&mut sim, name, "acme");
        wait(&mut sim, minutes(after));
    }
    sim.delete(Membership, "cat");
    // The mail to Ben counts until minute 90.
    for (after, state) in [(49, "Pending"), (2, "Invited")] {
        wait(&mut sim, minutes(after));
        assert_eq!(sim.state("eve"), state, "{:?}", ready(&sim, Membership, "eve"));
    }
}

#[test]
fn a_planner_that_knows_no_limit_is_caught() {
    static UNLIMITED: LazyLock<WorkspacePolicy> = LazyLock::new(|| {
        let tenants = "tenants: [{namespace: partners, hostAdmins: ['*@host.example']}]";
        WorkspacePolicy::parse(&format!("domains: [host.example]\n{tenants}\ninvitationsPerHour: 1000")).unwrap()
    });
    fn unlimited(world: Inputs<'_>, key: &ObjectRef) -> Plan {
        plan(Inputs { workspace: &UNLIMITED, ..world }, key)
    }
    let caught = catch_unwind(AssertUnwindSafe(|| {
        let mut sim = limited(0);
        sim.planner = unlimited;
        sim.restart();
        invite_all(&mut sim);
        sim.settle();
    }));
    let text = caught.unwrap_err().downcast_ref::<String>().cloned().unwrap_or_default();
    assert!(text.contains("mails in an hour"), "{text}");
}
