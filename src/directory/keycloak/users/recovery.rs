//! Users with data of guestlist and without an ownership mark that guestlist can rely on: another party edited or
//! removed a part of it, or a tool copied a user with all attributes. guestlist guesses nothing. It revokes the claims
//! of such a user, reports the user with `OwnershipMarkUnreadable`, and invites nobody at the addresses of the user. A
//! person restores or removes the attributes.

use crate::directory::keycloak::Inner;
use crate::directory::keycloak::grants;
use crate::directory::keycloak::representations::{User, first};
use crate::directory::keycloak::users::{guest, substitutes, usernames};
use crate::directory::{Error, GuestRecord, Integrity};
use crate::domain::Email;

/// The user without the attribute `guestlist.record`, because another user has the same mark.
pub fn ambiguous(user: &User) -> User {
    let mut own = user.clone();
    own.attributes.remove(guest::RECORD);
    own
}

/// Whether a user has an ownership mark that is unreadable.
pub fn is_unreadable(user: &User) -> bool {
    guest::MARK.iter().any(|name| user.attributes.contains_key(*name)) && guest::address(user).is_none()
}

/// The record of a user without a readable mark: the claims, as grants without a share. A user with nothing but claims
/// is no guest, and loses them all the same.
pub fn record(user: &User) -> Option<GuestRecord> {
    if !guest::is_marked(user) {
        return None;
    }
    tracing::warn!(
        user = user.id,
        username = user.username,
        "OwnershipMarkUnreadable: another party changed or copied the attributes guestlist.* of a user. guestlist revokes \
         the user's accounts. If the user is a copy of a guest, remove the attributes. If it is the guest, restore \
         them, or delete the user: guestlist invites the guest again"
    );
    let record = usernames::unmarked_identity(user, substitutes::id(&user.id), substitutes::address(&user.id)?);
    Some(GuestRecord { grants: grants::of_claims(user), integrity: Integrity::Unreadable, ..record })
}

/// A record at an address of a user with an unreadable mark. guestlist then invites nobody at this address. It has no
/// claims: the user's own record has them.
pub fn at_address(address: Email, user: &User) -> GuestRecord {
    let id = substitutes::id(address.as_str());
    GuestRecord { integrity: Integrity::Unreadable, ..usernames::unmarked_identity(user, id, address) }
}

/// Such records at the user's own address and at the one in the unreadable mark.
pub fn at_addresses(user: &User) -> impl Iterator<Item = GuestRecord> {
    let texts = [Some(user.email.as_str()), first(&user.attributes, guest::ADDRESS)].into_iter().flatten();
    texts.filter(|_| is_unreadable(user)).filter_map(|text| Some(at_address(Email::parse(text).ok()?, user)))
}

impl Inner {
    /// Before a guest's ownership mark is removed, it is removed from every copy of the user. Otherwise a remaining
    /// copy with the mark would count as the guest.
    pub(in crate::directory::keycloak) async fn unmark_copies(&self, user: &User) -> Result<(), Error> {
        let Some(address) = guest::address(user) else { return Ok(()) };
        for other in self.users().users_with(guest::ADDRESS, address.as_str()).await? {
            if other.id != user.id {
                tracing::warn!(user = other.id, "has the ownership mark of another guest; the mark is removed");
                let mut without = other.clone();
                without.attributes.retain(|name, _| !guest::ALL.contains(&name.as_str()));
                self.put_user(&other, &without).await.map_err(Error::from)?;
                self.end_sessions(&other.id).await?;
            }
        }
        Ok(())
    }
}
