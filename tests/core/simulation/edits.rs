//! Plays the edits of people, guests and administrators in the simulation.

use futures::executor::block_on;
use guestlist::cache::{Kind, ObjectRef};
use guestlist::directory::sqlite::Store;
use guestlist::directory::{Changed, DirectoryWriter, Epoch, Import, Operation, UserRecord};
use guestlist::engine::Input;
use guestlist::workspace_policy::WorkspacePolicy;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::driver::{Sim, email};
use super::server::PatchTarget;
use crate::support::worlds::Edit;

fn play(sim: &mut Sim, changed: Changed, act: impl FnOnce(&mut Store, Timestamp) -> bool) {
    let now = sim.now;
    if act(&mut sim.directory.0.lock().unwrap(), now) {
        sim.is_changed(changed);
    }
}

fn vanish(sim: &mut Sim, key: &ObjectRef) {
    let none = json!({"metadata": {"finalizers": null}});
    sim.server.patch(key, PatchTarget::Object, &none, sim.now).unwrap();
    if sim.server.object(key).is_some() {
        sim.server.delete(key, None, sim.now).unwrap();
    }
}

fn is_possible(sim: &Sim, edit: &Edit) -> bool {
    match edit {
        Edit::Create(key, _) => sim.server.object(key).is_none(),
        Edit::Spec(key, _)
        | Edit::Annotate(key, ..)
        | Edit::Delete(key)
        | Edit::Vanish(key)
        | Edit::Relist(Some(key)) => sim.server.object(key).is_some(),
        _ => true,
    }
}

/// Applies an edit. Skips an impossible one, such as an acceptance without an invitation.
pub fn happen(sim: &mut Sim, edit: Edit) {
    if !is_possible(sim, &edit) {
        return;
    }
    match edit {
        Edit::Create(key, spec) => sim.server.create(&key, spec, sim.now),
        Edit::Spec(key, patch) => sim.server.edit(&key, patch),
        Edit::Annotate(key, name, value) => {
            let patch = json!({"metadata": {"annotations": {name: value}}});
            sim.server.patch(&key, PatchTarget::Object, &patch, sim.now).unwrap();
        }
        Edit::Delete(key) => {
            sim.server.delete(&key, None, sim.now).unwrap();
        }
        Edit::Vanish(key) => vanish(sim, &key),
        Edit::Accept(address) => {
            let address = email(&address);
            play(sim, Changed::Guest(address.clone()), |store, now| store.accept(&address, now).unwrap_or(false));
        }
        Edit::Enrol(address, method) => {
            let address = email(&address);
            let changed = Changed::Guest(address.clone());
            play(sim, changed, |store, now| store.enroll_mfa(&address, method, now).unwrap_or(false));
        }
        Edit::LoseMfa(address) => {
            let address = email(&address);
            play(sim, Changed::Guest(address.clone()), |store, now| store.reset_mfa(&address, now).unwrap_or(false));
        }
        Edit::TellMfa(address, can_tell) => {
            let address = email(&address);
            if can_tell == sim.unknown_mfa.contains_key(&address) {
                if can_tell {
                    sim.unknown_mfa.remove(&address);
                } else {
                    sim.unknown_mfa.insert(address.clone(), sim.now);
                }
                if let Some(watch) = &mut sim.watch {
                    watch.note_told(address.clone());
                }
                sim.is_changed(Changed::Guest(address));
            }
        }
        Edit::SetLogin(address, on) => {
            let address = email(&address);
            is_corrected(sim);
            play(sim, Changed::Guest(address.clone()), |store, _| store.set_login(&address, on).unwrap_or(false));
        }
        Edit::Tamper(operation) => tamper(sim, &operation),
        Edit::SetUser(address, enabled) => set_user(sim, &address, enabled),
        Edit::SetOwners(account, owners) => {
            let owners = owners.iter().map(|owner| email(owner)).collect();
            let changed = Changed::Account(account.clone());
            play(sim, changed, |store, _| store.set_owner(&account, &owners).unwrap_or(false));
        }
        Edit::SetDeleted(account, deleted) => {
            let changed = Changed::Account(account.clone());
            play(sim, changed, |store, _| store.set_deleted(&account, deleted).unwrap_or(false));
        }
        Edit::Policy(policy) => {
            sim.policy = policy.to_string();
            note(sim, Some(&policy));
            let workspace = WorkspacePolicy::parse(&sim.policy).unwrap();
            sim.engine.handle(Input::Policy(Ok(Box::new(workspace))), sim.now);
        }
        Edit::Restart => sim.restart(),
        Edit::Handover(unaware) => sim.hand_over(unaware),
        Edit::Relist(gone) => {
            if let Some(key) = gone {
                vanish(sim, &key);
            }
            sim.lose_events();
            for kind in Kind::ALL {
                sim.list_at(kind, sim.server.version);
            }
        }
        Edit::Wait(time) => {
            sim.settle();
            sim.now += time;
        }
    }
    note(sim, None);
}

/// Records the outside facts. `policy`: the new policy, if it changes.
fn note(sim: &mut Sim, policy: Option<&Value>) {
    let all = sim.everything();
    if let Some(watch) = &mut sim.watch {
        let policy = policy.unwrap_or_else(|| watch.policy()).clone();
        watch.note(&all, &policy);
    }
}

/// The operator may correct an administrator's change.
fn is_corrected(sim: &mut Sim) {
    if let Some(watch) = &mut sim.watch {
        watch.login_was_switched = true;
    }
}

/// An administrator changes a record, as far as the directory accepts it.
fn tamper(sim: &mut Sim, operation: &Operation) {
    let all = sim.everything();
    let Some(record) = all.guests.iter().find(|guest| Some(&guest.id) == operation.guest()) else { return };
    is_corrected(sim);
    if block_on(sim.directory.execute(operation, None, sim.now, Epoch(i64::MAX))).is_ok() {
        sim.is_changed(Changed::Guest(record.address.clone()));
    }
}

fn set_user(sim: &mut Sim, address: &str, enabled: bool) {
    let address = email(address);
    let user = UserRecord { email: address.clone(), name: "Host".to_owned(), enabled, verified: true };
    let import = Import { users: vec![user], accounts: Vec::new() };
    play(sim, Changed::User(address.clone()), |store, _| store.import(&import).is_ok());
    sim.is_changed(Changed::Guest(address));
}
