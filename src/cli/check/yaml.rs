//! Reads YAML (and JSON, which is YAML) into trees that keep every place: events in, nodes out. The serde reader of the
//! rest of the project says one problem a document; here all are wanted, so it is the events that are read.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, Tag};

use super::chunk::chunks;
use super::merge;
use super::scalar;
use super::tree::{Entry, Node, Span, Value};

/// How many nodes the aliases and merge keys of one document may make.
const MOST_COPIES: usize = 100_000;
/// How deep values may lie in each other: far below what a thread's stack holds.
const DEEPEST: usize = 256;

/// What is wrong with a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// What.
    pub message: String,
    /// Where.
    pub span: Span,
    /// Where the other one is, of two.
    pub other: Option<Span>,
    /// The document cannot be read: nothing of it is checked.
    pub fatal: bool,
}

impl Problem {
    pub(super) fn fatal(message: impl Into<String>, span: Span) -> Self {
        Self { message: message.into(), span, other: None, fatal: true }
    }
}

/// Reads every document of a text. Goes on at the next `---` after what cannot be read.
pub fn read(text: &str) -> (Vec<Node>, Vec<Problem>) {
    let mut documents = Vec::new();
    let mut problems = Vec::new();
    for chunk in chunks(text) {
        let Some(part) = text.get(chunk.clone()) else { continue };
        if let Err(problem) = read_chunk(part, chunk.start, &mut documents, &mut problems) {
            problems.push(problem);
        }
    }
    (documents, problems)
}

fn read_chunk(text: &str, base: usize, documents: &mut Vec<Node>, problems: &mut Vec<Problem>) -> Result<(), Problem> {
    let options = granit_parser::options! { emit_comments: false, block_scalar_eof_without_line_feed: true };
    let mut builder = Builder::new(problems);
    for next in Parser::new_from_str_with_options(text, options) {
        let (event, span) = match next {
            Ok(next) => next,
            Err(error) => {
                let at = base + offset_of(text, error.marker());
                return Err(Problem::fatal(error.kind().to_string(), at..at + 1));
            }
        };
        let range = base + offset_of(text, &span.start)..base + offset_of(text, &span.end);
        builder.take(event, range)?;
        if let Some(document) = builder.finished.take() {
            documents.push(document);
        }
    }
    Ok(())
}

fn offset_of(text: &str, marker: &granit_parser::Marker) -> usize {
    let counted = || text.char_indices().nth(marker.index()).map_or(text.len(), |(at, _)| at);
    marker.byte_offset().unwrap_or_else(counted).min(text.len())
}

/// A list or a map that is not complete yet.
struct Frame {
    span: Span,
    anchor: usize,
    sort: Sort,
}

enum Sort {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, key: Option<(String, Span)> },
}

struct Builder<'a> {
    stack: Vec<Frame>,
    /// What anchors name; `None` while it is not complete.
    anchors: HashMap<usize, Node>,
    copies: usize,
    root: Option<Node>,
    finished: Option<Node>,
    problems: &'a mut Vec<Problem>,
}

