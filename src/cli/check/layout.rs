//! Directories whose files are not what a cluster gets: kustomize or Helm renders them first.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::api;
use crate::yaml::tree::{Node, Value};
use crate::yaml::{self};

const KUSTOMIZATIONS: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];
const CHARTS: [&str; 2] = ["Chart.yaml", "Chart.yml"];
/// The fields of a kustomization that change nothing that is checked.
const HARMLESS: [&str; 16] = [
    "apiVersion",
    "kind",
    "metadata",
    "resources",
    "bases",
    "labels",
    "commonLabels",
    "commonAnnotations",
    "buildMetadata",
    "sortOptions",
    "generatorOptions",
    "configMapGenerator",
    "secretGenerator",
    "images",
    "replicas",
    "openapi",
];
/// The fields of a kustomization that name files of its own form.
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

/// The files of a directory that are no manifests, and what has to be rendered.
#[derive(Debug, Default)]
pub struct Layout {
    /// Files and directories that are left out.
    pub skipped: BTreeSet<PathBuf>,
    /// A file or directory that is rendered before it is applied, and how to check the result.
    pub unrendered: Option<(PathBuf, String)>,
}

impl Layout {
    /// Reads the layout of a directory.
    pub fn of(directory: &Path) -> Self {
        let there = |names: &[&str]| names.iter().map(|name| directory.join(name)).find(|file| file.is_file());
        match (there(&KUSTOMIZATIONS), there(&CHARTS)) {
            (Some(file), _) => kustomization(directory, &file),
            (None, Some(file)) => chart(directory, file),
            (None, None) => Self::default(),
        }
    }
}

fn kustomization(directory: &Path, file: &Path) -> Layout {
    let mut layout = Layout { skipped: BTreeSet::from([file.to_owned()]), unrendered: None };
    let text = std::fs::read(file).ok().and_then(|bytes| yaml::decode_bytes(bytes).ok()).unwrap_or_default();
    let (documents, _) = yaml::read(&text);
    let Some(root) = documents.first() else { return layout };
    let mut paths = Vec::new();
    for entry in root.entries().iter().filter(|entry| PARTS.contains(&entry.key.as_str())) {
        texts(&entry.value, &mut paths);
    }
    let parts: Vec<PathBuf> = paths.into_iter().map(|path| directory.join(path)).filter(|path| path.exists()).collect();
    let mut resources = Vec::new();
    root.get("resources").into_iter().chain(root.get("bases")).for_each(|node| texts(node, &mut resources));
    let changes = root.entries().iter().find(|entry| !HARMLESS.contains(&entry.key.as_str()));
    let concerns_us = || {
        let elsewhere = resources.iter().map(|path| directory.join(path));
        text.contains(api::GROUP)
            || std::iter::once(directory.to_owned())
                .chain(elsewhere)
                .chain(parts.iter().cloned())
                .any(|path| names_us(&path))
    };
    if let Some(entry) = changes.filter(|_| concerns_us()) {
        let shown = directory.display();
        let problem = format!(
            "it is a kustomization, and its field {} changes what the files declare. Check what it renders: kustomize build {shown} | guestlist check - ; or leave it out: --exclude {shown}",
            entry.key
        );
        layout.unrendered = Some((file.to_owned(), problem));
    }
    layout.skipped.extend(parts.into_iter().filter(|path| path.is_file()));
    layout
}

/// Every text below a node that may be a path.
fn texts(node: &Node, found: &mut Vec<String>) {
    match &node.value {
        Value::Text(text) if !text.contains('\n') && text.len() < 256 => found.push(text.clone()),
        Value::List(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Map(entries) => {
            entries.iter().filter(|entry| entry.key == "path").for_each(|entry| texts(&entry.value, found))
        }
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) => {}
    }
}

fn chart(directory: &Path, file: PathBuf) -> Layout {
    let templates = directory.join("templates");
    let mut layout = Layout { skipped: BTreeSet::from([file, templates.clone()]), unrendered: None };
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    layout.skipped.extend(
        entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("values")).map(|entry| entry.path()),
    );
    if names_us(&templates) {
        let shown = directory.display();
        let problem = format!(
            "these are templates of a Helm chart, and they make objects of guestlist. Check what they render: helm template {shown} | guestlist check - ; or leave them out: --exclude {shown}"
        );
        layout.unrendered = Some((templates, problem));
    }
    layout
}

/// Whether a file, or one below a directory, names objects of guestlist.
fn names_us(path: &Path) -> bool {
    if path.is_dir() {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        return entries
            .filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'))
            // A link to a directory could lead back here.
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir() || kind.is_file()))
            .any(|entry| names_us(&entry.path()));
    }
    let mark = format!("{}/{}", api::GROUP, api::VERSION);
    let text = std::fs::read(path).ok().and_then(|bytes| yaml::decode_bytes(bytes).ok());
    text.is_some_and(|text| text.contains(&mark))
}
