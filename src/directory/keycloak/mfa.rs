//! The MFA methods allowed to a guest, in Keycloak's terms. They are an attribute for the sign-in flows, and the
//! required action that sets up an allowed method.

use super::representations::{Attributes, User, first};
use crate::domain::{Methods, MfaMethod, all_methods};

/// The methods allowed to a guest, joined by commas. The flows of `guestlist directory setup` read it.
pub const METHODS: &str = "guestlist.methods";
/// Keycloak makes the user set up a one-time password.
pub const CONFIGURE_TOTP: &str = "CONFIGURE_TOTP";
/// Keycloak makes the user register a security key or passkey as second factor.
pub const WEBAUTHN_REGISTER: &str = "webauthn-register";

/// The required action that sets a method up.
pub const fn action(method: MfaMethod) -> &'static str {
    match method {
        MfaMethod::TOTP => CONFIGURE_TOTP,
        MfaMethod::WebAuthn => WEBAUTHN_REGISTER,
    }
}

/// The method to set up: a one-time password if it is allowed, because every telephone can show one.
pub fn method(allowed: &Methods) -> MfaMethod {
    allowed.first().copied().unwrap_or(MfaMethod::TOTP)
}

/// The attribute's value.
pub fn text(allowed: &Methods) -> String {
    allowed.iter().map(|method| method.as_str()).collect::<Vec<_>>().join(",")
}

/// The methods allowed to a guest. Without the attribute, all methods. If it is unreadable, none, so that it is
/// written again.
pub fn allowed(attributes: &Attributes) -> Methods {
    match first(attributes, METHODS) {
        None => all_methods(),
        Some(text) => text.split(',').map(MfaMethod::parse).collect::<Option<_>>().unwrap_or_default(),
    }
}

/// Of the actions that set up a method, leaves exactly the one that is needed: none if an allowed method is enrolled.
/// `enrolled` is `None` if it is unknown. Actions for methods that are not allowed are removed in any case.
pub fn require(user: &mut User, allowed: &Methods, enrolled: Option<&Methods>) {
    if allowed.is_empty() {
        return;
    }
    let due = enrolled.filter(|enrolled| enrolled.is_disjoint(allowed)).map(|_| method(allowed));
    let stays = |method: MfaMethod| if enrolled.is_some() { due == Some(method) } else { allowed.contains(&method) };
    for method in MfaMethod::ALL.iter().copied().filter(|method| !stays(*method)) {
        user.required_actions.retain(|asked| asked != action(method));
    }
    if let Some(due) = due.map(action).filter(|due| !user.required_actions.iter().any(|asked| asked == due)) {
        user.required_actions.push(due.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked_of(actions: &[&str], allowed: &[MfaMethod], enrolled: Option<&[MfaMethod]>) -> Vec<String> {
        let required_actions = actions.iter().map(|&action| action.to_owned()).collect();
        let mut user = User { required_actions, ..User::default() };
        let set = |methods: &[MfaMethod]| methods.iter().copied().collect::<Methods>();
        require(&mut user, &set(allowed), enrolled.map(set).as_ref());
        user.required_actions
    }

    #[test]
    fn guest_is_asked_for_the_method_that_counts_and_no_other() {
        let (totp, key) = (MfaMethod::TOTP, MfaMethod::WebAuthn);
        let both = [totp, key];
        let password = "UPDATE_PASSWORD";
        for (before, allowed, enrolled, after) in [
            (&[password][..], &[key][..], Some(&[][..]), &[password, WEBAUTHN_REGISTER][..]),
            (&[CONFIGURE_TOTP], &[key], Some(&[totp]), &[WEBAUTHN_REGISTER]),
            (&[CONFIGURE_TOTP], &[key], Some(&[key]), &[]),
            (&[CONFIGURE_TOTP], &[key], None, &[]),
            (&[WEBAUTHN_REGISTER], &[totp], Some(&[key]), &[CONFIGURE_TOTP]),
            (&[], &both, Some(&[]), &[CONFIGURE_TOTP]),
            (&[], &both, Some(&[key]), &[]),
            (&[WEBAUTHN_REGISTER], &both, Some(&[]), &[CONFIGURE_TOTP]),
            (&[WEBAUTHN_REGISTER], &both, Some(&[totp]), &[]),
            (&[CONFIGURE_TOTP], &both, Some(&[key]), &[]),
            (&[CONFIGURE_TOTP, password], &both, Some(&[totp]), &[password]),
            (&[WEBAUTHN_REGISTER], &both, None, &[WEBAUTHN_REGISTER]),
            (&[CONFIGURE_TOTP], &[], Some(&[]), &[CONFIGURE_TOTP]),
        ] {
            let got = asked_of(before, allowed, enrolled);
            assert_eq!(got, after, "{before:?} {allowed:?} {enrolled:?}");
        }
    }

    /// After each change of methods, whatever was enrolled or lost before: one action without an allowed method,
    /// otherwise none.
    #[test]
    fn changed_methods_leave_exactly_the_action_that_is_due() {
        let choices = [all_methods(), [MfaMethod::TOTP].into(), [MfaMethod::WebAuthn].into()];
        let mut paths = vec![(Methods::new(), User::default())];
        for _ in 0..5 {
            let mut next = Vec::new();
            for (enrolled, user) in &paths {
                for allowed in &choices {
                    let mut user = user.clone();
                    require(&mut user, allowed, Some(enrolled));
                    let due = if enrolled.is_disjoint(allowed) { vec![action(method(allowed))] } else { vec![] };
                    assert_eq!(user.required_actions, due, "{allowed:?}, enrolled {enrolled:?}");
                    next.push((enrolled.clone(), user));
                }
                for method in MfaMethod::ALL.iter().copied() {
                    // Keycloak removes the action of a method that a guest enrols, and adds none for a lost one.
                    let (mut enrolled, mut user) = (enrolled.clone(), user.clone());
                    if !enrolled.remove(&method) {
                        enrolled.insert(method);
                        user.required_actions.retain(|asked| asked != action(method));
                    }
                    next.push((enrolled, user));
                }
            }
            paths = next;
        }
        assert_eq!(paths.len(), 5_usize.pow(5));
    }

    #[test]
    fn allowed_methods_read_as_they_were_written() {
        let read = |value: &str| allowed(&[(METHODS.to_owned(), vec![value.to_owned()])].into());
        for methods in [all_methods(), [MfaMethod::TOTP].into(), [MfaMethod::WebAuthn].into()] {
            assert_eq!(read(&text(&methods)), methods);
        }
        assert_eq!(read("TOTP,SMS"), Methods::new());
        assert_eq!(allowed(&Attributes::new()), all_methods());
    }
}
