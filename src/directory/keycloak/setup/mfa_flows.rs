//! The sub-flows that enforce an allowed MFA method for guests, as data, and the rows of a flow.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::super::mfa::METHODS;
use super::admin::text;
use crate::directory::keycloak::users::guest::ID;

/// The condition on an attribute of the user.
const USER_ATTRIBUTE: &str = "conditional-user-attribute";
/// The condition on the credentials that the user showed during this sign-in.
const CREDENTIAL: &str = "conditional-credential";
/// The condition that the user has one of the methods beside it.
const CONFIGURED: &str = "conditional-user-configured";
/// Asks for a one-time password, and makes a user without one set it up.
const OTP: &str = "auth-otp-form";
/// Asks for a security key or passkey, and makes a user without one register it.
pub const KEY: &str = "webauthn-authenticator";
const DENY: &str = "deny-access-authenticator";

/// Keycloak's separator of the values of one setting.
const SEPARATOR: &str = "##";

/// A condition of a sub-flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowCondition {
    /// The user is a guest.
    Guest,
    /// Only this method is allowed to the user.
    Only(&'static str),
    /// Both methods are allowed to the user, or none is recorded.
    Several,
    /// None of these credentials was shown during this sign-in.
    Unused(&'static [&'static str]),
    /// The user has one of the methods of the sub-flow.
    Configured,
}

/// A sub-flow that is added to a flow.
#[derive(Debug)]
pub struct SubFlow {
    /// Its name in the copy that guestlist makes.
    pub name: &'static str,
    pub conditions: &'static [FlowCondition],
    /// Its steps: one that is required, or several of which one is enough.
    pub steps: &'static [&'static str],
    /// Sign-in enforces MFA without it too.
    pub is_optional: bool,
}

/// A flow of Keycloak, and the sub-flows that are added to a copy of it.
#[derive(Debug)]
pub struct MfaGate {
    /// The realm's setting that names the flow in use.
    pub binding: &'static str,
    /// The name of the same setting in an application's overrides; `None`: applications cannot override it.
    pub overridden: Option<&'static str>,
    /// The flow's name in messages.
    pub flow: &'static str,
    /// The alias of Keycloak's own flow.
    pub original: &'static str,
    /// The alias of the copy.
    pub copy: &'static str,
    /// The step that checks or sets the password; the sub-flows follow it.
    pub after: &'static str,
    pub sub_flows: &'static [SubFlow],
    /// The effect, for messages.
    pub what: &'static str,
    /// Whether keys are offered as a second factor.
    pub keys: bool,
}

const TOTP_ONLY: &[FlowCondition] = &[FlowCondition::Only("TOTP"), FlowCondition::Unused(&["otp"])];
const KEY_ONLY: &[FlowCondition] =
    &[FlowCondition::Only("WebAuthn"), FlowCondition::Unused(&["webauthn", "webauthn-passwordless"])];
const EITHER: &[FlowCondition] = &[
    FlowCondition::Guest,
    FlowCondition::Several,
    FlowCondition::Unused(&["otp", "webauthn", "webauthn-passwordless"]),
];

const fn sub_flow(name: &'static str, conditions: &'static [FlowCondition], steps: &'static [&'static str]) -> SubFlow {
    SubFlow { name, conditions, steps, is_optional: false }
}

pub const GATES: [MfaGate; 3] = [
    MfaGate {
        binding: "browserFlow",
        overridden: Some("browser"),
        flow: "browser sign-in",
        original: "browser",
        copy: "guestlist browser",
        after: "auth-username-password-form",
        sub_flows: &[
            sub_flow("guestlist key", KEY_ONLY, &[KEY]),
            sub_flow("guestlist code", TOTP_ONLY, &[OTP]),
            sub_flow("guestlist factor", EITHER, &[OTP]),
        ],
        what: "a guest shows an allowed MFA method, or sets one up, before a browser is signed in",
        keys: true,
    },
    MfaGate {
        binding: "directGrantFlow",
        overridden: Some("direct_grant"),
        flow: "direct grant",
        original: "direct grant",
        copy: "guestlist direct grant",
        after: "direct-grant-validate-password",
        sub_flows: &[
            sub_flow("guestlist direct key", &[FlowCondition::Only("WebAuthn")], &[DENY]),
            sub_flow("guestlist direct code", &[FlowCondition::Guest, FlowCondition::Unused(&["otp"])], &[DENY]),
        ],
        what: "a guest without a one-time password that counts gets no token by direct grant",
        keys: false,
    },
    MfaGate {
        binding: "resetCredentialsFlow",
        overridden: None,
        flow: "password reset",
        original: "reset credentials",
        copy: "guestlist reset credentials",
        after: "reset-password",
        sub_flows: &[
            SubFlow {
                name: "guestlist reset ask",
                conditions: &[FlowCondition::Guest, FlowCondition::Configured],
                steps: &[OTP, KEY],
                is_optional: true,
            },
            sub_flow("guestlist reset key", KEY_ONLY, &[KEY]),
            sub_flow("guestlist reset code", TOTP_ONLY, &[OTP]),
            sub_flow("guestlist reset factor", EITHER, &[OTP]),
        ],
        what: "a guest who resets their password shows an allowed MFA method, or sets one up, before they are signed in",
        keys: false,
    },
];

