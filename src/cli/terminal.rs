//! Output for people: standard output, standard error and the log. Characters that control a terminal or hide text are
//! removed or escaped, even in names. A line stays one line if its values are printed with [`printable`]. The log does
//! that for each event as a whole.

use std::io::{self, Write};

use tracing_subscriber::fmt::MakeWriter;

use crate::domain::text::is_hidden;
use crate::domain::{printable, printable_json, printable_lines};

/// Writes an error to standard error.
pub fn print_error(problem: &str) {
    eprintln!("error: {}", printable_lines(problem));
}

/// A writer of text for a terminal. Line breaks, tabs and colours pass; every other hidden character is escaped.
pub struct Terminal<W> {
    inner: W,
    /// The start of an incomplete UTF-8 character.
    pending: Vec<u8>,
}

impl<W: Write> Terminal<W> {
    /// Writes to `inner`.
    pub fn new(inner: W) -> Self {
        Self { inner, pending: Vec::new() }
    }
}

impl<W: Write> Write for Terminal<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pending.extend_from_slice(bytes);
        let whole = match std::str::from_utf8(&self.pending) {
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Ok(_) | Err(_) => self.pending.len(),
        };
        let rest = self.pending.split_off(whole);
        let text = std::mem::replace(&mut self.pending, rest);
        self.inner.write_all(sanitize(&String::from_utf8_lossy(&text)).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Escapes hidden characters except line breaks, tabs and colours.
fn sanitize(text: &str) -> String {
    let mut tamed = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| is_hidden(c)) {
        let (plain, hidden) = rest.split_at(at);
        tamed.push_str(plain);
        let kept = colour(hidden).or_else(|| hidden.starts_with(['\n', '\t']).then_some(1));
        let length = kept.unwrap_or_else(|| hidden.chars().next().map_or(1, char::len_utf8));
        let (first, after) = hidden.split_at(length);
        if kept.is_some() {
            tamed.push_str(first);
        } else {
            tamed.push_str(&printable(first));
        }
        rest = after;
    }
    tamed + rest
}

/// The length of a colour code at the beginning of a text.
fn colour(text: &str) -> Option<usize> {
    let code = text.strip_prefix("\x1b[")?;
    let end = code.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    code[end..].starts_with('m').then_some("\x1b[".len() + end + 1)
}

/// A writer of log lines: each event is one line, for any values.
#[derive(Clone, Copy, Debug)]
pub struct LogLines<M> {
    /// The output of the lines.
    pub to: M,
    /// Whether each line is a JSON object.
    pub json: bool,
}

/// The writer of one event.
#[derive(Debug)]
pub struct LogLine<W> {
    to: W,
    json: bool,
}

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for LogLines<M> {
    type Writer = LogLine<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        LogLine { to: self.to.make_writer(), json: self.json }
    }
}

impl<W: Write> Write for LogLine<W> {
    /// An event arrives in a single write.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let line = if self.json { printable_json(line) } else { printable(line).into_owned() };
        self.to.write_all((line + "\n").as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A name with characters that clear the screen, forge a row and reverse text.
    const EVIL: &str = "Acme\u{1b}[2J\n2027-01-01 INFO forged\r\u{202e}\u{9b}31m\0";

    #[test]
    fn colours_and_lines_of_ours_pass_and_nothing_else() {
        let mut out = Terminal::new(Vec::new());
        for byte in "é\u{1b}[1;31mred\u{1b}[0m\tok\n".as_bytes().chunks(16) {
            out.write_all(byte).unwrap();
        }
        out.write_all("\u{1b}]0;title\u{7}\u{1b}[2J\u{202e}é".as_bytes()).unwrap();
        let written = String::from_utf8(out.inner).unwrap();
        let expected = "é\u{1b}[1;31mred\u{1b}[0m\tok\n\\u{1b}]0;title\\u{7}\\u{1b}[2J\\u{202e}é";
        assert_eq!(written, expected);
    }

    #[test]
    fn split_characters_are_put_together() {
        let mut out = Terminal::new(Vec::new());
        for byte in "a\u{202e}é😀".as_bytes() {
            out.write_all(&[*byte]).unwrap();
        }
        assert_eq!(String::from_utf8(out.inner).unwrap(), "a\\u{202e}é😀");
    }

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn log_event_is_one_line_with_any_values() {
        for json in [false, true] {
            let kept = Kept::default();
            let writer = kept.clone();
            let to = LogLines { to: move || writer.clone(), json };
            let log = tracing_subscriber::fmt().with_writer(to);
            let say = || tracing::info!(name = %EVIL, debug = ?EVIL, field = EVIL, "done: {EVIL}");
            if json {
                tracing::subscriber::with_default(log.json().finish(), say);
            } else {
                tracing::subscriber::with_default(log.with_ansi(false).finish(), say);
            }
            let written = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
            let line = written.strip_suffix('\n').unwrap();
            assert!(line.contains("done") && line.chars().all(|c| !is_hidden(c)), "{line}");
            if json {
                let read: serde_json::Value = serde_json::from_str(line).unwrap();
                assert_eq!(read["fields"]["name"], EVIL);
            }
        }
    }
}
