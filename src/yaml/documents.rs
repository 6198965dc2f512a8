//! Splits a text into its documents in the way of kubectl, before any of it is parsed. A syntax error therefore ends at
//! the next `---`.

use std::ops::Range;

use super::node::Node;
use super::{Problem, json};

/// How far kubectl searches for the first brace of JSON, in bytes.
const JSON_PEEK: usize = 4096;
const SEPARATOR: &str = "---";

/// A document of a text.
#[derive(Debug)]
pub enum Chunk {
    /// A document that is not parsed yet.
    Yaml(Range<usize>),
    /// A value of a stream of JSON values.
    Json(Node),
}

/// The documents of a text.
pub fn chunks(text: &str, problems: &mut Vec<Problem>) -> Vec<Chunk> {
    let mut found = Vec::new();
    let rest = if begins_with_json(text) {
        match json_values(text, &mut found, problems) {
            Some(rest) => rest,
            None => return found,
        }
    } else {
        0
    };
    yaml_documents(text, rest, &mut found, problems);
    found
}

fn begins_with_json(text: &str) -> bool {
    let blanks = text.len() - text.trim_start().len();
    blanks < JSON_PEEK && text.trim_start().starts_with('{')
}

/// Reads consecutive JSON values. Returns the position where YAML begins, if it does.
fn json_values(text: &str, found: &mut Vec<Chunk>, problems: &mut Vec<Problem>) -> Option<usize> {
    let mut at = 0;
    loop {
        let mut of_this = Vec::new();
        let Some((node, end)) = json::value(text, at, &mut of_this) else { break };
        problems.append(&mut of_this);
        found.push(Chunk::Json(node));
        at = end;
        if json::blanks(text, at) == text.len() {
            return None;
        }
    }
    let here = json::blanks(text, at);
    match found.len() {
        // The text is not JSON, but a YAML map in braces.
        0 => return Some(0),
        // After the first line end, kubectl reads lines of YAML. A separator has no blanks before it.
        1 if begins_with_separator(text.get(at..).unwrap_or_default()) => return Some(here),
        1 => problems.push(Problem::ambiguous(
            "kubectl may drop the text after the first JSON value; write a line of `---` before it, or only JSON",
            here..here + 1,
        )),
        _ => problems
            .push(Problem::syntax("kubectl reads a stream of JSON values here, and this is no JSON", here..here + 1)),
    }
    None
}

fn begins_with_separator(rest: &str) -> bool {
    let line = rest.trim_start_matches([' ', '\t', '\r', '\n']);
    let blanks = rest.len() - line.len();
    let is_line_start = rest.get(..blanks).is_some_and(|blanks| !blanks.contains('\n') || blanks.ends_with('\n'));
    is_line_start && line.starts_with(SEPARATOR)
}

fn yaml_documents(text: &str, start: usize, found: &mut Vec<Chunk>, problems: &mut Vec<Problem>) {
    let mut begin = start;
    let mut at = start;
    for line in text.get(start..).unwrap_or_default().split_inclusive('\n') {
        if let Some(rest) = line.strip_prefix(SEPARATOR) {
            let rest = rest.trim();
            if !rest.is_empty() && !rest.starts_with('#') {
                let message = "kubectl accepts only a comment after `---`; begin the document on the next line";
                problems.push(Problem::syntax(message, at..at + line.trim_end().len()));
                found.push(Chunk::Yaml(begin..at));
                begin = at + line.len();
            } else if at > begin {
                found.push(Chunk::Yaml(begin..at));
                begin = at + line.len();
            } else if rest.starts_with('#') && line.starts_with("---#") {
                // Only a separator between documents may be followed directly by a comment.
                let message = "kubectl reads this as text: no document stands before it; write a space before the #";
                problems.push(Problem::syntax(message, at..at + line.trim_end().len()));
                begin = at + line.len();
            }
        }
        at += line.len();
    }
    found.push(Chunk::Yaml(begin..at));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<&str> {
        let mut problems = Vec::new();
        let cut = chunks(text, &mut problems)
            .into_iter()
            .map(|chunk| match chunk {
                Chunk::Yaml(range) => text.get(range).unwrap(),
                Chunk::Json(node) => text.get(node.span).unwrap(),
            })
            .filter(|text| !text.is_empty())
            .collect();
        assert_eq!(problems, []);
        cut
    }

    #[test]
    fn document_ends_where_the_next_begins() {
        assert_eq!(cut("a: 1\n---\nb: 2\n"), ["a: 1\n", "b: 2\n"]);
        assert_eq!(cut("---\n--- # two\nb: |\n  ---x\n---"), ["---\n", "b: |\n  ---x\n"]);
        assert_eq!(cut("a: 1\n---# two\nb: 1\n"), ["a: 1\n", "b: 1\n"]);
        assert_eq!(cut("---\na: 1\n---\n\u{feff}b: 2\n"), ["---\na: 1\n", "\u{feff}b: 2\n"]);
    }

    #[test]
    fn json_values_follow_each_other() {
        assert_eq!(cut("{\"a\": \"}\"}\n{\"b\": 1} {\"c\": {}}\n"), ["{\"a\": \"}\"}", "{\"b\": 1}", "{\"c\": {}}"]);
        assert_eq!(cut("{a: 1}\n"), ["{a: 1}\n"]);
        assert_eq!(cut("{\"a\": 1}\n---\nb: 2\n"), ["{\"a\": 1}", "---\nb: 2\n"]);
    }
}
