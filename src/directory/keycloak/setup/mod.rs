//! Prepares a realm for guestlist with an administrator's credentials: what the operator needs and may not do itself. Each
//! step looks first and changes only what is not as it should be, so that doing it again changes nothing. What guards comes
//! before what could be misused: the service account is the last step.

mod admin;
mod claims_scope;
mod flow_bindings;
pub(super) mod mfa_flows;
mod preflight;
mod realm;
mod scope;
mod service;
mod ways;

use super::super::Error;
use super::client::{Client, MASTER, Secret, Settings};
use admin::Admin;

/// What is wanted.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// The client whose service account the operator is.
    pub client_id: String,
    /// Applications that were made before and are to see a guest's accounts.
    pub applications: Vec<String>,
    /// Say what would be done, and do nothing.
    pub dry_run: bool,
    /// The client's secret as somebody has it already.
    pub known_secret: Option<Secret>,
}

/// What became of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetupOutcome {
    /// Something was changed, or would be.
    Changed,
    /// It was so already.
    Unchanged,
    /// A person has to do it.
    ByHand,
    /// It could not be done. The steps after it are done all the same.
    Failed,
    /// Nothing to do, but to know.
    Note,
}

/// Prepares a realm and tells of each step. The client's secret, where there is one.
pub async fn bootstrap(
    settings: Settings,
    wanted: &Wanted,
    tell: &mut dyn FnMut(SetupOutcome, &str),
) -> Result<Option<Secret>, Error> {
    let realm = settings.realm.clone();
    if realm == MASTER {
        let message = format!("{MASTER} is the realm of Keycloak's administrators: guests need one of their own");
        return Err(Error::Refused { message });
    }
    let mut admin = Admin::new(Client::new(settings)?, wanted.dry_run, tell);
    realm::server(&admin).await?;
    admin.look_for(&realm).await?;
    let applications = scope::applications(&admin, &wanted.applications).await?;
    service::is_ours(&admin, &wanted.client_id).await?;
    scope::is_ours(&admin).await?;
    service::no_clash(&admin, wanted).await?;

    admin.make(&realm).await?;
    let done = realm::realm(&mut admin).await;
    admin.attempted("the realm's settings", done);
    let done = realm::profile(&mut admin).await;
    admin.attempted("the user profile", done);
    let done = preflight::told(&mut admin).await;
    admin.attempted("what to know of the realm", done);
    let done = realm::actions(&mut admin).await;
    admin.attempted("the required actions", done);
    flow_bindings::gates(&mut admin).await;
    let is_guarded = admin.failures() == 0;
    let done = scope::scope(&mut admin, &applications).await;
    admin.attempted("the client scope", done);
    let done = if is_guarded { service::service_account(&mut admin, wanted).await } else { Err(unguarded()) };
    let secret = admin.attempted("the operator's client", done).flatten();
    admin.outcome()?;
    Ok(secret)
}

/// The operator is let in last.
fn unguarded() -> Error {
    let message = "it is left as it is until the steps before the client scope succeed; run setup again".to_owned();
    Error::Refused { message }
}
