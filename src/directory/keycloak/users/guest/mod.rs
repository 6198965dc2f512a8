//! A guest as a Keycloak user, whose attributes contain the ownership mark, the grants and other facts. One write
//! changes all of them at once; one page of users contains a hundred guests.

mod revoked;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::directory::keycloak::grants;
use crate::directory::keycloak::grants::{ACCOUNTS, GRANTS};
use crate::directory::keycloak::mfa;
use crate::directory::keycloak::mfa::METHODS;
use crate::directory::keycloak::representations::{Attributes, User, first};
use crate::directory::keycloak::users::profile::has_many;
use crate::directory::keycloak::users::recovery;
use crate::directory::keycloak::users::recovery::RecoveryContext;
use crate::directory::record::NO_OBJECT;
use crate::directory::{
    GuestId, GuestRecord, InvitationRecord, Login, MfaRecord, Origin, OwnershipMark, PartnerId, Revision, SentMail,
    UserRecord,
};
use crate::domain::{Email, GuestRole, MfaMethod};

pub use revoked::{revoked, set_ended};

/// guestlist's identifier of the guest.
pub const ID: &str = "guestlist.id";
/// The installation. A search for it finds all guests.
pub const INSTALLATION: &str = "guestlist.installation";
/// The address in the ownership mark. A search for it finds the guest, whatever the present address is.
pub const ADDRESS: &str = "guestlist.address";
/// The partner's identifier. A search for it finds the partner's guests, including deactivated ones.
pub const PARTNER: &str = "guestlist.partner";
/// The ownership mark and other facts, as JSON.
pub const RECORD: &str = "guestlist.record";
/// All attributes of guestlist. The realm's user profile declares them, for administrators only.
pub const ALL: [&str; 8] = [ID, INSTALLATION, ADDRESS, PARTNER, RECORD, GRANTS, ACCOUNTS, METHODS];

/// The attributes that make a user a guest.
const MARK: [&str; 5] = [ID, INSTALLATION, ADDRESS, PARTNER, RECORD];

/// Keycloak makes the user set a password before anything else.
pub const UPDATE_PASSWORD: &str = "UPDATE_PASSWORD";

/// The JSON in [`RECORD`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    installation: String,
    cluster: String,
    namespace: String,
    name: String,
    uid: String,
    adopted: bool,
    address: String,
    partner: String,
    partner_name: String,
    display_name: String,
    role: String,
    admitted_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mailed_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    recent_mails: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    invited_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    invitation_ends: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    joined_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    mfa: BTreeMap<String, Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mfa_lost_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deactivated_at: Option<Timestamp>,
    /// Revoked claims whose sessions may not have ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    revoked: Vec<String>,
    /// Since when guestlist has the login disabled. Absent: another party disabled a login that is off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    login_disabled_at: Option<Timestamp>,
}

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
    pub is_out: bool,
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

/// Whether a user has an ownership mark, readable or not.
pub fn is_marked(user: &User) -> bool {
    // The allowed methods alone grant nothing, so they do not make a user a guest.
    ALL.iter().any(|name| *name != METHODS && user.attributes.contains_key(*name))
}

/// Whether guestlist created the user. With an incomplete mark, the user counts as adopted.
pub fn is_made(user: &User) -> bool {
    let mark = read(user, &Seen::default(), Revision(0)).and_then(|record| record.mark);
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

/// The recorded partner, acceptance and MFA of a guest, from the last write.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recorded {
    pub partner: Option<PartnerId>,
    pub joined_at: Option<Timestamp>,
    pub mfa: BTreeMap<MfaMethod, Timestamp>,
    pub live: bool,
}

/// Reads the recorded facts, as far as they are readable.
pub fn recorded(user: &User) -> Recorded {
    let Some(stored) = stored(user) else { return recovery::recorded(user) };
    Recorded {
        partner: Some(PartnerId(stored.partner.clone())),
        joined_at: stored.joined_at,
        mfa: methods_at(&stored.mfa),
        live: stored.deactivated_at.is_none(),
    }
}

/// When the recorded invitation was requested, whether Keycloak has it or not.
pub fn invited_at(user: &User) -> Option<Timestamp> {
    stored(user)?.invited_at
}

