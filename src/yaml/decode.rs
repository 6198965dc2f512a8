//! Resolves aliases, merge keys and tags in the way of kubectl. Text that kubectl reads differently than it appears is
//! refused.

use std::collections::{BTreeMap, BTreeSet};

use super::node::{MapEntry, Node, Span, Value};
use super::parser::{Content, MAX_DEPTH, Nodes, RawNode};
use super::{Problem, scalar};
use crate::domain::quote;

/// The limits for the aliases of one document: the number of values, and the bytes of text. Many aliases can name a
/// long text.
const MAX_COPIES: usize = 100_000;
const MAX_COPIED_TEXT: usize = 4 << 20;
/// kubectl refuses a document with more than 99% of its values from aliases, unless it is small.
const SMALL_DOCUMENT: usize = 1000;
const SMALL_COPIES: usize = 100;
/// The merge key of YAML 1.1.
const MERGE: &str = "<<";

/// Decodes a document from its nodes. Duplicate keys are added to `problems`; the first one counts.
pub fn decode(nodes: &Nodes, root: usize, problems: &mut Vec<Problem>) -> Result<Node, Problem> {
    let mut decoder = Decoder {
        nodes,
        problems,
        followed: BTreeSet::new(),
        depth: 0,
        values: 1,
        copies: 0,
        copied_text: 0,
        copying: 0,
    };
    decoder.value(root)
}

struct Decoder<'n> {
    nodes: &'n Nodes,
    problems: &'n mut Vec<Problem>,
    /// The aliases that are being resolved.
    followed: BTreeSet<usize>,
    depth: usize,
    /// The number of values read, and of those read through aliases.
    values: usize,
    copies: usize,
    /// The bytes of text read through aliases.
    copied_text: usize,
    /// The number of aliases that are being resolved.
    copying: usize,
}

impl Decoder<'_> {
    fn value(&mut self, number: usize) -> Result<Node, Problem> {
        let nodes = self.nodes;
        let Some(raw) = nodes.get(number) else { return Err(Problem::syntax("a value is missing here", 0..0)) };
        self.count(&raw.span)?;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let message = format!("values lie more than {MAX_DEPTH} deep in each other");
            return Err(Problem::syntax(message, raw.span.clone()));
        }
        let node = match &raw.content {
            Content::Scalar { text, plain } => {
                self.count_text(text, &raw.span)?;
                scalar(raw, text, *plain)?
            }
            Content::Alias(target) => {
                if !self.followed.insert(number) {
                    return Err(Problem::syntax("this alias stands inside the value that it names", raw.span.clone()));
                }
                self.copying += 1;
                let node = self.value(*target)?;
                self.copying -= 1;
                self.followed.remove(&number);
                node
            }
            Content::List(items) => {
                collection_tag(raw, "seq")?;
                let items = items.iter().map(|item| self.value(*item)).collect::<Result<_, _>>()?;
                Node { span: raw.span.clone(), value: Value::List(items), surprising: false }
            }
            Content::Map(entries) => {
                collection_tag(raw, "map")?;
                let entries = self.map(entries)?;
                Node { span: raw.span.clone(), value: Value::Map(entries), surprising: false }
            }
        };
        self.depth -= 1;
        Ok(node)
    }

    fn count(&mut self, span: &Span) -> Result<(), Problem> {
        self.values += 1;
        self.copies += usize::from(self.copying > 0);
        let is_large = self.copies > SMALL_COPIES && self.values > SMALL_DOCUMENT;
        if self.copies > MAX_COPIES || (is_large && self.copies * 100 > self.values * 99) {
            let message =
                format!("aliases make more than {MAX_COPIES} values, or 99%, of this document; write them out");
            return Err(Problem::syntax(message, span.clone()));
        }
        Ok(())
    }

    fn count_text(&mut self, text: &str, span: &Span) -> Result<(), Problem> {
        self.copied_text += if self.copying > 0 { text.len() } else { 0 };
        if self.copied_text > MAX_COPIED_TEXT {
            let message =
                format!("aliases make more than {MAX_COPIED_TEXT} bytes of text in this document; write the texts out");
            return Err(Problem::syntax(message, span.clone()));
        }
        Ok(())
    }

    fn map(&mut self, entries: &[(usize, usize)]) -> Result<Vec<MapEntry>, Problem> {
        let mut places: BTreeMap<String, Span> = BTreeMap::new();
        let mut own: Vec<MapEntry> = Vec::with_capacity(entries.len());
        let mut merged: Option<(Span, Vec<MapEntry>)> = None;
        for (key, value) in entries {
            if let Some(span) = self.merge_key(*key) {
                if let Some((first, _)) = &merged {
                    let message = "kubectl lets the second merge key (<<) win, other readers the first; write one: `<<: [*first, *second]`";
                    return Err(Problem { other: Some(first.clone()), ..Problem::ambiguous(message, span) });
                }
                let inherited = self.merged(*value)?;
                if let Some(entry) = inherited.iter().find(|entry| places.contains_key(&entry.key)) {
                    let message = format!(
                        "kubectl lets this merge key (<<) win over {}, which stands before it; write `<<` first in the map",
                        quote(&entry.key)
                    );
                    let other = places.get(&entry.key).cloned();
                    return Err(Problem { other, ..Problem::ambiguous(message, span) });
                }
                merged = Some((span, inherited));
                continue;
            }
            let key = self.value(*key)?;
            let (key, key_span) = key_text(key)?;
            let value = self.value(*value)?;
            if let Some(first) = places.get(&key) {
                self.problems.push(Problem::duplicate_key(&key, key_span, first.clone()));
                continue;
            }
            places.insert(key.clone(), key_span.clone());
            own.push(MapEntry { key, key_span, value });
        }
        let inherited = merged.into_iter().flat_map(|(_, entries)| entries);
        own.extend(inherited.filter(|entry| !places.contains_key(&entry.key)));
        Ok(own)
    }

    /// The span of a merge key. In quotes, it is an ordinary key.
    fn merge_key(&self, key: usize) -> Option<Span> {
        let raw = self.nodes.get(key)?;
        match &raw.content {
            Content::Scalar { text, plain: true } if text == MERGE && raw.tag.is_none() => Some(raw.span.clone()),
            Content::Scalar { .. } | Content::List(_) | Content::Map(_) | Content::Alias(_) => None,
        }
    }

    /// The entries that a merge key adds. In a list, the earlier map wins.
    fn merged(&mut self, value: usize) -> Result<Vec<MapEntry>, Problem> {
        let nodes = self.nodes;
        let Some(raw) = nodes.get(value) else { return Ok(Vec::new()) };
        let Content::List(items) = &raw.content else { return self.merged_map(value, &raw.span) };
        let mut entries: Vec<MapEntry> = Vec::new();
        let mut known = BTreeSet::new();
        for item in items {
            let span = nodes.get(*item).map_or(raw.span.clone(), |item| item.span.clone());
            let maps = self.merged_map(*item, &span)?;
            entries.extend(maps.into_iter().filter(|entry| known.insert(entry.key.clone())));
        }
        Ok(entries)
    }

    fn merged_map(&mut self, value: usize, span: &Span) -> Result<Vec<MapEntry>, Problem> {
        let content = |number: usize| self.nodes.get(number).map(|raw| &raw.content);
        let is_map = match content(value) {
            Some(Content::Map(_)) => true,
            Some(Content::Alias(target)) => matches!(content(*target), Some(Content::Map(_))),
            Some(Content::Scalar { .. } | Content::List(_)) | None => false,
        };
        if let Value::Map(entries) = self.value(value)?.value
            && is_map
        {
            return Ok(entries);
        }
        Err(Problem::syntax("a merge key (<<) takes a map or a list of maps", span.clone()))
    }
}

