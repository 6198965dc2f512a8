//! Users who are not guests and sign in with an address that is not their own: their username is that address.
//! Keycloak refuses the address for other users, so no guest can be invited at it until the username changes.

use crate::directory::keycloak::representations::User;
use crate::directory::keycloak::users::guest;
use crate::directory::keycloak::users::substitutes;
use crate::directory::{GuestId, GuestRecord, Integrity, MfaRecord, PartnerId, Revision};
use crate::domain::{Email, GuestRole, all_methods};

/// The record of an identity without an ownership mark, for a user whose username is another address. `None`: the
/// username is not an address, or is the user's own.
pub fn at_username(user: &User) -> Option<GuestRecord> {
    let address = Email::parse(&user.username).ok()?;
    if guest::is_marked(user) || user.email.eq_ignore_ascii_case(address.as_str()) {
        return None;
    }
    Some(unmarked_identity(user, substitutes::id(&user.id), address))
}

/// An identity without an ownership mark.
pub fn unmarked_identity(user: &User, id: GuestId, address: Email) -> GuestRecord {
    GuestRecord {
        id,
        revision: Revision(0),
        mark: None,
        email: Email::parse(&user.email).unwrap_or_else(|_| address.clone()),
        address,
        partner: PartnerId(String::new()),
        partner_name: String::new(),
        display_name: String::new(),
        role: GuestRole::GuestUser,
        allowed: all_methods(),
        invitation: None,
        admitted_at: jiff::Timestamp::UNIX_EPOCH,
        last_mail_at: None,
        recent_mails: Vec::new(),
        joined_at: None,
        login: guest::login(user, None),
        mfa: MfaRecord::Unknown,
        mfa_lost_at: None,
        grants: crate::util::small_map::SmallMap::default(),
        deactivated_at: None,
        integrity: Integrity::Intact,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn user(username: &str, email: &str) -> User {
        User { id: "u".to_owned(), username: username.to_owned(), email: email.to_owned(), ..User::default() }
    }

    #[test]
    fn username_of_another_address_is_an_identity_at_it() {
        let record = at_username(&user("bob@acme.example", "robert@host.example")).unwrap();
        assert_eq!((record.address.as_str(), record.mark), ("bob@acme.example", None));
        assert_eq!(at_username(&user("bob@acme.example", "")).unwrap().address.as_str(), "bob@acme.example");
        for (username, email) in [("bob@acme.example", "Bob@acme.example"), ("bob", "bob@acme.example")] {
            assert_eq!(at_username(&user(username, email)), None, "{username} {email}");
        }
        let mut guest = user("bob@acme.example", "bob@home.example");
        guest.attributes.insert(guest::ADDRESS.to_owned(), vec!["bob@acme.example".to_owned()]);
        assert_eq!(at_username(&guest), None, "a guest who changed their address");
    }
}
