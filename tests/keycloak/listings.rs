//! Rows that a listing does not show still exist: rows that move between two pages, attributes that the realm hides,
//! credentials that may not be read.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use guestlist::directory::{AccountRecord, Error, Import, Operation, PartnerChange};
use guestlist::domain::{MfaMethod, ShareRole};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::applied::told;
use crate::held_to_the_contract::{People, subject};
use crate::killed::Scene;
use crate::support::contract::{Player, acme, alice, email, grant};
use crate::support::keycloak::{Keycloak, Realm, block_on, multi};
use crate::support::proxy::Fate;

const CAROL: &str = "carol@acme.example";
const ACME: &str = "
apiVersion: guestlist.dev/v1alpha1
kind: LocalPartner
metadata: {name: acme, namespace: partners}
spec: {hostAdmins: [alice@host.example]}
---
apiVersion: guestlist.dev/v1alpha1
kind: GuestMembership
metadata: {name: carol, namespace: partners}
spec: {partnerRef: {name: acme}, email: carol@acme.example, role: GuestAdmin, invitedBy: alice@host.example}
---
apiVersion: guestlist.dev/v1alpha1
kind: AccountShare
metadata: {name: instagram, namespace: partners}
spec: {partnerRef: {name: acme}, account: instagram, sharedBy: alice@host.example, guestAdminRole: Manager}
";
const TIKTOK: &str = "
---
apiVersion: guestlist.dev/v1alpha1
kind: AccountShare
metadata: {name: tiktok, namespace: partners}
spec: {partnerRef: {name: acme}, account: tiktok, sharedBy: alice@host.example}
";

/// A scene with carol Active.
async fn with_carol(name: &str, method: MfaMethod) -> Scene {
    let scene = Scene::open(name).await;
    scene.declare(ACME);
    scene.ends("invited").await;
    assert!(scene.people.accept(&email(CAROL), Timestamp::now()).unwrap());
    assert!(scene.people.enroll(&email(CAROL), method, Timestamp::now()).unwrap());
    scene.ends("given").await;
    assert_eq!(told(&scene.people, CAROL).await, ["instagram:manager"]);
    scene
}

/// Makes an administrator's call without waiting for it.
fn admin(realm: &str, method: &'static str, path: String) {
    let realm = Realm { server: Keycloak::shared(), name: realm.to_owned() };
    let call = move || block_on(async { realm.admin(method, &path, None).await });
    std::thread::spawn(call).join().unwrap();
}

/// Before each second page of the listing at a path, one of these is deleted.
fn goes_between_two_pages(scene: &Scene, listing: String, mut doomed: Vec<String>) {
    let (realm, mut calls) = (scene.people.realm.clone(), 0);
    scene.proxy.rules(move |method, path| {
        if method == "GET" && path.ends_with(&listing) {
            calls += 1;
            if let Some(path) = doomed.pop().filter(|_| calls % 2 == 0) {
                admin(&realm, "DELETE", path);
            }
        }
        Fate::Passes
    });
}

async fn ids(people: &People, path: &str) -> Vec<(String, String)> {
    let all = people.admin("GET", path, None).await;
    let text = |one: &Value, name: &str| one[name].as_str().unwrap().to_owned();
    all.as_array().unwrap().iter().map(|one| (text(one, "name"), text(one, "id"))).collect()
}

#[test]
fn account_moving_between_two_pages_is_still_listed() {
    multi(async {
        let scene = with_carol("moving-accounts", MfaMethod::TOTP).await;
        let people = &scene.people;
        // Instagram is the first row of the second page.
        let account =
            |n: usize| AccountRecord { name: format!("account-{n:03}"), owners: vec![alice()], deleted: false };
        people.import(&Import { users: vec![], accounts: (0..100).map(account).collect() }).unwrap();
        let root = ids(people, "/groups?search=guestlist&exact=true").await.remove(0).1;
        let branches = ids(people, &format!("/groups/{root}/children?max=100")).await;
        let accounts = branches.into_iter().find(|(name, _)| name == "accounts").unwrap().1;
        let listing = format!("/groups/{accounts}/children");
        let all = ids(people, &format!("{listing}?max=1000")).await;
        assert_eq!((all.len(), all[100].0.as_str()), (102, "instagram"));
        let doomed = all.into_iter().take(40).map(|(_, id)| format!("/groups/{id}")).collect();
        goes_between_two_pages(&scene, listing, doomed);
        for _ in 0..2 {
            let (code, said) = scene.run(&["plan", "objects.yaml", "--prune"]).await;
            assert_eq!(code, Some(0), "{said}");
        }
        scene.ends("nothing is to be done").await;
        assert_eq!(told(people, CAROL).await, ["instagram:manager"]);
        people.admin("DELETE", "", None).await;
    });
}

