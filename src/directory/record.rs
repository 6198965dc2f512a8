//! What the directory holds, as any backend tells it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::domain::{Email, GuestRole, Methods, MfaMethod, ShareRole};
use crate::util::small_map::SmallMap;

/// Identifies a guest's record in the directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GuestId(pub String);

/// Identifies a partner's record in the directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartnerId(pub String);

impl PartnerId {
    /// Of a new partner: derived from its object's UID, so that creating needs no memory.
    pub fn of(uid: &str) -> Self {
        const PARTNERS: Uuid = Uuid::from_bytes(*b"guestlistpartner");
        Self(Uuid::new_v5(&PARTNERS, uid.as_bytes()).to_string())
    }
}

/// Grows with every change of a record, whoever made it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub i64);

/// Whose directory it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The workspace policy's `installation`.
    pub installation: String,
    /// The UID of the namespace kube-system; `files` where there is no cluster.
    pub cluster: String,
}

/// Whether guestlist made an identity or found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// Made by us: ours to disable, deactivate, purge.
    Created,
    /// Found and adopted: only what we gave is taken back.
    Adopted,
}

/// What is written beside each thing that guestlist made or adopted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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
    /// Made or adopted.
    pub origin: Origin,
}

/// A partner in the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartnerRecord {
    /// Its identifier, derived from the object's UID.
    pub id: PartnerId,
    /// The mark.
    pub mark: OwnershipMark,
    /// The name shown to people.
    pub display_name: String,
    /// Who runs it, sorted.
    pub host_admins: Vec<Email>,
    /// It is suspended, and its guests hold nothing any more.
    pub suspended: bool,
    /// Since when it is deactivated; `None`: live.
    pub deactivated_at: Option<Timestamp>,
}

/// An invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InvitationRecord {
    /// When it was sent.
    pub sent_at: Timestamp,
    /// Until when it can be followed.
    pub expires_at: Timestamp,
}

/// Whether a guest may log in. guestlist enables only the logins that it disabled itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

/// What is known of a guest's MFA.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum MfaRecord {
    /// The enrolled methods and since when; empty: none.
    Known(SmallMap<MfaMethod, Timestamp>),
    /// The directory could not tell.
    Unknown,
}

/// What a grant says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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
    /// When it ends by itself.
    pub until: Option<Timestamp>,
}

/// A grant that the directory holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GrantRecord {
    /// What it says.
    pub grant: Grant,
    /// Since when.
    pub since: Timestamp,
}

/// A guest in the directory. There is at most one record an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GuestRecord {
    /// Its identifier.
    pub id: GuestId,
    /// Grows with every change.
    pub revision: Revision,
    /// The mark. `None`: an identity that is not ours.
    pub mark: Option<OwnershipMark>,
    /// The address in the mark: whom we invited.
    pub address: Email,
    /// The address that the directory knows now; the guest may have changed it.
    pub email: Email,
    /// The partner's record.
    pub partner: PartnerId,
    /// The partner's name, as in the mark's namespace.
    pub partner_name: String,
    /// The guest's name.
    pub display_name: String,
    /// The role recorded.
    pub role: GuestRole,
    /// The open or expired invitation; `None` once accepted or revoked.
    pub invitation: Option<InvitationRecord>,
    /// When the membership was accepted, and its first mail went out.
    pub admitted_at: Timestamp,
    /// When the last mail to the address went out, also by an earlier record.
    pub last_mail_at: Option<Timestamp>,
    /// The mails to the address in the hour before the last one, and that one; the earliest first.
    pub recent_mails: Vec<SentMail>,
    /// When the invitation was accepted.
    pub joined_at: Option<Timestamp>,
    /// Whether the guest may log in, and the party that disabled the login.
    pub login: Login,
    /// MFA.
    pub mfa: MfaRecord,
    /// When MFA was last seen taken away, while nothing has been enrolled since.
    pub mfa_lost_at: Option<Timestamp>,
    /// The MFA methods allowed to the guest, as last written: one of them has to be enrolled. Empty: nothing that reads.
    pub allowed: Methods,
    /// Grants by account.
    pub grants: SmallMap<String, GrantRecord>,
    /// Since when the record is deactivated; `None`: live.
    pub deactivated_at: Option<Timestamp>,
}

/// A shared account's facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRecord {
    /// Its name.
    pub name: String,
    /// Its Owners, sorted.
    pub owners: Vec<Email>,
    /// It is gone (and may come back).
    pub deleted: bool,
}

/// A workspace user's facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRecord {
    /// His address.
    pub email: Email,
    /// His name.
    pub name: String,
    /// Whether he may log in.
    pub enabled: bool,
    /// Whether his address is verified.
    pub verified: bool,
}

/// The last mail to an address. It outlives the record, so that who comes and goes gets no more mails than who stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailRecord {
    /// The address.
    pub address: Email,
    /// When.
    pub at: Timestamp,
    /// The mails in the hour before it, and it; the earliest first.
    pub recent: Vec<SentMail>,
}

