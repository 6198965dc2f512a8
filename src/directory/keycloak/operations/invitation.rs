//! Invitations: at most one open invitation for each address, and none without a record.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::super::super::{Epoch, Error, GuestRecord, InvitationRecord};
use super::super::client::{Call, ClientError, optional};
use super::super::endpoints::{DELETE_INVITATION, INVITE};
use super::super::representations::{Organization, User};
use super::super::{Inner, PoisonError};
use crate::directory::keycloak::users::guest;
use crate::directory::keycloak::users::reader::ambiguous_address;

/// Keycloak's message after its mail server refused a mail. It keeps no invitation then.
const NOT_SENT: &str = "Failed to send invite email";

/// Keycloak waits ten seconds for its mail server and then reports a failure. The mail may have been sent by then, or
/// may be sent later.
const GAVE_UP: Duration = Duration::from_secs(9);

/// A requested mail without an invitation that proves its sending.
pub(super) enum SendError {
    /// The mail was not sent and stays due.
    NotSent(Error),
    /// Unknown: the response was lost, and Keycloak may still be sending. The mail counts as sent, because an
    /// immediate second one would invalidate the first link. It is due again after the policy's `mailInterval`.
    Unknown(Error),
}

/// The knowledge about an existing invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prior {
    /// guestlist sent none, because the user was created just now. An administrator may have invited the address.
    None,
    /// There may be one. After this epoch, the next leader may send one too.
    Possible(Epoch),
}

/// The lifetime of the realm's invitations.
#[derive(Default)]
pub struct Lifetime {
    /// In seconds, from an invitation since the last full read. The setting may change.
    pub seconds: Option<i64>,
    /// The logged pairs of the partner's lifetime and the realm's shorter one.
    logged: BTreeSet<(i64, i64)>,
}

impl Inner {
    /// Sends the invitation of an organization. An earlier one stops working.
    pub(super) async fn send(&self, organization: &Organization, user: &User, prior: Prior) -> Result<(), SendError> {
        if let Prior::Possible(epoch) = prior {
            // Checked after the record was written: a later leader sees the record and sends no mail.
            self.leads_now(epoch).await.map_err(SendError::NotSent)?;
            self.revoke(organization, user).await.map_err(SendError::NotSent)?;
        }
        let asked = Instant::now();
        match self.invite(organization, user).await {
            Ok(()) => Ok(()),
            // An unknown invitation is open. It is replaced, so that only the last link works.
            Err(failed) if failed.is(409) => {
                self.ensure_unique_address(user).await.map_err(SendError::NotSent)?;
                self.revoke(organization, user).await.map_err(SendError::NotSent)?;
                let asked = Instant::now();
                match self.invite(organization, user).await {
                    Ok(()) => Ok(()),
                    Err(failed) => self.check_whether_sent(organization, user, failed, asked.elapsed()).await,
                }
            }
            Err(failed) => self.check_whether_sent(organization, user, failed, asked.elapsed()).await,
        }
    }

    /// Writes that a mail was not sent, unless the user has been changed since.
    pub(super) async fn undo_mail(&self, written: &User, undone: &GuestRecord, at: Timestamp) -> Result<(), Error> {
        let reader = self.users();
        let now = reader.user(&written.id).await?;
        let Some(now) = now.filter(|now| guest::is_same(now, written)) else { return Ok(()) };
        let mut back = now.clone();
        guest::write(undone, &mut back.attributes, at)?;
        self.put_user(&now, &back).await.map_err(Error::from)?;
        reader.known(&back, false, undone.invitation);
        Ok(())
    }

    /// Fails if several users have the address: Keycloak then sends no mail.
    pub(super) async fn ensure_unique_address(&self, user: &User) -> Result<(), Error> {
        match self.users().users_at(&user.email).await?.len() {
            0 | 1 => Ok(()),
            _ => Err(ambiguous_address(&user.email)),
        }
    }

