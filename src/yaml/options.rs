//! Checks settings files (the workspace policy, a file to import), which serde-saphyr reads, a reader of YAML 1.2. A
//! text that it and kubectl's reader read differently may mislead a person, and is refused.

use serde_json::Value as Json;

use super::node::{Node, Span, Value};
use super::{Problem, read};
use crate::domain::quote;

/// The line, the column and the cause of an ambiguous settings text.
pub fn ambiguity(text: &str) -> Option<(usize, usize, String)> {
    let problem = problem(text)?;
    let before = text.get(..problem.span.start).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
    Some((line, column, format!("ambiguous-yaml: {}", problem.message)))
}

fn problem(text: &str) -> Option<Problem> {
    let (documents, mut problems) = read(text);
    if !problems.is_empty() {
        return Some(problems.swap_remove(0));
    }
    if let Some(second) = documents.get(1) {
        return Some(Problem::ambiguous("a second document begins here; write one document per file", second.mark()));
    }
    let other = serde_saphyr::from_str::<Json>(text).unwrap_or_default();
    let Some(root) = documents.first() else {
        return (!other.is_null())
            .then(|| Problem::ambiguous("some readers find nothing here; write plain YAML", 0..0));
    };
    let (span, read) = difference(root, &other)?;
    let message = format!("{read}; write it unambiguously: a text in quotes, a number in digits, true or false");
    Some(Problem::ambiguous(message, span))
}

/// The first value that the two readers read differently, or that is read differently than it appears.
fn difference(node: &Node, other: &Json) -> Option<(Span, String)> {
    let differs = || Some((node.mark(), format!("this reads as {} or as {}", shown(&node.to_json()), shown(other))));
    match (&node.value, other) {
        (Value::List(items), Json::Array(others)) if items.len() == others.len() => {
            items.iter().zip(others).find_map(|(item, other)| difference(item, other))
        }
        (Value::Map(entries), Json::Object(others)) if entries.len() == others.len() => {
            entries.iter().find_map(|entry| match others.get(&entry.key) {
                Some(other) => difference(&entry.value, other),
                None => {
                    Some((entry.key_span.clone(), format!("this key reads as {}, or as another", quote(&entry.key))))
                }
            })
        }
        (Value::List(_) | Value::Map(_), _) => differs(),
        _ if node.surprising => Some((node.span.clone(), format!("this reads as {}", shown(&node.to_json())))),
        (Value::Int(_) | Value::Float(_), Json::Number(_)) if node.to_json().as_f64() == other.as_f64() => None,
        _ if node.to_json() == *other => None,
        _ => differs(),
    }
}

fn shown(value: &Json) -> String {
    quote(&value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_read_in_two_ways_are_named_with_their_place() {
        for (text, line, column) in [
            ("a: [x]\nb: yes\n", 2, 4),
            ("a: 010\n", 1, 4),
            ("a: b\n...\nc: d\n", 3, 1),
            ("a: &x {b: 1}\nc:\n  b: 2\n  <<: *x\n", 4, 3),
            ("a: !x b\n", 1, 7),
            ("a: \"b\u{2028}c\"\n", 1, 6),
        ] {
            let found = ambiguity(text).map(|(line, column, _)| (line, column));
            assert_eq!(found, Some((line, column)), "{text}");
        }
    }

    #[test]
    fn plain_settings_read_one_way() {
        for text in [
            "",
            "# nothing\n",
            "{}",
            "a: b\nc: [d, 'e', \"*\"]\nf: {g: 24h, h: 25%, i: false}\n",
            "---\na: &x [b]\nc: *x\n",
            "a: |\n  b\nc: >-\n  d\n  e\nf: 1.5\ng: -3\n",
        ] {
            assert_eq!(ambiguity(text), None, "{text}");
        }
    }
}
