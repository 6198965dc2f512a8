//! The longest time until a trouble shows: in readiness, metrics and statuses, as a pod, and as a pending alert. The
//! operator's part is measured in simulated time, and the rest is read from the chart. `docs/operations/delays.md` has
//! the sums.

use std::fs;
use std::path::Path;
use std::time::Duration;

use guestlist::engine::Input;
use guestlist::operator::sources::follow_policy;
use serde_json::Value;
use tokio::time::Instant;

use crate::keycloak_stub::outage;
use crate::keycloak_stub::representations::Fate;
use crate::simulation::failed_operations;

/// The longest time, in seconds.
const MINUTE: u64 = 60;
/// The defaults of Kubernetes, in seconds: of a probe, of a kubelet (the interval in which it looks at containers, and its
/// sync with jitter), of a node that is silent, and of a scrape that gets no answer.
const FAILURE_THRESHOLD: u64 = 3;
const PROBE_TIMEOUT: u64 = 1;
const KUBELET_RELIST: u64 = 1;
const KUBELET_SYNC: u64 = 90;
const NODE_GRACE: u64 = 50;
const NODE_CHECK: u64 = 5;
const SCRAPE_TIMEOUT: u64 = 10;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// Seconds of a duration such as `15s` or `5m`.
fn seconds(text: &str) -> u64 {
    let duration: jiff::SignedDuration = text.parse().unwrap();
    u64::try_from(duration.as_secs()).unwrap()
}

fn rounded_up(duration: Duration) -> u64 {
    duration.as_millis().div_ceil(1000).try_into().unwrap()
}

/// The longest time from a failed readiness until the pod is not Ready.
fn probe() -> u64 {
    let template = read("charts/guestlist/templates/deployment.yaml");
    let probe = template.split("readinessProbe:").nth(1).unwrap().split("resources:").next().unwrap();
    let field = |name: &str| {
        let value = probe.split(name).nth(1)?.split_whitespace().next()?;
        Some(value.parse::<u64>().unwrap())
    };
    let period = field("periodSeconds:").unwrap();
    period * field("failureThreshold:").unwrap_or(FAILURE_THRESHOLD) + field("timeoutSeconds:").unwrap_or(PROBE_TIMEOUT)
}

/// The longest time from a changed metric until an alert is pending.
fn alert() -> u64 {
    let values: Value = serde_saphyr::from_str(&read("charts/guestlist/values.yaml")).unwrap();
    let interval = |name: &str| seconds(values[name]["interval"].as_str().unwrap());
    interval("serviceMonitor") + interval("prometheusRule")
}

/// The longest time from an invalid policy file until the operator knows it.
async fn policy() -> Duration {
    let mut longest = Duration::ZERO;
    for step in 0..10 {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("workspace.yaml");
        fs::write(&file, "tenants: []").unwrap();
        let (sender, mut inbox) = tokio::sync::mpsc::channel(16);
        let following = tokio::spawn(follow_policy(file.clone(), sender));
        assert!(matches!(inbox.recv().await.unwrap(), Input::Policy(Ok(_))));
        tokio::time::sleep(Duration::from_millis(100 * step)).await;
        let began = Instant::now();
        fs::write(&file, "tenants: [").unwrap();
        assert!(matches!(inbox.recv().await.unwrap(), Input::Policy(Err(_))));
        longest = longest.max(began.elapsed());
        following.abort();
    }
    longest
}

/// Each trouble with the longest times: until readiness, metrics and statuses show it, until the pod is not Ready, and
/// until an alert is pending.
async fn delays() -> Vec<(&'static str, Option<u64>, u64, u64)> {
    let full = Duration::try_from(failed_operations::shows_after()).unwrap();
    let by_operator = [
        ("the realm refuses connections", outage::shows_after(Fate::Unreached).await),
        ("the realm does not answer", outage::shows_after(Fate::Silent).await),
        ("the policy file in the pod is invalid", policy().await),
        ("the directory refuses a change, for example on a full volume", full),
    ];
    let shows = by_operator.map(|(trouble, after)| {
        let after = rounded_up(after);
        (trouble, Some(after), after + probe(), after + alert())
    });
    let by_cluster = [
        ("the container ends", None, KUBELET_RELIST, alert()),
        ("the node stops", None, NODE_GRACE + NODE_CHECK, SCRAPE_TIMEOUT + alert()),
    ];
    shows.into_iter().chain(by_cluster).collect()
}

#[tokio::test(start_paused = true)]
async fn trouble_shows_within_a_minute() {
    let page = read("docs/operations/delays.md");
    for (trouble, operator, pod, alert) in delays().await {
        let longest = operator.unwrap_or_default().max(pod).max(alert);
        assert!(longest <= MINUTE, "{trouble}: {longest} s");
        let operator = operator.map_or("no answer".to_owned(), |seconds| format!("{seconds} s"));
        let row = format!("| {trouble} | {operator} | {pod} s | {alert} s |");
        assert!(page.contains(&row), "docs/operations/delays.md lacks {row}");
    }
}

#[tokio::test(start_paused = true)]
async fn slower_parts_are_documented() {
    let page = read("docs/operations/delays.md");
    let policy = KUBELET_SYNC + rounded_up(policy().await);
    let alerts: Value = serde_saphyr::from_str(&read("charts/guestlist/files/alerts.yaml")).unwrap();
    let rules = alerts["groups"][0]["rules"].as_array().unwrap();
    let shown = ["GuestlistNoLeader", "GuestlistDirectoryUnavailable", "GuestlistPolicyUnreadable"];
    for name in shown {
        let rule = rules.iter().find(|rule| rule["alert"] == name).unwrap();
        assert_eq!(seconds(rule["for"].as_str().unwrap()), 5 * MINUTE, "{name}");
    }
    for words in [format!("up to {policy} seconds"), "fires five minutes later".to_owned()] {
        assert!(page.contains(&words), "docs/operations/delays.md lacks {words:?}");
    }
}
