//! Revocations. After a crash or a failed call between any two calls, a later operation finds and revokes the
//! remaining access.

use jiff::Timestamp;

use super::super::super::{Error, GuestRecord};
use super::super::Inner;
use super::super::representations::{User, first};
use super::guest::GuestUpdate;
use super::stale;
use crate::directory::keycloak::users::guest;
use crate::directory::keycloak::users::reader::UserReader;
use crate::util::small_map::SmallMap;

impl Inner {
    /// Ends a guest's invitation and membership. If that fails, the other changes are written all the same, and the
    /// record keeps the open part so that it is repeated.
    pub(super) async fn end_membership_or_revoke_rest(&self, change: &GuestUpdate<'_>) -> Result<(), Error> {
        let Err(fault) = self.end_membership(change).await else { return Ok(()) };
        let GuestRecord { mark, invitation, deactivated_at, .. } = change.before.clone();
        let rest = GuestRecord { mark, invitation, deactivated_at, ..change.after.clone() };
        if rest != *change.before {
            let change = GuestUpdate { after: &rest, organization: None, ..*change };
            self.write(&change, change.reduces_access()).await?;
        }
        Err(fault)
    }

    async fn end_membership(&self, change: &GuestUpdate<'_>) -> Result<(), Error> {
        let user = change.user;
        if let Some(organization) = &change.organization {
            // The invitation ends first: a guest who followed it without setting a password is a member already.
            self.revoke(organization, user).await?;
            if let Some(marked) = first(&user.attributes, guest::ADDRESS)
                && !marked.eq_ignore_ascii_case(&user.email)
            {
                // The invitation went to the address in the ownership mark, and the guest has changed the address
                // since.
                self.revoke(organization, &User { email: marked.to_owned(), ..user.clone() }).await?;
            }
            self.take_out(organization, user).await?;
        }
        if change.removes_mark() {
            self.leave_claims_groups(&user.id).await?;
            self.remember_mail(change.before, change.at).await?;
        }
        Ok(())
    }

    /// Writes a change. If it revokes something, all sessions end after the write. The record contains the revoked
    /// claims until then. After a crash in between, the next check revokes them again.
    pub(super) async fn write(&self, change: &GuestUpdate<'_>, ends_sessions: bool) -> Result<User, Error> {
        let has_revoked = !guest::revoked(&change.user.attributes).is_empty();
        if change.removes_mark() && (has_revoked || change.reduces_access()) {
            // A user without an ownership mark has no record for the revoked claims, so the claims are removed first.
            let marked = GuestRecord { grants: SmallMap::default(), ..change.before.clone() };
            let marked = GuestUpdate { after: &marked, ..change.clone() };
            let user = self.write_and_end_sessions(&marked, ends_sessions).await?;
            return self.write_and_end_sessions(&GuestUpdate { user: &user, ..change.clone() }, false).await;
        }
        if change.before.mark.is_none() {
            // Without a readable mark, the record cannot contain the revoked claims, so the sessions end first.
            self.end_sessions(&change.user.id).await?;
        }
        if !change.revokes && has_revoked {
            self.end_sessions(&change.user.id).await?;
            let mut user = change.user.clone();
            guest::set_ended(&mut user.attributes)?;
            return self.write_and_end_sessions(&GuestUpdate { user: &user, ..change.clone() }, ends_sessions).await;
        }
        self.write_and_end_sessions(change, ends_sessions).await
    }

    async fn write_and_end_sessions(&self, change: &GuestUpdate<'_>, ends_sessions: bool) -> Result<User, Error> {
        let written = match self.write_user(change).await {
            // Keycloak refuses every write of the user, so the claims are blocked and the sessions end.
            Err(fault @ Error::Refused { .. }) if change.revokes => {
                let left = self.block_claims(&change.user.id).await;
                self.end_sessions(&change.user.id).await?;
                left?;
                return Err(fault);
            }
            written => written?,
        };
        let revoked = !guest::revoked(&written.attributes).is_empty();
        if revoked || ends_sessions {
            self.end_sessions(&written.id).await?;
        }
        if !revoked {
            return Ok(written);
        }
        let mut ended = written.clone();
        guest::set_ended(&mut ended.attributes)?;
        self.put_user(&written, &ended).await.map_err(Error::from)?;
        Ok(ended)
    }

    /// Resets the factors that were enrolled before an instant. The login is disabled meanwhile, so no session starts
    /// with an old factor and no token is refreshed. After a crash, guestlist enables the login again.
    pub(super) async fn reset(
        &self,
        reader: &UserReader<'_>,
        change: &GuestUpdate<'_>,
        before: Timestamp,
    ) -> Result<User, Error> {
        let disabled = GuestRecord { login: change.after.login.disabled(), ..change.after.clone() };
        let off = self.write(&GuestUpdate { after: &disabled, ..change.clone() }, true).await;
        if matches!(off, Ok(_) | Err(Error::Refused { .. })) {
            self.delete_credentials(reader, change, before).await?;
        }
        let Ok(off) = off else {
            // The user cannot be written and stays enabled.
            self.end_sessions(&change.user.id).await?;
            return off;
        };
        let now = reader.user(&off.id).await?.ok_or_else(|| stale(&change.before.address))?;
        self.end_tokens(&off.id, now.not_before).await?;
        self.write_user(&GuestUpdate { user: &off, before: &disabled, ..change.clone() }).await
    }
}
