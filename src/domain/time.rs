//! Durations, instants and percentages in text. Specs and the workspace policy use the same functions.

use jiff::{SignedDuration, Timestamp};

use crate::domain::quote;

/// The form of a duration; the CRDs use the same expression. Hours, minutes and seconds, each at most once and in this
/// order, with at most six digits each.
pub const DURATION_PATTERN: &str = r"^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?$";

/// The longest duration in hours alone that [`DURATION_PATTERN`] accepts.
pub const LONGEST_READ: &str = "999999h";

/// The form of an instant; the CRDs use the same expression. The form does not show whether the day exists. The year
/// 9999 is refused.
pub const INSTANT_PATTERN: &str = r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$";

/// Parses a duration in the format of Kubernetes: `72h`, `1h30m`, `90s`. It has no sign, days or weeks.
///
/// The error about a longer duration names `999999h`. A field with a shorter bound has a separate rule.
///
/// # Errors
///
/// The text has another form, or the duration is out of range.
pub fn duration(text: &str) -> Result<SignedDuration, String> {
    duration_up_to(text, LONGEST_READ)
}

/// Parses the duration of a field with a bound. The error about a duration that is too long names the bound.
///
/// # Errors
///
/// The text has another form, or the duration is out of range.
pub fn duration_up_to(text: &str, longest: &str) -> Result<SignedDuration, String> {
    let wrong = || format!("{} is no duration; write hours, minutes and seconds as 72h, 1h30m or 90s", quote(text));
    let mut rest = text;
    let mut seconds: i64 = 0;
    for (unit, factor) in [('h', 3600), ('m', 60), ('s', 1)] {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 || !rest[digits..].starts_with(unit) {
            continue;
        }
        if digits > 6 {
            return Err(format!("{} is too long; the longest duration here is {longest}", quote(text)));
        }
        let value: i64 = rest[..digits].parse().map_err(|_| wrong())?;
        seconds += value * factor;
        rest = &rest[digits + 1..];
    }
    if text.is_empty() || !rest.is_empty() {
        return Err(wrong());
    }
    Ok(SignedDuration::from_secs(seconds))
}

/// Parses a duration longer than zero. `otherwise`: the effect of an absent field; `longest`: the field's bound.
///
/// # Errors
///
/// The text has another form, or the duration is out of range.
pub fn positive_duration(text: &str, otherwise: &str, longest: &str) -> Result<SignedDuration, String> {
    let read = duration_up_to(text, longest)?;
    if read.is_zero() {
        return Err(format!("{} is a duration of 0; leave the field out for {otherwise}", quote(text)));
    }
    Ok(read)
}

/// Parses an RFC 3339 time with an offset: `2027-06-30T00:00:00Z`.
///
/// # Errors
///
/// The text is no RFC 3339 time.
pub fn instant(text: &str) -> Result<Timestamp, String> {
    let wrong = |cause: Option<&str>| {
        let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
        format!("{} is no time{cause}; write it in RFC 3339 as 2027-06-30T00:00:00Z", quote(text))
    };
    // jiff accepts more than RFC 3339 (a space, a zone's name, no seconds), so the form is checked first.
    if !has_shape(text.as_bytes()) {
        return Err(wrong(cause(text)));
    }
    text.parse().map_err(|_| wrong(Some("the month has no such day")))
}

/// The cause for refusing a text that RFC 3339 allows, or that is almost an RFC 3339 time.
fn cause(text: &str) -> Option<&'static str> {
    let upper = text.to_ascii_uppercase();
    if upper != text && has_shape(upper.as_bytes()) {
        return Some("T and Z are capital letters");
    }
    let with = |range: std::ops::Range<usize>, digits: &str| {
        let parts = upper.get(..range.start).zip(upper.get(range.end..));
        parts.is_some_and(|(head, tail)| has_shape(format!("{head}{digits}{tail}").as_bytes()))
    };
    if text.starts_with("9999") && with(0..4, "9998") {
        return Some("the last year is 9998");
    }
    if text.get(17..19) == Some("60") && with(17..19, "59") {
        return Some("seconds go from 00 to 59, without a leap second");
    }
    if has_shape(format!("{upper}Z").as_bytes()) {
        return Some("the offset is missing, such as Z for UTC");
    }
    if has_shape(format!("{upper}T00:00:00Z").as_bytes()) {
        return Some("the time of day and the offset are missing");
    }
    let fraction = upper.get(20..).unwrap_or_default();
    let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
    (upper.as_bytes().get(19) == Some(&b'.') && digits > 9 && with(20..20 + digits, "0"))
        .then_some("a second has at most 9 decimal places")
}

