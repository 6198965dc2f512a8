//! The words of the project: comments, messages, documentation and examples keep the rules that a program can check.
//! People are "they"; sentences are short; words that a reader has to interpret are replaced by the usual term.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::docs::{pages, read};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const FOLDERS: [&str; 7] = ["src", "tests", "docs", "examples", "charts", "benches", "crds"];
const EXTENSIONS: [&str; 9] = ["rs", "md", "yaml", "yml", "sh", "go", "toml", "tpl", "txt"];
/// Files with texts of others, or of the past: released CRDs, inputs of parsers, and this list.
const LEFT_OUT: [&str; 3] = ["crds_baseline", "corpus", "prose.rs"];

/// Words that are never used alone, in any case.
const WORDS: [&str; 10] = ["he", "him", "his", "himself", "whom", "whoever", "mend", "mends", "mended", "somebody"];
const PHRASES: [&str; 6] = ["put away", "let go", "on its way out", "any more", "spoken for", "told of"];
/// A comment that begins with one of these is a question, or has no subject.
const LEADS: [&str; 6] = ["Who", "What", "Whose", "Whom", "Whoever", "Whatever"];
/// Words of a sentence in the documentation.
const LONGEST: usize = 25;

/// The text files of the project, as paths from the root.
fn files() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = FOLDERS.iter().map(PathBuf::from).collect();
    let mut found: Vec<PathBuf> =
        ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "Makefile", "Cargo.toml"]
            .map(PathBuf::from)
            .into();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(Path::new(ROOT).join(&folder)).unwrap() {
            let path = folder.join(entry.unwrap().file_name());
            let name = path.file_name().unwrap().to_string_lossy();
            if LEFT_OUT.contains(&&*name) {
                continue;
            }
            if Path::new(ROOT).join(&path).is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| EXTENSIONS.iter().any(|known| extension == *known)) {
                found.push(path);
            }
        }
    }
    found
}

/// The rules that a line breaks.
fn broken(path: &Path, line: &str) -> Vec<&'static str> {
    let lower = line.to_lowercase();
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let is_alone = |(at, text): (usize, &str)| {
        let (before, after) = (&lower[..at], &lower[at + text.len()..]);
        !before.ends_with(is_word) && !after.starts_with(is_word)
    };
    let has = |text: &&str| lower.match_indices(*text).any(is_alone);
    let mut broken: Vec<&str> = WORDS.into_iter().chain(PHRASES).filter(has).collect();
    let is_page = path.extension().is_some_and(|extension| extension == "md");
    let comment = ["//!", "///", "//", "#"].into_iter().find_map(|sign| line.trim_start().strip_prefix(sign));
    if let Some(text) = comment.filter(|_| !is_page) {
        let first = text.trim_start().split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
        broken.extend(LEADS.into_iter().filter(|lead| first == *lead && !text.contains('?')));
    }
    broken
}

#[test]
fn texts_use_the_terms_of_the_field() {
    let mut found = Vec::new();
    let files = files();
    assert!(files.len() > 300, "{}", files.len());
    for path in &files {
        let text = fs::read_to_string(Path::new(ROOT).join(path)).unwrap();
        for (number, line) in text.lines().enumerate() {
            for rule in broken(path, line) {
                found.push(format!("{}:{}: {rule:?}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn line_with_an_excluded_word_is_found() {
    let rules = |path: &str, line: &str| broken(Path::new(path), line);
    for (line, rule) in [
        ("    // the guest and his grants", "his"),
        ("Somebody, whom", "whom"),
        ("let x = 1; // it is let go", "let go"),
        ("/// Who asks is refused", "Who"),
        ("# What is shared", "What"),
    ] {
        assert!(rules("a.rs", line).contains(&rule), "{line}");
    }
    for line in ["// this history is theirs", "fn let_go()", "// Who asks?", "// what the guest has", "a company's"] {
        assert_eq!(rules("a.rs", line), Vec::<&str>::new(), "{line}");
    }
    assert_eq!(rules("a.md", "# What is shared"), Vec::<&str>::new());
}

/// The sentences of a page, without code, tables and headings.
fn sentences(text: &str) -> Vec<String> {
    let mut paragraphs = vec![String::new()];
    let mut is_code = false;
    for line in text.lines() {
        let bare = line.trim_start();
        let is_fence = bare.starts_with("```");
        is_code ^= is_fence;
        let number = bare.trim_start_matches(|c: char| c.is_ascii_digit());
        let is_item = bare.starts_with("* ") || bare.starts_with("- ") || number.starts_with(". ");
        let is_other = is_code || is_fence || ["|", "#", "<!--"].iter().any(|sign| bare.starts_with(sign));
        if is_item || is_other || bare.is_empty() {
            paragraphs.push(String::new());
        }
        if !is_other {
            let text = bare.strip_prefix("* ").or_else(|| bare.strip_prefix("- ")).unwrap_or(bare);
            paragraphs.last_mut().unwrap().push_str(&format!("{text} ").replace("**", ""));
        }
    }
    let ends = [". ", "! ", "? ", ": ", "; "];
    let split = |paragraph: String| {
        let marked = ends.iter().fold(paragraph, |text, end| text.replace(end, &end.replace(' ', "\n")));
        marked.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    paragraphs.into_iter().flat_map(split).collect()
}

#[test]
fn sentences_of_the_documentation_are_short() {
    let mut found = Vec::new();
    for page in pages() {
        for sentence in sentences(&read(&page)) {
            let words = sentence.split_whitespace().count();
            if words > LONGEST {
                found.push(format!("{page}: {words} words: {sentence}"));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn sentences_end_at_a_point_and_never_include_code() {
    let text =
        "# Heading\n\nOne two.\nThree: four **five.** Six\n\n```text\nno no\n```\n| a | b |\n* seven\n* eight nine\n";
    let words: Vec<usize> =
        sentences(text).iter().map(|text| text.split_whitespace().count()).filter(|n| *n > 0).collect();
    assert_eq!(words, [2, 1, 2, 1, 1, 2]);
}
