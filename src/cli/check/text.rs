//! Output for people: the problem, its place, the line itself, and a link to more.

use std::fmt::Write as _;
use std::io::IsTerminal;

use super::finding::{Code, Finding, Severity};
use super::plural;
use super::report::Report;
use super::source::{LineColumn, LineExcerpt, Source};
use crate::cache::Kind;
use crate::domain::text::is_hidden;

/// Longest excerpt of a line, in characters.
const WIDTH: usize = 120;
/// Characters before the caret in a line that is cut.
const BEFORE: usize = 40;

/// Whether standard output shows colours: it is a terminal that supports them, and `NO_COLOR` is not set.
pub fn has_colour() -> bool {
    let unset = |name: &str| std::env::var_os(name).is_none_or(|value| value.is_empty());
    unset("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb") && std::io::stdout().is_terminal()
}

struct Paint {
    on: bool,
}

impl Paint {
    fn with(&self, code: &str, text: &str) -> String {
        if self.on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn severity(&self, severity: Severity, text: &str) -> String {
        match severity {
            Severity::Error => self.with("1;31", text),
            Severity::Warning => self.with("1;33", text),
        }
    }

    fn quiet(&self, text: &str) -> String {
        self.with("1;34", text)
    }
}

/// All problems and a summary.
pub fn render(report: &Report, colour: bool) -> String {
    let paint = Paint { on: colour };
    let mut text = String::new();
    for finding in &report.findings {
        one(report, finding, &paint, &mut text);
    }
    text.push_str(&summary(report));
    text
}

fn one(report: &Report, finding: &Finding, paint: &Paint, text: &mut String) {
    let head = format!("{}[{}]", finding.severity.as_str(), finding.code.as_str());
    let _ = writeln!(text, "{}: {}", paint.severity(finding.severity, &head), visible(&finding.message));
    let Some(source) = report.sources.get(finding.at.source) else { return };
    let place = source.place(finding.at.start);
    let gutter = " ".repeat(place.line.to_string().len());
    if finding.code.has_no_place() {
        let _ = writeln!(text, "{gutter}{} {}\n", paint.quiet("-->"), visible(&source.name));
        return;
    }
    let arrow = paint.quiet("-->");
    let _ = writeln!(text, "{gutter}{arrow} {}:{}:{}", visible(&source.name), place.line, place.column);
    excerpt(source, finding, place, &gutter, paint, text);
    let bar = paint.quiet("=");
    if let Some((name, first)) = finding.other.as_ref().and_then(|other| report.place(other.source, other.start)) {
        let _ = writeln!(
            text,
            "{gutter} {bar} note: the {} one is at {}:{}:{}",
            if matches!(finding.code, Code::Rule(_)) { "other" } else { "first" },
            visible(name),
            first.line,
            first.column
        );
    }
    if let Some(object) = &finding.object {
        let field = if finding.path.is_empty() { String::new() } else { format!(", {}", visible(&finding.path)) };
        let _ = writeln!(text, "{gutter} {bar} in: {}{field}", visible(&object.to_string()));
    }
    if let Code::Rule(reason) = finding.code {
        let _ = writeln!(text, "{gutter} {bar} help: guestlist explain {reason}");
    }
    text.push('\n');
}

fn excerpt(source: &Source, finding: &Finding, place: LineColumn, gutter: &str, paint: &Paint, text: &mut String) {
    let LineExcerpt { text: line, before, is_cut } = source.part(place.line, finding.at.start, BEFORE, WIDTH);
    let length = line.chars().count();
    let end = source.place(finding.at.end);
    let column = place.column - 1 - before;
    let last = if end.line == place.line { (end.column - 1 - before).min(length) } else { length };
    let (left, right) = (if before > 0 { "…" } else { "" }, if is_cut { "…" } else { "" });
    let carets = last.saturating_sub(column).max(1);
    let indent = column + usize::from(before > 0);
    let bar = paint.quiet("|");
    let number = paint.quiet(&place.line.to_string());
    let mark = paint.severity(finding.severity, &"^".repeat(carets));
    let _ = writeln!(text, "{gutter} {bar}");
    let _ = writeln!(text, "{number} {bar} {left}{}{right}", visible(line));
    let _ = writeln!(text, "{gutter} {bar} {}{mark}", " ".repeat(indent));
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
