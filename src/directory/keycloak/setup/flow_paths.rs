//! The paths through a flow, by Keycloak's requirement rules: whether the sub-flow follows on each path that can sign a
//! user in. An execution that is not listed here counts as one that can sign a user in.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::admin::text;
use super::mfa_flows::{MfaGate, MissingFlow, Rows};

/// Conditions: Keycloak evaluates them for the sub-flow around them, and never runs them as steps.
const CONDITIONS: [&str; 7] = [
    "conditional-user-configured",
    "conditional-user-attribute",
    "conditional-user-role",
    "conditional-credential",
    "conditional-client-scope",
    "conditional-level-of-authentication",
    "conditional-sub-flow-executed",
];
/// Steps that do not sign a user in: an existing session, another server's sign-in with its own flows, a refusal.
const NO_SIGN_IN: [&str; 4] =
    ["auth-cookie", "identity-provider-redirector", "organization", "deny-access-authenticator"];
/// Steps that need a user identified by an earlier step. They may follow the sub-flow, but do not replace it.
const AFTER_IDENTIFICATION: [&str; 4] =
    ["auth-otp-form", "webauthn-authenticator", "auth-recovery-authn-code-form", "direct-grant-validate-otp"];

/// How a path through a flow ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    /// No step signed a user in.
    NotSignedIn,
    /// The sub-flow follows each step that can sign a user in.
    Enforced,
    /// The step with this name can sign a user in, and the sub-flow does not follow.
    Bypassed(String),
}

impl MfaGate {
    /// The sub-flows that at least one path through a flow skips. All of them, if no path signs a user in.
    pub fn missing(&self, rows: &Rows, configs: &BTreeMap<String, Value>) -> MissingFlow {
        let mut missing = MissingFlow::default();
        for sub_flow in self.sub_flows.iter().filter(|sub_flow| !sub_flow.is_optional) {
            let ends = rows.ends(&|at| rows.is_sub_flow(at, sub_flow, configs));
            let is_enforced = ends.contains(&End::Enforced);
            let bypassing: BTreeSet<String> = ends
                .into_iter()
                .filter_map(|end| if let End::Bypassed(step) = end { Some(step) } else { None })
                .collect();
            if !is_enforced || !bypassing.is_empty() {
                missing.sub_flows.push(sub_flow);
            }
            missing.steps.extend(bypassing);
        }
        missing
    }
}

type Ends = BTreeSet<End>;
/// Whether the row at an index is the sub-flow.
type IsGate<'a> = dyn Fn(usize) -> bool + 'a;

impl Rows {
    /// The end of each path through the flow.
    fn ends(&self, is_gate: &IsGate<'_>) -> Ends {
        self.ends_of_flow(&self.children(None), &Ends::from([End::NotSignedIn]), is_gate)
    }

    /// Runs the executions of one flow: all required ones, or one of the alternatives if none is required.
    fn ends_of_flow(&self, flow: &[usize], from: &Ends, is_gate: &IsGate<'_>) -> Ends {
        let requirement = |at: usize| text(&self.0[at], "requirement");
        let runs = |at: usize| {
            let is_condition = CONDITIONS.contains(&text(&self.0[at], "providerId"));
            requirement(at) != "DISABLED" && !is_condition
        };
        let runs = flow.iter().copied().filter(|at| runs(*at));
        let (alternatives, sequence): (Vec<_>, Vec<_>) = runs.partition(|at| requirement(*at) == "ALTERNATIVE");
        let mut ends = Ends::new();
        if !sequence.is_empty() {
            ends.clone_from(from);
            for &at in &sequence {
                let skipped = if requirement(at) == "REQUIRED" || is_gate(at) { Ends::new() } else { ends.clone() };
                ends = self.ends_of_execution(at, &ends, is_gate);
                ends.extend(skipped);
            }
        }
        // Beside conditional sub-flows alone, alternatives count as well, because versions of Keycloak differ there.
        if sequence.iter().all(|at| requirement(*at) != "REQUIRED") {
            ends.extend(alternatives.iter().flat_map(|at| self.ends_of_execution(*at, from, is_gate)));
        }
        ends
    }

