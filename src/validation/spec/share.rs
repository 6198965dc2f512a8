//! Reads an `AccountShare`.

use std::collections::{BTreeMap, BTreeSet};

use crate::api;
use crate::domain;
use crate::domain::{ShareRole, text};
use crate::validation::spec::Found;
use crate::validation::{ExcludeTerms, GuestUserTerms, OverrideTerms, ReadSpec, ShareTerms, Taint, messages};

const OWNER: &str = "Owner";

pub(super) fn read(spec: &api::AccountShareSpec) -> ReadSpec<ShareTerms> {
    let api::AccountShareSpec {
        partner_ref,
        account,
        shared_by,
        guest_admin_role,
        guest_users,
        role_overrides,
        exclude,
        mfa,
        suspended,
        expires_at,
    } = spec;
    let mut found = Found::default();
    if let Err(error) = text::check(account, "the name of an account in the directory") {
        found.push(messages::invalid_value("spec.account", error));
    }
    let terms = ShareTerms {
        partner: partner_ref.name.clone(),
        account: account.clone(),
        shared_by: found.email("spec.sharedBy", shared_by),
        guest_admin_role: guest_admin_role
            .as_ref()
            .and_then(|text| role(&mut found, "spec.guestAdminRole", text, Taint::Object))
            .unwrap_or(ShareRole::Collaborator),
        guest_users: guest_user_entries(&mut found, guest_users.as_deref().unwrap_or_default()),
        role_overrides: override_entries(&mut found, role_overrides.as_deref().unwrap_or_default()),
        exclude: exclude_entries(&mut found, exclude.as_deref().unwrap_or_default()),
        methods: found.mfa(mfa.as_ref()),
        suspended: suspended.unwrap_or(false),
        expires_at: found.instant("spec.expiresAt", expires_at.as_ref()),
    };
    found.reading(terms)
}

/// Manager or Collaborator. Owner is a violation of its own; all other text is an invalid role.
fn role(found: &mut Found, path: &str, text: &str, taint: Taint) -> Option<ShareRole> {
    if text == OWNER {
        found.push(messages::owner_never_shared(path, taint));
        return None;
    }
    let role = ShareRole::parse(text);
    if role.is_none() {
        let message = format!("{} is none of Manager, Collaborator", domain::quote(text));
        found.push(messages::invalid_value(path, message));
    }
    role
}

fn guest_user_entries(found: &mut Found, entries: &[api::GuestUserEntry]) -> BTreeMap<String, GuestUserTerms> {
    let mut seen = BTreeSet::new();
    let mut terms = BTreeMap::new();
    for (index, entry) in entries.iter().enumerate() {
        let api::GuestUserEntry { name, propagated_by, email, role } = entry;
        let path = format!("spec.guestUsers[{index}]");
        found.unique(&mut seen, format!("{path}.name"), name);
        let tainted = match role.as_deref() {
            None => false,
            Some(text) if ShareRole::parse(text) == Some(ShareRole::Collaborator) => false,
            // A Guest User never gets more than Collaborator, so this entry grants nothing.
            Some(OWNER) => {
                found.push(messages::owner_never_shared(format!("{path}.role"), Taint::Entry));
                true
            }
            Some(text) if ShareRole::parse(text) == Some(ShareRole::Manager) => {
                found.push(messages::propagated_is_collaborator(format!("{path}.role")));
                true
            }
            Some(text) => {
                let message = format!("{} is no role; remove the field, or write Collaborator", domain::quote(text));
                found.push(messages::invalid_value(format!("{path}.role"), message));
                true
            }
        };
        let email = found.pin(format!("{path}.email"), email.as_ref());
        terms.entry(name.clone()).or_insert_with(|| GuestUserTerms {
            index,
            name: name.clone(),
            propagated_by: propagated_by.clone(),
            email,
            tainted,
        });
    }
    terms
}

fn override_entries(found: &mut Found, entries: &[api::RoleOverrideEntry]) -> BTreeMap<String, OverrideTerms> {
    let mut seen = BTreeSet::new();
    let mut terms = BTreeMap::new();
    for (index, entry) in entries.iter().enumerate() {
        let api::RoleOverrideEntry { name, role: said, email } = entry;
        let path = format!("spec.roleOverrides[{index}]");
        found.unique(&mut seen, format!("{path}.name"), name);
        let role = role(found, &format!("{path}.role"), said, Taint::Entry);
        let email = found.pin(format!("{path}.email"), email.as_ref());
        terms.entry(name.clone()).or_insert_with(|| OverrideTerms { index, name: name.clone(), role, email });
    }
    terms
}

fn exclude_entries(found: &mut Found, entries: &[api::ExcludeEntry]) -> BTreeMap<String, ExcludeTerms> {
    let mut seen = BTreeSet::new();
    let mut terms = BTreeMap::new();
    for (index, entry) in entries.iter().enumerate() {
        let api::ExcludeEntry { name, email } = entry;
        let path = format!("spec.exclude[{index}]");
        found.unique(&mut seen, format!("{path}.name"), name);
        let email = found.pin(format!("{path}.email"), email.as_ref());
        terms.entry(name.clone()).or_insert_with(|| ExcludeTerms { index, name: name.clone(), email });
    }
    terms
}
