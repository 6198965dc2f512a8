//! Enforcement by the reconcile, which is the final authority: the same manifests with a directory in which all invited
//! guests join and enrol MFA.

use guestlist::cache::Kind;
use guestlist::directory::Import;
use guestlist::directory::{AccountRecord, UserRecord};
use guestlist::domain::MfaMethod;
use guestlist::workspace_policy::WorkspacePolicy;

use super::pairs::{Asked, PAIRS, POLICY, Pair, WORLD};
use crate::support::in_memory::{World, email};

/// The converged environment of these manifests, in which all guests accepted their invitations.
fn settled(manifests: &str) -> World {
    let mut world = World::new();
    world.workspace = WorkspacePolicy::parse(POLICY).unwrap();
    let user =
        |address: &str| UserRecord { email: email(address), name: address.to_owned(), enabled: true, verified: true };
    let users = ["yan@agency.example", "tom@third.example", "alice+1@host.example", "zo.e@host.example"];
    let accounts = ["Instagram", "news letter"].map(|name| AccountRecord {
        name: name.to_owned(),
        owners: vec![email("alice@host.example")],
        deleted: false,
    });
    world.play(|store, _| {
        store.import(&Import { users: users.iter().map(|address| user(address)).collect(), accounts: accounts.into() })
    });
    world.declare(manifests);
    rest(&mut world);
    world
}

fn rest(world: &mut World) {
    // A guest of a Guest Admin waits for that Guest Admin: three rounds are one more than the environment needs.
    for _ in 0..3 {
        world.settle();
        let invited: Vec<_> = world
            .directory_cache
            .guests()
            .filter(|guest| guest.is_live() && guest.joined_at.is_none() && guest.invitation.is_some())
            .map(|guest| guest.address.clone())
            .collect();
        for address in invited {
            world.play(|store, now| store.accept(&address, now));
            for method in MfaMethod::ALL {
                world.play(|store, now| store.enroll_mfa(&address, *method, now));
            }
        }
    }
    world.settle();
}

fn all_violations(world: &World) -> Vec<String> {
    let objects = world.objects.keys();
    objects
        .flat_map(|key| {
            let said = world.violations(key.kind, &key.name);
            said.into_iter().map(move |violation| format!("{} {violation}", key.name))
        })
        .collect()
}

fn is_said(world: &World, pair: &Pair) -> bool {
    let (kind, name, path) = pair.place();
    if pair.waits() {
        return world.word(kind, name, "Ready") == format!("False/{}", pair.reason);
    }
    world.violations(kind, name).contains(&format!("{} {path}", pair.reason))
}

#[test]
fn unchanged_base_of_the_pairs_grants_the_specified_access() {
    let world = settled(WORLD);
    assert_eq!(all_violations(&world), [""; 0]);
    assert_eq!(
        world.access(),
        ["bob: instagram as Collaborator", "carol: instagram as Manager", "carol: newsletter as Collaborator"]
    );
}

#[test]
fn each_manifest_rule_refuses_its_case_and_accepts_the_nearest() {
    let whole = settled(WORLD).effective();
    for pair in PAIRS.iter().filter(|pair| pair.asked != Asked::Changed) {
        let world = settled(&pair.world(pair.refused));
        assert!(is_said(&world, pair), "{pair:?} is let through: {:?}", all_violations(&world));
        for (what, role) in world.effective() {
            assert!(whole.get(&what).is_some_and(|had| role <= *had), "{pair:?} gives {what:?} as {role}");
        }
        let (kind, name, _) = pair.place();
        if pair.asked == Asked::Alone {
            let elsewhere = |said: &String| !said.starts_with(&format!("{name} "));
            let blamed: Vec<_> = all_violations(&world).into_iter().filter(elsewhere).collect();
            assert_eq!(blamed, [""; 0], "{pair:?}: others are blamed for what {name} says");
        }
        if kind == Kind::Membership {
            assert!(world.record(name).is_none(), "{pair:?}: {name} is a guest all the same");
        }
        let world = settled(&pair.world(pair.passes));
        assert_eq!(all_violations(&world), [""; 0], "{pair:?} is refused at its edge");
        assert!(!is_said(&world, pair), "{pair:?} waits at its edge");
    }
}

#[test]
fn immutable_fields_are_compared_with_the_directory_record() {
    for pair in PAIRS.iter().filter(|pair| pair.asked == Asked::Changed) {
        let mut world = settled(WORLD);
        let before = world.access();
        world.declare(&pair.world(pair.refused));
        let (_, name, _) = pair.place();
        rest(&mut world);
        assert!(is_said(&world, pair), "{pair:?} is let through: {:?}", all_violations(&world));
        let lost: Vec<_> = before.iter().filter(|access| access.contains(name)).collect();
        assert!(!lost.is_empty() && lost.iter().all(|access| !world.access().contains(access)), "{pair:?}: {lost:?}");
        assert!(world.access().iter().all(|access| before.contains(access)), "{pair:?} gives {:?}", world.access());
        world.declare(&pair.world(pair.passes));
        rest(&mut world);
        assert_eq!((all_violations(&world), world.access()), (vec![], before), "{pair:?} is refused at its edge");
    }
}

#[test]
fn invalid_object_can_be_suspended_annotated_and_deleted() {
    for pair in PAIRS.iter().filter(|pair| pair.asked != Asked::Changed && !pair.waits()) {
        let mut world = settled(&pair.world(pair.refused));
        let (kind, name, _) = pair.place();
        let before = world.effective();
        world.declare(&pair.world(pair.refused).replace("spec:\n", "spec:\n  suspended: true\n"));
        world.annotate(kind, name, guestlist::api::PAUSED, "true");
        rest(&mut world);
        assert_eq!(world.access(), [""; 0], "{pair:?}: suspended, of {before:?}");
        for deleted in [Kind::Share, Kind::Membership, Kind::Partner] {
            let names: Vec<_> =
                world.objects.keys().filter(|key| key.kind == deleted).map(|key| key.name.clone()).collect();
            for name in names {
                world.delete(deleted, &name);
            }
            rest(&mut world);
            let left = world.objects.keys().filter(|key| key.kind == deleted).count();
            assert_eq!(left, 0, "{pair:?}: {deleted:?}");
        }
        assert!(world.directory_cache.guests().all(|guest| !guest.is_live()), "{pair:?} leaves a live guest");
    }
}
