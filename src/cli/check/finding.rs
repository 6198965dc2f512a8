//! One problem: what, how bad, where.

use crate::cache::ObjectRef;
use crate::domain::Reason;

use crate::yaml::node::Span;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It is refused.
    Error,
    /// It would wait, or it surprises.
    Warning,
}

impl Severity {
    /// As every format writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// The sort of the problem. Rules have their reason; diagnostics before any rule have a name in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    /// A file or directory cannot be read.
    Unreadable,
    /// A file that may be meant to be read is left out.
    Skipped,
    /// It is rendered by kustomize or Helm before it is applied.
    Unrendered,
    /// It is no YAML or JSON.
    Syntax,
    /// kubectl reads it differently than a person would.
    AmbiguousYaml,
    /// A key stands twice in a map.
    DuplicateKey,
    /// It does not fit the schema of its kind.
    Schema,
    /// Two objects have one kind, namespace and name.
    DuplicateObject,
    /// An annotation of ours that does nothing.
    Annotation,
    /// A scalar is read otherwise than it looks.
    Scalar,
    /// Nobody can act within the duration.
    ShortDuration,
    /// A rule, or the fact that it waits for.
    Rule(Reason),
}

impl Code {
    /// The codes that are no rules.
    pub const OTHERS: [Self; 11] = [
        Self::Unreadable,
        Self::Skipped,
        Self::Unrendered,
        Self::Syntax,
        Self::AmbiguousYaml,
        Self::DuplicateKey,
        Self::Schema,
        Self::DuplicateObject,
        Self::Annotation,
        Self::Scalar,
        Self::ShortDuration,
    ];

    /// Its reason.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable-file",
            Self::Skipped => "skipped-file",
            Self::Unrendered => "unrendered",
            Self::Syntax => "syntax",
            Self::AmbiguousYaml => "ambiguous-yaml",
            Self::DuplicateKey => "duplicate-key",
            Self::Schema => "schema",
            Self::DuplicateObject => "duplicate-object",
            Self::Annotation => "annotation",
            Self::Scalar => "yaml-scalar",
            Self::ShortDuration => "short-duration",
            Self::Rule(reason) => reason.as_str(),
        }
    }

    /// What it means, in a sentence.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Unreadable => "A file or directory cannot be read.",
            Self::Skipped => "A file in a directory is not read, because its ending has capital letters.",
            Self::Unrendered => "kustomize or Helm renders the files before they are applied.",
            Self::Syntax => "The text is not YAML or JSON.",
            Self::AmbiguousYaml => "kubectl reads the text differently than it looks, or drops a part of it silently.",
            Self::DuplicateKey => "A key stands twice in one map.",
            Self::Schema => "The object does not fit the schema of its kind.",
            Self::DuplicateObject => "Two objects have the same kind, namespace and name.",
            Self::Annotation => "An annotation of guestlist does nothing as it is written.",
            Self::Scalar => "An unquoted value is read otherwise than it looks, as YAML 1.1 has it.",
            Self::ShortDuration => "A duration is shorter than a minute, so that nobody can act within it.",
            Self::Rule(reason) => crate::validation::entry(reason).meaning,
        }
    }

    /// Whether it is about a whole file or directory.
    pub fn has_no_place(self) -> bool {
        matches!(self, Self::Unreadable | Self::Skipped | Self::Unrendered)
    }

    /// Whether nothing behind it could be checked.
    pub fn is_unreadable(self) -> bool {
        match self {
            Self::Unreadable | Self::Unrendered | Self::Syntax | Self::AmbiguousYaml => true,
            Self::Skipped
            | Self::DuplicateKey
            | Self::Schema
            | Self::DuplicateObject
            | Self::Annotation
            | Self::Scalar
            | Self::ShortDuration
            | Self::Rule(_) => false,
        }
    }
}

/// A place in one of the sources.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// Which source.
    pub source: usize,
    /// Where it begins.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
}

impl Location {
    /// A place in a source.
    pub fn new(source: usize, span: &Span) -> Self {
        Self { source, start: span.start, end: span.end }
    }
}

/// One problem.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Where.
    pub at: Location,
    /// How bad.
    pub severity: Severity,
    /// What sort.
    pub code: Code,
    /// The problem and its fix.
    pub message: String,
    /// In which object.
    pub object: Option<ObjectRef>,
    /// In which of its fields.
    pub path: String,
    /// Where the other one is, of two.
    pub other: Option<Location>,
}

impl Finding {
    /// An error.
    pub fn error(code: Code, at: Location, message: impl Into<String>) -> Self {
        Self {
            at,
            severity: Severity::Error,
            code,
            message: message.into(),
            object: None,
            path: String::new(),
            other: None,
        }
    }

    /// A warning.
    pub fn warning(code: Code, at: Location, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, at, message) }
    }

    /// In a field of an object.
    pub fn of(mut self, object: &ObjectRef, path: impl Into<String>) -> Self {
        self.object = Some(object.clone());
        self.path = path.into();
        self
    }
}