/// A mail that went out, and the namespace that asked for it: the workspace policy bounds how many a namespace sends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SentMail {
    /// When.
    pub at: Timestamp,
    /// The membership's namespace.
    pub namespace: String,
}

/// For how long a mail counts for the policy's `invitationsPerHour`.
pub const SENT_KEPT: SignedDuration = SignedDuration::from_hours(1);
/// How many mails to one address are remembered for that.
const MOST_SENT: usize = 60;

impl SentMail {
    /// The mails to an address as they are after another one: those of the hour before it, and it.
    pub fn with(recent: &[Self], namespace: &str, at: Timestamp) -> Vec<Self> {
        let since = at.checked_sub(SENT_KEPT).unwrap_or(Timestamp::MIN);
        let kept = recent.iter().filter(|mail| mail.at > since && mail.at != at).cloned();
        let mut mails: Vec<Self> = kept.chain([Self { at, namespace: namespace.to_owned() }]).collect();
        mails.sort();
        mails.split_off(mails.len().saturating_sub(MOST_SENT))
    }

    /// Reads a mail as it is written: its time and its namespace.
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

/// For how long a mail is remembered where no record needs it.
pub const MAILS_KEPT: SignedDuration = SignedDuration::from_hours(90 * 24);

/// What a share was when something was first given through it: that never changes for its UID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareRecord {
    /// The share's UID.
    pub uid: String,
    /// The partner's name.
    pub partner_name: String,
    /// The account's name.
    pub account: String,
}

/// How many records were purged, by the end of the minute in which it happened: rounded up, so that no hour has more
/// than its pace allows. What is older than [`DESTROYED_KEPT`] is forgotten.
pub type Purged = BTreeMap<Timestamp, u32>;

/// For how long it is remembered how many records were purged: the pace is that of an hour.
pub const DESTROYED_KEPT: SignedDuration = SignedDuration::from_hours(1);

/// The end of the minute in which an instant lies.
pub fn minute_of(at: Timestamp) -> Timestamp {
    let end = at.as_second().div_euclid(60).saturating_add(1).saturating_mul(60);
    Timestamp::from_second(end).unwrap_or(Timestamp::MAX)
}

/// How many records were purged in the hour before an instant.
pub fn destroyed_lately(destroyed: &Purged, now: Timestamp) -> u32 {
    let since = now.checked_sub(DESTROYED_KEPT).unwrap_or(Timestamp::MIN);
    destroyed.iter().filter(|(minute, _)| **minute > since).map(|(_, count)| count).sum()
}

/// How the UID begins of a mark that a directory made up for somebody whose own does not read. No object has such a UID.
pub const NO_OBJECT: &str = "keycloak-";

impl GuestRecord {
    /// Whether there is or was a live membership behind it: not where all that is known of somebody is what a tool or a person
    /// wrote on him.
    pub fn has_membership(&self) -> bool {
        self.is_live() && self.mark.as_ref().is_some_and(|mark| !mark.uid.starts_with(NO_OBJECT))
    }

    /// Whether the directory hides the guest's accounts from applications, because it refused to write the record.
    pub fn is_blocked(&self) -> bool {
        self.grants.values().any(GrantRecord::is_blocked)
    }

    /// Whether the membership behind it is live: marked and not deactivated.
    pub fn is_live(&self) -> bool {
        self.mark.is_some() && self.deactivated_at.is_none()
    }
}

impl GrantRecord {
    /// Whether the directory hides the grant from applications, because it refused to write the guest's record.
    pub fn is_blocked(&self) -> bool {
        self.grant.until == Some(BLOCKED)
    }

    /// Whether the guest can use the account at this moment: the directory's own gate, in one snapshot.
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

/// Whether the directory keeps a guest without an allowed MFA method from signing in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SignInGate {
    /// It does, or it has no sign-in.
    #[default]
    Enforced,
    /// It does not everywhere: each way around, as a sentence.
    Open(Vec<String>),
    /// It could not be checked: the cause and the fix.
    Unknown(String),
}

impl SignInGate {
    /// All states, as the metric names them.
    pub const STATES: [&str; 3] = ["enforced", "open", "unknown"];

    /// The state, as the metric names it.
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

/// Everything that a directory holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// Partners, deactivated ones too.
    pub partners: Vec<PartnerRecord>,
    /// Guests, deactivated ones too.
    pub guests: Vec<GuestRecord>,
    /// Accounts, deleted ones too.
    pub accounts: Vec<AccountRecord>,
    /// Workspace users.
    pub users: Vec<UserRecord>,
    /// The last mail to each address.
    pub mails: Vec<MailRecord>,
    /// The shares through which something was given.
    pub shares: Vec<ShareRecord>,
    /// How many records were purged in the last hour.
    pub destroyed: Purged,
    /// Whether sign-in enforces MFA.
    pub sign_in: SignInGate,
}

impl Snapshot {
    /// Whether a grant can be used at this moment.
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
