//! Keycloak's clock and guestlist's. Each time that Keycloak sends (of enrolments, of invitations) is converted to
//! guestlist's clock where it is read. No other code has to consider the difference.
//!
//! Keycloak's time is in the tokens that it issues, in whole seconds. It sends no `Date` header itself (measured on
//! 26.7.3); a proxy may add one.

use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::TimeSource;
use super::client::Client;

/// The uncertainty of a reading in whole seconds.
const PRECISION: SignedDuration = SignedDuration::from_secs(1);
/// The normal difference between synchronized clocks, which does not change the known one.
const SLACK: SignedDuration = SignedDuration::from_secs(1);
/// A difference of more than this is reported.
const REPORTED: SignedDuration = SignedDuration::from_secs(5);

/// The time by which guestlist's clock is ahead of Keycloak's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClockOffset(SignedDuration);

impl ClockOffset {
    /// The difference after a reading between two instants of guestlist's clock. If the reading allows it, the
    /// difference stays the same or becomes zero. A time that is read twice then has the same value.
    fn after(self, asked: Timestamp, answered: Timestamp, second: i64) -> Self {
        let Ok(theirs) = Timestamp::from_second(second) else { return self };
        let least = asked.duration_since(theirs).saturating_sub(PRECISION);
        let most = answered.duration_since(theirs);
        let fits = |it: &Self| (least.saturating_sub(SLACK)..=most.saturating_add(SLACK)).contains(&it.0);
        [self, Self::default()].into_iter().find(fits).unwrap_or_else(|| Self(least.saturating_add(most) / 2))
    }

    /// Converts an instant from Keycloak's clock to guestlist's, both in milliseconds since 1970.
    pub fn milliseconds(self, theirs: i64) -> i64 {
        theirs.saturating_add(i64::try_from(self.0.as_millis()).unwrap_or(0))
    }

    /// Converts an instant from guestlist's clock to Keycloak's, both in milliseconds since 1970.
    pub fn to_keycloak(self, ours: i64) -> i64 {
        ours.saturating_sub(i64::try_from(self.0.as_millis()).unwrap_or(0))
    }

    /// Converts an instant from Keycloak's clock to guestlist's, both in seconds since 1970.
    pub fn seconds(self, theirs: i64) -> i64 {
        theirs.saturating_add(self.0.as_secs())
    }

    /// The warning about the difference, if it is large enough.
    fn warning(self) -> Option<String> {
        let ahead = if self.0.is_negative() { "behind" } else { "ahead of" };
        let size = SignedDuration::from_secs(self.0.abs().as_secs());
        (size > REPORTED).then(|| {
            format!(
                "the clock of guestlist is {size:#} {ahead} the clock of Keycloak: times of Keycloak are translated. Synchronize \
                 both clocks: an annotation such as guestlist.dev/reset-mfa is compared with the clock of guestlist"
            )
        })
    }
}

/// guestlist's clock, and its difference from Keycloak's.
pub struct ServerClock {
    /// `None`: Keycloak's times need no conversion.
    ours: Option<TimeSource>,
    known: Mutex<ClockOffset>,
}

impl ServerClock {
    /// Compares Keycloak's clock with guestlist's.
    pub fn new(ours: TimeSource) -> Self {
        Self { ours: Some(ours), known: Mutex::default() }
    }

    /// Uses Keycloak's times without conversion.
    pub fn same() -> Self {
        Self { ours: None, known: Mutex::default() }
    }

    /// The difference according to the latest reading.
    pub fn difference(&self, client: &Client) -> ClockOffset {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (Some(ours), Some(reading)) = (&self.ours, client.clock_reading()) else { return *known };
        let now = ours();
        let ago = |at: Instant| SignedDuration::try_from(at.elapsed()).ok().and_then(|past| now.checked_sub(past).ok());
        let (Some(asked), Some(answered)) = (ago(reading.asked), ago(reading.answered)) else { return *known };
        let (before, after) = (known.warning(), known.after(asked, answered, reading.second));
        if after != *known {
            *known = after;
            match after.warning() {
                Some(warning) => tracing::warn!("{warning}"),
                None if before.is_some() => tracing::info!("the clocks of guestlist and Keycloak agree"),
                None => {}
            }
        }
        after
    }

