//! Splits one YAML document into tokens, by the rules of kubectl's scanner (go-yaml v2, which follows libyaml): YAML
//! 1.1. The rules about simple keys, tabs and indentation differ between YAML readers, so this scanner follows them
//! exactly.

use std::collections::{BTreeMap, VecDeque};

use super::Problem;
use super::characters::{is_blank_or_end, is_break, is_break_or_end, is_word, signed};
use super::token::{Token, TokenKind};

/// Maximum length of a key without a `?`, in characters.
const LONGEST_SIMPLE_KEY: usize = 1024;

/// A position in the text.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Position {
    /// In bytes.
    pub at: usize,
    /// In characters.
    pub index: usize,
    pub line: usize,
    pub column: usize,
}

/// A token that is a key if a `:` follows.
#[derive(Clone, Copy, Debug, Default)]
struct SimpleKey {
    possible: bool,
    required: bool,
    token: usize,
    mark: Position,
}

/// The scanner of one document.
pub struct Scanner<'t> {
    pub(super) text: &'t str,
    /// The offset of the text in its source, in bytes.
    pub(super) base: usize,
    pub(super) mark: Position,
    tokens: VecDeque<Token>,
    /// The number of tokens that were taken from the queue.
    taken: usize,
    /// Whether the first token of the queue is final, so that it can no longer become a key.
    available: bool,
    /// The column of the open block; -1 outside.
    pub(super) indent: isize,
    indents: Vec<isize>,
    pub(super) flow_level: usize,
    pub(super) simple_key_allowed: bool,
    /// One possible key for each flow level.
    simple_keys: Vec<SimpleKey>,
    /// The flow level of a possible key, by the number of its token.
    simple_key_levels: BTreeMap<usize, usize>,
}

pub(super) type Scanned<T> = Result<T, Problem>;

impl<'t> Scanner<'t> {
    /// A scanner of a text at offset `base` in its source.
    pub fn new(text: &'t str, base: usize) -> Self {
        Self {
            text,
            base,
            mark: Position::default(),
            tokens: VecDeque::new(),
            taken: 0,
            available: false,
            indent: -1,
            indents: Vec::new(),
            flow_level: 0,
            simple_key_allowed: true,
            simple_keys: vec![SimpleKey::default()],
            simple_key_levels: BTreeMap::new(),
        }
    }

    /// The next token.
    pub fn peek(&mut self) -> Scanned<&Token> {
        if !self.available {
            self.fetch_more()?;
            self.available = true;
        }
        let end = self.span(self.mark);
        self.tokens.front().ok_or_else(|| Problem::syntax("the text ends here", end))
    }

    /// Removes and returns the next token.
    pub fn take(&mut self) -> Scanned<Token> {
        self.peek()?;
        self.available = false;
        self.taken += 1;
        let end = self.span(self.mark);
        self.tokens.pop_front().ok_or_else(|| Problem::syntax("the text ends here", end))
    }

    fn fetch_more(&mut self) -> Scanned<()> {
        loop {
            if !self.tokens.is_empty() {
                let Some(level) = self.simple_key_levels.get(&self.taken).copied() else { return Ok(()) };
                if !self.is_valid_key(level)? {
                    return Ok(());
                }
            }
            self.fetch_next()?;
        }
    }

    fn fetch_next(&mut self) -> Scanned<()> {
        self.skip_to_next_token();
        self.close_blocks(signed(self.mark.column));
        let (byte, next) = (self.byte(0), self.byte(1));
        let at_line_start = self.mark.column == 0;
        match byte {
            0 => self.fetch_stream_end(),
            b'%' if at_line_start => {
                let message = "kubectl reads no %YAML and %TAG lines; remove this line";
                Err(Problem::syntax(message, self.span(self.mark)))
            }
            b'-' if at_line_start && self.is_document_mark(b'-') => self.fetch_document_mark(TokenKind::DocumentStart),
            b'.' if at_line_start && self.is_document_mark(b'.') => self.fetch_document_mark(TokenKind::DocumentEnd),
            b'[' => self.open_flow(TokenKind::FlowListStart),
            b'{' => self.open_flow(TokenKind::FlowMapStart),
            b']' => self.close_flow(TokenKind::FlowListEnd),
            b'}' => self.close_flow(TokenKind::FlowMapEnd),
            b',' => {
                self.forget_simple_key()?;
                self.simple_key_allowed = true;
                self.push_character(TokenKind::FlowEntry);
                Ok(())
            }
            b'-' if is_blank_or_end(next) => self.fetch_block_entry(),
            b'?' if self.flow_level > 0 || is_blank_or_end(next) => self.fetch_key(),
            b':' if self.flow_level > 0 || is_blank_or_end(next) => self.fetch_value(),
            b'*' | b'&' => self.fetch_anchor(byte == b'*'),
            b'!' => self.fetch_before_key(Self::scan_tag),
            b'|' | b'>' if self.flow_level == 0 => {
                self.forget_simple_key()?;
                self.simple_key_allowed = true;
                let token = self.scan_block_scalar(byte == b'|')?;
                self.tokens.push_back(token);
                Ok(())
            }
            b'\'' => self.fetch_before_key(|scanner| scanner.scan_quoted(true)),
            b'"' => self.fetch_before_key(|scanner| scanner.scan_quoted(false)),
            _ if self.starts_plain(byte, next) => self.fetch_before_key(Self::scan_plain),
            b'\t' => {
                let message = "a tab stands here where kubectl takes only spaces; write spaces";
                Err(Problem::syntax(message, self.span(self.mark)))
            }
            _ => {
                let shown = self.character().map_or_else(String::new, |c| c.escape_default().to_string());
                let message = format!("no value begins with {shown}; put the value in quotes");
                Err(Problem::syntax(message, self.span(self.mark)))
            }
        }
    }

