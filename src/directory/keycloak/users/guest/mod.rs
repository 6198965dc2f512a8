//! A guest as a Keycloak user, whose attributes contain the ownership mark, the grants and other facts. One write
//! changes all of them at once; one page of users contains a hundred guests.

mod person;
mod stored;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::directory::keycloak::grants;
use crate::directory::keycloak::mfa;
use crate::directory::keycloak::mfa::METHODS;
use crate::directory::keycloak::representations::User;
use crate::directory::keycloak::users::attributes::has_many;
use crate::directory::keycloak::users::substitutes;
use crate::directory::{GuestId, GuestRecord, Integrity, InvitationRecord, Login, MfaRecord, Origin, PartnerId};
use crate::domain::{Email, MfaMethod};

use stored::Stored;

pub use crate::directory::keycloak::users::attributes::{ADDRESS, ALL, ID, INSTALLATION, MARK, PARTNER, RECORD};
pub use person::{names, person, shortened, workspace_user};
pub use stored::{revoked, set_ended, write};

/// Keycloak makes the user set a password before anything else.
pub const UPDATE_PASSWORD: &str = "UPDATE_PASSWORD";

/// Facts that the user's own representation does not contain.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// Whether the user is a member of the partner's organization. `None`: not read; the recorded state counts.
    pub member: Option<bool>,
    /// The open or expired invitation. `None`: not read; `Some(None)`: there is none.
    #[allow(clippy::option_option, reason = "not looked, not there, there")]
    pub invitation: Option<Option<InvitationRecord>>,
    /// The enrolled methods, each with its time. `None`: not read; the recorded ones count.
    pub enrolled: Option<BTreeMap<MfaMethod, Timestamp>>,
    /// Keycloak refused to show the enrolled methods.
    pub mfa_hidden: bool,
    /// The claims are blocked, whatever the attributes contain.
    pub is_blocked: bool,
    /// The user has a password, and is only asked for another one.
    pub password: bool,
    /// When the user was first seen as joined, and MFA first seen as lost.
    pub joined_at: Option<Timestamp>,
    pub mfa_lost_at: Option<Timestamp>,
}

impl Seen {
    /// A member without a password has used up the link. The recorded invitation stays: the guest may be about to set
    /// a password, so no other mail is sent.
    pub fn stopped_half_way(&mut self, user: &User, recorded: &Recorded) {
        if self.member == Some(true) && !has_chosen(user, recorded.joined_at, self) {
            self.invitation = None;
        }
    }
}

/// Whether a user has data of guestlist, readable or not.
pub fn is_marked(user: &User) -> bool {
    // The allowed methods alone grant nothing, so they do not make a user a guest.
    ALL.iter().any(|name| *name != METHODS && user.attributes.contains_key(*name))
}

/// Whether guestlist created the user. Without a readable mark, it counts as not created.
pub fn is_created(user: &User) -> bool {
    let mark = stored::read(user).and_then(|stored| stored.record.mark);
    mark.is_some_and(|mark| mark.origin == Origin::Created)
}

/// Whether the user has set a password and can sign in. A created user has to set one; an adopted user has one.
pub fn has_password(user: &User) -> bool {
    !user.required_actions.iter().any(|action| action == UPDATE_PASSWORD)
}

/// The same, or the guest has joined and is only asked for another password, as administrators may ask all users.
pub fn has_chosen(user: &User, joined_at: Option<Timestamp>, seen: &Seen) -> bool {
    has_password(user) || joined_at.is_some() || seen.password
}

/// The recorded facts of a guest, from the last write. Without a readable mark, there are none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recorded {
    pub partner: Option<PartnerId>,
    pub joined_at: Option<Timestamp>,
    pub mfa: BTreeMap<MfaMethod, Timestamp>,
    /// When the invitation was requested, whether Keycloak has it or not.
    pub invited_at: Option<Timestamp>,
    pub live: bool,
}

