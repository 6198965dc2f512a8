//! Instants, durations and percentages in generated texts, some with a mistake: they read as the form says, or not at
//! all.

use guestlist::domain::time::{duration, instant, percentage, positive_duration};
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp, civil};

use crate::support::random::Random;

/// The number of texts in a run.
const TEXTS: u64 = 20_000;

fn number(digits: &str) -> Option<i64> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

/// The offset at the end of an instant, in seconds.
fn offset(text: &str) -> Option<i32> {
    let (sign, rest) = match text.split_at_checked(1)? {
        ("Z", "") => return Some(0),
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let of = |digits: &str, most: i64| number(digits).filter(|value| digits.len() == 2 && *value < most);
    i32::try_from(of(hours, 24)? * 3600 + of(minutes, 60)? * 60).ok().map(|seconds| sign * seconds)
}

/// An instant by its parts, from the words of RFC 3339.
fn read(text: &str) -> Option<Timestamp> {
    let (head, tail) = text.split_at_checked(19)?;
    let shape: String = head.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    if shape != "0000-00-00T00:00:00" {
        return None;
    }
    let part = |at: usize, length: usize| head[at..at + length].parse::<i16>().unwrap();
    let small = |at: usize| i8::try_from(part(at, 2)).unwrap();
    let end = tail.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(tail.len());
    let (fraction, zone) = tail.split_at(end);
    let nanoseconds = match fraction.strip_prefix('.') {
        Some(digits) if (1..=9).contains(&digits.len()) => i32::try_from(number(&format!("{digits:0<9}"))?).ok()?,
        None if fraction.is_empty() => 0,
        _ => return None,
    };
    let date = civil::Date::new(part(0, 4), small(5), small(8)).ok().filter(|date| date.year() < 9999)?;
    let time = civil::Time::new(small(11), small(14), small(17), nanoseconds).ok()?;
    Offset::from_seconds(offset(zone)?).ok()?.to_timestamp(date.to_datetime(time)).ok()
}

/// An instant of RFC 3339.
fn valid(random: &mut Random) -> String {
    let fraction = match random.below(3) {
        0 => format!(".{}", &"9081726354"[..=random.below(9)]),
        _ => String::new(),
    };
    let zone = match random.below(3) {
        0 => "Z".to_owned(),
        sign => format!("{}{:02}:{:02}", ["+", "-"][sign - 1], random.below(24), random.below(60)),
    };
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{fraction}{zone}",
        random.pick(&[1, 1999, 2000, 2027, 2028, 9998]),
        1 + random.below(12),
        1 + random.below(28),
        random.pick(&[0, 9, 19, 23]),
        random.below(60),
        random.below(60),
    )
}

/// Replaces, adds or removes a character.
fn mistake(text: &mut String, random: &mut Random) {
    let at = random.below(text.len());
    let sign = random
        .pick(&['0', '1', '2', '3', '4', '5', '6', '9', '-', ':', '.', ',', '+', 'T', 't', 'Z', 'h', 'm', 's', ' ']);
    match random.below(4) {
        0 => text.insert(at, sign),
        1 => drop(text.remove(at)),
        _ => text.replace_range(at..=at, sign.encode_utf8(&mut [0; 4])),
    }
}

#[test]
fn generated_instant_reads_as_its_parts_say() {
    let mut refused = 0;
    for seed in 0..TEXTS {
        let mut random = Random::new(seed);
        let mut text = valid(&mut random);
        for _ in 0..random.below(3) {
            mistake(&mut text, &mut random);
        }
        assert_eq!(instant(&text).ok(), read(&text), "{text}");
        refused += u32::from(instant(&text).is_err());
    }
    assert!(refused > 1000, "{refused}");
}

#[test]
fn refused_instant_names_the_cause_whatever_else_it_says() {
    let cause = |text: &str| instant(text).unwrap_err();
    for seed in 0..500 {
        let text = valid(&mut Random::new(seed));
        let expect = |wrong: &str, part: &str| assert!(cause(wrong).contains(part), "{wrong}: {}", cause(wrong));
        let (head, tail) = text.split_at(19);
        let zone = tail.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
        expect(&text.to_lowercase(), "T and Z are capital letters");
        expect(&format!("9999{}", &text[4..]), "the last year is 9998");
        expect(&format!("{}60{tail}", &head[..17]), "without a leap second");
        expect(head, "the offset is missing");
        expect(&head[..10], "the time of day and the offset are missing");
        expect(&format!("{head}.1234567890{zone}"), "at most 9 decimal places");
        expect(&format!("{head}.12345678901234{zone}"), "at most 9 decimal places");
        expect(&format!("{}02-30{}", &text[..5], &text[10..]), "the month has no such day");
        // Two mistakes, or one of no known kind, have no cause.
        for wrong in [
            format!("{} {}", &text[..10], &text[11..]),
            format!("9999{}60{tail}x", &head[4..17]),
            format!("{head}.{zone}"),
            format!("{}61{tail}", &head[..17]),
            format!("{head}.1234567890{zone}0"),
            format!("{head},1234567890{zone}"),
        ] {
            assert!(cause(&wrong).contains(" is no time; write it"), "{wrong}: {}", cause(&wrong));
        }
    }
}

#[test]
fn generated_duration_is_the_sum_of_its_parts() {
    for seed in 0..TEXTS {
        let mut random = Random::new(seed);
        let (mut text, mut seconds, mut most) = (String::new(), 0, 0);
        for (unit, factor) in [('h', 3600), ('m', 60), ('s', 1)] {
            if random.below(2) == 0 {
                let digits = "0918273"[7 - 1 - random.below(7)..].to_owned();
                text.push_str(&digits);
                text.push(unit);
                seconds += number(&digits).unwrap() * factor;
                most = most.max(digits.len());
            }
        }
        match duration(&text) {
            Ok(read) => assert_eq!((read, most < 7 && !text.is_empty()), (SignedDuration::from_secs(seconds), true)),
            Err(error) if text.is_empty() => assert!(error.contains("is no duration"), "{error}"),
            Err(error) => assert!(most == 7 && error.contains("longest duration here is 999999h"), "{text}: {error}"),
        }
        // The units have one order, and each stands once after its digits.
        for wrong in
            [format!("{text}1h"), format!("{text}s"), format!("h{text}"), format!(" {text}"), format!("{text}1")]
        {
            let is_right = text.is_empty() && wrong == "1h";
            assert_eq!(duration(&wrong).is_ok(), is_right, "{wrong}");
        }
    }
    assert_eq!(positive_duration("0h0m1s", "none", "1h"), Ok(SignedDuration::from_secs(1)));
    let zero = positive_duration("0h0m", "the default", "1h").unwrap_err();
    assert_eq!(zero, "\"0h0m\" is a duration of 0; leave the field out for the default");
}

#[test]
fn percentage_reads_from_1_to_100_alone() {
    for number in 0..=1100_u16 {
        let expected = u8::try_from(number).ok().filter(|percent| (1..=100).contains(percent));
        assert_eq!(percentage(&format!("{number}%")).ok(), expected, "{number}%");
        assert!(percentage(&number.to_string()).is_err());
    }
}