/// Two concurrent writes may leave both values. The one with less access counts.
fn stored(user: &User) -> Option<Stored> {
    let texts = user.attributes.get(RECORD).map(Vec::as_slice).unwrap_or_default();
    let all: Option<Vec<Stored>> = texts.iter().map(|text| serde_json::from_str(text).ok()).collect();
    let all = all?;
    let guest = |stored: &Stored| (stored.installation.clone(), stored.uid.clone(), stored.address.clone());
    let same = all.windows(2).all(|two| guest(&two[0]) == guest(&two[1]));
    let says = |stored: &Stored| {
        let admin = stored.role == GuestRole::GuestAdmin.as_str();
        (
            stored.deactivated_at.is_none(),
            !stored.adopted,
            stored.joined_at.is_some(),
            stored.mfa.len(),
            admin,
            stored.login_disabled_at,
        )
    };
    all.into_iter().filter(|_| same).min_by_key(says)
}

/// A suffix of the display name if two concurrent writes left two values in a single-valued attribute. Keycloak then
/// refuses every write of the user. The suffix makes the record differ from the spec until it is written again.
const WRITTEN_TWICE: &str = "\0written twice at once";

fn is_written_twice(user: &User) -> bool {
    let values = |name| user.attributes.get(name).map_or(0, Vec::len);
    ALL.into_iter().any(|name| !has_many(name) && values(name) > 1)
}

/// Whether an administrator enabled a login that guestlist had disabled. The record is then outdated and has to be
/// written again. Otherwise a login that the administrator disables later would count as disabled by guestlist.
fn is_enabled_by_other(user: &User, disabled_at: Option<Timestamp>) -> bool {
    user.enabled && disabled_at.is_some()
}

/// Whether guestlist's attributes are equal on both users, in any order.
pub fn is_same(one: &User, other: &User) -> bool {
    let values = |user: &User, name| user.attributes.get(name).into_iter().flatten().cloned().collect::<BTreeSet<_>>();
    ALL.into_iter().all(|name| values(one, name) == values(other, name))
}

/// The readable address in a user's ownership mark. The mark contains it twice. If the two differ after an edit, the
/// one that equals the user's own address counts.
pub fn marked_address(user: &User) -> Option<Email> {
    let [recorded, said] = marked_addresses(user);
    match said {
        Some(said) if is_his(user, &said) => Some(said),
        said => recorded.or(said),
    }
}

/// Whether all addresses in the ownership mark equal the user's own. `None`: no address is readable.
pub fn has_his_own_mark(user: &User) -> Option<bool> {
    marked_addresses(user).into_iter().flatten().map(|address| is_his(user, &address)).reduce(|one, other| one && other)
}

fn marked_addresses(user: &User) -> [Option<Email>; 2] {
    let recorded = stored(user).and_then(|stored| Email::parse(&stored.address).ok());
    [recorded, first(&user.attributes, ADDRESS).and_then(|text| Email::parse(text).ok())]
}

fn is_his(user: &User, address: &Email) -> bool {
    user.email.eq_ignore_ascii_case(address.as_str())
}

fn methods_at(stored: &BTreeMap<String, Timestamp>) -> BTreeMap<MfaMethod, Timestamp> {
    stored.iter().filter_map(|(name, at)| Some((MfaMethod::parse(name)?, *at))).collect()
}

/// A placeholder for an unreadable address.
fn unreadable_address() -> Option<Email> {
    Email::parse("unreadable@address.invalid").ok()
}

/// A guest's record. `None`: the user has no ownership mark.
pub fn record(user: &User, seen: &Seen, revision: Revision, known: RecoveryContext<'_>) -> Option<GuestRecord> {
    if !is_marked(user) {
        return None;
    }
    read(user, seen, revision).or_else(|| recovery::record(user, seen, revision, known))
}

