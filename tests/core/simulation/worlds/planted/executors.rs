//! Executors that do other operations than they are asked for.

use guestlist::directory::Operation;
use guestlist::rules::{MfaMethod, ShareRole, all_methods};

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
    withholds_all_but_the_last: Operation::Withhold { guest, mut accounts } => {
        accounts.pop();
        Some(Operation::Withhold { guest, accounts })
    };
    withholds_one_more: Operation::Withhold { guest, mut accounts } => {
        accounts.push("newsletter".to_owned());
        accounts.push("instagram".to_owned());
        accounts.push("tiktok".to_owned());
        Some(Operation::Withhold { guest, accounts })
    };
    lower_removes: Operation::Lower { guest, grants } => {
        Some(Operation::Withhold { guest, accounts: grants.into_iter().map(|grant| grant.account).collect() })
    };
    gives_only_the_first: Operation::Give { guest, mut grants } => {
        grants.truncate(1);
        Some(Operation::Give { guest, grants })
    };
    gives_without_methods: Operation::Give { guest, mut grants } => {
        for grant in &mut grants {
            grant.asked = all_methods();
        }
        Some(Operation::Give { guest, grants })
    };
    gives_collaborator: Operation::Give { guest, mut grants } => {
        for grant in &mut grants {
            grant.role = ShareRole::Collaborator;
        }
        Some(Operation::Give { guest, grants })
    };
    demote_is_forgotten: Operation::Demote { .. } => None;
    promote_demotes: Operation::Promote { guest } => Some(Operation::Demote { guest });
    deactivate_only_disables: Operation::Deactivate { guest } => Some(Operation::DisableLogin { guest });
    disable_deactivates: Operation::DisableLogin { guest } => Some(Operation::Deactivate { guest });
    invitation_never_ends: mut operation => {
        if let Operation::Admit { expires_at, .. } | Operation::Invite { expires_at, .. } = &mut operation {
            *expires_at = "2099-01-01T00:00:00Z".parse().unwrap();
        }
        Some(operation)
    };
    description_allows_every_method: Operation::DescribeGuest { guest, mark, partner, partner_name, display_name, .. } => {
        let allowed = MfaMethod::ALL.iter().copied().collect();
        Some(Operation::DescribeGuest { guest, mark, partner, partner_name, display_name, allowed })
    };
    description_forgets_the_name: Operation::DescribeGuest { guest, mark, partner, partner_name, allowed, .. } => {
        Some(Operation::DescribeGuest { guest, mark, partner, partner_name, display_name: String::new(), allowed })
    };
    partner_is_never_suspended: Operation::EnsurePartner { partner, mark, display_name, host_admins, .. } => {
        Some(Operation::EnsurePartner { partner, mark, display_name, host_admins, suspended: false })
    };
}
