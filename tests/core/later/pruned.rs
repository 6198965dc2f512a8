//! `apply` on files that omit objects, with and without `--prune`: which guests it removes, and which it must not touch.

use std::collections::{BTreeMap, BTreeSet};

use guestlist::directory::{AccountRecord, GuestRecord, Revision, UserRecord};
use guestlist::domain::Email;
use guestlist::plan::PruneScope;
use serde_json::{Value, json};

use super::environment::{Environment, email, object};
use super::generate::Dice;

const PARTNERS: [&str; 3] = ["acme", "brio", "dune"];

/// Joined guests of three partners, each with one shared account.
fn joined(dice: &mut Dice) -> Environment {
    let alice = email("alice@host.example");
    let mut objects = Vec::new();
    for partner in PARTNERS {
        objects.push(object("LocalPartner", partner, json!({"hostAdmins": [alice.as_str()]})));
        let share = json!({"partnerRef": {"name": partner}, "account": partner, "sharedBy": alice.as_str()});
        objects.push(object("AccountShare", &format!("{partner}-share"), share));
        for number in 0..dice.roll(7) {
            let name = format!("{partner}{number}");
            let spec = json!({"partnerRef": {"name": partner}, "email": format!("{name}@{partner}.example"),
                "role": "GuestAdmin", "invitedBy": alice.as_str()});
            objects.push(object("GuestMembership", &name, spec));
        }
    }
    let user = UserRecord { email: alice.clone(), name: "Alice".to_owned(), enabled: true, verified: true };
    let account = |name: &str| AccountRecord { name: name.to_owned(), owners: vec![alice.clone()], deleted: false };
    let mut environment = Environment::new(objects, vec![user], PARTNERS.map(account).into());
    environment.apply();
    for guest in environment.guests() {
        environment.accepts(&guest);
        super::all_methods(&mut environment, &guest);
    }
    environment.apply();
    environment
}

/// Live guests by address, without their revisions.
fn live(environment: &Environment) -> BTreeMap<Email, GuestRecord> {
    let guests = environment.everything().guests.into_iter().filter(GuestRecord::is_live);
    guests.map(|guest| (guest.address.clone(), GuestRecord { revision: Revision(0), ..guest })).collect()
}

fn names(objects: &[Value], kind: &str) -> BTreeSet<String> {
    let of_kind = objects.iter().filter(|object| object["kind"] == kind);
    of_kind.map(|object| object["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn apply_removes_only_undeclared_guests_of_declared_partners() {
    let (mut removed_in_all, mut kept_in_all, mut held_in_all) = (0, 0, 0);
    for seed in 1..=80 {
        let mut dice = Dice(seed);
        let mut environment = joined(&mut dice);
        let before = live(&environment);
        assert!(before.values().all(|guest| guest.grants.len() == 1), "seed {seed}");
        let share = 2 + dice.roll(6);
        environment.objects.retain(|object| object["kind"] == "AccountShare" || !dice.one_in(share));
        let partners = names(&environment.objects, "LocalPartner");
        let members = environment.guests();
        let at_most = dice.one_in(2).then(|| dice.roll(8));
        let prunes = !dice.one_in(4);
        if prunes {
            environment.prune_scope = PruneScope::DeclaredPartners { at_most };
        }
        let is_undeclared =
            |guest: &GuestRecord| partners.contains(&guest.partner_name) && !members.contains(&guest.address);
        let undeclared = before.values().filter(|guest| is_undeclared(guest)).count();
        let is_bounded = match at_most {
            Some(most) => undeclared > most,
            None => undeclared > 3 && undeclared * 4 > before.len(),
        };
        let problems = environment.apply().problems;
        let after = live(&environment);
        for (address, guest) in &before {
            let place = format!("seed {seed}: {address}, {:?}", environment.prune_scope);
            if members.contains(address) && partners.contains(&guest.partner_name) {
                assert_eq!(after.get(address), Some(guest), "{place}: declared as before");
            } else if is_undeclared(guest) && prunes && !is_bounded {
                assert_eq!(after.get(address), None, "{place}: undeclared");
                removed_in_all += 1;
            } else if !members.contains(address) {
                assert_eq!(after.get(address), Some(guest), "{place}: not for these files to remove");
                kept_in_all += 1;
            }
        }
        let is_held = prunes && is_bounded && undeclared > 0;
        held_in_all += usize::from(is_held);
        assert_eq!(
            problems.iter().any(|problem| problem.contains("TooManyOrphans")),
            is_held,
            "seed {seed}: {problems:?}"
        );
    }
    assert!(removed_in_all > 50 && kept_in_all > 50 && held_in_all > 5, "{removed_in_all} {kept_in_all} {held_in_all}");
}