fn read(user: &User, seen: &Seen, revision: Revision) -> Option<GuestRecord> {
    let stored = stored(user)?;
    let address = marked_address(user)?;
    let origin = if stored.adopted { Origin::Adopted } else { Origin::Created };
    let member = seen.member.unwrap_or(stored.joined_at.is_some());
    let left = stored.deactivated_at.is_some();
    let joined = if left { stored.joined_at.is_some() } else { member && has_chosen(user, stored.joined_at, seen) };
    let enrolled = seen.enrolled.clone().unwrap_or_else(|| methods_at(&stored.mfa));
    let lost = enrolled.is_empty().then(|| seen.mfa_lost_at.max(stored.mfa_lost_at)).flatten();
    let invited = stored.invited_at.zip(stored.invitation_ends);
    let recorded = invited.map(|(sent_at, expires_at)| InvitationRecord { sent_at, expires_at });
    let invitation = match seen.invitation {
        // The record decides about the times of the invitation, and Keycloak about its existence.
        Some(there) => there.map(|there| recorded.map_or(there, |ours| shorter(ours, there))),
        None => recorded,
    };
    Some(GuestRecord {
        id: GuestId(first(&user.attributes, ID)?.to_owned()),
        revision,
        mark: Some(OwnershipMark {
            installation: stored.installation,
            cluster: stored.cluster,
            namespace: stored.namespace,
            name: stored.name,
            uid: stored.uid,
            origin,
        }),
        email: Email::parse(&user.email).ok().or_else(unreadable_address)?,
        // Keycloak refused to revoke these grants; applications do not see them.
        grants: match () {
            () if seen.is_out => grants::blocked(user, &address),
            // A crash may have left sessions open, so the revoked claims are revoked again.
            () if !left => grants::with_revoked(grants::read(user, &address)?, &revoked(&user.attributes)),
            () => grants::read(user, &address)?,
        },
        address,
        partner: PartnerId(stored.partner),
        partner_name: stored.partner_name,
        display_name: if is_written_twice(user) || is_enabled_by_other(user, stored.login_disabled_at) {
            stored.display_name + WRITTEN_TWICE
        } else {
            stored.display_name
        },
        role: GuestRole::parse(&stored.role)?,
        invitation: if joined { None } else { invitation },
        admitted_at: stored.admitted_at,
        last_mail_at: stored.mailed_at,
        recent_mails: stored.recent_mails.iter().filter_map(|text| SentMail::parse(text)).collect(),
        joined_at: joined.then(|| stored.joined_at.or(seen.joined_at)).flatten(),
        login: login(user, stored.login_disabled_at),
        mfa: if seen.mfa_hidden { MfaRecord::Unknown } else { MfaRecord::Known(enrolled.into_iter().collect()) },
        mfa_lost_at: lost,
        allowed: mfa::allowed(&user.attributes),
        deactivated_at: stored.deactivated_at,
    })
}

/// The tolerance for equal ends: Keycloak counts in whole seconds from the time of sending.
const CLOSE: SignedDuration = SignedDuration::from_mins(1);

/// The end of an invitation is the earlier of the partner's and the realm's.
pub fn shorter(ours: InvitationRecord, theirs: InvitationRecord) -> InvitationRecord {
    let close = ours.expires_at.duration_since(theirs.expires_at) < CLOSE;
    if close { ours } else { InvitationRecord { sent_at: ours.sent_at, ..theirs } }
}

