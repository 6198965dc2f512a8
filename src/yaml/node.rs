//! A document as a tree that keeps the place of every key and value.

use std::ops::Range;

/// Where something stands: bytes of its source.
pub type Span = Range<usize>;

/// A value and its place.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it stands.
    pub span: Span,
    /// What it is.
    pub value: Value,
    /// It is read otherwise than it looks: a YAML 1.1 boolean such as `yes`, or a number with a base.
    pub surprising: bool,
}

/// What a value is, as kubectl reads it.
#[derive(Clone, Debug)]
pub enum Value {
    /// `null`, `~`, or nothing.
    Null,
    /// A boolean.
    Bool(bool),
    /// A whole number.
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

/// A key, its place, and its value.
#[derive(Clone, Debug)]
pub struct MapEntry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub key_span: Span,
    /// Its value.
    pub value: Node,
}

impl Node {
    /// A child of a map. A null stands for nothing, as on the API server.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|entry| &entry.value).filter(|node| !matches!(node.value, Value::Null))
    }

    /// An entry of a map, a null too.
    pub fn entry(&self, key: &str) -> Option<&MapEntry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// The entries of a map; none of anything else.
    pub fn entries(&self) -> &[MapEntry] {
        match &self.value {
            Value::Map(entries) => entries,
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) | Value::List(_) => &[],
        }
    }

    /// Its text.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// The value as JSON, as kubectl sends it.
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

    /// What it is, in words.
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

    /// Where to point for this value: a scalar itself, the first key of a map.
    pub fn mark(&self) -> Span {
        match &self.value {
            Value::Map(entries) => entries.first().map_or_else(|| self.span.clone(), |entry| entry.key_span.clone()),
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) | Value::List(_) => {
                self.span.clone()
            }
        }
    }

    /// Where a field stands, by its path (`spec.guestUsers[2].role`): its value, the key of what is no scalar, or the
    /// nearest that is there.
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

/// Where to point for a field: its value, or the key where the value spreads over lines or is nothing.
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
