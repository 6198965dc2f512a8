//! Claims to one address: whoever the directory's mark names first, then the older object, then the lower UID.
//! What is remembered is in the mark and nowhere else.

use jiff::Timestamp;

use super::World;
use crate::directory::{Grant, GuestRecord, Mark};
use crate::index::{Membership, Meta};

/// What a membership has of the directory's record for its address.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Claim<'a> {
    /// The live record bears this membership's UID.
    Mine(&'a GuestRecord),
    /// The live record's membership is gone, and this one takes its place: a restored backup, say.
    Passes(&'a GuestRecord),
    /// A deactivated record: a newcomer would revive it at Invited.
    Revives(&'a GuestRecord),
    /// A live record that is somebody else's.
    Taken,
    /// An identity without our mark.
    Stranger,
    /// No record.
    Free,
}

impl<'a> Claim<'a> {
    /// The record, where the membership is live.
    pub fn live(self) -> Option<&'a GuestRecord> {
        match self {
            Self::Mine(record) | Self::Passes(record) => Some(record),
            Self::Revives(_) | Self::Taken | Self::Stranger | Self::Free => None,
        }
    }
}

/// Finds what a membership has of the directory's record.
pub fn claim<'a>(world: World<'a>, entry: &Membership) -> Claim<'a> {
    let uid = entry.metadata.uid.as_deref().unwrap_or_default();
    if let Some(record) = world.observed.live_by_uid(uid) {
        return Claim::Mine(record);
    }
    let Some(email) = &entry.reading.terms.email else { return Claim::Free };
    let Some(record) = world.observed.guest(email) else { return Claim::Free };
    let Some(mark) = &record.mark else { return Claim::Stranger };
    if record.deactivated_at.is_some() {
        return Claim::Revives(record);
    }
    if world.declared.has_membership_uid(&mark.uid) || !inherits(record, mark, entry) {
        return Claim::Taken;
    }
    // A mark passes to the object of the same name first, then in the order of claims; to one on its way out, so that it
    // ends what it stands for, only where nobody else is there.
    let mine = rank(mark, entry);
    let mut rivals = world.declared.memberships_for(email).filter(|other| !std::ptr::eq(*other, entry));
    if rivals.any(|other| inherits(record, mark, other) && rank(mark, other) < mine) {
        Claim::Taken
    } else {
        Claim::Passes(record)
    }
}

/// Whether a live mark may pass to a membership for its address: one of the same name, or of the same partner.
fn inherits(record: &GuestRecord, mark: &Mark, entry: &Membership) -> bool {
    let meta = &entry.metadata;
    let same = mark.name == name(meta) || record.partner_name == entry.reading.terms.partner;
    mark.namespace == namespace(meta) && same
}

/// Who comes first where a mark passes on.
fn rank<'e>(mark: &Mark, entry: &'e Membership) -> (bool, bool, Order<'e>) {
    let meta = &entry.metadata;
    (is_leaving(meta), mark.name != name(meta), order(meta))
}

/// The order of claims among newcomers: the older object, then the lower UID. From files, which say no time that counts:
/// namespace, name.
pub fn order(meta: &Meta) -> Order<'_> {
    match meta.creation_timestamp.as_ref().map(|time| time.0) {
        Some(created) => (created, uid(meta), "", ""),
        None => (Timestamp::MAX, namespace(meta), name(meta), uid(meta)),
    }
}

/// A place in the order of claims. Borrowed: a quota compares the places of all that ask for one.
pub type Order<'a> = (Timestamp, &'a str, &'a str, &'a str);

/// Whether a share is behind a grant: it, or one of its name that is gone, for it was made anew then, by a restore say.
pub fn is_behind(world: World<'_>, share: &Meta, grant: &Grant) -> bool {
    grant.share_uid == uid(share) || (grant.share == name(share) && !world.declared.has_share_uid(&grant.share_uid))
}

/// Whether nothing declares a marked guest any more: no object has his UID, and his mark passes to none. One of his name
/// that does not read may be his; one of his name with another address is somebody else's.
pub fn is_orphan(world: World<'_>, guest: &GuestRecord) -> bool {
    let Some(mark) = &guest.mark else { return false };
    let unreadable = || {
        let named = world.declared.membership(&mark.namespace, &mark.name);
        named.is_some_and(|slot| slot.read().is_none())
    };
    let passes = || {
        let mut heirs = world.declared.memberships_for(&guest.address);
        heirs.any(|heir| matches!(claim(world, heir), Claim::Passes(_)))
    };
    guest.is_live() && !world.declared.has_membership_uid(&mark.uid) && !unreadable() && !passes()
}

/// Whether a membership's own pass sees to a marked guest: it reads, and his record is its own or passes to it.
pub fn is_processed(world: World<'_>, guest: &GuestRecord) -> bool {
    let Some(mark) = &guest.mark else { return false };
    if let Some(slot) = world.declared.membership_by_uid(&mark.uid) {
        // Of two records that bear one UID it sees to one.
        let own = world.observed.live_by_uid(&mark.uid).is_some_and(|record| record.id == guest.id);
        return own && slot.read().is_some();
    }
    let mut heirs = world.declared.memberships_for(&guest.address);
    heirs.any(|heir| matches!(claim(world, heir), Claim::Passes(_)))
}

/// Whether an object is on its way out.
pub fn is_leaving(meta: &Meta) -> bool {
    meta.deletion_timestamp.is_some()
}

/// An object's namespace.
pub fn namespace(meta: &Meta) -> &str {
    meta.namespace.as_deref().unwrap_or_default()
}

/// An object's name.
pub fn name(meta: &Meta) -> &str {
    meta.name.as_deref().unwrap_or_default()
}

/// An object's UID.
pub fn uid(meta: &Meta) -> &str {
    meta.uid.as_deref().unwrap_or_default()
}

/// Whether the object is paused by annotation.
pub fn is_paused(meta: &Meta) -> bool {
    annotation(meta, crate::api::PAUSED) == Some("true")
}

/// An annotation's value.
pub fn annotation<'a>(meta: &'a Meta, name: &str) -> Option<&'a str> {
    meta.annotations.get(name).map(String::as_str)
}
