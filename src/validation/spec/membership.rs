//! Reads a `GuestMembership`.

use crate::api;
use crate::domain::GuestRole;
use crate::validation::spec::Found;
use crate::validation::{MembershipTerms, ReadSpec};

pub(super) fn read(spec: &api::GuestMembershipSpec) -> ReadSpec<MembershipTerms> {
    let api::GuestMembershipSpec { partner_ref, email, display_name, role, invited_by, mfa, suspended, expires_at } =
        spec;
    let mut found = Found::default();
    let terms = MembershipTerms {
        partner: partner_ref.name.clone(),
        email: found.email("spec.email", email),
        display_name: found.name("spec.displayName", display_name.as_ref()),
        role: found
            .word("spec.role", role.as_ref(), GuestRole::parse, "GuestAdmin, GuestUser")
            .unwrap_or(GuestRole::GuestUser),
        invited_by: found.email("spec.invitedBy", invited_by),
        methods: found.mfa(mfa.as_ref()),
        suspended: suspended.unwrap_or(false),
        expires_at: found.instant("spec.expiresAt", expires_at.as_ref()),
    };
    found.reading(terms)
}
