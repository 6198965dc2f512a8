//! A guest's user as it is written: one call, with all that has to go with it.

use serde_json::{Map, Value, json};

use super::super::super::{Fault, GuestRecord, MfaRecord};
use super::super::Inner;
use super::super::client::{Call, Failed, optional};
use super::super::endpoints::PUT_USER;
use super::super::guest::{self, names};
use super::super::mfa;
use super::super::wire::User;
use super::guest::Change;
use super::stale;
use crate::rules::Methods;

/// What an attribute says that the realm requires and that nobody knows.
const UNKNOWN: &str = "-";

impl Inner {
    /// One write: attributes, login and what he has to do at his next sign-in. The user as he is then.
    pub(super) async fn write_user(&self, change: &Change<'_>) -> Result<User, Fault> {
        let mut user = change.user.clone();
        let failed = |error| Fault::Refused { message: format!("failed to write {}: {error}", change.before.address) };
        guest::write(change.after, &mut user.attributes, change.at).map_err(failed)?;
        if change.made() {
            user.enabled = change.after.login && change.after.deactivated_at.is_none();
            if change.before.display_name != change.after.display_name {
                (user.first_name, user.last_name) = names(&change.after.display_name);
            }
            mfa::ask(&mut user, &change.after.allowed, enrolled(change.after).as_ref());
            // Nobody vouches for the address of who is given back; who follows a link proves his.
            user.email_verified =
                change.after.mark.is_some() && (user.email_verified || change.after.joined_at.is_some());
        }
        let mut put = self.put_user(change.user, &user).await;
        // Of somebody whom we found nothing is made up.
        while change.must
            && change.made()
            && let Err(failed) = &put
            && fill(&mut user, &failed.missing())
        {
            put = self.put_user(change.user, &user).await;
        }
        optional(put)?.ok_or_else(|| stale(&change.before.address))?;
        Ok(user)
    }

    /// Writes what differs of a user. Attributes go with his name and address, which Keycloak would erase.
    pub(in super::super) async fn put_user(&self, before: &User, after: &User) -> Result<(), Failed> {
        let mut body = Map::new();
        let mut put = |name: &str, value: Value| body.insert(name.to_owned(), value);
        let names = before.first_name != after.first_name || before.last_name != after.last_name;
        if before.attributes != after.attributes || names {
            put("attributes", json!(after.attributes));
            put("email", json!(after.email));
            put("firstName", json!(after.first_name));
            put("lastName", json!(after.last_name));
        }
        if before.enabled != after.enabled {
            put("enabled", json!(after.enabled));
        }
        if before.required_actions != after.required_actions {
            put("requiredActions", json!(after.required_actions));
        }
        if before.email_verified != after.email_verified {
            put("emailVerified", json!(after.email_verified));
        }
        if body.is_empty() {
            return Ok(());
        }
        self.client.call(Call::put(PUT_USER, &["users", &after.id]).json(Value::Object(body))).await.map(drop)
    }
}

/// The methods that a guest has enrolled. `None`: nobody can tell.
pub(super) fn enrolled(record: &GuestRecord) -> Option<Methods> {
    match &record.mfa {
        MfaRecord::Known(methods) => Some(methods.keys().copied().collect()),
        MfaRecord::Unknown => None,
    }
}

/// Says that nobody knows what the realm's user profile requires. Whether there was anything to say: never of what is ours,
/// which would be told to applications.
fn fill(user: &mut User, missing: &[&str]) -> bool {
    let before = user.clone();
    for name in missing.iter().copied().filter(|name| !guest::ALL.contains(name)) {
        match name {
            "firstName" if user.first_name.is_empty() => UNKNOWN.clone_into(&mut user.first_name),
            "lastName" if user.last_name.is_empty() => UNKNOWN.clone_into(&mut user.last_name),
            "firstName" | "lastName" | "email" | "username" => {}
            name => {
                user.attributes.entry(name.to_owned()).or_insert_with(|| vec![UNKNOWN.to_owned()]);
            }
        }
    }
    if *user != before {
        tracing::warn!(user = user.id, ?missing, "the realm's user profile requires what this guest does not have");
    }
    *user != before
}
