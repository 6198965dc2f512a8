//! The operator on Keycloak, with a real API server: the main tests of the embedded directory, on a realm.

use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use guestlist::directory::Error;
use guestlist::domain::{Email, MfaMethod};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::held_to_the_contract::{People, realm_on};
use crate::support::contract::Player;
use crate::support::harness::Stage;
use crate::support::keycloak::{Keycloak, SECRET, multi};
use crate::support::mail::Mail;
use crate::support::operator::{Elsewhere, Operator, eventually};

/// A realm, the player of its guests, and their mail server.
struct Realm(People, Mail);

impl Elsewhere for Realm {
    fn address(&self) -> String {
        self.0.own.address()
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        vec![("GUESTLIST_KEYCLOAK_CLIENT_SECRET", SECRET.to_owned())]
    }

    fn play(&self, args: &[&str]) -> Option<Output> {
        let (&verb, rest) = args.split_first()?;
        let email = || Email::parse(rest[0]).unwrap();
        let method = || rest.get(2).map_or(MfaMethod::TOTP, |name| MfaMethod::parse(name).unwrap());
        let now = Timestamp::now();
        let done: Result<bool, Error> = match verb {
            "accept" => multi(async { self.0.accept(&email(), now) }),
            "enroll-mfa" => multi(async { self.0.enroll(&email(), method(), now) }),
            "reset-mfa" => multi(async { self.0.reset(&email(), now) }),
            _ => return None,
        };
        let (code, said) = match done {
            Ok(_) => (0, String::new()),
            Err(fault) => (1, fault.to_string()),
        };
        Some(Output { status: ExitStatus::from_raw(code << 8), stdout: Vec::new(), stderr: said.into_bytes() })
    }

    fn written(&self) -> Vec<u8> {
        // Keycloak records each write of administrators and service accounts; the newest comes first.
        let newest = multi(self.0.admin("GET", "/admin-events?max=1", None));
        newest.to_string().into_bytes()
    }

    fn held(&self) -> String {
        // The owner and the leader of the directory are recorded in a group.
        const OTHERS: &str = "/admin-events?max=1&resourceTypes=USER&resourceTypes=ORGANIZATION\
                              &resourceTypes=ORGANIZATION_MEMBERSHIP&resourceTypes=REALM_ROLE_MAPPING";
        multi(self.0.admin("GET", OTHERS, None)).to_string()
    }

    fn mails(&self, email: &str) -> usize {
        self.1.count(email)
    }
}

/// Gives an operator its own realm instead of the embedded directory.
pub fn furnish(operator: Operator) -> Operator {
    furnish_on(Keycloak::shared(), operator)
}

/// The same on this server.
pub fn furnish_on(server: &'static Keycloak, mut operator: Operator) -> Operator {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!("operated-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    let mail = Mail::start();
    let people = multi(async { realm_on(server, &name, mail.port) });
    operator.elsewhere = Some(Box::new(Realm(people, mail)));
    let file = operator.folder.join("people.yaml");
    operator.directory_ok(&["import", "--users", file.to_str().unwrap()]);
    operator
}

/// The realm of an operator.
pub fn realm(operator: &Operator) -> String {
    let address = operator.elsewhere.as_ref().unwrap().address();
    address.split_once('#').unwrap().1.to_owned()
}

/// A call as the administrator, in the realm of a stage.
fn admin(stage: &Stage, method: &str, path: &str, body: Option<Value>) -> Value {
    let name = realm(&stage.operator);
    let realm = crate::support::keycloak::Realm { server: Keycloak::shared(), name };
    let (status, answer) = multi(async { realm.admin(method, path, body).await });
    assert!(status < 300, "{method} {path}: {status} {answer}");
    answer
}