/// Reads the recorded facts.
pub fn recorded(user: &User) -> Recorded {
    let Some(Stored { record, mfa, .. }) = stored::read(user) else { return Recorded::default() };
    let (joined_at, live) = (record.joined_at, record.deactivated_at.is_none());
    let invited_at = record.invitation.map(|invitation| invitation.sent_at);
    Recorded { partner: Some(record.partner), joined_at, mfa, invited_at, live }
}

/// guestlist's identifier of the user, from a readable ownership mark or derived.
pub fn id(user: &User) -> GuestId {
    stored::read(user).map_or_else(|| substitutes::id(&user.id), |stored| stored.record.id)
}

/// The address in a readable ownership mark.
pub fn address(user: &User) -> Option<Email> {
    Some(stored::read(user)?.record.address)
}

/// Whether the record has to be written again. Two concurrent writes left two values in a single-valued attribute, and
/// Keycloak refuses every other write of the user. Or an administrator enabled a login that guestlist had disabled: a
/// login that the administrator disables later would count as disabled by guestlist.
fn is_outdated(user: &User, disabled_at: Option<Timestamp>) -> bool {
    let values = |name| user.attributes.get(name).map_or(0, Vec::len);
    ALL.into_iter().any(|name| !has_many(name) && values(name) > 1) || (user.enabled && disabled_at.is_some())
}

/// Whether guestlist's attributes are equal on both users, in any order.
pub fn is_same(one: &User, other: &User) -> bool {
    let values = |user: &User, name| user.attributes.get(name).into_iter().flatten().cloned().collect::<BTreeSet<_>>();
    ALL.into_iter().all(|name| values(one, name) == values(other, name))
}

/// A guest's record. `None`: the user has no readable ownership mark.
pub fn record(user: &User, seen: &Seen) -> Option<GuestRecord> {
    let Stored { record: stored, mfa, login_disabled_at, .. } = stored::read(user)?;
    let member = seen.member.unwrap_or(stored.joined_at.is_some());
    let left = stored.deactivated_at.is_some();
    let joined = if left { stored.joined_at.is_some() } else { member && has_chosen(user, stored.joined_at, seen) };
    let enrolled = seen.enrolled.clone().unwrap_or(mfa);
    let invitation = match seen.invitation {
        // The record decides about the times of the invitation, and Keycloak about its existence.
        Some(there) => there.map(|there| stored.invitation.map_or(there, |ours| shorter(ours, there))),
        None => stored.invitation,
    };
    Some(GuestRecord {
        email: Email::parse(&user.email).ok().or_else(|| substitutes::address(&user.id))?,
        // Keycloak refused to revoke these grants; applications do not see them.
        grants: match () {
            () if seen.is_blocked => grants::blocked(user, &stored.address),
            // A crash may have left sessions open, so the revoked claims are revoked again.
            () if !left => grants::with_revoked(grants::read(user, &stored.address), &revoked(&user.attributes)),
            () => grants::read(user, &stored.address),
        },
        invitation: if joined { None } else { invitation },
        joined_at: joined.then(|| stored.joined_at.or(seen.joined_at)).flatten(),
        login: login(user, login_disabled_at),
        mfa_lost_at: enrolled.is_empty().then(|| seen.mfa_lost_at.max(stored.mfa_lost_at)).flatten(),
        mfa: if seen.mfa_hidden { MfaRecord::Unknown } else { MfaRecord::Known(enrolled.into_iter().collect()) },
        allowed: mfa::allowed(&user.attributes),
        integrity: if is_outdated(user, login_disabled_at) { Integrity::Outdated } else { Integrity::Intact },
        ..stored
    })
}

/// The tolerance for equal ends: Keycloak counts in whole seconds from the time of sending.
const CLOSE: SignedDuration = SignedDuration::from_mins(1);

/// The end of an invitation is the earlier of the partner's and the realm's.
pub fn shorter(ours: InvitationRecord, theirs: InvitationRecord) -> InvitationRecord {
    let close = ours.expires_at.duration_since(theirs.expires_at) < CLOSE;
    if close { ours } else { InvitationRecord { sent_at: ours.sent_at, ..theirs } }
}

