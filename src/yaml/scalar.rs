//! Scalars in the way of kubectl: YAML 1.1 booleans, and numbers in the bases of Go. Surprising values are flagged.

use super::node::Value;

/// Parses an unquoted scalar. The flag: it is read differently than it appears.
pub fn plain(text: &str) -> (Value, bool) {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => (Value::Null, false),
        "true" | "True" | "TRUE" => (Value::Bool(true), false),
        "false" | "False" | "FALSE" => (Value::Bool(false), false),
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => (Value::Bool(true), true),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => (Value::Bool(false), true),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => (Value::Float(f64::INFINITY), false),
        "-.inf" | "-.Inf" | "-.INF" => (Value::Float(f64::NEG_INFINITY), false),
        ".nan" | ".NaN" | ".NAN" => (Value::Float(f64::NAN), false),
        _ => number(text).unwrap_or_else(|| (Value::Text(text.to_owned()), false)),
    }
}

fn number(text: &str) -> Option<(Value, bool)> {
    let first = text.chars().next()?;
    if !(first.is_ascii_digit() || matches!(first, '+' | '-' | '.')) {
        return None;
    }
    // Underscores are ignored. After a leading point they must be between digits.
    if first == '.' && !separates_digits(text) {
        return None;
    }
    let bare = text.replace('_', "");
    if let Some((value, base)) = integer(&bare) {
        return Some((Value::Int(value), base || value.to_string() != text));
    }
    // An unsigned integer beyond 64 bits becomes a float.
    if let Some(value) = unsigned(&bare) {
        #[allow(clippy::cast_precision_loss, reason = "this is what JSON makes of it")]
        return Some((Value::Float(value as f64), true));
    }
    // A float out of range is text: `7e12345`.
    let value = is_float(&bare).then(|| bare.parse::<f64>().ok()).flatten().filter(|value| value.is_finite())?;
    Some((Value::Float(value), bare.len() != text.len()))
}

/// Whether each underscore is between two digits.
fn separates_digits(text: &str) -> bool {
    let is_digit = |at: Option<usize>| at.and_then(|at| text.as_bytes().get(at)).is_some_and(u8::is_ascii_digit);
    text.match_indices('_').all(|(at, _)| is_digit(at.checked_sub(1)) && is_digit(Some(at + 1)))
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (unsigned, None),
    };
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_mantissa = digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty());
    is_mantissa && exponent.is_none_or(|exponent| !exponent.is_empty() && digits(exponent))
}

fn unsigned(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let (radix, digits) = radix(&lower);
    let is_number = digits.bytes().all(|byte| char::from(byte).is_digit(radix));
    is_number.then(|| u64::from_str_radix(digits, radix).ok()).flatten()
}

/// The base of an unsigned integer in lower case, and its digits.
fn radix(lower: &str) -> (u32, &str) {
    let prefixed = |prefix: &str| lower.strip_prefix(prefix);
    if let Some(hex) = prefixed("0x") {
        (16, hex)
    } else if let Some(octal) = prefixed("0o") {
        (8, octal)
    } else if let Some(binary) = prefixed("0b") {
        (2, binary)
    } else if let Some(octal) = prefixed("0").filter(|rest| !rest.is_empty()) {
        (8, octal)
    } else {
        (10, lower)
    }
}

/// An integer, and whether its base is not ten.
fn integer(text: &str) -> Option<(i64, bool)> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = radix(&lower);
    if !digits.starts_with(|c: char| c.is_digit(radix)) {
        return None;
    }
    let signed = if negative { format!("-{digits}") } else { digits.to_owned() };
    i64::from_str_radix(&signed, radix).ok().map(|value| (value, radix != 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_read_as_kubectl_reads_them() {
        for (text, shown, surprising) in [
            ("yes", "Bool(true)", true),
            ("Off", "Bool(false)", true),
            ("true", "Bool(true)", false),
            ("~", "Null", false),
            ("12", "Int(12)", false),
            ("-7", "Int(-7)", false),
            ("010", "Int(8)", true),
            ("0o17", "Int(15)", true),
            ("0x1F", "Int(31)", true),
            ("1_000", "Int(1000)", true),
            ("08", "Float(8.0)", false),
            ("1.5", "Float(1.5)", false),
            ("1e3", "Float(1000.0)", false),
            ("+5", "Int(5)", true),
            ("7e12345", "Text(\"7e12345\")", false),
            ("5e93842", "Text(\"5e93842\")", false),
            (".5", "Float(0.5)", false),
            (".5_0", "Float(0.5)", true),
            (".1_0e1_0", "Float(1000000000.0)", true),
            (".5__0", "Text(\".5__0\")", false),
            (".5_", "Text(\".5_\")", false),
            (".5_e1", "Text(\".5_e1\")", false),
            ("._5", "Text(\"._5\")", false),
            ("-.5_0", "Float(-0.5)", true),
            ("-._5__0_", "Float(-0.5)", true),
            ("+.5_0", "Float(0.5)", true),
            ("1.", "Float(1.0)", false),
            ("1.2.3", "Text(\"1.2.3\")", false),
            ("1e", "Text(\"1e\")", false),
            ("18446744073709551615", "Float(1.8446744073709552e19)", true),
            ("12:30", "Text(\"12:30\")", false),
            ("inf", "Text(\"inf\")", false),
            ("-", "Text(\"-\")", false),
            ("72h", "Text(\"72h\")", false),
            ("2027-01-01T00:00:00Z", "Text(\"2027-01-01T00:00:00Z\")", false),
            ("1:30", "Text(\"1:30\")", false),
        ] {
            let (value, flag) = plain(text);
            assert_eq!((format!("{value:?}").as_str(), flag), (shown, surprising), "{text}");
        }
    }
}
