//! The operator's tests from the embedded directory, from the same files, with a realm for each. Long tests, and tests
//! that hardly use the directory, need the feature `keycloak-whole` (`make test-keycloak`). With all of them, this
//! binary would take twice as long.

#[cfg(feature = "keycloak-whole")]
#[path = "../cluster/operator/invitations.rs"]
mod invitations;
use crate::observer;
#[cfg(feature = "keycloak-whole")]
#[path = "../cluster/operator/detach.rs"]
mod detach;
#[cfg(feature = "keycloak-whole")]
#[path = "../cluster/operator/events.rs"]
mod events;
#[path = "../cluster/operator/killed.rs"]
mod killed;
#[cfg(feature = "keycloak-whole")]
#[path = "../cluster/operator/kstatus.rs"]
mod kstatus;
#[path = "../cluster/operator/lifecycle.rs"]
mod lifecycle;
#[cfg(feature = "keycloak-whole")]
#[path = "../cluster/operator/monitoring.rs"]
mod monitoring;
#[cfg(feature = "keycloak-whole")]
#[path = "../cluster/operator/namespaces.rs"]
mod namespaces;
#[cfg(feature = "keycloak-whole")]
#[path = "../cluster/operator/order.rs"]
mod order;
#[cfg(feature = "keycloak-whole")]
#[path = "../cluster/operator/ownership_marks.rs"]
mod ownership_marks;
#[cfg(feature = "keycloak-whole")]
#[path = "../cluster/operator/policy.rs"]
mod policy;
#[cfg(feature = "keycloak-whole")]
#[path = "../cluster/operator/rest.rs"]
mod rest;
#[cfg(feature = "keycloak-whole")]
#[path = "../cluster/operator/restored.rs"]
mod restored;
#[path = "../cluster/operator/roles.rs"]
mod roles;
#[cfg(feature = "keycloak-whole")]
#[path = "../cluster/operator/secrets.rs"]
mod secrets;
#[cfg(feature = "keycloak-whole")]
#[path = "../cluster/operator/suspension.rs"]
mod suspension;
#[cfg(feature = "keycloak-whole")]
#[path = "../cluster/operator/tenant.rs"]
mod tenant;
#[cfg(feature = "keycloak-whole")]
#[path = "../cluster/operator/unreadable.rs"]
mod unreadable;
#[cfg(feature = "keycloak-whole")]
#[path = "../cluster/operator/worlds.rs"]
mod worlds;
