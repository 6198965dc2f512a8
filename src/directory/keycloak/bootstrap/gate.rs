//! The gates as data: what stands in a copy of each of Keycloak's own flows so that a guest without a second factor gets
//! nowhere, and how a flow that is there reads.

use serde_json::Value;

use super::super::guest::ID;
use super::admin::text;

/// The condition that tells a guest.
const IS_GUEST: &str = "conditional-user-attribute";
/// The condition that tells that a factor was asked for.
const WAS_ASKED: &str = "conditional-sub-flow-executed";
/// The step that asks for a one-time password, and makes who has none set one up.
const OTP: &str = "auth-otp-form";

/// A flow of Keycloak and what is added to a copy of it.
pub struct Gate {
    /// The realm's setting that says which flow is used.
    pub binding: &'static str,
    /// Keycloak's own.
    pub original: &'static str,
    /// The copy.
    pub copy: &'static str,
    /// The sub-flow that is added.
    pub sub_flow: &'static str,
    /// The step beside which it stands; `None`: at the top.
    pub beside: Option<&'static str>,
    /// The step whose sub-flow asks for the second factor. `None`: whatever was asked does not matter.
    pub factor: Option<&'static str>,
    /// What happens to who has none.
    pub then: &'static str,
    /// What it is good for.
    pub what: &'static str,
    /// Also let in by a passkey.
    pub passkeys: bool,
}

pub const GATES: [Gate; 3] = [
    Gate {
        binding: "browserFlow",
        original: "browser",
        copy: "guestlist browser",
        sub_flow: "guestlist enrol",
        beside: Some("auth-username-password-form"),
        factor: Some(OTP),
        then: OTP,
        what: "a guest without a second factor sets one up before he is signed in by a browser",
        passkeys: true,
    },
    Gate {
        binding: "directGrantFlow",
        original: "direct grant",
        copy: "guestlist direct grant",
        sub_flow: "guestlist direct deny",
        beside: None,
        factor: Some("direct-grant-validate-otp"),
        then: "deny-access-authenticator",
        what: "a guest without a one-time password gets no token by direct grant",
        passkeys: false,
    },
    Gate {
        binding: "resetCredentialsFlow",
        original: "reset credentials",
        copy: "guestlist reset credentials",
        sub_flow: "guestlist reset enrol",
        beside: None,
        factor: None,
        then: OTP,
        what: "a guest who resets his password shows or sets up a second factor before he is signed in",
        passkeys: false,
    },
];

/// A step of a gate, and how it is set.
pub struct Step {
    pub provider: &'static str,
    /// The name of its configuration, and that.
    pub config: Option<(String, Value)>,
}

impl Gate {
    /// The steps of the gate. All of them are required.
    pub fn steps(&self, factor: Option<&str>) -> Vec<Step> {
        let guest = serde_json::json!({
            "attribute_name": ID, "attribute_expected_value": ".+", "regex": "true", "not": "false",
        });
        let mut steps =
            vec![Step { provider: IS_GUEST, config: Some((format!("{} is a guest", self.sub_flow), guest)) }];
        if let Some(factor) = factor {
            let asked = serde_json::json!({"flow_to_check": factor, "check_result": "not-executed"});
            steps.push(Step { provider: WAS_ASKED, config: Some((format!("{} was not asked", self.sub_flow), asked)) });
        }
        steps.push(Step { provider: self.then, config: None });
        steps
    }

    /// What a person adds to a flow of his own.
    pub fn by_hand(&self, flow: &str) -> String {
        let place = match self.beside {
            Some(_) => "as the last step beside the password form and the second factor",
            None => "as its last step",
        };
        let asked = match self.factor {
            Some(_) => {
                ", \"Condition - sub-flow executed\" (the sub-flow that asks for the second factor, not-executed)"
            }
            None => "",
        };
        let then = if self.then == OTP { "\"OTP Form\"" } else { "\"Deny access\"" };
        format!(
            "the realm uses a flow of its own, {flow:?}, as {}: add to it {place} a conditional sub-flow with, all required: \
             \"Condition - user attribute\" ({ID}, expected value .+ as a regular expression){asked} and {then}; so that {}",
            self.original, self.what
        )
    }
}