fn has_shape(text: &[u8]) -> bool {
    let digits =
        |range: std::ops::Range<usize>| text.get(range).is_some_and(|part| part.iter().all(u8::is_ascii_digit));
    let at = |index: usize, byte: u8| text.get(index) == Some(&byte);
    // An instant cannot represent the last days of the year 9999, depending on the offset. The whole year is refused.
    let head = digits(0..4)
        && !text.starts_with(b"9999")
        && at(4, b'-')
        && digits(5..7)
        && at(7, b'-')
        && digits(8..10)
        && at(10, b'T')
        && digits(11..13)
        && at(13, b':')
        && digits(14..16)
        && at(16, b':')
        && digits(17..19)
        && text[17..19] < b"60"[..];
    if !head {
        return false;
    }
    let mut rest = &text[19..];
    if rest.first() == Some(&b'.') {
        let fraction = rest[1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if !(1..=9).contains(&fraction) {
            return false;
        }
        rest = &rest[1 + fraction..];
    }
    match rest {
        b"Z" => true,
        [b'+' | b'-', h1, h2, b':', m1, m2] => {
            [h1, h2, m1, m2].iter().all(|byte| byte.is_ascii_digit()) && [*h1, *h2] < *b"24" && [*m1, *m2] < *b"60"
        }
        _ => false,
    }
}

/// Parses a percentage: `25%`.
///
/// # Errors
///
/// The text is no percentage from `1%` to `100%`.
pub fn percentage(text: &str) -> Result<u8, String> {
    let wrong = || format!("{} is no percentage; write 1% to 100% as 25%", quote(text));
    let digits = text.strip_suffix('%').ok_or_else(wrong)?;
    if digits.is_empty() || digits.len() > 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    digits.parse().ok().filter(|percent| (1..=100).contains(percent)).ok_or_else(wrong)
}

/// Writes a duration in the format that [`duration`] parses: `72h`, `1h30m`, `0s`.
pub fn show_duration(duration: SignedDuration) -> String {
    let mut rest = duration.as_secs().max(0);
    let mut text = String::new();
    // At most six digits per unit, as in the pattern.
    for (unit, factor, most) in [('h', 3600, 999_999), ('m', 60, 999_999), ('s', 1, i64::MAX)] {
        let value = (rest / factor).min(most);
        rest -= value * factor;
        if value > 0 {
            text.push_str(&value.to_string());
            text.push(unit);
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// An instant for people: whole seconds.
pub fn seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_kubernetes_writes_them() {
        assert_eq!(duration("72h"), Ok(SignedDuration::from_hours(72)));
        assert_eq!(duration("1h30m"), Ok(SignedDuration::from_mins(90)));
        assert_eq!(duration("90s"), Ok(SignedDuration::from_secs(90)));
        assert_eq!(duration("0s"), Ok(SignedDuration::ZERO));
        for text in ["", "7d", "72", "-1h", "+1h", "1.5h", "30m1h", "1h1h", "h", "1 h", "P3D", "1w", "72H"] {
            assert!(duration(text).unwrap_err().contains("72h"), "{text}");
        }
        assert_eq!(duration("1000000h").unwrap_err(), "\"1000000h\" is too long; the longest duration here is 999999h");
        let refused = positive_duration("1000000h", "the default", "720h").unwrap_err();
        assert!(refused.ends_with("is too long; the longest duration here is 720h"), "{refused}");
    }

    #[test]
    fn refused_time_names_the_cause() {
        for (text, cause) in [
            ("2027-06-30t00:00:00z", "capital letters"),
            ("2027-06-30T00:00:60Z", "leap second"),
            ("2027-06-30T23:59:60.5+02:00", "leap second"),
            ("9999-01-01T00:00:00Z", "the last year is 9998"),
            ("2027-06-30T00:00:00.1234567890Z", "at most 9 decimal places"),
            ("2027-02-30T00:00:00Z", "the month has no such day"),
            ("2027-06-30T00:00:00", "the offset is missing"),
            ("2027-06-30", "the time of day and the offset are missing"),
            ("tomorrow", "is no time; write"),
            ("2027-06-30T00:00:00é", "is no time; write"),
        ] {
            assert!(instant(text).unwrap_err().contains(cause), "{text}: {:?}", instant(text));
        }
    }

    #[test]
    fn instants_are_rfc_3339_and_nothing_more() {
        for text in [
            "2027-06-30T00:00:00Z",
            "2027-06-30T00:00:00.5+02:00",
            "2028-02-29T23:59:59-23:59",
            "0000-02-29T00:00:00+23:59",
            "9998-12-31T23:59:59.999999999-23:59",
        ] {
            assert!(instant(text).is_ok(), "{text}");
        }
        for text in [
            "2027-06-30",
            "2027-06-30T00:00Z",
            "2027-06-30 00:00:00Z",
            "2027-06-30T00:00:00",
            "2027-06-30T00:00:00+99:99",
            "2027-06-30T00:00:00+24:00",
            "2027-06-30T00:00:00-25:30",
            "2027-06-30T00:00:00+0200",
            "2027-06-30T23:59:60Z",
            "2027-02-30T00:00:00Z",
            "2027-06-30T00:00:00Z[UTC]",
            "2027-06-30T00:00:60Z",
            "tomorrow",
            "",
            "2027-06-30t00:00:00z",
            "2027-06-30T24:00:00Z",
            "2027-06-30T00:00:00+02",
            "+002027-06-30T00:00:00Z",
            "2027-06-30T00:00:00,5Z",
            "9999-01-01T00:00:00Z",
        ] {
            assert!(instant(text).unwrap_err().contains("2027-06-30T00:00:00Z"), "{text}");
        }
    }

    #[test]
    fn percentages_go_from_1_to_100() {
        assert_eq!((percentage("1%"), percentage("100%")), (Ok(1), Ok(100)));
        for text in ["0%", "101%", "25", "%", "-1%", "2.5%", "1000%"] {
            assert!(percentage(text).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn displayed_duration_parses_to_the_same_value(seconds in 0i64..3_000_000) {
            let value = SignedDuration::from_secs(seconds);
            proptest::prop_assert_eq!(duration(&show_duration(value)), Ok(value));
        }

        #[test]
        fn longest_durations_are_shown_as_they_read(hours in 0i64..1_000_000, minutes in 0i64..1_000_000) {
            let value = duration(&format!("{hours}h{minutes}m999999s")).unwrap();
            proptest::prop_assert_eq!(duration(&show_duration(value)), Ok(value));
        }

        #[test]
        fn reading_never_panics(text in "\\PC{0,40}") {
            let _ = (duration(&text), instant(&text), percentage(&text));
        }
    }
}
