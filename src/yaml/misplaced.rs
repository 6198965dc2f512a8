//! Text that resembles structure: blanks beyond ASCII, and the conflict markers of git.

use std::ops::Range;

use super::Problem;

/// The conflict markers of git. A name may follow three of them.
const MARKERS: [&str; 4] = ["<<<<<<<", ">>>>>>>", "|||||||", "======="];

/// The first line that is a conflict marker.
pub fn conflict(text: &str) -> Option<Problem> {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let shown = line.trim_end();
        let marker = MARKERS.iter().find(|marker| match shown.strip_prefix(**marker) {
            Some(rest) => rest.is_empty() || (rest.starts_with(' ') && **marker != "======="),
            None => false,
        });
        if let Some(marker) = marker {
            let message = format!(
                "this line is a conflict marker of git ({marker}); resolve the conflict, and remove the lines that begin with <<<<<<<, ======= and >>>>>>>"
            );
            return Some(Problem::syntax(message, at..at + shown.len()));
        }
        at += line.len();
    }
    None
}

/// The first blank beyond ASCII in an unquoted scalar, at a position that resembles structure. Such positions are an
/// end of a line, after `:` or `-`, and before `#`.
pub fn blank(text: &str, scalar: Range<usize>) -> Option<(usize, char)> {
    let part = text.get(scalar.clone())?;
    let mut searched = 0;
    // The search goes run by run, because the characters around a blank are those around its run.
    for (start, _) in part.match_indices(is_blank) {
        if start < searched {
            continue;
        }
        let (before, rest) = part.split_at_checked(start)?;
        let (run, after) = rest.split_at_checked(rest.find(|c| !is_blank(c)).unwrap_or(rest.len()))?;
        let begins = before.is_empty() || before.ends_with(['\n', ':']) || matches!(before, "-" | "?");
        let ends = after.is_empty() || after.starts_with(['\n', '\r', '#']);
        let odd = run.char_indices().find(|(_, character)| !character.is_ascii());
        if let Some((within, character)) = odd.filter(|_| begins || ends) {
            return Some((scalar.start + start + within, character));
        }
        searched = start + run.len();
    }
    None
}

/// The problem of a blank that [`blank`] found.
pub fn blank_problem((at, character): (usize, char), base: usize) -> Problem {
    let code = u32::from(character);
    let name = if character == '\u{a0}' { " (no-break space)" } else { "" };
    let message = format!(
        "kubectl reads the blank U+{code:04X}{name} as a part of the text; write a space, or put the text in quotes"
    );
    Problem::ambiguous(message, base + at..base + at + character.len_utf8())
}

/// Spaces of any width, and invisible ones.
fn is_blank(character: char) -> bool {
    let is_line_end = matches!(character, '\n' | '\r');
    (character.is_whitespace() && !is_line_end) || matches!(character, '\u{180e}' | '\u{200b}' | '\u{2060}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_beyond_ascii_is_found_where_it_looks_like_structure() {
        for (text, at) in [
            ("\u{a0}a", Some(0)),
            ("a\u{a0}", Some(1)),
            ("a:\u{3000}b", Some(2)),
            ("-\u{2009}a", Some(1)),
            ("a \u{a0}# c", Some(2)),
            ("a\n\u{200b}b", Some(2)),
            ("a \u{a0}\n b", Some(2)),
            ("a\u{a0}b", None),
            ("a-\u{a0}b", None),
            ("a b", None),
        ] {
            assert_eq!(blank(text, 0..text.len()).map(|(at, _)| at), at, "{text:?}");
        }
    }

    #[test]
    fn conflict_marker_is_a_line_of_its_own() {
        for (text, at) in [
            ("a: b\n<<<<<<< HEAD\n", Some(5..17)),
            ("=======\r\na: b\n", Some(0..7)),
            (">>>>>>> main", Some(0..12)),
            ("|||||||\n", Some(0..7)),
            ("# =======\n  =======\n========\n<<: *a\n======= x\n<<<<<<<x\n", None),
        ] {
            assert_eq!(conflict(text).map(|problem| problem.span), at, "{text:?}");
        }
    }
}
