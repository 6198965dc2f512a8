//! Writes of a guest's user: one call with everything that belongs together.

use serde_json::{Map, Value, json};

use super::super::super::{Error, GuestRecord, MfaRecord};
use super::super::Inner;
use super::super::client::{Call, ClientError, Invalid, Refusal, optional};
use super::super::endpoints::PUT_USER;
use super::super::mfa;
use super::super::representations::User;
use super::guest::GuestUpdate;
use super::stale;
use crate::directory::keycloak::users::guest;
use crate::directory::keycloak::users::guest::names;
use crate::domain::Methods;

/// The placeholder for an attribute that the realm requires and guestlist does not know.
const UNKNOWN: &str = "-";
/// The placeholder for a required name.
const PLACEHOLDER: &str = "Guest";
/// The maximum number of attempts to adapt a user to the realm's user profile.
const MOST_TRIES: usize = 4;
/// The attributes of the user profile that a user's representation has a field for.
const WITH_FIELD: [&str; 4] = ["username", "email", "firstName", "lastName"];

impl Inner {
    /// Writes attributes, login and required actions in one call. Returns the user after the write.
    pub(super) async fn write_user(&self, change: &GuestUpdate<'_>) -> Result<User, Error> {
        let mut user = change.user.clone();
        guest::write(change.after, &mut user.attributes, change.at)?;
        if change.is_created() {
            user.enabled = change.after.login.is_enabled() && change.after.deactivated_at.is_none();
            if change.before.display_name != change.after.display_name {
                (user.first_name, user.last_name) = names(&change.after.display_name);
            }
            mfa::require(&mut user, &change.after.allowed, enrolled(change.after).as_ref());
            // An unmanaged user's address is unverified, because no other party has confirmed it. A guest who follows
            // a link has verified the address.
            user.email_verified =
                change.after.mark.is_some() && (user.email_verified || change.after.joined_at.is_some());
        }
        let put = if change.is_created() {
            self.put_adapted(change.user, &mut user, change.revokes).await
        } else {
            self.put_user(change.user, &user).await
        };
        optional(put)?.ok_or_else(|| stale(&change.before.address))?;
        Ok(user)
    }

    /// Writes the differences of a user that guestlist created, and adapts the user to the realm's user profile: see
    /// [`adapt_to_profile`].
    pub(super) async fn put_adapted(&self, before: &User, user: &mut User, revokes: bool) -> Result<(), ClientError> {
        let mut put = self.put_user(before, user).await;
        for _ in 0..MOST_TRIES {
            let Err(failed) = &put else { break };
            if !adapt_to_profile(user, before, failed.invalid(), revokes) {
                break;
            }
            put = self.put_user(before, user).await;
        }
        put
    }

    /// Writes the differences of a user. A name that administrators may neither read nor write reads as empty, so it
    /// is omitted.
    pub(in super::super) async fn put_user(&self, before: &User, after: &User) -> Result<(), ClientError> {
        self.put(before, after).await.map_err(|failed| failed.about(&after.email))
    }

    async fn put(&self, before: &User, after: &User) -> Result<(), ClientError> {
        let Some(mut body) = representation(before, after) else { return Ok(()) };
        let put = self
            .client
            .call(Call::put(PUT_USER, &["users", &after.id]).json(Value::Object(body.clone())))
            .await
            .map(drop);
        let Err(failed) = &put else { return put };
        let unchanged =
            [("firstName", &before.first_name, &after.first_name), ("lastName", &before.last_name, &after.last_name)];
        let hidden = unchanged.into_iter().filter(|(_, was, is)| was == is && is.is_empty()).map(|(name, ..)| name);
        let read_only =
            |name: &&str| failed.invalid().iter().any(|one| one.attribute == *name && one.why == Refusal::ReadOnly);
        let hidden: Vec<&str> = hidden.filter(read_only).collect();
        if hidden.is_empty() {
            return put;
        }
        body.retain(|name, _| !hidden.contains(&name.as_str()));
        self.client.call(Call::put(PUT_USER, &["users", &after.id]).json(Value::Object(body))).await.map(drop)
    }
}

/// The methods that a guest has enrolled. `None`: unknown.
pub(super) fn enrolled(record: &GuestRecord) -> Option<Methods> {
    match &record.mfa {
        MfaRecord::Known(methods) => Some(methods.keys().copied().collect()),
        MfaRecord::Unknown => None,
    }
}