    /// Whether an unquoted scalar begins here. A dash before a blank is an entry of a list, and is read before.
    fn starts_plain(&self, byte: u8, next: u8) -> bool {
        match byte {
            b'?' | b':' => self.flow_level == 0 && !is_blank_or_end(next),
            b',' | b'[' | b']' | b'{' | b'}' | b'#' | b'&' | b'*' | b'!' | b'|' | b'>' | b'\'' | b'"' | b'%' | b'@'
            | b'`' => false,
            byte => !is_blank_or_end(byte),
        }
    }

    // Simple keys

    fn is_valid_key(&mut self, level: usize) -> Scanned<bool> {
        let Some(key) = self.simple_keys.get(level).copied().filter(|key| key.possible) else { return Ok(false) };
        if key.mark.line == self.mark.line && key.mark.index + LONGEST_SIMPLE_KEY >= self.mark.index {
            return Ok(true);
        }
        if key.required {
            return Err(self.missing_colon(key.mark));
        }
        if let Some(key) = self.simple_keys.get_mut(level) {
            key.possible = false;
        }
        Ok(false)
    }

    fn save_simple_key(&mut self) -> Scanned<()> {
        let required = self.flow_level == 0 && self.indent == signed(self.mark.column);
        if !self.simple_key_allowed {
            return Ok(());
        }
        let token = self.taken + self.tokens.len();
        self.forget_simple_key()?;
        let level = self.simple_keys.len() - 1;
        self.simple_keys[level] = SimpleKey { possible: true, required, token, mark: self.mark };
        self.simple_key_levels.insert(token, level);
        Ok(())
    }

    fn forget_simple_key(&mut self) -> Scanned<()> {
        let level = self.simple_keys.len() - 1;
        let key = self.simple_keys[level];
        if key.possible {
            if key.required {
                return Err(self.missing_colon(key.mark));
            }
            self.simple_keys[level].possible = false;
            self.simple_key_levels.remove(&key.token);
        }
        Ok(())
    }

    fn missing_colon(&self, mark: Position) -> Problem {
        Problem::syntax("a key stands here, and no `: ` follows it on its line", self.span(mark))
    }

    // Blocks

    fn open_block(&mut self, column: usize, position: Option<usize>, kind: TokenKind, mark: Position) {
        if self.flow_level > 0 || self.indent >= signed(column) {
            return;
        }
        self.indents.push(self.indent);
        self.indent = signed(column);
        let token = Token { kind, span: self.span_from(mark, mark) };
        match position {
            Some(position) => self.insert(position, token),
            None => self.tokens.push_back(token),
        }
    }

    /// Inserts a token before the token of this number. If that one was taken already, the new token goes to the end.
    fn insert(&mut self, number: usize, token: Token) {
        match number.checked_sub(self.taken).filter(|position| *position <= self.tokens.len()) {
            Some(position) => self.tokens.insert(position, token),
            None => self.tokens.push_back(token),
        }
    }

    fn close_blocks(&mut self, column: isize) {
        while self.flow_level == 0 && self.indent > column {
            self.push(TokenKind::BlockEnd, self.mark);
            self.indent = self.indents.pop().unwrap_or(-1);
        }
    }

    // Tokens

    fn fetch_stream_end(&mut self) -> Scanned<()> {
        if self.mark.column != 0 {
            self.mark.column = 0;
            self.mark.line += 1;
        }
        self.close_blocks(-1);
        self.forget_simple_key()?;
        self.simple_key_allowed = false;
        self.push(TokenKind::StreamEnd, self.mark);
        Ok(())
    }

    fn fetch_document_mark(&mut self, kind: TokenKind) -> Scanned<()> {
        self.close_blocks(-1);
        self.forget_simple_key()?;
        self.simple_key_allowed = false;
        let start = self.mark;
        (0..3).for_each(|_| self.skip());
        self.push(kind, start);
        Ok(())
    }

