//! The scenes of the demo in order. Each waits for the state that it shows.

use crate::browser::Tokens;
use crate::house::House;
use crate::person::{PORTAL, Person, accounts};
use crate::screen::{say, tell, until};

const CAROL: &str = "carol@acme.example";
const BOB: &str = "bob@acme.example";

pub async fn play(house: &mut House) {
    realm(house).await;
    cluster(house).await;
    let portal = house.portal();
    let mail = house.mail.clone();
    let mut carol = Person::new(CAROL, &mail, &portal);
    let hers = carol_joins(house, &mut carol).await;
    let mut bob = Person::new(BOB, &mail, &portal);
    let bobs_tokens = bob_joins(house, &mut bob).await;
    bob_loses_his_factor(house, &bob, &bobs_tokens).await;
    let hers = carol_is_excluded(house, &mut carol, &hers).await;
    rules(house).await;
    the_end(house, [(&mut carol, &hers), (&mut bob, &bobs_tokens)]).await;
}

async fn realm(house: &mut House) {
    say("Keycloak, on a free port of loopback, and a mail server that delivers to nobody (Keycloak takes its time)");
    let base = house.start_keycloak();
    house.make_realm().await;
    tell(&format!("{base}: the administrator has created the realm with a mail server and the application {PORTAL}"));
    say("An administrator prepares the realm for guestlist, once. A dry run shows the changes first");
    tell(&format!("GUESTLIST_DIRECTORY={}", house.directory()));
    tell("GUESTLIST_KEYCLOAK_ADMIN_PASSWORD and GUESTLIST_KEYCLOAK_CLIENT_SECRET_FILE are in the environment too");
    let secret = house.path("secret");
    house.as_administrator(&["directory", "setup", "--dry-run", "--application", PORTAL]).run_briefly(2);
    house.as_administrator(&["directory", "setup", "--application", PORTAL, "--secret-file", &secret]).run();
    say("The users of the workspace and the Owners of its accounts. No later step needs the administrator");
    house.guestlist(&["directory", "import", "--users", "examples/acme/directory.yaml"]).run();
}

async fn cluster(house: &mut House) {
    say("A Kubernetes API server, with the CRDs and the rights of the chart");
    house.start_plane();
    house.install_chart();
    say("The operator, as a process with the chart's service account (nothing here schedules pods)");
    house.start_operator().await;
    say("Two partners, a dozen guests, six shares");
    house.kubectl(&["create", "namespace", "partners"]).quietly().unwrap();
    let files = ["partners", "memberships", "shares"].map(|name| format!("examples/acme/{name}.yaml"));
    let [partners, memberships, shares] = &files;
    house.kubectl(&["apply", "--server-side", "-f", partners, "-f", memberships, "-f", shares]).run();
    for guest in ["carol", "dave", "bob", "erin", "frank", "ivan", "judy", "mallory", "niaj"] {
        is(house, &format!("gm/{guest}"), "{.status.state}", "Invited").await;
    }
    for guest in ["grace", "heidi", "olivia"] {
        is(house, &format!("gm/{guest}"), READY, "InviterNotActive").await;
    }
    say(
        "Invitations are out. No guest has joined, so none has an account. Guests that a Guest Admin invites wait for the Guest Admin",
    );
    house.partners(&["get", "lp,gm,share"]).run();
}

async fn carol_joins(house: &House, carol: &mut Person<'_>) -> Tokens {
    say("carol has mail: an invitation, with a link for her alone that is not shown here");
    carol.mail().iter().for_each(|line| tell(line));
    say("She follows it and chooses a password: she has joined, and has no account yet");
    carol.joins().await;
    is(house, "gm/carol", "{.status.state}", "Joined").await;
    house.partners(&["get", "gm", "carol"]).run();
    say("She signs in: without a second factor Keycloak stops her");
    let page = carol.signs_in().await.expect_err("who has no second factor is not let in");
    tell(&format!("the page that she sees: {page}"));
    say("She sets up her telephone on that page: she is Active, and has what her partner's shares give a Guest Admin");
    carol.enrols().await;
    is(house, "gm/carol", "{.status.state}", "Active").await;
    house.partners(&["get", "gm", "carol"]).run();
    say("She signs in with her password and a code. What her token says:");
    let tokens = carol.signs_in().await.unwrap();
    has(carol, &tokens, &["instagram-main:manager", "newsletter:collaborator"]).await
}

async fn bob_joins(house: &House, bob: &mut Person<'_>) -> Tokens {
    say("carol passes an account on to bob, and bob does the same");
    bob.joins().await;
    bob.signs_in().await.expect_err("who has no second factor is not let in");
    bob.enrols().await;
    is(house, "gm/bob", "{.status.state}", "Active").await;
    let tokens = bob.signs_in().await.unwrap();
    let tokens = has(bob, &tokens, &["instagram-main:collaborator"]).await;
    house.guestlist(&["directory", "show"]).run();
    tokens
}

async fn bob_loses_his_factor(house: &House, bob: &Person<'_>, tokens: &Tokens) {
    say("In the administration console an administrator deletes bob's one-time password, without guestlist");
    let user = house.user(BOB).await;
    let path = format!("/users/{}/credentials", user["id"].as_str().unwrap());
    let held = house.console("GET", &path).await;
    let factor = held.as_array().unwrap().iter().find(|one| one["type"] == "otp").expect("bob has a one-time password");
    house.console("DELETE", &format!("{path}/{}", factor["id"].as_str().unwrap())).await;
    is(house, "gm/bob", "{.status.state}", "Joined").await;
    house.partners(&["get", "gm", "bob"]).run();
    say("The operator has revoked bob's access and ended the session: the application gets no newer token");
    tell(&format!("Keycloak to the application: {}", is_over(bob, tokens).await));
    withheld(house, "instagram").await;
}

