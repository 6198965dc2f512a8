//! Reads specs into terms. Every rule about one object (**S** in `docs/rules.md`) is evaluated here.
//!
//! Reading never fails. An invalid value becomes a violation, and its term falls back to the value with the least
//! access.

mod membership;
mod partner;
mod share;

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::api;
use crate::domain::{DisplayName, Email, Methods, MfaMethod, time};
use crate::validation::{MembershipTerms, PartnerTerms, ReadSpec, ShareTerms, Violation, messages};

/// Maximum number of Host Admins of a partner.
pub const MOST_HOST_ADMINS: usize = 32;

/// Reads the spec of a partner.
pub fn partner(spec: &api::LocalPartnerSpec) -> ReadSpec<PartnerTerms> {
    partner::read(spec)
}

/// Reads the spec of a membership.
pub fn membership(spec: &api::GuestMembershipSpec) -> ReadSpec<MembershipTerms> {
    membership::read(spec)
}

/// Reads the spec of a share.
pub fn share(spec: &api::AccountShareSpec) -> ReadSpec<ShareTerms> {
    share::read(spec)
}

/// Collects violations while a spec is read.
#[derive(Default)]
struct Found(Vec<Violation>);

impl Found {
    fn push(&mut self, violation: Violation) {
        self.0.push(violation);
    }

    fn reading<T>(mut self, terms: T) -> ReadSpec<T> {
        self.0.sort();
        ReadSpec { terms, violations: self.0 }
    }

    fn email(&mut self, path: impl Into<String>, text: &str) -> Option<Email> {
        match Email::parse(text) {
            Ok(email) => Some(email),
            Err(error) => {
                self.push(messages::invalid_email(path, error));
                None
            }
        }
    }

    fn pin(&mut self, path: String, text: Option<&String>) -> Option<Email> {
        self.email(path, text?)
    }

    fn instant(&mut self, path: &str, text: Option<&String>) -> Option<Timestamp> {
        match time::instant(text?) {
            Ok(instant) => Some(instant),
            Err(error) => {
                self.push(messages::invalid_value(path, error));
                None
            }
        }
    }

    fn name(&mut self, path: &str, text: Option<&String>) -> Option<DisplayName> {
        match DisplayName::parse(text?) {
            Ok(name) => Some(name),
            Err(error) => {
                self.push(messages::invalid_value(path, error));
                None
            }
        }
    }

    /// A duration longer than zero. `otherwise`: the meaning of leaving the field out; `longest`: its bound.
    fn duration(
        &mut self,
        path: &str,
        text: Option<&String>,
        otherwise: &str,
        longest: &str,
    ) -> Option<SignedDuration> {
        match time::positive_duration(text?, otherwise, longest) {
            Ok(duration) => Some(duration),
            Err(error) => {
                self.push(messages::invalid_value(path, error));
                None
            }
        }
    }

    fn required(&mut self, path: &str, required: Option<bool>) {
        if required == Some(false) {
            self.push(messages::mfa_cannot_be_waived(path));
        }
    }

    /// `mfa` of a membership or a share.
    fn mfa(&mut self, mfa: Option<&api::Mfa>) -> Option<Methods> {
        let mfa = mfa?;
        self.required("spec.mfa.required", mfa.required);
        self.methods(mfa.methods.as_ref())
    }

    fn methods(&mut self, methods: Option<&Vec<String>>) -> Option<Methods> {
        let methods = methods?;
        let path = "spec.mfa.methods";
        if methods.is_empty() {
            self.push(messages::mfa_method_not_allowed(
                path,
                "the list is empty; name TOTP, WebAuthn or both, or remove it",
            ));
        }
        let mut seen = BTreeSet::new();
        let mut read = Methods::new();
        for (index, text) in methods.iter().enumerate() {
            let here = format!("{path}[{index}]");
            if !seen.insert(text) {
                self.push(messages::duplicate(here.clone(), text));
            }
            let method = MfaMethod::parse(text);
            if method.is_none() {
                let message = format!("{} is no method; name TOTP, WebAuthn or both", crate::domain::quote(text));
                self.push(messages::mfa_method_not_allowed(here, message));
            }
            read.extend(method);
        }
        Some(read)
    }

    /// A value of a closed list. `None`: it is absent, or not in the list.
    fn word<T: Copy>(
        &mut self,
        path: &str,
        text: Option<&String>,
        parse: fn(&str) -> Option<T>,
        form: &str,
    ) -> Option<T> {
        let text = text?;
        let word = parse(text);
        if word.is_none() {
            self.push(messages::invalid_value(path, format!("{} is none of {form}", crate::domain::quote(text))));
        }
        word
    }

    /// Checks that a name in a reference is unique. An impossible name needs no check, because no object has it.
    fn unique(&mut self, seen: &mut BTreeSet<String>, path: String, name: &str) {
        if !seen.insert(name.to_owned()) {
            self.push(messages::duplicate(path, name));
        }
    }
}
