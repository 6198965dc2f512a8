//! Executors that run other operations than requested.

use guestlist::directory::Operation;
use guestlist::domain::{MfaMethod, ShareRole, all_methods};

macro_rules! executes {
    ($($name:ident: $pattern:pat => $then:expr;)+) => {
        $(pub fn $name(operation: &Operation) -> Option<Operation> {
            match operation.clone() {
                $pattern => $then,
                #[allow(unreachable_patterns, reason = "a bug may concern every operation")]
                other => Some(other),
            }
        })+
    };
}

executes! {
    withholds_all_but_the_last: Operation::Revoke { guest, mut accounts } => {
        accounts.pop();
        Some(Operation::Revoke { guest, accounts })
    };
    withholds_one_more: Operation::Revoke { guest, mut accounts } => {
        accounts.push("newsletter".to_owned());
        accounts.push("instagram".to_owned());
        accounts.push("tiktok".to_owned());
        Some(Operation::Revoke { guest, accounts })
    };
    lower_removes: Operation::Reduce { guest, grants } => {
        Some(Operation::Revoke { guest, accounts: grants.into_iter().map(|grant| grant.account).collect() })
    };
    gives_only_the_first: Operation::Grant { guest, mut grants } => {
        grants.truncate(1);
        Some(Operation::Grant { guest, grants })
    };
    gives_without_methods: Operation::Grant { guest, mut grants } => {
        for grant in &mut grants {
            grant.asked = all_methods();
        }
        Some(Operation::Grant { guest, grants })
    };
    gives_collaborator: Operation::Grant { guest, mut grants } => {
        for grant in &mut grants {
            grant.role = ShareRole::Collaborator;
        }
        Some(Operation::Grant { guest, grants })
    };
    demote_is_forgotten: Operation::Demote { .. } => None;
    promote_demotes: Operation::Promote { guest } => Some(Operation::Demote { guest });
    deactivate_only_disables: Operation::Deactivate { guest } => Some(Operation::DisableLogin { guest });
    disable_deactivates: Operation::DisableLogin { guest } => Some(Operation::Deactivate { guest });
    invitation_never_ends: mut operation => {
        if let Operation::InviteGuest { expires_at, .. } | Operation::ResendInvitation { expires_at, .. } = &mut operation {
            *expires_at = "2099-01-01T00:00:00Z".parse().unwrap();
        }
        Some(operation)
    };
    description_allows_every_method: Operation::UpdateGuest { guest, mark, partner, partner_name, display_name, .. } => {
        let allowed = MfaMethod::ALL.iter().copied().collect();
        Some(Operation::UpdateGuest { guest, mark, partner, partner_name, display_name, allowed })
    };
    description_forgets_the_name: Operation::UpdateGuest { guest, mark, partner, partner_name, allowed, .. } => {
        Some(Operation::UpdateGuest { guest, mark, partner, partner_name, display_name: String::new(), allowed })
    };
    partner_is_never_suspended: Operation::ApplyPartner { partner, mark, display_name, host_admins, .. } => {
        Some(Operation::ApplyPartner { partner, mark, display_name, host_admins, suspended: false })
    };
}
