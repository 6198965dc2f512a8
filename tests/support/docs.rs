//! The documentation as a reader uses it: its pages, its blocks of code, and the commands that a shell makes of them.

#![allow(dead_code, reason = "each test file uses what it needs")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A block of code of a page.
#[derive(Clone, Debug)]
pub struct Block {
    /// The page, from the root.
    pub page: String,
    /// The heading above it, without the signs of its level.
    pub heading: String,
    /// The language, such as `console`.
    pub language: String,
    /// Its lines, without the indentation of a list.
    pub text: String,
}

/// A command as a shell starts it.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// The page and the heading of its block.
    pub place: String,
    /// The program and its arguments.
    pub words: Vec<String>,
}

/// The pages of the book, the README and the other pages of the root, as paths from the root.
pub fn pages() -> Vec<String> {
    let mut folders = vec![PathBuf::from("docs")];
    let mut found: Vec<String> = ["README.md", "CONTRIBUTING.md", "SECURITY.md"].map(str::to_owned).into();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(Path::new(ROOT).join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let path = folder.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path.to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

pub fn read(page: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(page)).unwrap()
}

/// The blocks of a page, in order.
pub fn blocks_of(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut heading = String::new();
    let mut open: Option<(usize, Block)> = None;
    for line in read(page).lines() {
        let indentation = line.len() - line.trim_start().len();
        let fence = line.trim_start().strip_prefix("```");
        match (fence, open.take()) {
            (Some(language), None) => {
                let (page, heading, language) = (page.to_owned(), heading.clone(), language.to_owned());
                open = Some((indentation, Block { page, heading, language, text: String::new() }));
            }
            (Some(_), Some((_, block))) => blocks.push(block),
            (None, Some((indentation, mut block))) => {
                block.text.push_str(line.get(indentation..).unwrap_or_default());
                block.text.push('\n');
                open = Some((indentation, block));
            }
            (None, None) => {
                if line.starts_with('#') {
                    line.trim_start_matches('#').trim().clone_into(&mut heading);
                }
            }
        }
    }
    assert!(open.is_none(), "{page}: a block has no end");
    blocks
}

/// All blocks in a language, in all pages.
pub fn blocks(language: &str) -> Vec<Block> {
    let all = pages().into_iter().flat_map(|page| blocks_of(&page));
    all.filter(|block| block.language == language).collect()
}

/// Has a shell read the commands of a block, without running any. A terminal's output after `$ ` is left out.
pub fn invocations(block: &Block) -> Vec<Invocation> {
    let typed: Vec<&str> = block.text.lines().filter_map(|line| line.strip_prefix("$ ")).collect();
    let script = if typed.is_empty() { block.text.clone() } else { typed.join("\n") };
    shell(&format!("{}, {}", block.page, block.heading), &script)
}

/// Has a shell read a script. Each program that it would start is recorded instead.
pub fn shell(place: &str, script: &str) -> Vec<Invocation> {
    // Nothing but `date` is in PATH, so bash hands each command to this function.
    const RECORDER: &str = "command_not_found_handle() {
        local words; printf -v words '%s\\037' \"$@\"; printf '%s\\036' \"$words\" >> \"$RECORD\"; }\n";
    let folder = tempfile::tempdir().unwrap();
    for file in ["accounts.yaml", "people.yaml", "date"] {
        fs::write(folder.path().join(file), "").unwrap();
    }
    let programs = folder.path().join("programs");
    fs::create_dir(&programs).unwrap();
    let record = folder.path().join("record");
    fs::write(&record, "").unwrap();
    let date = "#!/bin/sh\necho 2027-01-31T12:00:00Z\n";
    fs::write(programs.join("date"), date).unwrap();
    fs::set_permissions(programs.join("date"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let output = Command::new("/bin/bash")
        .args(["-euo", "pipefail", "-c", &format!("{RECORDER}{script}\nwait")])
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", &programs)
        .env("RECORD", &record)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{place}: {}\n{script}", String::from_utf8_lossy(&output.stderr));
    let recorded = fs::read_to_string(&record).unwrap();
    let commands = recorded.split_terminator('\u{1e}');
    let words = |command: &str| command.split_terminator('\u{1f}').map(str::to_owned).collect();
    commands.map(|command| Invocation { place: place.to_owned(), words: words(command) }).collect()
}

/// The commands that a page names in its sentences and tables: `guestlist …` between backticks.
pub fn inline_commands(page: &str) -> Vec<String> {
    let text = read(page);
    let mut inside = false;
    let prose: Vec<&str> = text
        .lines()
        .filter(|line| {
            let fence = line.trim_start().starts_with("```");
            inside ^= fence;
            !inside && !fence
        })
        .collect();
    let prose = prose.join(" ");
    let spans = prose.split('`').skip(1).step_by(2);
    spans.filter(|span| span.starts_with("guestlist ")).map(str::to_owned).collect()
}
