//! The checked texts: files, directories and standard input, with an index of their lines.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::finding::Code;
use super::glob::Glob;
use super::kustomization::Kustomization;
use super::layout::{self, EXTENSIONS, has_known_extension};
use crate::domain::quote;
use crate::yaml;

/// A text with an index of its lines.
#[derive(Debug)]
pub struct Source {
    /// The path as given, or as found below a given directory; `-` for standard input.
    pub name: String,
    /// Its content.
    pub text: String,
    /// Whether the file was found in a directory, rather than named itself.
    pub is_found: bool,
    lines: Vec<usize>,
    /// The number of characters before each block of bytes, so that the column in a line of megabytes is found without
    /// counting from its start.
    blocks: Vec<usize>,
}

/// The block size, in bytes.
const BLOCK: usize = 1024;

/// A place for people: line and column count from 1, and columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineColumn {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Source {
    /// A text with a name.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let mut before = 0;
        let mut blocks = Vec::with_capacity(text.len() / BLOCK + 1);
        for block in text.as_bytes().chunks(BLOCK) {
            blocks.push(before);
            before += count_characters(block);
        }
        Self { name: name.into(), text, is_found: false, lines, blocks }
    }

    /// The line and column of a byte offset.
    pub fn place(&self, offset: usize) -> LineColumn {
        let offset = self.floor(offset);
        let line = self.lines.partition_point(|start| *start <= offset).saturating_sub(1);
        let start = self.lines.get(line).copied().unwrap_or_default();
        LineColumn { line: line + 1, column: self.characters(offset) - self.characters(start) + 1 }
    }

    /// The number of characters before a byte offset.
    fn characters(&self, offset: usize) -> usize {
        let block = (offset / BLOCK).min(self.blocks.len().saturating_sub(1));
        let rest = self.text.as_bytes().get(block * BLOCK..offset).unwrap_or_default();
        self.blocks.get(block).copied().unwrap_or_default() + count_characters(rest)
    }

    /// The text of a line, without its end.
    pub fn line(&self, line: usize) -> &str {
        let start = self.lines.get(line.saturating_sub(1)).copied().unwrap_or(self.text.len());
        let end = self.lines.get(line).map_or(self.text.len(), |next| next - 1);
        self.text.get(start..end).unwrap_or_default().trim_end_matches('\r')
    }

    /// Clamps a range to the text and to character boundaries.
    pub fn fit(&self, range: &Range<usize>) -> Range<usize> {
        let start = self.floor(range.start);
        start..self.floor(range.end).max(start)
    }

    fn floor(&self, offset: usize) -> usize {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    }
}

/// The number of characters that start in these bytes.
fn count_characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
}

/// A file or directory that is not checked.
#[derive(Debug)]
pub struct Refused {
    /// Its name.
    pub name: String,
    /// The cause, and the fix.
    pub problem: String,
    /// The kind of problem.
    pub code: Code,
}

impl Refused {
    fn unreadable(path: &Path, problem: impl Into<String>) -> Self {
        Self { name: name(path), problem: problem.into(), code: Code::Unreadable }
    }
}

/// Reads the named files without the excluded ones. An unreadable file becomes an `Err` with the reason.
pub fn read(paths: &[PathBuf], exclude: &[Glob]) -> Vec<Result<Source, Refused>> {
    let exclude = Excludes { globs: exclude, used: exclude.iter().map(|_| Cell::new(false)).collect() };
    let mut finder = Finder { exclude, files: Vec::new(), skipped: Vec::new(), seen: BTreeSet::new(), excluded: false };
    for path in paths {
        finder.find(path);
    }
    finder.judge_excludes(paths);
    let skipped = finder.skipped.into_iter().map(Err);
    finder
        .files
        .into_iter()
        .chain(skipped)
        .map(|file| file.and_then(|(path, is_found)| read_one(&path, is_found)))
        .collect()
}

/// The patterns of excluded files.
struct Excludes<'a> {
    globs: &'a [Glob],
    /// For each pattern: whether it matched a file.
    used: Vec<Cell<bool>>,
}

impl Excludes<'_> {
    fn matches(&self, path: &Path) -> bool {
        let matching = self.globs.iter().zip(&self.used).filter(|(glob, _)| glob.matches(path));
        matching.map(|(_, used)| used.set(true)).count() > 0
    }
}

struct Finder<'a> {
    exclude: Excludes<'a>,
    /// The files, and whether they were found in a directory.
    files: Vec<Result<(PathBuf, bool), Refused>>,
    /// Files of a directory that are skipped because their extension has capital letters.
    skipped: Vec<Refused>,
    seen: BTreeSet<PathBuf>,
    /// Whether a pattern excluded a file.
    excluded: bool,
}