/// The text of a key, because kubectl converts keys to text. A key with a text different from the file is refused.
fn key_text(node: Node) -> Result<(String, Span), Problem> {
    let surprising = node.surprising;
    let refused = |read: &str| {
        let message = format!("kubectl reads this key as {}; put the key that is meant in quotes", quote(read));
        Err(Problem::ambiguous(message, node.span.clone()))
    };
    let key = match node.value {
        Value::Text(text) => text,
        Value::Bool(value) if surprising => return refused(&value.to_string()),
        Value::Int(value) if surprising => return refused(&value.to_string()),
        Value::Float(value) => return refused(&value.to_string()),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Null => return Err(Problem::syntax("a key is empty or null; put it in quotes", node.span)),
        Value::List(_) | Value::Map(_) => {
            return Err(Problem::syntax("a list or a map cannot be a key", node.span));
        }
    };
    Ok((key, node.span))
}

fn collection_tag(raw: &RawNode, fits: &str) -> Result<(), Problem> {
    match raw.tag.as_deref() {
        Some(tag) if core(tag) != Some(fits) => Err(ignored_tag(tag, &raw.span)),
        _ => Ok(()),
    }
}

fn core(tag: &str) -> Option<&str> {
    tag.strip_prefix("tag:yaml.org,2002:")
}

fn ignored_tag(tag: &str, span: &Span) -> Problem {
    let tag = core(tag).map_or_else(|| tag.to_owned(), |suffix| format!("!!{suffix}"));
    let message = format!("kubectl ignores the tag {}; leave it out, or write the value without it", quote(&tag));
    Problem::ambiguous(message, span.clone())
}

fn scalar(raw: &RawNode, text: &str, plain: bool) -> Result<Node, Problem> {
    let span = raw.span.clone();
    let (value, surprising) = match raw.tag.as_deref().map(|tag| (tag, core(tag))) {
        None if plain => scalar::plain(text),
        None | Some((_, Some("str"))) => (Value::Text(text.to_owned()), false),
        Some((_, Some(kind @ ("bool" | "int" | "float" | "null")))) => match (kind, scalar::plain(text).0) {
            #[allow(clippy::cast_precision_loss, reason = "this is what the tag asks for")]
            ("float", Value::Int(value)) => (Value::Float(value as f64), false),
            ("bool", value @ Value::Bool(_))
            | ("int", value @ Value::Int(_))
            | ("float", value @ Value::Float(_))
            | ("null", value @ Value::Null) => (value, false),
            _ => return Err(Problem::syntax(format!("{} does not read as !!{kind}", quote(text)), span)),
        },
        Some((tag, _)) => return Err(ignored_tag(tag, &span)),
    };
    if matches!(value, Value::Float(number) if !number.is_finite()) {
        return Err(Problem::syntax("kubectl takes no infinite number and no NaN; put the text in quotes", span));
    }
    Ok(Node { span, value, surprising })
}
