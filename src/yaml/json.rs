//! Reads one JSON value with all positions, as strictly as kubectl (Go's encoding/json).

use std::collections::BTreeMap;

use super::Problem;
use super::node::{MapEntry, Node, Span, Value};
use super::parser::MAX_DEPTH;

/// Reads the value at `at`, after blanks. Returns the value and its end. `None`: it is not JSON.
pub fn value(text: &str, at: usize, problems: &mut Vec<Problem>) -> Option<(Node, usize)> {
    let mut reader = JsonReader { text, at, depth: 0, problems };
    reader.blanks();
    let node = reader.value()?;
    Some((node, reader.at))
}

/// The end of the blanks that begin at `at`.
pub fn blanks(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    text.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len()
}

struct JsonReader<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
    problems: &'t mut Vec<Problem>,
}

impl JsonReader<'_> {
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blanks(&mut self) {
        self.at = blanks(self.text, self.at);
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.byte()? == byte).then(|| self.at += 1)
    }

    fn value(&mut self) -> Option<Node> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        let start = self.at;
        let value = match self.byte()? {
            b'{' => self.object()?,
            b'[' => self.array()?,
            b'"' => Value::Text(self.string()?),
            b'-' | b'0'..=b'9' => self.number()?,
            _ => self.word()?,
        };
        self.depth -= 1;
        Some(Node { span: start..self.at, value, surprising: false })
    }

    fn word(&mut self) -> Option<Value> {
        let rest = self.text.get(self.at..)?;
        let (word, value) = [("true", Value::Bool(true)), ("false", Value::Bool(false)), ("null", Value::Null)]
            .into_iter()
            .find(|(word, _)| rest.starts_with(word))?;
        self.at += word.len();
        Some(value)
    }

    fn object(&mut self) -> Option<Value> {
        self.take(b'{')?;
        let mut entries: Vec<MapEntry> = Vec::new();
        let mut places: BTreeMap<String, Span> = BTreeMap::new();
        self.blanks();
        if self.take(b'}').is_some() {
            return Some(Value::Map(entries));
        }
        loop {
            self.blanks();
            let start = self.at;
            let key = self.string()?;
            let key_span = start..self.at;
            self.blanks();
            self.take(b':')?;
            self.blanks();
            let value = self.value()?;
            if let Some(first) = places.get(&key) {
                self.problems.push(Problem::duplicate_key(&key, key_span, first.clone()));
            } else {
                places.insert(key.clone(), key_span.clone());
                entries.push(MapEntry { key, key_span, value });
            }
            self.blanks();
            if self.take(b'}').is_some() {
                return Some(Value::Map(entries));
            }
            self.take(b',')?;
        }
    }

    fn array(&mut self) -> Option<Value> {
        self.take(b'[')?;
        let mut items = Vec::new();
        self.blanks();
        if self.take(b']').is_some() {
            return Some(Value::List(items));
        }
        loop {
            self.blanks();
            items.push(self.value()?);
            self.blanks();
            if self.take(b']').is_some() {
                return Some(Value::List(items));
            }
            self.take(b',')?;
        }
    }

    /// Strings and numbers follow the grammar of `serde_json`.
    fn string(&mut self) -> Option<String> {
        let start = self.at;
        self.take(b'"')?;
        loop {
            match self.byte()? {
                b'"' => break,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        serde_json::from_str(self.text.get(start..self.at)?).ok()
    }

    fn number(&mut self) -> Option<Value> {
        let rest = self.text.get(self.at..)?;
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c))).unwrap_or(rest.len());
        let digits = rest.get(..end)?;
        let start = self.at;
        let number = match serde_json::from_str::<serde_json::Number>(digits) {
            Ok(number) => number,
            Err(_) if is_number(digits) => {
                let message = format!("{digits} is out of the range of numbers; put it in quotes");
                self.problems.push(Problem::syntax(message, start..start + end));
                serde_json::Number::from(0)
            }
            Err(_) => return None,
        };
        self.at += end;
        match number.as_i64() {
            Some(value) => Some(Value::Int(value)),
            None => number.as_f64().map(Value::Float),
        }
    }
}

/// Whether a text has the form of a JSON number, in range or not.
fn is_number(text: &str) -> bool {
    text.split_once(['e', 'E']).is_some_and(|(mantissa, exponent)| {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        let is_exponent = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_exponent && serde_json::from_str::<serde_json::Number>(mantissa).is_ok()
    })
}
