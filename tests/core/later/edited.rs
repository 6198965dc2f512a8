//! An edit of one field: each operation of its plan has an effect, no part is changed twice, and a second run plans nothing.

use std::collections::{BTreeMap, BTreeSet};

use guestlist::api::{AccountShare, GuestMembership, LocalPartner};
use guestlist::directory::{AccountRecord, GuestChange, GuestRecord, Operation, PartnerChange, Snapshot, UserRecord};
use guestlist::domain::{Email, MfaMethod};
use jiff::Timestamp;
use kube::CustomResourceExt;
use serde_json::{Value, json};

use super::environment::{Environment, email, object};
use super::generate::{Dice, HOSTS, NAMES};

const PAST: &str = "2020-01-01T00:00:00Z";
const FUTURE: [&str; 2] = ["2027-06-30T00:00:00Z", "2027-09-30T00:00:00Z"];

/// The fields of a kind's spec and their new values. `null`: the field is removed.
fn edits(kind: &str) -> Vec<(&'static str, Vec<Value>)> {
    let ends = || vec![Value::Null, json!(PAST), json!(FUTURE[0]), json!(FUTURE[1])];
    let methods = || vec![Value::Null, json!(["TOTP"]), json!(["WebAuthn"]), json!(["TOTP", "WebAuthn"])];
    let switch = || vec![Value::Null, json!(true), json!(false)];
    let name = || vec![Value::Null, json!("One"), json!("Other")];
    let required = ("mfa.required", vec![Value::Null, json!(true), json!(false)]);
    match kind {
        "LocalPartner" => vec![
            ("adoption", vec![Value::Null, json!("Unmarked")]),
            ("deletion", vec![Value::Null, json!("Cascade")]),
            ("displayName", name()),
            ("expiresAt", ends()),
            ("guests.allowedDomains", vec![Value::Null, json!(["acme.example"]), json!(["other.example"])]),
            ("guests.deniedDomains", vec![Value::Null, json!(["acme.example"]), json!(["other.example"])]),
            ("guests.maxDuration", vec![Value::Null, json!("720h"), json!("1440h")]),
            ("guests.maxGuests", vec![Value::Null, json!(1), json!(3), json!(9)]),
            ("hostAdmins", vec![json!(["alice@host.example"]), json!(["dan@host.example", "alice@host.example"])]),
            ("invitations.expireAfter", vec![Value::Null, json!("1h"), json!("100h")]),
            ("mfa.enrolWithin", vec![Value::Null, json!("1h"), json!("100h")]),
            ("mfa.methods", methods()),
            required,
            ("suspended", switch()),
        ],
        "GuestMembership" => vec![
            ("displayName", name()),
            ("email", vec![json!("ada@acme.example"), json!("ADA@acme.example"), json!("new@acme.example")]),
            ("expiresAt", ends()),
            ("invitedBy", vec![json!("alice@host.example"), json!("ada@acme.example"), json!("zed@acme.example")]),
            ("mfa.methods", methods()),
            required,
            ("partnerRef.name", vec![json!("acme"), json!("other")]),
            ("role", vec![Value::Null, json!("GuestAdmin"), json!("GuestUser")]),
            ("suspended", switch()),
        ],
        "AccountShare" => vec![
            ("account", vec![json!("instagram"), json!("tiktok")]),
            ("exclude", vec![Value::Null, json!([{"name": "ada"}]), json!([{"name": "cleo"}, {"name": "emil"}])]),
            ("expiresAt", ends()),
            ("guestAdminRole", vec![Value::Null, json!("Manager"), json!("Collaborator")]),
            (
                "guestUsers",
                vec![
                    Value::Null,
                    json!([{"name": "cleo", "propagatedBy": "ada"}]),
                    json!([{"name": "cleo", "propagatedBy": "ben"}, {"name": "dora", "propagatedBy": "ada"}]),
                ],
            ),
            ("mfa.methods", methods()),
            required,
            ("partnerRef.name", vec![json!("acme"), json!("other")]),
            (
                "roleOverrides",
                vec![
                    Value::Null,
                    json!([{"name": "ada", "role": "Collaborator"}]),
                    json!([{"name": "ben", "role": "Manager"}]),
                ],
            ),
            ("sharedBy", vec![json!("alice@host.example"), json!("dan@host.example")]),
            ("suspended", switch()),
        ],
        other => panic!("{other}"),
    }
}