    /// The warning about the difference, if it is large enough.
    pub fn warning(&self, client: &Client) -> Option<String> {
        self.difference(client).warning()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An instant in the middle of a day, in milliseconds since 1970.
    const NOW: i64 = 1_790_000_000_000;

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_millisecond(milliseconds).unwrap()
    }

    /// The difference after readings of clocks that are `ahead` apart, each with its time and duration.
    fn read(start: ClockOffset, ahead: i64, readings: &[(i64, i64)]) -> ClockOffset {
        readings.iter().fold(start, |known, (when, took)| {
            let asked = NOW + when;
            // Keycloak read its clock in the middle of the call.
            let second = (asked + took / 2 - ahead).div_euclid(1000);
            known.after(at(asked), at(asked + took), second)
        })
    }

    fn readings() -> impl Strategy<Value = Vec<(i64, i64)>> {
        proptest::collection::vec((0..100_000_000i64, 0..400i64), 1..6)
    }

    #[test]
    fn difference_is_reported_from_six_seconds_on() {
        let warning = |seconds| ClockOffset(SignedDuration::from_secs(seconds)).warning();
        for seconds in [0, 5, -5] {
            assert_eq!(warning(seconds), None);
        }
        assert!(warning(6).unwrap().starts_with("the clock of guestlist is 6s ahead of the clock of Keycloak"));
        assert!(warning(-6).unwrap().starts_with("the clock of guestlist is 6s behind the clock of Keycloak"));
    }

    #[test]
    fn time_of_guestlist_translates_to_that_of_keycloak_and_back() {
        for ahead in [-90_000, 0, 90_000] {
            let difference = ClockOffset(SignedDuration::from_millis(ahead));
            assert_eq!(difference.to_keycloak(NOW), NOW - ahead);
            assert_eq!(difference.milliseconds(difference.to_keycloak(NOW)), NOW);
            assert_eq!(difference.seconds(NOW / 1000), (NOW + ahead) / 1000);
        }
    }

    proptest! {
        #[test]
        fn translated_time_is_right_to_five_seconds(ahead in -200_000_000..200_000_000i64, readings in readings(), then in -1_000_000..1_000_000i64) {
            let difference = read(ClockOffset::default(), ahead, &readings);
            let ours = difference.milliseconds(NOW + then - ahead);
            prop_assert!((ours - (NOW + then)).abs() <= 2_500, "{difference:?}");
            let seconds = difference.seconds((NOW + then - ahead).div_euclid(1000));
            prop_assert!((seconds * 1000 - (NOW + then)).abs() <= 4_600, "{difference:?}");
        }

        #[test]
        fn difference_of_steady_clocks_does_not_change(ahead in -200_000_000..200_000_000i64, first in readings(), later in readings()) {
            // Between these bounds, a first reading may allow zero and a later one may not.
            prop_assume!(ahead.abs() < 900 || ahead.abs() > 2_500);
            let difference = read(ClockOffset::default(), ahead, &first);
            prop_assert_eq!(read(difference, ahead, &later), difference);
        }

        #[test]
        fn clocks_in_step_have_no_difference(ahead in -900..900i64, before in -200_000_000..200_000_000i64, readings in readings()) {
            prop_assert_eq!(read(ClockOffset::default(), ahead, &readings), ClockOffset::default());
            let large = before.abs() > 5_000;
            let apart = read(ClockOffset::default(), before, &readings);
            prop_assert!(!large || read(apart, ahead, &readings) == ClockOffset::default(), "synchronized since");
        }

        #[test]
        fn difference_of_more_than_ten_seconds_is_reported(ahead in 10_000..200_000_000i64, readings in readings()) {
            let words = |ahead| read(ClockOffset::default(), ahead, &readings).warning().unwrap_or_default();
            prop_assert!(words(ahead).contains("ahead of the clock of Keycloak"), "{}", words(ahead));
            prop_assert!(words(-ahead).contains("behind the clock of Keycloak"), "{}", words(-ahead));
        }
    }
}