/// The attribute with Keycloak's reason for disabling a user itself, such as `permanentLockout` after wrong
/// passwords.
const DISABLED_REASON: &str = "disabledReason";

/// Whether a user may log in. `disabled_at`: the time in the record at which guestlist disabled the login.
pub fn login(user: &User, disabled_at: Option<Timestamp>) -> Login {
    match disabled_at {
        _ if user.enabled => Login::Enabled,
        Some(_) if !user.attributes.contains_key(DISABLED_REASON) => Login::DisabledByGuestlist,
        Some(_) | None => Login::DisabledByOther,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::keycloak::grants::ACCOUNTS;
    use crate::directory::keycloak::representations::Attributes;
    use crate::directory::keycloak::users::recovery;
    use crate::domain::{GuestRole, ShareRole};
    use crate::util::small_map::SmallMap;

    fn stored(role: &str, joined: bool, uid: &str) -> String {
        let joined = if joined { r#""joinedAt":"2026-01-02T00:00:00Z","# } else { "" };
        format!(
            r#"{{"id":"id","mark":{{"installation":"prod","cluster":"c","namespace":"partners","name":"bob","uid":"{uid}",
            "origin":"Created"}},"address":"bob@acme.example","email":"bob@acme.example","partner":"p","partnerName":"acme",
            "displayName":"Bob","role":"{role}",{joined}"login":"Enabled","recentMails":[],
            "admittedAt":"2026-01-01T00:00:00Z"}}"#
        )
    }

    fn user(records: &[String], accounts: &[&str]) -> User {
        let mark = [(ID, "id"), (INSTALLATION, "prod"), (ADDRESS, "bob@acme.example"), (PARTNER, "p")];
        let mut attributes: Attributes = mark.map(|(name, value)| (name.to_owned(), vec![value.to_owned()])).into();
        attributes.insert(RECORD.to_owned(), records.to_vec());
        attributes.insert(ACCOUNTS.to_owned(), accounts.iter().map(|&told| told.to_owned()).collect());
        let email = "bob@acme.example".to_owned();
        User { id: "u".to_owned(), email, enabled: true, attributes, ..User::default() }
    }

    fn read(user: &User) -> Option<GuestRecord> {
        record(user, &Seen { member: Some(true), ..Seen::default() })
    }

    fn claims(user: &User) -> Vec<(String, String)> {
        let held = recovery::record(user).map(|record| record.grants).unwrap_or_default();
        held.iter().map(|(account, held)| (account.clone(), held.grant.share_uid.clone())).collect()
    }

    #[test]
    fn record_written_twice_concurrently_reads_as_least_privilege() {
        for two in [["GuestAdmin", "GuestUser"], ["GuestUser", "GuestAdmin"]] {
            let records = two.map(|role| stored(role, true, "u1"));
            let guest = read(&user(&records, &["ads:collaborator", "ads:manager"])).unwrap();
            assert_eq!((guest.role, guest.integrity), (GuestRole::GuestUser, Integrity::Outdated));
            assert!(guest.joined_at.is_some() && guest.mark.unwrap().uid == "u1");
            let held = &guest.grants["ads"].grant;
            assert_eq!((held.role, held.share_uid.as_str()), (ShareRole::Manager, ""), "no share stands behind it");
        }
    }

    #[test]
    fn login_follows_the_record_unless_an_administrator_changed_it() {
        let at = r#""admittedAt":"2026-01-01T00:00:00Z","loginDisabledAt":"2026-01-03T00:00:00Z""#;
        let flagged = stored("GuestUser", true, "u1").replace(r#""admittedAt":"2026-01-01T00:00:00Z""#, at);
        let plain = stored("GuestUser", true, "u1");
        let login = |record: &str, enabled, reason: Option<&str>| {
            let mut user = User { enabled, ..user(&[record.to_owned()], &[]) };
            let reason = reason.map(|reason| (DISABLED_REASON.to_owned(), vec![reason.to_owned()]));
            user.attributes.extend(reason);
            read(&user).unwrap().login
        };
        for (record, enabled, reason, expected) in [
            (&flagged, false, None, Login::DisabledByGuestlist),
            (&flagged, false, Some("permanentLockout"), Login::DisabledByOther),
            (&flagged, true, None, Login::Enabled),
            (&plain, false, None, Login::DisabledByOther),
            (&plain, false, Some("permanentLockout"), Login::DisabledByOther),
            (&plain, true, None, Login::Enabled),
        ] {
            assert_eq!(login(record, enabled, reason), expected, "{enabled} {reason:?}");
        }
        // An administrator enabled the login: the record is written again, which removes the note of the suspension.
        let mut user = User { enabled: true, ..user(&[flagged], &[]) };
        let record = read(&user).unwrap();
        assert_eq!(record.integrity, Integrity::Outdated);
        write(&record, &mut user.attributes, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(read(&user).unwrap().integrity, Integrity::Intact);
        assert_eq!(read(&User { enabled: false, ..user }).unwrap().login, Login::DisabledByOther);
    }

    #[test]
    fn mark_is_readable_only_if_all_its_parts_agree() {
        let whole = user(&[stored("GuestAdmin", true, "u1")], &["ads:manager"]);
        assert!(read(&whole).is_some_and(|guest| guest.mark.is_some()));
        for name in MARK {
            for value in [None, Some("other"), Some("{}")] {
                let mut user = whole.clone();
                match value {
                    Some(value) => drop(user.attributes.insert(name.to_owned(), vec![value.to_owned()])),
                    None => drop(user.attributes.remove(name)),
                }
                assert_eq!(read(&user), None, "{name} {value:?}");
                assert!(recovery::is_unreadable(&user), "{name} {value:?}");
                assert_eq!(claims(&user), [("ads".to_owned(), String::new())], "{name} {value:?}");
            }
        }
        let other = user(&["u1", "u2"].map(|uid| stored("GuestAdmin", true, uid)), &[]);
        assert_eq!(read(&other), None, "two records of two guests");
    }

    #[test]
    fn revocation_leaves_the_rest_of_an_unreadable_mark() {
        let mut user = user(&["{}".to_owned()], &["ads:manager"]);
        let before = user.attributes.clone();
        let record = GuestRecord { grants: SmallMap::default(), ..recovery::record(&user).unwrap() };
        write(&record, &mut user.attributes, Timestamp::UNIX_EPOCH).unwrap();
        let left: Vec<_> = before.into_iter().filter(|(name, _)| name != ACCOUNTS).collect();
        assert_eq!(user.attributes.into_iter().collect::<Vec<_>>(), left);
    }

    #[test]
    fn unreadable_user_without_valid_address_stays_distinct() {
        let bare = |id: &str| {
            let mut user = user(&[], &["ads:manager"]);
            user.attributes.remove(ID);
            recovery::record(&User { id: id.to_owned(), email: String::new(), ..user }).unwrap()
        };
        let [one, other] = ["f:1:a b", "f:1:c"].map(bare);
        assert!(one.grants.contains_key("ads") && one.address != other.address);
        let uuid = bare("0c9a3a0e-0000-4000-8000-000000000001");
        assert_eq!(substitutes::user_at(&uuid.address), Some("0c9a3a0e-0000-4000-8000-000000000001"));
    }

    #[test]
    fn claims_are_read_for_every_user_with_a_guestlist_attribute() {
        let mut bare = user(&[], &["ads:manager", "mail", "a:b:collaborator"]);
        bare.attributes.retain(|name, _| name == ACCOUNTS);
        assert_eq!(claims(&bare).into_iter().map(|(account, _)| account).collect::<Vec<_>>(), ["a:b", "ads", "mail"]);
        assert!(!recovery::is_unreadable(&bare), "the user is no guest");
        bare.attributes.clear();
        assert_eq!(recovery::record(&bare), None);
    }
}
