//! Generated objects get the same verdict, for the same rules, from the API server and from `guestlist check`.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt;
use guestlist::api::{AccountShare, GuestMembership, LocalPartner};
use guestlist::cache::Object;
use guestlist::domain::{Reason, printable_json};
use guestlist::executor::object_store::Watched;
use guestlist::executor::received_object::ReceivedObject;
use guestlist::validation::entry;
use kube::Client;
use kube::api::{Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::Request;
use serde_json::{Value, json};

use super::generate::{Dice, object};
use super::plane;
use crate::support::check::run;

const SEED: u64 = 1;
const OBJECTS: usize = 1_200;

async fn client() -> Client {
    let file = Kubeconfig::read_from(plane().kubeconfig()).unwrap();
    Client::try_from(kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.unwrap()).unwrap()
}

/// A verdict on an object: the broken rules of a single object, and whether it is refused for another reason.
#[derive(Debug, Default, PartialEq)]
struct Verdict {
    rules: BTreeSet<Reason>,
    /// The object does not match the schema, which may hide rules.
    structure: bool,
    told: String,
}

impl Verdict {
    fn is_refused(&self) -> bool {
        self.structure || !self.rules.is_empty()
    }
}

/// Sends the object like `kubectl apply --server-side`: nothing is stored, and unknown fields are errors.
async fn server(client: &Client, object: &Value) -> Verdict {
    let plural = format!("{}s", object["kind"].as_str().unwrap().to_lowercase());
    let url = format!("/apis/guestlist.dev/v1alpha1/namespaces/default/{plural}");
    let name = object["metadata"]["name"].as_str().unwrap();
    let apply = Patch::Apply(object);
    let mut request = Request::new(url.clone()).patch(name, &PatchParams::apply("agree"), &apply).unwrap();
    *request.uri_mut() = format!("{url}/{name}?dryRun=All&fieldValidation=Strict&fieldManager=agree").parse().unwrap();
    match client.request::<Value>(request).await {
        Ok(stored) => {
            assert_eq!(reads(&stored), Ok(()), "{stored} was taken and cannot be read");
            Verdict::default()
        }
        Err(kube::Error::Api(status)) => {
            let told = status.message.clone();
            let is_word = |c: char| c.is_ascii_alphanumeric() || c == ':';
            let words = told.split(|c| !is_word(c)).filter_map(|word| word.strip_suffix(':'));
            let mut rules: BTreeSet<Reason> = words.filter_map(Reason::parse).collect();
            // A duplicate name in a list keyed by names: the server's own message, which has no reason of guestlist.
            rules.extend(told.contains("Duplicate value").then_some(Reason::InvalidValue));
            let structure = rules.is_empty() || told.contains("were not checked");
            Verdict { rules, structure, told }
        }
        Err(other) => panic!("{other}"),
    }
}

/// Whether the operator can read the object that the server would store.
fn reads(stored: &Value) -> Result<(), String> {
    fn read<K: Watched>(stored: &Value) -> Result<(), String> {
        let received: ReceivedObject<K> = serde_json::from_value(stored.clone()).map_err(|error| error.to_string())?;
        match received.declared() {
            Object::Unreadable { error, .. } => Err(error),
            Object::Partner(_) | Object::Membership(_) | Object::Share(_) => Ok(()),
        }
    }
    match stored["kind"].as_str().unwrap() {
        "LocalPartner" => read::<LocalPartner>(stored),
        "GuestMembership" => read::<GuestMembership>(stored),
        _ => read::<AccountShare>(stored),
    }
}

/// The verdict of `check` on each of many objects.
fn check(objects: &[Value]) -> BTreeMap<String, Verdict> {
    let directory = tempfile::tempdir().unwrap();
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": objects });
    std::fs::write(directory.path().join("all.json"), printable_json(&list.to_string())).unwrap();
    let said = run(directory.path(), &["-o", "json", "all.json"], "");
    let report: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(report["summary"]["ignored"], 0);
    let mut verdicts: BTreeMap<String, Verdict> = BTreeMap::new();
    for finding in report["findings"].as_array().unwrap().iter().filter(|finding| finding["severity"] == "error") {
        let name = finding["object"]["name"].as_str().unwrap_or_else(|| panic!("{finding:#}"));
        let verdict = verdicts.entry(name.to_owned()).or_default();
        let word = finding["reason"].as_str().unwrap();
        match Reason::parse(word) {
            Some(reason) if entry(reason).enforced_by.contains('S') => drop(verdict.rules.insert(reason)),
            Some(_) => {}
            None => verdict.structure = true,
        }
        verdict.told.push_str(&format!("{word} {}: {}\n", finding["path"], finding["message"]));
    }
    verdicts
}

#[tokio::test]
async fn generated_objects_break_same_rules_on_server_and_in_check() {
    let seed = std::env::var("GUESTLIST_SEED").map_or(SEED, |text| text.parse().unwrap());
    let mut dice = Dice(seed);
    let objects: Vec<Value> = (0..OBJECTS).map(|number| object(&mut dice, number)).collect();
    let mut checked = check(&objects);
    let client = &client().await;
    let asked = futures::stream::iter(&objects).map(|object| async move { (object, server(client, object).await) });
    let answers: Vec<(&Value, Verdict)> = asked.buffered(16).collect().await;
    let (mut refused, mut accepted, mut seen) = (0, 0, BTreeSet::new());
    let mut differ = Vec::new();
    for (object, server) in answers {
        let check = checked.remove(object["metadata"]["name"].as_str().unwrap()).unwrap_or_default();
        let same_rules = server.structure || check.structure || server.rules == check.rules;
        if server.is_refused() != check.is_refused() || !same_rules {
            differ.push(format!("{object}\nserver: {}\ncheck: {}", server.told, check.told));
        }
        if server.is_refused() {
            refused += 1;
        } else {
            accepted += 1;
        }
        seen.extend(server.rules);
    }
    assert!(differ.is_empty(), "seed {seed}: {} differ\n{}", differ.len(), differ[..differ.len().min(12)].join("\n\n"));
    assert!(refused > OBJECTS / 4 && accepted > OBJECTS / 8, "{refused} refused, {accepted} accepted");
    let alone = Reason::ALL.iter().filter(|reason| entry(**reason).enforced_by.split(' ').any(|stage| stage == "S"));
    let missing: Vec<_> = alone.filter(|reason| **reason != Reason::Immutable && !seen.contains(reason)).collect();
    assert!(missing.is_empty(), "never refused: {missing:?}");
}
