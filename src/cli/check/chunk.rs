//! Cuts a text into its documents before any of it is parsed, so that a syntax error ends at the next `---`, and so that
//! concatenated JSON values are read as kubectl reads them.

use std::ops::Range;

/// The documents of a text, each from its `---` on.
pub fn chunks(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        if offset > start && is_separator(line) {
            push(text, start..offset, &mut found);
            start = offset;
        }
        offset += line.len();
    }
    push(text, start..text.len(), &mut found);
    found
}

fn is_separator(line: &str) -> bool {
    line.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
}

fn push(text: &str, range: Range<usize>, found: &mut Vec<Range<usize>>) {
    let Some(chunk) = text.get(range.clone()) else { return };
    // Directives stand before the `---` that begins their document.
    let says_nothing = |line: &str| line.is_empty() || line.starts_with('#') || line.starts_with('%');
    if chunk.trim_start_matches('\u{feff}').lines().all(|line| says_nothing(line.trim_end())) {
        return;
    }
    let mut start = range.start;
    while let Some(end) = first_json_value(text.get(start..range.end).unwrap_or_default()) {
        found.push(start..start + end);
        start += end;
    }
    found.push(start..range.end);
}

/// Where the first JSON object ends, if another one follows it.
fn first_json_value(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let (mut quoted, mut escaped) = (false, false);
    let begin = text.len() - text.trim_start().len();
    if !text.get(begin..)?.starts_with('{') {
        return None;
    }
    for (at, byte) in text.bytes().enumerate().skip(begin) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    let end = at + 1;
                    return text.get(end..)?.trim_start().starts_with('{').then_some(end);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<&str> {
        chunks(text).into_iter().map(|range| text.get(range).unwrap()).collect()
    }

    #[test]
    fn documents_end_where_the_next_begins() {
        assert_eq!(cut("a: 1\n---\nb: 2\n"), ["a: 1\n", "---\nb: 2\n"]);
        assert_eq!(cut("---\n--- # two\nb: |\n  ---x\n---"), ["---\n", "--- # two\nb: |\n  ---x\n", "---"]);
        assert_eq!(cut("%YAML 1.2\n# c\n---\na: 1\n"), ["---\na: 1\n"]);
        assert!(cut("# only a comment\n\n").is_empty());
    }

    #[test]
    fn json_values_follow_each_other() {
        assert_eq!(
            cut("{\"a\": \"}\"}\n{\"b\": 1} {\"c\": {}}\n"),
            ["{\"a\": \"}\"}", "\n{\"b\": 1}", " {\"c\": {}}\n"]
        );
        assert_eq!(cut("{a: 1}\n"), ["{a: 1}\n"]);
    }
}
