//! The resourceVersion of an object as a number. Only a well-formed one can be compared: digits, no leading zero. All
//! other text is an error, never 0. `docs/adr/0010-resource-versions-are-compared-as-numbers.md` lists the assumptions
//! of a comparison.

/// Maximum length of malformed text in a message, in characters.
const SHOWN: usize = 40;

/// The problem of a resourceVersion that cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The object has none.
    #[error("it has no resourceVersion")]
    Missing,
    /// The text is not only digits, or has a leading zero.
    #[error("its resourceVersion is {0:?}, and only digits without a leading zero can be compared")]
    NoNumber(String),
    /// The number exceeds 64 bits.
    #[error("its resourceVersion is {0:?}, and the highest one that can be compared is {max}", max = u64::MAX)]
    TooHigh(String),
}

/// The number of a resourceVersion.
///
/// # Errors
///
/// The text is no number.
pub fn parse(text: &str) -> Result<u64, Malformed> {
    let shown = || text.chars().take(SHOWN).collect::<String>();
    if text.is_empty() {
        return Err(Malformed::Missing);
    }
    if text.starts_with('0') || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Malformed::NoNumber(shown()));
    }
    text.parse().map_err(|_| Malformed::TooHigh(shown()))
}

/// The number of an object's resourceVersion. `None`: it has none (files), or it is malformed.
pub fn number(version: Option<&str>) -> Option<u64> {
    parse(version?).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn malformed_resource_version_is_an_error_that_shows_it() {
        for text in [
            "0", "00", "01", "007", "-1", "+1", " 1", "1 ", "1.0", "1e3", "0x10", "abc", "１２", "1_000", "\n", "1\0",
            "opaque",
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error, Malformed::NoNumber(text.to_owned()));
            assert!(error.to_string().contains(&format!("{text:?}")), "{error}");
        }
        assert_eq!(parse(""), Err(Malformed::Missing));
        assert_eq!(parse("18446744073709551616"), Err(Malformed::TooHigh("18446744073709551616".to_owned())));
        let long = parse(&"9".repeat(5000)).unwrap_err();
        assert!(long.to_string().len() < 200, "{long}");
    }

    #[test]
    fn resource_version_up_to_the_highest_is_its_number() {
        for number in [1, 9, 10, 4_294_967_296, i64::MAX.unsigned_abs(), u64::MAX] {
            assert_eq!(parse(&number.to_string()), Ok(number));
        }
    }

    proptest! {
        /// The order of the numbers is the order that Kubernetes 1.35 defines: by length, then by digits.
        #[test]
        fn well_formed_versions_have_the_order_that_kubernetes_defines(a in "[1-9][0-9]{0,18}", b in "[1-9][0-9]{0,18}") {
            let defined = a.len().cmp(&b.len()).then_with(|| a.cmp(&b));
            prop_assert_eq!(parse(&a).unwrap().cmp(&parse(&b).unwrap()), defined);
        }

        /// Exactly the texts that Kubernetes 1.35 calls well-formed have a number, up to 64 bits.
        #[test]
        fn any_text_is_a_number_or_an_error(text in prop_oneof!["\\PC{0,12}", "[0-9]{0,25}", "[0-9a-f.+ -]{0,8}"]) {
            let well_formed = !text.is_empty() && !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
            let fits = text.parse::<u128>().is_ok_and(|number| number <= u128::from(u64::MAX));
            match parse(&text) {
                Ok(number) => prop_assert!(well_formed && number.to_string() == text),
                Err(_) => prop_assert!(!well_formed || !fits),
            }
        }
    }
}
