//! The names, labels and descriptions of all metrics: one table for the code that writes them, for `docs/metrics.md`, and
//! for the tests of alerts and of the dashboard.

/// The type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// A number that only increases until the process restarts or another term begins.
    Counter,
    /// A present value.
    Gauge,
    /// The distribution of durations in seconds.
    Histogram,
}

impl MetricKind {
    /// The type in the documentation.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// The description of a metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// The name, without the prefix `guestlist_` and without the suffix `_total` of counters.
    pub name: &'static str,
    /// Its type.
    pub kind: MetricKind,
    /// Its labels. Their values are a fixed set.
    pub labels: &'static [&'static str],
    /// The description for people.
    pub help: &'static str,
}

impl Metric {
    /// The name as Prometheus shows it. A histogram has three: with the suffixes `_bucket`, `_sum` and `_count`.
    pub fn full_name(&self) -> String {
        let suffix = if self.kind == MetricKind::Counter { "_total" } else { "" };
        format!("guestlist_{}{suffix}", self.name)
    }
}

const fn metric(kind: MetricKind, name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind, labels, help }
}

macro_rules! metrics {
    ($($id:ident = $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        $(pub(super) const $id: Metric = metric(MetricKind::$kind, $name, &[$($label),*], $help);)*
        /// All metrics.
        pub const METRICS: &[Metric] = &[$($id),*];
    };
}

metrics! {
    READY = Gauge "ready" [] "1 if the operator is ready; a standby is";
    READINESS = Gauge "readiness_problem" ["reason"] "1 for each cause for not being ready";
    LEADER = Gauge "leader" [] "1 if this process is the leader, 0 if it is a standby";
    BUILD = Gauge "build_info" ["version"] "1, with the version of this process";
    RECONCILES = Histogram "reconcile_duration_seconds" ["kind", "outcome"] "Time from the start of a reconcile until the object has converged or the reconcile failed";
    RETRIES = Counter "reconcile_retries" ["kind"] "Reconciles of a key whose last reconcile failed";
    PANICS = Counter "task_panics" ["task"] "Tasks that ended in an internal error; each is tried again";
    QUEUED = Gauge "workqueue_depth" [] "Keys that wait for a reconcile";
    QUEUED_SINCE = Gauge "workqueue_oldest_key_timestamp_seconds" [] "Since when the oldest of them has waited; absent without any";
    FAILING = Gauge "workqueue_failing_keys" [] "Keys whose last reconcile failed";
    OBJECTS = Gauge "objects" ["kind"] "Declared objects";
    NOT_READY = Gauge "objects_not_ready" ["kind", "reason"] "Objects that are not Ready, by the reason of the condition; Unknown: no status yet";
    VIOLATIONS = Gauge "violations" ["kind", "reason"] "Broken rules in the statuses; a status lists the first 50";
    GUESTS = Gauge "guests" ["state"] "Memberships by state; Unknown: no status yet";
    EXPIRING = Gauge "guests_expiring_soon" [] "Memberships that end within 14 days";
    MFA_LOST = Gauge "guests_mfa_lost" [] "Live guests with an enabled login who lost their last MFA method";
    MFA_LOST_SINCE = Gauge "guests_mfa_lost_oldest_timestamp_seconds" [] "When the first of them lost it; absent without any";
    EFFECTIVE = Gauge "grants_effective" [] "Grants that guests can use now; a status lists the first 100";
    WITHHELD = Gauge "grants_withheld" ["reason"] "Grants that the specs ask for and that are withheld now; a status lists the first 100";
    INVITATIONS_DUE = Gauge "invitations_due" [] "Memberships that wait for their turn to send an invitation (InvitationLimit, MailInterval)";
    INVITATIONS_FAILED = Gauge "invitations_failed" [] "Memberships whose invitation could not be sent (MailNotSent)";
    LIVE_GUESTS = Gauge "live_guests" [] "Live guests in the directory";
    ORPHANS = Gauge "orphans" [] "Live guests in the directory without a membership";
    HELD_REMOVALS = Gauge "held_removals" [] "Orphans that keep their access, because there are too many (TooManyOrphans)";
    MISSING = Gauge "missing_guests" [] "Memberships whose status says that they were admitted, without a record in the directory";
    SIGN_IN = Gauge "sign_in_gate" ["state"] "1 for the state of the directory's sign-in: MFA is enforced, open (not enforced) or unknown";
    OPERATIONS = Counter "directory_operations" ["operation", "result"] "Operations on the directory";
    OPERATION_SECONDS = Histogram "directory_operation_duration_seconds" ["operation"] "Duration of operations on the directory";
    READ_AT = Gauge "directory_last_read_timestamp_seconds" [] "When the directory was last read in full; absent before the first time";
    WARNINGS = Gauge "directory_warnings" [] "Problems of the directory that stop no operation; the readiness page lists them";
    KEYCLOAK = Counter "keycloak_requests" ["request", "result"] "Requests to Keycloak; POST token: requests for an access token";
    KEYCLOAK_SECONDS = Histogram "keycloak_request_duration_seconds" ["request"] "Duration of requests to Keycloak, without the wait for the rate limit";
    KUBE = Counter "kube_requests" ["verb", "kind", "result"] "Requests to the Kubernetes API";
    KUBE_SECONDS = Histogram "kube_request_duration_seconds" ["verb", "kind"] "Time until the response to a request to the Kubernetes API begins";
}
