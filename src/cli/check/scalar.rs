//! Scalars as kubectl reads them: YAML 1.1 booleans, and numbers in the bases of Go. What surprises is marked.

use super::tree::Value;

/// Reads an unquoted scalar. The flag says that it is read otherwise than it looks.
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
    let bare: String = text.chars().filter(|c| *c != '_').collect();
    if let Some((value, base)) = integer(&bare) {
        return Some((Value::Int(value), base || bare.len() != text.len()));
    }
    // A number that no float of Rust's grammar but not of YAML's: `1e`, `inf`, `nan` are texts.
    let is_float = {
        let digits = bare.trim_start_matches(['+', '-']);
        bare.len() - digits.len() <= 1
            && digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
            && digits.contains(|c: char| c.is_ascii_digit())
            && digits.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-'))
    };
    let value = is_float.then(|| bare.parse::<f64>().ok()).flatten()?;
    Some((Value::Float(value), bare.len() != text.len()))
}

/// A whole number, and whether its base is another than ten.
fn integer(text: &str) -> Option<(i64, bool)> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = if let Some(hex) = lower.strip_prefix("0x") {
        (16, hex)
    } else if let Some(octal) = lower.strip_prefix("0o") {
        (8, octal)
    } else if let Some(binary) = lower.strip_prefix("0b") {
        (2, binary)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (8, lower.get(1..)?)
    } else {
        (10, lower.as_str())
    };
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
