//! The checks of an environment after convergence.

use guestlist::cache::{Kind, ObjectRef};
use guestlist::directory::{GuestRecord, Login, MfaRecord};
use guestlist::domain::GuestRole;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::super::driver::Sim;
use super::super::walk;
use super::{unknown_mfa, view};
use crate::support::worlds::reference::{self, View, is_deleted, is_unreadable};

/// Asserts the state of an environment after convergence.
pub fn is_right_at_rest(sim: &Sim) {
    let (all, unknown) = (sim.everything(), unknown_mfa(sim));
    let view = view(sim, &all, &unknown);
    let (rights, held) = (view.rights(), reference::held(&all.guests));
    for (place, held) in &held {
        let covered = rights.get(place).is_some_and(|right| right.covers(held));
        assert!(
            covered || view.keeps(place, held),
            "at rest {place:?} exceeds the rules: {held:?}, {:?}\n{}",
            rights.get(place),
            view.facts(place, held)
        );
    }
    for (place, right) in &rights {
        let facts = || view.facts(place, right);
        assert_eq!(held.get(place), Some(right), "at rest {place:?} does not have what the rules give\n{}", facts());
    }
    for guest in all.guests.iter().filter(|guest| guest.is_live()) {
        record_is_right(sim, view, guest);
    }
    if !view.too_many_orphans() {
        for orphan in view.orphans() {
            let has_nothing = orphan.grants.is_empty() && orphan.invitation.is_none();
            assert!(has_nothing, "at rest {} is an orphan and has access or an invitation", orphan.address);
        }
    }
    records_are_purged(sim, view);
    for (key, object) in sim.server.objects() {
        conditions_name_the_generation(key, object);
        match key.kind {
            Kind::Membership => membership_is_right(key, object, view),
            Kind::Share => {
                assert!(!is_deleted(object), "at rest {key} is still being deleted");
                share_counts_are_right(key, object, view);
            }
            Kind::Partner => partner_counts_are_right(key, object, view),
        }
    }
    assert_eq!(sim.engine.queue().failing().next(), None, "at rest a success is still slowed down");
    if let Some(change) = view.next_change() {
        let next = sim.engine.next_check();
        assert!(
            next.is_some_and(|next| next <= change),
            "access changes at {change}, and the next look is at {next:?}"
        );
    }
}

/// A condition is about the present generation. `Accepted` alone may stay as it was.
fn conditions_name_the_generation(key: &ObjectRef, object: &Value) {
    let generation = &object["metadata"]["generation"];
    for condition in object["status"]["conditions"].as_array().into_iter().flatten() {
        let is_kept = condition["type"] == "Accepted" || is_deleted(object);
        assert!(is_kept || condition["observedGeneration"] == *generation, "at rest {key} has {condition}");
    }
}

fn membership_is_right(key: &ObjectRef, member: &Value, view: View<'_>) {
    assert!(!is_deleted(member) || view.is_paused(key), "at rest {key} is still being deleted");
    let status = &member["status"];
    let says = |reason: &str| {
        let conditions = status["conditions"].as_array().into_iter().flatten();
        conditions.into_iter().any(|condition| condition["reason"] == reason)
    };
    if is_unreadable(member) {
        assert!(says("Unreadable"), "at rest {key} does not fit the types, and says {status}");
        return;
    }
    if view.is_paused(key) || is_deleted(member) {
        return;
    }
    assert_eq!(status["observedGeneration"], member["metadata"]["generation"], "at rest {key} was not looked at");
    // Without its partner, the operator leaves the login as it is.
    let Some(partner_object) = view.partner_of(key) else { return };
    // A partner that grants nothing does not enable a disabled login.
    if status["state"] != "Active" || view.partner_gives(&key.namespace, partner_object) {
        let facts = || view.facts_of(key);
        assert_eq!(status["state"] == "Active", view.is_active(key), "at rest {key} says {status}\n{}", facts());
    }
    if status["violations"].as_array().is_none_or(Vec::is_empty)
        && let Some(expected) = view.state_of(key)
    {
        assert_eq!(status["state"], expected, "at rest {key} says {status}\n{}", view.facts_of(key));
    }
    if says("QuotaExceeded") {
        let partner = partner_object["metadata"]["name"].as_str().unwrap();
        let most = view.most_guests(&key.namespace, partner).unwrap_or(u64::MAX);
        let live = |guest: &&GuestRecord| {
            guest.is_live()
                && guest.partner_name == partner
                && guest.mark.as_ref().is_some_and(|mark| *mark.namespace == *key.namespace)
        };
        let live = view.guests.iter().filter(live).count() as u64;
        let waiting = view.objects.iter().filter(|(other, object)| {
            other.kind == Kind::Membership
                && other.namespace == key.namespace
                && *other != key
                && object["spec"]["partnerRef"]["name"] == partner
                && object["status"]["state"] == "Pending"
        });
        assert!(
            live + waiting.count() as u64 >= most,
            "at rest {key} has no place, and {partner} has {live} of {most}"
        );
    }
}

/// The end of a share, and the counts of its grants.
fn share_counts_are_right(key: &ObjectRef, share: &Value, view: View<'_>) {
    let Some(partner) = view.partner_of(key) else { return };
    let status = &share["status"];
    let ends = [share, partner]
        .map(|object| object["spec"]["expiresAt"].as_str().map(|end| end.parse::<Timestamp>().unwrap()));
    let said = status["expiresAt"].as_str().map(|end| end.parse::<Timestamp>().unwrap());
    let end = ends.into_iter().flatten().min().map(|end| Timestamp::from_second(end.as_second()).unwrap());
    assert_eq!(said, end, "at rest {key} says another end");
    let count = |field: &str| status["grants"][field].as_u64().unwrap_or_default();
    let [effective, withheld, rejected] = ["effective", "withheld", "rejected"].map(count);
    let listed = status["withheld"].as_array().map_or(0, Vec::len) as u64;
    assert_eq!(listed, withheld + rejected, "at rest {key} says {status}");
    let summary = format!("{effective}/{}", effective + withheld + rejected);
    assert_eq!(status["grants"]["summary"], summary, "at rest {key} says {status}");
}