fn set(spec: &mut Value, path: &str, value: Value) {
    match path.split_once('.') {
        Some((parent, rest)) => {
            if spec[parent].is_null() {
                spec[parent] = json!({});
            }
            set(&mut spec[parent], rest, value);
        }
        None if value.is_null() => {
            spec.as_object_mut().unwrap().remove(path);
        }
        None => spec[path] = value,
    }
}

/// The fields of a schema, as paths. A list is one field.
fn fields(schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    match schema["properties"].as_object() {
        Some(properties) => {
            for (name, below) in properties {
                let dot = if path.is_empty() { "" } else { "." };
                fields(below, &format!("{path}{dot}{name}"), found);
            }
        }
        None => {
            found.insert(path.to_owned());
        }
    }
}

#[test]
fn each_field_of_each_spec_is_edited() {
    for crd in [LocalPartner::crd(), GuestMembership::crd(), AccountShare::crd()] {
        let mut found = BTreeSet::new();
        let kind = crd.spec.names.kind.clone();
        let schema = serde_json::to_value(&crd.spec.versions[0].schema).unwrap();
        fields(&schema["openAPIV3Schema"]["properties"]["spec"], "", &mut found);
        let edited: BTreeSet<String> = edits(&kind).into_iter().map(|(path, _)| path.to_owned()).collect();
        assert_eq!(edited, found, "{kind}");
    }
}

/// A part of a record that operations write: the record, and the part.
type Part = (String, String);

/// The parts that an operation writes.
fn writes(operation: &Operation) -> Vec<Part> {
    let parts: Vec<String> = match operation {
        Operation::Guest { change: GuestChange::Revoke { accounts }, .. } => accounts.clone(),
        Operation::Guest { change: GuestChange::Reduce { grants } | GuestChange::Grant { grants }, .. } => {
            grants.iter().map(|grant| grant.account.clone()).collect()
        }
        Operation::Guest { change: GuestChange::Demote | GuestChange::Promote, .. } => vec![":role".to_owned()],
        Operation::Guest { change: GuestChange::DisableLogin | GuestChange::EnableLogin, .. } => {
            vec![":login".to_owned()]
        }
        Operation::Guest { change: GuestChange::RevokeInvitation | GuestChange::ResendInvitation { .. }, .. } => {
            vec![":invitation".to_owned()]
        }
        Operation::Guest { change: GuestChange::Update { .. }, .. } => vec![":description".to_owned()],
        Operation::Guest { change: GuestChange::ResetMfa { .. }, .. } => vec![":mfa".to_owned()],
        Operation::Partner { id: partner, change: PartnerChange::Apply { .. } } => {
            return vec![(partner.0.clone(), ":partner".to_owned())];
        }
        Operation::Guest { change: GuestChange::Invite(_), .. } => vec![":record".to_owned()],
        other => panic!("an edit does not end anything: {other:?}"),
    };
    let guest = operation.guest().map(|guest| guest.0.clone()).unwrap();
    parts.into_iter().map(|part| (guest.clone(), part)).collect()
}

fn guest_part(all: &Snapshot, guest: &GuestRecord, part: &str, now: Timestamp) -> String {
    match part {
        ":role" => format!("{:?}", guest.role),
        ":login" => format!("{:?}", guest.login),
        ":invitation" => format!("{:?}", guest.invitation),
        ":mfa" => format!("{:?}", guest.mfa),
        ":record" => format!("{guest:?}"),
        ":description" => {
            format!("{:?}", (&guest.mark, &guest.partner, &guest.partner_name, &guest.display_name, &guest.allowed))
        }
        account => {
            let held = guest.grants.get(account).map(|held| &held.grant);
            format!("{held:?}, effective: {}", all.is_effective(guest, account, now))
        }
    }
}

