//! The metrics and their names.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::cache::Kind;
use crate::directory::SignInGate;
use crate::engine::{EngineHealth, EngineStats};

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OperationLabels {
    operation: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct CallLabels {
    verb: &'static str,
    kind: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StateLabels {
    state: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct TaskLabels {
    task: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

/// The description of a metric.
pub struct Metric {
    /// The name, without the prefix `guestlist_` and without the suffix `_total` of counters.
    pub name: &'static str,
    /// True for a counter, false for a gauge.
    pub counter: bool,
    /// Its labels. Their values are a fixed set.
    pub labels: &'static str,
    /// The description for people.
    pub help: &'static str,
}

const fn counter(name: &'static str, labels: &'static str, help: &'static str) -> Metric {
    Metric { name, counter: true, labels, help }
}

const fn gauge(name: &'static str, labels: &'static str, help: &'static str) -> Metric {
    Metric { name, counter: false, labels, help }
}

const OPERATIONS: Metric = counter("directory_operations", "operation, result", "Operations on the directory");
const CALLS: Metric = counter("kube_requests", "verb, kind, result", "Calls to the Kubernetes API, watches apart");
const OBJECTS: Metric = gauge("objects", "kind", "Objects declared");
const QUEUED: Metric = gauge("workqueue_depth", "", "Objects waiting to be reconciled");
const GUESTS: Metric = gauge("live_guests", "", "Live guests in the directory");
const ORPHANS: Metric = gauge("orphans", "", "Live guests in the directory without a membership");
const MISSING: Metric = gauge(
    "missing_guests",
    "",
    "Memberships whose status says that they were admitted, without a record in the directory",
);
const PANICS: Metric = counter("task_panics", "task", "Tasks that ended in an internal error; each is tried again");
const READY: Metric = gauge("ready", "", "1 if the operator is ready");
const LEADING: Metric = gauge("leader", "", "1 if this process is the leader, 0 if it is a standby");

const SIGN_IN: Metric = gauge(
    "sign_in_gate",
    "state",
    "1 for the state of the directory's sign-in: MFA is enforced, open (not enforced) or unknown",
);

/// All metrics.
pub const METRICS: [Metric; 11] =
    [OPERATIONS, CALLS, PANICS, OBJECTS, QUEUED, GUESTS, ORPHANS, MISSING, READY, LEADING, SIGN_IN];

/// The values of all metrics.
pub struct Metrics {
    registry: Registry,
    operations: Family<OperationLabels, Counter>,
    calls: Family<CallLabels, Counter>,
    panics: Family<TaskLabels, Counter>,
    objects: Family<KindLabels, Gauge>,
    queued: Gauge,
    guests: Gauge,
    orphans: Gauge,
    missing: Gauge,
    ready: Gauge,
    leading: Gauge,
    sign_in: Family<StateLabels, Gauge>,
}

fn result(ok: bool) -> &'static str {
    if ok { "ok" } else { "error" }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("guestlist");
        let operations = Family::default();
        let calls = Family::default();
        let panics = Family::default();
        let objects = Family::default();
        let sign_in = Family::default();
        let [queued, guests, orphans, missing, ready, leading] = std::array::from_fn(|_| Gauge::default());
        registry.register(OPERATIONS.name, OPERATIONS.help, operations.clone());
        registry.register(CALLS.name, CALLS.help, calls.clone());
        registry.register(PANICS.name, PANICS.help, panics.clone());
        registry.register(OBJECTS.name, OBJECTS.help, objects.clone());
        registry.register(SIGN_IN.name, SIGN_IN.help, sign_in.clone());
        let plain = [
            (QUEUED, &queued),
            (GUESTS, &guests),
            (ORPHANS, &orphans),
            (MISSING, &missing),
            (READY, &ready),
            (LEADING, &leading),
        ];
        for (metric, gauge) in plain {
            registry.register(metric.name, metric.help, gauge.clone());
        }
        Self { registry, operations, calls, panics, objects, queued, guests, orphans, missing, ready, leading, sign_in }
    }
}

impl Metrics {
    /// Counts an operation on the directory.
    pub fn operation(&self, operation: &'static str, ok: bool) {
        self.operations.get_or_create(&OperationLabels { operation, result: result(ok) }).inc();
    }

    /// Counts a call to the API server.
    pub fn call(&self, verb: &'static str, kind: Kind, ok: bool) {
        self.calls.get_or_create(&CallLabels { verb, kind: kind.as_str(), result: result(ok) }).inc();
    }

    /// Counts tasks that panicked.
    pub fn panicked(&self, task: &'static str, times: u64) {
        if times > 0 {
            self.panics.get_or_create(&TaskLabels { task }).inc_by(times);
        }
    }

    /// Sets whether this process is the leader, and whether it is ready.
    pub fn lead(&self, leads: bool, ready: bool) {
        self.leading.set(i64::from(leads));
        self.ready.set(i64::from(ready));
    }

    /// Sets the gauges of the engine.
    pub fn measure(&self, stats: &EngineStats, health: &EngineHealth) {
        let whole = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        for (kind, count) in &stats.objects {
            self.objects.get_or_create(&KindLabels { kind: kind.as_str() }).set(whole(*count));
        }
        self.queued.set(whole(stats.queued));
        self.guests.set(whole(stats.live_guests));
        self.orphans.set(whole(health.orphans));
        self.missing.set(whole(health.missing_guests));
        self.ready.set(i64::from(health.missing().is_empty()));
        if health.directory {
            self.sign_in(&health.sign_in);
        }
    }

    /// Sets whether sign-in to the directory enforces MFA.
    pub fn sign_in(&self, gate: &SignInGate) {
        for state in SignInGate::STATES {
            self.sign_in.get_or_create(&StateLabels { state }).set(i64::from(state == gate.state()));
        }
    }

    /// All metrics in the OpenMetrics text format.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a String does not fail.
        if encode(&mut text, &self.registry).is_err() {
            text.clear();
        }
        text
    }
}
