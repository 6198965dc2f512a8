//! The counters that the caches maintain equal a recount of everything, after any changes.

use std::collections::{BTreeMap, BTreeSet};

use guestlist::api;
use guestlist::cache::{CacheEntry, Kind, Object, ObjectCache, ObjectRef, StatusFact};
use guestlist::directory::{DirectoryCache, GuestRecord, Login, MfaRecord};
use guestlist::domain::Reason;
use guestlist::engine::Engine;
use guestlist::executor::object_store::Watched;
use guestlist::util::small_map::SmallMap;
use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::simulation::{driver::Sim, walk};
use crate::support::dice::Dice;

/// The facts of a status, as a reader of the JSON sees them.
fn facts(kind: Kind, status: &Value) -> Vec<StatusFact> {
    let items = |list: &Value| list.as_array().cloned().unwrap_or_default();
    let reason = |text: &Value| text.as_str().and_then(Reason::parse);
    let conditions = items(&status["conditions"]);
    let find = |type_: &str| conditions.iter().find(|condition| condition["type"] == type_);
    let mut found: Vec<StatusFact> = Vec::new();
    let ready = find("Ready");
    if ready.is_none_or(|ready| ready["status"] != "True") {
        found.push(StatusFact::NotReady(ready.and_then(|ready| reason(&ready["reason"]))));
    }
    found.extend(items(&status["violations"]).iter().map(|broken| StatusFact::Violation(reason(&broken["reason"]))));
    if kind == Kind::Membership {
        found.push(StatusFact::State(reason(&status["state"])));
        found.extend(find("ExpiringSoon").filter(|soon| soon["status"] == "True").map(|_| StatusFact::ExpiringSoon));
        found.extend(items(&status["accounts"]).iter().map(|grant| {
            if grant["effective"] == true {
                StatusFact::EffectiveGrant
            } else {
                StatusFact::WithheldGrant(reason(&grant["reason"]))
            }
        }));
    }
    found
}

/// The stored status of an object. `Err`: the object is unreadable.
fn stored(objects: &ObjectCache, key: &ObjectRef) -> Result<Value, ()> {
    let ObjectRef { namespace, name, .. } = key;
    match key.kind {
        Kind::Partner => {
            Ok(json!(objects.partner(namespace, name).and_then(CacheEntry::read).ok_or(())?.status.read()))
        }
        Kind::Membership => {
            Ok(json!(objects.membership(namespace, name).and_then(CacheEntry::read).ok_or(())?.status.read()))
        }
        Kind::Share => Ok(json!(objects.share(namespace, name).and_then(CacheEntry::read).ok_or(())?.status.read())),
    }
}

fn recounted(objects: &ObjectCache) -> BTreeMap<(Kind, StatusFact), usize> {
    let mut counts = BTreeMap::new();
    for kind in Kind::ALL {
        for key in objects.keys(kind) {
            let facts = match stored(objects, &key) {
                Ok(status) => facts(kind, &status),
                Err(()) => {
                    let state = (kind == Kind::Membership).then_some(StatusFact::State(None));
                    state.into_iter().chain([StatusFact::NotReady(Some(Reason::Unreadable))]).collect()
                }
            };
            for fact in facts {
                *counts.entry((kind, fact)).or_default() += 1;
            }
        }
    }
    counts
}

fn waits_for_mfa(guest: &GuestRecord) -> bool {
    let enrolled = matches!(&guest.mfa, MfaRecord::Known(methods) if !methods.is_empty());
    guest.is_live() && guest.login == Login::Enabled && !enrolled && guest.mfa_lost_at.is_some()
}

fn guests_are_counted(directory: &DirectoryCache) {
    assert_eq!(directory.live_count(), directory.guests().filter(|guest| guest.is_live()).count());
    let mut lost: BTreeMap<Timestamp, usize> = BTreeMap::new();
    for guest in directory.guests().filter(|guest| waits_for_mfa(guest)) {
        *lost.entry(guest.mfa_lost_at.unwrap()).or_default() += 1;
    }
    assert_eq!(*directory.mfa_lost(), lost);
}

/// The counters of an engine equal a recount of its facts.
pub fn are_right(engine: &Engine) {
    let stats = engine.stats();
    assert_eq!(stats.status_counts, recounted(engine.objects()));
    for kind in Kind::ALL {
        assert_eq!(stats.objects[&kind], engine.objects().keys(kind).count());
    }
    guests_are_counted(engine.directory());
    let lost: Vec<_> = engine.directory().guests().filter(|guest| waits_for_mfa(guest)).collect();
    let first = lost.iter().filter_map(|guest| guest.mfa_lost_at).min();
    assert_eq!((stats.mfa_lost, stats.mfa_lost_since), (lost.len(), first));
    assert_eq!(stats.failing, engine.queue().failing().count());
    assert_eq!(stats.queued_since.is_some(), stats.queued > 0);
}

fn condition(dice: &mut Dice, type_: &str) -> Value {
    let status = dice.of(&["True", "False", "Unknown"]);
    let reason = dice.of(&["Reconciled", "DomainNotAllowed", "MailNotSent", "InvitationLimit", "OfALaterVersion"]);
    json!({"type": type_, "status": status, "reason": reason, "message": "", "lastTransitionTime": "2027-01-01T00:00:00Z"})
}

