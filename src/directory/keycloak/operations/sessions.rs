//! The end of a user's sessions: online and offline, of every client. Every operation that revokes access or resets a
//! factor ends them here.
//!
//! `POST logout` is not enough (measured on Keycloak 26.7.3). It keeps offline sessions. A refresh at the same moment
//! can leave a session in Keycloak's cache that no listing shows. With clients that refresh without pause, 17 of 40
//! continued. A session is therefore deleted by its identifier, and again until Keycloak does not find it.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::super::Error;
use super::super::Inner;
use super::super::client::{Call, ClientError, optional};
use super::super::endpoints::{CONSENTS, DELETE_SESSION, GET_USER, LOGOUT, OFFLINE_SESSIONS, SESSIONS};
use super::super::representations::{Consent, UserSession};

/// The time between two deletions of one session: a refresh that began before the first one has ended by then.
const DELETION_INTERVAL: Duration = Duration::from_millis(50);
/// A session ends after this number of consecutive deletions that do not find it.
const ENDED: usize = 2;
/// The maximum number of deletions for one session.
const ATTEMPTS: usize = 20;

/// A session, and whether it is an offline session.
type Found = (String, bool);

impl Inner {
    /// Ends all sessions of a user.
    pub(in super::super) async fn end_sessions(&self, user: &str) -> Result<(), Error> {
        // Listed first: Keycloak no longer lists a session that outlives the logout.
        let found = self.sessions(user).await?;
        self.logout(user).await?;
        let mut absent = 0;
        for _ in 0..ATTEMPTS {
            if found.is_empty() || absent == ENDED {
                return Ok(());
            }
            let mut deleted = false;
            for session in &found {
                deleted |= self.delete_session(session).await?;
            }
            absent = if deleted { 0 } else { absent + 1 };
            if absent < ENDED {
                tokio::time::sleep(DELETION_INTERVAL).await;
            }
        }
        Err(Error::Unavailable { context: format!("a session of user {user} goes on after {ATTEMPTS} deletions") })
    }

    /// Ends all sessions of a disabled user and invalidates every token from them. No token is refreshed while the
    /// login is disabled. `before` is the user's not-before at that time; a later value invalidates all tokens.
    pub(super) async fn end_tokens(&self, user: &str, before: i64) -> Result<(), Error> {
        self.end_sessions(user).await?;
        for _ in 0..ATTEMPTS {
            let Some(now) = self.users().user(user).await? else { return Ok(()) };
            if now.not_before > before {
                return Ok(());
            }
            // Keycloak counts in seconds, so a token of the present second is not invalid yet.
            tokio::time::sleep(Duration::from_millis(250)).await;
            self.logout(user).await?;
        }
        Err(Error::Unavailable {
            context: format!("{}: the not-before of user {user} stays at {before}", GET_USER.name),
        })
    }

    async fn logout(&self, user: &str) -> Result<(), Error> {
        optional(self.client.call(Call::post(LOGOUT, &["users", user, "logout"])).await)?;
        Ok(())
    }

    async fn sessions(&self, user: &str) -> Result<BTreeSet<Found>, Error> {
        let online: Vec<UserSession> = self.listed(Call::get(SESSIONS, &["users", user, "sessions"])).await?;
        let mut found: BTreeSet<Found> = online.into_iter().map(|session| (session.id, false)).collect();
        let consents: Vec<Consent> = self.listed(Call::get(CONSENTS, &["users", user, "consents"])).await?;
        for client in consents.iter().flat_map(Consent::offline_clients) {
            let call = Call::get(OFFLINE_SESSIONS, &["users", user, "offline-sessions", client]);
            let offline: Vec<UserSession> = self.listed(call).await?;
            found.extend(offline.into_iter().map(|session| (session.id, true)));
        }
        Ok(found)
    }

    /// A listing; it is empty where the user or the client no longer exists.
    async fn listed<T: serde::de::DeserializeOwned>(&self, call: Call<'_>) -> Result<Vec<T>, ClientError> {
        optional(self.client.call(call).await)?.map_or(Ok(Vec::new()), |answer| answer.read())
    }

    /// Whether the session existed.
    async fn delete_session(&self, (id, offline): &Found) -> Result<bool, Error> {
        let call = Call::delete(DELETE_SESSION, &["sessions", id]).with("isOffline", offline);
        Ok(optional(self.client.call(call).await)?.is_some())
    }
}
