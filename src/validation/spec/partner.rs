//! Reads a `LocalPartner`.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use crate::api;
use crate::domain::{Adoption, Deletion, Domain, all_methods, time};
use crate::validation::spec::{Found, MOST_HOST_ADMINS};
use crate::validation::{DomainRule, HostAdminEntry, PartnerTerms, ReadSpec, messages};

/// The maximum of `maxGuests`.
const MOST_GUESTS: i64 = 1_000_000;
/// The maximum of `enrolWithin`.
const LONGEST_ENROLMENT: SignedDuration = SignedDuration::from_hours(720);

/// The maximum lifetime of an invitation. A directory that counts seconds in 32 bits refuses much longer ones.
const LONGEST_INVITATION: SignedDuration = SignedDuration::from_hours(8760);

pub(super) fn read(spec: &api::LocalPartnerSpec) -> ReadSpec<PartnerTerms> {
    let api::LocalPartnerSpec {
        display_name,
        host_admins,
        mfa,
        invitations,
        guests,
        suspended,
        expires_at,
        adoption,
        deletion,
    } = spec;
    let mut found = Found::default();
    let mfa = mfa.as_ref();
    found.required("spec.mfa.required", mfa.and_then(|mfa| mfa.required));
    let enrol_within = found.duration(
        "spec.mfa.enrolWithin",
        mfa.and_then(|mfa| mfa.enrol_within.as_ref()),
        "the default, 168h",
        "720h",
    );
    if let Some(within) = enrol_within.filter(|within| *within > LONGEST_ENROLMENT) {
        found.push(messages::mfa_deadline_too_long(within));
    }
    let lifetime = invitations.as_ref().and_then(|invitations| invitations.expire_after.as_ref());
    let guests = guests.as_ref();
    let terms = PartnerTerms {
        display_name: found.name("spec.displayName", display_name.as_ref()),
        host_admins: admins(&mut found, host_admins),
        methods: found.methods(mfa.and_then(|mfa| mfa.methods.as_ref())).unwrap_or_else(all_methods),
        enrol_within: enrol_within.unwrap_or(SignedDuration::from_hours(168)),
        invitation_lifetime: invitation_lifetime(&mut found, lifetime),
        domains: domains(&mut found, guests),
        max_guests: max_guests(&mut found, guests),
        max_duration: found.duration(
            "spec.guests.maxDuration",
            guests.and_then(|guests| guests.max_duration.as_ref()),
            "no limit",
            time::LONGEST_READ,
        ),
        suspended: suspended.unwrap_or(false),
        expires_at: found.instant("spec.expiresAt", expires_at.as_ref()),
        adoption: found
            .word("spec.adoption", adoption.as_ref(), Adoption::parse, "Never, Unmarked")
            .unwrap_or(Adoption::Never),
        deletion: found
            .word("spec.deletion", deletion.as_ref(), Deletion::parse, "Block, Cascade")
            .unwrap_or(Deletion::Block),
    };
    found.reading(terms)
}

fn invitation_lifetime(found: &mut Found, text: Option<&String>) -> SignedDuration {
    let path = "spec.invitations.expireAfter";
    let lifetime = found.duration(path, text, "the default, 72h", "8760h");
    if let Some(long) = lifetime.filter(|lifetime| *lifetime > LONGEST_INVITATION) {
        let message =
            format!("an invitation is valid for at most 8760h, here {}; shorten it", time::show_duration(long));
        found.push(messages::invalid_value(path, message));
    }
    lifetime.filter(|lifetime| *lifetime <= LONGEST_INVITATION).unwrap_or(SignedDuration::from_hours(72))
}

fn admins(found: &mut Found, texts: &[String]) -> Vec<HostAdminEntry> {
    if texts.is_empty() || texts.len() > MOST_HOST_ADMINS {
        found.push(messages::host_admin_required(texts.len()));
    }
    let mut seen = BTreeSet::new();
    let mut entries = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let path = format!("spec.hostAdmins[{index}]");
        // Duplicates are found among invalid addresses too.
        let first = seen.insert(text.to_ascii_lowercase());
        if !first {
            found.push(messages::duplicate(path.clone(), text));
        }
        match found.email(path, text) {
            Some(email) if first => entries.push(HostAdminEntry { index, email }),
            Some(_) | None => {}
        }
    }
    entries
}

fn domains(found: &mut Found, guests: Option<&api::GuestLimits>) -> DomainRule {
    let allowed = guests.and_then(|guests| guests.allowed_domains.as_ref());
    let denied = guests.and_then(|guests| guests.denied_domains.as_ref());
    if allowed.is_some() && denied.is_some() {
        found.push(messages::domain_lists_exclusive(
            "spec.guests.deniedDomains",
            "allowedDomains and deniedDomains exclude each other; keep one of the two",
        ));
    }
    let allowed = allowed.map(|texts| list(found, "spec.guests.allowedDomains", texts));
    let denied = denied.map(|texts| list(found, "spec.guests.deniedDomains", texts));
    match (allowed, denied) {
        (Some(allowed), _) => DomainRule::Allowed(allowed),
        (None, Some(denied)) => DomainRule::Denied(denied),
        (None, None) => DomainRule::Any,
    }
}

fn list(found: &mut Found, path: &str, texts: &[String]) -> Vec<Domain> {
    if texts.is_empty() {
        found.push(messages::domain_lists_exclusive(path, "the list is empty; name at least one domain, or remove it"));
    }
    let mut seen = BTreeSet::new();
    let mut domains = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let here = format!("{path}[{index}]");
        if !seen.insert(text) {
            found.push(messages::duplicate(here.clone(), text));
        }
        match Domain::parse(text) {
            Ok(domain) => domains.push(domain),
            Err(error) => found.push(messages::domain_lists_exclusive(here, error)),
        }
    }
    domains
}

/// The quota. An invalid one admits no guest.
fn max_guests(found: &mut Found, guests: Option<&api::GuestLimits>) -> Option<u64> {
    let number = guests?.max_guests?;
    let read = u64::try_from(number).ok().filter(|_| number <= MOST_GUESTS);
    if read.is_none() {
        let message =
            format!("{number} is no number of guests; write 0 to {MOST_GUESTS}, or leave it out for no quota");
        found.push(messages::invalid_value("spec.guests.maxGuests", message));
    }
    read.or(Some(0))
}
