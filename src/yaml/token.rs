//! The tokens of a YAML text.

use super::node::Span;

/// A token and its span.
#[derive(Clone, Debug)]
pub struct Token {
    /// The kind, with its content.
    pub kind: TokenKind,
    /// The span, in bytes of the source.
    pub span: Span,
}

/// The kind of a token.
#[derive(Clone, Debug, PartialEq)]
pub enum TokenKind {
    /// The end of the text.
    StreamEnd,
    /// `---`.
    DocumentStart,
    /// `...`.
    DocumentEnd,
    /// The first entry of a block list.
    BlockListStart,
    /// The first key of a block map.
    BlockMapStart,
    /// The end of a block list or map.
    BlockEnd,
    /// `[`.
    FlowListStart,
    /// `]`.
    FlowListEnd,
    /// `{`.
    FlowMapStart,
    /// `}`.
    FlowMapEnd,
    /// `- `.
    BlockEntry,
    /// `,`.
    FlowEntry,
    /// The start of a key: `? `, or implied.
    Key,
    /// `:`.
    Value,
    /// `*name`.
    Alias(String),
    /// `&name`.
    Anchor(String),
    /// `!handle!suffix`.
    Tag {
        /// The part up to the last `!`; empty for `!<…>` and for `!` alone.
        handle: String,
        /// The rest.
        suffix: String,
    },
    /// A scalar.
    Scalar {
        /// The text, with folds and escapes resolved.
        text: String,
        /// Whether the scalar is neither quoted nor in a block.
        plain: bool,
    },
}
