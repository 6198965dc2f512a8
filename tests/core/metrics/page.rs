//! The page of metrics has what the table says, and no more.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use guestlist::cache::{Collection, Kind, StatusFact};
use guestlist::directory::{CallReport, SignInGate};
use guestlist::domain::Reason;
use guestlist::engine::{EngineHealth, EngineStats, ReadinessProblem, Reconcile, ReconcileOutcome};
use guestlist::executor::metrics::{METRICS, MetricKind, Metrics};
use jiff::{SignedDuration, Timestamp};

/// Each sample as its name, the names of its labels, and its value.
pub fn samples(page: &str) -> Vec<(String, BTreeMap<String, String>, String)> {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    let sample = |line: &str| {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let labels = labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty());
        let label = |label: &str| {
            let (name, value) = label.split_once('=').unwrap();
            (name.to_owned(), value.trim_matches('"').to_owned())
        };
        (name.to_owned(), labels.map(label).collect(), value.to_owned())
    };
    lines.map(sample).collect()
}

fn stats() -> EngineStats {
    let facts = [
        (Kind::Membership, StatusFact::State(Some(Reason::Active)), 5),
        (Kind::Membership, StatusFact::State(None), 1),
        (Kind::Membership, StatusFact::NotReady(Some(Reason::MailNotSent)), 2),
        (Kind::Membership, StatusFact::NotReady(Some(Reason::InvitationLimit)), 3),
        (Kind::Membership, StatusFact::NotReady(Some(Reason::MailInterval)), 4),
        (Kind::Partner, StatusFact::NotReady(None), 1),
        (Kind::Share, StatusFact::Violation(Some(Reason::SharerNotHostAdmin)), 2),
        (Kind::Membership, StatusFact::EffectiveGrant, 7),
        (Kind::Membership, StatusFact::WithheldGrant(Some(Reason::MfaNotEnrolled)), 6),
        (Kind::Membership, StatusFact::ExpiringSoon, 2),
    ];
    EngineStats {
        objects: Kind::ALL.map(|kind| (kind, 10)).into(),
        status_counts: facts.map(|(kind, fact, count)| ((kind, fact), count)).into(),
        queued: 3,
        queued_since: Some(Timestamp::from_second(1_800_000_000).unwrap()),
        failing: 1,
        live_guests: 9,
        mfa_lost: 2,
        mfa_lost_since: Some(Timestamp::from_second(1_700_000_000).unwrap()),
        directory_read_at: Some(Timestamp::from_second(1_800_000_001).unwrap()),
        planner_panics: 0,
    }
}

/// Metrics of a leader in which each metric has a value.
fn leader() -> Metrics {
    let (metrics, took) = (Metrics::default(), Duration::from_millis(20));
    metrics.operation("grant", "ok", took);
    metrics.operation("invite_guest", "unsent", took);
    metrics.keycloak_request(CallReport { endpoint: "POST token", result: "ok", took });
    metrics.kube_request("patch", "GuestMembership", "ok", took);
    let took = SignedDuration::from_millis(30);
    let reconcile = Reconcile { kind: Some(Kind::Share), outcome: ReconcileOutcome::Failed, took, retry: true };
    metrics.reconciled(reconcile);
    metrics.reconciled(Reconcile { kind: None, outcome: ReconcileOutcome::Converged, took, retry: false });
    metrics.panicked("plan", 2);
    metrics.lead(true);
    metrics.measure(stats());
    let mut health = EngineHealth { directory: true, orphans: 4, ..EngineHealth::default() };
    health.sign_in = SignInGate::Open(vec!["a flow".to_owned()]);
    health.problems.insert("TooManyOrphans", "4 of 9".to_owned());
    metrics.readiness(&health);
    metrics
}

#[test]
fn page_has_exactly_the_metrics_and_labels_of_the_table() {
    let page = leader().text();
    let mut seen: BTreeMap<String, BTreeSet<Vec<String>>> = BTreeMap::new();
    for (name, labels, _) in samples(&page) {
        let names = labels.into_keys().filter(|label| label != "le").collect();
        seen.entry(name).or_default().insert(names);
    }
    let mut wanted = BTreeMap::new();
    for metric in METRICS {
        let mut labels: Vec<String> = metric.labels.iter().map(|label| (*label).to_owned()).collect();
        labels.sort();
        let suffixes: &[&str] =
            if metric.kind == MetricKind::Histogram { &["_bucket", "_count", "_sum"] } else { &[""] };
        for suffix in suffixes {
            wanted.insert(metric.full_name() + suffix, BTreeSet::from([labels.clone()]));
        }
    }
    assert_eq!(seen, wanted);
    assert!(page.ends_with("# EOF\n"), "{page}");
}

