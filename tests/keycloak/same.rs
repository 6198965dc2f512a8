//! The tests of the operator on the embedded directory, by the same files, with a realm for each.

#[path = "../operator/invitations.rs"]
mod invitations;
#[path = "../operator/killed.rs"]
mod killed;
#[path = "../operator/kstatus.rs"]
mod kstatus;
#[path = "../operator/lifecycle.rs"]
mod lifecycle;
#[path = "../operator/marks.rs"]
mod marks;
#[path = "../operator/namespaces.rs"]
mod namespaces;
#[path = "../operator/order.rs"]
mod order;
#[path = "../operator/policy.rs"]
mod policy;
#[path = "../operator/release.rs"]
mod release;
#[path = "../operator/rest.rs"]
mod rest;
#[path = "../operator/restored.rs"]
mod restored;
#[path = "../operator/roles.rs"]
mod roles;
#[path = "../operator/suspension.rs"]
mod suspension;
#[path = "../operator/tenant.rs"]
mod tenant;
#[path = "../operator/told.rs"]
mod told;
#[path = "../operator/unreadable.rs"]
mod unreadable;
