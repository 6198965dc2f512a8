//! The observer remembers since when a guest's MFA has been unknown. Otherwise it would stay unknown forever. It also
//! remembers the revision of each record.
use guestlist::directory::{GuestId, GuestRecord, Login, MfaRecord, Owner, PartnerId, Revision, Snapshot};
use guestlist::domain::{Email, GuestRole};
use guestlist::engine::{Engine, Input, Observed};
use guestlist::workspace_policy::WorkspacePolicy;
use jiff::{SignedDuration, Timestamp};

fn now() -> Timestamp {
    "2027-01-01T00:00:00Z".parse().unwrap()
}

fn guest(revision: i64, mfa: MfaRecord) -> GuestRecord {
    let address = Email::parse("bob@acme.example").unwrap();
    GuestRecord {
        id: GuestId("g".into()),
        revision: Revision(revision),
        mark: None,
        email: address.clone(),
        address,
        partner: PartnerId("p".into()),
        partner_name: "acme".into(),
        display_name: "Bob".into(),
        role: GuestRole::GuestUser,
        invitation: None,
        admitted_at: now(),
        last_mail_at: None,
        recent_mails: Vec::new(),
        joined_at: Some(now()),
        login: Login::Enabled,
        mfa,
        mfa_lost_at: None,
        allowed: guestlist::domain::all_methods(),
        grants: [].into(),
        deactivated_at: None,
        integrity: guestlist::directory::Integrity::Intact,
    }
}

#[test]
fn unknown_mfa_counts_from_first_seen_and_restarts_once_known() {
    let owner = Owner { installation: "default".into(), cluster: "c".into() };
    let mut engine = Engine::new(owner, WorkspacePolicy::default(), 1);
    let bob = Email::parse("bob@acme.example").unwrap();
    let known = MfaRecord::Known([].into());
    let later = |minutes| now() + SignedDuration::from_mins(minutes);
    let seen = |guest| {
        Input::Observed(vec![Observed::Guest(Email::parse("bob@acme.example").unwrap(), Some(Box::new(guest)))])
    };

    engine.handle(
        Input::Loaded(Box::new(Snapshot { guests: vec![guest(1, MfaRecord::Unknown)], ..Snapshot::default() })),
        now(),
    );
    assert_eq!(engine.directory().mfa_unknown_since(&bob), Some(now()));
    engine.handle(seen(guest(2, MfaRecord::Unknown)), later(1));
    assert_eq!(engine.directory().mfa_unknown_since(&bob), Some(now()), "seen again, it counts from the first time");
    engine.handle(seen(guest(3, known)), later(2));
    assert_eq!(engine.directory().mfa_unknown_since(&bob), None);
    engine.handle(seen(guest(4, MfaRecord::Unknown)), later(3));
    assert_eq!(engine.directory().mfa_unknown_since(&bob), Some(later(3)));
}

#[test]
fn late_read_of_a_guest_does_not_replace_a_newer_one() {
    let owner = Owner { installation: "default".into(), cluster: "c".into() };
    let mut engine = Engine::new(owner, WorkspacePolicy::default(), 1);
    let bob = Email::parse("bob@acme.example").unwrap();
    let read = |revision, name: &str, id: &str| {
        let record =
            GuestRecord { display_name: name.into(), id: GuestId(id.into()), ..guest(revision, MfaRecord::Unknown) };
        Input::Observed(vec![Observed::Guest(record.address.clone(), Some(Box::new(record)))])
    };
    for (revision, name, id, expected) in [
        (2, "Bob", "g", "Bob"),
        (3, "Robert", "g", "Robert"),
        (2, "Bob", "g", "Robert"),
        (1, "Another", "h", "Another"),
    ] {
        engine.handle(read(revision, name, id), now());
        assert_eq!(engine.directory().guest(&bob).unwrap().display_name, expected, "{revision} {name}");
    }
}
