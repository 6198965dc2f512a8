//! Leader election: one leader and its standbys use a Lease in the operator's namespace. The leader fences itself: it
//! checks [`LeaseTerm::left`] before every write, and no call may last longer than that. A process that was frozen
//! between the check and the call may still write. The object's resourceVersion and the directory's epoch refuse such a
//! write.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::Client;
use kube::api::{Api, PostParams};

use super::error::describe;
use crate::executor::lease_term::LeaseTerm;
use crate::util::clock::Clock;

/// Longest pause of a candidate between two checks.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);

/// The settings of a Lease.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The namespace. Default: the namespace of the operator.
    pub namespace: Option<String>,
    /// The name. An operator and its standbys use the same.
    pub name: String,
    /// The holder's identity: a pod's name. A new process of the same pod takes over the Lease at once.
    pub holder: String,
    /// The time from the last renewal until the Lease expires.
    pub duration: Duration,
}

/// A candidate for the Lease. It becomes the leader when [`Candidate::wait`] returns.
pub struct Candidate {
    leases: Api<Lease>,
    settings: Settings,
    namespace: String,
    clock: Clock,
}

/// A Lease that this process holds.
pub struct HeldLease {
    candidate: Candidate,
    lease: Lease,
    /// The term of the Lease.
    pub term: LeaseTerm,
}

/// The state of a Lease as a candidate sees it.
#[derive(Debug, PartialEq, Eq)]
enum LeaseState {
    /// The Lease has no holder, an expired holder, or an earlier process of this pod as its holder.
    Free,
    /// Another process holds the Lease.
    HeldBy(String),
}

/// `unchanged`: how long this process has seen the Lease in this version. The holder's own times come from another
/// clock.
fn lease_state(spec: &LeaseSpec, me: &str, unchanged: Duration, default: Duration) -> LeaseState {
    let holder = spec.holder_identity.as_deref().unwrap_or_default();
    let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    let lasts = seconds.map_or(default, Duration::from_secs);
    if holder.is_empty() || holder == me || unchanged > lasts {
        LeaseState::Free
    } else {
        LeaseState::HeldBy(holder.to_owned())
    }
}

/// Whether this process still holds the Lease, without another holder in between.
fn is_same_term(now: &LeaseSpec, held: &LeaseSpec) -> bool {
    let whose = |spec: &LeaseSpec| (spec.holder_identity.clone(), spec.lease_transitions, spec.acquire_time.clone());
    whose(now) == whose(held)
}

impl Candidate {
    /// Creates a candidate for a Lease.
    pub fn new(client: &Client, settings: Settings, clock: Clock) -> Self {
        let namespace = settings.namespace.clone().unwrap_or_else(|| client.default_namespace().to_owned());
        Self { leases: Api::namespaced(client.clone(), &namespace), settings, namespace, clock }
    }

    /// Waits until this process holds the Lease. Calls `tell` each time the obstacle changes: `Err` with an error of
    /// the API server, or `Ok` with the current leader.
    pub async fn wait(self, mut tell: impl FnMut(Result<&str, &str>)) -> HeldLease {
        let mut reported = None;
        let mut seen: Option<(Lease, tokio::time::Instant)> = None;
        loop {
            let outcome = self.attempt(&mut seen).await;
            let outcome = match outcome {
                Ok(Ok((lease, term))) => return HeldLease { candidate: self, lease, term },
                Ok(Err(holder)) => Ok(holder),
                Err(problem) => Err(problem),
            };
            if reported.as_ref() != Some(&outcome) {
                tell(outcome.as_deref().map_err(String::as_str));
                reported = Some(outcome);
            }
            tokio::time::sleep(self.pace().min(CHECK_INTERVAL)).await;
        }
    }

    /// Checks once, and takes a free Lease. The inner error names the leader.
    async fn attempt(
        &self,
        seen: &mut Option<(Lease, tokio::time::Instant)>,
    ) -> Result<Result<(Lease, LeaseTerm), String>, String> {
        let current = self.call("read", self.leases.get_opt(&self.settings.name)).await?;
        let Some(current) = current else {
            let began = self.now();
            let created = self.call("create", self.leases.create(&PostParams::default(), &self.record(None))).await?;
            return Ok(Ok((created, self.term(began))));
        };
        let since = match seen {
            Some((known, since)) if *known == current => *since,
            _ => {
                let now = tokio::time::Instant::now();
                *seen = Some((current.clone(), now));
                now
            }
        };
        let spec = current.spec.clone().unwrap_or_default();
        match lease_state(&spec, &self.settings.holder, since.elapsed(), self.settings.duration) {
            LeaseState::HeldBy(holder) => Ok(Err(holder)),
            LeaseState::Free => {
                let began = self.now();
                let taken = self.replace(self.record(Some(&current))).await?;
                Ok(Ok((taken, self.term(began))))
            }
        }
    }

