//! The spans of a document, in texts with unusual spellings: each scalar, list and map stands where its span says. Only
//! blanks, comments, properties and the signs of YAML stand between them.

use guestlist::yaml::{
    self,
    node::{Node, Span, Value},
};

use serde_json::Value as Json;

use super::differential::kubectl_habits;
use crate::support::random::Random;

/// The number of texts in a run.
const TEXTS: u64 = 2000;

/// Whether a text between two values has only signs of YAML and comments.
fn is_structure(gap: &str) -> bool {
    gap.lines().all(|line| {
        let signs = |word: &'_ str| word.trim_matches(['[', ']', '{', '}', ',', ':', '?', '-', '\u{feff}']).to_owned();
        let mut words = line.split_whitespace().map(signs).take_while(|word| !word.starts_with('#'));
        // A document of null is no document.
        matches!(line, "~" | "null")
            || words.all(|word| word.is_empty() || word.starts_with(['!', '&']) || word == "...")
    })
}

/// The words of a scalar, without quotes and folds.
fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

/// Whether a part of a text is a scalar of this value.
fn is_scalar(part: &str, value: &Value) -> bool {
    match value {
        Value::Null => matches!(part, "" | "~" | "null" | "Null" | "NULL"),
        Value::Bool(_) | Value::Int(_) | Value::Float(_) => {
            let number = |json: Json| (json.as_f64(), json.as_bool());
            let alone = yaml::read(part).0.first().map(|node| number(node.to_json()));
            let node = Node { span: 0..0, value: value.clone(), surprising: false };
            words(part).len() == 1 && alone == Some(number(node.to_json()))
        }
        Value::Text(text) => match part.chars().next() {
            Some(quote @ ('"' | '\'')) => {
                let inner = part.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
                inner.is_some_and(|inner| inner.contains(['\\', '\'']) || words(inner) == words(text))
            }
            Some('|' | '>') => {
                let (header, body) = part.split_once('\n').unwrap_or((part, ""));
                (header.len() == 1 || words(header).len() <= 2 || header.contains('#')) && words(body) == words(text)
            }
            Some(_) => part.trim() == part && words(part) == words(text),
            None => text.is_empty(),
        },
        Value::List(_) | Value::Map(_) => false,
    }
}

/// The spans of the scalars and keys below a node, in their order. The error names a wrong span.
fn scalars(text: &str, node: &Node, found: &mut Vec<Span>) -> Result<(), String> {
    let part = text.get(node.span.clone()).ok_or_else(|| format!("{:?} is no part of the text", node.span))?;
    let inside = |span: &Span| node.span.start <= span.start && span.end <= node.span.end;
    match &node.value {
        Value::List(items) => {
            for item in items {
                scalars(text, item, found)?;
            }
            match items.iter().find(|item| !inside(&item.span)) {
                Some(item) => Err(format!("{:?} is not inside of {:?}", item.span, node.span)),
                None => ends(text, node, items.first().map(|it| it.span.start), items.last().map(|it| it.span.end)),
            }
        }
        Value::Map(entries) => {
            for entry in entries {
                let key = text.get(entry.key_span.clone()).unwrap_or_default();
                if !is_scalar(key, &Value::Text(entry.key.clone())) {
                    return Err(format!("{key:?} is not the key {:?}", entry.key));
                }
                found.push(entry.key_span.clone());
                scalars(text, &entry.value, found)?;
                if !inside(&entry.key_span) || !inside(&entry.value.span) {
                    return Err(format!("{:?} or its value is not inside of {:?}", entry.key_span, node.span));
                }
            }
            let first = entries.first().map(|entry| entry.key_span.start);
            ends(text, node, first, entries.last().map(|entry| entry.value.span.end.max(entry.key_span.end)))
        }
        value if is_scalar(part, value) => {
            found.push(node.span.clone());
            Ok(())
        }
        value => Err(format!("{part:?} is not {value:?}")),
    }
}

/// A collection begins with its first entry, apart from its own signs, and ends with its last one.
fn ends(text: &str, node: &Node, first: Option<usize>, last: Option<usize>) -> Result<(), String> {
    let first = first.unwrap_or(node.span.end);
    let (head, tail) = (text.get(node.span.start..first), text.get(last.unwrap_or(first)..node.span.end));
    let is_head = |head: &str| is_structure(head) && head.trim_start() == head;
    match (head.filter(|head| is_head(head)), tail.filter(|tail| tail.is_empty() || is_structure(tail))) {
        (Some(_), Some(_)) => Ok(()),
        _ => Err(format!("{head:?} and {tail:?} belong to no list or map")),
    }
}

/// The fault of the spans of a text, if it has one. Aliases repeat the span of another value, and tags change a value.
fn fault(text: &str) -> Option<String> {
    let (documents, problems) = yaml::read(text);
    if !problems.is_empty() || ["<<", "*", "!!"].iter().any(|sign| text.contains(sign)) {
        return None;
    }
    let mut found = Vec::new();
    for document in &documents {
        if let Err(fault) = scalars(text, document, &mut found) {
            return Some(fault);
        }
    }
    let mut at = 0;
    // A value that is missing has no place of its own.
    for span in found.into_iter().filter(|span| !span.is_empty()) {
        let Some(gap) = text.get(at..span.start) else { return Some(format!("{span:?} begins before {at}")) };
        if !is_structure(gap) {
            return Some(format!("no value has {gap:?}"));
        }
        at = span.end;
    }
    (!is_structure(&text[at..]) && !documents.is_empty()).then(|| format!("no value has {:?}", &text[at..]))
}

#[test]
fn spans_of_generated_texts_cover_each_value() {
    let mut read = 0;
    for seed in 0..TEXTS {
        let bytes = kubectl_habits::text(&mut Random::new(seed));
        let Ok(text) = yaml::decode_bytes(bytes) else { continue };
        let fault = fault(&text);
        assert_eq!(fault, None, "seed {seed}: {text:?}");
        read += u32::from(yaml::read(&text).1.is_empty());
    }
    assert!(read > 300, "{read} texts are read");
}
