//! The records of the directory, in the form that every backend returns.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::{Email, GuestRole, Methods, MfaMethod, ShareRole};
use crate::util::small_map::SmallMap;

/// Identifies a guest's record in the directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GuestId(pub String);

/// Identifies a partner's record in the directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PartnerId(pub String);

impl PartnerId {
    /// Derives the identifier of a new partner from its object's UID, so that a repeated creation finds the same
    /// record.
    pub fn of(uid: &str) -> Self {
        const PARTNERS: Uuid = Uuid::from_bytes(*b"guestlistpartner");
        Self(Uuid::new_v5(&PARTNERS, uid.as_bytes()).to_string())
    }
}

/// Increases with every change of a record by any party.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub i64);

/// The owner of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The workspace policy's `installation`.
    pub installation: String,
    /// The UID of the namespace kube-system; `files` without a cluster.
    pub cluster: String,
}

/// Whether guestlist created an identity or found it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Origin {
    /// guestlist created it, and may disable, deactivate and purge it.
    Created,
    /// guestlist found and adopted it, and removes only its own grants, invitation and mark.
    #[default]
    Adopted,
}

/// The ownership mark: the data on each record that guestlist created or adopted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OwnershipMark {
    /// The installation.
    pub installation: String,
    /// The cluster: the UID of kube-system.
    pub cluster: String,
    /// The object's namespace.
    pub namespace: String,
    /// The object's name.
    pub name: String,
    /// The object's UID.
    pub uid: String,
    /// Created or adopted.
    pub origin: Origin,
}

/// Whether guestlist can rely on a stored record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Integrity {
    /// The record is as guestlist wrote it.
    #[default]
    Intact,
    /// Another party changed a part that guestlist writes again. The ownership mark is readable.
    Outdated,
    /// The ownership mark cannot be read, or names another user or organization too. guestlist only revokes the claims.
    Unreadable,
}

/// A partner in the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartnerRecord {
    /// Its identifier, derived from the object's UID.
    pub id: PartnerId,
    /// The ownership mark.
    pub mark: OwnershipMark,
    /// The name shown to people.
    pub display_name: String,
    /// The Host Admins, sorted.
    pub host_admins: Vec<Email>,
    /// Whether the partner is suspended. Its guests then have no grants.
    pub suspended: bool,
    /// Since when the partner is deactivated; `None`: live.
    pub deactivated_at: Option<Timestamp>,
    /// Whether the record can be relied on. If it is unreadable, the other fields may be empty.
    pub integrity: Integrity,
}

impl PartnerRecord {
    /// Whether the record is readable and not deactivated.
    pub fn is_live(&self) -> bool {
        self.deactivated_at.is_none() && self.is_readable()
    }

    /// Whether the ownership mark is readable.
    pub fn is_readable(&self) -> bool {
        self.integrity != Integrity::Unreadable
    }
}

/// An invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InvitationRecord {
    /// When it was sent.
    pub sent_at: Timestamp,
    /// The end of the invitation.
    pub expires_at: Timestamp,
}

/// Whether a guest may log in. guestlist enables only the logins that it disabled itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Login {
    /// The guest may log in.
    Enabled,
    /// guestlist disabled the login: the guest is suspended, expired or removed.
    DisabledByGuestlist,
    /// An administrator or the identity provider disabled the login.
    DisabledByOther,
}

impl Login {
    /// Whether the guest may log in.
    pub fn is_enabled(self) -> bool {
        self == Self::Enabled
    }

    /// The login after guestlist disabled it. A login that another party disabled stays theirs.
    #[must_use]
    pub fn disabled(self) -> Self {
        match self {
            Self::Enabled | Self::DisabledByGuestlist => Self::DisabledByGuestlist,
            Self::DisabledByOther => Self::DisabledByOther,
        }
    }
}

/// The MFA methods of a guest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum MfaRecord {
    /// The enrolled methods, each with the time of its enrolment; empty: none.
    Known(SmallMap<MfaMethod, Timestamp>),
    /// The directory cannot tell.
    #[default]
    Unknown,
}

/// The content of a grant.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Grant {
    /// The account's name.
    pub account: String,
    /// Manager or Collaborator.
    pub role: ShareRole,
    /// The share's name, in the guest's namespace.
    pub share: String,
    /// The share's UID.
    pub share_uid: String,
    /// The methods allowed to the guest: one of them has to be enrolled.
    pub allowed: Methods,
    /// The methods that the share asks for: one of them has to be enrolled too.
    pub asked: Methods,
    /// The end of the grant; `None`: no end.
    pub until: Option<Timestamp>,
}

