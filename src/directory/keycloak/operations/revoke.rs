//! Taking away, so that a crash or a failed call between any two calls leaves nothing open that nobody comes back for.

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
    /// Ends a guest's invitation and membership. Where that fails, what his user alone says is taken away all the same, and
    /// his record goes on saying that the rest is to be done.
    pub(super) async fn cut_or_withhold(&self, change: &GuestUpdate<'_>) -> Result<(), Error> {
        let Err(fault) = self.cut(change).await else { return Ok(()) };
        let GuestRecord { mark, invitation, deactivated_at, .. } = change.before.clone();
        let rest = GuestRecord { mark, invitation, deactivated_at, ..change.after.clone() };
        if rest != *change.before {
            let change = GuestUpdate { after: &rest, organization: None, ..*change };
            self.write(&change, change.takes()).await?;
        }
        Err(fault)
    }

    async fn cut(&self, change: &GuestUpdate<'_>) -> Result<(), Error> {
        let user = change.user;
        if let Some(organization) = &change.organization {
            // First of all: who has followed it and has no password yet is a member already.
            self.revoke(organization, user).await?;
            if let Some(marked) = first(&user.attributes, guest::ADDRESS)
                && !marked.eq_ignore_ascii_case(&user.email)
            {
                // He was invited at the address in his mark, and has changed his own since.
                self.revoke(organization, &User { email: marked.to_owned(), ..user.clone() }).await?;
            }
            self.take_out(organization, user).await?;
        }
        if change.after.mark.is_none() {
            self.leave_audience(&user.id).await?;
            self.remember_mail(change.before, change.at).await?;
        }
        Ok(())
    }

    /// Writes a change. Where it revokes something, all sessions end after the write, and the record notes the revoked claims
    /// until then: after a crash in between, the next check revokes them again.
    pub(super) async fn write(&self, change: &GuestUpdate<'_>, ends_sessions: bool) -> Result<User, Error> {
        let unended = !guest::revoked(&change.user.attributes).is_empty();
        if change.after.mark.is_none() && (unended || change.takes()) {
            // Nothing can be noted on a user without a mark: the claims go first.
            let marked = GuestRecord { grants: SmallMap::default(), ..change.before.clone() };
            let marked = GuestUpdate { after: &marked, ..change.clone() };
            let user = self.write_and_end(&marked, ends_sessions).await?;
            return self.write_and_end(&GuestUpdate { user: &user, ..change.clone() }, false).await;
        }
        if !change.must && unended {
            self.end_sessions(&change.user.id).await?;
            let mut user = change.user.clone();
            guest::set_ended(&mut user.attributes).map_err(|error| unwritable(change, &error))?;
            return self.write_and_end(&GuestUpdate { user: &user, ..change.clone() }, ends_sessions).await;
        }
        self.write_and_end(change, ends_sessions).await
    }

    async fn write_and_end(&self, change: &GuestUpdate<'_>, ends_sessions: bool) -> Result<User, Error> {
        let written = match self.write_user(change).await {
            // It cannot be written, whatever was tried. Nothing is told of him any more, and he does not stay signed in with it.
            Err(fault @ Error::Refused { .. }) if change.must => {
                let left = self.put_out(&change.user.id).await;
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
        guest::set_ended(&mut ended.attributes).map_err(|error| unwritable(change, &error))?;
        self.put_user(&written, &ended).await.map_err(Error::from)?;
        Ok(ended)
    }

    /// Resets the factors that were enrolled before an instant. The login is disabled meanwhile: no session is made with an old
    /// factor, no token is refreshed, and a crash leaves a login that guestlist enables again.
    pub(super) async fn reset(
        &self,
        people: &UserReader<'_>,
        change: &GuestUpdate<'_>,
        before: Timestamp,
    ) -> Result<User, Error> {
        let disabled = GuestRecord { login: change.after.login.disabled(), ..change.after.clone() };
        let off = self.write(&GuestUpdate { after: &disabled, ..change.clone() }, true).await;
        if matches!(off, Ok(_) | Err(Error::Refused { .. })) {
            self.delete_credentials(people, change, before).await?;
        }
        let Ok(off) = off else {
            // The user cannot be written and stays enabled.
            self.end_sessions(&change.user.id).await?;
            return off;
        };
        let now = people.user(&off.id).await?.ok_or_else(|| stale(&change.before.address))?;
        self.end_tokens(&off.id, now.not_before).await?;
        self.write_user(&GuestUpdate { user: &off, before: &disabled, ..change.clone() }).await
    }
}

fn unwritable(change: &GuestUpdate<'_>, error: &serde_json::Error) -> Error {
    Error::Refused { message: format!("failed to write {}: {error}", change.before.address) }
}
