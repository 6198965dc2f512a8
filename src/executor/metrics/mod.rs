//! The values of all metrics. Counters of the hot path are atomic. The gauges of the engine's facts come from the latest
//! [`EngineStats`].

mod collector;
mod table;

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{self, Registry};

use crate::directory::{CallReport, Error, Operation, SignInGate};
use crate::engine::{EngineHealth, EngineStats, ReadinessProblem, Reconcile};
use collector::EngineFacts;
pub use table::{METRICS, Metric, MetricKind};

/// The upper bounds of the histograms' buckets in seconds: from a write to SQLite to the deadline of a mail.
const BUCKETS: [f64; 13] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// The tasks whose panics are counted: plans, tasks of the engine, and the sources of its inputs.
pub const TASKS: [&str; 5] = ["plan", "execute", "watch", "directory", "policy"];

/// Declares the labels of a metric. Their values are constants of the code.
macro_rules! labels {
    ($($name:ident { $($label:ident),* })*) => {
        $(#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
        struct $name {
            $($label: &'static str),*
        })*
    };
}

labels! {
    OperationLabels { operation, result }
    OperationName { operation }
    RequestLabels { request, result }
    RequestName { request }
    KubeLabels { verb, kind, result }
    VerbLabels { verb, kind }
    ReconcileLabels { kind, outcome }
    KindLabels { kind }
    StateLabels { state }
    TaskLabels { task }
    ReasonLabels { reason }
    BuildLabels { version }
}

/// A histogram for each value of the labels.
type Durations<L> = Family<L, Histogram, fn() -> Histogram>;

fn durations<L: Clone + std::hash::Hash + Eq>() -> Durations<L> {
    Family::new_with_constructor(|| Histogram::new(BUCKETS))
}

/// The values of all metrics.
pub struct Metrics {
    registry: Registry,
    facts: Arc<EngineFacts>,
    operations: Family<OperationLabels, Counter>,
    operation_seconds: Durations<OperationName>,
    keycloak: Family<RequestLabels, Counter>,
    keycloak_seconds: Durations<RequestName>,
    kube: Family<KubeLabels, Counter>,
    kube_seconds: Durations<VerbLabels>,
    reconciles: Durations<ReconcileLabels>,
    retries: Family<KindLabels, Counter>,
    panics: Family<TaskLabels, Counter>,
    ready: Gauge,
    leader: Gauge,
    problems: Family<ReasonLabels, Gauge>,
    orphans: Gauge,
    held: Gauge,
    missing: Gauge,
    warnings: Gauge,
    sign_in: Family<StateLabels, Gauge>,
}

/// Registers metrics under their names in the table.
struct Registration(Registry);

impl Registration {
    fn add<M: registry::Metric + Clone>(&mut self, metric: &Metric, value: M) -> M {
        self.0.register(metric.name, metric.help, value.clone());
        value
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut all = Registration(Registry::with_prefix("guestlist"));
        let facts = Arc::new(EngineFacts::default());
        let build = all.add(&table::BUILD, Family::<BuildLabels, Gauge>::default());
        build.get_or_create(&BuildLabels { version: env!("CARGO_PKG_VERSION") }).set(1);
        let metrics = Self {
            operations: all.add(&table::OPERATIONS, Family::default()),
            operation_seconds: all.add(&table::OPERATION_SECONDS, durations()),
            keycloak: all.add(&table::KEYCLOAK, Family::default()),
            keycloak_seconds: all.add(&table::KEYCLOAK_SECONDS, durations()),
            kube: all.add(&table::KUBE, Family::default()),
            kube_seconds: all.add(&table::KUBE_SECONDS, durations()),
            reconciles: all.add(&table::RECONCILES, durations()),
            retries: all.add(&table::RETRIES, Family::default()),
            panics: all.add(&table::PANICS, Family::default()),
            ready: all.add(&table::READY, Gauge::default()),
            leader: all.add(&table::LEADER, Gauge::default()),
            problems: all.add(&table::READINESS, Family::default()),
            orphans: all.add(&table::ORPHANS, Gauge::default()),
            held: all.add(&table::HELD_REMOVALS, Gauge::default()),
            missing: all.add(&table::MISSING, Gauge::default()),
            warnings: all.add(&table::WARNINGS, Gauge::default()),
            sign_in: all.add(&table::SIGN_IN, Family::default()),
            facts: facts.clone(),
            registry: Registry::default(),
        };
        all.0.register_collector(Box::new(facts));
        metrics.readiness(&EngineHealth::default());
        metrics.begin();
        Self { registry: all.0, ..metrics }
    }
}

impl Metrics {
    /// Begins counters at zero. Prometheus does not see the first increase of a counter that begins at one.
    fn begin(&self) {
        for task in TASKS {
            drop(self.panics.get_or_create(&TaskLabels { task }));
        }
        for operation in Operation::NAMES {
            for result in ["ok"].into_iter().chain(Error::RESULTS) {
                drop(self.operations.get_or_create(&OperationLabels { operation, result }));
            }
        }
    }

    /// Counts an operation on the directory.
    pub fn operation(&self, operation: &'static str, result: &'static str, took: Duration) {
        self.operations.get_or_create(&OperationLabels { operation, result }).inc();
        self.operation_seconds.get_or_create(&OperationName { operation }).observe(took.as_secs_f64());
    }

    /// Counts a request to Keycloak.
    pub fn keycloak_request(&self, CallReport { endpoint: request, result, took }: CallReport) {
        self.keycloak.get_or_create(&RequestLabels { request, result }).inc();
        self.keycloak_seconds.get_or_create(&RequestName { request }).observe(took.as_secs_f64());
    }

    /// Counts a request to the Kubernetes API.
    pub fn kube_request(&self, verb: &'static str, kind: &'static str, result: &'static str, took: Duration) {
        self.kube.get_or_create(&KubeLabels { verb, kind, result }).inc();
        self.kube_seconds.get_or_create(&VerbLabels { verb, kind }).observe(took.as_secs_f64());
    }

    /// Counts a reconcile.
    pub fn reconciled(&self, reconcile: Reconcile) {
        let kind = reconcile.kind.map_or("GarbageCollection", |kind| kind.as_str());
        let labels = ReconcileLabels { kind, outcome: reconcile.outcome.as_str() };
        self.reconciles.get_or_create(&labels).observe(reconcile.took.as_secs_f64());
        if reconcile.retry {
            self.retries.get_or_create(&KindLabels { kind }).inc();
        }
    }

    /// Counts tasks that panicked.
    pub fn panicked(&self, task: &'static str, times: u64) {
        if times > 0 {
            self.panics.get_or_create(&TaskLabels { task }).inc_by(times);
        }
    }

    /// Sets whether this process is the leader. Facts of an earlier term are removed.
    pub fn lead(&self, leads: bool) {
        self.leader.set(i64::from(leads));
        self.facts.set(None);
        self.sign_in.clear();
    }

    /// Replaces the engine's facts.
    pub fn measure(&self, stats: EngineStats) {
        self.facts.set(Some(stats));
    }

    /// Sets the gauges of readiness.
    pub fn readiness(&self, health: &EngineHealth) {
        let whole = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let problems = health.readiness_problems();
        for problem in ReadinessProblem::ALL {
            let present = problems.contains(&problem);
            self.problems.get_or_create(&ReasonLabels { reason: problem.as_str() }).set(i64::from(present));
        }
        self.ready.set(i64::from(health.missing().is_empty()));
        self.orphans.set(whole(health.orphans));
        self.held.set(whole(health.held_removals()));
        self.missing.set(whole(health.missing_guests));
        self.warnings.set(whole(health.warnings.len()));
        if health.directory {
            self.sign_in(&health.sign_in);
        }
    }

    /// Sets whether sign-in to the directory enforces MFA.
    fn sign_in(&self, gate: &SignInGate) {
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
