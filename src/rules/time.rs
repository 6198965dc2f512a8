//! Durations, instants and percentages as users write them. One reading for specs and the workspace policy.

use jiff::{SignedDuration, Timestamp};

/// Reads a duration as Go and Kubernetes write it: `72h`, `1h30m`, `90s`. Not negative; no days or weeks.
pub fn duration(text: &str) -> Result<SignedDuration, String> {
    todo!("{text}")
}

/// Reads an RFC 3339 time with an offset: `2027-06-30T00:00:00Z`.
pub fn instant(text: &str) -> Result<Timestamp, String> {
    todo!("{text}")
}

/// Writes a duration the way it is read: `72h`, `1h30m`.
pub fn show_duration(duration: SignedDuration) -> String {
    todo!("{duration:?}")
}

/// Reads a percentage: `25%`.
pub fn percentage(text: &str) -> Result<u8, String> {
    todo!("{text}")
}
