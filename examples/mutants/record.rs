//! The results so far: one line each, with the fingerprint of their tree.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::sample::Mutant;

/// The outcome of a mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A test fails.
    Caught,
    /// No test fails.
    Survived,
    /// The tests do not end.
    TimedOut,
    /// It does not compile.
    Unviable,
}

impl Outcome {
    const ALL: [Self; 4] = [Self::Caught, Self::Survived, Self::TimedOut, Self::Unviable];
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Caught => "caught",
            Self::Survived => "survived",
            Self::TimedOut => "timed out",
            Self::Unviable => "unviable",
        })
    }
}

/// An outcome and the time to reach it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tested {
    pub outcome: Outcome,
    pub seconds: u64,
}

/// The recorded results of one tree.
pub struct Record {
    path: PathBuf,
    fingerprint: u64,
    known: BTreeMap<String, Tested>,
}

impl Record {
    /// Reads the existing record.
    pub fn open(path: &Path, fingerprint: u64) -> Result<Self, String> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(format!("failed to read {}: {error}", path.display())),
        };
        let known = text.lines().filter_map(|line| read(line, fingerprint)).collect();
        Ok(Self { path: path.to_owned(), fingerprint, known })
    }

    pub fn get(&self, mutant: &Mutant) -> Option<Tested> {
        self.known.get(&mutant.name).copied()
    }

    /// Adds a result, in memory and in the file.
    pub fn put(&mut self, mutant: &Mutant, result: Tested) -> Result<(), String> {
        let Tested { outcome, seconds } = result;
        let line = format!("{:016x}\t{outcome}\t{seconds}\t{}\n", self.fingerprint, mutant.name);
        let mut options = OpenOptions::new();
        options
            .create(true)
            .append(true)
            .open(&self.path)
            .and_then(|mut file| file.write_all(line.as_bytes()))
            .map_err(|error| format!("failed to write {}: {error}", self.path.display()))?;
        self.known.insert(mutant.name.clone(), result);
        Ok(())
    }
}

/// Reads a line, if it belongs to this tree.
fn read(line: &str, fingerprint: u64) -> Option<(String, Tested)> {
    let mut parts = line.splitn(4, '\t');
    let tree = u64::from_str_radix(parts.next()?, 16).ok()?;
    let word = parts.next()?;
    let outcome = Outcome::ALL.into_iter().find(|outcome| outcome.to_string() == word)?;
    let seconds = parts.next()?.parse().ok()?;
    (tree == fingerprint).then_some((parts.next()?.to_owned(), Tested { outcome, seconds }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_of_another_tree_counts_for_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record.tsv");
        let mutant = Mutant { name: "src/a.rs:1:5: delete ! in f".to_owned(), key: String::new() };
        let result = Tested { outcome: Outcome::TimedOut, seconds: 3 };
        Record::open(&path, 7).unwrap().put(&mutant, result).unwrap();
        assert_eq!(Record::open(&path, 7).unwrap().get(&mutant), Some(result));
        assert_eq!(Record::open(&path, 8).unwrap().get(&mutant), None);
    }
}
