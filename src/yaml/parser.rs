//! Builds the nodes of one YAML document from its tokens. Aliases and merge keys are not resolved yet.

#![expect(clippy::wildcard_enum_match_arm, reason = "a place in the text takes few of the tokens")]

use std::collections::BTreeMap;

use super::node::Span;
use super::scanner::{Scanned, Scanner};
use super::token::{Token, TokenKind};
use super::{Problem, ProblemKind};

/// Maximum nesting of values: far below the stack of a thread.
pub const MAX_DEPTH: usize = 100;

/// The prefix of the tags `!!…`.
const CORE: &str = "tag:yaml.org,2002:";

/// A node before aliases and merge keys are resolved.
#[derive(Debug)]
pub struct RawNode {
    /// The span.
    pub span: Span,
    /// The tag, in its long form.
    pub tag: Option<String>,
    /// The content.
    pub content: Content,
}

/// The content of a node. Numbers are indexes into [`Nodes`].
#[derive(Debug)]
pub enum Content {
    /// A scalar; plain ones are neither in quotes nor in a block.
    Scalar {
        /// The text.
        text: String,
        /// Whether it is plain.
        plain: bool,
    },
    /// A list.
    List(Vec<usize>),
    /// A map, in the order of the text.
    Map(Vec<(usize, usize)>),
    /// A reference to another node.
    Alias(usize),
}

/// The nodes of a document.
#[derive(Debug, Default)]
pub struct Nodes(Vec<RawNode>);

impl Nodes {
    /// A node by its number.
    pub fn get(&self, number: usize) -> Option<&RawNode> {
        self.0.get(number)
    }
}

/// Parses one document. `None`: the text has no document, for example only comments.
pub fn parse(text: &str, base: usize) -> Scanned<(Nodes, Option<usize>)> {
    let mut parser =
        Parser { scanner: Scanner::new(text, base), nodes: Nodes::default(), anchors: BTreeMap::new(), depth: 0 };
    let root = parser.document()?;
    Ok((parser.nodes, root))
}

struct Parser<'t> {
    scanner: Scanner<'t>,
    nodes: Nodes,
    /// The last node of each anchor; it may still be open.
    anchors: BTreeMap<String, usize>,
    depth: usize,
}

