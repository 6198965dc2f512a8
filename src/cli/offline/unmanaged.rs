//! Guests and grants that no file declares and that stay as they are without `--prune`. They are listed, because an author who
//! removes a guest from the files expects that the guest loses access.

use crate::cache::CacheEntry;
use crate::directory::GuestRecord;
use crate::domain::Email;
use crate::plan::{Inputs, PruneScope, is_orphan};

/// A guest, or grants of a guest, that no file declares.
pub struct UnmanagedGuest {
    /// The namespace of the partner.
    pub namespace: String,
    /// The partner's name.
    pub partner: String,
    /// The membership's name.
    pub name: String,
    /// The guest's address.
    pub guest: Email,
    /// The accounts that the guest keeps.
    pub accounts: Vec<String>,
    /// Whether a file declares the guest, but not the accounts or the address.
    pub declared: bool,
    /// The address that the file has in place of the guest's.
    pub edited: Option<Email>,
    /// Whether a file declares the partner. Without that, `--prune` does not affect the guest.
    pub home: bool,
}

impl UnmanagedGuest {
    /// The cause and the fix.
    pub fn message(&self) -> String {
        let what = if self.accounts.is_empty() { "nothing".to_owned() } else { self.accounts.join(", ") };
        if let Some(edited) = &self.edited {
            let what = if self.accounts.is_empty() { "no account" } else { &what };
            format!(
                "the membership {} has another address in these files, and an address never changes: the guest keeps the place in \
                 the partner and {what}, and {edited} is not invited. Restore the address, or declare {edited} under another name",
                self.name
            )
        } else if !self.home {
            format!("the guest belongs to the partner {}, which no file declares, and keeps {what}", self.partner)
        } else if self.declared {
            format!("keeps {what}, which no share in these files grants; with --prune it is revoked")
        } else {
            format!(
                "no file declares this guest of {}, who keeps {what}; with --prune the guest is removed",
                self.partner
            )
        }
    }
}

/// All guests that the manifests leave unmanaged: guests of declared partners, guests with the address of a declared
/// membership, and guests whose membership now has another address.
pub fn unmanaged_guests(inputs: Inputs<'_>) -> Vec<UnmanagedGuest> {
    if inputs.prune_scope == PruneScope::Everything {
        return Vec::new();
    }
    inputs.observed.guests().filter(|guest| guest.is_live()).filter_map(|guest| one(inputs, guest)).collect()
}

fn one(inputs: Inputs<'_>, guest: &GuestRecord) -> Option<UnmanagedGuest> {
    let index = inputs.declared;
    let mark = guest.mark.as_ref()?;
    let membership = index.membership_by_uid(&mark.uid).and_then(CacheEntry::read);
    let edited =
        membership.and_then(|entry| entry.reading.terms.email.as_ref()).filter(|email| **email != guest.address);
    if inputs.prune_scope != PruneScope::Declared && edited.is_none() {
        return None;
    }
    let home = index.partner(&mark.namespace, &guest.partner_name).is_some();
    let mut named = index.memberships_for(&guest.address);
    if edited.is_none()
        && !home
        && !named.any(|entry| entry.metadata.namespace.as_deref() == Some(mark.namespace.as_str()))
    {
        return None;
    }
    let declared = !is_orphan(inputs, guest);
    let kept = guest.grants.values().map(|held| &held.grant);
    let kept = kept.filter(|grant| !declared || index.share(&mark.namespace, &grant.share).is_none());
    let accounts: Vec<String> = kept.map(|grant| grant.account.clone()).collect();
    (!declared || edited.is_some() || !accounts.is_empty()).then(|| UnmanagedGuest {
        namespace: mark.namespace.clone(),
        partner: guest.partner_name.clone(),
        name: mark.name.clone(),
        guest: guest.address.clone(),
        accounts,
        declared,
        edited: edited.cloned(),
        home,
    })
}
