//! The edits that each object gets at the end of a world, so that each world covers all of them.

use guestlist::cache::{Kind, ObjectRef};
use guestlist::domain::MfaMethod;
use jiff::SignedDuration;
use serde_json::json;

use super::super::driver::Sim;
use super::super::edits::happen;
use super::rest::is_right_at_rest;
use crate::support::worlds::{Edit, PAUSED, RESET_MFA, specs};

fn address_of(key: &ObjectRef, sim: &Sim) -> Option<String> {
    sim.server.object(key)?["spec"]["email"].as_str().map(str::to_owned)
}

fn spec(key: &ObjectRef, patch: serde_json::Value) -> Vec<Edit> {
    vec![Edit::Spec(key.clone(), patch)]
}

const SCENES: [fn(&ObjectRef, &Sim) -> Vec<Edit>; 17] = [
    |key, _| {
        let plain = json!({"suspended": null, "expiresAt": null, "mfa": null});
        vec![Edit::Spec(key.clone(), plain), Edit::Annotate(key.clone(), PAUSED, None)]
    },
    |key, sim| match address_of(key, sim) {
        Some(address) => {
            let enrol = MfaMethod::ALL.iter().map(|method| Edit::Enrol(address.clone(), *method));
            let tells = [Edit::TellMfa(address.clone(), true), Edit::Accept(address.clone())];
            tells.into_iter().chain(enrol).collect()
        }
        None => Vec::new(),
    },
    // Overrides of two guests are pinned to another address.
    |key, _| match key.kind {
        Kind::Share => {
            let misfit = |name| specs::pinned(specs::override_of(name, true), "other@acme.example");
            spec(key, json!({"roleOverrides": [misfit("ada"), misfit("ben")]}))
        }
        Kind::Partner | Kind::Membership => Vec::new(),
    },
    |key, _| match key.kind {
        Kind::Share => {
            let plain = [specs::guest_admin_role(true), specs::overrides(None)];
            spec(key, specs::with(specs::methods(Some(&["TOTP"])), plain))
        }
        Kind::Partner | Kind::Membership => Vec::new(),
    },
    |key, sim| match key.kind {
        Kind::Share => spec(key, specs::expires_at(Some(sim.now + SignedDuration::from_mins(90)))),
        Kind::Partner | Kind::Membership => Vec::new(),
    },
    |key, sim| match key.kind {
        Kind::Membership => spec(key, specs::role(sim.server.object(key).unwrap()["spec"]["role"] != "GuestAdmin")),
        // Another process becomes the leader, and the former one does not know it.
        Kind::Share => vec![Edit::Handover(true)],
        Kind::Partner => Vec::new(),
    },
    |key, sim| match key.kind {
        Kind::Membership if &*key.name < "cleo" => {
            vec![Edit::Annotate(key.clone(), RESET_MFA, Some(sim.now.to_string()))]
        }
        Kind::Partner | Kind::Membership | Kind::Share => Vec::new(),
    },
    |key, _| match key.kind {
        Kind::Membership if &*key.name > "dora" => spec(key, specs::suspended(true)),
        Kind::Partner | Kind::Membership | Kind::Share => Vec::new(),
    },
    // Every membership is reconciled again while the shares have less than an hour left.
    |key, _| match key.kind {
        Kind::Membership => spec(key, json!({"displayName": "Last Example"})),
        Kind::Partner | Kind::Share => Vec::new(),
    },
    // All guests are in order again, as after the first scene.
    |key, _| spec(key, json!({"suspended": null, "expiresAt": null})),
    // The directory cannot tell MFA, and a share grants less.
    |key, sim| match (key.kind, address_of(key, sim)) {
        (Kind::Membership, Some(address)) if &*key.name < "dora" => vec![Edit::TellMfa(address, false)],
        (Kind::Share, _) => spec(key, specs::guest_admin_role(false)),
        _ => Vec::new(),
    },
    // Partners and some shares are paused, and would otherwise grant more.
    |key, sim| match (key.kind, address_of(key, sim)) {
        (Kind::Membership, Some(address)) => {
            let enrol = MfaMethod::ALL.iter().map(|method| Edit::Enrol(address.clone(), *method));
            [Edit::TellMfa(address.clone(), true)].into_iter().chain(enrol).collect()
        }
        (Kind::Share, _) if &*key.name == "two" => vec![pause(key, true), role_of_admins(key)],
        (Kind::Share, _) => vec![role_of_admins(key)],
        (Kind::Partner, _) if &*key.namespace == "team-a" => vec![pause(key, true)],
        _ => Vec::new(),
    },
    // Partners have no capacity for more guests, and more are declared.
    |key, sim| match key.kind {
        Kind::Partner => {
            let most = spec(key, json!({"guests": {"maxGuests": live_guests(key, sim).max(1)}, "suspended": null}));
            [vec![pause(key, false)], most, newcomers(key, sim)].concat()
        }
        Kind::Share => vec![pause(key, false)],
        Kind::Membership => spec(key, specs::role(&*key.name == "ada")),
    },
    // Few memberships vanish, and a share whose deletion the watches do not report.
    |key, _| match key.kind {
        Kind::Membership if &*key.name == "emil" => vec![Edit::Vanish(key.clone())],
        Kind::Share if &*key.name == "one" && &*key.namespace == "team-a" => vec![Edit::Relist(Some(key.clone()))],
        Kind::Partner | Kind::Membership | Kind::Share => Vec::new(),
    },
    // Many memberships vanish.
    |key, _| match key.kind {
        Kind::Membership if &*key.namespace == "partners" && &*key.name > "ada" => vec![Edit::Vanish(key.clone())],
        Kind::Partner | Kind::Membership | Kind::Share => Vec::new(),
    },
    // Partners end, and their shares and memberships do not.
    |key, sim| match key.kind {
        Kind::Partner => spec(key, specs::expires_at(Some(sim.now + SignedDuration::from_mins(20)))),
        Kind::Share => spec(key, specs::expires_at(None)),
        Kind::Membership => Vec::new(),
    },
    |key, _| match key.kind {
        Kind::Membership if &*key.name < "dora" => vec![Edit::Delete(key.clone())],
        Kind::Partner | Kind::Membership | Kind::Share => Vec::new(),
    },
];