/// The rows of a flow: each with its depth, in order.
pub struct Rows(pub Vec<Value>);

fn depth(row: &Value) -> u64 {
    row["level"].as_u64().unwrap_or_default()
}

impl Rows {
    /// The sub-flow with this name.
    pub fn flow(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|row| row["authenticationFlow"] == true && row["displayName"] == name)
    }

    /// The steps of a sub-flow.
    pub fn steps_of(&self, name: &str) -> Vec<&Value> {
        let is_it = |row: &Value| row["authenticationFlow"] == true && row["displayName"] == name;
        let Some(at) = self.0.iter().position(is_it) else { return Vec::new() };
        let level = depth(&self.0[at]);
        let within = self.0[at + 1..].iter().take_while(|row| depth(row) > level);
        within.filter(|row| depth(row) == level + 1).collect()
    }

    /// The sub-flow that a step stands in, unless that is ours.
    pub fn flow_with(&self, provider: &str, ours: &str) -> Option<&str> {
        for (at, row) in self.0.iter().enumerate().filter(|(_, row)| text(row, "providerId") == provider) {
            let above = self.0[..at].iter().rev().find(|above| depth(above) < depth(row));
            if let Some(name) = above.map(|above| text(above, "displayName")).filter(|name| *name != ours) {
                return Some(name);
            }
        }
        None
    }

    /// A step anywhere in the flow.
    pub fn step(&self, provider: &str) -> Option<&Value> {
        self.0.iter().find(|row| text(row, "providerId") == provider)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use serde_json::json;

    fn rows() -> Rows {
        let row = |level: u64, provider: Option<&str>, name: &str| json!({"level": level, "providerId": provider, "displayName": name, "authenticationFlow": provider.is_none()});
        Rows(vec![
            row(0, Some("auth-cookie"), "Cookie"),
            row(0, None, "our forms"),
            row(1, Some("auth-username-password-form"), "Username Password Form"),
            row(1, None, "our 2FA"),
            row(2, Some("auth-otp-form"), "OTP Form"),
            row(1, None, "guestlist enrol"),
            row(2, Some("conditional-user-attribute"), "Condition"),
            row(2, Some("auth-otp-form"), "OTP Form"),
        ])
    }

    #[test]
    fn a_sub_flow_is_found_by_what_stands_in_it_whatever_it_is_called() {
        let rows = rows();
        assert_eq!(rows.flow_with("auth-username-password-form", "guestlist enrol"), Some("our forms"));
        assert_eq!(rows.flow_with("auth-otp-form", "guestlist enrol"), Some("our 2FA"));
        assert_eq!(rows.flow_with("auth-otp-form", "our 2FA"), Some("guestlist enrol"));
        assert_eq!(rows.flow_with("auth-cookie", "guestlist enrol"), None);
        let names = |flow| rows.steps_of(flow).iter().map(|row| text(row, "displayName")).collect::<Vec<_>>();
        assert_eq!(names("guestlist enrol"), ["Condition", "OTP Form"]);
        assert_eq!(names("our forms"), ["Username Password Form", "our 2FA", "guestlist enrol"]);
    }

    #[test]
    fn who_has_a_flow_of_his_own_is_told_exactly_what_to_add() {
        let said = GATES[1].by_hand("corporate");
        for word in ["\"corporate\"", "direct grant", "guestlist.id", ".+", "not-executed", "Deny access"] {
            assert!(said.contains(word), "{word} in {said}");
        }
        assert!(!GATES[2].by_hand("corporate").contains("sub-flow executed"));
    }
}
