//! Taking away, so that a crash or a failed call between any two calls leaves nothing open that nobody comes back for.

use super::super::super::{Fault, GuestRecord};
use super::super::Inner;
use super::super::client::{Call, optional};
use super::super::endpoints::LOGOUT;
use super::super::guest;
use super::super::wire::{User, first};
use super::guest::Change;

impl Inner {
    /// Ends a guest's invitation and membership. Where that fails, what his user alone says is taken away all the same, and
    /// his record goes on saying that the rest is to be done.
    pub(super) async fn cut_or_withhold(&self, change: &Change<'_>) -> Result<(), Fault> {
        let Err(fault) = self.cut(change).await else { return Ok(()) };
        let GuestRecord { mark, invitation, deactivated_at, .. } = change.before.clone();
        let rest = GuestRecord { mark, invitation, deactivated_at, ..change.after.clone() };
        if rest != *change.before {
            let change = Change { after: &rest, organization: None, ..*change };
            self.write(&change, change.takes()).await?;
        }
        Err(fault)
    }

    async fn cut(&self, change: &Change<'_>) -> Result<(), Fault> {
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

    /// Writes a change, which ends what he is signed in with where it takes something from him: before, so that whoever dies
    /// between the two leaves no session open that tells of it, and after, for who signed in between.
    pub(super) async fn write(&self, change: &Change<'_>, ends_sessions: bool) -> Result<User, Fault> {
        if ends_sessions && let Err(fault) = self.sign_out(change.user).await {
            // What he holds goes nevertheless.
            tracing::warn!(user = change.user.id, %fault, "a guest could not be signed out before what he held was taken away");
        }
        match self.write_user(change).await {
            // It cannot be written, whatever was tried. Nothing is told of him any more, and he does not stay signed in with it.
            Err(fault @ Fault::Refused { .. }) if change.must => {
                let left = self.put_out(&change.user.id).await;
                self.sign_out(change.user).await?;
                left?;
                Err(fault)
            }
            written => {
                let written = written?;
                if ends_sessions {
                    self.sign_out(change.user).await?;
                }
                Ok(written)
            }
        }
    }

    pub(super) async fn sign_out(&self, user: &User) -> Result<(), Fault> {
        optional(self.client.call(Call::post(LOGOUT, &["users", &user.id, "logout"])).await)?;
        Ok(())
    }
}