#[test]
fn edited_organization_is_restored_and_foreign_one_unchanged() {
    let stage = Stage::prepare();
    admin(&stage, "POST", "/organizations", Some(json!({"name": "Strangers", "alias": "strangers"})));
    let stranger = json!({"username": "eve", "email": "eve@strangers.example", "enabled": true});
    admin(&stage, "POST", "/users", Some(stranger));
    let mut stage = stage;
    stage.operator.start();
    stage.settle();
    let strangers = || {
        let eve = admin(&stage, "GET", "/users?username=eve&exact=true", None);
        (admin(&stage, "GET", "/organizations?search=Strangers&exact=true&briefRepresentation=false", None), eve)
    };
    let before = strangers();
    let ours = || {
        let all = admin(&stage, "GET", "/organizations?briefRepresentation=false", None);
        all.as_array().unwrap().iter().find(|one| one["name"] != "Strangers").cloned().unwrap()
    };
    let mut changed = ours();
    let right = changed.clone();
    changed["name"] = json!("Other Name");
    changed["enabled"] = json!(false);
    changed["attributes"]["guestlist.host-admins"] = json!(["mallory@host.example"]);
    admin(&stage, "PUT", &format!("/organizations/{}", changed["id"].as_str().unwrap()), Some(changed));
    eventually("it is as it was", || {
        if ours() == right { Ok(()) } else { Err(format!("{}\n{}", ours(), stage.operator.log())) }
    });
    eventually("it is told", || {
        let path = "jsonpath={range .items[*]}{.regarding.kind}/{.regarding.name} {.type} {.action}{\"\\n\"}{end}";
        let events = stage.partners().kubectl(&["get", "events.events.k8s.io", "-o", path]).ok();
        if events.contains("LocalPartner/acme Warning Correct") { Ok(()) } else { Err(events) }
    });
    stage.operator.has_access(crate::support::harness::CAROL, &["instagram:Manager"]);
    assert_eq!(strangers(), before);
}

#[test]
fn second_factor_is_seen_at_resync_without_realm_events() {
    let mut stage = Stage::prepare();
    admin(&stage, "PUT", "/events/config", Some(json!({"eventsEnabled": false, "adminEventsEnabled": false})));
    stage.operator.resync = "1s";
    stage.operator.start();
    stage.settle();
    stage.apply(
        "
apiVersion: guestlist.dev/v1alpha1
kind: AccountShare
metadata: {name: tiktok, namespace: partners}
spec:
  partnerRef: {name: acme}
  account: tiktok
  sharedBy: alice@host.example
  mfa: {methods: [WebAuthn]}
",
    );
    eventually("it is withheld", || {
        let share = stage.partners().get("share/tiktok");
        let withheld = &share["status"]["withheld"][0];
        if withheld["reason"] == "MfaMethodMissing" { Ok(()) } else { Err(share.to_string()) }
    });
    stage.operator.directory_ok(&["enroll-mfa", crate::support::harness::CAROL, "--method", "WebAuthn"]);
    stage.operator.has_access(crate::support::harness::CAROL, &["instagram:Manager", "tiktok:Collaborator"]);
}

#[test]
fn import_beside_a_running_operator_is_noticed_by_events() {
    let mut stage = Stage::prepare();
    stage.operator.resync = "1h";
    stage.operator.start();
    stage.settle();
    stage.apply(
        "
apiVersion: guestlist.dev/v1alpha1
kind: AccountShare
metadata: {name: billing, namespace: partners}
spec: {partnerRef: {name: acme}, account: billing, sharedBy: alice@host.example}
",
    );
    stage.partners().says("share/billing", "AccountNotFound");
    let people = "accounts: [{name: billing, owners: [alice@host.example]}]";
    stage.operator.import(people);
    stage.operator.has_access(crate::support::harness::CAROL, &["billing:Collaborator", "instagram:Manager"]);
}

#[test]
fn guest_with_deleted_user_is_invited_again_by_operator() {
    let mut stage = Stage::prepare();
    stage.operator.start();
    stage.settle();
    let bob =
        admin(&stage, "GET", &format!("/users?exact=true&email={}", crate::support::harness::BOB), None)[0].clone();
    admin(&stage, "DELETE", &format!("/users/{}", bob["id"].as_str().unwrap()), None);
    stage.partners().guest("bob", crate::support::harness::BOB, "Invited", &[]);
    stage.operator.joins_with_mfa(crate::support::harness::BOB);
    stage.partners().guest("bob", crate::support::harness::BOB, "Active", &["instagram:Collaborator"]);
    assert_eq!(stage.operator.elsewhere.as_ref().unwrap().mails(crate::support::harness::BOB), 2);
}
