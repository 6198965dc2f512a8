//! The copy of the tree in which mutants are tested. The original tree never changes.

use std::collections::BTreeSet;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A copy.
pub struct Copy {
    pub root: PathBuf,
    /// The fingerprint of all files that a result depends on.
    pub fingerprint: u64,
}

/// The files that git tracks, or would track.
fn tracked(root: &Path) -> Result<Vec<PathBuf>, String> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"])
        .current_dir(root)
        .output()
        .map_err(|error| format!("failed to start git: {error}"))?;
    if !output.status.success() {
        return Err(format!("git ls-files: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    let text = String::from_utf8(output.stdout).map_err(|error| error.to_string())?;
    let files = text.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from);
    let mut files: Vec<_> = files.filter(|file| root.join(file).is_file()).collect();
    files.sort();
    Ok(files)
}

fn below(folder: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            below(&path, found)?;
        } else {
            found.push(path);
        }
    }
    Ok(())
}

/// Updates the copy. Equal files stay untouched, so that cargo builds only the changed ones.
pub fn copy(root: &Path, to: &Path) -> Result<Copy, String> {
    let failed = |what: &Path, error: std::io::Error| format!("failed to copy {}: {error}", what.display());
    let files = tracked(root)?;
    let mut hasher = DefaultHasher::new();
    let mut wanted = BTreeSet::new();
    for file in &files {
        let (from, into) = (root.join(file), to.join(file));
        let bytes = fs::read(&from).map_err(|error| failed(&from, error))?;
        if is_tested(file) {
            (file, &bytes).hash(&mut hasher);
        }
        if fs::read(&into).ok().as_ref() != Some(&bytes) {
            let folder = into.parent().unwrap_or(to);
            fs::create_dir_all(folder).and_then(|()| fs::copy(&from, &into)).map_err(|error| failed(&from, error))?;
        }
        wanted.insert(into);
    }
    let mut there = Vec::new();
    below(to, &mut there).map_err(|error| failed(to, error))?;
    for path in there.iter().filter(|path| !wanted.contains(*path)) {
        fs::remove_file(path).map_err(|error| failed(path, error))?;
    }
    Ok(Copy { root: to.to_owned(), fingerprint: hasher.finish() })
}

/// Whether a result depends on a file.
fn is_tested(file: &Path) -> bool {
    ["src", "tests", "crds", "Cargo.toml", "Cargo.lock"].iter().any(|part| file.starts_with(part))
}