/// The value of a part of a record, as far as it has an effect.
fn value(all: &Snapshot, (id, part): &Part, now: Timestamp) -> String {
    if part == ":partner" {
        let partner = all.partners.iter().find(|partner| partner.id.0 == *id);
        return format!("{:?}", partner.map(|it| (&it.mark, &it.display_name, &it.host_admins, it.suspended)));
    }
    all.guests
        .iter()
        .find(|guest| guest.id.0 == *id)
        .map_or_else(|| "none".to_owned(), |guest| guest_part(all, guest, part, now))
}

/// Operations that are needless: done twice, undone by a later one, or without any effect.
fn needless(before: &Snapshot, after: &Snapshot, done: &[Operation], now: Timestamp) -> Vec<String> {
    let mut written: BTreeMap<Part, Vec<&Operation>> = BTreeMap::new();
    for operation in done {
        for part in writes(operation) {
            written.entry(part).or_default().push(operation);
        }
    }
    let mut found = Vec::new();
    for (part, by) in written {
        let (was, is) = (value(before, &part, now), value(after, &part, now));
        if was == is {
            found.push(format!("{part:?} is {is} as before: {by:?}"));
        }
        let grant = |operation: &Operation| match operation {
            Operation::Guest { change: GuestChange::Reduce { grants } | GuestChange::Grant { grants }, .. } => {
                grants.iter().find(|grant| grant.account == part.1).cloned()
            }
            _ => None,
        };
        // A lower role with a later end is two operations: the first revokes, the second grants. So are other methods.
        let take_and_give = matches!(
            by[..],
            [
                Operation::Guest { change: GuestChange::Reduce { .. } | GuestChange::Revoke { .. }, .. },
                Operation::Guest { change: GuestChange::Grant { .. }, .. }
            ]
        );
        if by.len() > 1 && !(take_and_give && grant(by[0]) != grant(by[1])) {
            found.push(format!("{part:?} is written more than once: {by:?}"));
        }
    }
    found
}

/// A converged environment in which every membership may have accounts and most guests are Active.
fn active(dice: &mut Dice) -> Environment {
    let partner_ref = json!({"name": "acme"});
    let mut objects = vec![object("LocalPartner", "acme", json!({"hostAdmins": HOSTS}))];
    for name in NAMES {
        let role = if ["ada", "ben"].contains(&name) { "GuestAdmin" } else { "GuestUser" };
        let spec = json!({"partnerRef": partner_ref, "email": format!("{name}@acme.example"), "role": role, "invitedBy": HOSTS[0]});
        objects.push(object("GuestMembership", name, spec));
    }
    for account in ["instagram", "tiktok"] {
        let users: Vec<Value> = NAMES[2..].iter().map(|name| json!({"name": name, "propagatedBy": "ada"})).collect();
        let spec = json!({"partnerRef": partner_ref, "account": account, "sharedBy": HOSTS[0], "guestAdminRole": "Manager", "guestUsers": users});
        objects.push(object("AccountShare", account, spec));
    }
    let user = |host: &&str| UserRecord { email: email(host), name: (*host).to_owned(), enabled: true, verified: true };
    let owners: Vec<Email> = HOSTS.iter().map(|host| email(host)).collect();
    let account = |name: &&str| AccountRecord { name: (*name).to_owned(), owners: owners.clone(), deleted: false };
    let accounts = ["instagram", "tiktok"].iter().map(account).collect();
    let mut environment = Environment::new(objects, HOSTS.iter().map(user).collect(), accounts);
    environment.apply();
    for guest in environment.guests() {
        environment.accepts(&guest);
        for method in if dice.one_in(2) { MfaMethod::ALL.to_vec() } else { vec![dice.of(MfaMethod::ALL)] } {
            environment.enrols(&guest, method);
        }
    }
    environment.apply();
    environment
}

