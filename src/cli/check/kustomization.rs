//! Kustomizations: whether rendering one gives exactly the manifests of its folder.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::layout::{Layout, has_known_extension, names_us};
use crate::api;
use crate::domain::quote;
use crate::yaml::{
    self,
    node::{Node, Value},
};

const NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];
/// The fields of a kustomization that renders its resources as they are.
const PLAIN: [&str; 4] = ["apiVersion", "kind", "metadata", "resources"];
/// The fields that name further manifests or kustomizations.
const SOURCES: [&str; 3] = ["resources", "bases", "components"];
/// The fields that name files of other formats.
const PARTS: [&str; 9] = [
    "patches",
    "patchesStrategicMerge",
    "patchesJson6902",
    "components",
    "configurations",
    "transformers",
    "generators",
    "validators",
    "replacements",
];
/// The annotation that makes kustomize drop an object.
const LOCAL: &str = "config.kubernetes.io/local-config";

/// A folder with a kustomization.
pub struct Kustomization {
    directory: PathBuf,
    /// The files with a kustomization's name. kustomize accepts exactly one.
    files: Vec<PathBuf>,
    text: String,
    root: Option<Node>,
}

impl Kustomization {
    /// Reads the kustomization of a folder, if it has one.
    pub fn of(directory: &Path) -> Option<Self> {
        let files: Vec<_> = NAMES.iter().map(|name| directory.join(name)).filter(|file| file.is_file()).collect();
        let bytes = std::fs::read(files.first()?).unwrap_or_default();
        let text = yaml::decode_bytes(bytes).unwrap_or_default();
        let (mut documents, problems) = yaml::read(&text);
        let is_one = documents.len() == 1 && problems.is_empty();
        let root = documents.pop().filter(|root| is_one && matches!(root.value, Value::Map(_)));
        Some(Self { directory: directory.to_owned(), files, text, root })
    }

    /// The layout of the folder.
    pub fn layout(self, is_excluded: &dyn Fn(&Path) -> bool) -> Layout {
        let unrendered = self.difference(is_excluded).filter(|_| self.concerns_us()).and_then(|difference| {
            let shown = self.directory.display();
            let problem = format!(
                "the kustomization renders other objects than the files of its folder: {difference}. Check what it renders: kustomize build {shown} | guestlist check - ; or leave it out: --exclude {shown}"
            );
            self.files.first().map(|file| (file.clone(), problem))
        });
        let parts = PARTS.iter().flat_map(|field| self.paths(field)).map(|path| self.directory.join(path));
        let mut skipped: BTreeSet<PathBuf> = parts.filter(|path| path.is_file()).collect();
        skipped.extend(self.files);
        Layout { skipped, unrendered }
    }

    /// Describes how the rendered manifests differ from those of the folder. `None`: they are the same.
    fn difference(&self, is_excluded: &dyn Fn(&Path) -> bool) -> Option<String> {
        if let [first, second, ..] = self.files.as_slice() {
            return Some(format!("kustomize refuses a folder with both {} and {}", name(first), name(second)));
        }
        let Some(root) = &self.root else { return Some("it is not one map of YAML".to_owned()) };
        if let Some(entry) = root.entries().iter().find(|entry| !PLAIN.contains(&entry.key.as_str())) {
            return Some(format!("the field {} changes what is rendered", quote(&entry.key)));
        }
        if root.get("kind").is_some_and(|kind| kind.text() != Some("Kustomization")) {
            return Some("kind is not Kustomization".to_owned());
        }
        let listed = match self.listed(is_excluded) {
            Ok(listed) => listed,
            Err(difference) => return Some(difference),
        };
        let mut rendered = BTreeSet::new();
        for path in &listed {
            if !rendered.insert(real(path)) {
                return Some(format!("resources name {} twice", self.shown(path)));
            }
        }
        let there = manifests(&self.directory, is_excluded);
        if let Some(unlisted) = there.iter().find(|path| !rendered.contains(&real(path))) {
            return Some(format!("resources do not name {}", self.shown(unlisted)));
        }
        let there: BTreeSet<_> = there.iter().map(|path| real(path)).collect();
        let other = listed.iter().find(|path| !there.contains(&real(path)))?;
        Some(format!("resources name {}, which is no visible .yaml, .yml or .json file", self.shown(other)))
    }

