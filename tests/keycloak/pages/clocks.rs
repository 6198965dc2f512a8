//! guestlist's clock differs from Keycloak's, by minutes and by days, ahead and behind. A reset removes earlier factors
//! and keeps later ones, invitations end on time, and the difference is reported.

use guestlist::directory::{DirectoryReader as _, DirectoryWriter, Epoch, GuestChange, MfaRecord, Operation};
use jiff::{SignedDuration, Timestamp};

use super::harness::on_stage;
use crate::support::contract::{admit, email, guest};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

fn close(one: Timestamp, other: Timestamp) -> bool {
    one.duration_since(other).abs() < MINUTE
}

#[test]
fn reset_with_differing_clocks_takes_old_factors_only() {
    on_stage("clocks", async |stage| {
        let people: [(&'static str, SignedDuration); 4] = [
            ("ahead-little@acme.example", SignedDuration::from_mins(10)),
            ("behind-little@acme.example", SignedDuration::from_mins(-10)),
            ("ahead-much@acme.example", SignedDuration::from_hours(25)),
            ("behind-much@acme.example", SignedDuration::from_hours(-25)),
        ];
        for (address, ahead) in people {
            let directory = stage.with_clock(ahead);
            let now = || Timestamp::now() + ahead;
            let does = async |operation: &Operation| {
                directory
                    .execute(operation, None, now(), Epoch(0))
                    .await
                    .unwrap_or_else(|fault| panic!("{ahead}: {fault}"))
            };
            let read = async || directory.guest(&email(address)).await.unwrap().unwrap();
            let ends = now() + SignedDuration::from_hours(72);
            does(&admit(&email(address), ends)).await;
            let seen = stage.with_clock(ahead).guest(&email(address)).await.unwrap().unwrap().invitation.unwrap();
            assert!(close(seen.expires_at, ends) && close(seen.sent_at, now()), "{ahead}: {seen:?}");

            let mut person = stage.person(address);
            person.accepts().await;
            person.chooses_a_password().await;
            person.enrols().await;
            let record = read().await;
            let MfaRecord::Known(mfa) = &record.mfa else { panic!("{record:?}") };
            assert!(mfa.len() == 1 && mfa.values().all(|since| close(*since, now())), "{ahead}: {mfa:?} at {}", now());
            assert!(record.joined_at.is_some_and(|joined| close(joined, now())), "{ahead}: {:?}", record.joined_at);

            // The clocks are known to the second: a factor that was enrolled within it may be earlier or later.
            tokio::time::sleep(std::time::Duration::from_secs(3)).await;
            let id = address.split('@').next().unwrap();
            let reset = Operation::Guest { id: guest(id), change: GuestChange::ResetMfa { enrolled_before: now() } };
            does(&reset).await;
            assert_eq!(stage.credential(address, "otp").await, None, "{ahead}: the old factor is there");

            tokio::time::sleep(std::time::Duration::from_secs(3)).await;
            person.signs_in().await.expect_err("the factor is gone");
            person.enrols().await;
            does(&reset).await;
            assert!(stage.credential(address, "otp").await.is_some(), "{ahead}: the new factor was taken");
            person.is_in().await.expect("and its session was not ended");

            let [warning] = directory.warnings().try_into().unwrap();
            let size = format!("{:#}", ahead.abs());
            let side = if ahead.is_negative() { "behind" } else { "ahead of" };
            // The measurement has whole seconds.
            let seconds = warning.contains(&size) || warning.contains("59s");
            assert!(seconds && warning.contains(side), "{ahead} ({size}): {warning}");
        }
        assert_eq!(stage.directory.warnings(), Vec::<String>::new(), "clocks that agree");
    });
}
