//! Faults between guestlist and Keycloak: answers that are missing, late, or errors in the middle of a listing; and
//! listings that fill their last page.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use guestlist::directory::keycloak::{Directory, Settings};
use guestlist::directory::{DirectoryReader as _, Error};
use guestlist::domain::Email;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::killed::Scene;
use crate::support::contract::Player as _;
use crate::support::keycloak::{SECRET, multi};
use crate::support::proxy::Fate;

const HEAD: &str = "
apiVersion: guestlist.dev/v1alpha1
kind: LocalPartner
metadata: {name: acme, namespace: partners}
spec: {hostAdmins: [alice@host.example]}
";

/// Manifests of a number of guests of acme.
pub fn guests(count: usize) -> String {
    let guest = |n: usize| {
        format!(
            "---\napiVersion: guestlist.dev/v1alpha1\nkind: GuestMembership\nmetadata: {{name: g{n}, namespace: partners}}\n\
             spec: {{partnerRef: {{name: acme}}, email: g{n}@acme.example, invitedBy: alice@host.example}}\n"
        )
    };
    HEAD.to_owned() + &(0..count).map(guest).collect::<String>()
}

pub const APPLY: [&str; 4] = ["apply", "objects.yaml", "--prune", "--yes"];

/// Runs a scene in its own realm.
pub fn on(name: &str, scene: impl AsyncFnOnce(&Scene)) {
    multi(async { scene(&Scene::open(name).await).await });
}

/// The number of guests in `guestlist directory show`.
async fn shown(scene: &Scene) -> usize {
    let (code, said) = scene.run(&["directory", "show", "-o", "json"]).await;
    assert_eq!(code, Some(0), "{said}");
    serde_json::from_str::<Value>(&said).unwrap()["guests"].as_array().unwrap().len()
}

#[test]
fn listing_around_a_full_page_returns_every_guest() {
    on("full-page", async |scene| {
        // The realm's users are the guests and the Host Admin: the counts cover both sides of a hundred.
        for count in [99, 100, 101] {
            scene.declare(&guests(count));
            let (code, said) = scene.run(&APPLY).await;
            assert_eq!(code, Some(0), "{count}: {said}");
            assert_eq!(shown(scene).await, count);
        }
        scene.declare(&guests(99));
        scene.ends("two were pruned").await;
        assert_eq!(shown(scene).await, 99);
        assert_eq!(scene.mail.total(), 101, "one mail each");
    });
}

#[test]
fn token_refused_during_listing_is_renewed_or_reported() {
    on("unauthorized", async |scene| {
        scene.declare(&guests(3));
        let mut pages = 0;
        scene.proxy.rules(move |method, path| {
            pages += usize::from(method == "GET" && path.ends_with("/users"));
            if pages == 1 && path.ends_with("/users") { Fate::Refused(401) } else { Fate::Passes }
        });
        scene.ends("renewed").await;
        assert_eq!(shown(scene).await, 3);
        scene.declare(HEAD);
        scene.proxy.rules(|_, path| if path.ends_with("/users") { Fate::Refused(401) } else { Fate::Passes });
        let (code, said) = scene.run(&APPLY).await;
        assert!(code == Some(1) && said.contains("GUESTLIST_KEYCLOAK_CLIENT_SECRET"), "{said}");
        scene.proxy.rules(|_, _| Fate::Passes);
        assert_eq!(shown(scene).await, 3, "what could not be read takes nobody away");
    });
}

#[test]
fn a_listing_that_breaks_off_takes_nothing_away() {
    on("broken-off", async |scene| {
        scene.declare(&guests(3));
        scene.ends("all there").await;
        scene.declare(HEAD);
        for part in ["/users", "/members", "/invitations", "/organizations", "/children"] {
            scene.proxy.rules(
                move |method, path| {
                    if method == "GET" && path.ends_with(part) { Fate::Refused(500) } else { Fate::Passes }
                },
            );
            let (code, said) = scene.run(&APPLY).await;
            // Nobody has joined, so no request about members can fail.
            assert!(code == Some(1) && said.contains("500"), "{part}: {said}");
            scene.proxy.rules(|_, _| Fate::Passes);
            assert_eq!(shown(scene).await, 3, "{part}");
        }
    });
}

