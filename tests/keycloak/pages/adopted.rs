//! Users that guestlist did not create: adopted people, and strangers in an organization.

use guestlist::directory::{
    DirectoryReader as _, Error, GuestChange, NewGuest, Operation, Origin, OwnershipMark, PartnerChange,
};
use guestlist::domain::ShareRole;
use serde_json::Value;

use super::harness::{PASSWORD, Stage, accounts, holds, in_three_days, on_stage};
use crate::support::contract::{acme, admit, email, give, grant, guest};

const BOB: &str = "bob@acme.example";

/// Admits an existing user.
pub fn adopt(address: &str) -> Operation {
    let Operation::Guest {
        id: guest,
        change:
            GuestChange::Invite(NewGuest { mark, partner, partner_name, address, display_name, role, allowed, expires_at }),
    } = admit(&email(address), in_three_days())
    else {
        unreachable!()
    };
    let mark = OwnershipMark { origin: Origin::Adopted, ..mark };
    Operation::Guest {
        id: guest,
        change: GuestChange::Invite(NewGuest {
            mark,
            partner,
            partner_name,
            address,
            display_name,
            role,
            allowed,
            expires_at,
        }),
    }
}

/// The fields that guestlist may not change in an existing user.
pub fn own(user: &Value) -> [Value; 6] {
    ["id", "username", "email", "firstName", "enabled", "requiredActions"].map(|field| user[field].clone())
}

async fn remove_partner(stage: &Stage) {
    stage.done(&Operation::Partner { id: acme(), change: PartnerChange::Deactivate }).await;
    let since = stage.directory.partner(&acme()).await.unwrap().unwrap().deactivated_at.unwrap();
    stage.done(&Operation::Partner { id: acme(), change: PartnerChange::Purge { since } }).await;
    assert_eq!(stage.directory.partner(&acme()).await.unwrap(), None);
}

#[test]
fn adopted_user_joins_with_own_password_and_outlives_partner() {
    on_stage("adopted", async |stage| {
        let before = stage.colleague(BOB).await;
        stage.done(&adopt(BOB)).await;
        assert_eq!(stage.mail.count(BOB), 1);
        let mut bob = stage.person(BOB);
        assert_eq!(bob.record().await.joined_at, None, "the guest has not accepted yet");
        bob.accepts().await;
        let record = bob.record().await;
        assert!(record.joined_at.is_some() && record.invitation.is_none(), "{record:?}");

        // The user enrols MFA in the account settings; here an administrator does it.
        let id = before["id"].as_str().unwrap();
        stage
            .admin("PUT", &format!("/users/{id}"), Some(serde_json::json!({"requiredActions": ["CONFIGURE_TOTP"]})))
            .await;
        bob.signs_in().await.expect_err("the guest has to enrol first");
        bob.enrols().await;
        stage.done(&give("bob", vec![grant("instagram", ShareRole::Collaborator)])).await;
        let tokens = bob.signs_in().await.unwrap();
        holds(&tokens, &["instagram:collaborator"]);
        for not_ours in [
            Operation::Guest { id: guest("bob"), change: GuestChange::DisableLogin },
            Operation::Guest { id: guest("bob"), change: GuestChange::Deactivate },
            Operation::Guest { id: guest("bob"), change: GuestChange::ResetMfa { enrolled_before: in_three_days() } },
        ] {
            let refused = stage.run(&not_ours).await;
            assert!(matches!(refused, Err(Error::Refused { .. })), "{not_ours:?}: {refused:?}");
        }

        stage.done(&Operation::Guest { id: guest("bob"), change: GuestChange::Release }).await;
        assert!(!stage.application.knows(&tokens).await, "the earlier tokens held an account");
        assert!(stage.has_no_record(BOB).await);
        remove_partner(stage).await;
        assert_eq!(stage.organization().await, None, "the organization is gone");
        let after = stage.user(BOB).await;
        assert_eq!(own(&after), own(&before));
        assert_eq!(after["attributes"], Value::Null, "guestlist left no attribute");
        assert_eq!(accounts(&bob.signs_in().await.expect("the user is as before")), None);
    });
}

#[test]
fn a_stranger_in_the_organization_is_left_alone_and_keeps_it() {
    on_stage("stranger", async |stage| {
        let stranger = stage.colleague("erin@host.example").await;
        let organization = stage.organization().await.unwrap();
        let members = format!("/organizations/{organization}/members");
        stage.admin("POST", &members, Some(stranger["id"].clone())).await;
        let bob = stage.active(BOB).await;
        assert!(stage.has_no_record("erin@host.example").await, "a member without an ownership mark is no guest");
        let listed = stage.directory.guests(None).await.unwrap().items;
        assert_eq!(listed.iter().map(|guest| guest.address.as_str()).collect::<Vec<_>>(), [BOB]);

        stage.done(&Operation::Guest { id: guest("bob"), change: GuestChange::Deactivate }).await;
        let since = bob.record().await.deactivated_at.unwrap();
        stage.done(&Operation::Partner { id: acme(), change: PartnerChange::Deactivate }).await;
        stage.done(&Operation::Guest { id: guest("bob"), change: GuestChange::Purge { since, at_most: 100 } }).await;
        let since = stage.directory.partner(&acme()).await.unwrap().unwrap().deactivated_at.unwrap();
        stage.done(&Operation::Partner { id: acme(), change: PartnerChange::Purge { since } }).await;

        assert_eq!(stage.user(BOB).await, Value::Null, "the created user is gone");
        assert_eq!(stage.user("erin@host.example").await, stranger, "she is as she was");
        let members = stage.admin("GET", &members, None).await;
        assert_eq!(members[0]["id"], stranger["id"], "and where she was");
        assert_eq!(stage.directory.partner(&acme()).await.unwrap(), None, "the organization is nobody's");
        let erin = stage.application.direct("erin@host.example", PASSWORD, None).await.unwrap();
        assert_eq!(accounts(&erin), None);
    });
}
