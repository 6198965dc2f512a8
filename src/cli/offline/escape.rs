//! Text that a tenant wrote, for a terminal and for markdown: it can neither forge a line nor form a link or a table cell.

use crate::rules::printable;
use crate::rules::text::is_hidden;

/// One line for a terminal: characters that print nothing, or change how others print, are written out.
pub fn plain(text: &str) -> String {
    printable(text).into_owned()
}

/// One cell of a markdown table, or a part of one.
pub fn markdown(text: &str) -> String {
    let mut written = String::new();
    let mut last = ' ';
    for (at, c) in text.char_indices() {
        let inside_word = last.is_ascii_alphanumeric();
        match c {
            _ if is_hidden(c) => written += &code_point(c),
            // A mention, a link: neither is formed by an address or a file's place.
            '@' if inside_word => written.push(c),
            '.' if !written.ends_with("www") && !written.ends_with("WWW") => written.push(c),
            ' ' | ',' | ';' | '/' | '(' | ')' | '+' | '-' | '=' | '\'' | '"' | '?' | '%' => written.push(c),
            ':' if !text[at..].starts_with("://") => written.push(c),
            _ if c.is_alphanumeric() => written.push(c),
            _ => written += &format!("&#{};", u32::from(c)),
        }
        last = c;
    }
    written
}

fn code_point(c: char) -> String {
    format!("U+{:04X}", u32::from(c))
}

#[cfg(test)]
mod tests {
    use super::{markdown, plain};

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
    fn markdown_of_a_tenant_forms_no_cell_link_mention_or_markup() {
        for (text, written) in [
            ("a | b", "a &#124; b"),
            ("`code` *b* _i_ ~s~", "&#96;code&#96; &#42;b&#42; &#95;i&#95; &#126;s&#126;"),
            ("<img src=x> &amp; \\|", "&#60;img src=x&#62; &#38;amp; &#92;&#124;"),
            ("[x](https://evil.example)", "&#91;x&#93;(https&#58;//evil.example)"),
            ("www.evil.example", "www&#46;evil.example"),
            ("@everyone and bob@acme.example", "&#64;everyone and bob@acme.example"),
            ("#1\n| x |", "&#35;1U+000A&#124; x &#124;"),
            ("2026-11-27T08:50:42Z", "2026-11-27T08:50:42Z"),
        ] {
            assert_eq!(markdown(text), written);
        }
    }
}
