//! A guest with an unreadable ownership mark: edited by hand, or partly removed. Applications still see the claims,
//! so the guest must not be skipped. The record contains the readable facts only, and the claims as grants without a
//! share. guestlist therefore revokes them like every undeclared grant, and the membership for the address writes a
//! complete mark. It is unknown whether the user existed before guestlist, so the user counts as adopted and is never
//! disabled or purged.
//!
//! The same applies to a user with the mark of another user, after a tool copied a user with all attributes. Two
//! records of one guest would hide one of them, and operations on one would change the other.

use jiff::Timestamp;

use crate::directory::keycloak::Inner;
use crate::directory::keycloak::grants;
use crate::directory::keycloak::mfa;
use crate::directory::keycloak::representations::{User, first};
use crate::directory::keycloak::users::guest;
use crate::directory::keycloak::users::guest::{Recorded, Seen};
use crate::directory::record::NO_OBJECT;
use crate::directory::{Error, GuestId, GuestRecord, MfaRecord, Origin, Owner, OwnershipMark, PartnerId, Revision};
use crate::domain::{Email, GuestRole};

/// Other known facts: the owner of the realm, and the ownership mark of the partner whose identifier is readable.
#[derive(Clone, Copy, Default)]
pub struct RecoveryContext<'a> {
    pub owner: Option<&'a Owner>,
    pub partner: Option<&'a OwnershipMark>,
}

/// The prefix of identifiers that are derived from Keycloak's, if guestlist's is unreadable.
const BY_USER: &str = NO_OBJECT;
/// The domain of a substitute address, and the length of the identifier before it.
const NO_DOMAIN: &str = "@address.invalid";
const SHOWN: usize = 50;
/// The namespace in a mark without a partner.
const NOWHERE: &str = "keycloak";

/// Keycloak's identifier of a guest with a derived identifier.
pub fn user_id(guest: &GuestId) -> Option<&str> {
    guest.0.strip_prefix(BY_USER)
}

/// guestlist's identifier of a guest.
pub fn id(user: &User) -> GuestId {
    GuestId(first(&user.attributes, guest::ID).map_or_else(|| format!("{BY_USER}{}", user.id), str::to_owned))
}

/// The address of a guest: from the ownership mark, otherwise the user's own. If both are unreadable, it is a unique
/// substitute that receives no mail, because a skipped guest would keep all access.
pub fn address(user: &User) -> Option<Email> {
    let marked = guest::marked_address(user);
    let plain = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
    let nowhere = || user.id.chars().filter(plain).take(SHOWN).collect::<String>();
    marked
        .or_else(|| Email::parse(&user.email).ok())
        .or_else(|| Email::parse(&format!("{BY_USER}{}{NO_DOMAIN}", nowhere())).ok())
}

/// Keycloak's identifier of a guest with a substitute address.
pub fn user_at(address: &Email) -> Option<&str> {
    address.as_str().strip_prefix(BY_USER)?.strip_suffix(NO_DOMAIN)
}

/// A user without an ownership mark that belongs to another user.
pub fn unmarked(user: &User) -> User {
    let mut own = user.clone();
    own.attributes
        .retain(|name, _| ![guest::ID, guest::ADDRESS, guest::PARTNER, guest::RECORD].contains(&name.as_str()));
    own
}

/// The order of several users with one mark. The owner comes first: the user with the address in it, otherwise the
/// oldest user.
pub fn is_before(one: &User, other: &User) -> bool {
    let place = |user: &User| {
        let marked = guest::marked_address(user);
        let his = marked.is_some_and(|address| user.email.eq_ignore_ascii_case(address.as_str()));
        (guest::has_his_own_mark(user) != Some(true), !his, user.created_timestamp.unwrap_or(i64::MAX), user.id.clone())
    };
    place(one) < place(other)
}

/// The recorded facts, if only the partner is readable.
pub fn recorded(user: &User) -> Recorded {
    let partner = first(&user.attributes, guest::PARTNER).map(|id| PartnerId(id.to_owned()));
    Recorded { partner, live: true, ..Recorded::default() }
}

/// The guest's record, as far as it is readable.
pub fn record(user: &User, seen: &Seen, revision: Revision, known: RecoveryContext<'_>) -> Option<GuestRecord> {
    let address = address(user)?;
    tracing::warn!(%address, user = user.id, "the ownership mark of a user cannot be read: grants without a share are revoked");
    let text = |found: Option<&str>| found.unwrap_or_default().to_owned();
    let joined = seen.member.unwrap_or(false) && guest::has_chosen(user, None, seen);
    let enrolled = seen.enrolled.clone().unwrap_or_default();
    Some(GuestRecord {
        id: id(user),
        revision,
        mark: Some(OwnershipMark {
            installation: text(known.owner.map(|owner| owner.installation.as_str())),
            cluster: text(known.owner.map(|owner| owner.cluster.as_str())),
            namespace: known.partner.map_or(NOWHERE, |mark| mark.namespace.as_str()).to_owned(),
            // No object has such a name or UID.
            name: format!("{BY_USER}{}", user.id),
            uid: format!("{BY_USER}{}", user.id),
            origin: Origin::Adopted,
        }),
        email: Email::parse(&user.email).unwrap_or_else(|_| address.clone()),
        grants: grants::told_by_nobody(user),
        address,
        partner: PartnerId(text(first(&user.attributes, guest::PARTNER))),
        partner_name: text(known.partner.map(|mark| mark.name.as_str())),
        display_name: guest::person(user).map(|person| person.name).unwrap_or_default(),
        role: GuestRole::GuestUser,
        invitation: seen.invitation.flatten().filter(|_| !joined),
        admitted_at: user.created(),
        last_mail_at: None,
        recent_mails: Vec::new(),
        joined_at: joined.then_some(seen.joined_at).flatten(),
        login: guest::login(user, None),
        mfa: if seen.mfa_hidden { MfaRecord::Unknown } else { MfaRecord::Known(enrolled.into_iter().collect()) },
        mfa_lost_at: seen.mfa_lost_at,
        allowed: mfa::allowed(&user.attributes),
        deactivated_at: None,
    })
}

impl User {
    /// When Keycloak created the user; the Unix epoch if it is unknown.
    fn created(&self) -> Timestamp {
        let at = self.created_timestamp.and_then(|at| Timestamp::from_millisecond(at).ok());
        at.unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

impl Inner {
    /// Before a guest's ownership mark is removed, it is removed from every copy of the user. Otherwise a remaining
    /// copy with the mark would count as the guest.
    pub(in crate::directory::keycloak) async fn no_other_bears(&self, user: &User) -> Result<(), Error> {
        let Some(id) = first(&user.attributes, guest::ID) else { return Ok(()) };
        let bearers = self.people().users_with(guest::ID, id).await?;
        // This user is a copy.
        if bearers.iter().any(|other| is_before(other, user)) {
            return Ok(());
        }
        for other in bearers.iter().filter(|other| other.id != user.id) {
            tracing::warn!(user = other.id, "has the ownership mark of another guest; the mark is removed");
            let mut without = other.clone();
            without.attributes.retain(|name, _| !guest::ALL.contains(&name.as_str()));
            self.put_user(other, &without).await.map_err(Error::from)?;
            self.end_sessions(&other.id).await?;
        }
        Ok(())
    }
}
