//! The chart's dashboard and alerts on a real Prometheus that scrapes a running operator: each panel has data, a healthy
//! operator has no alert, and a broken one has exactly its alerts.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::support::docs::read;
use crate::support::harness::{BOB, Stage};
use crate::support::operator::{POLICY, eventually};
use crate::support::prometheus::{Prometheus, without_prometheus};

/// The queries that have no data on a healthy operator with the embedded directory, each with the reason.
const WITHOUT_DATA: [(&str, &str); 2] = [
    ("Requests to Keycloak A", "the directory is not Keycloak"),
    ("Keycloak request duration, p99 A", "the directory is not Keycloak"),
];
/// `$__rate_interval` as Grafana computes it for scrapes of one second: four of them.
const RATE_INTERVAL: &str = "4s";
/// One series after three scrapes of a ready leader.
const READY_FOR_THREE_SCRAPES: &str = "sum_over_time(guestlist_leader[4s]) >= 3 \
    unless on() max_over_time(guestlist_readiness_problem[4s]) > 0";

/// Guests beside those of the common world: one is invited, and one is rejected.
const MORE: &str = "
apiVersion: guestlist.dev/v1alpha1
kind: GuestMembership
metadata: {name: dave, namespace: partners}
spec: {partnerRef: {name: acme}, email: dave@acme.example, invitedBy: alice@host.example}
---
apiVersion: guestlist.dev/v1alpha1
kind: GuestMembership
metadata: {name: erin, namespace: partners}
spec: {partnerRef: {name: acme}, email: erin@host.example, invitedBy: alice@host.example}
";

/// A query of a panel.
struct Query {
    /// The title of the panel and the letter of the query.
    name: String,
    expression: String,
    legend: String,
    is_instant: bool,
}

/// The dashboard with its variables, whose values come from Prometheus.
struct Dashboard {
    queries: Vec<Query>,
    variables: BTreeMap<String, Vec<String>>,
}

impl Dashboard {
    fn load(prometheus: &Prometheus) -> Self {
        let file: Value = serde_json::from_str(&read("charts/guestlist/files/dashboard.json")).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let panels = file["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row");
        let queries = panels.flat_map(|panel| {
            panel["targets"].as_array().unwrap().iter().map(move |target| Query {
                name: format!("{} {}", text(&panel["title"]), text(&target["refId"])),
                expression: text(&target["expr"]),
                legend: text(&target["legendFormat"]),
                is_instant: target["instant"] == true,
            })
        });
        let mut variables = BTreeMap::new();
        for variable in file["templating"]["list"].as_array().unwrap().iter().filter(|one| one["type"] == "query") {
            assert_eq!((&variable["includeAll"], &variable["allValue"]), (&true.into(), &".*".into()), "{variable}");
            let definition = text(&variable["query"]["query"]);
            let arguments = definition.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')')).unwrap();
            let (metric, label) = arguments.split_once(", ").unwrap();
            let values = prometheus.api(&format!("label/{label}/values"), &[("match[]", metric)]).unwrap();
            variables.insert(text(&variable["name"]), values.as_array().unwrap().iter().map(text).collect());
        }
        Self { queries: queries.collect(), variables }
    }

    /// The names of the queries without data. `all`: "All" is selected, otherwise each value of the variables.
    fn without_data(&self, prometheus: &Prometheus, all: bool) -> BTreeSet<String> {
        let lacks_data = |query: &&Query| {
            let mut expression = query.expression.replace("$__rate_interval", RATE_INTERVAL);
            for (name, values) in &self.variables {
                let value = if all { ".*".to_owned() } else { values.join("|") };
                expression = expression.replace(&format!("${name}"), &value);
            }
            assert!(!expression.contains('$'), "{expression}");
            let series = if query.is_instant { prometheus.instant(&expression) } else { prometheus.range(&expression) };
            let series = series.unwrap_or_else(|refused| panic!("{}: {refused}", query.name));
            query.has_different_legends(&series);
            let mut samples = series.iter().flat_map(|one| one["values"].as_array().unwrap());
            samples.all(|sample| sample[1].as_str().unwrap().parse::<f64>().unwrap().is_nan())
        };
        self.queries.iter().filter(lacks_data).map(|query| query.name.clone()).collect()
    }
}

impl Query {
    /// Asserts that each series has the labels of the legend, and that no two have the same legend.
    fn has_different_legends(&self, series: &[Value]) {
        let mut seen = BTreeSet::new();
        for one in series {
            let labels = self.legend.split("{{").skip(1).map(|rest| rest.split("}}").next().unwrap());
            let values: Vec<&str> = labels.map(|label| one["metric"][label].as_str().unwrap_or_default()).collect();
            assert!(values.iter().all(|value| !value.is_empty()), "{}: {}", self.name, one["metric"]);
            assert!(seen.insert(values), "{}: {series:?}", self.name);
        }
    }
}

