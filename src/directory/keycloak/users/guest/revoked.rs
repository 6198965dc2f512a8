//! The revoked claims of a guest whose sessions have not ended yet, in the record. After a crash in between, the next
//! check revokes them again.

use std::collections::BTreeSet;

use crate::directory::keycloak::representations::Attributes;
use crate::directory::keycloak::users::guest::{RECORD, Stored};

/// The claims that were revoked from a user without an end of the sessions since.
pub fn revoked(attributes: &Attributes) -> Vec<String> {
    let texts = attributes.get(RECORD).map(Vec::as_slice).unwrap_or_default();
    let all: BTreeSet<String> = texts
        .iter()
        .filter_map(|text| serde_json::from_str::<Stored>(text).ok())
        .flat_map(|stored| stored.revoked)
        .collect();
    all.into_iter().collect()
}

/// Notes that the earlier sessions have ended.
pub fn set_ended(attributes: &mut Attributes) -> serde_json::Result<()> {
    for text in attributes.get_mut(RECORD).into_iter().flatten() {
        if let Ok(stored) = serde_json::from_str::<Stored>(text) {
            *text = serde_json::to_string(&Stored { revoked: Vec::new(), ..stored })?;
        }
    }
    Ok(())
}
