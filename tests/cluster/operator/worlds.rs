//! Random environments on a real API server: the operator as a process, and people who edit at any moment. After
//! convergence every guest has exactly the access that the rules grant.

use std::collections::BTreeMap;
use std::sync::Arc;

use guestlist::cache::{Kind, ObjectRef};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::dice::Dice;
use crate::support::harness::Stage;
use crate::support::operator::eventually;
use crate::support::worlds::generate;
use crate::support::worlds::reference::{self, View};
use crate::support::worlds::{Edit, Objects, REAL};

const SEEDS: [u64; 2] = [1, 2];
const EDITS: usize = 12;

const KINDS: [(Kind, &str); 3] =
    [(Kind::Partner, "localpartners"), (Kind::Membership, "guestmemberships"), (Kind::Share, "accountshares")];

/// An environment and the policy in force.
struct World {
    stage: Stage,
    policy: Value,
}

impl World {
    fn begin(dice: &mut Dice) -> Self {
        let mut stage = Stage::prepare();
        stage.plane.kubectl(&["create", "namespace", "team-a"]).ok();
        let users: Vec<_> = generate::users(dice).iter().map(|user| json!({"email": user, "name": "Host"})).collect();
        let account = |name: &&str| json!({"name": name, "owners": generate::owners()});
        let accounts: Vec<_> = generate::ACCOUNTS.iter().map(account).collect();
        stage.operator.import(&json!({"users": users, "accounts": accounts}).to_string());
        let policy = generate::policy(dice, REAL);
        stage.operator.policy(&policy.to_string());
        stage.operator.start();
        Self { stage, policy }
    }

    fn objects(&self) -> Objects {
        let mut objects = Objects::new();
        for (kind, plural) in KINDS {
            let list = self.stage.plane.read(&format!("/apis/guestlist.dev/v1alpha1/{plural}")).unwrap_or_default();
            for object in list["items"].as_array().into_iter().flatten() {
                let text = |name: &str| object["metadata"][name].as_str().unwrap();
                objects.insert(ObjectRef::new(kind, text("namespace"), text("name")), Arc::new(object.clone()));
            }
        }
        objects
    }

    /// Creates objects. The API server refuses those that break a rule of the schema.
    fn create(&self, edits: Vec<Edit>) {
        let item = |edit| match edit {
            Edit::Create(key, spec) => json!({
                "apiVersion": "guestlist.dev/v1alpha1", "kind": key.kind.as_str(),
                "metadata": {"namespace": &*key.namespace, "name": &*key.name}, "spec": spec,
            }),
            other => panic!("{other:?} creates nothing"),
        };
        let items: Vec<Value> = edits.into_iter().map(item).collect();
        let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
        self.stage.plane.kubectl_with(&["create", "-f", "-"], &list.to_string());
    }

    fn patch(&self, key: &ObjectRef, patch: &Value) {
        let (_, plural) = KINDS.iter().find(|(kind, _)| *kind == key.kind).unwrap();
        let object = format!("{plural}/{}", key.name);
        let arguments = ["-n", &*key.namespace, "patch", &object, "--type=merge", "-p", &patch.to_string()];
        self.stage.plane.kubectl(&arguments);
    }

    fn delete(&self, key: &ObjectRef) {
        let (_, plural) = KINDS.iter().find(|(kind, _)| *kind == key.kind).unwrap();
        let object = format!("{plural}/{}", key.name);
        self.stage.plane.kubectl(&["-n", &*key.namespace, "delete", &object, "--wait=false", "--ignore-not-found"]);
    }