/// A grant that the directory holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct GrantRecord {
    /// The content.
    #[serde(flatten)]
    pub grant: Grant,
    /// The time of the grant.
    pub since: Timestamp,
}

/// A guest in the directory. There is at most one record for an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GuestRecord {
    /// Its identifier.
    pub id: GuestId,
    /// Increases with every change.
    #[serde(skip)]
    pub revision: Revision,
    /// The ownership mark; `None`: guestlist does not manage the identity.
    pub mark: Option<OwnershipMark>,
    /// The address in the ownership mark, to which the invitation was sent.
    pub address: Email,
    /// The present address in the directory; the guest may have changed it.
    pub email: Email,
    /// The partner's record.
    pub partner: PartnerId,
    /// The partner's name, in the namespace of the ownership mark.
    pub partner_name: String,
    /// The guest's name.
    pub display_name: String,
    /// The recorded role.
    pub role: GuestRole,
    /// The open or expired invitation; `None` once accepted or revoked.
    pub invitation: Option<InvitationRecord>,
    /// When the membership was accepted and its first mail was sent.
    pub admitted_at: Timestamp,
    /// When the last mail to the address was sent, including mails for an earlier record.
    pub last_mail_at: Option<Timestamp>,
    /// The last mail to the address and those in the hour before it, the earliest first.
    pub recent_mails: Vec<SentMail>,
    /// When the invitation was accepted.
    pub joined_at: Option<Timestamp>,
    /// Whether the guest may log in, and the party that disabled the login.
    pub login: Login,
    /// The enrolled MFA methods.
    #[serde(skip)]
    pub mfa: MfaRecord,
    /// When the last MFA method was removed; `None` once one is enrolled again.
    pub mfa_lost_at: Option<Timestamp>,
    /// The MFA methods allowed to the guest, as last written: one of them has to be enrolled. Empty: the stored value
    /// is unreadable.
    #[serde(skip)]
    pub allowed: Methods,
    /// Grants by account.
    #[serde(skip)]
    pub grants: SmallMap<String, GrantRecord>,
    /// Since when the record is deactivated; `None`: live.
    pub deactivated_at: Option<Timestamp>,
    /// Whether the record can be relied on. An unreadable one has no `mark`.
    #[serde(skip)]
    pub integrity: Integrity,
}

/// A shared account's facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRecord {
    /// Its name.
    pub name: String,
    /// Its Owners, sorted.
    pub owners: Vec<Email>,
    /// Whether the account is deleted. A deleted account may be restored.
    pub deleted: bool,
}

/// A workspace user's facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRecord {
    /// The user's address.
    pub email: Email,
    /// The user's name.
    pub name: String,
    /// Whether the user may log in.
    pub enabled: bool,
    /// Whether the address is verified.
    pub verified: bool,
}

/// The last mail to an address. It outlives the record, so that a guest who is deleted and created again gets no
/// additional mails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailRecord {
    /// The address.
    pub address: Email,
    /// The time of the last mail.
    pub at: Timestamp,
    /// The last mail and those in the hour before it, the earliest first.
    pub recent: Vec<SentMail>,
}

/// A sent mail, and the namespace that requested it. The workspace policy limits the mails of a namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SentMail {
    /// The time.
    pub at: Timestamp,
    /// The membership's namespace.
    pub namespace: String,
}

/// How long a mail counts for the policy's `invitationsPerHour`.
pub const SENT_KEPT: SignedDuration = SignedDuration::from_hours(1);
/// The maximum number of mails remembered for one address.
const MOST_SENT: usize = 60;

impl SentMail {
    /// The recent mails after another one is sent: that one, and those in the hour before it.
    pub fn with(recent: &[Self], namespace: &str, at: Timestamp) -> Vec<Self> {
        let since = at.checked_sub(SENT_KEPT).unwrap_or(Timestamp::MIN);
        let kept = recent.iter().filter(|mail| mail.at > since && mail.at != at).cloned();
        let mut mails: Vec<Self> = kept.chain([Self { at, namespace: namespace.to_owned() }]).collect();
        mails.sort();
        mails.split_off(mails.len().saturating_sub(MOST_SENT))
    }

    /// Parses the stored form of a mail: its time and its namespace.
    pub fn parse(text: &str) -> Option<Self> {
        let (at, namespace) = text.split_once(' ')?;
        Some(Self { at: at.parse().ok()?, namespace: namespace.to_owned() })
    }
}

impl std::fmt::Display for SentMail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.9} {}", self.at, self.namespace)
    }
}

/// How long a mail is remembered without a record.
pub const MAILS_KEPT: SignedDuration = SignedDuration::from_hours(90 * 24);

/// A share as it was at its first grant. It never changes for its UID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareRecord {
    /// The share's UID.
    pub uid: String,
    /// The partner's name.
    pub partner_name: String,
    /// The account's name.
    pub account: String,
}

