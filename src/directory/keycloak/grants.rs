//! A guest's grants in the user's attributes: in full for guestlist, and as `account:role` for applications.

use std::collections::{BTreeMap, BTreeSet};

use crate::util::small_map::SmallMap;

use jiff::Timestamp;

use super::super::{BLOCKED, Grant, GrantRecord, GuestRecord, MfaRecord};
use super::representations::{Attributes, User};
use crate::domain::{Email, Methods, ShareRole};

/// The attribute with the full grants, one JSON object each.
pub const GRANTS: &str = "guestlist.grants";
/// The attribute for applications: `account:role` in lower case, for each grant.
pub const ACCOUNTS: &str = "guestlist.accounts";

/// The grants of a guest are the claims that applications see. If another party removed a claim, its grant is gone. A
/// claim that another party added, or whose grant is unreadable, counts as a grant without a share until it is revoked.
pub fn read(user: &User, address: &Email) -> SmallMap<String, GrantRecord> {
    let values = |name| user.attributes.get(name).map(Vec::as_slice).unwrap_or_default();
    let named = |held: GrantRecord| (held.grant.account.clone(), held);
    let mut given: SmallMap<_, _> =
        values(GRANTS).iter().filter_map(|text| serde_json::from_str(text).ok()).map(named).collect();
    let claims = values(ACCOUNTS);
    given.retain(|_, held| claims.contains(&claim(&held.grant)));
    for (account, held) in of_claims(user) {
        let own: Vec<&String> = claims.iter().filter(|claimed| account_of(claimed) == account).collect();
        if given.get(&account).is_none_or(|given| own.iter().any(|claimed| claim(&given.grant) != **claimed)) {
            tracing::warn!(%address, account, "another party added this account to the claim of the guest; it is revoked");
            given.insert(account, held);
        }
    }
    given
}

/// The grants of a guest whose claims are blocked because Keycloak refused a write. No grant is in effect, and
/// guestlist grants each again.
pub fn blocked(user: &User, address: &Email) -> SmallMap<String, GrantRecord> {
    let mut held = read(user, address);
    for held in held.values_mut() {
        held.grant.until = Some(BLOCKED);
    }
    held
}

fn account_of(claimed: &str) -> &str {
    claimed.rsplit_once(':').map_or(claimed, |(account, _)| account)
}

/// The claims of a user as grants without a share. If an account has two claims, the higher role counts.
pub fn of_claims(user: &User) -> SmallMap<String, GrantRecord> {
    let mut held = SmallMap::default();
    for claimed in user.attributes.get(ACCOUNTS).map(Vec::as_slice).unwrap_or_default() {
        let account = account_of(claimed);
        let collaborator = claimed.strip_prefix(account) == Some(":collaborator") && !held.contains_key(account);
        let role = if collaborator { ShareRole::Collaborator } else { ShareRole::Manager };
        held.insert(account.to_owned(), unshared(account, role));
    }
    held
}

/// The grants, and the revoked claims whose sessions may not have ended. Those have no share.
pub fn with_revoked(mut held: SmallMap<String, GrantRecord>, revoked: &[String]) -> SmallMap<String, GrantRecord> {
    let claims = BTreeMap::from([(ACCOUNTS.to_owned(), revoked.to_vec())]);
    for (account, grant) in of_claims(&User { attributes: claims, ..User::default() }) {
        held.insert(account, grant);
    }
    held
}

/// The record without the entries for revoked claims, which are never written.
pub fn without_revoked(record: &GuestRecord, revoked: &BTreeSet<String>) -> GuestRecord {
    let mut record = record.clone();
    let is_revoked = |account: &str| revoked.iter().any(|claimed| account_of(claimed) == account);
    record.grants.retain(|account, held| !held.grant.share_uid.is_empty() || !is_revoked(account));
    record
}

/// A grant without a share.
fn unshared(account: &str, role: ShareRole) -> GrantRecord {
    let grant = Grant {
        account: account.to_owned(),
        role,
        share: String::new(),
        share_uid: String::new(),
        allowed: crate::domain::all_methods(),
        asked: crate::domain::all_methods(),
        until: None,
    };
    GrantRecord { grant, since: Timestamp::UNIX_EPOCH }
}

/// Writes a guest's grants into the user's attributes, which must not contain any. Applications see only the grants
/// that can be used at this instant.
pub fn write(record: &GuestRecord, attributes: &mut Attributes, at: Timestamp) -> serde_json::Result<()> {
    if !record.grants.is_empty() {
        let given = record.grants.values().map(serde_json::to_string).collect::<Result<_, _>>()?;
        attributes.insert(GRANTS.to_owned(), given);
    }
    let claims = claims_of(record, at);
    if !claims.is_empty() {
        attributes.insert(ACCOUNTS.to_owned(), claims);
    }
    Ok(())
}

/// The claims of a guest: `account:role` for each grant that can be used at this instant.
pub fn claims_of(record: &GuestRecord, at: Timestamp) -> Vec<String> {
    let MfaRecord::Known(mfa) = &record.mfa else {
        // Unknown MFA revokes nothing here: the plan decides for how long.
        return record.grants.values().map(|held| claim(&held.grant)).collect();
    };
    let enrolled: Methods = mfa.keys().copied().collect();
    let usable = |held: &&GrantRecord| held.is_effective(record.login, record.joined_at.is_some(), &enrolled, at);
    record.grants.values().filter(usable).map(|held| claim(&held.grant)).collect()
}

/// Whether the claims contain this one, or one with a higher role on its account.
pub fn covers(claims: &[String], claimed: &String) -> bool {
    let more = claimed.strip_suffix(":collaborator").map(|account| format!("{account}:manager"));
    claims.contains(claimed) || more.is_some_and(|more| claims.contains(&more))
}

/// The claim of a grant.
pub fn claim(grant: &Grant) -> String {
    format!("{}:{}", grant.account, grant.role.as_str().to_lowercase())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn blocked_grants_keep_their_share_and_are_not_in_effect() {
        let stored = r#"{"account":"ads","role":"Manager","share":"s","shareUid":"u","allowed":["TOTP"],"asked":["TOTP"],
            "since":"2026-01-01T00:00:00Z"}"#;
        let attributes = [(GRANTS, vec![stored]), (ACCOUNTS, vec!["ads:manager", "mail:collaborator"])];
        let texts = |values: Vec<&str>| values.into_iter().map(str::to_owned).collect();
        let attributes = attributes.into_iter().map(|(name, values)| (name.to_owned(), texts(values))).collect();
        let user = User { attributes, ..User::default() };
        let held = blocked(&user, &Email::parse("bob@acme.example").unwrap());
        let shares: Vec<_> = held.values().map(|held| held.grant.share_uid.as_str()).collect();
        assert_eq!(shares, ["u", ""]);
        assert!(held.values().all(GrantRecord::is_blocked));
    }
}