    /// Applies an edit. The API server and the directory refuse impossible ones.
    fn happen(&mut self, edit: Edit) {
        let directory = |arguments: &[&str]| drop(self.stage.operator.directory(arguments));
        match edit {
            Edit::Create(..) => self.create(vec![edit]),
            Edit::Spec(key, patch) => self.patch(&key, &json!({"spec": patch})),
            Edit::Annotate(key, name, value) => self.patch(&key, &json!({"metadata": {"annotations": {name: value}}})),
            Edit::Delete(key) => self.delete(&key),
            Edit::Vanish(key) => {
                self.patch(&key, &json!({"metadata": {"finalizers": null}}));
                self.delete(&key);
            }
            Edit::Accept(address) => directory(&["accept", &address]),
            Edit::Enrol(address, method) => directory(&["enroll-mfa", &address, "--method", method.as_str()]),
            Edit::LoseMfa(address) => directory(&["reset-mfa", &address]),
            Edit::SetOwners(account, owners) => {
                let owners = owners.iter().map(String::as_str);
                directory(&["set-owner", &account].into_iter().chain(owners).collect::<Vec<_>>());
            }
            Edit::SetDeleted(account, true) => directory(&["delete-account", &account]),
            Edit::SetDeleted(account, false) => directory(&["restore-account", &account]),
            Edit::Policy(policy) => {
                self.stage.operator.policy(&policy.to_string());
                self.policy = policy;
            }
            Edit::Restart => {
                self.stage.operator.kill();
                self.stage.operator.start();
            }
            other => panic!("the description has no {other:?} for real parts"),
        }
    }

    /// `Err`: the difference from the rules.
    fn is_right(&self) -> Result<(), String> {
        let (objects, all) = (self.objects(), self.stage.operator.everything());
        let view = View::of(&objects, &self.policy, &all, Timestamp::now());
        let (rights, held) = (view.rights(), reference::held(&all.guests));
        let excess: BTreeMap<_, _> = held
            .iter()
            .filter(|(place, held)| {
                !rights.get(*place).is_some_and(|right| right.covers(held)) && !view.keeps(place, held)
            })
            .collect();
        let lacking: BTreeMap<_, _> = rights.iter().filter(|(place, right)| held.get(*place) != Some(*right)).collect();
        let orphans: Vec<_> = view.orphans().filter(|orphan| !orphan.grants.is_empty()).map(|it| &it.address).collect();
        let orphans = if view.too_many_orphans() { Vec::new() } else { orphans };
        let wrong_state = |(key, object): &(&ObjectRef, &Arc<Value>)| {
            key.kind == Kind::Membership
                && !view.is_paused(key)
                && !reference::is_deleted(object)
                && (object["status"]["observedGeneration"] != object["metadata"]["generation"]
                    || (object["status"]["state"] == "Active") != view.is_active(key))
        };
        let states: Vec<_> =
            objects.iter().filter(wrong_state).map(|(key, it)| (key, &it["status"]["state"])).collect();
        if excess.is_empty() && lacking.is_empty() && orphans.is_empty() && states.is_empty() {
            return Ok(());
        }
        Err(format!(
            "exceeds: {excess:#?}\nlacks: {lacking:#?}\nhas: {held:#?}\norphans: {orphans:?}\nstates: {states:?}"
        ))
    }

    #[track_caller]
    fn is_right_at_rest(&self, place: &str) {
        eventually(&format!("{place}: every guest has what the rules give"), || {
            self.is_right().map_err(|wrong| format!("{wrong}\n{}", self.stage.operator.log()))
        });
    }
}

#[test]
fn random_worlds_end_as_the_rules_say() {
    for seed in SEEDS {
        let mut dice = Dice(seed);
        let mut world = World::begin(&mut dice);
        world.create(generate::objects(&mut dice, Timestamp::now()));
        world.is_right_at_rest(&format!("seed {seed}, in the beginning"));
        for edit in generate::joining(&mut dice) {
            world.happen(edit);
        }
        world.is_right_at_rest(&format!("seed {seed}, after the guests joined"));
        assert!(!world.stage.operator.everything().guests.is_empty(), "seed {seed}: a world without guests");
        for round in 0..3 {
            let mut edits = Vec::new();
            while edits.len() < EDITS / 3 {
                let objects = world.objects();
                let next = generate::edits(&mut dice, REAL, &objects, &[], Timestamp::now());
                for edit in &next {
                    world.happen(edit.clone());
                }
                edits.extend(next);
            }
            world.is_right_at_rest(&format!("seed {seed}, round {round}, after {edits:#?}"));
        }
        world.stage.rests(2);
        world.is_right_at_rest(&format!("seed {seed}, at rest"));
    }
}
