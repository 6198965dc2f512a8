//! Reads wire specs into terms: every rule that one object decides (**S** in `docs/rules.md`) is judged here.

use super::{MembershipTerms, PartnerTerms, Reading, ShareTerms};
use crate::api;

/// Reads a partner's spec.
pub fn partner(spec: &api::LocalPartnerSpec) -> Reading<PartnerTerms> {
    todo!("{spec:?}")
}

/// Reads a membership's spec.
pub fn membership(spec: &api::GuestMembershipSpec) -> Reading<MembershipTerms> {
    todo!("{spec:?}")
}

/// Reads a share's spec.
pub fn share(spec: &api::AccountShareSpec) -> Reading<ShareTerms> {
    todo!("{spec:?}")
}
