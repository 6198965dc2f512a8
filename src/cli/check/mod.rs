//! `guestlist check`: every rule that files alone can decide, with the place of each problem.
//!
//! ```text
//! source (texts) ──▶ crate::yaml (trees with places) ──▶ object, schema ──▶ rules ──▶ findings ──▶ text, json, sarif
//! ```

mod annotation;
mod finding;
mod glob;
mod json;
mod kustomization;
mod layout;
mod metadata;
mod names;
mod object;
mod report;
mod rules;
mod sarif;
mod schema;
mod source;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use jiff::Timestamp;

use super::terminal::print_error;
use crate::cache::{Kind, Object, ObjectRef};
use crate::workspace_policy::WorkspacePolicy;
use crate::yaml::node::Node;
use crate::yaml::{self, ProblemKind, manifest};
use finding::{Code, Finding, Location, Severity};
pub(super) use glob::Glob;
use object::{ManifestObject, ObjectClass, Reader};
use report::Report;
use source::{Refused, Source};
pub(super) use text::has_colour;

/// Exit code for unreadable or invalid input, and for wrong usage.
const UNREADABLE: u8 = 2;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
YAML and JSON are read as kubectl reads them, several documents a file and `kind: List` too. Text that kubectl reads \
differently than it looks is refused. Objects of other kinds are ignored and counted. What would only wait, such as a partner \
that is not in these files, is a warning.

Examples:
  guestlist check manifests/
  guestlist check --workspace workspace.yaml partners.yaml guests.yaml
  kubectl get lp,gm,share -A -o yaml | guestlist check -
  guestlist check -o sarif manifests/ > guestlist.sarif
  kustomize build overlays/prod | guestlist check -
  guestlist check --exclude 'overlays/**' manifests/

