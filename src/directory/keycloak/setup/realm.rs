//! The server, and the realm's own settings: organizations, events, lifetime of invitations, user profile, and a
//! password before a one-time password.

use serde_json::{Value, json};

use super::super::super::Error;
use super::super::client::Call;
use super::super::mfa::{CONFIGURE_TOTP, WEBAUTHN_REGISTER};
use super::admin::{Admin, endpoint, text};
use crate::directory::keycloak::users::guest::UPDATE_PASSWORD;
use crate::directory::keycloak::users::profile;

/// The oldest supported server version.
const OLDEST: (u32, u32) = (26, 6);
/// The minimum lifetime of an invitation, in seconds: the default lifetime of a partner's invitations.
const INVITATION: i64 = 72 * 3600;
/// The retention of events if the realm sets none, in seconds.
const KEPT: i64 = 7 * 24 * 3600;
const EVENTS_EXPIRE: &str = "adminEventsExpiration";

/// Fails early if the server cannot be used.
pub async fn server(admin: &Admin<'_>) -> Result<(), Error> {
    let info = admin.read(Call::get(endpoint("GET serverinfo"), &["serverinfo"]).on_server()).await?;
    usable(&info).map_err(|message| Error::Refused { message })
}

fn usable(info: &Value) -> Result<(), String> {
    let version = info["systemInfo"]["version"].as_str().unwrap_or_default();
    let mut numbers = version.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    // The server hides its version from administrators of single realms.
    if let (Some(major), Some(minor)) = (numbers.next(), numbers.next())
        && (major, minor) < OLDEST
    {
        return Err(format!("Keycloak {version} is too old: guestlist needs {}.{} or newer", OLDEST.0, OLDEST.1));
    }
    let features = info["features"].as_array().map(Vec::as_slice).unwrap_or_default();
    if features.iter().any(|feature| feature["name"] == "ORGANIZATION" && feature["enabled"] == false) {
        return Err("this Keycloak runs without organizations: start it with --features=organization".to_owned());
    }
    Ok(())
}

fn put(body: Value) -> Call<'static> {
    Call::put(endpoint("PUT realm"), &[]).json(body)
}

/// The realm's settings.
pub async fn realm(admin: &mut Admin<'_>) -> Result<(), Error> {
    let realm = admin.get("GET realm", &[]).await?;
    if realm["enabled"] == false {
        admin.by_hand("the realm is switched off: switch it on in its settings (Enabled)");
    }
    let done = organizations(admin, &realm).await;
    admin.step_result("organizations", done);
    let done = events(admin, &realm).await;
    admin.step_result("the events of users and administrators", done);
    let done = invitations(admin, &realm).await;
    admin.step_result("the lifetime of invitations", done);
    if text(&realm["smtpServer"], "host").is_empty() {
        admin.by_hand("no mail server is set, so nobody can be invited: set one in the realm's settings (Email)");
    }
    Ok(())
}

async fn organizations(admin: &mut Admin<'_>, realm: &Value) -> Result<(), Error> {
    let already = realm["organizationsEnabled"] == true;
    if !already {
        admin.write(put(json!({"organizationsEnabled": true}))).await?;
    }
    admin.done(already, "organizations are on: each partner is one");
    Ok(())
}

async fn invitations(admin: &mut Admin<'_>, realm: &Value) -> Result<(), Error> {
    let long = realm["actionTokenGeneratedByAdminLifespan"].as_i64().is_some_and(|seconds| seconds >= INVITATION);
    if !long {
        admin.write(put(json!({"actionTokenGeneratedByAdminLifespan": INVITATION}))).await?;
    }
    admin.done(long, "invitations last at least 72 hours");
    Ok(())
}

