//! The tests of the operator on the embedded directory, by the same files, with a realm for each. Those that take long, or hardly
//! touch the directory, run where the feature `keycloak-whole` is on (`make test-keycloak`): all of them here would take as
//! long again.

#[cfg(feature = "keycloak-whole")]
#[path = "../operator/invitations.rs"]
mod invitations;
#[path = "../operator/killed.rs"]
mod killed;
#[cfg(feature = "keycloak-whole")]
#[path = "../operator/kstatus.rs"]
mod kstatus;
#[path = "../operator/lifecycle.rs"]
mod lifecycle;
#[cfg(feature = "keycloak-whole")]
#[path = "../operator/marks.rs"]
mod marks;
#[cfg(feature = "keycloak-whole")]
#[path = "../operator/namespaces.rs"]
mod namespaces;
#[cfg(feature = "keycloak-whole")]
#[path = "../operator/order.rs"]
mod order;
#[cfg(feature = "keycloak-whole")]
#[path = "../operator/policy.rs"]
mod policy;
#[cfg(feature = "keycloak-whole")]
#[path = "../operator/release.rs"]
mod release;
#[cfg(feature = "keycloak-whole")]
#[path = "../operator/rest.rs"]
mod rest;
#[cfg(feature = "keycloak-whole")]
#[path = "../operator/restored.rs"]
mod restored;
#[path = "../operator/roles.rs"]
mod roles;
#[cfg(feature = "keycloak-whole")]
#[path = "../operator/secrets.rs"]
mod secrets;
#[cfg(feature = "keycloak-whole")]
#[path = "../operator/suspension.rs"]
mod suspension;
#[cfg(feature = "keycloak-whole")]
#[path = "../operator/tenant.rs"]
mod tenant;
#[cfg(feature = "keycloak-whole")]
#[path = "../operator/told.rs"]
mod told;
#[cfg(feature = "keycloak-whole")]
#[path = "../operator/unreadable.rs"]
mod unreadable;
