//! The reference of the commands, from clap's own definition of each command and option.

use std::fmt::Write;

use clap::{Arg, Command, CommandFactory};

use super::GENERATED;
use crate::cli::Cli;

/// Text for people below a command, by its name.
const NOTES: [(&str, &str); 6] = [
    ("guestlist check", "See [guestlist check](check.md) for what it reads and how it reports.\n"),
    ("guestlist plan", "See [guestlist plan and guestlist apply](plan.md) for the output.\n"),
    ("guestlist apply", "See [guestlist plan and guestlist apply](plan.md) for the output.\n"),
    (
        "guestlist detach",
        "Exactly one of the first four options is required. Each needs a kubeconfig, apart from `--adopt-directory=files`.\n\
         Stop the operator before `--all`, because it adds the finalizers again.\n",
    ),
    ("guestlist directory setup", "See [Prepare a realm](keycloak/prepare.md) for each step.\n"),
    ("guestlist directory show", include_str!("show.md")),
];

pub(super) fn page() -> String {
    let mut root = Cli::command();
    // Gives every subcommand its full name and the options of its parents.
    root.build();
    let page = include_str!("commands.md");
    let mut text = format!("<!-- Generated from src/cli {GENERATED}\n\n{page}| command | purpose |\n|---|---|\n");
    for command in commands(&root) {
        let name = full_name(command);
        let about = command.get_about().map(|about| in_cell(&about.to_string())).unwrap_or_default();
        let _ = writeln!(text, "| [`{name}`](#{}) | {about} |", name.replace(' ', "-"));
    }
    for command in commands(&root) {
        section(&mut text, command);
    }
    text
}

/// The commands below a command, at any depth, without clap's own `help`.
fn commands(command: &Command) -> Vec<&Command> {
    let below = command.get_subcommands().filter(|command| command.get_name() != "help");
    below.flat_map(|command| std::iter::once(command).chain(commands(command))).collect()
}

fn full_name(command: &Command) -> &str {
    command.get_bin_name().unwrap_or_else(|| command.get_name())
}

fn section(text: &mut String, command: &Command) {
    let name = full_name(command);
    let _ = write!(text, "\n## {name}\n\n");
    let about = command.get_long_about().or_else(|| command.get_about());
    let about = about.map(ToString::to_string).unwrap_or_default();
    for paragraph in about.split("\n\n") {
        let _ = writeln!(text, "{}.\n", escaped(paragraph.trim().trim_end_matches('.')));
    }
    let usage = command.clone().render_usage().to_string();
    let _ = write!(text, "```text\n{}\n```\n", usage.trim_start_matches("Usage: ").trim());
    let has_commands = command.get_subcommands().next().is_some();
    let mut rows = String::new();
    // An option of all subcommands stands once, at their parent.
    let args = command.get_arguments().filter(|arg| !arg.is_global_set() || has_commands);
    for arg in args.filter(|arg| !["help", "version"].contains(&arg.get_id().as_str()) && !arg.is_hide_set()) {
        row(&mut rows, arg);
    }
    if !rows.is_empty() {
        let _ = write!(text, "\n| argument | default | variable | meaning |\n|---|---|---|---|\n{rows}");
    }
    if let Some((_, note)) = NOTES.iter().find(|(of, _)| *of == name) {
        let _ = write!(text, "\n{note}");
    }
    if let Some(more) = command.get_after_help() {
        for paragraph in more.to_string().split("\n\n") {
            let _ = write!(text, "\n{}", paragraph_of_help(paragraph));
        }
    }
}

/// One argument: its form, its default, its environment variable, its meaning.
fn row(text: &mut String, arg: &Arg) {
    let takes_value = arg.get_action().takes_values();
    let defaults: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    let default = match defaults.join(" ") {
        _ if arg.is_required_set() => "required".to_owned(),
        none if none.is_empty() || !takes_value => String::new(),
        value => format!("`{value}`"),
    };
    let variable = arg.get_env().map(|name| format!("`{}`", name.to_string_lossy())).unwrap_or_default();
    let help = arg.get_long_help().or_else(|| arg.get_help()).map(ToString::to_string).unwrap_or_default();
    let mut meaning = in_cell(&help);
    if takes_value {
        let values = arg.get_possible_values();
        let described = values.iter().map(|value| {
            let help = value.get_help().map(|help| format!(" ({})", in_cell(&help.to_string())));
            format!("`{}`{}", value.get_name(), help.unwrap_or_default())
        });
        let described: Vec<_> = described.collect();
        if !described.is_empty() {
            let _ = write!(meaning, ": {}", described.join(", "));
        }
    }
    let _ = writeln!(text, "| {} | {default} | {variable} | {meaning} |", form(arg));
}