    fn now(&self) -> (Instant, Timestamp) {
        (Instant::now(), self.clock.now())
    }

    fn term(&self, began: (Instant, Timestamp)) -> LeaseTerm {
        let term = LeaseTerm::lasting(self.settings.duration, self.clock.clone());
        term.renew(began);
        term
    }

    /// Interval between two renewals.
    fn pace(&self) -> Duration {
        self.settings.duration / 5
    }

    /// The Lease with this process as its holder, based on the current one.
    fn record(&self, current: Option<&Lease>) -> Lease {
        // The API server stores this precision, so that the stored time equals the sent one.
        let now = self.clock.now();
        let now = MicroTime(Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now));
        let before = current.and_then(|lease| lease.spec.clone()).unwrap_or_default();
        let ours = before.holder_identity.as_ref() == Some(&self.settings.holder);
        let transitions = before.lease_transitions.unwrap_or_default();
        let seconds = i32::try_from(self.settings.duration.as_secs()).unwrap_or(i32::MAX);
        Lease {
            metadata: current.map_or_else(
                || ObjectMeta { name: Some(self.settings.name.clone()), ..ObjectMeta::default() },
                |lease| lease.metadata.clone(),
            ),
            spec: Some(LeaseSpec {
                holder_identity: Some(self.settings.holder.clone()),
                lease_duration_seconds: Some(seconds),
                acquire_time: before.acquire_time.clone().filter(|_| ours).or_else(|| Some(now.clone())),
                renew_time: Some(now),
                lease_transitions: Some(if current.is_some() && !ours { transitions + 1 } else { transitions }),
                ..before
            }),
        }
    }

    /// Replaces the Lease at the resourceVersion that was read: a concurrent write wins.
    async fn replace(&self, lease: Lease) -> Result<Lease, String> {
        self.call("update", self.leases.replace(&self.settings.name, &PostParams::default(), &lease)).await
    }

    async fn call<T>(&self, verb: &str, call: impl Future<Output = kube::Result<T>>) -> Result<T, String> {
        let what = format!("the Lease {}/{}", self.namespace, self.settings.name);
        match tokio::time::timeout(self.settings.duration / 3, call).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(kube::Error::Api(status))) if status.code == 403 => {
                Err(format!("not allowed to {verb} {what}: {}; the chart's Role has what is needed", status.message))
            }
            Ok(Err(kube::Error::Api(status))) if status.code == 404 => {
                Err(format!("failed to {verb} {what}: {}; --lease-namespace names another namespace", status.message))
            }
            Ok(Err(error)) => Err(format!("failed to {verb} {what}: {}", describe(&error))),
            Err(_) => Err(format!("failed to {verb} {what}: the API server does not answer")),
        }
    }
}

impl HeldLease {
    /// Renews the Lease. Returns the reason when another process holds it. If the API server does not answer, the Lease
    /// expires, but this process may get it again. Until then it runs only tasks that need no term.
    pub async fn hold(&mut self) -> String {
        let mut over = false;
        loop {
            tokio::time::sleep(self.candidate.pace()).await;
            let began = self.candidate.now();
            let renewed = self.candidate.record(Some(&self.lease));
            match self.candidate.replace(renewed).await {
                Ok(lease) => {
                    self.lease = lease;
                    self.term.renew(began);
                    if over {
                        tracing::info!("the Lease is renewed");
                    }
                    over = false;
                }
                Err(problem) => {
                    tracing::debug!("{problem}");
                    if let Some(taken) = self.try_acquire().await {
                        return taken;
                    }
                    if self.term.left().is_zero() && !over {
                        tracing::warn!("{problem}; the Lease has expired: nothing is granted until it is renewed");
                        over = true;
                    }
                }
            }
        }
    }

