//! Access of the scanner to its characters, and their positions.

use super::characters::is_blank_or_end;
use super::node::Span;
use super::scanner::{Position, Scanner};

impl Scanner<'_> {
    /// A byte ahead; 0 after the end. The last line always has a line end, even if the text does not.
    pub(super) fn byte(&self, ahead: usize) -> u8 {
        let at = self.mark.at + ahead;
        match self.text.as_bytes().get(at) {
            Some(byte) => *byte,
            None if at == self.text.len() && !self.text.is_empty() && !self.text.ends_with('\n') => b'\n',
            None => 0,
        }
    }

    pub(super) fn character(&self) -> Option<char> {
        self.text.get(self.mark.at..).and_then(|rest| rest.chars().next())
    }

    pub(super) fn skip(&mut self) {
        self.mark.at += self.character().map_or(1, char::len_utf8);
        self.mark.index += 1;
        self.mark.column += 1;
    }

    /// Appends the next character to a text, and skips it.
    pub(super) fn read(&mut self, text: &mut String) {
        text.extend(self.character());
        self.skip();
    }

    pub(super) fn skip_break(&mut self) {
        self.mark.at += if self.byte(0) == b'\r' { 2 } else { 1 };
        self.mark.index += 1;
        self.mark.column = 0;
        self.mark.line += 1;
    }

    pub(super) fn take_while(&mut self, fits: impl Fn(u8) -> bool) -> String {
        let mut text = String::new();
        while fits(self.byte(0)) {
            self.read(&mut text);
        }
        text
    }

    /// Whether the line consists only of this document mark: `---` or `...`.
    pub(super) fn is_document_mark(&self, byte: u8) -> bool {
        (0..3).all(|ahead| self.byte(ahead) == byte) && is_blank_or_end(self.byte(3))
    }

    // Positions

    /// The span of one character.
    pub(super) fn span(&self, mark: Position) -> Span {
        let start = mark.at.min(self.text.len());
        let width = self.text.get(start..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
        self.base + start..self.base + start + width
    }

    pub(super) fn span_from(&self, start: Position, end: Position) -> Span {
        self.base + start.at.min(self.text.len())..self.base + end.at.min(self.text.len())
    }
}