/// Applies an edit, and applies again. Adds problems of the operations, and returns whether there were operations.
fn applied(environment: &mut Environment, edit: &str, problems: &mut Vec<String>) -> bool {
    let before = environment.everything();
    let done = environment.applied();
    let found = needless(&before, &environment.everything(), &done, environment.now);
    problems.extend(found.into_iter().map(|problem| format!("{edit}: {problem}")));
    let again = environment.applied();
    if !again.is_empty() {
        problems.push(format!("{edit}: {again:?} after {done:?}"));
    }
    !done.is_empty()
}

#[test]
fn edited_field_plans_no_operation_that_is_needless() {
    let (mut changed, mut problems) = (BTreeMap::<String, usize>::new(), Vec::new());
    for seed in 1..=16 {
        let mut dice = Dice(seed);
        let mut environment = active(&mut dice);
        for _ in 0..12 {
            let kind = dice.of(&["LocalPartner", "GuestMembership", "AccountShare"]);
            let of_kind: Vec<usize> =
                (0..environment.objects.len()).filter(|one| environment.objects[*one]["kind"] == kind).collect();
            let chosen = dice.of(&of_kind);
            let old = environment.objects[chosen].clone();
            let (path, values) = dice.of(&edits(kind));
            let value = dice.of(&values);
            let edit = format!("seed {seed}: {kind} {} {path} = {value}", old["metadata"]["name"]);
            set(&mut environment.objects[chosen]["spec"], path, value);
            if applied(&mut environment, &edit, &mut problems) {
                *changed.entry(format!("{kind} {path}")).or_default() += 1;
            }
            // Most edits are reverted, so that the next edit has grants to revoke.
            if !dice.one_in(4) {
                environment.objects[chosen] = old;
                applied(&mut environment, &format!("{edit}, taken back"), &mut problems);
            }
        }
    }
    assert!(problems.is_empty(), "{} needless:\n{}", problems.len(), problems.join("\n"));
    assert!(changed.len() > 18 && changed.values().sum::<usize>() > 60, "{changed:?}");
}

#[test]
fn narrowed_methods_revoke_or_lower_each_grant_once() {
    let mut environment = super::generate::settled();
    environment.enrols(&email("carol@acme.example"), MfaMethod::WebAuthn);
    environment.apply();
    for kind in ["AccountShare", "LocalPartner"] {
        let mut edited = environment.copy();
        let object = edited.objects.iter_mut().find(|object| object["kind"] == kind).unwrap();
        set(&mut object["spec"], "mfa.methods", json!(["WebAuthn"]));
        let done = edited.applied();
        // Bob has only TOTP and loses the account; Carol has both and keeps it, for WebAuthn only.
        let bob = edited.everything().guests.into_iter().find(|guest| guest.address.as_str().starts_with("bob"));
        let expected = Operation::Guest {
            id: bob.unwrap().id,
            change: GuestChange::Revoke { accounts: vec!["instagram".to_owned()] },
        };
        assert_eq!(done.first(), Some(&expected), "{kind}: {done:?}");
        let gives =
            |operation: &Operation| matches!(operation, Operation::Guest { change: GuestChange::Grant { .. }, .. });
        let lowers = done
            .iter()
            .filter(|operation| matches!(operation, Operation::Guest { change: GuestChange::Reduce { .. }, .. }))
            .count();
        assert!(!done.iter().any(gives) && lowers == 1, "{kind}: {done:?}");
        assert_eq!(edited.held().len(), 1, "{kind}");
        // A method that is enrolled later counts by the new specs.
        edited.enrols(&email("bob@acme.example"), MfaMethod::WebAuthn);
        edited.apply();
        assert_eq!(edited.held().len(), 2, "{kind}");
    }
}
