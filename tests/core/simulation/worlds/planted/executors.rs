//! Executors that run other operations than requested.

use guestlist::directory::{GuestChange, NewGuest, Operation, PartnerChange};
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
    withholds_all_but_the_last: Operation::Guest { id: guest, change: GuestChange::Revoke { mut accounts } } => {
        accounts.pop();
        Some(Operation::Guest { id: guest, change: GuestChange::Revoke { accounts } })
    };
    withholds_one_more: Operation::Guest { id: guest, change: GuestChange::Revoke { mut accounts } } => {
        accounts.push("newsletter".to_owned());
        accounts.push("instagram".to_owned());
        accounts.push("tiktok".to_owned());
        Some(Operation::Guest { id: guest, change: GuestChange::Revoke { accounts } })
    };
    lower_removes: Operation::Guest { id: guest, change: GuestChange::Reduce { grants } } => {
        Some(Operation::Guest { id: guest, change: GuestChange::Revoke { accounts: grants.into_iter().map(|grant| grant.account).collect() } })
    };
    gives_only_the_first: Operation::Guest { id: guest, change: GuestChange::Grant { mut grants } } => {
        grants.truncate(1);
        Some(Operation::Guest { id: guest, change: GuestChange::Grant { grants } })
    };
    gives_without_methods: Operation::Guest { id: guest, change: GuestChange::Grant { mut grants } } => {
        for grant in &mut grants {
            grant.asked = all_methods();
        }
        Some(Operation::Guest { id: guest, change: GuestChange::Grant { grants } })
    };
    gives_collaborator: Operation::Guest { id: guest, change: GuestChange::Grant { mut grants } } => {
        for grant in &mut grants {
            grant.role = ShareRole::Collaborator;
        }
        Some(Operation::Guest { id: guest, change: GuestChange::Grant { grants } })
    };
    demote_is_forgotten: Operation::Guest { change: GuestChange::Demote, .. } => None;
    promote_demotes: Operation::Guest { id: guest, change: GuestChange::Promote } => Some(Operation::Guest { id: guest, change: GuestChange::Demote });
    deactivate_only_disables: Operation::Guest { id: guest, change: GuestChange::Deactivate } => Some(Operation::Guest { id: guest, change: GuestChange::DisableLogin });
    disable_deactivates: Operation::Guest { id: guest, change: GuestChange::DisableLogin } => Some(Operation::Guest { id: guest, change: GuestChange::Deactivate });
    invitation_never_ends: mut operation => {
        if let Operation::Guest { change: GuestChange::Invite(NewGuest { expires_at, .. }) | GuestChange::ResendInvitation { expires_at }, .. } = &mut operation {
            *expires_at = "2099-01-01T00:00:00Z".parse().unwrap();
        }
        Some(operation)
    };
    description_allows_every_method: Operation::Guest { id: guest, change: GuestChange::Update { mark, partner, partner_name, display_name, .. } } => {
        let allowed = MfaMethod::ALL.iter().copied().collect();
        Some(Operation::Guest { id: guest, change: GuestChange::Update { mark, partner, partner_name, display_name, allowed } })
    };
    description_forgets_the_name: Operation::Guest { id: guest, change: GuestChange::Update { mark, partner, partner_name, allowed, .. } } => {
        Some(Operation::Guest { id: guest, change: GuestChange::Update { mark, partner, partner_name, display_name: String::new(), allowed } })
    };
    partner_is_never_suspended: Operation::Partner { id: partner, change: PartnerChange::Apply { mark, display_name, host_admins, .. } } => {
        Some(Operation::Partner { id: partner, change: PartnerChange::Apply { mark, display_name, host_admins, suspended: false } })
    };
}
