//! Guests and workspace users, as Keycloak stores them.

pub mod attributes;
pub mod cache;
pub mod guest;
pub mod profile;
pub mod reader;
pub mod recovery;
pub mod substitutes;
pub mod usernames;
