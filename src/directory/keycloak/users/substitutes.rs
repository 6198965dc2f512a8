//! Identifiers and addresses of records without a readable ownership mark, derived from Keycloak's identifiers.

use crate::directory::GuestId;
use crate::domain::Email;

/// The prefix of identifiers that are derived from Keycloak's.
const BY_USER: &str = "keycloak-";
/// The domain of a substitute address, and the length of the identifier before it.
const NO_DOMAIN: &str = "@address.invalid";
const SHOWN: usize = 50;

/// The identifier of the record of a user without a readable ownership mark.
pub fn id(user: &str) -> GuestId {
    GuestId(format!("{BY_USER}{user}"))
}

/// Keycloak's identifier of a guest with a derived identifier.
pub fn user_id(guest: &GuestId) -> Option<&str> {
    guest.0.strip_prefix(BY_USER)
}

/// The address of such a record. It is unique and receives no mail. The user's own address may be another guest's.
pub fn address(user: &str) -> Option<Email> {
    let plain = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
    Email::parse(&format!("{BY_USER}{}{NO_DOMAIN}", user.chars().filter(plain).take(SHOWN).collect::<String>())).ok()
}

/// Keycloak's identifier of a user with a substitute address.
pub fn user_at(address: &Email) -> Option<&str> {
    address.as_str().strip_prefix(BY_USER)?.strip_suffix(NO_DOMAIN)
}