/// Writes a record into a user's attributes. Attributes of others stay. Without an ownership mark, guestlist's
/// attributes are removed. Applications see only the grants that can be used at this instant.
pub fn write(record: &GuestRecord, attributes: &mut Attributes, at: Timestamp) -> serde_json::Result<()> {
    let before = first(attributes, RECORD).and_then(|text| serde_json::from_str::<Stored>(text).ok());
    let told = grants::claims_of(record, at);
    let mut revoked: BTreeSet<String> = revoked(attributes).into_iter().collect();
    let claims = attributes.get(ACCOUNTS).into_iter().flatten();
    revoked.extend(claims.filter(|claim| !grants::covers(&told, claim)).cloned());
    let record = &grants::without_revoked(record, &revoked);
    let stray = !MARK.iter().any(|name| attributes.contains_key(*name));
    for name in ALL {
        attributes.remove(name);
    }
    let Some(mark) = &record.mark else { return Ok(()) };
    if stray && mark.uid.starts_with(NO_OBJECT) {
        // Another party wrote claims on the user. The user is no guest, and does not become one when they are
        // revoked.
        return grants::write(record, attributes, at);
    }
    let disabled_at = before.as_ref().and_then(|before| before.login_disabled_at);
    let mfa = match &record.mfa {
        MfaRecord::Known(mfa) => mfa.iter().map(|(method, at)| (method.as_str().to_owned(), *at)).collect(),
        // Unknown MFA keeps the recorded methods.
        MfaRecord::Unknown => before.map(|before| before.mfa).unwrap_or_default(),
    };
    let stored = Stored {
        installation: mark.installation.clone(),
        cluster: mark.cluster.clone(),
        namespace: mark.namespace.clone(),
        name: mark.name.clone(),
        uid: mark.uid.clone(),
        adopted: mark.origin == Origin::Adopted,
        address: record.address.to_string(),
        partner: record.partner.0.clone(),
        partner_name: record.partner_name.clone(),
        display_name: plain(&record.display_name).to_owned(),
        role: record.role.as_str().to_owned(),
        admitted_at: record.admitted_at,
        mailed_at: record.last_mail_at,
        recent_mails: record.recent_mails.iter().map(ToString::to_string).collect(),
        invited_at: record.invitation.map(|invitation| invitation.sent_at),
        invitation_ends: record.invitation.map(|invitation| invitation.expires_at),
        joined_at: record.joined_at,
        mfa,
        mfa_lost_at: record.mfa_lost_at,
        deactivated_at: record.deactivated_at,
        revoked: revoked.into_iter().collect(),
        login_disabled_at: (record.login == Login::DisabledByGuestlist).then(|| disabled_at.unwrap_or(at)),
    };
    let mut put = |name: &str, values: Vec<String>| attributes.insert(name.to_owned(), values);
    put(ID, vec![record.id.0.clone()]);
    put(INSTALLATION, vec![mark.installation.clone()]);
    put(ADDRESS, vec![record.address.to_string()]);
    put(PARTNER, vec![record.partner.0.clone()]);
    if !record.allowed.is_empty() {
        put(METHODS, vec![mfa::text(&record.allowed)]);
    }
    put(RECORD, vec![serde_json::to_string(&stored)?]);
    grants::write(record, attributes, at)
}

/// A name without the suffix.
fn plain(display_name: &str) -> &str {
    display_name.strip_suffix(WRITTEN_TWICE).unwrap_or(display_name)
}

/// A workspace user, adopted or not. `None`: a guest that guestlist created, or a user without a valid address.
pub fn workspace_user(user: &User) -> Option<UserRecord> {
    if is_made(user) {
        return None;
    }
    person(user)
}

/// The workspace's data about a user, guest or not.
pub fn person(user: &User) -> Option<UserRecord> {
    let last = if user.last_name == NO_NAME { "" } else { user.last_name.as_str() };
    let name = format!("{} {last}", user.first_name).trim().to_owned();
    let email = Email::parse(&user.email).ok()?;
    Some(UserRecord { email, name, enabled: user.enabled, verified: user.email_verified })
}

/// The last name of a person with a single name.
const NO_NAME: &str = "-";

/// The maximum length of a name, in UTF-16 units.
const LONGEST_NAME: usize = 255;

/// First and last name. If one is missing, Keycloak asks the user for both and for the address. Characters that
/// Keycloak's own user profile refuses in names are removed.
pub fn names(display_name: &str) -> (String, String) {
    let display_name = plain(display_name);
    let refused = |c: char| c.is_ascii_control() || r#"<>&"$%!#?§;*~/\|^=[]{}()"#.contains(c);
    let kept: String = display_name.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).collect();
    let kept = kept.replace(refused, "");
    let words: Vec<&str> = kept.split(' ').filter(|word| !word.is_empty()).collect();
    let name = |words: &[&str]| {
        if words.is_empty() {
            NO_NAME.to_owned()
        } else {
            shortened(&words.join(" "), LONGEST_NAME).trim_end().to_owned()
        }
    };
    match words.split_last() {
        Some((last, first)) if !first.is_empty() => (name(first), name(&[*last])),
        Some(_) | None => (name(&words), NO_NAME.to_owned()),
    }
}