impl<'a> Builder<'a> {
    fn new(problems: &'a mut Vec<Problem>) -> Self {
        Self { stack: Vec::new(), anchors: HashMap::new(), copies: 0, root: None, finished: None, problems }
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Problem> {
        match event {
            Event::DocumentStart(..) => {
                self.anchors.clear();
                self.copies = 0;
                Ok(())
            }
            Event::DocumentEnd => {
                self.finished = self.root.take();
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                let node = scalar_node(&text, style, tag.as_deref(), span)?;
                self.put(node, anchor)
            }
            Event::SequenceStart(_, anchor, _) => self.open(Sort::List(Vec::new()), anchor, span),
            Event::MappingStart(_, anchor, _) => self.open(Sort::Map { entries: Vec::new(), key: None }, anchor, span),
            Event::SequenceEnd | Event::MappingEnd => self.close(&span),
            Event::Alias(anchor) => self.alias(anchor, span),
            Event::UnresolvedAlias(name) => Err(Problem::fatal(format!("there is no anchor &{name}"), span)),
            // Comments and marks of the stream say nothing about values.
            _ => Ok(()),
        }
    }

    fn open(&mut self, sort: Sort, anchor: usize, span: Span) -> Result<(), Problem> {
        if self.stack.len() >= DEEPEST {
            return Err(Problem::fatal(format!("values lie more than {DEEPEST} deep in each other"), span));
        }
        self.stack.push(Frame { span, anchor, sort });
        Ok(())
    }

    fn close(&mut self, end: &Span) -> Result<(), Problem> {
        let Some(Frame { span, anchor, sort }) = self.stack.pop() else { return Ok(()) };
        let value = match sort {
            Sort::List(items) => Value::List(items),
            Sort::Map { entries, .. } => Value::Map(merge::complete(entries, &mut self.copies, self.problems)?),
        };
        self.bounded(&span)?;
        let node = Node { span: span.start..end.end.max(span.end), value, surprising: false };
        self.put(node, anchor)
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<(), Problem> {
        let Some(node) = self.anchors.get(&anchor).cloned() else {
            return Err(Problem::fatal("this alias stands inside the value that it names", span));
        };
        let (size, height) = measure(&node);
        self.copies += size;
        self.bounded(&span)?;
        if self.stack.len() + height > DEEPEST {
            return Err(Problem::fatal(format!("values lie more than {DEEPEST} deep in each other"), span));
        }
        self.put(node, 0)
    }

    fn bounded(&self, span: &Span) -> Result<(), Problem> {
        if self.copies <= MOST_COPIES {
            return Ok(());
        }
        let message = format!("aliases make more than {MOST_COPIES} values of this document; write them out");
        Err(Problem::fatal(message, span.clone()))
    }

    /// A complete value takes its place: in the list or map around it, as a key, or as the document.
    fn put(&mut self, node: Node, anchor: usize) -> Result<(), Problem> {
        if anchor != 0 {
            self.copies += measure(&node).0;
            self.bounded(&node.span)?;
            self.anchors.insert(anchor, node.clone());
        }
        let Some(frame) = self.stack.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut frame.sort {
            Sort::List(items) => items.push(node),
            Sort::Map { entries, key } => match key.take() {
                Some((name, key_span)) => entries.push(Entry { key: name, key_span, value: node }),
                None => *key = Some(key_of(node)?),
            },
        }
        Ok(())
    }
}

/// How many values a value is, and how deep.
fn measure(node: &Node) -> (usize, usize) {
    let fold = |(size, height): (usize, usize), child: &Node| {
        let (more, depth) = measure(child);
        (size + more, height.max(depth + 1))
    };
    match &node.value {
        Value::List(items) => items.iter().fold((1, 1), fold),
        Value::Map(entries) => entries.iter().map(|entry| &entry.value).fold((1, 1), fold),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) => (1, 0),
    }
}

/// A key is text; kubectl writes numbers and booleans as text too.
fn key_of(node: Node) -> Result<(String, Span), Problem> {
    let key = match node.value {
        Value::Text(text) => text,
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
        Value::Null => "null".to_owned(),
        Value::List(_) | Value::Map(_) => {
            return Err(Problem::fatal("a list or a map cannot be a key", node.span));
        }
    };
    Ok((key, node.span))
}

fn scalar_node(text: &str, style: ScalarStyle, tag: Option<&Tag>, span: Span) -> Result<Node, Problem> {
    let kind = tag.and_then(Tag::core_suffix);
    let quoted = style != ScalarStyle::Plain;
    let (value, surprising) = match kind {
        Some("str") => (Value::Text(text.to_owned()), false),
        Some(kind @ ("bool" | "int" | "float" | "null")) => {
            let (value, _) = scalar::plain(text);
            let fits = matches!(
                (kind, &value),
                ("bool", Value::Bool(_)) | ("int", Value::Int(_)) | ("float", Value::Float(_)) | ("null", Value::Null)
            );
            match value {
                Value::Int(value) if kind == "float" => (Value::Text(value.to_string()), false),
                value if fits => (value, false),
                _ => return Err(Problem::fatal(format!("{text:?} does not read as !!{kind}"), span)),
            }
        }
        _ if quoted => (Value::Text(text.to_owned()), false),
        _ => scalar::plain(text),
    };
    Ok(Node { span, value, surprising })
}
