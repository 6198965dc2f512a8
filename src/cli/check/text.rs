//! Output for people: the problem, its place, the line itself, and a link to more.

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use anstream::{AutoStream, ColorChoice};

use super::finding::{Code, Finding, Severity};
use super::plural;
use super::report::Report;
use super::source::{LineColumn, Source};
use crate::cache::Kind;
use crate::domain::text::is_hidden;

/// Maximum length of a shown line, in bytes. The renderer cuts it to the width of a terminal. A file may be a single
/// line of megabytes with many problems.
const LONGEST_LINE: usize = 4096;

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
    let mut group = match excerpt(source, finding, place) {
        Some(excerpt) => group.element(excerpt),
        None => group.element(origin.line(place.line).char_column(place.column)),
    };
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

/// The marked line. `None`: it is too long to show.
fn excerpt<'a>(source: &Source, finding: &Finding, place: LineColumn) -> Option<Snippet<'a, Annotation<'a>>> {
    let text = source.line(place.line);
    if text.len() > LONGEST_LINE {
        return None;
    }
    let end = source.place(finding.at.end);
    let last = if end.line == place.line { end.column } else { usize::MAX };
    let (mut line, mut start, mut length) = (String::new(), None, 0);
    for (column, shown) in (1..).zip(text.chars().map(shown)) {
        if column == place.column || (column > place.column && column < last) {
            start.get_or_insert(line.len());
            length += shown.len_utf8();
        }
        line.push(shown);
    }
    let start = start.unwrap_or(line.len());
    let marked = AnnotationKind::Primary.span(start..start + length);
    Some(Snippet::source(line).line_start(place.line).path(visible(&source.name)).annotation(marked))
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
