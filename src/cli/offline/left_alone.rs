//! What no file declares and is left alone without `--prune`: whoever takes a guest out of the files expects that he loses
//! his access, and is told where that does not happen.

use crate::directory::{GuestRecord, Mirror};
use crate::index::Index;
use crate::plan::Extent;
use crate::rules::Email;

/// A guest, or something that a guest holds, that no file declares.
pub struct LeftAlone {
    /// The namespace of his partner.
    pub namespace: String,
    /// His partner.
    pub partner: String,
    /// His membership's name.
    pub name: String,
    /// His address.
    pub guest: Email,
    /// What he keeps.
    pub accounts: Vec<String>,
    /// Whether a file declares him, and only not what he holds.
    pub declared: bool,
}

impl LeftAlone {
    /// Why, and what to do.
    pub fn message(&self) -> String {
        let what = if self.accounts.is_empty() { "nothing".to_owned() } else { self.accounts.join(", ") };
        if self.declared {
            format!("keeps {what}, which no share in these files gives; with --prune it is taken away")
        } else {
            format!("no file declares this guest of {}, who keeps {what}; with --prune he is removed", self.partner)
        }
    }
}

/// Everybody who is left alone by what is declared, of the partners that are.
pub fn left_alone(extent: Extent, declared: &Index, observed: &Mirror) -> Vec<LeftAlone> {
    if extent != Extent::Declared {
        return Vec::new();
    }
    observed.guests().filter(|guest| guest.is_live()).filter_map(|guest| one(declared, guest)).collect()
}

fn one(index: &Index, guest: &GuestRecord) -> Option<LeftAlone> {
    let mark = guest.mark.as_ref()?;
    index.partner(&mark.namespace, &guest.partner_name)?;
    let mut named = index.memberships_for(&guest.address);
    let declared = index.membership(&mark.namespace, &mark.name).is_some()
        || named.any(|entry| entry.metadata.namespace.as_deref() == Some(mark.namespace.as_str()));
    let kept = guest.grants.values().map(|held| &held.grant);
    let kept = kept.filter(|grant| !declared || index.share(&mark.namespace, &grant.share).is_none());
    let accounts: Vec<String> = kept.map(|grant| grant.account.clone()).collect();
    (!declared || !accounts.is_empty()).then(|| LeftAlone {
        namespace: mark.namespace.clone(),
        partner: guest.partner_name.clone(),
        name: mark.name.clone(),
        guest: guest.address.clone(),
        accounts,
        declared,
    })
}
