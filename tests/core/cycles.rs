//! No two files import each other, directly or through others. A module's `mod.rs` and the files of its folder count as
//! importing each other by nature.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

/// The path of a module, from the crate's root.
type Module = Vec<String>;

/// A file's names in reach, and the paths it contains.
#[derive(Default)]
struct File {
    /// Each imported or exported name, with its path.
    imports: BTreeMap<String, Vec<String>>,
    /// Modules whose names are all exported.
    globs: Vec<Vec<String>>,
    /// All paths in the code.
    paths: Vec<Vec<String>>,
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    let is_test = |attribute: &syn::Attribute| matches!(&attribute.meta, syn::Meta::List(list) if list.path.is_ident("cfg") && list.tokens.to_string() == "test");
    attributes.iter().any(is_test)
}

impl File {
    fn import(&mut self, before: &[String], tree: &syn::UseTree) {
        let with = |name: &syn::Ident| before.iter().cloned().chain([name.to_string()]).collect::<Vec<_>>();
        match tree {
            syn::UseTree::Path(path) => self.import(&with(&path.ident), &path.tree),
            syn::UseTree::Name(name) if name.ident == "self" => {
                self.imports.extend(before.last().map(|last| (last.clone(), before.to_vec())));
                self.paths.push(before.to_vec());
            }
            syn::UseTree::Name(name) => {
                self.imports.insert(name.ident.to_string(), with(&name.ident));
                self.paths.push(with(&name.ident));
            }
            syn::UseTree::Rename(name) => {
                self.imports.insert(name.rename.to_string(), with(&name.ident));
                self.paths.push(with(&name.ident));
            }
            syn::UseTree::Glob(_) => self.globs.push(before.to_vec()),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.import(before, tree)),
        }
    }
}

impl<'a> Visit<'a> for File {
    fn visit_item(&mut self, item: &'a syn::Item) {
        let attributes = match item {
            syn::Item::Mod(item) => &item.attrs,
            syn::Item::Fn(item) => &item.attrs,
            syn::Item::Impl(item) => &item.attrs,
            syn::Item::Use(item) => &item.attrs,
            _ => return visit::visit_item(self, item),
        };
        if !is_test(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'a syn::ItemUse) {
        self.import(&[], &item.tree);
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        self.paths.push(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }
}

struct Crate(BTreeMap<Module, File>);

impl Crate {
    fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let (mut folders, mut modules) = (vec![root.clone()], BTreeMap::new());
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path: PathBuf = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                if path.extension().is_none_or(|extension| extension != "rs") {
                    continue;
                }
                let module = path.strip_prefix(&root).unwrap().with_extension("");
                let mut module: Module = module.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
                match module.last().map(String::as_str) {
                    Some("mod" | "lib") => drop(module.pop()),
                    Some("main" | "tests") => continue,
                    _ => {}
                }
                let mut file = File::default();
                let parsed = syn::parse_file(&fs::read_to_string(&path).unwrap());
                file.visit_file(&parsed.unwrap_or_else(|error| panic!("{}: {error}", path.display())));
                modules.insert(module, file);
            }
        }
        Self(modules)
    }

    /// The module that defines the item at a path, which is used in a module. `None`: it is not in this crate.
    fn defines(&self, within: &Module, path: &[String], depth: usize) -> Option<Module> {
        let (first, rest) = path.split_first()?;
        let (mut at, mut rest) = match first.as_str() {
            "crate" => (Module::new(), rest),
            "self" => (within.clone(), rest),
            "super" => (within[..within.len().checked_sub(1)?].to_vec(), rest),
            _ => (within.clone(), path),
        };
        while let Some((name, after)) = rest.split_first() {
            if name == "super" {
                at.pop();
            } else {
                let child: Module = at.iter().cloned().chain([name.clone()]).collect();
                if !self.0.contains_key(&child) {
                    break;
                }
                at = child;
            }
            rest = after;
        }
        let Some((name, after)) = rest.split_first().filter(|_| depth < 8) else { return Some(at) };
        let file = &self.0[&at];
        if let Some(import) = file.imports.get(name).filter(|import| at != *within || **import != *path) {
            let path: Vec<String> = import.iter().chain(after).cloned().collect();
            return self.defines(&at, &path, depth + 1);
        }
        let first_is_known = at != *within || matches!(first.as_str(), "crate" | "self" | "super");
        first_is_known.then_some(at)
    }

    fn imports(&self) -> BTreeMap<Module, BTreeSet<Module>> {
        let mut all = BTreeMap::new();
        for (module, file) in &self.0 {
            let used = file.paths.iter().filter_map(|path| self.defines(module, path, 0));
            let is_of_the_same_folder = |other: &Module| module.starts_with(other) || other.starts_with(module);
            let used: BTreeSet<Module> = used.filter(|other| !is_of_the_same_folder(other)).collect();
            all.insert(module.clone(), used);
        }
        all
    }
}

fn reaches(imports: &BTreeMap<Module, BTreeSet<Module>>, from: &Module) -> BTreeSet<Module> {
    let (mut found, mut open) = (BTreeSet::new(), vec![from.clone()]);
    while let Some(next) = open.pop() {
        for module in imports.get(&next).into_iter().flatten() {
            if found.insert(module.clone()) {
                open.push(module.clone());
            }
        }
    }
    found
}

#[test]
fn no_files_import_each_other() {
    let krate = Crate::read();
    let imports = krate.imports();
    let count: usize = imports.values().map(BTreeSet::len).sum();
    assert!(imports.len() > 200 && count > 800, "{} files with {count} imports", imports.len());
    let reach: BTreeMap<&Module, BTreeSet<Module>> =
        imports.keys().map(|module| (module, reaches(&imports, module))).collect();
    let in_a_cycle = imports.keys().filter(|module| reach[module].contains(*module));
    let cycles: BTreeSet<String> = in_a_cycle
        .map(|module| {
            let cycle = reach[module].iter().filter(|other| reach.get(other).is_some_and(|back| back.contains(module)));
            cycle.map(|module| module.join("::")).collect::<Vec<_>>().join(", ")
        })
        .collect();
    assert_eq!(cycles, BTreeSet::new());
}

#[test]
fn import_is_followed_to_its_definition() {
    let krate = Crate::read();
    let path = |text: &str| text.split("::").map(str::to_owned).collect::<Vec<_>>();
    let defined = |within: &str, text: &str| krate.defines(&path(within), &path(text), 0).map(|found| found.join("::"));
    assert_eq!(defined("plan::gc", "crate::directory::Operation").as_deref(), Some("directory::operation"));
    assert_eq!(defined("engine::gc", "super::queue::QueueKey").as_deref(), Some("engine::queue"));
    assert_eq!(defined("engine::gc", "std::fmt"), None);
}