#[test]
fn conflict_during_creation_still_creates_the_guest() {
    on("quicker", async |scene| {
        scene.declare(&guests(2));
        let mut refused = 0;
        scene.proxy.rules(move |method, path| {
            let makes = method == "POST" && path.ends_with("/users");
            refused += usize::from(makes);
            if makes && refused <= 2 { Fate::Refused(409) } else { Fate::Passes }
        });
        scene.ends("made").await;
        assert_eq!((shown(scene).await, scene.mail.total()), (2, 2));
    });
}

#[test]
fn invitation_with_lost_response_is_not_sent_again() {
    on("lost-answer", async |scene| {
        scene.declare(&guests(1));
        let mut invited = 0;
        scene.proxy.rules(move |_, path| {
            invited += usize::from(path.ends_with("/invite-user"));
            if invited == 1 && path.ends_with("/invite-user") { Fate::Unanswered } else { Fate::Passes }
        });
        scene.ends("sent").await;
        assert_eq!(scene.mail.total(), 1);
    });
}

#[test]
fn a_server_that_takes_its_time_is_waited_for() {
    on("late", async |scene| {
        scene.declare(&guests(2));
        scene.proxy.rules(|_, _| Fate::Late(Duration::from_millis(400)));
        let (code, said) = scene.run(&APPLY).await;
        assert_eq!(code, Some(0), "{said}");
        scene.proxy.rules(|_, _| Fate::Passes);
        scene.ends("nothing to do").await;
        assert_eq!((shown(scene).await, scene.mail.total()), (2, 2));
    });
}

#[test]
fn a_refusal_in_the_middle_of_the_users_takes_nobody_away() {
    on("second-page", async |scene| {
        scene.declare(&guests(2));
        scene.ends("two of us").await;
        let stranger =
            |n: usize| json!({"username": format!("a{n}"), "email": format!("a{n}@host.example"), "enabled": true});
        // Enough users that every page requested ahead has some: any refused page has missing users.
        let strangers: Vec<Value> = (0..350).map(stranger).collect();
        scene
            .people
            .admin("POST", "/partialImport", Some(json!({"ifResourceExists": "FAIL", "users": strangers})))
            .await;
        let second = |status: u16| {
            let mut pages = 0;
            scene.proxy.rules(move |method, path| {
                let page = method == "GET" && path.ends_with("/users");
                pages += usize::from(page);
                if page && pages == 2 { Fate::Refused(status) } else { Fate::Passes }
            });
        };
        second(401);
        assert_eq!(shown(scene).await, 2, "a token that is renewed on the way");
        second(500);
        scene.declare(HEAD);
        let (code, said) = scene.run(&APPLY).await;
        assert!(code == Some(1) && said.contains("GET users: Keycloak answered 500"), "{said}");
        scene.proxy.rules(|_, _| Fate::Passes);
        assert_eq!(shown(scene).await, 2);
    });
}

#[test]
fn retry_after_response_is_awaited_and_work_continues() {
    on("patience", async |scene| {
        scene.declare(&guests(1));
        let asked: Arc<Mutex<Vec<Instant>>> = Arc::default();
        let noted = asked.clone();
        scene.proxy.rules(move |method, path| {
            if method != "POST" || !path.ends_with("/users") {
                return Fate::Passes;
            }
            let mut noted = noted.lock().unwrap();
            noted.push(Instant::now());
            if noted.len() == 1 { Fate::Patience(2) } else { Fate::Passes }
        });
        scene.ends("made").await;
        let asked = std::mem::take(&mut *asked.lock().unwrap());
        assert_eq!(asked.len(), 2);
        assert!(asked[1] - asked[0] >= Duration::from_secs(2), "{asked:?}");
        assert_eq!((scene.mail.total(), shown(scene).await), (1, 1));
    });
}

