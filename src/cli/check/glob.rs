//! Patterns of paths, for `--exclude`.

use std::convert::Infallible;
use std::fmt;
use std::path::{Component, Path};
use std::str::FromStr;

/// A pattern: `*` and `?` stand for characters of one name, `**` for any number of folders. One without a slash is compared
/// with each name of a path, one with slashes with each end of a path.
#[derive(Clone, Debug)]
pub struct Glob(Vec<String>);

impl FromStr for Glob {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let names = text.split('/').filter(|name| !matches!(*name, "" | "."));
        Ok(Self(names.map(str::to_owned).collect()))
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("/"))
    }
}

impl Glob {
    /// Whether the pattern matches a path.
    pub fn matches(&self, path: &Path) -> bool {
        let names: Vec<_> = path
            .components()
            .filter_map(|component| match component {
                Component::Normal(name) => Some(name.to_string_lossy()),
                Component::CurDir | Component::ParentDir | Component::RootDir | Component::Prefix(_) => None,
            })
            .collect();
        let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
        match self.0.as_slice() {
            [] => false,
            [one] if one != "**" => names.iter().any(|name| name_fits(one, name)),
            all => (0..names.len()).any(|start| names.get(start..).is_some_and(|end| path_fits(all, end))),
        }
    }
}

fn path_fits(pattern: &[String], names: &[&str]) -> bool {
    match (pattern, names) {
        ([], names) => names.is_empty(),
        ([first, rest @ ..], names) if first == "**" => {
            (0..=names.len()).any(|skipped| names.get(skipped..).is_some_and(|names| path_fits(rest, names)))
        }
        ([first, rest @ ..], [name, further @ ..]) => name_fits(first, name) && path_fits(rest, further),
        (_, []) => false,
    }
}

fn name_fits(pattern: &str, name: &str) -> bool {
    let mut characters = pattern.chars();
    match characters.next() {
        None => name.is_empty(),
        Some('*') => {
            let rest = characters.as_str();
            let ends = name.char_indices().map(|(at, _)| at).chain([name.len()]);
            ends.filter_map(|at| name.get(at..)).any(|end| name_fits(rest, end))
        }
        Some(wanted) => {
            let mut found = name.chars();
            found.next().is_some_and(|c| wanted == '?' || wanted == c) && name_fits(characters.as_str(), found.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pattern_fits_names_and_ends_of_paths() {
        for (pattern, path, fits) in [
            ("kustomization.yaml", "a/b/kustomization.yaml", true),
            ("b", "a/b/c.yaml", true),
            ("*.tmp.yaml", "a/b.tmp.yaml", true),
            ("*.tmp.yaml", "a/b.yaml", false),
            ("b/*.yaml", "a/b/c.yaml", true),
            ("b/*.yaml", "a/b/c/d.yaml", false),
            ("b/**", "a/b/c/d.yaml", true),
            ("a/**/d.yaml", "a/d.yaml", true),
            ("./a/b/", "a/b", true),
            ("c?.yaml", "./c1.yaml", true),
            ("", "a", false),
        ] {
            assert_eq!(pattern.parse::<Glob>().unwrap().matches(Path::new(path)), fits, "{pattern} {path}");
        }
    }
}
