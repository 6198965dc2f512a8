//! The rules that one object decides, as CEL: expression and message, each once.
//!
//! A message is `Reason: sentence` and shows the required format. No expression uses a function newer than the oldest
//! supported API server (1.33).

use serde_json::{Value, json};

use super::pattern;

/// The maximum length of an address, in characters.
const ADDRESS_LENGTH: usize = 254;
/// The maximum length of the part before the `@`, in characters.
const LOCAL_PART_LENGTH: usize = 64;
/// The maximum length of a domain, in characters.
const DOMAIN_LENGTH: usize = 253;
/// The maximum length of a name, in characters.
const NAME_LENGTH: usize = 100;
/// The maximum number of Host Admins of a partner.
const HOST_ADMINS: usize = 32;
/// The largest quota.
const MAX_GUESTS: i64 = 1_000_000;

fn rule(expression: impl Into<String>, message: &str) -> Value {
    json!({ "rule": expression.into(), "message": message })
}

/// Reports the violation at a field below the rule's own place.
fn at(field: &str, mut rule: Value) -> Value {
    rule["fieldPath"] = json!(field);
    rule
}

fn matches(pattern: &str) -> String {
    format!(r#"self.matches(r"{pattern}")"#)
}

fn one_of(words: &[&str]) -> String {
    format!("self in [{}]", words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(", "))
}

/// Limits the name of an object: it is a key of lists, a label value elsewhere, and part of messages.
pub fn name_length() -> Value {
    rule("self.metadata.name.size() <= 63", "InvalidValue: metadata.name has at most 63 characters")
}

/// `InvalidEmail`.
pub fn address() -> Value {
    rule(
        format!(
            "self.size() <= {ADDRESS_LENGTH} && self.indexOf('@') <= {LOCAL_PART_LENGTH} && {}",
            matches(pattern::ADDRESS)
        ),
        "InvalidEmail: an address is one mailbox in ASCII, as bob@acme.example: no display name, quotes or spaces, \
         at most 254 characters, 64 before the @",
    )
}

/// `Immutable`. The field and all its parents are required, so it cannot be removed and added with another value.
pub fn immutable(field: &str) -> Value {
    rule("self == oldSelf", &format!("Immutable: {field} never changes; delete the object and create another"))
}

/// `Immutable` of an address: a change of case is allowed.
pub fn immutable_address() -> Value {
    let mut rule = immutable("email");
    rule["rule"] = json!("self.lowerAscii() == oldSelf.lowerAscii()");
    rule
}

/// `HostAdminRequired` for a list that is present.
pub fn host_admins_counted() -> Value {
    rule(format!("self.size() >= 1 && self.size() <= {HOST_ADMINS}"), HOST_ADMIN_REQUIRED)
}

/// `HostAdminRequired` for a missing list: only a rule of the parent object can report it.
pub fn host_admins_given() -> Value {
    at(".hostAdmins", rule("has(self.hostAdmins)", HOST_ADMIN_REQUIRED))
}

const HOST_ADMIN_REQUIRED: &str = "HostAdminRequired: a partner names 1 to 32 Host Admins, as [alice@host.example]";

/// `InvalidValue`: no address occurs twice, in any letter case.
pub fn addresses_once() -> Value {
    rule(
        "self.all(a, self.exists_one(b, b.lowerAscii() == a.lowerAscii()))",
        "InvalidValue: each address stands in the list once, upper and lower case being the same",
    )
}

/// `InvalidValue`: no item occurs twice.
pub fn unique_list(what: &str) -> Value {
    rule("self.all(a, self.exists_one(b, b == a))", &format!("InvalidValue: each {what} stands in the list once"))
}

/// `MfaCannotBeWaived`.
pub fn mfa_required() -> Value {
    rule("self", "MfaCannotBeWaived: MFA is always required; write true or leave the field out")
}

/// `MfaMethodNotAllowed`: at least one method has to be allowed.
pub fn methods_listed() -> Value {
    rule("self.size() > 0", "MfaMethodNotAllowed: methods are a non-empty subset of [TOTP, WebAuthn]")
}

/// `MfaMethodNotAllowed`.
pub fn method() -> Value {
    rule(one_of(&["TOTP", "WebAuthn"]), "MfaMethodNotAllowed: a method is TOTP or WebAuthn")
}

/// `InvalidValue`.
pub fn duration() -> Value {
    rule(
        format!("self != '' && {}", matches(pattern::DURATION)),
        "InvalidValue: a duration is written in hours, minutes and seconds, as 72h or 1h30m",
    )
}

/// `MfaDeadlineTooLong`. Passes a value that is no duration.
pub fn enrolment_deadline() -> Value {
    rule(
        format!("self == '' || !{} || duration(self) <= duration('720h')", matches(pattern::DURATION)),
        "MfaDeadlineTooLong: enrolWithin is at most 720h",
    )
}

/// `InvalidValue`.
pub fn instant() -> Value {
    rule(
        format!("{} && {}", matches(pattern::INSTANT), matches(pattern::DAY)),
        "InvalidValue: a time is written as RFC 3339 with an offset, as 2027-06-30T00:00:00Z",
    )
}

/// `InvalidValue`: an empty name, or one with hidden characters.
pub fn account_name() -> Value {
    rule(plain_text(), "InvalidValue: the account is the name of an account in the directory, as instagram-main")
}

/// `InvalidValue`: a name that is shown to people.
pub fn display_name() -> Value {
    rule(
        format!("self.size() <= {NAME_LENGTH} && {}", plain_text()),
        "InvalidValue: a name has 1 to 100 characters, not only blanks, and no line break, control or invisible character; \
         or leave the field out",
    )
}

/// A visible character, and no hidden one.
fn plain_text() -> String {
    format!("{} && !{}", matches(pattern::VISIBLE), matches(pattern::HIDDEN))
}

/// `InvalidValue`. Passes a value that is no duration.
pub fn nonzero_duration(otherwise: &str) -> Value {
    rule(
        format!("self == '' || !{} || self.matches('[1-9]')", matches(pattern::DURATION)),
        &format!("InvalidValue: a duration of 0 lets nobody in; leave the field out for {otherwise}"),
    )
}

/// `InvalidValue`. Passes a value that is no duration.
pub fn invitation_lifetime() -> Value {
    rule(
        format!("self == '' || !{} || duration(self) <= duration('8760h')", matches(pattern::DURATION)),
        "InvalidValue: an invitation is valid for at most 8760h",
    )
}

/// `InvalidValue`.
pub fn max_guests() -> Value {
    rule(
        format!("self >= 0 && self <= {MAX_GUESTS}"),
        "InvalidValue: maxGuests is a number from 0 to 1000000; leave it out for no quota",
    )
}

/// `DomainListsExclusive`.
pub fn domain() -> Value {
    rule(
        format!("self.size() <= {DOMAIN_LENGTH} && {}", matches(pattern::DOMAIN)),
        "DomainListsExclusive: an entry is a plain lower-case domain, as acme.example (IDN as xn--)",
    )
}

/// `DomainListsExclusive`: an empty list would allow nobody, or deny nobody.
pub fn domains_listed() -> Value {
    rule("self.size() > 0", "DomainListsExclusive: the list is not empty; leave it out for no restriction")
}

/// `DomainListsExclusive`.
pub fn one_domain_list() -> Value {
    at(
        ".deniedDomains",
        rule(
            "!(has(self.allowedDomains) && has(self.deniedDomains))",
            "DomainListsExclusive: a partner has allowedDomains or deniedDomains, not both",
        ),
    )
}

/// `InvalidValue`.
pub fn adoption() -> Value {
    rule(one_of(&["Never", "Unmarked"]), "InvalidValue: adoption is Never or Unmarked")
}

/// `InvalidValue`.
pub fn deletion() -> Value {
    rule(one_of(&["Block", "Cascade"]), "InvalidValue: deletion is Block or Cascade")
}

/// `InvalidValue`.
pub fn guest_role() -> Value {
    rule(one_of(&["GuestAdmin", "GuestUser"]), "InvalidValue: a guest's role is GuestAdmin or GuestUser")
}

/// `OwnerNeverShared`.
pub fn not_owner() -> Value {
    rule("self != 'Owner'", "OwnerNeverShared: ownership is never shared; a role is Manager or Collaborator")
}

/// `InvalidValue`. Passes Owner, which has its own rule.
pub fn share_role() -> Value {
    rule(one_of(&["Owner", "Manager", "Collaborator"]), "InvalidValue: a role is Manager or Collaborator")
}

/// `ManagerNeedsGuestAdmin` of a propagation entry.
pub fn propagated_role() -> Value {
    rule("self != 'Manager'", "ManagerNeedsGuestAdmin: what a Guest Admin passes on is always Collaborator")
}
