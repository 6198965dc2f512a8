//! Invitations that expire by the realm's own lifetime, which is shorter than the partner's.

use std::time::Duration;

use guestlist::directory::{GuestChange, Operation};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::harness::{Stage, in_three_days, on_stage};
use crate::support::contract::{admit, email, guest};

const BOB: &str = "bob@acme.example";

async fn lifetime(stage: &Stage, seconds: u32) {
    stage.admin("PUT", "", Some(json!({"actionTokenGeneratedByAdminLifespan": seconds}))).await;
}

/// Keycloak's own invitation, once its status is expired.
async fn expired(stage: &Stage) -> Value {
    let organization = stage.organization().await.unwrap();
    loop {
        let rows = stage.admin("GET", &format!("/organizations/{organization}/invitations"), None).await;
        assert_eq!(rows.as_array().unwrap().len(), 1, "{rows}");
        if rows[0]["status"] == "EXPIRED" {
            return rows[0].clone();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[test]
fn invitation_expires_with_realm_and_new_mail_has_valid_link() {
    on_stage("expires", async |stage| {
        lifetime(stage, 2).await;
        // The address with capital letters, as people write it.
        let admitted = stage.run(&admit(&email("Bob@Acme.example"), in_three_days())).await.unwrap();
        let told = admitted.guest.unwrap().invitation.unwrap();
        let close = SignedDuration::from_secs(10);
        assert!(told.expires_at.duration_since(told.sent_at) < close, "the end that is shown is the realm's: {told:?}");
        let mut bob = stage.person(BOB);
        let first = bob.link();
        let row = expired(stage).await;
        assert_eq!(row["email"], BOB);
        let record = bob.record().await;
        let invitation = record.invitation.expect("it is there, and has expired");
        assert!(invitation.expires_at <= Timestamp::now(), "{invitation:?}");
        bob.opens(&first).await;
        assert_eq!(bob.browser.status, 400, "{}", bob.browser.words());

        lifetime(stage, 3600).await;
        let again = Operation::Guest {
            id: guest("bob"),
            change: GuestChange::ResendInvitation { expires_at: in_three_days() },
        };
        stage.run(&again).await.unwrap();
        assert_eq!(stage.mail.count(BOB), 2, "one mail more");
        assert_ne!(bob.link(), first);
        let invitation = bob.record().await.invitation.unwrap();
        let lasts = invitation.expires_at.duration_since(Timestamp::now());
        assert!(lasts > SignedDuration::from_mins(50) && lasts < SignedDuration::from_mins(61), "{invitation:?}");
        bob.accepts().await;
        bob.chooses_a_password().await;
        assert!(bob.record().await.joined_at.is_some());
    });
}

#[test]
fn changed_realm_lifetime_is_noticed_at_the_next_full_read() {
    use guestlist::directory::DirectoryReader as _;
    on_stage("lifetime-changes", async |stage| {
        let lasts = async |who: &'static str| {
            let done = stage.run(&admit(&email(who), in_three_days())).await.unwrap();
            let told = done.guest.unwrap().invitation.unwrap();
            told.expires_at.duration_since(told.sent_at).as_hours()
        };
        assert!(lasts(BOB).await >= 71, "as the partner says");
        lifetime(stage, 7200).await;
        stage.directory.cursor().await.unwrap();
        let hours = lasts("carol@acme.example").await;
        assert!(hours == 1 || hours == 2, "{hours}");
    });
}