/// A step of a sub-flow, with its settings.
pub struct FlowStep {
    pub provider: &'static str,
    pub requirement: &'static str,
    /// The name and the content of its configuration.
    pub config: Option<(String, Value)>,
}

impl FlowCondition {
    fn provider(self) -> &'static str {
        match self {
            Self::Guest | Self::Only(_) | Self::Several => USER_ATTRIBUTE,
            Self::Unused(_) => CREDENTIAL,
            Self::Configured => CONFIGURED,
        }
    }

    /// The settings of a condition, and a suffix for their name.
    fn config(self) -> Option<(&'static str, Value)> {
        let attribute = |name: &str, value: &str, not: &str| json!({"attribute_name": name, "attribute_expected_value": value, "regex": "true", "not": not});
        match self {
            Self::Guest => Some(("guest", attribute(ID, ".+", "false"))),
            Self::Only(method) => Some(("methods", attribute(METHODS, method, "false"))),
            // Users without the attribute count too.
            Self::Several => Some(("methods", attribute(METHODS, "TOTP|WebAuthn", "true"))),
            Self::Unused(sorts) => Some(("unused", json!({"credentials": sorts.join(SEPARATOR), "included": "false"}))),
            Self::Configured => None,
        }
    }

    /// Whether a step of a flow is this condition.
    fn is(self, provider: &str, config: &Value) -> bool {
        let same = |key: &str, wanted: &Value| {
            let known = config[key].as_str().unwrap_or_default();
            let wanted = wanted.as_str().unwrap_or_default();
            let parts =
                |text: &str| text.split(SEPARATOR).map(str::to_owned).collect::<std::collections::BTreeSet<_>>();
            // A switch without a value is off.
            parts(known) == parts(wanted) || (known.is_empty() && wanted == "false")
        };
        let wanted = self.config().map(|(_, wanted)| wanted).unwrap_or_default();
        provider == self.provider() && wanted.as_object().into_iter().flatten().all(|(key, value)| same(key, value))
    }
}

impl SubFlow {
    /// All steps, conditions first.
    pub fn all_steps(&self) -> Vec<FlowStep> {
        let name = |word: &str| format!("{} {word}", self.name);
        let conditions = self.conditions.iter().map(|condition| FlowStep {
            provider: condition.provider(),
            requirement: "REQUIRED",
            config: condition.config().map(|(word, config)| (name(word), config)),
        });
        let requirement = if self.steps.len() == 1 { "REQUIRED" } else { "ALTERNATIVE" };
        let steps = self.steps.iter().map(|provider| FlowStep { provider, requirement, config: None });
        conditions.chain(steps).collect()
    }
}

impl MfaGate {
    /// The message about a flow that an administrator chose: the sub-flows to add.
    pub fn by_hand(&self, flow: &str, missing: &MissingFlow) -> String {
        let names: Vec<_> = missing.sub_flows.iter().map(|missing| format!("{:?}", missing.name)).collect();
        format!(
            "the realm uses the flow {flow:?} for {}, which does not check the MFA of guests{}. Add to it, after each step that \
             can sign a person in, conditional sub-flows with the steps and settings of {} in the flow {:?}. Then {}",
            self.flow,
            missing.after(),
            names.join(", "),
            self.copy,
            self.what
        )
    }
}

/// The sub-flows that a flow lacks.
#[derive(Debug, Default)]
pub struct MissingFlow {
    pub sub_flows: Vec<&'static SubFlow>,
    /// The executions that can sign a user in without them.
    pub steps: BTreeSet<String>,
}

impl MissingFlow {
    pub const fn is_empty(&self) -> bool {
        self.sub_flows.is_empty()
    }

    /// The executions as text, to follow "does not check the MFA of guests".
    pub fn after(&self) -> String {
        let names: Vec<_> = self.steps.iter().map(|step| format!("{step:?}")).collect();
        if names.is_empty() { String::new() } else { format!(" after the execution {}", names.join(", ")) }
    }
}