/// The only function that builds a user for a write. It contains the differences, and always the attributes of the
/// user profile with a field of their own. If a write omits them, Keycloak erases some and refuses the write for
/// others, depending on the realm's settings. `None`: no difference.
fn representation(before: &User, after: &User) -> Option<Map<String, Value>> {
    let User {
        id: _,
        username,
        email,
        first_name,
        last_name,
        enabled,
        email_verified,
        totp: _,
        created_timestamp: _,
        ..
    } = after;
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| body.insert(name.to_owned(), value);
    if before.attributes != after.attributes {
        put("attributes", json!(after.attributes));
    }
    if before.enabled != *enabled {
        put("enabled", json!(enabled));
    }
    if before.required_actions != after.required_actions {
        put("requiredActions", json!(after.required_actions));
    }
    if before.email_verified != *email_verified {
        put("emailVerified", json!(email_verified));
    }
    let named = |user: &User| [&user.username, &user.email, &user.first_name, &user.last_name].map(Clone::clone);
    if body.is_empty() && named(before) == named(after) {
        return None;
    }
    for (name, value) in [("username", username), ("email", email), ("firstName", first_name), ("lastName", last_name)]
    {
        body.insert(name.to_owned(), json!(value));
    }
    Some(body)
}

/// Adapts a user to the realm's user profile. A name that administrators may not change keeps its value. If access is
/// revoked (`revokes`), an invalid name is removed, and a placeholder fills a required attribute. guestlist's own
/// attributes never get one, because applications would see it. Returns whether anything changed.
fn adapt_to_profile(user: &mut User, before: &User, invalid: &[Invalid], revokes: bool) -> bool {
    let old = user.clone();
    for Invalid { attribute, why } in invalid.iter().filter(|one| !guest::ALL.contains(&one.attribute.as_str())) {
        let name = match attribute.as_str() {
            "firstName" => Some((&mut user.first_name, &before.first_name)),
            "lastName" => Some((&mut user.last_name, &before.last_name)),
            _ => None,
        };
        match (why, name) {
            (Refusal::ReadOnly, Some((name, was))) => name.clone_from(was),
            (Refusal::Required, Some((name, _))) if revokes && name.is_empty() => PLACEHOLDER.clone_into(name),
            (Refusal::Value, Some((name, _))) if revokes => name.clear(),
            (Refusal::Required, None) if revokes && !WITH_FIELD.contains(&attribute.as_str()) => {
                user.attributes.entry(attribute.clone()).or_insert_with(|| vec![UNKNOWN.to_owned()]);
            }
            (Refusal::ReadOnly | Refusal::Required | Refusal::Value, _) => {}
        }
    }
    if *user != old {
        tracing::warn!(user = user.id, ?invalid, "the realm's user profile refuses this guest as they are");
    }
    *user != old
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bob() -> User {
        User {
            username: "bob@acme.example".to_owned(),
            email: "bob@acme.example".to_owned(),
            first_name: "Bob".to_owned(),
            last_name: "-".to_owned(),
            enabled: true,
            ..User::default()
        }
    }

    #[test]
    fn every_write_of_a_user_has_all_attributes_with_a_field() {
        let writes: [fn(&mut User); 6] = [
            |user| user.enabled = false,
            |user| user.email_verified = true,
            |user| user.required_actions.push("CONFIGURE_TOTP".to_owned()),
            |user| drop(user.attributes.insert(guest::ID.to_owned(), vec!["1".to_owned()])),
            |user| user.last_name = "Example".to_owned(),
            |user| user.email = "b@acme.example".to_owned(),
        ];
        assert_eq!(representation(&bob(), &bob()), None);
        for write in writes {
            let mut after = bob();
            write(&mut after);
            let body = representation(&bob(), &after).unwrap_or_default();
            for name in WITH_FIELD {
                assert!(body.get(name).is_some(), "{name} is missing in {body:?}");
            }
        }
        // The login is written only with a change: an administrator may disable it at the same moment.
        let named = representation(&bob(), &User { last_name: "Example".to_owned(), ..bob() }).unwrap_or_default();
        assert_eq!(named.get("enabled"), None);
    }

    #[test]
    fn refused_names_go_only_where_access_is_revoked() {
        let invalid = |attribute: &str, why| vec![Invalid { attribute: attribute.to_owned(), why }];
        let adapted = |invalid: &[Invalid], revokes| {
            let mut user = User { first_name: "Robert".to_owned(), ..bob() };
            adapt_to_profile(&mut user, &bob(), invalid, revokes).then_some(user.first_name)
        };
        assert_eq!(adapted(&invalid("firstName", Refusal::Value), false), None);
        assert_eq!(adapted(&invalid("firstName", Refusal::Value), true).as_deref(), Some(""));
        assert_eq!(adapted(&invalid("firstName", Refusal::ReadOnly), false).as_deref(), Some("Bob"));
        for name in ["username", "email"].iter().chain(&guest::ALL) {
            assert_eq!(adapted(&invalid(name, Refusal::Required), true), None, "{name}");
        }
        assert!(adapted(&invalid("department", Refusal::Required), true).is_some());
        assert_eq!(adapted(&invalid("department", Refusal::Required), false), None);
    }
}