fn pause(key: &ObjectRef, on: bool) -> Edit {
    Edit::Annotate(key.clone(), PAUSED, on.then(|| "true".to_owned()))
}

fn role_of_admins(key: &ObjectRef) -> Edit {
    Edit::Spec(key.clone(), specs::guest_admin_role(true))
}

fn live_guests(partner: &ObjectRef, sim: &Sim) -> usize {
    let all = sim.everything();
    let theirs = all.guests.iter().filter(|guest| {
        guest.is_live()
            && guest.partner_name == *partner.name
            && guest.mark.as_ref().is_some_and(|mark| *mark.namespace == *partner.namespace)
    });
    theirs.count()
}

/// New memberships of a partner, under free names.
fn newcomers(partner: &ObjectRef, sim: &Sim) -> Vec<Edit> {
    let names = ["gus", "hal"].map(|name| format!("{name}-{}", partner.name));
    let keys = names.map(|name| ObjectRef::new(Kind::Membership, &*partner.namespace, &*name));
    let host = sim.server.object(partner).unwrap()["spec"]["hostAdmins"][0].as_str().unwrap().to_owned();
    let create = |key: ObjectRef| {
        let address = format!("{}@{}.example", key.name, if &*key.namespace == "partners" { "acme" } else { "brio" });
        let spec = specs::membership(&partner.name, &address, false, &host);
        Edit::Create(key, spec)
    };
    keys.into_iter().map(create).collect()
}

/// Plays all of them.
pub fn play(sim: &mut Sim) {
    for scene in SCENES {
        for key in sim.server.objects().keys().cloned().collect::<Vec<_>>() {
            for edit in scene(&key, sim) {
                happen(sim, edit);
            }
        }
        sim.settle();
        is_right_at_rest(sim);
        sim.now += SignedDuration::from_mins(14);
        sim.settle();
        is_right_at_rest(sim);
    }
}
