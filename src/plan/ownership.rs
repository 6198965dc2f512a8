//! Ownership of one address: first the membership that the ownership mark names, then the older object, then the lower
//! UID. The ownership mark is the only memory of it.

use jiff::Timestamp;

use super::Inputs;
use crate::cache::{CachedMetadata, Membership};
use crate::directory::{Grant, GuestRecord, Integrity, OwnershipMark};

/// The relation of a membership to the directory's record for its address.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ownership<'a> {
    /// The live record bears this membership's UID.
    Owned(&'a GuestRecord),
    /// The live record's membership no longer exists, and this membership can inherit it: for example after a restore
    /// from a backup.
    Inheritable(&'a GuestRecord),
    /// A deactivated record; a new membership reactivates it as Invited.
    Reactivatable(&'a GuestRecord),
    /// A live record that another membership owns, or any record of a namespace that is not watched.
    OwnedByOther,
    /// A user without an ownership mark of guestlist.
    Unmanaged,
    /// A user whose ownership mark cannot be read.
    Unreadable,
    /// No record.
    Absent,
}

impl<'a> Ownership<'a> {
    /// The record of an admitted membership.
    pub fn live(self) -> Option<&'a GuestRecord> {
        match self {
            Self::Owned(record) | Self::Inheritable(record) => Some(record),
            Self::Reactivatable(_) | Self::OwnedByOther | Self::Unmanaged | Self::Unreadable | Self::Absent => None,
        }
    }
}

/// Determines the relation of a membership to the directory's record.
pub fn ownership<'a>(inputs: Inputs<'a>, entry: &Membership) -> Ownership<'a> {
    let uid = entry.metadata.uid.as_deref().unwrap_or_default();
    if let Some(record) = live_by_uid(inputs, uid) {
        return Ownership::Owned(record);
    }
    let Some(email) = &entry.reading.terms.email else { return Ownership::Absent };
    let Some(record) = inputs.observed.guest(email) else { return Ownership::Absent };
    if record.integrity == Integrity::Unreadable {
        return Ownership::Unreadable;
    }
    let Some(mark) = &record.mark else { return Ownership::Unmanaged };
    // The object that owns the record is unknown here, so the address stays taken, also of a deactivated guest.
    if !inputs.is_in_scope(record) {
        return Ownership::OwnedByOther;
    }
    if record.deactivated_at.is_some() {
        return Ownership::Reactivatable(record);
    }
    if inputs.declared.has_membership_uid(&mark.uid) || !inherits(record, mark, entry) {
        return Ownership::OwnedByOther;
    }
    // An ownership mark passes to the object of the same name first, then in the order of precedence. It passes to an
    // object that is being deleted only without another heir, so that the deletion removes the record.
    let mine = rank(mark, entry);
    let mut heirs = inputs.declared.memberships_for(email);
    if heirs.any(|other| inherits(record, mark, other) && rank(mark, other) < mine) {
        Ownership::OwnedByOther
    } else {
        Ownership::Inheritable(record)
    }
}

/// The live guest whose ownership mark has a UID, and names a watched namespace.
pub fn live_by_uid<'a>(inputs: Inputs<'a>, uid: &str) -> Option<&'a GuestRecord> {
    inputs.observed.live_by_uid(uid).filter(|record| inputs.is_in_scope(record))
}

/// Whether a membership may inherit a live ownership mark for its address: it has the same name, or the same partner.
fn inherits(record: &GuestRecord, mark: &OwnershipMark, entry: &Membership) -> bool {
    let meta = &entry.metadata;
    let same = mark.name == name(meta) || record.partner_name == entry.reading.terms.partner;
    mark.namespace == namespace(meta) && same
}

/// The rank of an heir; the lowest inherits.
fn rank<'e>(mark: &OwnershipMark, entry: &'e Membership) -> (bool, bool, Order<'e>) {
    let meta = &entry.metadata;
    (is_being_deleted(meta), mark.name != name(meta), order(meta))
}

/// The order of precedence among new memberships: the older object, then the lower UID. Files have no reliable creation
/// time: there it is namespace, then name.
pub fn order(meta: &CachedMetadata) -> Order<'_> {
    match meta.creation_timestamp.as_ref().map(|time| time.0) {
        Some(created) => (created, uid(meta), "", ""),
        None => (Timestamp::MAX, namespace(meta), name(meta), uid(meta)),
    }
}

/// A position in the order of precedence. Borrowed, because a quota compares the positions of all competing memberships.
pub type Order<'a> = (Timestamp, &'a str, &'a str, &'a str);

/// Whether a grant comes from a share. A share that was created again, by a restore for example, has the same name and
/// another UID.
pub fn is_behind(inputs: Inputs<'_>, share: &CachedMetadata, grant: &Grant) -> bool {
    grant.share_uid == uid(share) || (grant.share == name(share) && !inputs.declared.has_share_uid(&grant.share_uid))
}

/// Whether no object declares a guest with an ownership mark: none has its UID, and none can inherit it. An unreadable
/// membership of the same name may declare the guest. A membership of the same name with another address does not. A
/// guest of a namespace that is not watched is no orphan.
pub fn is_orphan(inputs: Inputs<'_>, guest: &GuestRecord) -> bool {
    let Some(mark) = &guest.mark else { return false };
    let unreadable = || {
        let named = inputs.declared.membership(&mark.namespace, &mark.name);
        named.is_some_and(|slot| slot.read().is_none())
    };
    let passes = || {
        let mut heirs = inputs.declared.memberships_for(&guest.address);
        heirs.any(|heir| matches!(ownership(inputs, heir), Ownership::Inheritable(_)))
    };
    guest.is_live()
        && inputs.is_in_scope(guest)
        && !inputs.declared.has_membership_uid(&mark.uid)
        && !unreadable()
        && !passes()
}

/// Whether a membership's own reconcile handles a guest with an ownership mark: the membership is readable, and owns or
/// inherits the record.
pub fn is_processed(inputs: Inputs<'_>, guest: &GuestRecord) -> bool {
    let Some(mark) = &guest.mark else { return false };
    if let Some(slot) = inputs.declared.membership_by_uid(&mark.uid) {
        // If two records have one UID, the membership handles only one.
        let own = live_by_uid(inputs, &mark.uid).is_some_and(|record| record.id == guest.id);
        return own && slot.read().is_some();
    }
    let mut heirs = inputs.declared.memberships_for(&guest.address);
    heirs.any(|heir| matches!(ownership(inputs, heir), Ownership::Inheritable(_)))
}

/// Whether an object is being deleted.
pub fn is_being_deleted(meta: &CachedMetadata) -> bool {
    meta.deletion_timestamp.is_some()
}

/// The namespace; empty if the object has none.
pub fn namespace(meta: &CachedMetadata) -> &str {
    meta.namespace.as_deref().unwrap_or_default()
}

/// The name; empty if the object has none.
pub fn name(meta: &CachedMetadata) -> &str {
    meta.name.as_deref().unwrap_or_default()
}

/// The UID; empty if the object has none.
pub fn uid(meta: &CachedMetadata) -> &str {
    meta.uid.as_deref().unwrap_or_default()
}

/// Whether the object is paused by annotation.
pub fn is_paused(meta: &CachedMetadata) -> bool {
    annotation(meta, crate::api::PAUSED) == Some("true")
}

/// The value of an annotation.
pub fn annotation<'a>(meta: &'a CachedMetadata, name: &str) -> Option<&'a str> {
    meta.annotations.get(name).map(String::as_str)
}
