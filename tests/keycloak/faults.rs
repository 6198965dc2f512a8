//! What goes wrong between guestlist and Keycloak: answers that do not come, come late, or refuse in the middle of a listing;
//! and listings that fill their last page.

use std::time::Duration;

use serde_json::Value;

use crate::killed::Scene;
use crate::proxy::Fate;
use crate::support::multi;

const HEAD: &str = "
apiVersion: guestlist.dev/v1alpha1
kind: LocalPartner
metadata: {name: acme, namespace: partners}
spec: {hostAdmins: [alice@host.example]}
";

/// So many guests of acme.
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

/// A scene in a realm of its own.
fn on(name: &str, scene: impl AsyncFnOnce(&Scene)) {
    multi(async { scene(&Scene::open(name).await).await });
}

/// The guests whom `guestlist directory show` lists.
async fn shown(scene: &Scene) -> usize {
    let (code, said) = scene.run(&["directory", "show", "-o", "json"]).await;
    assert_eq!(code, Some(0), "{said}");
    serde_json::from_str::<Value>(&said).unwrap()["guests"].as_array().unwrap().len()
}

#[test]
fn a_page_that_is_full_to_the_last_guest_is_not_taken_for_the_last_nor_one_more_for_nobody() {
    on("full-page", async |scene| {
        // The realm's users are the guests and the Host Admin: each side of a hundred is passed.
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
fn a_token_that_is_refused_in_the_middle_of_a_listing_is_renewed_and_one_that_never_is_taken_ends_it_with_a_reason() {
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
            // Nobody has joined: of members nothing is asked that could fail.
            assert!(code == Some(1) && said.contains("500"), "{part}: {said}");
            scene.proxy.rules(|_, _| Fate::Passes);
            assert_eq!(shown(scene).await, 3, "{part}");
        }
    });
}

#[test]
fn somebody_who_was_quicker_is_looked_at_and_the_guest_is_made_all_the_same() {
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
fn an_invitation_whose_answer_is_lost_was_sent_and_is_not_sent_again() {
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