impl Parser<'_> {
    fn document(&mut self) -> Scanned<Option<usize>> {
        let first = self.scanner.peek()?;
        let root = match first.kind {
            TokenKind::StreamEnd => return Ok(None),
            TokenKind::DocumentStart => {
                self.scanner.take()?;
                let next = self.scanner.peek()?;
                let at = next.span.start;
                match next.kind {
                    TokenKind::StreamEnd | TokenKind::DocumentStart | TokenKind::DocumentEnd => self.empty(at),
                    _ => self.node(true, false)?,
                }
            }
            _ => self.node(true, false)?,
        };
        let mut ended = false;
        while self.next_is(&TokenKind::DocumentEnd)? {
            self.scanner.take()?;
            ended = true;
        }
        let next = self.scanner.peek()?;
        if next.kind == TokenKind::StreamEnd {
            return Ok(Some(root));
        }
        let message = if ended {
            "kubectl drops this silently: after a line of `...` it reads nothing up to the next line of `---`; write `---` instead of `...`"
        } else {
            "kubectl drops this silently: the document has ended above; correct the indentation, or write a line of `---` before it"
        };
        Err(Problem::new(ProblemKind::Ambiguous, message, next.span.clone()))
    }

    fn next_is(&mut self, kind: &TokenKind) -> Scanned<bool> {
        Ok(self.scanner.peek()?.kind == *kind)
    }

    fn next_is_one_of(&mut self, kinds: &[TokenKind]) -> Scanned<bool> {
        let next = self.scanner.peek()?;
        Ok(kinds.contains(&next.kind))
    }

    fn take_if(&mut self, kind: &TokenKind) -> Scanned<Option<Token>> {
        if self.next_is(kind)? { self.scanner.take().map(Some) } else { Ok(None) }
    }

    fn add(&mut self, span: Span, tag: Option<String>, content: Content) -> usize {
        self.nodes.0.push(RawNode { span, tag, content });
        self.nodes.0.len() - 1
    }

    fn empty(&mut self, at: usize) -> usize {
        self.add(at..at, None, Content::Scalar { text: String::new(), plain: true })
    }

    fn node(&mut self, block: bool, indentless: bool) -> Scanned<usize> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let span = self.scanner.peek()?.span.clone();
            return Err(Problem::syntax(format!("values lie more than {MAX_DEPTH} deep in each other"), span));
        }
        let node = self.node_within(block, indentless);
        self.depth -= 1;
        node
    }

    fn node_within(&mut self, block: bool, indentless: bool) -> Scanned<usize> {
        let start = self.scanner.peek()?.span.clone();
        if let TokenKind::Alias(name) = &self.scanner.peek()?.kind {
            let name = name.clone();
            let Some(target) = self.anchors.get(&name).copied() else {
                return Err(Problem::syntax(format!("there is no anchor &{name} before this alias"), start));
            };
            self.scanner.take()?;
            return Ok(self.add(start, None, Content::Alias(target)));
        }
        let (anchor, tag) = self.properties()?;
        // An alias inside the node can refer to the node itself, so its number is reserved before its content is read.
        let number = self.empty(start.start);
        let has_properties = anchor.is_some() || tag.is_some();
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor, number);
        }
        let next = self.scanner.peek()?.clone();
        let content = match next.kind {
            TokenKind::BlockEntry if indentless => self.indentless_list()?,
            TokenKind::Scalar { text, plain } => {
                self.scanner.take()?;
                Content::Scalar { text, plain }
            }
            TokenKind::FlowListStart => self.flow_list()?,
            TokenKind::FlowMapStart => self.flow_map()?,
            TokenKind::BlockListStart if block => self.block_list()?,
            TokenKind::BlockMapStart if block => self.block_map()?,
            _ if has_properties => Content::Scalar { text: String::new(), plain: true },
            _ => return Err(Problem::syntax("a value is missing before this", next.span)),
        };
        let span = match &content {
            Content::Scalar { text, plain: true } if text.is_empty() => start.start..start.start,
            Content::Scalar { .. } | Content::Alias(_) => next.span,
            Content::List(items) => {
                let end = items.last().map_or(next.span.end, |item| self.end_of(*item));
                start.start..end.max(next.span.end)
            }
            Content::Map(entries) => {
                let end = entries.last().map_or(next.span.end, |(_, value)| self.end_of(*value));
                start.start..end.max(next.span.end)
            }
        };
        if let Some(node) = self.nodes.0.get_mut(number) {
            *node = RawNode { span, tag, content };
        }
        Ok(number)
    }

    fn end_of(&self, number: usize) -> usize {
        self.nodes.get(number).map_or(0, |node| node.span.end)
    }

    /// The anchor and the tag before a node, in any order.
    fn properties(&mut self) -> Scanned<(Option<String>, Option<String>)> {
        let (mut anchor, mut tag) = (None, None);
        for _ in 0..2 {
            let next = self.scanner.peek()?.clone();
            match next.kind {
                TokenKind::Anchor(name) if anchor.is_none() => anchor = Some(name),
                TokenKind::Tag { handle, suffix } if tag.is_none() => {
                    tag = Some(match handle.as_str() {
                        "" => suffix,
                        "!" => format!("!{suffix}"),
                        "!!" => format!("{CORE}{suffix}"),
                        _ => {
                            let message = format!("kubectl does not know the tag {handle}{suffix}; leave it out");
                            return Err(Problem::syntax(message, next.span));
                        }
                    });
                }
                _ => break,
            }
            self.scanner.take()?;
        }
        Ok((anchor, tag))
    }

    fn block_list(&mut self) -> Scanned<Content> {
        self.scanner.take()?;
        let mut items = Vec::new();
        while let Some(entry) = self.take_if(&TokenKind::BlockEntry)? {
            items.push(self.unless(&[TokenKind::BlockEntry, TokenKind::BlockEnd], entry.span.end, false)?);
        }
        self.end_block("an entry of the list above, which begins with `- `, belongs here")?;
        Ok(Content::List(items))
    }

    fn indentless_list(&mut self) -> Scanned<Content> {
        let mut items = Vec::new();
        while let Some(entry) = self.take_if(&TokenKind::BlockEntry)? {
            let ends = [TokenKind::BlockEntry, TokenKind::Key, TokenKind::Value, TokenKind::BlockEnd];
            items.push(self.unless(&ends, entry.span.end, false)?);
        }
        Ok(Content::List(items))
    }

    fn block_map(&mut self) -> Scanned<Content> {
        self.scanner.take()?;
        let ends = [TokenKind::Key, TokenKind::Value, TokenKind::BlockEnd];
        let mut entries = Vec::new();
        while let Some(entry) = self.take_if(&TokenKind::Key)? {
            let key = self.unless(&ends, entry.span.end, true)?;
            let value = match self.take_if(&TokenKind::Value)? {
                Some(colon) => self.unless(&ends, colon.span.end, true)?,
                None => self.empty(entry.span.end),
            };
            entries.push((key, value));
        }
        self.end_block("a key of the map above belongs here, with the same indentation as the others")?;
        Ok(Content::Map(entries))
    }

    /// A node of a block, or an empty one if one of these tokens follows.
    fn unless(&mut self, ends: &[TokenKind], at: usize, indentless: bool) -> Scanned<usize> {
        if self.next_is_one_of(ends)? { Ok(self.empty(at)) } else { self.node(true, indentless) }
    }

    fn end_block(&mut self, expected: &str) -> Scanned<()> {
        match self.take_if(&TokenKind::BlockEnd)? {
            Some(_) => Ok(()),
            None => Err(Problem::syntax(expected, self.scanner.peek()?.span.clone())),
        }
    }

    fn flow_list(&mut self) -> Scanned<Content> {
        let open = self.scanner.take()?;
        let mut items = Vec::new();
        loop {
            self.still_open(&open)?;
            if self.take_if(&TokenKind::FlowListEnd)?.is_some() {
                return Ok(Content::List(items));
            }
            if !items.is_empty() {
                self.flow_comma("]")?;
                self.still_open(&open)?;
                if self.take_if(&TokenKind::FlowListEnd)?.is_some() {
                    return Ok(Content::List(items));
                }
            }
            items.push(match self.take_if(&TokenKind::Key)? {
                Some(key) => self.flow_pair(key.span)?,
                None => self.node(false, false)?,
            });
        }
    }

    /// `[a: b]`: a list with a map of one entry.
    fn flow_pair(&mut self, start: Span) -> Scanned<usize> {
        let ends = [TokenKind::Value, TokenKind::FlowEntry, TokenKind::FlowListEnd];
        if self.next_is_one_of(&ends)? {
            return Err(Problem::syntax("a key is missing here", start));
        }
        let key = self.node(false, false)?;
        let value = match self.take_if(&TokenKind::Value)? {
            Some(colon) if self.next_is_one_of(&[TokenKind::FlowEntry, TokenKind::FlowListEnd])? => {
                self.empty(colon.span.end)
            }
            Some(_) => self.node(false, false)?,
            None => self.empty(start.end),
        };
        let span = start.start..self.end_of(value).max(self.end_of(key));
        Ok(self.add(span, None, Content::Map(vec![(key, value)])))
    }

    fn flow_map(&mut self) -> Scanned<Content> {
        let open = self.scanner.take()?;
        let mut entries = Vec::new();
        loop {
            self.still_open(&open)?;
            if self.take_if(&TokenKind::FlowMapEnd)?.is_some() {
                return Ok(Content::Map(entries));
            }
            if !entries.is_empty() {
                self.flow_comma("}")?;
                self.still_open(&open)?;
                if self.take_if(&TokenKind::FlowMapEnd)?.is_some() {
                    return Ok(Content::Map(entries));
                }
            }
            entries.push(self.flow_entry()?);
        }
    }

    fn flow_entry(&mut self) -> Scanned<(usize, usize)> {
        let Some(key) = self.take_if(&TokenKind::Key)? else {
            let key = self.node(false, false)?;
            let end = self.end_of(key);
            return Ok((key, self.empty(end)));
        };
        let ends = [TokenKind::Value, TokenKind::FlowEntry, TokenKind::FlowMapEnd];
        let at = key.span.end;
        let key = if self.next_is_one_of(&ends)? { self.empty(at) } else { self.node(false, false)? };
        let value = match self.take_if(&TokenKind::Value)? {
            Some(colon) if self.next_is_one_of(&[TokenKind::FlowEntry, TokenKind::FlowMapEnd])? => {
                self.empty(colon.span.end)
            }
            Some(_) => self.node(false, false)?,
            None => self.empty(at),
        };
        Ok((key, value))
    }

    fn still_open(&mut self, open: &Token) -> Scanned<()> {
        let ends = [TokenKind::StreamEnd, TokenKind::DocumentStart, TokenKind::DocumentEnd];
        if self.next_is_one_of(&ends)? {
            return Err(Problem::syntax("the bracket that opens here is not closed", open.span.clone()));
        }
        Ok(())
    }

    fn flow_comma(&mut self, end: &str) -> Scanned<()> {
        match self.take_if(&TokenKind::FlowEntry)? {
            Some(_) => Ok(()),
            None => Err(Problem::syntax(format!("a comma or {end} belongs here"), self.scanner.peek()?.span.clone())),
        }
    }
}
