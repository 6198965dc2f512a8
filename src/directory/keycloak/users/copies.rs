//! Whoever bears a guest's mark beside him: a tool copied a user with all of his attributes.

use crate::directory::Error;
use crate::directory::keycloak::Inner;
use crate::directory::keycloak::representations::{User, first};
use crate::directory::keycloak::users::{guest, recovery};

impl Inner {
    /// Before a guest's mark goes, it is taken off whoever else bears it: alone with it he would be taken for the guest, and
    /// ended as him.
    pub(in crate::directory::keycloak) async fn no_other_bears(&self, user: &User) -> Result<(), Error> {
        let Some(id) = first(&user.attributes, guest::ID) else { return Ok(()) };
        let bearers = self.people().users_with(guest::ID, id).await?;
        // It is not his.
        if bearers.iter().any(|other| recovery::is_before(other, user)) {
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
