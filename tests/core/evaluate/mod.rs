//! The decisions about one object that depend on other objects and on the directory, as tables: the violations, the wait,
//! the steps and the status of the object.

mod admission;
mod inviter;
mod member_checks;
mod member_status;
mod member_steps;
mod share;

use guestlist::api;
use guestlist::cache::{Kind, Object, ObjectRef};
use guestlist::directory::GuestRecord;
use guestlist::plan::Inputs;
use guestlist::plan::evaluate::evaluate;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

use crate::support::in_memory::{SPACE, World, email};

fn key(kind: Kind, name: &str) -> ObjectRef {
    ObjectRef::new(kind, SPACE, name)
}

/// The violations of an object, and the reason for which it waits: `HostDomain spec.email`, `waits: InviterNotActive`.
fn verdict(inputs: Inputs<'_>, kind: Kind, name: &str) -> Vec<String> {
    let evaluation = evaluate(inputs, &key(kind, name)).unwrap();
    let violations = evaluation.violations.iter().map(|violation| format!("{} {}", violation.reason, violation.path));
    violations.chain(evaluation.wait.map(|wait| format!("waits: {wait}"))).collect()
}

/// The planned steps of an object with their reasons: `Suspended: revoke instagram`.
fn steps(world: &World, kind: Kind, name: &str) -> Vec<String> {
    let steps = world.plan(&key(kind, name)).steps;
    steps.iter().map(|step| format!("{}: {}", step.reason, step.operation.describe())).collect()
}

fn member_steps(world: &World, name: &str) -> Vec<String> {
    steps(world, Kind::Membership, name)
}

/// Changes the record of a membership's guest, as another party would.
fn change_record(world: &mut World, name: &str, change: impl FnOnce(&mut GuestRecord)) {
    let mut record = world.record(name).unwrap();
    change(&mut record);
    world.directory_cache.set_guest(&record.address.clone(), Some(record));
}

fn change_metadata(world: &mut World, kind: Kind, name: &str, change: impl FnOnce(&mut ObjectMeta)) {
    let key = key(kind, name);
    let mut object = world.objects.remove(&key).unwrap();
    world.index.delete(&key, object.metadata().uid.as_deref().unwrap());
    match &mut object {
        Object::Partner(object) => change(&mut object.metadata),
        Object::Membership(object) => change(&mut object.metadata),
        Object::Share(object) => change(&mut object.metadata),
        Object::Unreadable { metadata, .. } => change(metadata),
    }
    world.index.apply(object.clone());
    world.objects.insert(key, object);
}

/// The object is being deleted, and a finalizer keeps it.
fn terminate(world: &mut World, kind: Kind, name: &str) {
    let now = world.now;
    change_metadata(world, kind, name, |metadata| {
        metadata.finalizers = Some(vec![api::FINALIZER.to_owned()]);
        metadata.deletion_timestamp = Some(Time(now));
    });
}

fn accept(world: &mut World, name: &str) {
    world.play(|store, now| store.accept(&email(&format!("{name}@acme.example")), now));
}
