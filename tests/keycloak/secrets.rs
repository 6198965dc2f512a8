//! No output contains a secret after a failure, either: a client secret that Keycloak refuses, or a mail server that
//! refuses its mail.

use crate::environment::House;
use crate::support::harness::{BOB, CAROL, WORLD};
use crate::support::mail::Mood;

#[test]
fn refused_secret_and_failed_mail_are_logged_without_secrets() {
    let mut house = House::start("secrets");
    house.stage.apply(WORLD);
    house.invited(CAROL);
    house.realm.mail.set(Mood::Refuses);
    house.joins(CAROL);
    // Carol is Active now, so the operator invites bob, and the mail fails.
    house.stage.operator.logs(&["could not send a mail to bob@acme.example"]);
    house.stage.operator.kill();

    // An administrator regenerated the secret, and the operator has the old one.
    let client = house.now(house.realm.admin("GET", "/clients?clientId=guestlist", None))[0]["id"].clone();
    let path = format!("/clients/{}", client.as_str().unwrap());
    let change = serde_json::json!({"clientId": "guestlist", "secret": "a-planted-s3cret"});
    house.now(house.realm.admin("PUT", &path, Some(change)));
    house.stage.operator.go();
    house.stage.operator.is_unready(&["DirectoryUnavailable", "GUESTLIST_KEYCLOAK_CLIENT_SECRET"]);
    let carol = house.realm.person(CAROL);
    house.tells_no_secret(&[&carol]);
    assert!(!house.stage.operator.log().contains("s3cret"));

    house.realm.mail.set(Mood::Takes);
    let change = serde_json::json!({"clientId": "guestlist", "secret": house.realm.secret});
    house.now(house.realm.admin("PUT", &path, Some(change)));
    house.stage.operator.is_ready();
    let bob = house.invited(BOB);
    house.tells_no_secret(&[&carol, &bob]);
}