async fn carol_is_excluded(house: &House, carol: &mut Person<'_>, tokens: &Tokens) -> Tokens {
    say(
        "A Host Admin excludes carol from a share. A guest who loses an account is signed out, so that no token keeps it",
    );
    let patch = r#"{"spec":{"exclude":[{"name":"carol"}]}}"#;
    house.partners(&["patch", "share", "newsletter", "--type", "merge", "--patch", patch]).run();
    tell(&format!("Keycloak to the application: {}", is_over(carol, tokens).await));
    say("She signs in again, and her token lacks the account");
    let tokens = carol.signs_in().await.unwrap();
    has(carol, &tokens, &["instagram-main:manager"]).await
}

async fn rules(house: &House) {
    say("Rules: the API server refuses what one object can decide (MFA cannot be waived)");
    let trent = "apiVersion: guestlist.dev/v1alpha1
kind: GuestMembership
metadata: {name: trent, namespace: partners}
spec:
  partnerRef: {name: acme}
  email: trent@acme.example
  invitedBy: alice@host.example
  mfa: {required: false}
";
    house.kubectl(&["apply", "--server-side", "--filename", &manifest(house, "trent", trent)]).refused();
    say("Rules: the reconcile refuses what needs other objects, and reports it on the object: no guest is invited");
    let peggy = "apiVersion: guestlist.dev/v1alpha1
kind: GuestMembership
metadata: {name: peggy, namespace: partners}
spec:
  partnerRef: {name: acme}
  email: peggy@elsewhere.example
  invitedBy: alice@host.example
";
    house.kubectl(&["apply", "--server-side", "--filename", &manifest(house, "peggy", peggy)]).run();
    is(house, "gm/peggy", READY, "DomainNotAllowed").await;
    house.partners(&["get", "gm", "peggy"]).run();
    let message = READY.replace("reason", "message");
    tell(&house.partners(&["get", "gm", "peggy", &format!("--output=jsonpath={message}")]).quietly().unwrap());
    assert!(house.user("peggy@elsewhere.example").await.is_null(), "a user was made for a guest without access");
    assert_eq!(house.mail.count("peggy@elsewhere.example"), 0, "a guest without access was invited");
}

async fn the_end(house: &House, guests: [(&mut Person<'_>, &Tokens); 2]) {
    say("The partner is deleted, with everything that is its own (Cascade); bolt's guests are not affected");
    let cascade = r#"{"spec":{"deletion":"Cascade"}}"#;
    house.partners(&["patch", "lp", "acme", "--type", "merge", "--patch", cascade]).run();
    house.partners(&["delete", "lp", "acme", "--timeout=120s"]).run();
    let partners = "--output=jsonpath={.items[*].spec.partnerRef.name}";
    until("nothing of acme is left", async || {
        let left = house.partners(&["get", "gm,share", partners]).quietly()?;
        if left.contains("acme") { Err(left) } else { Ok(()) }
    })
    .await;
    house.partners(&["get", "lp,gm,share"]).run();
    say("In Keycloak: their users are disabled, and hold nothing");
    for (guest, tokens) in guests {
        let user = house.user(guest.address).await;
        assert_eq!(user["enabled"], false, "{} is disabled", guest.address);
        assert!(user["attributes"]["guestlist.accounts"].is_null(), "{} holds nothing", guest.address);
        guest.stays(tokens).await.expect_err("the session is over");
        let page = guest.signs_in().await.expect_err("nobody is let in");
        tell(&format!("{}: enabled {}, accounts none. Signing in: {page}", guest.address, user["enabled"]));
    }
    house.guestlist(&["directory", "show"]).run();
}

const READY: &str = "{.status.conditions[?(@.type==\"Ready\")].reason}";

/// Waits until a field of an object has this value.
async fn is(house: &House, object: &str, path: &str, value: &str) {
    let output = format!("--output=jsonpath={path}");
    until(&format!("{object} is {value}"), async || {
        let seen = house.partners(&["get", object, &output]).quietly()?;
        if seen == value { Ok(()) } else { Err(format!("it is {seen:?}")) }
    })
    .await;
}

/// Waits until a guest's session is over. Returns the error that the application receives.
async fn is_over(guest: &Person<'_>, tokens: &Tokens) -> String {
    until(&format!("the session of {} is over", guest.address), async || match guest.stays(tokens).await {
        Ok(_) => Err("the guest has a newer token".to_owned()),
        Err(refused) => Ok(refused),
    })
    .await
}

/// Waits until a guest's next token has this claim, and shows it.
async fn has(guest: &Person<'_>, tokens: &Tokens, expected: &[&str]) -> Tokens {
    let newer = until(&format!("{} has {expected:?}", guest.address), async || {
        let newer = guest.stays(tokens).await?;
        let seen = accounts(&newer);
        if seen == expected { Ok(newer) } else { Err(format!("the token says {seen:?}")) }
    })
    .await;
    tell(&format!("\"guestlist\": {}", newer.claims()["guestlist"]));
    newer
}

/// Waits until a share reports that it withholds bob's access, and shows the reason.
async fn withheld(house: &House, share: &str) {
    is(house, &format!("share/{share}"), "{.status.withheld[?(@.name==\"bob\")].reason}", "MfaNotEnrolled").await;
    let path = "--output=jsonpath={.status.withheld[?(@.name==\"bob\")]}{\"\\n\"}";
    house.partners(&["get", "share", share, path]).run();
}

fn manifest(house: &House, name: &str, text: &str) -> String {
    text.lines().for_each(|line| tell(&format!("  {line}")));
    let file = house.path(&format!("{name}.yaml"));
    std::fs::write(&file, text).unwrap();
    file
}