    /// Runs one execution.
    fn ends_of_execution(&self, at: usize, from: &Ends, is_gate: &IsGate<'_>) -> Ends {
        let row = &self.0[at];
        if is_gate(at) {
            return from.iter().map(|_| End::Enforced).collect();
        }
        if row["authenticationFlow"] == true {
            return self.ends_of_flow(&self.children(Some(at)), from, is_gate);
        }
        let (provider, name) = (text(row, "providerId"), text(row, "displayName"));
        let bypassed = || End::Bypassed(if name.is_empty() { provider } else { name }.to_owned());
        let after = |end: &End| match end {
            end if NO_SIGN_IN.contains(&provider) => end.clone(),
            End::Enforced | End::Bypassed(_) if AFTER_IDENTIFICATION.contains(&provider) => end.clone(),
            End::NotSignedIn | End::Enforced | End::Bypassed(_) => bypassed(),
        };
        from.iter().map(after).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    const WANTED: &str = "wanted";

    #[derive(Clone, Debug)]
    enum Execution {
        Step(&'static str),
        /// The wanted sub-flow.
        Wanted,
        Flow(Vec<(&'static str, Execution)>),
    }

    fn rows(flow: &[(&'static str, Execution)], level: u64, into: &mut Vec<Value>) {
        for (requirement, execution) in flow {
            let (provider, name) = match execution {
                Execution::Step(provider) => (Some(*provider), *provider),
                Execution::Wanted => (None, WANTED),
                Execution::Flow(_) => (None, "flow"),
            };
            into.push(json!({"level": level, "requirement": requirement, "providerId": provider, "displayName": name,
                             "authenticationFlow": provider.is_none()}));
            if let Execution::Flow(inner) = execution {
                rows(inner, level + 1, into);
            }
        }
    }

    /// Keycloak's rules for single runs: the steps of each way in which a flow can succeed. A condition may hold or
    /// not.
    fn runs(flow: &[(&'static str, Execution)]) -> Vec<Vec<&'static str>> {
        let alone = |execution: &Execution| match execution {
            Execution::Step(provider) => vec![vec![*provider]],
            Execution::Wanted => vec![vec![WANTED]],
            Execution::Flow(inner) => runs(inner),
        };
        let of = |kind: &'static str| flow.iter().filter(move |(requirement, _)| *requirement == kind);
        let is_condition =
            |execution: &Execution| matches!(execution, Execution::Step(step) if step.starts_with("conditional-"));
        let on = flow.iter().filter(|(requirement, execution)| *requirement != "DISABLED" && !is_condition(execution));
        let required: Vec<_> = on.filter(|(requirement, _)| *requirement != "ALTERNATIVE").collect();
        let mut found = Vec::new();
        if !required.is_empty() {
            let mut so_far = vec![Vec::new()];
            for (requirement, execution) in &required {
                let mut ways = alone(execution);
                if *requirement == "CONDITIONAL" && !matches!(execution, Execution::Wanted) {
                    ways.push(Vec::new());
                }
                so_far = so_far
                    .iter()
                    .flat_map(|before: &Vec<_>| ways.iter().map(move |way| [&before[..], &way[..]].concat()))
                    .collect();
            }
            found.extend(so_far);
        }
        if required.iter().all(|(requirement, _)| *requirement == "CONDITIONAL") {
            let alternatives = of("ALTERNATIVE").filter(|(_, execution)| !is_condition(execution));
            found.extend(alternatives.flat_map(|(_, execution)| alone(execution)));
        }
        found
    }

    /// Whether a run signs a user in without the sub-flow after it.
    fn is_open(run: &[&str]) -> bool {
        let last = |is: &dyn Fn(&str) -> bool| run.iter().rposition(|step| is(step));
        let passed = last(&|step| step == WANTED);
        let identified = last(&|step| ["auth-password-form", "auth-username-form", "acme-sms"].contains(&step));
        let shown = run.contains(&"auth-otp-form");
        match (identified, passed) {
            (Some(identified), Some(passed)) => identified > passed,
            (Some(_), None) => true,
            (None, passed) => shown && passed.is_none(),
        }
    }

    fn execution() -> impl Strategy<Value = Execution> {
        let step = prop::sample::select(vec![
            "auth-cookie",
            "auth-username-form",
            "auth-password-form",
            "auth-otp-form",
            "acme-sms",
            "conditional-user-role",
        ]);
        let leaf = prop_oneof![3 => step.prop_map(Execution::Step), 2 => Just(Execution::Wanted)];
        leaf.prop_recursive(3, 12, 4, |inner| flow(inner).prop_map(Execution::Flow))
    }

    fn flow(inner: impl Strategy<Value = Execution>) -> impl Strategy<Value = Vec<(&'static str, Execution)>> {
        let one = (prop::sample::select(vec!["REQUIRED", "ALTERNATIVE", "CONDITIONAL", "DISABLED"]), inner);
        let fitting = |(requirement, execution): (&'static str, Execution)| match (requirement, &execution) {
            // Only a sub-flow can be conditional, and the wanted one is.
            ("CONDITIONAL", Execution::Step(_)) => ("REQUIRED", execution),
            ("REQUIRED" | "ALTERNATIVE", Execution::Wanted) => ("CONDITIONAL", execution),
            _ => (requirement, execution),
        };
        prop::collection::vec(one.prop_map(fitting), 1..4)
    }

    fn judged(flow: &[(&'static str, Execution)]) -> Ends {
        let mut found = Vec::new();
        rows(flow, 0, &mut found);
        let rows = Rows(found);
        rows.ends(&|at| rows.0[at]["displayName"] == WANTED && rows.0[at]["requirement"] == "CONDITIONAL")
    }

    proptest! {
        #[test]
        fn flow_is_open_exactly_where_a_run_goes_around_the_sub_flow(flow in flow(execution())) {
            let said = judged(&flow).iter().any(|end| matches!(end, End::Bypassed(_)));
            prop_assert_eq!(said, runs(&flow).iter().any(|run| is_open(run)));
        }
    }

    #[test]
    fn open_way_names_the_step_that_nothing_follows() {
        let alternative = |steps: &[&'static str], wanted: bool| {
            let mut flow: Vec<_> = steps.iter().map(|step| ("REQUIRED", Execution::Step(step))).collect();
            flow.extend(wanted.then_some(("CONDITIONAL", Execution::Wanted)));
            ("ALTERNATIVE", Execution::Flow(flow))
        };
        let cookie = || ("ALTERNATIVE", Execution::Step("auth-cookie"));
        let enforced = || alternative(&["auth-username-form", "auth-password-form"], true);
        let open = |step: &str| Ends::from([End::NotSignedIn, End::Enforced, End::Bypassed(step.to_owned())]);
        assert_eq!(judged(&[cookie(), enforced()]), Ends::from([End::NotSignedIn, End::Enforced]));
        for step in ["auth-password-form", "webauthn-authenticator-passwordless", "acme-sms", "auth-spnego"] {
            let around = alternative(&["auth-username-form", step], false);
            assert_eq!(judged(&[cookie(), around, enforced()]), open(step));
        }
        assert_eq!(judged(&[cookie(), alternative(&["auth-otp-form"], false), enforced()]), open("auth-otp-form"));
        let later = ("ALTERNATIVE", Execution::Flow(vec![enforced_and("auth-otp-form")]));
        assert_eq!(judged(&[cookie(), later]), Ends::from([End::NotSignedIn, End::Enforced]));
    }

    /// The wanted sub-flow, and a second factor after it.
    fn enforced_and(factor: &'static str) -> (&'static str, Execution) {
        let steps = vec![
            ("REQUIRED", Execution::Step("auth-username-password-form")),
            ("CONDITIONAL", Execution::Wanted),
            ("REQUIRED", Execution::Step(factor)),
        ];
        ("REQUIRED", Execution::Flow(steps))
    }
}
