//! Directories whose files kustomize or Helm renders before a cluster receives them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::{api, yaml};

/// The extensions of manifests in a directory, as in kubectl.
pub const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];
const CHARTS: [&str; 2] = ["Chart.yaml", "Chart.yml"];

/// The files of a directory that are not manifests, and the files that have to be rendered.
#[derive(Debug, Default)]
pub struct Layout {
    /// The skipped files and directories.
    pub skipped: BTreeSet<PathBuf>,
    /// A file or directory that is rendered before it is applied, and how to check the result.
    pub unrendered: Option<(PathBuf, String)>,
}

/// The layout of a directory with a Helm chart; empty without one.
pub fn of_chart(directory: &Path) -> Layout {
    let file = CHARTS.iter().map(|name| directory.join(name)).find(|file| file.is_file());
    file.map_or_else(Layout::default, |file| chart(directory, file))
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

/// Whether a file, or a file below a directory, names guestlist's objects.
pub fn names_us(path: &Path) -> bool {
    if path.is_dir() {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        return entries
            .filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'))
            // A link to a directory could form a loop.
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()) || entry.path().is_file())
            .any(|entry| names_us(&entry.path()));
    }
    let mark = format!("{}/{}", api::GROUP, api::VERSION);
    let text = std::fs::read(path).ok().and_then(|bytes| yaml::decode_bytes(bytes).ok());
    text.is_some_and(|text| text.contains(&mark))
}

/// Whether a file in a directory has the extension of a manifest.
pub fn has_known_extension(path: &Path) -> bool {
    path.extension().is_some_and(|ending| EXTENSIONS.iter().any(|known| ending == *known))
}
