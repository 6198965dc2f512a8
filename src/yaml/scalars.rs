//! The tokens that contain text: tags, and block, quoted and plain scalars.

use super::characters::{is_blank, is_blank_or_end, is_break, is_break_or_end, is_word, signed};
use super::scanner::{Position, Scanned, Scanner};
use super::token::{Token, TokenKind};
use super::{Problem, misplaced};

/// Line breaks and blanks between two parts of a scalar. They become a space, breaks or nothing.
#[derive(Default)]
struct Fold {
    blanks: String,
    first_break: bool,
    further_breaks: usize,
    /// Whether a line has ended since the last part.
    is_new_line: bool,
}

impl Fold {
    /// Appends the result of the blanks and breaks.
    fn join(&mut self, text: &mut String) {
        if self.is_new_line {
            match (self.first_break, self.further_breaks) {
                (true, 0) => text.push(' '),
                (_, breaks) => text.extend(std::iter::repeat_n('\n', breaks)),
            }
        } else {
            text.push_str(&self.blanks);
        }
        *self = Self::default();
    }
}

impl Scanner<'_> {
    pub(super) fn scan_tag(&mut self) -> Scanned<Token> {
        let start = self.mark;
        let (handle, suffix);
        if self.byte(1) == b'<' {
            self.skip();
            self.skip();
            handle = String::new();
            suffix = self.scan_uri(String::new(), false, start)?;
            if self.byte(0) != b'>' {
                return Err(self.bad_tag(start));
            }
            self.skip();
        } else {
            let mut head = String::new();
            self.read(&mut head);
            head.push_str(&self.take_while(is_word));
            if self.byte(0) == b'!' {
                self.read(&mut head);
            }
            if head.len() > 1 && head.ends_with('!') {
                suffix = self.scan_uri(String::new(), false, start)?;
                handle = head;
            } else {
                let rest = self.scan_uri(head.trim_start_matches('!').to_owned(), true, start)?;
                (handle, suffix) = if rest.is_empty() { (rest, "!".to_owned()) } else { ("!".to_owned(), rest) };
            }
        }
        if !is_blank_or_end(self.byte(0)) {
            return Err(self.bad_tag(start));
        }
        Ok(Token { kind: TokenKind::Tag { handle, suffix }, span: self.span_from(start, self.mark) })
    }

    fn scan_uri(&mut self, head: String, may_be_empty: bool, start: Position) -> Scanned<String> {
        let fits = |byte: u8| is_word(byte) || b";/?:@&=+$,.!~*'()[]".contains(&byte);
        let tail = self.take_while(fits);
        // Escapes (%21) are not supported, because no person writes them in tags by hand.
        if self.byte(0) == b'%' || (tail.is_empty() && head.is_empty() && !may_be_empty) {
            return Err(self.bad_tag(start));
        }
        Ok(head + &tail)
    }

    fn bad_tag(&self, start: Position) -> Problem {
        let message = "this is no tag that kubectl reads; put a text that begins with ! in quotes";
        Problem::syntax(message, self.span_from(start, self.mark))
    }

    pub(super) fn scan_block_scalar(&mut self, literal: bool) -> Scanned<Token> {
        let start = self.mark;
        self.skip();
        let (keep, increment) = self.block_header(start)?;
        let mut end = self.mark;
        let mut indent = match (increment, self.indent) {
            (0, _) => 0,
            (increment, outer) => usize::try_from(outer).unwrap_or(0) + increment,
        };
        let mut text = String::new();
        let mut has_break = false;
        let mut further = self.block_breaks(&mut indent, start, &mut end)?;
        let mut after_blank = false;
        while self.mark.column == indent && self.byte(0) != 0 {
            let blank = is_blank(self.byte(0));
            if !literal && has_break && !after_blank && !blank {
                if further == 0 {
                    text.push(' ');
                }
            } else if has_break {
                text.push('\n');
            }
            text.extend(std::iter::repeat_n('\n', further));
            after_blank = blank;
            while !is_break_or_end(self.byte(0)) {
                self.read(&mut text);
            }
            has_break = is_break(self.byte(0));
            if has_break {
                self.skip_break();
            }
            further = self.block_breaks(&mut indent, start, &mut end)?;
        }
        if has_break && keep != Some(false) {
            text.push('\n');
        }
        if keep == Some(true) {
            text.extend(std::iter::repeat_n('\n', further));
        }
        Ok(Token { kind: TokenKind::Scalar { text, plain: false }, span: self.span_from(start, end) })
    }

    /// The characters after `|` or `>`: whether trailing line ends are kept (`+`) or dropped (`-`), and the
    /// indentation.
    fn block_header(&mut self, start: Position) -> Scanned<(Option<bool>, usize)> {
        let (mut keep, mut increment) = (None, 0);
        for _ in 0..2 {
            match self.byte(0) {
                sign @ (b'+' | b'-') if keep.is_none() => keep = Some(sign == b'+'),
                digit @ b'1'..=b'9' if increment == 0 => increment = usize::from(digit - b'0'),
                _ => break,
            }
            self.skip();
        }
        while is_blank(self.byte(0)) {
            self.skip();
        }
        self.skip_comment();
        if !is_break_or_end(self.byte(0)) {
            let message = "only '+', '-', one digit from 1 to 9 and a comment may follow | or > on its line";
            return Err(Problem::syntax(message, self.span_from(start, self.mark)));
        }
        if is_break(self.byte(0)) {
            self.skip_break();
        }
        Ok((keep, increment))
    }

    /// Skips indentation and empty lines, and determines the indentation if it is unknown. Returns the number of empty
    /// lines.
    fn block_breaks(&mut self, indent: &mut usize, start: Position, end: &mut Position) -> Scanned<usize> {
        *end = self.mark;
        let (mut breaks, mut deepest) = (0, 0);
        loop {
            while (*indent == 0 || self.mark.column < *indent) && self.byte(0) == b' ' {
                self.skip();
            }
            deepest = deepest.max(self.mark.column);
            if (*indent == 0 || self.mark.column < *indent) && self.byte(0) == b'\t' {
                let message = "a tab stands where a text block is indented; write spaces";
                return Err(Problem::syntax(message, self.span_from(start, self.mark)));
            }
            if !is_break(self.byte(0)) {
                break;
            }
            self.skip_break();
            breaks += 1;
            *end = self.mark;
        }
        if *indent == 0 {
            *indent = deepest.max(usize::try_from(self.indent + 1).unwrap_or(0)).max(1);
        }
        Ok(breaks)
    }

    pub(super) fn scan_quoted(&mut self, single: bool) -> Scanned<Token> {
        let start = self.mark;
        self.skip();
        let quote = if single { b'\'' } else { b'"' };
        let mut text = String::new();
        loop {
            let is_mark = self.mark.column == 0 && (self.is_document_mark(b'-') || self.is_document_mark(b'.'));
            if is_mark || self.byte(0) == 0 {
                return Err(Problem::syntax("the quote that opens here is not closed", self.span(start)));
            }
            let mut fold = Fold::default();
            while !is_blank_or_end(self.byte(0)) {
                match self.byte(0) {
                    b'\'' if single && self.byte(1) == b'\'' => {
                        text.push('\'');
                        self.skip();
                        self.skip();
                    }
                    byte if byte == quote => break,
                    b'\\' if !single && is_break(self.byte(1)) => {
                        self.skip();
                        self.skip_break();
                        fold.is_new_line = true;
                        break;
                    }
                    b'\\' if !single => self.scan_escape(&mut text)?,
                    _ => self.read(&mut text),
                }
            }
            if self.byte(0) == quote {
                break;
            }
            while is_blank(self.byte(0)) || is_break(self.byte(0)) {
                self.fold_one(&mut fold);
            }
            fold.join(&mut text);
        }
        self.skip();
        Ok(Token { kind: TokenKind::Scalar { text, plain: false }, span: self.span_from(start, self.mark) })
    }

    /// Adds one blank or line end between two parts of a scalar.
    fn fold_one(&mut self, fold: &mut Fold) {
        if is_break(self.byte(0)) {
            self.skip_break();
            if fold.is_new_line {
                fold.further_breaks += 1;
            } else {
                fold.blanks.clear();
                fold.first_break = true;
                fold.is_new_line = true;
            }
        } else if fold.is_new_line {
            self.skip();
        } else {
            self.read(&mut fold.blanks);
        }
    }

    fn scan_escape(&mut self, text: &mut String) -> Scanned<()> {
        let start = self.mark;
        self.skip();
        let (plain, digits) = match self.byte(0) {
            b'0' => ('\0', 0),
            b'a' => ('\u{7}', 0),
            b'b' => ('\u{8}', 0),
            b't' | b'\t' => ('\t', 0),
            b'n' => ('\n', 0),
            b'v' => ('\u{b}', 0),
            b'f' => ('\u{c}', 0),
            b'r' => ('\r', 0),
            b'e' => ('\u{1b}', 0),
            b' ' => (' ', 0),
            b'"' => ('"', 0),
            b'\'' => ('\'', 0),
            b'\\' => ('\\', 0),
            b'N' => ('\u{85}', 0),
            b'_' => ('\u{a0}', 0),
            b'L' => ('\u{2028}', 0),
            b'P' => ('\u{2029}', 0),
            b'x' => ('\0', 2),
            b'u' => ('\0', 4),
            b'U' => ('\0', 8),
            b'/' => {
                self.skip();
                let message = "kubectl knows \\/ only in JSON; write / without the backslash";
                return Err(Problem::syntax(message, self.span_from(start, self.mark)));
            }
            _ => {
                self.skip();
                let message = "kubectl does not know this escape; write \\\\ for a backslash, or use single quotes";
                return Err(Problem::syntax(message, self.span_from(start, self.mark)));
            }
        };
        self.skip();
        if digits == 0 {
            text.push(plain);
            return Ok(());
        }
        let end = self.mark.at + digits;
        let code = self.text.get(self.mark.at..end).filter(|code| code.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let Some(character) = code.and_then(|code| char::from_u32(u32::from_str_radix(code, 16).ok()?)) else {
            let message = format!("{digits} hexadecimal digits of a Unicode character belong here");
            return Err(Problem::syntax(message, self.span_from(start, self.mark)));
        };
        (0..digits).for_each(|_| self.skip());
        text.push(character);
        Ok(())
    }

    pub(super) fn scan_plain(&mut self) -> Scanned<Token> {
        let start = self.mark;
        let mut end = self.mark;
        let mut text = String::new();
        let mut fold = Fold::default();
        let indent = self.indent + 1;
        loop {
            let is_mark = self.mark.column == 0 && (self.is_document_mark(b'-') || self.is_document_mark(b'.'));
            if is_mark || self.byte(0) == b'#' {
                break;
            }
            while !is_blank_or_end(self.byte(0)) {
                let ends = match self.byte(0) {
                    b':' => is_blank_or_end(self.byte(1)),
                    b',' | b'?' | b'[' | b']' | b'{' | b'}' => self.flow_level > 0,
                    _ => false,
                };
                if ends {
                    break;
                }
                fold.join(&mut text);
                self.read(&mut text);
                end = self.mark;
            }
            if !(is_blank(self.byte(0)) || is_break(self.byte(0))) {
                break;
            }
            while is_blank(self.byte(0)) || is_break(self.byte(0)) {
                if fold.is_new_line && signed(self.mark.column) < indent && self.byte(0) == b'\t' {
                    let message = "a tab stands where this value is indented; write spaces";
                    return Err(Problem::syntax(message, self.span(self.mark)));
                }
                self.fold_one(&mut fold);
            }
            if self.flow_level == 0 && signed(self.mark.column) < indent {
                break;
            }
        }
        if fold.is_new_line {
            self.simple_key_allowed = true;
        }
        let span = self.span_from(start, end);
        match misplaced::blank(self.text, start.at..end.at) {
            Some(blank) => Err(misplaced::blank_problem(blank, self.base)),
            None => Ok(Token { kind: TokenKind::Scalar { text, plain: true }, span }),
        }
    }
}