/// The rows of a flow in order, each with its depth.
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
        self.0.iter().position(is_it).map(|at| self.within(at)).unwrap_or_default()
    }

    /// The row of a step in a sub-flow: the one with the name of its settings, otherwise one that belongs to no other
    /// step.
    pub fn step_in(&self, sub_flow: &str, step: &FlowStep, all: &[FlowStep]) -> Option<&Value> {
        let named =
            |row: &Value| all.iter().filter_map(|step| step.config.as_ref()).any(|(name, _)| row["alias"] == **name);
        let rows = || self.steps_of(sub_flow).into_iter().filter(|row| text(row, "providerId") == step.provider);
        let own = |row: &&Value| step.config.as_ref().is_some_and(|(name, _)| row["alias"] == **name);
        rows().find(own).or_else(|| rows().find(|row| !named(row)))
    }

    /// The identifiers of all settings of conditions.
    pub fn configs(&self) -> impl Iterator<Item = &str> {
        let conditions = self.0.iter().filter(|row| [USER_ATTRIBUTE, CREDENTIAL].contains(&text(row, "providerId")));
        conditions.map(|row| text(row, "authenticationConfig")).filter(|id| !id.is_empty())
    }

    /// The indexes of the rows directly in the sub-flow at an index, or in the flow itself.
    pub fn children(&self, of: Option<usize>) -> Vec<usize> {
        let (first, level) = of.map_or((0, 0), |at| (at + 1, depth(&self.0[at]) + 1));
        let within = (first..self.0.len()).take_while(|&place| depth(&self.0[place]) >= level);
        within.filter(|&place| depth(&self.0[place]) == level).collect()
    }

    /// The rows directly in the sub-flow at an index.
    fn within(&self, at: usize) -> Vec<&Value> {
        self.children(Some(at)).into_iter().map(|place| &self.0[place]).collect()
    }

    /// The sub-flow that contains a step.
    pub fn flow_with(&self, provider: &str) -> Option<&str> {
        let at = self.0.iter().position(|row| text(row, "providerId") == provider)?;
        self.above(at).next().map(|above| text(&self.0[above], "displayName"))
    }

    /// The row of a step anywhere in the flow.
    pub fn step(&self, provider: &str) -> Option<&Value> {
        self.0.iter().find(|row| text(row, "providerId") == provider)
    }

    /// The indexes of the sub-flows around a row, innermost first.
    fn above(&self, at: usize) -> impl Iterator<Item = usize> {
        let mut level = depth(&self.0[at]);
        (0..at).rev().filter(move |&place| {
            let is_above = depth(&self.0[place]) < level;
            if is_above {
                level = depth(&self.0[place]);
            }
            is_above
        })
    }

    /// Whether the sub-flow at an index has the wanted effect or a stronger one: it has no other condition.
    pub fn is_sub_flow(&self, at: usize, wanted: &SubFlow, configs: &BTreeMap<String, Value>) -> bool {
        let row = &self.0[at];
        if row["authenticationFlow"] != true || row["requirement"] != "CONDITIONAL" {
            return false;
        }
        let (conditions, steps): (Vec<_>, Vec<_>) = self
            .within(at)
            .into_iter()
            .filter(|row| row["requirement"] != "DISABLED")
            .partition(|row| text(row, "providerId").starts_with("conditional-"));
        let holds = |row: &&Value| {
            let config = configs.get(text(row, "authenticationConfig")).unwrap_or(&Value::Null);
            wanted.conditions.iter().any(|condition| condition.is(text(row, "providerId"), config))
        };
        let step = |row: &Value| (text(row, "providerId").to_owned(), text(row, "requirement").to_owned());
        let wanted_steps = wanted.steps.iter().map(|provider| ((*provider).to_owned(), "REQUIRED".to_owned()));
        !conditions.is_empty() && conditions.iter().all(holds) && steps.into_iter().map(step).eq(wanted_steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A flow with a password step and these sub-flows, and the settings of their conditions.
    fn flow(gate: &MfaGate, edit: impl Fn(&mut Vec<Value>)) -> (Rows, BTreeMap<String, Value>) {
        let row = |level: u64, provider: Option<&str>, name: &str, requirement: &str, config: &str| {
            json!({"level": level, "providerId": provider, "displayName": name, "requirement": requirement,
                   "authenticationFlow": provider.is_none(), "authenticationConfig": config})
        };
        let mut rows = vec![
            row(0, Some("auth-cookie"), "Cookie", "ALTERNATIVE", ""),
            row(0, None, "forms", "ALTERNATIVE", ""),
            row(1, Some(gate.after), "Password", "REQUIRED", ""),
        ];
        let mut configs = BTreeMap::new();
        for sub_flow in gate.sub_flows {
            rows.push(row(1, None, sub_flow.name, "CONDITIONAL", ""));
            for step in sub_flow.all_steps() {
                let id = step.config.as_ref().map(|(name, _)| name.clone()).unwrap_or_default();
                rows.push(row(2, Some(step.provider), step.provider, step.requirement, &id));
                configs.extend(step.config);
            }
        }
        edit(&mut rows);
        (Rows(rows), configs)
    }

    fn missing(gate: &MfaGate, edit: impl Fn(&mut Vec<Value>)) -> usize {
        let (rows, configs) = flow(gate, edit);
        gate.missing(&rows, &configs).sub_flows.len()
    }

    fn needed(gate: &MfaGate) -> usize {
        gate.sub_flows.iter().filter(|sub_flow| !sub_flow.is_optional).count()
    }

    #[test]
    fn whole_flow_lacks_nothing_and_empty_flow_everything() {
        for gate in &GATES {
            assert_eq!(missing(gate, |_| {}), 0, "{}", gate.flow);
            assert_eq!(missing(gate, |rows| rows.truncate(3)), needed(gate), "{}", gate.flow);
            assert_eq!(missing(gate, Vec::clear), needed(gate), "{}", gate.flow);
        }
    }

    #[test]
    fn sub_flow_without_effect_is_missing() {
        let gate = &GATES[0];
        let first = |rows: &mut Vec<Value>, field: &str, value: Value| rows[3][field] = value;
        assert_eq!(missing(gate, |rows| first(rows, "requirement", json!("DISABLED"))), 1);
        assert_eq!(missing(gate, |rows| first(rows, "displayName", json!("our own name"))), 0, "names do not matter");
        // Under another condition, with a disabled step, before the password, in another branch.
        let condition =
            json!({"level": 1, "displayName": "some", "requirement": "CONDITIONAL", "authenticationFlow": true});
        let under_a_condition = |rows: &mut Vec<Value>| {
            rows[3..].iter_mut().for_each(|row| row["level"] = json!(depth(row) + 1));
            rows.insert(3, condition.clone());
        };
        assert_eq!(missing(gate, under_a_condition), needed(gate));
        // A condition around both the password and the sub-flows does not open a way past them.
        assert_eq!(missing(gate, |rows| rows[1]["requirement"] = json!("CONDITIONAL")), 0);
        assert_eq!(missing(gate, |rows| rows[6]["requirement"] = json!("DISABLED")), 1);
        assert_eq!(missing(gate, |rows| rows[2..].rotate_left(1)), needed(gate));
        let elsewhere =
            json!({"level": 0, "displayName": "other", "requirement": "ALTERNATIVE", "authenticationFlow": true});
        assert_eq!(missing(gate, |rows| rows.insert(3, elsewhere.clone())), needed(gate));
        // A second password step without sub-flows after it.
        assert_eq!(missing(gate, |rows| rows.push(rows[2].clone())), needed(gate));
    }

    #[test]
    fn condition_with_another_setting_or_one_more_is_missing() {
        let gate = &GATES[0];
        let (rows, configs) = flow(gate, |_| {});
        for (id, key, value) in [
            ("guestlist key methods", "attribute_expected_value", "WebAuthn2"),
            ("guestlist code unused", "included", "true"),
            ("guestlist factor methods", "not", "false"),
        ] {
            let mut edited = configs.clone();
            edited.get_mut(id).unwrap_or(&mut Value::Null)[key] = json!(value);
            assert_eq!(gate.missing(&rows, &edited).sub_flows.len(), 1, "{id}");
        }
        let more = json!({"level": 2, "providerId": "conditional-user-role", "requirement": "REQUIRED"});
        assert_eq!(missing(gate, |rows| rows.insert(4, more.clone())), 1);
    }

    #[test]
    fn missing_sub_flows_are_named_with_their_example() {
        let (rows, configs) = flow(&GATES[1], |rows| rows.truncate(3));
        let said = GATES[1].by_hand("corporate", &GATES[1].missing(&rows, &configs));
        for word in [
            "\"corporate\"",
            "direct grant",
            "guests after the execution \"Password\". Add",
            "\"guestlist direct key\"",
            "in the flow \"guestlist direct grant\"",
        ] {
            assert!(said.contains(word), "{word} in {said}");
        }
    }
}
