//! Text by a tenant or an administrator: its allowed characters, and its printed form.
//!
//! One table determines both. A name with a character of `HIDDEN` is refused with `InvalidValue`. Text that was
//! stored before, or comes from the directory's console, is printed with those characters as `\u{202e}`.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use crate::domain::quote;

/// Maximum length of a name, in characters. Twice as many UTF-16 units fit into Keycloak's limit of 255.
pub const LONGEST_NAME: usize = 100;

/// Characters that control a terminal, move the text around them or have no shape. These are the categories Cc, Cf, Zl,
/// Zp and Co, noncharacters, and default ignorable code points. Two variation selectors, which choose between text and
/// emoji, are not among them.
const HIDDEN: &[(char, char)] = &[
    ('\0', '\u{1f}'),
    ('\u{7f}', '\u{9f}'),
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{600}', '\u{605}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{6dd}', '\u{6dd}'),
    ('\u{70f}', '\u{70f}'),
    ('\u{890}', '\u{891}'),
    ('\u{8e2}', '\u{8e2}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{e000}', '\u{f8ff}'),
    ('\u{fdd0}', '\u{fdef}'),
    ('\u{fe00}', '\u{fe0d}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffc}'),
    ('\u{fffe}', '\u{ffff}'),
    ('\u{110bd}', '\u{110bd}'),
    ('\u{110cd}', '\u{110cd}'),
    ('\u{13430}', '\u{1343f}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{1fffe}', '\u{1ffff}'),
    ('\u{2fffe}', '\u{2ffff}'),
    ('\u{3fffe}', '\u{3ffff}'),
    ('\u{4fffe}', '\u{4ffff}'),
    ('\u{5fffe}', '\u{5ffff}'),
    ('\u{6fffe}', '\u{6ffff}'),
    ('\u{7fffe}', '\u{7ffff}'),
    ('\u{8fffe}', '\u{8ffff}'),
    ('\u{9fffe}', '\u{9ffff}'),
    ('\u{afffe}', '\u{affff}'),
    ('\u{bfffe}', '\u{bffff}'),
    ('\u{cfffe}', '\u{cffff}'),
    ('\u{dfffe}', '\u{dffff}'),
    ('\u{e0000}', '\u{10ffff}'),
];

/// Allowed characters that are invisible alone: spaces, the empty Braille pattern, variation selectors.
const BLANK: &[(char, char)] = &[
    (' ', ' '),
    ('\u{a0}', '\u{a0}'),
    ('\u{1680}', '\u{1680}'),
    ('\u{2000}', '\u{200a}'),
    ('\u{202f}', '\u{202f}'),
    ('\u{205f}', '\u{205f}'),
    ('\u{2800}', '\u{2800}'),
    ('\u{3000}', '\u{3000}'),
    ('\u{fe0e}', '\u{fe0f}'),
];

/// Whether a character is refused in names and escaped in output.
pub fn is_hidden(c: char) -> bool {
    // Every message of a status is checked by character, and nearly all of them are ASCII.
    if c.is_ascii() { c.is_ascii_control() } else { is_in(HIDDEN, c) }
}

fn is_in(table: &[(char, char)], c: char) -> bool {
    let place = table.partition_point(|(_, last)| *last < c);
    table.get(place).is_some_and(|(first, _)| *first <= c)
}

/// The display name of a partner or a guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisplayName(String);

