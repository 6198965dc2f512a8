//! Reads YAML and JSON as kubectl does, and keeps the place of everything. A text that kubectl refuses is refused, and so is
//! one that kubectl reads differently than a person would. The order of the steps is kubectl's own:
//!
//! ```text
//! encoding (bytes ──▶ text) ──▶ chunk (documents) ──▶ scanner, parser (nodes) ──▶ decode (aliases, merge keys, tags) ──▶ tree
//!                                       └──▶ json ─────────────────────────────────────────────────────────────────────▶ tree
//! ```
//!
//! kubectl splits a file into documents (`YAMLOrJSONDecoder` of k8s.io/apimachinery), and reads each with go-yaml v2, which
//! is YAML 1.1. No reader of YAML 1.2 agrees with it on merge keys, tabs, line ends, escapes and simple keys.
//! `tests/core/check/differential` holds this module to kubectl's reader.

mod characters;
mod decode;
mod documents;
mod encoding;
mod json;
pub mod manifest;
pub mod metadata;
mod misplaced;
pub mod node;
mod options;
mod parser;
mod scalar;
mod scalars;
mod scanner;
mod switch;
mod token;

pub use encoding::decode as decode_bytes;
pub use options::ambiguity;
pub use switch::Switch;

use crate::domain::quote;
use documents::Chunk;
use node::{Node, Span, Value};

/// The kind of a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// kubectl cannot read it either.
    Syntax,
    /// kubectl reads it differently than it looks.
    Ambiguous,
    /// A key stands twice in a map.
    DuplicateKey,
}

/// A problem of a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// The kind.
    pub kind: ProblemKind,
    /// The cause, and the fix.
    pub message: String,
    /// The place.
    pub span: Span,
    /// The place of the other one, of two.
    pub other: Option<Span>,
}

impl Problem {
    fn new(kind: ProblemKind, message: impl Into<String>, span: Span) -> Self {
        Self { kind, message: message.into(), span, other: None }
    }

    fn syntax(message: impl Into<String>, span: Span) -> Self {
        Self::new(ProblemKind::Syntax, message, span)
    }

    fn ambiguous(message: impl Into<String>, span: Span) -> Self {
        Self::new(ProblemKind::Ambiguous, message, span)
    }

    fn duplicate_key(key: &str, span: Span, first: Span) -> Self {
        let message = format!("the key {} stands here a second time", quote(key));
        Self { other: Some(first), ..Self::new(ProblemKind::DuplicateKey, message, span) }
    }
}

/// Reads every document of a text; empty ones are left out. Goes on at the next `---` after a problem;
/// a text with conflict markers of git is not read at all.
pub fn read(text: &str) -> (Vec<Node>, Vec<Problem>) {
    let mut documents = Vec::new();
    let mut problems = Vec::new();
    if let Some(problem) = misplaced::conflict(text) {
        return (documents, vec![problem]);
    }
    for chunk in documents::chunks(text, &mut problems) {
        let node = match chunk {
            Chunk::Json(node) => Some(node),
            Chunk::Yaml(range) => {
                let part = text.get(range.clone()).unwrap_or_default();
                match read_document(part, range.start, &mut problems) {
                    Ok(node) => node,
                    Err(problem) => {
                        problems.push(problem);
                        None
                    }
                }
            }
        };
        documents.extend(node.filter(|node| !matches!(node.value, Value::Null)));
    }
    for span in problems.iter_mut().map(|problem| &mut problem.span) {
        *span = span.start.min(text.len())..span.end.min(text.len());
    }
    (documents, problems)
}

fn read_document(text: &str, base: usize, problems: &mut Vec<Problem>) -> Result<Option<Node>, Problem> {
    // kubectl takes off a byte order mark at the beginning of each document: files are joined by `cat`.
    let body = text.trim_start_matches('\u{feff}');
    let mark = text.len() - body.len();
    if mark > '\u{feff}'.len_utf8() {
        return Err(Problem::syntax("two byte order marks stand here; remove them", base..base + mark));
    }
    characters(body, base + mark)?;
    let (nodes, root) = parser::parse(body, base + mark)?;
    root.map(|root| decode::decode(&nodes, root, problems)).transpose()
}

/// Refuses the characters that kubectl does not read, and those that are line ends in YAML 1.1 alone.
fn characters(text: &str, base: usize) -> Result<(), Problem> {
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        let span = base + at..base + at + character.len_utf8();
        match character {
            '\n' | '\t' | ' '..='~' => {}
            '\r' if characters.peek().is_some_and(|(_, next)| *next == '\n') => {}
            '\r' => {
                let message =
                    "kubectl begins a new line at this carriage return, but no document; end lines with a line feed";
                return Err(Problem::ambiguous(message, span));
            }
            '\u{85}' | '\u{2028}' | '\u{2029}' => {
                let code = u32::from(character);
                let message = format!(
                    "kubectl begins a new line at U+{code:04X}; in double quotes write \\u{code:04X}, elsewhere remove it"
                );
                return Err(Problem::ambiguous(message, span));
            }
            '\u{feff}' => {
                let message = "a byte order mark stands inside the text, as when files are joined; remove it, or write a line of `---` before it";
                return Err(Problem::ambiguous(message, span));
            }
            character if character.is_control() || matches!(character, '\u{fffe}' | '\u{ffff}') => {
                let code = u32::from(character);
                let message =
                    format!("kubectl refuses the character U+{code:04X}; in double quotes write \\u{code:04X}");
                return Err(Problem::syntax(message, span));
            }
            _ => {}
        }
    }
    Ok(())
}
