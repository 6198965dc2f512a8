//! Reads YAML and JSON in the way of kubectl, and keeps all positions. A text that kubectl refuses is refused. So is
//! one that kubectl reads differently than a person would. The steps have the order of kubectl:
//!
//! ```text
//! encoding (bytes ──▶ text) ──▶ chunk (documents) ──▶ scanner, parser (nodes) ──▶ decode (aliases, merge keys, tags) ──▶ tree
//!                                       └──▶ json ─────────────────────────────────────────────────────────────────────▶ tree
//! ```
//!
//! kubectl splits a file into documents (`YAMLOrJSONDecoder` of k8s.io/apimachinery), and reads each with go-yaml v2,
//! which is YAML 1.1. No reader of YAML 1.2 agrees with it on merge keys, tabs, line ends, escapes and simple keys.
//! `tests/core/check/differential` compares this module with kubectl's reader.

mod characters;
mod cursor;
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
    /// kubectl reads it differently than it appears.
    Ambiguous,
    /// A map contains a key twice.
    DuplicateKey,
}

/// A problem of a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// The kind.
    pub kind: ProblemKind,
    /// The cause, and the fix.
    pub message: String,
    /// The span.
    pub span: Span,
    /// The span of the other occurrence, if the problem has two.
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

/// Reads every document of a text, except empty ones. After a problem it continues at the next `---`. A text with
/// conflict markers of git is not read at all.
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
    // kubectl removes a byte order mark at the beginning of each document, because `cat` can join files.
    let body = text.trim_start_matches('\u{feff}');
    let mark = text.len() - body.len();
    if mark > '\u{feff}'.len_utf8() {
        return Err(Problem::syntax("two byte order marks stand here; remove them", base..base + mark));
    }
    characters(body, base + mark)?;
    let (nodes, root) = parser::parse(body, base + mark)?;
    root.map(|root| decode::decode(&nodes, root, problems)).transpose()
}

/// Refuses the characters that kubectl does not read, and those that are line ends only in YAML 1.1.
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