async fn events(admin: &mut Admin<'_>, realm: &Value) -> Result<(), Error> {
    let on = |name: &str| realm[name] == true;
    let already = on("eventsEnabled") && on("adminEventsEnabled");
    if !already {
        let mut body = json!({"eventsEnabled": true, "adminEventsEnabled": true});
        // Without a setting, Keycloak would keep the events for ever.
        if !on("eventsEnabled") && realm["eventsExpiration"].as_i64().unwrap_or_default() == 0 {
            body["eventsExpiration"] = KEPT.into();
        }
        let mut attributes = realm["attributes"].as_object().cloned().unwrap_or_default();
        if !on("adminEventsEnabled") && !attributes.contains_key(EVENTS_EXPIRE) {
            attributes.insert(EVENTS_EXPIRE.to_owned(), KEPT.to_string().into());
            body["attributes"] = attributes.into();
        }
        admin.write(put(body)).await?;
    }
    admin.done(already, "events of users and administrators are kept: what happens elsewhere is seen at once");
    Ok(())
}

/// Declares guestlist's attributes in the user profile.
pub async fn profile(admin: &mut Admin<'_>) -> Result<(), Error> {
    let path = ["users", "profile"];
    let before = admin.get("GET users/profile", &path).await?;
    let after = profile::declare(&before);
    let already = after.is_none();
    if let Some(after) = after {
        admin.write(Call::put(endpoint("PUT users/profile"), &path).json(after)).await?;
    }
    admin.done(already, "the user profile declares guestlist's attributes, for administrators alone");
    Ok(())
}

/// Enables the required actions, with the password before MFA. A guest who stops between the two can then continue
/// without help.
pub async fn actions(admin: &mut Admin<'_>) -> Result<(), Error> {
    let name = "GET authentication/required-actions";
    let rows = admin.list(name, &["authentication", "required-actions"]).await?;
    let find = |alias: &str| rows.iter().find(|row| row["alias"] == alias).cloned();
    let priority = |row: &Value| row["priority"].as_i64().unwrap_or_default();
    let before = admin.writes();
    let methods = [CONFIGURE_TOTP, WEBAUTHN_REGISTER];
    let absent: Vec<_> = [UPDATE_PASSWORD].into_iter().chain(methods).filter(|alias| find(alias).is_none()).collect();
    if !admin.is_rehearsal() && !absent.is_empty() {
        admin.by_hand(&format!(
            "register the required actions {} (Authentication, Required actions)",
            absent.join(", ")
        ));
        return Ok(());
    }
    let first = methods.iter().filter_map(|alias| find(alias)).map(|row| priority(&row)).min().unwrap_or(1);
    for alias in methods {
        if let Some(row) = find(alias).filter(|row| row["enabled"] != true) {
            let priority = priority(&row);
            put_action(admin, alias, row, priority).await?;
        }
    }
    match find(UPDATE_PASSWORD) {
        Some(password) if password["enabled"] == true && priority(&password) < first => {}
        Some(password) => put_action(admin, UPDATE_PASSWORD, password, first - 1).await?,
        // A new realm has the reverse order.
        None => put_action(admin, UPDATE_PASSWORD, json!({}), first - 1).await?,
    }
    admin.done_since(before, "a guest chooses a password before they set up an allowed MFA method");
    Ok(())
}

async fn put_action(admin: &mut Admin<'_>, alias: &str, mut row: Value, priority: i64) -> Result<(), Error> {
    row["enabled"] = true.into();
    row["priority"] = priority.into();
    let path = ["authentication", "required-actions", alias];
    admin.write(Call::put(endpoint("PUT authentication/required-actions/{alias}"), &path).json(row)).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_too_old_or_without_organizations_is_refused() {
        let info = |version: &str, on: bool| json!({"systemInfo": {"version": version}, "features": [{"name": "ORGANIZATION", "enabled": on}]});
        for version in ["26.6.0", "26.7.3", "27.0.0-SNAPSHOT", "999.0.0-SNAPSHOT", "26.10.1"] {
            assert_eq!(usable(&info(version, true)), Ok(()), "{version}");
        }
        for version in ["26.5.9", "25.0.1", "26.4.0.redhat-00001"] {
            let said = usable(&info(version, true)).unwrap_err();
            assert_eq!(said, format!("Keycloak {version} is too old: guestlist needs 26.6 or newer"));
        }
        assert!(usable(&info("26.7.3", false)).unwrap_err().contains("--features=organization"));
        // Without a version, setup continues; a missing feature causes its own error.
        assert_eq!(usable(&json!({})), Ok(()));
    }
}