/// The operator's directory, through the proxy.
fn directory(scene: &Scene) -> Directory {
    directory_at(&scene.proxy.base, &scene.people.realm)
}

/// The operator's directory, on a server at this URL.
pub fn directory_at(base: &str, realm: &str) -> Directory {
    let secret = |name: &str| (name == "GUESTLIST_KEYCLOAK_CLIENT_SECRET").then(|| SECRET.to_owned());
    let address = format!("keycloak:{base}#{realm}");
    Directory::new(Settings::read(&address, secret).unwrap(), Arc::new(Timestamp::now)).unwrap()
}

#[test]
fn proxy_404_does_not_make_a_guest_unknown() {
    on("not-here", async |scene| {
        scene.declare(&guests(1));
        scene.ends("invited").await;
        let who = Email::parse("g0@acme.example").unwrap();
        assert!(scene.people.accept(&who, Timestamp::now()).unwrap());
        let directory = directory(scene);
        directory.partners(None).await.unwrap();
        let before = directory.guest(&who).await.unwrap();
        assert!(before.as_ref().is_some_and(|guest| guest.joined_at.is_some()), "{before:?}");
        for part in ["/members/", "/users/", "/credentials", "/organizations/"] {
            scene.proxy.rules(move |_, path| if path.contains(part) { Fate::Page(404) } else { Fate::Passes });
            let Err(Error::Unavailable { context }) = directory.guest(&who).await else { panic!("{part}") };
            assert!(context.contains("something else than Keycloak answered 404"), "{context}");
        }
        scene.proxy.rules(|_, _| Fate::Passes);
        assert_eq!(directory.guest(&who).await.unwrap(), before);
    });
}

#[test]
fn keycloak_404_of_every_endpoint_has_its_own_message() {
    on("its-own-404", async |scene| {
        let organizations = scene.people.admin("GET", "/organizations", None).await;
        assert_eq!(organizations, json!([]));
        scene.declare(&guests(1));
        scene.ends("one is there").await;
        let id = |found: Value| found[0]["id"].as_str().unwrap().to_owned();
        let organization = id(scene.people.admin("GET", "/organizations", None).await);
        let user = id(scene.people.admin("GET", "/users?email=g0@acme.example", None).await);
        let realm = crate::support::keycloak::Realm {
            server: crate::support::keycloak::Keycloak::shared(),
            name: scene.people.realm.clone(),
        };
        for (method, path) in [
            ("GET", "users/none".to_owned()),
            ("PUT", "users/none".to_owned()),
            ("DELETE", "users/none".to_owned()),
            ("POST", "users/none/logout".to_owned()),
            ("GET", "users/none/sessions".to_owned()),
            ("GET", "users/none/consents".to_owned()),
            ("GET", format!("users/{user}/offline-sessions/none")),
            ("DELETE", "sessions/none".to_owned()),
            ("GET", "users/none/credentials".to_owned()),
            ("DELETE", format!("users/{user}/credentials/none")),
            ("GET", "organizations/none".to_owned()),
            ("DELETE", "organizations/none".to_owned()),
            ("GET", format!("organizations/{organization}/members/{user}")),
            ("DELETE", format!("organizations/{organization}/members/{user}")),
            ("DELETE", format!("organizations/{organization}/invitations/none")),
            ("GET", "groups/none".to_owned()),
            ("PUT", "groups/none".to_owned()),
            ("DELETE", "groups/none".to_owned()),
        ] {
            let body = (method == "PUT" || method == "POST").then(|| json!({}));
            let (status, said) = realm.admin(method, &format!("/{path}"), body).await;
            let words = said["error"].as_str().or(said["errorMessage"].as_str());
            assert!(status == 404 && words.is_some(), "{method} {path}: {status} {said}");
        }
    });
}
