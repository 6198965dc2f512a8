//! The rules that need facts beyond one object. Each is a small function on facts that the caller collects.

use jiff::{SignedDuration, Timestamp};

use crate::domain::{Domain, Email, Methods};
use crate::validation::{DomainRule, Violation, messages};

/// The violation of an address on a host domain, or on a parent or subdomain of one. The comparison is by whole labels.
pub fn host_domain(email: &Email, corporate: &[Domain], admins: &[Domain]) -> Option<Violation> {
    let domain = email.domain();
    let related = |host: &Domain| domain.is_within(host) || host.is_within(&domain);
    corporate.iter().chain(admins).any(related).then(|| messages::host_domain(email))
}

/// The violation of the partner's domain list. Allowed domains match exactly; denied ones also match subdomains.
pub fn domain_allowed(email: &Email, rule: &DomainRule) -> Option<Violation> {
    let domain = email.domain();
    let admitted = match rule {
        DomainRule::Any => true,
        DomainRule::Allowed(domains) => domains.contains(&domain),
        DomainRule::Denied(domains) => !domains.iter().any(|denied| domain.is_within(denied)),
    };
    (!admitted).then(|| messages::domain_not_allowed(email))
}

/// The violation of MFA methods that the partner does not allow.
pub fn methods_within(methods: &Methods, partner: &Methods, path: &str) -> Option<Violation> {
    let beyond: Vec<_> = methods.difference(partner).map(|method| method.as_str()).collect();
    (!beyond.is_empty()).then(|| {
        let allowed: Vec<_> = partner.iter().map(|method| method.as_str()).collect();
        messages::mfa_method_not_allowed(
            path,
            format!(
                "the partner allows {} only, not {}; methods can only be narrowed",
                allowed.join(", "),
                beyond.join(", ")
            ),
        )
    })
}

/// The violation of a new membership that ends later than the partner's maximum duration from now. Its time counts from
/// its admission.
pub fn expiry_too_long(
    expires_at: Option<Timestamp>,
    now: Timestamp,
    longest: Option<SignedDuration>,
) -> Option<Violation> {
    let (end, longest) = (expires_at?, longest?);
    let latest = now.checked_add(longest).unwrap_or(Timestamp::MAX);
    (end > latest).then(|| messages::expiry_too_long(longest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{MfaMethod, all_methods};

    fn email(text: &str) -> Email {
        Email::parse(text).unwrap()
    }

    fn domains(texts: &[&str]) -> Vec<Domain> {
        texts.iter().map(|text| Domain::parse(text).unwrap()).collect()
    }

    #[test]
    fn guest_on_host_domain_or_its_parent_or_subdomain_is_refused() {
        let corporate = domains(&["corp.host.example"]);
        for address in ["a@corp.host.example", "a@x.corp.host.example", "a@host.example"] {
            assert!(host_domain(&email(address), &corporate, &[]).is_some(), "{address}");
            assert!(host_domain(&email(address), &[], &corporate).is_some(), "{address}");
        }
        for address in ["a@evilcorp.host.example", "a@acme.example", "a@other.host.example"] {
            assert!(host_domain(&email(address), &corporate, &[]).is_none(), "{address}");
        }
    }

    #[test]
    fn allowed_domains_are_exact_and_denied_ones_cover_subdomains() {
        let allowed = DomainRule::Allowed(domains(&["acme.example"]));
        assert!(domain_allowed(&email("a@acme.example"), &allowed).is_none());
        assert!(domain_allowed(&email("a@mail.acme.example"), &allowed).is_some());
        let denied = DomainRule::Denied(domains(&["bad.example"]));
        assert!(domain_allowed(&email("a@mail.bad.example"), &denied).is_some());
        assert!(domain_allowed(&email("a@notbad.example"), &denied).is_none());
        assert!(domain_allowed(&email("a@any.example"), &DomainRule::Any).is_none());
    }

    #[test]
    fn methods_only_narrow() {
        let totp: Methods = [MfaMethod::TOTP].into();
        assert!(methods_within(&totp, &all_methods(), "spec.mfa.methods").is_none());
        assert!(methods_within(&totp, &totp, "spec.mfa.methods").is_none());
        assert!(methods_within(&all_methods(), &totp, "spec.mfa.methods").is_some());
    }

    #[test]
    fn an_end_is_at_most_the_longest_duration_from_now() {
        let now: Timestamp = "2027-01-01T00:00:00Z".parse().unwrap();
        let day = SignedDuration::from_hours(24);
        assert!(expiry_too_long(Some(now + day), now, Some(day)).is_none());
        let late = now + day + SignedDuration::from_secs(1);
        assert!(expiry_too_long(Some(late), now, Some(day)).is_some());
        assert!(expiry_too_long(Some(late), now, None).is_none());
        assert!(expiry_too_long(None, now, Some(day)).is_none());
    }
}