impl Finder<'_> {
    fn find(&mut self, path: &Path) {
        if path == Path::new("-") {
            if self.seen.insert(path.to_owned()) {
                self.files.push(Ok((path.to_owned(), false)));
            }
            return;
        }
        if self.is_excluded(path) {
            return;
        }
        if path.is_dir() {
            let before = self.files.len();
            self.excluded = false;
            self.walk(path);
            let is_seen = || self.seen.iter().any(|file| path.canonicalize().is_ok_and(|dir| file.starts_with(dir)));
            if self.files.len() == before && !self.excluded && !is_seen() {
                let problem = "there is no .yaml, .yml or .json file in this directory";
                self.files.push(Err(Refused::unreadable(path, problem)));
            }
            return;
        }
        // A file that is named twice is read once. A missing file is reported when it is read.
        if self.is_new(path) {
            self.files.push(Ok((path.to_owned(), false)));
        }
    }

    fn is_excluded(&mut self, path: &Path) -> bool {
        let excluded = self.exclude.matches(path);
        self.excluded |= excluded;
        excluded
    }

    /// Warns of patterns that match nothing, and refuses patterns that leave no file.
    fn judge_excludes(&mut self, paths: &[PathBuf]) {
        let named = paths.iter().map(|path| name(path)).collect::<Vec<_>>().join(" ");
        let patterns = self.exclude.globs.iter().zip(&self.exclude.used);
        for (glob, _) in patterns.filter(|(_, used)| !used.get()) {
            let glob = quote(&glob.to_string());
            eprintln!("warning: --exclude {glob} matches nothing in {}; correct or remove it", quote(&named));
        }
        if self.files.is_empty() && self.exclude.used.iter().any(Cell::get) {
            let problem = "--exclude leaves no .yaml, .yml or .json file to read; correct or remove it".to_owned();
            self.files.push(Err(Refused { name: named, problem, code: Code::Unreadable }));
        }
    }

    fn is_new(&mut self, path: &Path) -> bool {
        path.canonicalize().map_or(true, |real| self.seen.insert(real))
    }

    /// Hidden entries are left out: a mounted `ConfigMap` has each file twice, once below `..data`.
    fn walk(&mut self, directory: &Path) {
        let entries = std::fs::read_dir(directory).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let mut entries = match entries {
            Ok(entries) => entries,
            Err(error) => return self.files.push(Err(Refused::unreadable(directory, error.to_string()))),
        };
        entries.sort_by_key(std::fs::DirEntry::file_name);
        let layout = match Kustomization::of(directory) {
            Some(kustomization) => kustomization.layout(&|path| self.exclude.matches(path)),
            None => layout::of_chart(directory),
        };
        if let Some((path, problem)) = layout.unrendered.filter(|(path, _)| !self.is_excluded(path)) {
            self.files.push(Err(Refused { name: name(&path), problem, code: Code::Unrendered }));
        }
        for skipped in &layout.skipped {
            // The same file may also be in a directory that is read later.
            self.is_excluded(skipped);
            self.excluded = true;
            self.is_new(skipped);
        }
        for entry in entries {
            let path = entry.path();
            let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
            if is_hidden || layout.skipped.contains(&path) || self.is_excluded(&path) {
                continue;
            }
            // A link to a directory could form a loop.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                self.walk(&path);
            } else if ends_in_capitals(&path) {
                let problem = "not read: the ending of a manifest is .yaml, .yml or .json in lower case; rename the file, or name it as PATH";
                self.skipped.push(Refused { name: name(&path), problem: problem.to_owned(), code: Code::Skipped });
            } else if has_known_extension(&path) && !is_something_else(&path) && self.is_new(&path) {
                self.files.push(Ok((path, true)));
            }
        }
    }
}

/// Whether the path is neither a file nor missing: a directory behind a link, or a pipe without a writer.
fn is_something_else(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| !found.is_file())
}

/// Whether the file would be a manifest if its ending were in lower case.
fn ends_in_capitals(path: &Path) -> bool {
    let any_case = |ending: &OsStr| EXTENSIONS.iter().any(|known| ending.eq_ignore_ascii_case(known));
    !has_known_extension(path) && path.extension().is_some_and(any_case)
}

fn name(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn read_one(path: &Path, is_found: bool) -> Result<Source, Refused> {
    let failed = |error: std::io::Error| Refused::unreadable(path, error.to_string());
    let bytes = if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes).map_err(failed)?;
        bytes
    } else {
        std::fs::read(path).map_err(failed)?
    };
    yaml::decode_bytes(bytes)
        .map(|text| Source { is_found, ..Source::new(name(path), text) })
        .map_err(|problem| Refused::unreadable(path, problem))
}
