//! The names of guestlist's attributes of a user.

use crate::directory::keycloak::grants::{ACCOUNTS, GRANTS};
use crate::directory::keycloak::mfa::METHODS;

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

/// The attributes of the ownership mark. It is readable if all are there and agree.
pub const MARK: [&str; 5] = [ID, INSTALLATION, ADDRESS, PARTNER, RECORD];

/// Whether an attribute of guestlist may have several values.
pub fn has_many(name: &str) -> bool {
    [GRANTS, ACCOUNTS].contains(&name)
}