/// The counts of a partner's guests follow the statuses of its memberships.
fn partner_counts_are_right(key: &ObjectRef, partner: &Value, view: View<'_>) {
    if is_unreadable(partner) || is_deleted(partner) || partner["status"]["guests"].is_null() {
        return;
    }
    let members = view.objects.iter().filter(|(other, object)| {
        let of = &object["spec"]["partnerRef"]["name"];
        other.kind == Kind::Membership && other.namespace == key.namespace && *of == *key.name && !is_unreadable(object)
    });
    let states: Vec<&str> = members.filter_map(|(_, object)| object["status"]["state"].as_str()).collect();
    for (field, state) in
        [("active", "Active"), ("invited", "Invited"), ("joined", "Joined"), ("suspended", "Suspended")]
    {
        let expected = states.iter().filter(|said| **said == state).count() as u64;
        let said = partner["status"]["guests"][field].as_u64().unwrap_or_default();
        assert_eq!(said, expected, "at rest {key} counts {field}: {states:?}");
    }
}

/// A due record is purged, within the rate limit.
fn records_are_purged(sim: &Sim, view: View<'_>) {
    let (after, percent) = view.pace();
    let hour = SignedDuration::from_mins(62);
    let lately = sim.watch.as_ref().unwrap().purged.iter().filter(|at| **at > sim.now - hour).count();
    let marked = view.guests.iter().filter(|guest| guest.mark.is_some()).count();
    if lately >= ((marked + lately) * percent).div_ceil(100) {
        return;
    }
    for record in view.guests {
        let due = record.deactivated_at.is_some_and(|since| since + after + SignedDuration::from_mins(1) < sim.now);
        let mark = record.mark.as_ref().unwrap();
        let paused = [
            ObjectRef::new(Kind::Membership, &*mark.namespace, &*mark.name),
            ObjectRef::new(Kind::Partner, &*mark.namespace, &*record.partner_name),
        ]
        .iter()
        .any(|key| view.objects.get(key).is_some_and(|object| reference::is_paused(object)));
        let stays = paused || record.login == Login::DisabledByOther;
        assert!(!due || stays, "at rest {} was to be purged, and {lately} of {marked} were", record.address);
    }
}

fn record_is_right(sim: &Sim, view: View<'_>, guest: &GuestRecord) {
    let mark = guest.mark.as_ref().unwrap();
    let key = ObjectRef::new(Kind::Membership, &*mark.namespace, &*mark.name);
    let made = reference::is_created(guest);
    assert!(
        made || guest.login != Login::DisabledByGuestlist,
        "at rest {} was adopted and may not sign in",
        guest.address
    );
    if view.orphans().any(|orphan| orphan.id == guest.id) {
        return;
    }
    let member = sim.server.object(&key);
    let member = member.unwrap_or_else(|| panic!("at rest {} is live and has no membership", guest.address));
    if view.is_paused(&key) || is_unreadable(member) {
        return;
    }
    let Some(partner) = view.partner_of(&key) else { return };
    assert_eq!(member["metadata"]["uid"], *mark.uid, "at rest the mark of {key} names another object");
    let ended = View::end_of_member(member, partner, guest).is_some_and(|end| end <= sim.now);
    let off = member["spec"]["suspended"] == true || partner["spec"]["suspended"] == true || ended;
    assert!(!(off && made && guest.login == Login::Enabled), "at rest {key} is suspended or expired and may sign in");
    if view.member_in_order(&key).is_some() {
        assert_ne!(guest.login, Login::DisabledByGuestlist, "at rest {key} is in order and may not sign in");
        let admin = guest.role == GuestRole::GuestAdmin;
        assert_eq!(admin, member["spec"]["role"] == "GuestAdmin", "at rest {key} has the other role");
        let name = member["spec"]["displayName"].as_str().unwrap_or(guest.address.as_str());
        assert_eq!(guest.display_name, name, "at rest {key} has another name");
        assert_eq!(Some(&guest.allowed), view.allowed_of(&key).as_ref(), "at rest {key} has other methods");
        let reset = member.pointer("/metadata/annotations/guestlist.dev~1reset-mfa");
        let reset: Option<Timestamp> = reset.map(|time| time.as_str().unwrap().parse().unwrap());
        if let (Some(reset), MfaRecord::Known(methods)) = (reset.filter(|at| *at <= sim.now), &guest.mfa) {
            let older = methods.iter().find(|(_, since)| **since < reset);
            assert!(older.is_none() || !made, "at rest {key} has {older:?}, and MFA was reset at {reset}");
        }
    }
}

/// Another reconcile and a restart write nothing.
pub fn is_at_rest(sim: &mut Sim) {
    if sim.server.objects().values().any(|object| is_unreadable(object)) {
        // The status of an unreadable object cannot be compared: it is written again, without a change.
        let (version, memory) = (sim.server.version, sim.memory());
        sim.restart();
        sim.settle();
        assert_eq!(sim.server.version, version, "after a restart");
        sim.remembers(&memory, "a restart");
    } else {
        walk::is_at_rest(sim);
    }
}