#[test]
fn values_of_page_are_those_of_the_facts() {
    let page = leader().text();
    for line in [
        "guestlist_objects{kind=\"GuestMembership\"} 10",
        "guestlist_guests{state=\"Active\"} 5",
        "guestlist_guests{state=\"Invited\"} 0",
        "guestlist_guests{state=\"Unknown\"} 1",
        "guestlist_objects_not_ready{kind=\"LocalPartner\",reason=\"Unknown\"} 1",
        "guestlist_objects_not_ready{kind=\"GuestMembership\",reason=\"MailInterval\"} 4",
        "guestlist_violations{kind=\"AccountShare\",reason=\"SharerNotHostAdmin\"} 2",
        "guestlist_grants_effective 7",
        "guestlist_grants_withheld{reason=\"MfaNotEnrolled\"} 6",
        "guestlist_guests_expiring_soon 2",
        "guestlist_invitations_due 7",
        "guestlist_invitations_failed 2",
        "guestlist_workqueue_oldest_key_timestamp_seconds 1800000000",
        "guestlist_held_removals 4",
        "guestlist_readiness_problem{reason=\"TooManyOrphans\"} 1",
        "guestlist_readiness_problem{reason=\"Starting\"} 0",
        "guestlist_ready 0",
        "guestlist_reconcile_retries_total{kind=\"AccountShare\"} 1",
        "guestlist_reconcile_duration_seconds_count{kind=\"GarbageCollection\",outcome=\"converged\"} 1",
        "guestlist_directory_operations_total{operation=\"revoke\",result=\"ok\"} 0",
        "guestlist_task_panics_total{task=\"watch\"} 0",
    ] {
        assert!(page.contains(&format!("\n{line}\n")), "{line}: {page}");
    }
}

#[test]
fn standby_has_no_facts_and_keeps_its_counters() {
    let metrics = leader();
    metrics.lead(false);
    metrics.readiness(&EngineHealth { led_by: Some("a".to_owned()), ..EngineHealth::default() });
    let page = metrics.text();
    for absent in ["guests{", "objects{", "workqueue", "grants", "sign_in_gate"] {
        assert!(!page.contains(&format!("\nguestlist_{absent}")), "{absent}: {page}");
    }
    for line in [
        "guestlist_leader 0",
        "guestlist_ready 1",
        "guestlist_orphans 0",
        "guestlist_task_panics_total{task=\"plan\"} 2",
    ] {
        assert!(page.contains(&format!("\n{line}\n")), "{line}: {page}");
    }
}

#[test]
fn each_problem_of_readiness_has_its_gauge() {
    let ready = || EngineHealth { directory: true, ..EngineHealth::default() };
    let with = |subject: &'static str| {
        let mut health = ready();
        health.problems.insert(subject, "a problem".to_owned());
        health
    };
    let unwritable = EngineHealth { write_problem: Some("disk full".to_owned()), ..ready() };
    let collection = || Collection { kind: Kind::Membership, namespace: Some("team-a".into()) };
    let unwatched = EngineHealth { watch_problems: [(collection(), "a problem".to_owned())].into(), ..ready() };
    let unlisted = EngineHealth { unlisted: [collection()].into(), ..ready() };
    let starting = EngineHealth { directory: false, ..ready() };
    assert_eq!(ready().readiness_problems(), BTreeSet::new());
    for (health, problem) in [
        (with("DirectoryUnavailable"), ReadinessProblem::DirectoryUnavailable),
        (unwritable, ReadinessProblem::DirectoryUnavailable),
        (with("DirectoryBehind"), ReadinessProblem::DirectoryBehind),
        (with("PolicyUnreadable"), ReadinessProblem::PolicyUnreadable),
        (with("TooManyOrphans"), ReadinessProblem::TooManyOrphans),
        (unwatched, ReadinessProblem::WatchFailed),
        (unlisted, ReadinessProblem::Starting),
        (with("API server"), ReadinessProblem::ApiServerUnavailable),
        (with("Lease"), ReadinessProblem::LeaseUnavailable),
        (starting, ReadinessProblem::Starting),
    ] {
        assert_eq!(health.readiness_problems(), BTreeSet::from([problem]), "{health:?}");
        assert!(!health.missing().is_empty(), "{health:?}");
    }
}

#[test]
fn operation_names_and_tasks_begin_at_zero() {
    use guestlist::directory::{Error, Operation};
    let page = Metrics::default().text();
    for operation in Operation::NAMES {
        for result in ["ok"].into_iter().chain(Error::RESULTS) {
            let name = "guestlist_directory_operations_total";
            let line = format!("{name}{{operation=\"{operation}\",result=\"{result}\"}} 0\n");
            assert!(page.contains(&line), "{line}{page}");
        }
    }
}

#[test]
fn labels_differ_from_those_of_a_service_monitor() {
    // Prometheus would rename a label that the target has too: `exported_endpoint`.
    let of_targets = ["namespace", "service", "pod", "container", "endpoint", "job", "instance", "node"];
    for metric in METRICS {
        assert!(metric.labels.iter().all(|label| !of_targets.contains(label)), "{metric:?}");
    }
}