/// A status that the operator or any other party could write.
fn status(dice: &mut Dice, kind: Kind) -> Option<Value> {
    if dice.one_in(5) {
        return None;
    }
    let types: BTreeSet<&str> = (0..dice.roll(4)).map(|_| dice.of(&["Ready", "ExpiringSoon", "Accepted"])).collect();
    let conditions: Vec<_> = types.into_iter().map(|type_| condition(dice, type_)).collect();
    let broken =
        |dice: &mut Dice| json!({"reason": dice.of(&["HostDomain", "QuotaExceeded", "Other"]), "path": "spec"});
    let violations: Vec<_> = (0..dice.roll(3)).map(|_| broken(dice)).collect();
    let mut status = json!({"conditions": conditions, "violations": violations});
    if kind == Kind::Membership {
        let grant = |dice: &mut Dice| {
            let reason = dice.of(&[json!("MfaNotEnrolled"), json!("Paused"), json!("Other"), Value::Null]);
            json!({"account": "a", "share": "s", "role": "Manager", "via": "Override", "effective": dice.one_in(2),
                   "reason": reason})
        };
        status["accounts"] = (0..dice.roll(4)).map(|_| grant(dice)).collect();
        if !dice.one_in(4) {
            status["state"] = json!(dice.of(&["Active", "Invited", "Rejected", "OfALaterVersion"]));
        }
    }
    Some(status)
}

fn object_of<K: Watched + DeserializeOwned>(object: Value) -> Object {
    serde_json::from_value::<K>(object).unwrap().declared()
}

fn object(dice: &mut Dice, key: &ObjectRef, version: u64) -> Object {
    let uid = dice.of(&["one", "two"]);
    let metadata = json!({"namespace": &*key.namespace, "name": &*key.name, "uid": format!("{uid}-{}", key.name),
                          "resourceVersion": version.to_string()});
    if dice.one_in(8) {
        let metadata = Box::new(serde_json::from_value(metadata).unwrap());
        return Object::Unreadable { kind: key.kind, metadata, error: "odd".to_owned() };
    }
    let spec = match key.kind {
        Kind::Partner => json!({"hostAdmins": ["alice@host.example"]}),
        Kind::Membership => {
            json!({"partnerRef": {"name": "acme"}, "email": "bob@acme.example", "invitedBy": "alice@host.example"})
        }
        Kind::Share => {
            json!({"partnerRef": {"name": "acme"}, "account": "instagram", "sharedBy": "alice@host.example"})
        }
    };
    let mut object = json!({"metadata": metadata, "spec": spec});
    if let Some(status) = status(dice, key.kind) {
        object["status"] = status;
    }
    match key.kind {
        Kind::Partner => object_of::<api::LocalPartner>(object),
        Kind::Membership => object_of::<api::GuestMembership>(object),
        Kind::Share => object_of::<api::AccountShare>(object),
    }
}

#[test]
fn counts_of_statuses_equal_a_recount_after_any_events() {
    let mut seen = BTreeSet::new();
    for seed in 0..40 {
        let (mut dice, mut objects) = (Dice(seed), ObjectCache::default());
        let key = |dice: &mut Dice| ObjectRef::new(dice.of(&Kind::ALL), "ns", dice.of(&["a", "b", "c"]));
        for version in 1..80 {
            match dice.roll(6) {
                0 => {
                    let (key, uid) = (key(&mut dice), dice.of(&["one", "two"]));
                    objects.delete(&key, &format!("{uid}-{}", key.name));
                }
                1 => {
                    let kind = dice.of(&Kind::ALL);
                    let names: BTreeSet<&str> = (0..dice.roll(4)).map(|_| dice.of(&["a", "b", "c"])).collect();
                    let keys = names.into_iter().map(|name| ObjectRef::new(kind, "ns", name));
                    let listed = keys.map(|key| object(&mut dice, &key, version).into()).collect();
                    objects.replace(&kind.into(), listed);
                }
                _ => {
                    let key = key(&mut dice);
                    // Some events are older than the stored object.
                    let version = version.saturating_sub(dice.roll(3) as u64).max(1);
                    objects.apply(object(&mut dice, &key, version));
                }
            }
            assert_eq!(*objects.status_counts(), recounted(&objects), "seed {seed}, event {version}");
            seen.extend(objects.status_counts().keys().copied());
        }
        for kind in Kind::ALL {
            objects.replace(&kind.into(), Vec::new());
        }
        assert!(objects.status_counts().is_empty(), "seed {seed}");
    }
    // The events were various enough to prove something.
    assert!(seen.len() > 30, "{seen:?}");
}

#[test]
fn counts_of_guests_equal_a_recount_after_any_records() {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    let known = sim.everything().guests;
    let methods = known[0].mfa.clone();
    assert_eq!(known.len(), 3);
    let (mut dice, mut directory, mut lost) = (Dice(1), DirectoryCache::default(), 0);
    for _ in 0..600 {
        let mut guest = dice.of(&known);
        let at = sim.now + SignedDuration::from_hours(i64::try_from(dice.roll(3)).unwrap());
        guest.mark = guest.mark.filter(|_| !dice.one_in(6));
        guest.deactivated_at = dice.one_in(4).then_some(at);
        guest.login = dice.of(&[Login::Enabled, Login::Enabled, Login::DisabledByGuestlist, Login::DisabledByOther]);
        guest.mfa = dice.of(&[methods.clone(), MfaRecord::Known(SmallMap::default()), MfaRecord::Unknown]);
        guest.mfa_lost_at = dice.one_in(2).then_some(at);
        let address = guest.address.clone();
        directory.set_guest(&address, (!dice.one_in(5)).then_some(guest));
        guests_are_counted(&directory);
        lost += directory.mfa_lost().len();
    }
    assert!(lost > 100, "{lost}");
}