impl DisplayName {
    /// Parses a name. The error names the problem and the fix.
    ///
    /// # Errors
    ///
    /// The text is blank or too long, or has a hidden character.
    pub fn parse(text: &str) -> Result<Self, String> {
        check(text, "a name").map_err(|wrong| format!("{wrong}, or leave the field out"))?;
        let length = text.chars().count();
        if length > LONGEST_NAME {
            return Err(format!("{} has {length} characters; a name has at most {LONGEST_NAME}", quote(text)));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for DisplayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Checks that a text is visible and has no hidden characters. The error names the first invalid character.
///
/// # Errors
///
/// The text is blank, or has a hidden character.
pub fn check(text: &str, what: &str) -> Result<(), String> {
    if let Some((place, c)) = text.chars().enumerate().find(|(_, c)| is_hidden(*c)) {
        let place = place + 1;
        return Err(format!(
            "{} has the character U+{:04X} at position {place}: a line break, a control or an invisible character; \
             remove the character",
            quote(text),
            u32::from(c)
        ));
    }
    if text.chars().all(|c| is_in(BLANK, c)) {
        return Err(format!("{} is blank; write {what}", quote(text)));
    }
    Ok(())
}

/// Whether a text is a DNS label in lower case, such as the name of a namespace.
pub fn is_dns_label(text: &str) -> bool {
    text.len() <= 63 && is_dns_name_part(text)
}

/// Whether a text may stand between the dots of an object's name. Kubernetes does not limit the length of such a part.
pub fn is_dns_name_part(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty() && text.chars().all(fits) && !text.starts_with('-') && !text.ends_with('-')
}

/// A text as one line for a terminal, a log or a status. Hidden characters are escaped, as `\u{202e}`.
pub fn printable(text: &str) -> Cow<'_, str> {
    if text.chars().any(is_hidden) { Cow::Owned(text.chars().map(EscapedChar).collect()) } else { Cow::Borrowed(text) }
}

/// Like [`printable`], for a text of several lines. Its line breaks stay.
pub fn printable_lines(text: &str) -> String {
    text.split('\n').map(printable).collect::<Vec<_>>().join("\n")
}

/// JSON text with hidden characters as JSON escapes. They occur only in strings, so the values stay the same.
pub fn printable_json(json: &str) -> String {
    let mut printed = String::with_capacity(json.len());
    for c in json.chars() {
        if c == '\n' || !is_hidden(c) {
            printed.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                // Writing into a String does not fail.
                let _ = write!(printed, "\\u{unit:04x}");
            }
        }
    }
    printed
}

/// A character, escaped if it is hidden.
struct EscapedChar(char);

impl FromIterator<EscapedChar> for String {
    fn from_iter<T: IntoIterator<Item = EscapedChar>>(characters: T) -> Self {
        let mut text = Self::new();
        for EscapedChar(c) in characters {
            if is_hidden(c) { text.extend(c.escape_unicode()) } else { text.push(c) }
        }
        text
    }
}

/// The two tables as regular expression classes for CEL: the hidden characters, and the characters that are not blank.
pub fn classes() -> (String, String) {
    let ranges = |table: &[(char, char)]| -> String {
        let one = |(first, last): &(char, char)| match (u32::from(*first), u32::from(*last)) {
            (first, last) if first == last => format!(r"\x{{{first:X}}}"),
            (first, last) => format!(r"\x{{{first:X}}}-\x{{{last:X}}}"),
        };
        table.iter().map(one).collect()
    };
    (format!("[{}]", ranges(HIDDEN)), format!("[^{}]", ranges(BLANK)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sorted_and_do_not_overlap() {
        for table in [HIDDEN, BLANK] {
            assert!(table.iter().all(|(first, last)| first <= last));
            assert!(table.windows(2).all(|two| two[0].1 < two[1].0));
        }
    }

    #[test]
    fn names_of_people_and_companies_read() {
        for name in [
            "Acme",
            "Bob O'Neil",
            "Zoë & Söhne",
            "山田　太郎",
            "Иван",
            "नमस्ते",
            "Acme ❤\u{fe0f}",
            "a\u{a0}b",
            "<b>",
            "😀",
        ] {
            assert_eq!(DisplayName::parse(name).unwrap().to_string(), name);
            assert_eq!(printable(name), name);
        }
        assert!(DisplayName::parse(&"é".repeat(LONGEST_NAME)).is_ok());
    }

    #[test]
    fn hidden_or_blank_names_are_refused_with_the_way_on() {
        let long = "x".repeat(LONGEST_NAME + 1);
        for name in [
            "",
            " ",
            "\u{3000}\u{a0}",
            "\u{2800}",
            "\u{fe0f}",
            "a\nb",
            "a\u{1b}[2J",
            "a\0",
            "a\u{202e}b",
            "a\u{9b}",
            &long,
        ] {
            let error = DisplayName::parse(name).unwrap_err();
            assert!(error.chars().all(|c| !is_hidden(c)) && error.len() < 200, "{error}");
        }
    }

    #[test]
    fn ascii_is_hidden_as_the_table_says() {
        for c in '\0'..='\x7f' {
            assert_eq!(is_hidden(c), is_in(HIDDEN, c), "{c:?}");
        }
    }

    #[test]
    fn every_noncharacter_is_hidden() {
        for plane in 0..=16 {
            for last in [0xfffe, 0xffff] {
                assert!(char::from_u32(plane * 0x1_0000 + last).is_some_and(is_hidden), "{plane:x} {last:x}");
            }
        }
    }

    #[test]
    fn every_control_is_hidden_and_every_letter_is_shown() {
        for c in '\0'..=char::MAX {
            assert!(!c.is_control() || is_hidden(c), "{c:?}");
            let filler = matches!(c, '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}');
            assert!(!c.is_alphanumeric() || !is_hidden(c) || filler, "{c:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn printed_text_hides_nothing_and_json_keeps_its_value(text in ".{0,20}", hidden in 0..HIDDEN.len()) {
            let text = format!("{text}{}\n{}", HIDDEN[hidden].0, HIDDEN[hidden].1);
            proptest::prop_assert!(printable(&text).chars().all(|c| !is_hidden(c)));
            proptest::prop_assert!(printable_lines(&text).chars().all(|c| c == '\n' || !is_hidden(c)));
            let json = printable_json(&serde_json::to_string(&text)?);
            proptest::prop_assert!(json.chars().all(|c| !is_hidden(c)));
            proptest::prop_assert_eq!(serde_json::from_str::<String>(&json)?, text);
        }
    }
}