/// Waits until exactly these alerts are pending or firing.
#[track_caller]
fn has_alerts(prometheus: &Prometheus, wanted: &[&str]) {
    eventually(&format!("the alerts are {wanted:?}"), || {
        let data = prometheus.api("alerts", &[])?;
        let alerts = data["alerts"].as_array().ok_or("no list")?;
        let names: BTreeSet<&str> = alerts.iter().filter_map(|alert| alert["labels"]["alertname"].as_str()).collect();
        if names != wanted.iter().copied().collect() {
            return Err(data.to_string());
        }
        for alert in alerts {
            let labels = &alert["labels"];
            assert_eq!((&labels["namespace"], &labels["job"]), (&"guestlist".into(), &"guestlist-metrics".into()));
            assert_eq!(alert["state"], "pending", "{alert}");
        }
        Ok(())
    });
}

/// Waits until an expression has this number of series.
#[track_caller]
fn has_series(prometheus: &Prometheus, expression: &str, count: usize) {
    eventually(&format!("{expression} has {count} series"), || {
        let series = prometheus.instant(expression)?;
        if series.len() == count { Ok(()) } else { Err(format!("{series:?}")) }
    });
}

#[test]
fn panels_have_data_and_alerts_match_the_state_of_the_operator() {
    if let Some(reason) = without_prometheus() {
        println!("No Prometheus: {reason}. The alerts and the dashboard are only compared with the list of metrics.");
        return;
    }
    let mut stage = Stage::prepare();
    // Before the operator has done anything, so that counters increase.
    let prometheus = Prometheus::start(&stage.operator.folder.join("prometheus"), &stage.operator.health);
    stage.operator.start();
    has_series(&prometheus, "guestlist_leader == 1", 1);

    stage.settle();
    stage.operator.directory_ok(&["reset-mfa", BOB]);
    has_series(&prometheus, r#"guestlist_directory_operations_total{operation="invite_guest", result="ok"} > 0"#, 1);
    stage.apply(MORE);
    has_series(&prometheus, r#"guestlist_guests{state=~"Active|Invited|Rejected|Joined"} == 1"#, 4);

    let is_embedded = stage.operator.elsewhere.is_none();
    panels_have_data(&prometheus, is_embedded);
    rules_are_evaluated(&prometheus);
    // In the realms of the tests, guestlist may not read the sign-in flows.
    let healthy: &[&str] = if is_embedded { &[] } else { &["GuestlistSignInUnknown"] };
    has_alerts(&prometheus, healthy);

    stage.operator.policy("tenants: nobody");
    has_alerts(&prometheus, &[healthy, &["GuestlistPolicyUnreadable"]].concat());
    stage.operator.kill();
    stage.operator.go();
    has_alerts(&prometheus, &["GuestlistPolicyUnreadable", "GuestlistNoPolicy"]);
    stage.operator.policy(POLICY);
    stage.operator.is_ready();
    // An alert with a subquery sees a sample up to a second later than the others. It sees that the start has ended too.
    has_series(&prometheus, READY_FOR_THREE_SCRAPES, 1);
    has_alerts(&prometheus, healthy);
    stage.operator.kill();
    has_alerts(&prometheus, &["GuestlistNoLeader"]);
}

fn panels_have_data(prometheus: &Prometheus, is_embedded: bool) {
    let dashboard = Dashboard::load(prometheus);
    assert_eq!(dashboard.variables["namespace"], ["guestlist"]);
    assert_eq!(dashboard.variables["job"], ["guestlist-metrics"]);
    let expected: BTreeSet<String> =
        WITHOUT_DATA.iter().filter(|_| is_embedded).map(|(name, _)| (*name).to_owned()).collect();
    for all in [true, false] {
        eventually(&format!("only {expected:?} have no data"), || {
            let found = dashboard.without_data(prometheus, all);
            if found == expected { Ok(()) } else { Err(format!("{found:?}")) }
        });
    }
}

/// Prometheus accepts each scrape and evaluates each rule.
fn rules_are_evaluated(prometheus: &Prometheus) {
    let target = prometheus.api("targets", &[]).unwrap()["activeTargets"][0].take();
    assert_eq!((&target["health"], &target["lastError"]), (&"up".into(), &"".into()), "{target}");
    let groups = prometheus.api("rules", &[]).unwrap();
    let rules = groups["groups"][0]["rules"].as_array().unwrap();
    assert!(rules.len() > 20 && rules.iter().all(|rule| rule["health"] == "ok"), "{groups}");
}