#[test]
fn hundred_partners_are_listed_despite_deletions_between_pages() {
    multi(async {
        let scene = with_carol("many-partners", MfaMethod::TOTP).await;
        let people = &scene.people;
        let partner = |n: usize| {
            format!(
                "---\napiVersion: guestlist.dev/v1alpha1\nkind: LocalPartner\nmetadata: {{name: p{n:03}, namespace: partners}}\n\
                 spec: {{hostAdmins: [alice@host.example], displayName: 'A partner {n:03}'}}\n"
            )
        };
        scene.declare(&(ACME.to_owned() + &(0..101).map(partner).collect::<String>()));
        scene.ends("made").await;
        let mut doomed = Vec::new();
        for n in 0..20 {
            let stranger = json!({"name": format!("A stranger {n}"), "alias": format!("stranger-{n}")});
            people.admin("POST", "/organizations", Some(stranger)).await;
        }
        for (name, id) in ids(people, "/organizations?max=200").await {
            doomed.extend(name.starts_with("A stranger").then(|| format!("/organizations/{id}")));
        }
        goes_between_two_pages(&scene, "/organizations".to_owned(), doomed);
        for _ in 0..3 {
            let (code, said) = scene.run(&["plan", "objects.yaml", "--prune"]).await;
            assert_eq!(code, Some(0), "{said}");
        }
        let (_, said) = scene.run(&["directory", "show", "-o", "json"]).await;
        let shown: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(shown["partners"].as_array().unwrap().len(), 102);
        assert_eq!(told(people, CAROL).await, ["instagram:manager"]);
        people.admin("DELETE", "", None).await;
    });
}

#[test]
fn absence_is_not_concluded_while_realm_hides_our_attributes() {
    multi(async {
        let (subject, people) = subject("hidden");
        let subject = subject.furnish().await.with_manager().await;
        let forget = Operation::ForgetShare { share_uid: grant("instagram", ShareRole::Manager).share_uid };
        let deactivate = Operation::Partner { id: acme(), change: PartnerChange::Deactivate };
        let profile = people.admin("GET", "/users/profile", None).await;
        let mut hidden = profile.clone();
        let ours = |one: &Value| one["name"].as_str().unwrap().starts_with("guestlist.");
        hidden["attributes"].as_array_mut().unwrap().retain(|one| !ours(one));
        people.admin("PUT", "/users/profile", Some(hidden)).await;
        for operation in [&forget, &deactivate] {
            let fault = subject.run(operation, 50).await.expect_err("nobody can tell");
            assert!(matches!(&fault, Error::Refused { message } if message.contains("user profile")), "{fault}");
        }
        people.admin("PUT", "/users/profile", Some(profile)).await;
        for operation in [&forget, &deactivate] {
            subject.stale(operation, 60).await;
        }
        people.admin("DELETE", "", None).await;
    });
}

#[test]
fn unreadable_credentials_grant_none_and_revoke_only_undeclared() {
    multi(async {
        for (name, method) in [("mfa-unknown-totp", MfaMethod::TOTP), ("mfa-unknown-passkey", MfaMethod::WebAuthn)] {
            let scene = with_carol(name, method).await;
            scene.declare(&[ACME, TIKTOK].concat());
            scene.proxy.rules(|_, path| if path.ends_with("/credentials") { Fate::Refused(403) } else { Fate::Passes });
            for _ in 0..2 {
                let (code, said) = scene.run(&["apply", "objects.yaml", "--prune", "--yes"]).await;
                assert_eq!(told(&scene.people, CAROL).await, ["instagram:manager"], "{name}: {code:?} {said}");
            }
            // A revocation does not need to read the user.
            scene.declare(ACME.split("---\napiVersion: guestlist.dev/v1alpha1\nkind: AccountShare").next().unwrap());
            let (code, said) = scene.run(&["apply", "objects.yaml", "--prune", "--yes"]).await;
            assert_eq!(told(&scene.people, CAROL).await, Vec::<String>::new(), "{name}: {code:?} {said}");
            scene.declare(&[ACME, TIKTOK].concat());
            scene.proxy.rules(|_, _| Fate::Passes);
            scene.ends("it can be told again").await;
            let mut held = told(&scene.people, CAROL).await;
            held.sort();
            assert_eq!(held, ["instagram:manager", "tiktok:collaborator"], "{name}");
            scene.people.admin("DELETE", "", None).await;
        }
    });
}

/// The number of reads of credentials that a command makes.
async fn looks(scene: &Scene, arguments: &[&str], code: i32) -> usize {
    let looks = Arc::new(AtomicUsize::new(0));
    let count = looks.clone();
    scene.proxy.rules(move |_, path| {
        count.fetch_add(usize::from(path.ends_with("/credentials")), Ordering::Relaxed);
        Fate::Passes
    });
    let (ended, said) = scene.run(arguments).await;
    assert_eq!(ended, Some(code), "{said}");
    scene.proxy.rules(|_, _| Fate::Passes);
    looks.load(Ordering::Relaxed)
}

#[test]
fn passkey_beside_one_time_password_is_read_only_if_required() {
    multi(async {
        let scene = with_carol("passkey-too", MfaMethod::TOTP).await;
        let people = &scene.people;
        let off = json!({"eventsEnabled": false, "adminEventsEnabled": false});
        people.admin("PUT", "/events/config", Some(off)).await;
        let plan = ["plan", "objects.yaml", "--prune"];
        assert_eq!(looks(&scene, &plan, 0).await, 0, "no share asks for a passkey");
        scene.declare(&[ACME, &TIKTOK.replace("sharedBy", "mfa: {methods: [WebAuthn]}, sharedBy")].concat());
        scene.ends("she has none").await;
        assert_eq!(told(people, CAROL).await, ["instagram:manager"]);
        assert_eq!(looks(&scene, &plan, 0).await, 1, "she alone is looked at");
        assert!(people.enroll(&email(CAROL), MfaMethod::WebAuthn, Timestamp::now()).unwrap());
        let (code, said) = scene.run(&plan).await;
        assert!(code == Some(2) && said.contains("tiktok as Collaborator"), "{said}");
        scene.ends("she has one now").await;
        let mut held = told(people, CAROL).await;
        held.sort();
        assert_eq!(held, ["instagram:manager", "tiktok:collaborator"]);
        people.admin("DELETE", "", None).await;
    });
}
