//! The message of a panic, in a form that may be logged. Quoted text is removed: a panic about a string quotes the
//! string, which may be a password or a token.

use std::any::Any;
use std::panic::PanicHookInfo;

/// Maximum length of a logged message, in characters.
const LONGEST: usize = 300;

/// The message of a caught panic, without quoted text.
pub fn message(payload: &(dyn Any + Send)) -> String {
    let said = payload.downcast_ref::<&str>().copied();
    let said = said.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    said.map_or_else(|| "a panic without a message".to_owned(), without_quotes)
}

/// Reports each panic of the process in one line, with its location. The report goes to the log if there is one,
/// otherwise to standard error.
pub fn install() {
    std::panic::set_hook(Box::new(|info| {
        let report = report(info);
        if tracing::enabled!(tracing::Level::ERROR) {
            tracing::error!("{report}");
        } else {
            eprintln!("error: {report}");
        }
    }));
}

fn report(info: &PanicHookInfo<'_>) -> String {
    let said = info.payload_as_str().map_or_else(|| "a panic without a message".to_owned(), without_quotes);
    let place = info.location().map(|at| format!(" at {}:{}", at.file(), at.line())).unwrap_or_default();
    format!("internal error{place}: {said}. Report it with this line")
}

/// A message in which quoted text is replaced by an ellipsis, except for the names of Rust items.
fn without_quotes(said: &str) -> String {
    let mut shown = String::new();
    let mut rest = said;
    while let Some(at) = rest.find(['"', '`', '\'']) {
        let (before, quoted) = rest.split_at(at);
        shown.push_str(before);
        let mark = quoted.chars().next().unwrap_or('"');
        // An apostrophe inside a word is not a quotation mark.
        if mark == '\'' && before.ends_with(char::is_alphanumeric) {
            shown.push(mark);
            rest = &quoted[1..];
            continue;
        }
        let (inside, after) = split_quoted(&quoted[1..], mark);
        let inside = if mark == '`' && is_item(inside) { inside } else { "…" };
        shown.extend([mark.to_string().as_str(), inside, mark.to_string().as_str()]);
        rest = after;
    }
    shown.push_str(rest);
    shown.chars().map(|sign| if sign.is_control() { ' ' } else { sign }).take(LONGEST).collect()
}

/// The text up to the closing quotation mark, and the text after it. A mark after a backslash does not close.
fn split_quoted(text: &str, mark: char) -> (&str, &str) {
    let mut escaped = false;
    for (at, sign) in text.char_indices() {
        match sign {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if sign == mark => return (&text[..at], &text[at + 1..]),
            _ => {}
        }
    }
    (text, "")
}

/// Whether quoted text names an item of Rust, as in messages of the standard library.
fn is_item(text: &str) -> bool {
    ["None", "Some", "Ok", "Err", "Option::unwrap()", "Option::expect()", "Result::unwrap()", "Result::expect()"]
        .contains(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panic_message_keeps_the_cause_and_drops_quoted_text() {
        for (said, shown) in [
            (
                "index out of bounds: the len is 3 but the index is 5",
                "index out of bounds: the len is 3 but the index is 5",
            ),
            ("called `Option::unwrap()` on a `None` value", "called `Option::unwrap()` on a `None` value"),
            (
                "called `Result::unwrap()` on an `Err` value: Token { value: \"hun\\\"ter2\" }",
                "called `Result::unwrap()` on an `Err` value: Token { value: \"…\" }",
            ),
            (
                "byte index 2 is not a char boundary; it is inside 'é' of `hunter2é`",
                "byte index 2 is not a char boundary; it is inside '…' of `…`",
            ),
            ("it's broken by \"hunter2", "it's broken by \"…\""),
            ("two\nlines", "two lines"),
        ] {
            assert_eq!(without_quotes(said), shown);
        }
    }

    #[test]
    fn panic_payload_of_any_type_has_a_message() {
        assert_eq!(message(&"plain"), "plain");
        assert_eq!(message(&"owned `hunter2`".to_owned()), "owned `…`");
        assert_eq!(message(&7), "a panic without a message");
    }

    #[test]
    fn panic_message_has_a_longest_length() {
        assert_eq!(without_quotes(&"x".repeat(1000)).chars().count(), LONGEST);
    }
}