    /// Reads the Lease after a failed renewal. A renewal with a lost answer may have succeeded, so the Lease is not
    /// lost while this process is still its holder.
    async fn try_acquire(&mut self) -> Option<String> {
        let name = &self.candidate.settings.name;
        let current = self.candidate.call("read", self.candidate.leases.get_opt(name)).await.ok()?;
        let Some(current) = current else { return Some("it was deleted".to_owned()) };
        let (now, held) = (current.spec.as_ref(), self.lease.spec.as_ref());
        if !now.zip(held).is_some_and(|(now, held)| is_same_term(now, held)) {
            let holder = current.spec.and_then(|spec| spec.holder_identity).unwrap_or_default();
            return Some(format!("held by {holder:?} now"));
        }
        self.lease = current;
        None
    }

    /// Releases the Lease, so that a standby does not have to wait.
    pub async fn release(self) {
        if self.term.left().is_zero() {
            return;
        }
        let mut lease = self.candidate.record(Some(&self.lease));
        if let Some(spec) = lease.spec.as_mut() {
            spec.holder_identity = Some(String::new());
        }
        if let Err(problem) = self.candidate.replace(lease).await {
            tracing::warn!("{problem}; a standby waits until it expires");
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    fn held(holder: &str, seconds: Option<i32>) -> LeaseSpec {
        LeaseSpec { holder_identity: Some(holder.to_owned()), lease_duration_seconds: seconds, ..LeaseSpec::default() }
    }

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn a_lease_that_its_holder_renews_is_not_taken() {
        let spec = held("a", Some(15));
        assert_eq!(lease_state(&spec, "b", Duration::ZERO, 3 * S), LeaseState::HeldBy("a".to_owned()));
        assert_eq!(lease_state(&spec, "b", 15 * S, 3 * S), LeaseState::HeldBy("a".to_owned()));
    }

    #[test]
    fn lease_unchanged_beyond_its_duration_is_free_at_any_timestamp() {
        let mut spec = held("a", Some(15));
        spec.renew_time = Some(MicroTime(Timestamp::MAX));
        assert_eq!(lease_state(&spec, "b", 16 * S, 3 * S), LeaseState::Free);
        spec.renew_time = Some(MicroTime(Timestamp::MIN));
        assert_eq!(lease_state(&spec, "b", S, 3 * S), LeaseState::HeldBy("a".to_owned()));
        assert_eq!(lease_state(&held("a", None), "b", 4 * S, 3 * S), LeaseState::Free);
    }

    #[test]
    fn released_lease_or_lease_of_earlier_process_of_pod_is_free() {
        assert_eq!(lease_state(&LeaseSpec::default(), "b", Duration::ZERO, S), LeaseState::Free);
        assert_eq!(lease_state(&held("", Some(15)), "b", Duration::ZERO, S), LeaseState::Free);
        assert_eq!(lease_state(&held("b", Some(15)), "b", Duration::ZERO, S), LeaseState::Free);
    }

    #[test]
    fn own_late_renewal_keeps_lease_and_interim_holder_ends_it() {
        let ours = LeaseSpec {
            lease_transitions: Some(3),
            renew_time: Some(MicroTime(Timestamp::MIN)),
            ..held("a", Some(15))
        };
        let renewed = LeaseSpec { renew_time: Some(MicroTime(Timestamp::MAX)), ..ours.clone() };
        assert!(is_same_term(&renewed, &ours));
        assert!(!is_same_term(&LeaseSpec { holder_identity: Some("b".to_owned()), ..renewed.clone() }, &ours));
        assert!(!is_same_term(&LeaseSpec { lease_transitions: Some(5), ..renewed.clone() }, &ours));
        assert!(!is_same_term(&LeaseSpec { acquire_time: Some(MicroTime(Timestamp::MAX)), ..renewed }, &ours));
    }

    #[test]
    fn a_term_ends_by_either_clock() {
        let term = LeaseTerm::lasting(15 * S, Clock::new(|| Timestamp::UNIX_EPOCH));
        assert!(term.left() > 14 * S);
        // By the wall clock more time has passed: the machine slept.
        term.renew((Instant::now(), Timestamp::UNIX_EPOCH - SignedDuration::from_secs(20)));
        assert_eq!(term.left(), Duration::ZERO);
        // The wall clock was set back: the monotonic clock continues.
        let earlier = Instant::now().checked_sub(20 * S).unwrap_or_else(Instant::now);
        term.renew((earlier, Timestamp::UNIX_EPOCH + SignedDuration::from_secs(100)));
        assert_eq!(term.left(), Duration::ZERO);
    }
}
