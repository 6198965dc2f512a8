//! The ownership mark and the other facts of a guest, in the user's attributes.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ADDRESS, ALL, ID, INSTALLATION, PARTNER, RECORD};
use crate::directory::keycloak::grants;
use crate::directory::keycloak::grants::{ACCOUNTS, GRANTS};
use crate::directory::keycloak::mfa;
use crate::directory::keycloak::mfa::METHODS;
use crate::directory::keycloak::representations::{Attributes, User, first};
use crate::directory::{Error, GuestRecord, Integrity, Login, MfaRecord};
use crate::domain::MfaMethod;

/// The JSON in [`RECORD`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stored {
    #[serde(flatten)]
    pub record: GuestRecord,
    #[serde(default)]
    pub mfa: BTreeMap<MfaMethod, Timestamp>,
    /// Revoked claims whose sessions may not have ended.
    #[serde(default)]
    pub revoked: Vec<String>,
    /// The time at which guestlist disabled the login. `None` with a disabled login: another party disabled it.
    pub login_disabled_at: Option<Timestamp>,
}

/// Reads a mark. `None`: it cannot be read, because a part is missing, or the parts do not agree. Two concurrent writes
/// may leave two values of an attribute. Of two records of one guest, the one with less access counts.
pub fn read(user: &User) -> Option<Stored> {
    let values = |name| user.attributes.get(name).map(Vec::as_slice).unwrap_or_default();
    let is = |name, value: &str| !values(name).is_empty() && values(name).iter().all(|other| other == value);
    let all: Vec<Stored> = values(RECORD).iter().map(|text| serde_json::from_str(text).ok()).collect::<Option<_>>()?;
    let uid = all.first()?.record.mark.as_ref()?.uid.clone();
    let agrees = |Stored { record, .. }: &Stored| {
        record.mark.as_ref().is_some_and(|mark| mark.uid == uid && is(INSTALLATION, &mark.installation))
            && is(ID, &record.id.0)
            && is(ADDRESS, record.address.as_str())
            && is(PARTNER, &record.partner.0)
    };
    let access = |Stored { record, mfa, login_disabled_at, .. }: &Stored| {
        (record.deactivated_at.is_none(), record.joined_at.is_some(), mfa.len(), record.role, *login_disabled_at)
    };
    all.iter().all(agrees).then(|| all.into_iter().min_by_key(access)).flatten()
}

/// Writes a record into a user's attributes. Attributes of others stay. Without an ownership mark, guestlist's
/// attributes are removed. If the mark is unreadable, only the grants and claims are removed. Applications see only the
/// grants that can be used at this instant.
pub fn write(record: &GuestRecord, attributes: &mut Attributes, at: Timestamp) -> Result<(), Error> {
    let Some(mark) = &record.mark else {
        // The rest of an unreadable ownership mark stays for the person who restores it.
        let removed: &[&str] = if record.integrity == Integrity::Unreadable { &[GRANTS, ACCOUNTS] } else { &ALL };
        attributes.retain(|name, _| !removed.contains(&name.as_str()));
        return Ok(());
    };
    let before = first(attributes, RECORD).and_then(|text| serde_json::from_str::<Stored>(text).ok());
    let usable = grants::claims_of(record, at);
    let mut revoked: BTreeSet<String> = revoked(attributes).into_iter().collect();
    let claims = attributes.get(ACCOUNTS).into_iter().flatten();
    revoked.extend(claims.filter(|claim| !grants::covers(&usable, claim)).cloned());
    let record = &grants::without_revoked(record, &revoked);
    for name in ALL {
        attributes.remove(name);
    }
    let disabled_at = before.as_ref().and_then(|before| before.login_disabled_at);
    let mfa = match &record.mfa {
        MfaRecord::Known(mfa) => mfa.iter().map(|(method, at)| (*method, *at)).collect(),
        // Unknown MFA keeps the recorded methods.
        MfaRecord::Unknown => before.map(|before| before.mfa).unwrap_or_default(),
    };
    let stored = Stored {
        record: record.clone(),
        mfa,
        revoked: revoked.into_iter().collect(),
        login_disabled_at: (record.login == Login::DisabledByGuestlist).then(|| disabled_at.unwrap_or(at)),
    };
    let mut put = |name: &str, values: Vec<String>| attributes.insert(name.to_owned(), values);
    put(ID, vec![record.id.0.clone()]);
    put(INSTALLATION, vec![mark.installation.clone()]);
    put(ADDRESS, vec![record.address.to_string()]);
    put(PARTNER, vec![record.partner.0.clone()]);
    if !record.allowed.is_empty() {
        put(METHODS, vec![mfa::text(&record.allowed)]);
    }
    put(RECORD, vec![serde_json::to_string(&stored).map_err(unwritable)?]);
    grants::write(record, attributes, at).map_err(unwritable)
}

fn unwritable(error: serde_json::Error) -> Error {
    Error::Refused { message: format!("failed to write the record of a guest: {error}") }
}

/// The revoked claims of a user whose sessions may not have ended since.
pub fn revoked(attributes: &Attributes) -> Vec<String> {
    let texts = attributes.get(RECORD).map(Vec::as_slice).unwrap_or_default();
    let all: BTreeSet<String> = texts
        .iter()
        .filter_map(|text| serde_json::from_str::<Stored>(text).ok())
        .flat_map(|stored| stored.revoked)
        .collect();
    all.into_iter().collect()
}

/// Removes the revoked claims from the record, because the earlier sessions have ended.
pub fn set_ended(attributes: &mut Attributes) -> Result<(), Error> {
    for text in attributes.get_mut(RECORD).into_iter().flatten() {
        if let Ok(stored) = serde_json::from_str::<Stored>(text) {
            *text = serde_json::to_string(&Stored { revoked: Vec::new(), ..stored }).map_err(unwritable)?;
        }
    }
    Ok(())
}