    fn open_flow(&mut self, kind: TokenKind) -> Scanned<()> {
        self.save_simple_key()?;
        let token = self.taken + self.tokens.len();
        self.simple_keys.push(SimpleKey { token, mark: self.mark, ..SimpleKey::default() });
        self.flow_level += 1;
        self.simple_key_allowed = true;
        self.push_character(kind);
        Ok(())
    }

    fn close_flow(&mut self, kind: TokenKind) -> Scanned<()> {
        self.forget_simple_key()?;
        if self.flow_level > 0 {
            self.flow_level -= 1;
            if let Some(key) = self.simple_keys.pop() {
                self.simple_key_levels.remove(&key.token);
            }
        }
        self.simple_key_allowed = false;
        self.push_character(kind);
        Ok(())
    }

    fn fetch_block_entry(&mut self) -> Scanned<()> {
        if self.flow_level == 0 {
            if !self.simple_key_allowed {
                return Err(Problem::syntax("a list entry cannot begin here; begin a new line", self.span(self.mark)));
            }
            self.open_block(self.mark.column, None, TokenKind::BlockListStart, self.mark);
        }
        self.forget_simple_key()?;
        self.simple_key_allowed = true;
        self.push_character(TokenKind::BlockEntry);
        Ok(())
    }

    fn fetch_key(&mut self) -> Scanned<()> {
        if self.flow_level == 0 {
            if !self.simple_key_allowed {
                return Err(Problem::syntax("a key cannot begin here; begin a new line", self.span(self.mark)));
            }
            self.open_block(self.mark.column, None, TokenKind::BlockMapStart, self.mark);
        }
        self.forget_simple_key()?;
        self.simple_key_allowed = self.flow_level == 0;
        self.push_character(TokenKind::Key);
        Ok(())
    }

    fn fetch_value(&mut self) -> Scanned<()> {
        let level = self.simple_keys.len() - 1;
        if self.is_valid_key(level)? {
            let key = self.simple_keys[level];
            let token = Token { kind: TokenKind::Key, span: self.span_from(key.mark, key.mark) };
            self.insert(key.token, token);
            self.open_block(key.mark.column, Some(key.token), TokenKind::BlockMapStart, key.mark);
            self.simple_keys[level].possible = false;
            self.simple_key_levels.remove(&key.token);
            self.simple_key_allowed = false;
        } else {
            if self.flow_level == 0 {
                if !self.simple_key_allowed {
                    let message = "a second `: ` stands here; put the value in quotes, or begin a new line";
                    return Err(Problem::syntax(message, self.span(self.mark)));
                }
                self.open_block(self.mark.column, None, TokenKind::BlockMapStart, self.mark);
            }
            self.simple_key_allowed = self.flow_level == 0;
        }
        self.push_character(TokenKind::Value);
        Ok(())
    }

    fn fetch_anchor(&mut self, is_alias: bool) -> Scanned<()> {
        self.fetch_before_key(|scanner| {
            let start = scanner.mark;
            scanner.skip();
            let name = scanner.take_while(is_word);
            if name.is_empty()
                || !(is_blank_or_end(scanner.byte(0))
                    || matches!(scanner.byte(0), b'?' | b':' | b',' | b']' | b'}' | b'%' | b'@' | b'`'))
            {
                let message = "the name of an anchor is letters, digits, '-' and '_'; put a text that begins with & or * in quotes";
                return Err(Problem::syntax(message, scanner.span_from(start, scanner.mark)));
            }
            let kind = if is_alias { TokenKind::Alias(name) } else { TokenKind::Anchor(name) };
            Ok(Token { kind, span: scanner.span_from(start, scanner.mark) })
        })
    }

    /// Fetches a token that may be a key.
    fn fetch_before_key(&mut self, scan: impl FnOnce(&mut Self) -> Scanned<Token>) -> Scanned<()> {
        self.save_simple_key()?;
        self.simple_key_allowed = false;
        let token = scan(self)?;
        self.tokens.push_back(token);
        Ok(())
    }

    fn push(&mut self, kind: TokenKind, start: Position) {
        let span = self.span_from(start, self.mark);
        self.tokens.push_back(Token { kind, span });
    }

    fn push_character(&mut self, kind: TokenKind) {
        let start = self.mark;
        self.skip();
        self.push(kind, start);
    }

    /// Skips blanks, comments and line ends.
    fn skip_to_next_token(&mut self) {
        loop {
            while self.byte(0) == b' ' || (self.byte(0) == b'\t' && (self.flow_level > 0 || !self.simple_key_allowed)) {
                self.skip();
            }
            self.skip_comment();
            if !is_break(self.byte(0)) {
                return;
            }
            self.skip_break();
            if self.flow_level == 0 {
                self.simple_key_allowed = true;
            }
        }
    }

    pub(super) fn skip_comment(&mut self) {
        if self.byte(0) == b'#' {
            while !is_break_or_end(self.byte(0)) {
                self.skip();
            }
        }
    }
}
