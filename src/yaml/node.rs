//! A document as a tree with the span of every key and value.

use std::ops::Range;

/// A range of bytes in the source.
pub type Span = Range<usize>;

/// A value and its span.
#[derive(Clone, Debug)]
pub struct Node {
    /// The span of the value.
    pub span: Span,
    /// The content.
    pub value: Value,
    /// Whether the value is read differently than it appears: a YAML 1.1 boolean such as `yes`, or a number with a
    /// base.
    pub surprising: bool,
}

/// The content of a value, as kubectl reads it.
#[derive(Clone, Debug)]
pub enum Value {
    /// `null`, `~`, or an empty value.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// Another number.
    Float(f64),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A map, in the order of the text.
    Map(Vec<MapEntry>),
}

/// A key with its span, and its value.
#[derive(Clone, Debug)]
pub struct MapEntry {
    /// The key.
    pub key: String,
    /// The span of the key.
    pub key_span: Span,
    /// Its value.
    pub value: Node,
}

impl Node {
    /// A child of a map. A null counts as absent, as on the API server.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|entry| &entry.value).filter(|node| !matches!(node.value, Value::Null))
    }

    /// An entry of a map, even with a null.
    pub fn entry(&self, key: &str) -> Option<&MapEntry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// The entries of a map; empty for other values.
    pub fn entries(&self) -> &[MapEntry] {
        match &self.value {
            Value::Map(entries) => entries,
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) | Value::List(_) => &[],
        }
    }

    /// The text; `None` for other values.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// The value as JSON, in the form that kubectl sends.
    pub fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Int(value) => (*value).into(),
            Value::Float(value) => (*value).into(),
            Value::Text(text) => text.as_str().into(),
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Map(entries) => entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json())).collect(),
        }
    }

    /// The kind of the value, for messages.
    pub fn describe(&self) -> String {
        match &self.value {
            Value::Null => "nothing".to_owned(),
            Value::Bool(value) => format!("the boolean {value}"),
            Value::Int(value) => format!("the number {value}"),
            Value::Float(value) => format!("the number {value}"),
            Value::Text(_) => "a string".to_owned(),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a map".to_owned(),
        }
    }

    /// The span to show for this value: a scalar itself, the first key of a map.
    pub fn mark(&self) -> Span {
        match &self.value {
            Value::Map(entries) => entries.first().map_or_else(|| self.span.clone(), |entry| entry.key_span.clone()),
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) | Value::List(_) => {
                self.span.clone()
            }
        }
    }

    /// The span of a field by its path (`spec.guestUsers[2].role`): a scalar itself, otherwise its key. For an absent
    /// field it is the nearest existing one.
    pub fn locate(&self, path: &str) -> Span {
        let mut node = self;
        let mut mark = self.mark();
        for step in steps(path) {
            let found = match (&node.value, step) {
                (Value::Map(entries), Step::Key(key)) => entries.iter().find(|entry| entry.key == key).map(|entry| {
                    mark = field_mark(entry);
                    &entry.value
                }),
                (Value::List(items), Step::Index(index)) => items.get(index).inspect(|item| mark = item.mark()),
                _ => None,
            };
            match found {
                Some(next) => node = next,
                None => break,
            }
        }
        mark
    }
}

/// The span to show for a field: its value, or its key if the value is empty or has several lines.
pub fn field_mark(entry: &MapEntry) -> Span {
    match &entry.value.value {
        Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) if !entry.value.span.is_empty() => {
            entry.value.span.clone()
        }
        Value::Null
        | Value::Bool(_)
        | Value::Int(_)
        | Value::Float(_)
        | Value::Text(_)
        | Value::List(_)
        | Value::Map(_) => entry.key_span.clone(),
    }
}

enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

fn steps(path: &str) -> impl Iterator<Item = Step<'_>> {
    path.split('.').flat_map(|part| {
        let (key, rest) = part.split_once('[').unwrap_or((part, ""));
        let indices = rest.split('[').filter_map(|index| index.trim_end_matches(']').parse().ok().map(Step::Index));
        std::iter::once(Step::Key(key)).chain(indices)
    })
}
