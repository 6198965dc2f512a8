//! Invitations: one open one at a time for each address, and none that nobody knows of.

use jiff::Timestamp;

use super::super::super::{Fault, InvitationRecord};
use super::super::client::{Call, Failed, optional};
use super::super::endpoints::{DELETE_INVITATION, INVITE};
use super::super::people::several_at;
use super::super::wire::{Organization, User};
use super::super::{Inner, PoisonError, guest};

impl Inner {
    /// Sends the invitation of an organization. Any that is open is dead from then on.
    pub(super) async fn send(&self, organization: &Organization, user: &User, fresh: bool) -> Result<(), Fault> {
        if !fresh {
            self.revoke(organization, user).await?;
        }
        match self.invite(organization, user).await {
            Ok(()) => Ok(()),
            // One is open that we did not know of. A new one, so that only the last link works.
            Err(failed) if failed.is(409) => {
                if self.people().users_at(&user.email).await?.len() > 1 {
                    return Err(several_at(&user.email));
                }
                self.revoke(organization, user).await?;
                self.invite(organization, user).await.map_err(|failed| unsent(failed, user))
            }
            // The answer was lost. Keycloak keeps an invitation only of a mail that went out, and nobody gets a second one.
            Err(Failed::Fault(fault @ Fault::Unavailable { .. })) => {
                match self.people().invitation(&organization.id, &user.email).await {
                    Ok(Some(_)) => Ok(()),
                    Ok(None) | Err(_) => Err(fault),
                }
            }
            Err(failed) => Err(unsent(failed, user)),
        }
    }

    async fn invite(&self, organization: &Organization, user: &User) -> Result<(), Failed> {
        let path = ["organizations", &organization.id, "members", "invite-user"];
        let form = vec![("email", user.email.clone())];
        self.client.call(Call::post(INVITE, &path).form(form).mails()).await.map(drop)
    }

    /// The open invitation cannot be followed any more.
    pub(super) async fn revoke(&self, organization: &Organization, user: &User) -> Result<(), Fault> {
        let rows = self.people().rows(&organization.id, Some(&user.email)).await?;
        for row in rows.iter().filter(|row| row.email.eq_ignore_ascii_case(&user.email)) {
            let path = ["organizations", &organization.id, "invitations", &row.id];
            optional(self.client.call(Call::delete(DELETE_INVITATION, &path)).await)?;
        }
        Ok(())
    }

    /// The invitation just sent, as it ends: the realm's lifetime may be shorter than ours. It is asked for once.
    pub(super) async fn ends(
        &self,
        organization: &Organization,
        user: &User,
        ours: InvitationRecord,
    ) -> Result<InvitationRecord, Fault> {
        let known = *self.lifetime.lock().unwrap_or_else(PoisonError::into_inner);
        let lifetime = match known {
            Some(lifetime) => lifetime,
            None => {
                let rows = self.people().rows(&organization.id, Some(&user.email)).await?;
                let Some(row) = rows.first() else { return Ok(ours) };
                let lifetime = row.expires_at - row.sent_date;
                *self.lifetime.lock().unwrap_or_else(PoisonError::into_inner) = Some(lifetime);
                let asked = ours.expires_at.duration_since(ours.sent_at).as_secs();
                if lifetime < asked {
                    tracing::warn!(
                        realm_seconds = lifetime,
                        asked_seconds = asked,
                        "invitations end earlier than invitations.expireAfter says: the realm's setting \
                         actionTokenGeneratedByAdminLifespan is shorter"
                    );
                }
                lifetime
            }
        };
        let theirs = self.now().checked_add(jiff::SignedDuration::from_secs(lifetime)).unwrap_or(Timestamp::MAX);
        Ok(guest::shorter(ours, InvitationRecord { expires_at: theirs, ..ours }))
    }
}

/// Why a mail was not sent.
fn unsent(failed: Failed, user: &User) -> Fault {
    match failed {
        Failed::Status { status: 500, .. } => Fault::Unavailable {
            context: format!(
                "Keycloak could not send a mail to {}: see the realm's settings for e-mail, and whether its mail server answers",
                user.email
            ),
        },
        other => other.into(),
    }
}
