//! Prepares a realm for guestlist with an administrator's credentials, because the operator has no permission to do
//! it. Each step checks first and changes only differences, so a second run changes nothing. Protections come before
//! the access that they limit: the service account is the last step.

mod admin;
mod claims_scope;
mod flow_bindings;
mod flow_paths;
pub(super) mod mfa_flows;
mod preflight;
mod realm;
mod scope;
mod service;

use super::super::Error;
use super::client::{Client, MASTER, Secret, Settings};
use admin::Admin;

/// The wanted result of setup.
#[derive(Clone, Debug, Default)]
pub struct SetupOptions {
    /// The client identifier of the operator's service account.
    pub client_id: String,
    /// Existing applications that need the claim with a guest's accounts.
    pub applications: Vec<String>,
    /// Report the changes without making them.
    pub dry_run: bool,
    /// The existing client secret, if there is one.
    pub known_secret: Option<Secret>,
}

/// The result of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetupOutcome {
    /// The step changed something, or would change it.
    Changed,
    /// Nothing had to be changed.
    Unchanged,
    /// A person has to do it.
    ByHand,
    /// The step failed. The following steps run all the same.
    Failed,
    /// Information without a step.
    Note,
}

/// Prepares a realm and reports each step. Returns the client's secret, if there is one.
///
/// # Errors
///
/// Keycloak does not answer, or refuses the administrator. The steps before it stay done.
pub async fn bootstrap(
    settings: Settings,
    wanted: &SetupOptions,
    tell: &mut dyn FnMut(SetupOutcome, &str),
) -> Result<Option<Secret>, Error> {
    let realm = settings.realm.clone();
    if realm == MASTER {
        let message = format!("{MASTER} is the realm of Keycloak's administrators: guests need one of their own");
        return Err(Error::Refused { message });
    }
    let mut admin = Admin::new(Client::new(settings)?, wanted.dry_run, tell);
    realm::server(&admin).await?;
    admin.find_realm(&realm).await?;
    let applications = scope::applications(&admin, &wanted.applications).await?;
    service::is_ours(&admin, &wanted.client_id).await?;
    scope::is_ours(&admin).await?;
    service::check_known_secret(&admin, wanted).await?;

    admin.make(&realm).await?;
    let done = realm::realm(&mut admin).await;
    admin.step_result("the realm's settings", done);
    let done = realm::profile(&mut admin).await;
    admin.step_result("the user profile", done);
    let done = preflight::claims_enabled(&mut admin).await;
    admin.step_result("what to know of the realm", done);
    let done = realm::actions(&mut admin).await;
    admin.step_result("the required actions", done);
    flow_bindings::set_up_flows(&mut admin).await;
    let is_guarded = admin.failures() == 0;
    let done = scope::scope(&mut admin, &applications).await;
    admin.step_result("the client scope", done);
    let done = if is_guarded { service::service_account(&mut admin, wanted).await } else { Err(earlier_step_failed()) };
    let secret = admin.step_result("the operator's client", done).flatten();
    admin.outcome()?;
    Ok(secret)
}

/// The error of the last step, if an earlier one failed: the operator gets access last.
fn earlier_step_failed() -> Error {
    let message = "it is left as it is until the steps before the client scope succeed; run setup again".to_owned();
    Error::Refused { message }
}