/// How many records were purged, by the end of the minute of the purge. Rounding up keeps each hour within the limit.
/// Entries older than [`PURGES_KEPT`] are dropped.
pub type Purged = BTreeMap<Timestamp, u32>;

/// How long purges are remembered; the limit is per hour.
pub const PURGES_KEPT: SignedDuration = SignedDuration::from_hours(1);

/// The end of the minute that contains an instant.
pub fn minute_of(at: Timestamp) -> Timestamp {
    let end = at.as_second().div_euclid(60).saturating_add(1).saturating_mul(60);
    Timestamp::from_second(end).unwrap_or(Timestamp::MAX)
}

/// How many records were purged in the hour before an instant.
pub fn purged_lately(purged: &Purged, now: Timestamp) -> u32 {
    let since = now.checked_sub(PURGES_KEPT).unwrap_or(Timestamp::MIN);
    purged.iter().filter(|(minute, _)| **minute > since).map(|(_, count)| count).sum()
}

impl GuestRecord {
    /// Whether the directory hides the guest's accounts from applications, because it refused to write the record.
    pub fn is_blocked(&self) -> bool {
        self.grants.values().any(GrantRecord::is_blocked)
    }

    /// Whether the record has an ownership mark and is not deactivated.
    pub fn is_live(&self) -> bool {
        self.mark.is_some() && self.deactivated_at.is_none()
    }
}

impl GrantRecord {
    /// Whether the directory hides the grant from applications, because it refused to write the guest's record.
    pub fn is_blocked(&self) -> bool {
        self.grant.until == Some(BLOCKED)
    }

    /// Whether the guest can use the account at this moment, from one snapshot of the record.
    pub fn is_effective(&self, login: Login, joined: bool, enrolled: &Methods, now: Timestamp) -> bool {
        login.is_enabled()
            && joined
            && !self.grant.allowed.is_disjoint(enrolled)
            && !self.grant.asked.is_disjoint(enrolled)
            && self.grant.until.is_none_or(|until| now < until)
    }
}

/// The end of a grant that the directory hides from applications, because it refused to write the guest's record.
pub const BLOCKED: Timestamp = Timestamp::UNIX_EPOCH;

/// Whether sign-in requires an allowed MFA method of guests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SignInGate {
    /// Sign-in requires it, or the directory has no sign-in.
    #[default]
    Enforced,
    /// Some ways to sign in do not require it: one sentence for each.
    Open(Vec<String>),
    /// The check failed: the cause and the fix.
    Unknown(String),
}

impl SignInGate {
    /// All states, with the names of the metric.
    pub const STATES: [&str; 3] = ["enforced", "open", "unknown"];

    /// The state, with the name of the metric.
    pub fn state(&self) -> &'static str {
        match self {
            Self::Enforced => Self::STATES[0],
            Self::Open(_) => Self::STATES[1],
            Self::Unknown(_) => Self::STATES[2],
        }
    }

    /// The warnings; empty where MFA is enforced.
    pub fn warnings(&self) -> Vec<String> {
        match self {
            Self::Enforced => Vec::new(),
            Self::Open(ways) => ways.iter().map(|way| format!("sign-in does not enforce MFA: {way}")).collect(),
            Self::Unknown(why) => vec![format!("guestlist cannot check that sign-in enforces MFA: {why}")],
        }
    }
}

/// The whole content of a directory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// Partners, including deactivated ones.
    pub partners: Vec<PartnerRecord>,
    /// Guests, including deactivated ones.
    pub guests: Vec<GuestRecord>,
    /// Accounts, including deleted ones.
    pub accounts: Vec<AccountRecord>,
    /// Workspace users.
    pub users: Vec<UserRecord>,
    /// The last mail to each address.
    pub mails: Vec<MailRecord>,
    /// The shares that have had a grant.
    pub shares: Vec<ShareRecord>,
    /// How many records were purged in the last hour.
    pub purged: Purged,
    /// Whether sign-in enforces MFA.
    pub sign_in: SignInGate,
}

impl Snapshot {
    /// Whether the grant can be used at this moment.
    pub fn is_effective(&self, guest: &GuestRecord, account: &str, now: Timestamp) -> bool {
        let MfaRecord::Known(methods) = &guest.mfa else { return false };
        let enrolled: Methods = methods.keys().copied().collect();
        let stands = self.accounts.iter().any(|known| known.name == account && !known.deleted);
        stands
            && guest.is_live()
            && guest
                .grants
                .get(account)
                .is_some_and(|held| held.is_effective(guest.login, guest.joined_at.is_some(), &enrolled, now))
    }
}