/// The longest beginning of a text within a length in UTF-16 units, as Keycloak counts.
pub fn shortened(text: &str, longest: usize) -> String {
    let mut length = 0;
    let fits = |c: &char| {
        length += c.len_utf16();
        length <= longest
    };
    text.chars().take_while(fits).collect()
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
    use crate::domain::ShareRole;

    fn stored(role: &str, joined: bool, uid: &str) -> String {
        let joined = if joined { r#""joinedAt":"2026-01-02T00:00:00Z","# } else { "" };
        format!(
            r#"{{"installation":"prod","cluster":"c","namespace":"partners","name":"bob","uid":"{uid}","adopted":false,
            "address":"bob@acme.example","partner":"p","partnerName":"acme","displayName":"Bob","role":"{role}",{joined}
            "admittedAt":"2026-01-01T00:00:00Z"}}"#
        )
    }

    fn user(records: &[String], accounts: &[&str]) -> User {
        let mut attributes = Attributes::new();
        attributes.insert(RECORD.to_owned(), records.to_vec());
        attributes.insert(ID.to_owned(), vec!["id".to_owned()]);
        attributes.insert(ACCOUNTS.to_owned(), accounts.iter().map(|&told| told.to_owned()).collect());
        let email = "bob@acme.example".to_owned();
        User { id: "u".to_owned(), email, enabled: true, attributes, ..User::default() }
    }

    fn read(user: &User) -> GuestRecord {
        let seen = Seen { member: Some(true), ..Seen::default() };
        record(user, &seen, Revision(0), RecoveryContext::default()).unwrap()
    }

    #[test]
    fn record_written_twice_concurrently_reads_as_least_privilege() {
        for two in [["GuestAdmin", "GuestUser"], ["GuestUser", "GuestAdmin"]] {
            let guest = read(&user(&two.map(|role| stored(role, true, "u1")), &["ads:collaborator", "ads:manager"]));
            assert_eq!(guest.role, GuestRole::GuestUser);
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
            read(&user).login
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
        let record = read(&user);
        assert_ne!(record.display_name, "Bob");
        write(&record, &mut user.attributes, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(read(&user).display_name, "Bob");
        assert_eq!(read(&User { enabled: false, ..user }).login, Login::DisabledByOther);
    }

    #[test]
    fn guest_address_edited_in_one_place_keeps_the_original() {
        let [bob, eve, own] = ["bob@acme.example", "eve@acme.example", "b@home.example"];
        let address = |record: &str, said: &str, email: &str| {
            let user = user(&[stored("GuestAdmin", true, "u1").replace(bob, record)], &["ads:manager"]);
            let mut user = User { email: email.to_owned(), ..user };
            user.attributes.insert(ADDRESS.to_owned(), vec![said.to_owned()]);
            read(&user).address.to_string()
        };
        assert_eq!(address(eve, bob, bob), bob);
        assert_eq!(address("nothing", bob, bob), bob);
        assert_eq!(address(bob, eve, bob), bob);
        assert_eq!(address(bob, bob, own), bob, "he may have another one himself");
    }

    #[test]
    fn of_two_records_of_two_guests_none_holds() {
        let guest = read(&user(&["u1", "u2"].map(|uid| stored("GuestAdmin", true, uid)), &["ads:manager"]));
        assert_eq!((guest.role, guest.joined_at), (GuestRole::GuestUser, None));
        assert_eq!(guest.mark.unwrap().origin, Origin::Adopted);
        assert_eq!(guest.grants["ads"].grant.share_uid, "");
    }

    #[test]
    fn user_without_valid_address_is_read_and_stays_distinct() {
        let bare = |id: &str| {
            let mut user = user(&[], &["ads:manager"]);
            user.attributes.remove(ID);
            User { id: id.to_owned(), email: String::new(), ..user }
        };
        let [one, other] = ["f:1:a b", "f:1:c"].map(|id| read(&bare(id)));
        assert!(one.grants.contains_key("ads") && one.address != other.address);
        let uuid = read(&bare("0c9a3a0e-0000-4000-8000-000000000001"));
        assert_eq!(recovery::user_at(&uuid.address), Some("0c9a3a0e-0000-4000-8000-000000000001"));
    }

    #[test]
    fn claims_are_read_for_every_user_with_a_guestlist_attribute() {
        let guest = read(&user(&[], &["ads:manager", "mail", "a:b:collaborator"]));
        assert_eq!(guest.grants.keys().collect::<Vec<_>>(), ["a:b", "ads", "mail"]);
        let mut nobody = user(&[], &[]);
        nobody.attributes.clear();
        assert!(record(&nobody, &Seen::default(), Revision(0), RecoveryContext::default()).is_none());
    }
}
