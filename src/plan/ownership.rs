//! Claims to one address: whoever the directory's mark names first, then the older object, then the lower UID.
//! What is remembered is in the mark and nowhere else.

use jiff::Timestamp;

use super::Inputs;
use crate::cache::{CachedMetadata, Membership};
use crate::directory::{Grant, GuestRecord, OwnershipMark};

/// What a membership has of the directory's record for its address.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ownership<'a> {
    /// The live record bears this membership's UID.
    Owned(&'a GuestRecord),
    /// The live record's membership is gone, and this one takes its place: a restored backup, say.
    Inheritable(&'a GuestRecord),
    /// A deactivated record: a newcomer would revive it at Invited.
    Reactivatable(&'a GuestRecord),
    /// A live record that is somebody else's.
    OwnedByOther,
    /// An identity without our mark.
    Unmanaged,
    /// No record.
    Absent,
}

impl<'a> Ownership<'a> {
    /// The record, where the membership is live.
    pub fn live(self) -> Option<&'a GuestRecord> {
        match self {
            Self::Owned(record) | Self::Inheritable(record) => Some(record),
            Self::Reactivatable(_) | Self::OwnedByOther | Self::Unmanaged | Self::Absent => None,
        }
    }
}

/// Finds what a membership has of the directory's record.
pub fn ownership<'a>(world: Inputs<'a>, entry: &Membership) -> Ownership<'a> {
    let uid = entry.metadata.uid.as_deref().unwrap_or_default();
    if let Some(record) = world.observed.live_by_uid(uid) {
        return Ownership::Owned(record);
    }
    let Some(email) = &entry.reading.terms.email else { return Ownership::Absent };
    let Some(record) = world.observed.guest(email) else { return Ownership::Absent };
    let Some(mark) = &record.mark else { return Ownership::Unmanaged };
    if record.deactivated_at.is_some() {
        return Ownership::Reactivatable(record);
    }
    if world.declared.has_membership_uid(&mark.uid) || !inherits(record, mark, entry) {
        return Ownership::OwnedByOther;
    }
    // A mark passes to the object of the same name first, then in the order of claims; to one on its way out, so that it
    // ends what it stands for, only where nobody else is there.
    let mine = rank(mark, entry);
    let mut rivals = world.declared.memberships_for(email).filter(|other| !std::ptr::eq(*other, entry));
    if rivals.any(|other| inherits(record, mark, other) && rank(mark, other) < mine) {
        Ownership::OwnedByOther
    } else {
        Ownership::Inheritable(record)
    }
}

/// Whether a live mark may pass to a membership for its address: one of the same name, or of the same partner.
fn inherits(record: &GuestRecord, mark: &OwnershipMark, entry: &Membership) -> bool {
    let meta = &entry.metadata;
    let same = mark.name == name(meta) || record.partner_name == entry.reading.terms.partner;
    mark.namespace == namespace(meta) && same
}

/// Who comes first where a mark passes on.
fn rank<'e>(mark: &OwnershipMark, entry: &'e Membership) -> (bool, bool, Order<'e>) {
    let meta = &entry.metadata;
    (is_being_deleted(meta), mark.name != name(meta), order(meta))
}

/// The order of claims among newcomers: the older object, then the lower UID. From files, which say no time that counts:
/// namespace, name.
pub fn order(meta: &CachedMetadata) -> Order<'_> {
    match meta.creation_timestamp.as_ref().map(|time| time.0) {
        Some(created) => (created, uid(meta), "", ""),
        None => (Timestamp::MAX, namespace(meta), name(meta), uid(meta)),
    }
}

/// A place in the order of claims. Borrowed: a quota compares the places of all that ask for one.
pub type Order<'a> = (Timestamp, &'a str, &'a str, &'a str);

/// Whether a share is behind a grant: it, or one of its name that is gone, for it was made anew then, by a restore say.
pub fn is_behind(world: Inputs<'_>, share: &CachedMetadata, grant: &Grant) -> bool {
    grant.share_uid == uid(share) || (grant.share == name(share) && !world.declared.has_share_uid(&grant.share_uid))
}

/// Whether nothing declares a marked guest any more: no object has his UID, and his mark passes to none. One of his name
/// that does not read may be his; one of his name with another address is somebody else's.
pub fn is_orphan(world: Inputs<'_>, guest: &GuestRecord) -> bool {
    let Some(mark) = &guest.mark else { return false };
    let unreadable = || {
        let named = world.declared.membership(&mark.namespace, &mark.name);
        named.is_some_and(|slot| slot.read().is_none())
    };
    let passes = || {
        let mut heirs = world.declared.memberships_for(&guest.address);
        heirs.any(|heir| matches!(ownership(world, heir), Ownership::Inheritable(_)))
    };
    guest.is_live() && !world.declared.has_membership_uid(&mark.uid) && !unreadable() && !passes()
}

/// Whether a membership's own pass sees to a marked guest: it reads, and his record is its own or passes to it.
pub fn is_processed(world: Inputs<'_>, guest: &GuestRecord) -> bool {
    let Some(mark) = &guest.mark else { return false };
    if let Some(slot) = world.declared.membership_by_uid(&mark.uid) {
        // Of two records that bear one UID it sees to one.
        let own = world.observed.live_by_uid(&mark.uid).is_some_and(|record| record.id == guest.id);
        return own && slot.read().is_some();
    }
    let mut heirs = world.declared.memberships_for(&guest.address);
    heirs.any(|heir| matches!(ownership(world, heir), Ownership::Inheritable(_)))
}

/// Whether an object is on its way out.
pub fn is_being_deleted(meta: &CachedMetadata) -> bool {
    meta.deletion_timestamp.is_some()
}

/// An object's namespace.
pub fn namespace(meta: &CachedMetadata) -> &str {
    meta.namespace.as_deref().unwrap_or_default()
}

/// An object's name.
pub fn name(meta: &CachedMetadata) -> &str {
    meta.name.as_deref().unwrap_or_default()
}

/// An object's UID.
pub fn uid(meta: &CachedMetadata) -> &str {
    meta.uid.as_deref().unwrap_or_default()
}

/// Whether the object is paused by annotation.
pub fn is_paused(meta: &CachedMetadata) -> bool {
    annotation(meta, crate::api::PAUSED) == Some("true")
}

/// An annotation's value.
pub fn annotation<'a>(meta: &'a CachedMetadata, name: &str) -> Option<&'a str> {
    meta.annotations.get(name).map(String::as_str)
}
