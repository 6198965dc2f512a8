//! Escapes text from a tenant for a terminal and for markdown. The text can forge neither a line nor a link nor a cell.

use crate::domain::printable;

/// The longest run of backticks in a code span. GitHub and GitLab do not parse fences of more than 80.
const LONGEST_RUN: usize = 16;

/// One line for a terminal: characters that print nothing, or change how others print, are escaped.
pub fn plain(text: &str) -> String {
    printable(text).into_owned()
}

/// A cell of a markdown table. Renderers decode entities before they resolve mentions and issue numbers, but resolve
/// nothing inside a code span. So all variable text is in a code span.
#[derive(Debug)]
pub struct Cell(String);

impl Cell {
    /// Fixed text without markup.
    pub fn word(text: &'static str) -> Self {
        Self(text.to_owned())
    }

    /// Any text, as one code span. Empty text stays empty.
    pub fn code(text: &str) -> Self {
        let mut text = plain(text);
        let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
        let fence = if longest > LONGEST_RUN {
            text = text.replace('`', r"\u{60}");
            "`".to_owned()
        } else {
            "`".repeat(longest + 1)
        };
        if text.is_empty() {
            return Self(text);
        }
        // A renderer strips one space from both ends, unless the span has only spaces.
        let stripped = text.starts_with(' ') && text.ends_with(' ') && !text.trim_matches(' ').is_empty();
        let joined = text.starts_with('`') || text.ends_with('`');
        let space = if stripped || joined { " " } else { "" };
        Self(format!("{fence}{space}{}{space}{fence}", pipes(&text)))
    }

    /// The cell as markdown.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Escapes pipes for a table cell. Renderers disagree on a pipe after a backslash, so it is escaped differently.
fn pipes(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    let mut last = ' ';
    for c in text.chars() {
        match c {
            '|' if last == '\\' => written += r"\u{7c}",
            '|' => written += r"\|",
            _ => written.push(c),
        }
        last = c;
    }
    written
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Cell, plain};

    #[test]
    fn hidden_characters_are_written_out() {
        for (text, shown) in [
            ("a\nb\r\u{1b}[2Jc\0", r"a\u{a}b\u{d}\u{1b}[2Jc\u{0}"),
            ("x\u{202e}y\u{2066}z\u{200b}\u{feff}", r"x\u{202e}y\u{2066}z\u{200b}\u{feff}"),
            ("l\u{2028}p\u{2029}n\u{85}s\u{ad}", r"l\u{2028}p\u{2029}n\u{85}s\u{ad}"),
            ("Zoë \"the\\one\" 日本 it's", "Zoë \"the\\one\" 日本 it's"),
        ] {
            assert_eq!(plain(text), shown);
        }
    }

    #[test]
    fn text_of_a_tenant_is_one_code_span() {
        for (text, written) in [
            ("", ""),
            (" ", "` `"),
            (" a ", "`  a  `"),
            (" a", "` a`"),
            ("a | b", r"`a \| b`"),
            (r"a \| b", r"`a \\u{7c} b`"),
            ("`code` *b*", "`` `code` *b* ``"),
            ("@everyone #1 <img src=x>", "`@everyone #1 <img src=x>`"),
            ("#1\n| x |", r"`#1\u{a}\| x \|`"),
            ("bob@acme.example", "`bob@acme.example`"),
        ] {
            assert_eq!(Cell::code(text).as_str(), written);
        }
        assert_eq!(Cell::code(&"`".repeat(17)).as_str(), format!("`{}`", r"\u{60}".repeat(17)));
    }

    /// The cells of a row. `pairs`: whether two backslashes are an escaped backslash; renderers differ in this.
    fn cells(row: &str, pairs: bool) -> Vec<String> {
        let mut cells = vec![String::new()];
        let mut escaped = false;
        for c in row.chars() {
            match c {
                '|' if escaped => {
                    let cell = cells.last_mut().unwrap();
                    cell.pop();
                    cell.push('|');
                }
                '|' => cells.push(String::new()),
                _ => cells.last_mut().unwrap().push(c),
            }
            escaped = c == '\\' && !(pairs && escaped);
        }
        cells.iter().map(|cell| cell.trim_matches([' ', '\t']).to_owned()).collect()
    }

    /// The content of a cell that is one code span, by the rules of GFM.
    fn span(cell: &str) -> Option<String> {
        let fence = cell.len() - cell.trim_start_matches('`').len();
        if fence == 0 || fence > 80 {
            return None;
        }
        let mut at = fence;
        while at < cell.len() {
            let run = cell[at..].len() - cell[at..].trim_start_matches('`').len();
            if run == fence {
                let content = &cell[fence..at];
                let padded = content.len() > 1 && content.starts_with(' ') && content.ends_with(' ');
                let inner = padded && !content.trim_matches(' ').is_empty();
                let content = if inner { &content[1..content.len() - 1] } else { content };
                return (at + run == cell.len()).then(|| content.to_owned());
            }
            at += if run == 0 { cell[at..].chars().next().map_or(1, char::len_utf8) } else { run };
        }
        None
    }

    fn texts() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            8 => prop::sample::select(vec![
                "`", "``", "|", "\\", " ", "a", "@org/team", "#1", "\n", "\r\n", "\t", "é", "<b>", "]( https://a.example", "&#64;x", "$",
            ]).prop_map(str::to_owned),
            1 => (1..100_usize).prop_map(|run| "`".repeat(run)),
        ];
        prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 5_000, ..ProptestConfig::default() })]

        #[test]
        fn generated_cell_reads_back_as_its_text(text in texts()) {
            let cell = Cell::code(&text);
            let row = format!("| - | {} | end |", cell.as_str());
            prop_assert!(!row.contains(['\n', '\r']));
            for pairs in [false, true] {
                let cells = cells(&row, pairs);
                prop_assert_eq!(cells.len(), 5, "{}", row);
                if text.is_empty() {
                    prop_assert_eq!(&cells[2], "");
                } else {
                    let read = span(&cells[2]).map(|read| read.replace(r"\u{60}", "`").replace(r"\u{7c}", "|"));
                    prop_assert_eq!(read, Some(plain(&text)), "{}", row);
                }
            }
        }
    }
}