    /// Checks whether a mail was sent although the call failed. Keycloak keeps an invitation only if its mail was
    /// sent.
    async fn check_whether_sent(
        &self,
        organization: &Organization,
        user: &User,
        failed: ClientError,
        took: Duration,
    ) -> Result<(), SendError> {
        let late = is_mail_refused(&failed) && took >= GAVE_UP;
        if !late && let Some(fault) = mail_refused(&failed, user) {
            return Err(SendError::NotSent(fault));
        }
        if let Ok(Some(_)) = self.users().invitation(&organization.id, &user.email).await {
            return Ok(());
        }
        #[expect(clippy::wildcard_enum_match_arm, reason = "the text of every other error is the cause")]
        let why = match Error::from(failed) {
            _ if late => {
                format!("Keycloak gave up on its mail server after {}s: is it slow, or shut off?", took.as_secs())
            }
            Error::Unavailable { context } | Error::Busy { context, .. } => context,
            fault => fault.to_string(),
        };
        let context = format!(
            "{why}; the result of the mail to {} is unknown: it counts as sent, and another is due after the policy's \
             mailInterval",
            user.email
        );
        Err(SendError::Unknown(Error::MailNotSent { context }))
    }

    async fn invite(&self, organization: &Organization, user: &User) -> Result<(), ClientError> {
        let path = ["organizations", &organization.id, "members", "invite-user"];
        let form = vec![("email".to_owned(), user.email.clone())];
        self.client.call(Call::post(INVITE, &path).form(form).mails()).await.map(drop)
    }

    /// Deletes the open invitations, so that their links stop working.
    pub(super) async fn revoke(&self, organization: &Organization, user: &User) -> Result<(), Error> {
        let rows = self.users().rows(&organization.id, Some(&user.email)).await?;
        for row in rows.iter().filter(|row| row.email.eq_ignore_ascii_case(&user.email)) {
            let path = ["organizations", &organization.id, "invitations", &row.id];
            optional(self.client.call(Call::delete(DELETE_INVITATION, &path)).await)?;
        }
        Ok(())
    }

    /// The invitation with its actual end: the realm's lifetime may be shorter than the requested one. The lifetime
    /// is read once between two full reads.
    pub(super) async fn with_actual_expiry(
        &self,
        organization: &Organization,
        user: &User,
        ours: InvitationRecord,
    ) -> Result<InvitationRecord, Error> {
        let known = self.lifetime.lock().unwrap_or_else(PoisonError::into_inner).seconds;
        let lifetime = match known {
            Some(lifetime) => lifetime,
            None => {
                let rows = self.users().rows(&organization.id, Some(&user.email)).await?;
                let Some(row) = rows.first() else { return Ok(ours) };
                row.expires_at - row.sent_date
            }
        };
        let asked = ours.expires_at.duration_since(ours.sent_at).as_secs();
        let news = {
            let mut held = self.lifetime.lock().unwrap_or_else(PoisonError::into_inner);
            held.seconds = Some(lifetime);
            lifetime < asked && held.logged.insert((asked, lifetime))
        };
        if news {
            tracing::warn!(
                realm_seconds = lifetime,
                asked_seconds = asked,
                "invitations end earlier than invitations.expireAfter says: the realm's setting \
                 actionTokenGeneratedByAdminLifespan is shorter"
            );
        }
        let theirs = self.now().checked_add(jiff::SignedDuration::from_secs(lifetime)).unwrap_or(Timestamp::MAX);
        Ok(guest::shorter(ours, InvitationRecord { expires_at: theirs, ..ours }))
    }
}

fn is_mail_refused(failed: &ClientError) -> bool {
    matches!(failed, ClientError::Status { status: 500, said, .. } if said.contains(NOT_SENT))
}

/// The error if the mail certainly was not sent: Keycloak reports that, or refused the request.
fn mail_refused(failed: &ClientError, user: &User) -> Option<Error> {
    match failed {
        failed if is_mail_refused(failed) => Some(Error::MailNotSent {
            context: format!(
                "Keycloak could not send a mail to {}: no mail server is set in the realm's settings (Realm settings, Email), or \
                 it does not take the mail; Keycloak's log says which",
                user.email
            ),
        }),
        // A proxy gave up waiting.
        ClientError::Status { status: 408, .. } => None,
        ClientError::Status { status: 400..500, .. } | ClientError::Fault(Error::Refused { .. }) => {
            Some(failed.clone().into())
        }
        ClientError::Status { .. } | ClientError::Late { .. } | ClientError::Fault(_) => None,
    }
}
