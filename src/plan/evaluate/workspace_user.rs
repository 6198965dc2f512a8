//! Users of the workspace, who are not invited as guests, and their adoption.

use super::super::Inputs;
use super::partner::EvaluatedPartner;
use crate::cache::WatchedNamespaces;
use crate::directory::PartnerRecord;
use crate::domain::{Adoption, Email};

/// Whether an address belongs to the host: to a Host Admin, to the Owner of an account, or to a user of the directory that
/// is not adopted.
pub fn is_workspace_user(inputs: Inputs<'_>, partner: &EvaluatedPartner<'_>, email: &Email) -> bool {
    let may_administer = |namespace: &str| !inputs.scope.policy || inputs.workspace.allows_admin(namespace, email);
    let is_declared_admin =
        inputs.declared.partners_of_host_admin(email).any(|(namespace, _)| may_administer(namespace));
    // Only their records name the partners of namespaces that are not watched.
    let is_other_admin = || {
        let names = |partner: &PartnerRecord| {
            let namespace = &partner.mark.namespace;
            partner.is_live()
                && !inputs.is_watched(namespace)
                && partner.host_admins.contains(email)
                && may_administer(namespace)
        };
        *inputs.namespaces != WatchedNamespaces::All && inputs.observed.partners().any(names)
    };
    let is_user = inputs.observed.user(email).is_some() && !adopts(inputs, partner);
    is_declared_admin || inputs.observed.owns_any_account(email) || is_user || is_other_admin()
}

/// Whether both the spec and the workspace policy allow adoption.
pub fn adopts(inputs: Inputs<'_>, partner: &EvaluatedPartner<'_>) -> bool {
    partner.entry.is_some_and(|entry| entry.reading.terms.adoption == Adoption::Unmarked)
        && inputs.workspace.allows_adoption(partner.namespace)
}
