//! The gauges of the engine's facts. They are written at each scrape from the latest [`EngineStats`]. A standby has none.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet};
use prometheus_client::metrics::MetricType;

use super::table::{self, Metric};
use crate::cache::{Kind, StatusFact};
use crate::domain::Reason;
use crate::engine::EngineStats;
use crate::plan::State;

/// The label of a reason that the status does not have, or that this version does not know.
const UNKNOWN: &str = "Unknown";

/// The latest facts of the engine. `None`: this process is not the leader.
#[derive(Debug, Default)]
pub(super) struct EngineFacts(Mutex<Option<EngineStats>>);

impl EngineFacts {
    /// Replaces the facts.
    pub(super) fn set(&self, stats: Option<EngineStats>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = stats;
    }
}

impl Collector for EngineFacts {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let stats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stats.as_ref().map_or(Ok(()), |stats| Page { encoder, stats }.write())
    }
}

/// The facts while they are written.
struct Page<'e, 's> {
    encoder: DescriptorEncoder<'e>,
    stats: &'s EngineStats,
}

impl Page<'_, '_> {
    fn write(mut self) -> fmt::Result {
        let stats = self.stats;
        self.family(&table::OBJECTS, stats.objects.iter().map(|(kind, count)| ([("kind", kind.as_str())], *count)))?;
        self.single(&table::QUEUED, stats.queued)?;
        self.instant(&table::QUEUED_SINCE, stats.queued_since)?;
        self.single(&table::FAILING, stats.failing)?;
        self.single(&table::LIVE_GUESTS, stats.live_guests)?;
        self.single(&table::MFA_LOST, stats.mfa_lost)?;
        self.instant(&table::MFA_LOST_SINCE, stats.mfa_lost_since)?;
        self.instant(&table::READ_AT, stats.directory_read_at)?;
        self.statuses()
    }

    /// The facts that the statuses report.
    fn statuses(&mut self) -> fmt::Result {
        let stats = self.stats;
        let states = State::ALL.map(|state| Some(state.reason())).into_iter().chain([None]);
        let guests =
            states.map(|state| ([("state", label(state))], self.count(Kind::Membership, StatusFact::State(state))));
        self.family(&table::GUESTS, guests.collect::<Vec<_>>())?;
        let counts = || stats.status_counts.iter();
        let not_ready = counts().filter_map(|((kind, fact), count)| {
            let StatusFact::NotReady(reason) = fact else { return None };
            Some(([("kind", kind.as_str()), ("reason", label(*reason))], *count))
        });
        self.family(&table::NOT_READY, not_ready)?;
        let violations = counts().filter_map(|((kind, fact), count)| {
            let StatusFact::Violation(reason) = fact else { return None };
            Some(([("kind", kind.as_str()), ("reason", label(*reason))], *count))
        });
        self.family(&table::VIOLATIONS, violations)?;
        let withheld = counts().filter_map(|((_, fact), count)| {
            let StatusFact::WithheldGrant(reason) = fact else { return None };
            Some(([("reason", label(*reason))], *count))
        });
        self.family(&table::WITHHELD, withheld)?;
        self.single(&table::EFFECTIVE, self.count(Kind::Membership, StatusFact::EffectiveGrant))?;
        self.single(&table::EXPIRING, self.count(Kind::Membership, StatusFact::ExpiringSoon))?;
        let waits = |reason| self.count(Kind::Membership, StatusFact::NotReady(Some(reason)));
        let (due, failed) = (waits(Reason::InvitationLimit) + waits(Reason::MailInterval), waits(Reason::MailNotSent));
        self.single(&table::INVITATIONS_DUE, due)?;
        self.single(&table::INVITATIONS_FAILED, failed)
    }

    fn count(&self, kind: Kind, fact: StatusFact) -> usize {
        self.stats.status_counts.get(&(kind, fact)).copied().unwrap_or_default()
    }

    fn single(&mut self, metric: &Metric, value: usize) -> fmt::Result {
        let mut encoder = self.encoder.encode_descriptor(metric.name, metric.help, None, MetricType::Gauge)?;
        encoder.encode_gauge(&whole(value))
    }

    fn instant(&mut self, metric: &Metric, instant: Option<Timestamp>) -> fmt::Result {
        let Some(instant) = instant else { return Ok(()) };
        let mut encoder = self.encoder.encode_descriptor(metric.name, metric.help, None, MetricType::Gauge)?;
        encoder.encode_gauge(&instant.as_second())
    }

    fn family<L: EncodeLabelSet>(
        &mut self,
        metric: &Metric,
        values: impl IntoIterator<Item = (L, usize)>,
    ) -> fmt::Result {
        let mut encoder = self.encoder.encode_descriptor(metric.name, metric.help, None, MetricType::Gauge)?;
        for (labels, value) in values {
            encoder.encode_family(&labels)?.encode_gauge(&whole(value))?;
        }
        Ok(())
    }
}

fn label(reason: Option<Reason>) -> &'static str {
    reason.map_or(UNKNOWN, Reason::as_str)
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