/// The form of an argument: `-o`, `--output FORMAT`, or `PATH…`.
fn form(arg: &Arg) -> String {
    let names = arg.get_value_names().map(|names| names.join(" "));
    let named = names.unwrap_or_else(|| arg.get_id().as_str().to_uppercase());
    let value = if arg.get_action().takes_values() { named } else { String::new() };
    let Some(long) = arg.get_long() else {
        let many = arg.get_num_args().is_some_and(|number| number.max_values() > 1);
        return format!("`{value}{}`", if many { "…" } else { "" });
    };
    let short = arg.get_short().map(|short| format!("`-{short}`, ")).unwrap_or_default();
    let is_optional = arg.get_num_args().is_some_and(|number| number.min_values() == 0);
    let value = match (value.is_empty(), arg.is_require_equals_set(), is_optional) {
        (true, _, _) => String::new(),
        (false, true, true) => format!("[={value}]"),
        (false, true, false) => format!("={value}"),
        (false, false, true) => format!(" [{value}]"),
        (false, false, false) => format!(" {value}"),
    };
    format!("{short}`--{long}{value}`")
}

/// A paragraph after the options. Examples and other indented lines are code; the lines before them introduce them.
fn paragraph_of_help(paragraph: &str) -> String {
    let lines: Vec<&str> = paragraph.trim_matches('\n').lines().collect();
    let start = lines.iter().position(|line| line.starts_with("  ")).unwrap_or(lines.len());
    let (before, after) = lines.split_at(start);
    let end = after.iter().position(|line| !line.starts_with("  ")).unwrap_or(after.len());
    let (code, rest) = after.split_at(end);
    let mut text = String::new();
    for line in before {
        let _ = writeln!(text, "{}\n", escaped(line));
    }
    if !code.is_empty() {
        let language = if before.last().is_some_and(|line| line.starts_with("Example")) { "console" } else { "text" };
        let code: Vec<_> = code.iter().map(|line| line.trim_start()).collect();
        let _ = writeln!(text, "```{language}\n{}\n```\n", code.join("\n"));
    }
    for line in rest {
        let _ = writeln!(text, "{}\n", escaped(line));
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// A text for the cell of a table.
fn in_cell(text: &str) -> String {
    escaped(text).replace('|', "\\|").replace('\n', " ")
}

/// Escapes the characters that Markdown interprets, outside of code.
fn escaped(text: &str) -> String {
    let mut written = String::new();
    let mut code = false;
    for c in text.chars() {
        code ^= c == '`';
        if !code && matches!(c, '*' | '<' | '[') {
            written.push('\\');
        }
        written.push(c);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_of_commands_has_a_section_for_each() {
        let page = page();
        for name in ["run", "check", "directory", "directory setup", "directory restore-account", "completions"] {
            assert!(page.contains(&format!("\n## guestlist {name}\n")), "{name}");
        }
        assert_eq!(page.matches("\n## guestlist ").count(), page.matches("| [`guestlist ").count());
        assert!(!page.contains("`-h`") && !page.contains("## guestlist help"));
    }

    #[test]
    fn row_has_form_default_variable_meaning_and_values() {
        let mut command = Command::new("guestlist")
            .arg(Arg::new("file").long("file").short('f').value_name("FILE").env("GUESTLIST_FILE").help("A|B <c> `*`"))
            .arg(Arg::new("how").long("how").value_parser(["a", "b"]).default_value("a").help("How"))
            .arg(Arg::new("yes").long("yes").action(clap::ArgAction::SetTrue).help("Yes"))
            .arg(Arg::new("path").value_name("PATH").num_args(1..).required(true).help("Files"));
        command.build();
        let mut rows = String::new();
        for arg in command.get_arguments().filter(|arg| arg.get_id() != "help") {
            row(&mut rows, arg);
        }
        assert_eq!(
            rows,
            "| `-f`, `--file FILE` |  | `GUESTLIST_FILE` | A\\|B \\<c> `*` |\n\
             | `--how HOW` | `a` |  | How: `a`, `b` |\n\
             | `--yes` |  |  | Yes |\n\
             | `PATH…` | required |  | Files |\n"
        );
    }

    #[test]
    fn indented_lines_of_help_are_code() {
        assert_eq!(
            paragraph_of_help("Examples:\n  guestlist check a\n  guestlist check b"),
            "Examples:\n\n```console\nguestlist check a\nguestlist check b\n```\n"
        );
        assert_eq!(
            paragraph_of_help("A file:\n  a: 1\nAnd *more*."),
            "A file:\n\n```text\na: 1\n```\n\nAnd \\*more\\*.\n"
        );
    }
}
