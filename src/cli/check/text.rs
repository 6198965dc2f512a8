//! Output for people: the problem, its place, the line itself, and a link to more.

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use anstream::{AutoStream, ColorChoice};

use super::finding::{Code, Finding, Severity};
use super::plural;
use super::report::Report;
use super::source::{LineColumn, LineExcerpt, Source};
use crate::cache::Kind;
use crate::domain::text::is_hidden;

/// Longest excerpt of a line, in characters.
const WIDTH: usize = 120;
/// Characters before the marked ones in a line that is cut.
const BEFORE: usize = 40;

/// Whether standard output shows colours: it is a terminal that supports them, and `NO_COLOR` is not set.
pub fn has_colour() -> bool {
    AutoStream::choice(&std::io::stdout()) != ColorChoice::Never
}

/// All problems and a summary.
pub fn render(report: &Report, colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let mut text = String::new();
    for finding in &report.findings {
        text.push_str(&renderer.render(&[group(report, finding)]));
        text.push_str("\n\n");
    }
    text.push_str(&summary(report));
    text
}

fn group<'a>(report: &'a Report, finding: &'a Finding) -> Group<'a> {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let group = Group::with_title(level.primary_title(visible(&finding.message)).id(finding.code.as_str()));
    let Some(source) = report.sources.get(finding.at.source) else { return group };
    let origin = Origin::path(visible(&source.name));
    if finding.code.has_no_place() {
        return group.element(origin);
    }
    let place = source.place(finding.at.start);
    let mut group =
        group.element(origin.line(place.line).char_column(place.column)).element(excerpt(source, finding, place));
    if let Some((name, first)) = finding.other.as_ref().and_then(|other| report.place(other.source, other.start)) {
        let which = if matches!(finding.code, Code::Rule(_)) { "other" } else { "first" };
        let (name, LineColumn { line, column }) = (visible(name), first);
        group = group.element(Level::NOTE.message(format!("the {which} one is at {name}:{line}:{column}")));
    }
    if let Some(object) = &finding.object {
        let field = if finding.path.is_empty() { String::new() } else { format!(", {}", visible(&finding.path)) };
        let text = format!("{}{field}", visible(&object.to_string()));
        group = group.element(Level::INFO.with_name("in").message(text));
    }
    if let Code::Rule(reason) = finding.code {
        group = group.element(Level::HELP.message(format!("guestlist explain {reason}")));
    }
    group
}

fn excerpt<'a>(
    source: &Source,
    finding: &Finding,
    place: LineColumn,
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let LineExcerpt { text, before, is_cut } = source.part(place.line, finding.at.start, BEFORE, WIDTH);
    let end = source.place(finding.at.end);
    let first = place.column - 1 - before;
    let last = if end.line == place.line { end.column - 1 - before } else { usize::MAX };
    let mut line = String::from(if before > 0 { "…" } else { "" });
    let mut marked = None;
    for (column, shown) in text.chars().map(shown).enumerate() {
        if column == first {
            marked = Some(line.len());
        }
        line.push(shown);
    }
    let start = marked.unwrap_or(line.len());
    let length: usize = line[start..].chars().take(last.saturating_sub(first).max(1)).map(char::len_utf8).sum();
    line.push_str(if is_cut { "…" } else { "" });
    Snippet::source(line).line_start(place.line).annotation(AnnotationKind::Primary.span(start..start + length))
}

/// A text without control characters, so that the content of a file cannot control the terminal.
pub fn visible(text: &str) -> String {
    text.chars().map(shown).collect()
}

fn shown(c: char) -> char {
    match c {
        '\t' => ' ',
        c if is_hidden(c) => '\u{fffd}',
        c => c,
    }
}

fn summary(report: &Report) -> String {
    let kinds: Vec<_> = Kind::ALL.iter().map(|kind| plural(*kind, report.counted(*kind))).collect();
    let several = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    let ignored = match report.ignored {
        0 => String::new(),
        count => format!(" ({} of other kinds ignored)", several(count, "object")),
    };
    format!(
        "checked {} in {}{ignored}: {}, {}\n",
        kinds.join(", "),
        several(report.files(), "file"),
        several(report.total(Severity::Error), "error"),
        several(report.total(Severity::Warning), "warning"),
    )
}