Exit status: 0 no rule is broken (warnings or not); 1 a rule or the schema is broken; 2 something cannot be read or \
parsed, or has to be rendered first.")]
pub(super) struct CheckArgs {
    /// Files, directories (all .yaml, .yml and .json in them, at any depth), or - for standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The workspace policy, to check its rules too
    #[arg(long, env = "GUESTLIST_WORKSPACE", value_name = "FILE")]
    workspace: Option<PathBuf>,
    /// The namespace of objects that name none; objects of another one are refused, as by kubectl
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Files and directories to leave out, such as overlays/** or values*.yaml; may be repeated
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<Glob>,
    /// The output format
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    output: Format,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs: one object, described in docs/check.md
    Json,
    /// For code review: SARIF 2.1.0
    Sarif,
}

pub(super) fn run(args: &CheckArgs, out: &mut dyn Write) -> ExitCode {
    let policy = match args.workspace.as_deref().map(policy).transpose() {
        Ok(policy) => policy,
        Err(problem) => {
            print_error(&problem);
            return ExitCode::from(UNREADABLE);
        }
    };
    let report =
        check(source::read(&args.paths, &args.exclude), args.namespace.as_deref(), policy.as_ref(), Timestamp::now());
    let text = match args.output {
        Format::Text => text::render(&report, text::has_colour()),
        Format::Json => json::render(&report),
        Format::Sarif => sarif::render(&report),
    };
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            print_error(&format!("failed to write the output: {error}"));
            ExitCode::from(UNREADABLE)
        }
        Ok(()) | Err(_) => ExitCode::from(report.status()),
    }
}

/// Reads the workspace policy.
pub(super) fn policy(file: &Path) -> Result<WorkspacePolicy, String> {
    let failed =
        |error: &dyn std::fmt::Display| format!("failed to read the workspace policy {}: {error}", file.display());
    let text = std::fs::read(file).map_err(|error| failed(&error))?;
    let text = yaml::decode_bytes(text).map_err(|problem| failed(&problem))?;
    WorkspacePolicy::parse(&text).map_err(|error| failed(&error))
}

/// Checks texts. A text that could not be read is an `Err` with the reason.
fn check(
    texts: Vec<Result<Source, Refused>>,
    namespace: Option<&str>,
    policy: Option<&WorkspacePolicy>,
    now: Timestamp,
) -> Report {
    let Reading { mut report, objects, .. } = Reading::of(texts, namespace, policy, now);
    if let Some(policy) = policy {
        report.warnings = policy.wide_patterns(objects.iter().map(|object| &*object.key.namespace));
        for warning in &report.warnings {
            eprintln!("warning: {POLICY}{warning}");
        }
    }
    rules::all(objects, policy, now, &mut report.findings);
    report.sort_and_deduplicate();
    report
}

/// The prefix of each warning about the policy.
pub(super) const POLICY: &str = "the workspace policy: ";

/// The path of an object's name.
const NAME: &str = "metadata.name";

/// The result of a check, for `plan` and `apply`.
pub(super) struct Examined {
    /// The declared objects. An object that is declared twice occurs twice.
    pub objects: Vec<Object>,
    /// The location of each object's name.
    names: Vec<(ObjectRef, Location)>,
    report: Report,
}

/// Reads and checks files.
pub(super) fn examine(
    (paths, exclude): (&[PathBuf], &[Glob]),
    namespace: Option<&str>,
    policy: &WorkspacePolicy,
    now: Timestamp,
) -> Examined {
    examine_texts(source::read(paths, exclude), namespace, policy, now)
}

fn examine_texts(
    texts: Vec<Result<Source, Refused>>,
    namespace: Option<&str>,
    policy: &WorkspacePolicy,
    now: Timestamp,
) -> Examined {
    let Reading { mut report, objects, .. } = Reading::of(texts, namespace, Some(policy), now);
    report.warnings = policy.wide_patterns(objects.iter().map(|object| &*object.key.namespace));
    let declared = objects.iter().map(|object| object.declared.clone()).collect();
    let name = |object: &ManifestObject| (object.key.clone(), Location::new(object.source, &object.root.locate(NAME)));
    let names = objects.iter().map(name).collect();
    same_uids(&objects, &mut report.findings);
    leaving(&objects, &mut report.findings);
    rules::all(objects, Some(policy), now, &mut report.findings);
    report.sort_and_deduplicate();
    Examined { objects: declared, names, report }
}

/// Reads a text as `plan` and `apply` read a file: its objects, or the report of its errors.
///
/// # Errors
///
/// The report of the errors that stop `plan` and `apply`, such as text that cannot be read.
pub fn read_manifests(text: &str, policy: &WorkspacePolicy, now: Timestamp) -> Result<Vec<Object>, String> {
    let texts = vec![Ok(Source::new("-", text))];
    examine_texts(texts, None, policy, now).refusal().map(|accepted| accepted.objects)
}

/// Reports objects with the same UID, because they would be treated as one object.
fn same_uids(objects: &[ManifestObject], findings: &mut Vec<Finding>) {
    let mut seen: BTreeMap<&str, &ManifestObject> = BTreeMap::new();
    for object in objects {
        let uid = object.declared.metadata().uid.as_deref().unwrap_or_default();
        let Some(first) = seen.insert(uid, object).filter(|first| first.key != object.key) else { continue };
        let at = Location::new(object.source, &object.root.locate("metadata.uid"));
        let message = format!("{} has the same metadata.uid; leave it out of one of them", first.key);
        findings.push(Finding::error(Code::DuplicateObject, at, message).of(&object.key, "metadata.uid"));
    }
}

/// Reports objects with a deletion timestamp. They were exported during deletion; treating them as declared or as
/// deleted would change access without a request.
fn leaving(objects: &[ManifestObject], findings: &mut Vec<Finding>) {
    for object in objects.iter().filter(|object| object.declared.metadata().deletion_timestamp.is_some()) {
        let path = "metadata.deletionTimestamp";
        let at = Location::new(object.source, &object.root.locate(path));
        let message = "the manifest was exported during deletion; remove the object from the files, or this field from the object";
        findings.push(Finding::error(Code::Schema, at, message).of(&object.key, path));
    }
}

impl Examined {
    /// The objects, their places and the warnings. `Err`: the report of errors that stop `plan` and `apply`, such as
    /// input that does not match its schema. Broken rules stop neither; the planner evaluates them.
    pub fn refusal(mut self) -> Result<Accepted, String> {
        let by_law = |finding: &Finding| matches!(finding.code, Code::Rule(_)) && finding.path != NAME;
        let fatal = |finding: &Finding| finding.severity == Severity::Error && !by_law(finding);
        if self.report.findings.iter().any(fatal) {
            self.report.findings.retain(fatal);
            return Err(text::render(&self.report, text::has_colour()));
        }
        let warnings = self.warnings();
        let names = self.names.iter().map(|(key, at)| (key, NAME, at));
        let found = self
            .report
            .findings
            .iter()
            .filter_map(|finding| finding.object.as_ref().map(|key| (key, finding.path.as_str(), &finding.at)));
        let mut places = Places::default();
        for (key, path, at) in names.chain(found) {
            if let Some((file, place)) = self.report.place(at.source, at.start) {
                let at = format!("{file}:{}:{}", place.line, place.column);
                places.0.insert((key.clone(), path.to_owned()), at);
            }
        }
        Ok(Accepted { objects: self.objects, places, warnings })
    }

    /// The warnings, one line each, without those about objects that wait: the planner reports these from the directory.
    fn warnings(&self) -> Vec<String> {
        let waits = |finding: &Finding| {
            matches!(finding.code, Code::Rule(reason)
                if rules::waiting_field(reason).is_some_and(|(_, message)| finding.message == message))
        };
        let shown = |finding: &&Finding| finding.severity == Severity::Warning && !waits(finding);
        let line = |finding: &Finding| {
            let place = self.report.place(finding.at.source, finding.at.start);
            let place = place.map(|(file, place)| {
                if finding.code.has_no_place() {
                    file.to_owned()
                } else {
                    format!("{file}:{}:{}", place.line, place.column)
                }
            });
            let object = finding.object.as_ref().map(ToString::to_string);
            let path = Some(finding.path.clone()).filter(|path| !path.is_empty());
            let parts = [place, object, path, Some(finding.message.clone())].into_iter().flatten();
            text::visible(&parts.collect::<Vec<_>>().join(": "))
        };
        let policy = self.report.warnings.iter().map(|warning| format!("{POLICY}{warning}"));
        policy.chain(self.report.findings.iter().filter(shown).map(line)).collect()
    }
}

/// The files that `plan` and `apply` accept.
pub(super) struct Accepted {
    /// The objects that they declare.
    pub objects: Vec<Object>,
    /// The places of the objects and of the findings.
    pub places: Places,
    /// Problems that do not stop the command.
    pub warnings: Vec<String>,
}

/// The places of the fields with findings, and of each object's name.
#[derive(Clone, Default)]
pub(super) struct Places(BTreeMap<(ObjectRef, String), String>);

impl Places {
    /// `file:line:column` of an object's name.
    pub fn of_name(&self, key: &ObjectRef) -> Option<&str> {
        self.of(key, NAME)
    }

    /// `file:line:column` of a field.
    pub fn of(&self, key: &ObjectRef, path: &str) -> Option<&str> {
        self.0.get(&(key.clone(), path.to_owned())).map(String::as_str)
    }
}

struct Reading {
    reader: Reader,
    report: Report,
    objects: Vec<ManifestObject>,
}

impl Reading {
    fn of(
        texts: Vec<Result<Source, Refused>>,
        namespace: Option<&str>,
        policy: Option<&WorkspacePolicy>,
        now: Timestamp,
    ) -> Self {
        let installation = policy.map_or(crate::workspace_policy::DEFAULT_INSTALLATION, WorkspacePolicy::installation);
        let mut reading =
            Self { reader: Reader::new(namespace, installation, now), report: Report::default(), objects: Vec::new() };
        for text in texts {
            reading.text(text);
        }
        reading
    }

    fn text(&mut self, text: Result<Source, Refused>) {
        let source = self.report.sources.len();
        let read = match text {
            Ok(read) => read,
            Err(Refused { name, problem, code }) => {
                self.report.sources.push(Source::new(name, ""));
                let severity = if code == Code::Skipped { Severity::Warning } else { Severity::Error };
                let finding = Finding::error(code, Location::new(source, &(0..0)), problem);
                self.report.findings.push(Finding { severity, ..finding });
                return;
            }
        };
        let (documents, problems) = yaml::read(&read.text);
        let is_template = read.text.contains("{{");
        let is_found = read.is_found;
        self.report.sources.push(read);
        for problem in problems {
            let (code, hint) = match problem.kind {
                ProblemKind::Syntax if is_template => (Code::Syntax, TEMPLATE),
                ProblemKind::Syntax => (Code::Syntax, ""),
                ProblemKind::Ambiguous => (Code::AmbiguousYaml, ""),
                ProblemKind::DuplicateKey => (Code::DuplicateKey, ""),
            };
            let finding = Finding::error(code, Location::new(source, &problem.span), problem.message + hint);
            let other = problem.other.map(|span| Location::new(source, &span));
            self.report.findings.push(Finding { other, ..finding });
        }
        let before = (self.objects.len(), self.report.findings.len());
        let mut refused = Vec::new();
        for document in documents {
            self.document(source, document, false, &mut refused);
        }
        // kubectl refuses the whole file. In a directory, a file without guestlist's objects may be of any format.
        if is_found && before == (self.objects.len(), self.report.findings.len()) {
            self.report.ignored += refused.len();
            return;
        }
        for problem in refused {
            self.report.findings.push(Finding::error(
                Code::Schema,
                Location::new(source, &problem.span),
                problem.message,
            ));
        }
    }

    /// Adds a document. A document that kubectl does not accept as an object goes to `refused`.
    fn document(&mut self, source: usize, root: Node, is_item: bool, refused: &mut Vec<yaml::Problem>) {
        match object::sort(&root) {
            ObjectClass::Ours(kind) => {
                self.report.count(kind);
                let object = self.reader.read(kind, source, root, &mut self.report.findings);
                self.objects.push(object);
            }
            ObjectClass::List => match manifest::list_items(root, is_item) {
                Ok(items) => items.into_iter().for_each(|item| self.document(source, item, true, refused)),
                Err(problem) => refused.push(problem),
            },
            ObjectClass::Foreign => {
                let problem = yaml::metadata::problem(&root);
                match manifest::objects(root) {
                    Ok(objects) => self.report.ignored += objects.len(),
                    Err(problem) => refused.push(problem),
                }
                refused.extend(problem);
            }
            ObjectClass::Mistaken(field, message) => {
                let at = Location::new(source, &root.locate(&field));
                let finding = Finding::error(Code::Schema, at, message);
                self.report.findings.push(Finding { path: field, ..finding });
            }
        }
    }
}

/// The fix for a text that is a template.
const TEMPLATE: &str = ". It looks like a template: check what it renders, helm template CHART | guestlist check -";

/// A count with the kind's name in singular or plural.
fn plural(kind: Kind, count: usize) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {}{s}", kind.as_str())
}
