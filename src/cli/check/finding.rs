//! A finding: a problem with its code, severity and location.

use crate::cache::ObjectRef;
use crate::domain::Reason;

use crate::yaml::node::Span;

/// The severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// guestlist or the API server refuses the object.
    Error,
    /// The object would wait, or its effect may surprise its author.
    Warning,
}

impl Severity {
    /// The name in every output format.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// The code of a finding. A rule has its reason; diagnostics that precede the rules have a lower-case name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    /// A file or directory cannot be read.
    Unreadable,
    /// A file that may be a manifest is skipped.
    Skipped,
    /// kustomize or Helm renders the file before it is applied.
    Unrendered,
    /// The text is neither YAML nor JSON.
    Syntax,
    /// kubectl reads the text differently than a person would.
    AmbiguousYaml,
    /// A map contains a key twice.
    DuplicateKey,
    /// The object does not match the schema of its kind.
    Schema,
    /// Two objects have one kind, namespace and name.
    DuplicateObject,
    /// An annotation with guestlist's prefix has no effect.
    Annotation,
    /// A scalar has another type or value than it appears to have.
    Scalar,
    /// The duration is too short for a person to act.
    ShortDuration,
    /// A broken rule, or a fact that an object waits for.
    Rule(Reason),
}

impl Code {
    /// The codes that are not rules.
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

    /// The code as text.
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

    /// The meaning, in a sentence.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Unreadable => "A file or directory cannot be read.",
            Self::Skipped => "A file in a directory is not read, because its extension has capital letters.",
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

    /// Whether the finding concerns a whole file or directory.
    pub fn has_no_place(self) -> bool {
        matches!(self, Self::Unreadable | Self::Skipped | Self::Unrendered)
    }

    /// Whether the finding prevented further checks of the file.
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

/// A range in one of the sources.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// The index of the source.
    pub source: usize,
    /// The byte offset of the start.
    pub start: usize,
    /// The byte offset of the end.
    pub end: usize,
}

impl Location {
    /// A place in a source.
    pub fn new(source: usize, span: &Span) -> Self {
        Self { source, start: span.start, end: span.end }
    }
}

/// A problem in a manifest.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The location.
    pub at: Location,
    /// The severity.
    pub severity: Severity,
    /// The code.
    pub code: Code,
    /// The problem and its fix.
    pub message: String,
    /// The object that the finding concerns.
    pub object: Option<ObjectRef>,
    /// The path of the field in this object.
    pub path: String,
    /// The location of the other object or field, where two conflict.
    pub other: Option<Location>,
}

impl Finding {
    /// Creates an error.
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

    /// Creates a warning.
    pub fn warning(code: Code, at: Location, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, at, message) }
    }

    /// Sets the object and the field.
    pub fn of(mut self, object: &ObjectRef, path: impl Into<String>) -> Self {
        self.object = Some(object.clone());
        self.path = path.into();
        self
    }
}