    /// The files that the resources name, also those of kustomizations in subfolders. `Err`: why the rendered manifests
    /// differ.
    fn listed(&self, is_excluded: &dyn Fn(&Path) -> bool) -> Result<Vec<PathBuf>, String> {
        let Some(resources) = self.root.as_ref().and_then(|root| root.get("resources")) else { return Ok(Vec::new()) };
        let Value::List(resources) = &resources.value else { return Err("resources is not a list".to_owned()) };
        let folder = real(&self.directory);
        let mut listed = Vec::new();
        for resource in resources {
            let Some(text) = resource.text() else { return Err("resources is not a list of paths".to_owned()) };
            let path = self.directory.join(text);
            if is_excluded(&path) {
                continue;
            }
            let is_inside = real(&path) != folder && real(&path).starts_with(&folder);
            if !path.exists() || !is_inside || Path::new(text).is_absolute() {
                return Err(format!("resources name {}, which is not in the folder", quote(text)));
            }
            if !path.is_dir() {
                if std::fs::read_to_string(&path).is_ok_and(|text| text.contains(LOCAL)) {
                    return Err(format!("kustomize drops objects with the annotation {LOCAL} ({})", quote(text)));
                }
                listed.push(path);
            } else if let Some(part) = Self::of(&path) {
                // A nested kustomization whose rendered manifests differ is reported itself.
                let exact = part.difference(is_excluded).is_none();
                listed.extend(if exact { part.listed(is_excluded)? } else { manifests(&path, is_excluded) });
            } else {
                return Err(format!("resources name {}, a folder without a kustomization", quote(text)));
            }
        }
        Ok(listed)
    }

    /// Whether the rendered manifests may contain guestlist's objects.
    fn concerns_us(&self) -> bool {
        names_us(&self.directory) || self.may_contain_our_objects(&mut BTreeSet::new())
    }

    fn may_contain_our_objects(&self, seen: &mut BTreeSet<PathBuf>) -> bool {
        if !seen.insert(real(&self.directory)) {
            return false;
        }
        let has_chart = self.root.as_ref().is_some_and(|root| root.get("helmCharts").is_some());
        if has_chart || self.text.contains(api::GROUP) {
            return true;
        }
        let sources = SOURCES.iter().flat_map(|field| self.paths(field));
        let reaches = |path: &Path, seen: &mut BTreeSet<PathBuf>| match Self::of(path) {
            Some(further) => further.may_contain_our_objects(seen),
            None => path.is_file() && names_us(path),
        };
        let is_or_may_be_ours = sources.map(|path| self.directory.join(path)).any(|path| {
            // A remote or generated source may contain any object.
            !path.exists() || reaches(&path, seen)
        });
        let parts = PARTS.iter().flat_map(|field| self.paths(field));
        is_or_may_be_ours || parts.map(|path| self.directory.join(path)).any(|path| reaches(&path, seen))
    }

    /// Every text of a field that may be a path.
    fn paths(&self, field: &str) -> Vec<String> {
        let mut found = Vec::new();
        if let Some(node) = self.root.as_ref().and_then(|root| root.get(field)) {
            texts(node, &mut found);
        }
        found
    }

    fn shown(&self, path: &Path) -> String {
        quote(&path.strip_prefix(&self.directory).unwrap_or(path).to_string_lossy())
    }
}

fn texts(node: &Node, found: &mut Vec<String>) {
    match &node.value {
        Value::Text(text) if !text.contains('\n') && text.len() < 256 => found.push(text.clone()),
        Value::List(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Map(entries) => {
            entries.iter().filter(|entry| entry.key == "path").for_each(|entry| texts(&entry.value, found));
        }
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) => {}
    }
}

/// The manifests in a folder, at any depth.
fn manifests(directory: &Path, is_excluded: &dyn Fn(&Path) -> bool) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut entries: Vec<_> = std::fs::read_dir(directory).into_iter().flatten().flatten().collect();
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if name.starts_with('.') || NAMES.contains(&name.as_str()) || is_excluded(&path) {
            continue;
        }
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(manifests(&path, is_excluded));
        } else if has_known_extension(&path) && path.is_file() {
            found.push(path);
        }
    }
    found
}

fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
