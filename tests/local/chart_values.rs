//! The chart's values, their schema and their README agree. Needs no helm: `tests/cluster/chart` renders the chart.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use guestlist::workspace_policy::WorkspacePolicy;
use serde_json::Value;

use crate::readme::guestlist;

/// `make generate` sets it: the test of the README then writes the table.
const WRITE: &str = "GUESTLIST_WRITE_CHART_README";
const BEGIN: &str = "<!-- values: generated from values.yaml by `make generate`; do not edit -->\n";
const END: &str = "<!-- end of values -->\n";

fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/guestlist").join(file)
}

fn read(file: &str) -> String {
    fs::read_to_string(path(file)).unwrap()
}

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

/// A value as its comment in values.yaml describes it.
struct Documented {
    /// The title of the last `##` comment.
    section: String,
    /// Such as `image.tag`.
    path: String,
    description: String,
}

/// The values that have a comment. A description begins with `# --` and ends before the key.
fn documented(values: &str) -> Vec<Documented> {
    let (mut section, mut description) = (String::new(), None::<String>);
    let mut keys: Vec<(usize, &str)> = Vec::new();
    let mut found = Vec::new();
    for line in values.lines() {
        let text = line.trim_start();
        if let Some(title) = text.strip_prefix("## ") {
            title.clone_into(&mut section);
        } else if let Some(begin) = text.strip_prefix("# -- ") {
            description = Some(begin.to_owned());
        } else if let Some(more) = text.strip_prefix("# ") {
            if let Some(description) = &mut description {
                *description += &format!(" {more}");
            }
        } else if let Some((key, _)) = text.split_once(':') {
            let indent = line.len() - text.len();
            keys.retain(|(outer, _)| *outer < indent);
            keys.push((indent, key));
            if let Some(description) = description.take() {
                let path = keys.iter().map(|(_, key)| *key).collect::<Vec<_>>().join(".");
                found.push(Documented { section: section.clone(), path, description });
            }
        }
    }
    found
}

/// Describes each schema at a path: values with an entry of their own, and fields of list entries (`tenants[].adoption`).
fn entries(path: &str, schema: &Value, found: &mut BTreeMap<String, Value>) {
    if let Some(properties) = schema["properties"].as_object() {
        for (name, property) in properties {
            entries(&format!("{path}.{name}"), property, found);
        }
    }
    if schema["items"]["properties"].is_object() {
        entries(&format!("{path}[]"), &schema["items"], found);
    }
    found.insert(path.trim_start_matches('.').to_owned(), schema.clone());
}

/// The paths of the values that the schema describes as a whole.
fn leaves(path: &str, schema: &Value, value: &Value, found: &mut BTreeSet<String>) {
    let Some(properties) = schema["properties"].as_object() else {
        found.insert(path.trim_start_matches('.').to_owned());
        return;
    };
    // Helm sets `global` itself.
    let expected: BTreeSet<_> = properties.keys().filter(|name| format!("{path}.{name}") != ".global").collect();
    let values: BTreeSet<_> = value.as_object().unwrap_or_else(|| panic!("{path} is no map")).keys().collect();
    assert_eq!(values, expected, "values.yaml and values.schema.json differ at {path:?}");
    assert_eq!(schema["additionalProperties"], false, "{path} takes unknown values");
    for name in expected {
        leaves(&format!("{path}.{name}"), &properties[name], &value[name], found);
    }
}

#[test]
fn each_value_has_a_schema_entry_and_each_entry_a_value() {
    let (values, schema) = (yaml(&read("values.yaml")), yaml(&read("values.schema.json")));
    let mut found = BTreeSet::new();
    leaves("", &schema, &values, &mut found);
    let commented: BTreeSet<_> = documented(&read("values.yaml")).into_iter().map(|value| value.path).collect();
    assert_eq!(commented, found, "values with a comment, and values of the schema");
}

#[test]
fn schema_describes_each_value_as_its_comment_does() {
    let mut all = BTreeMap::new();
    entries("", &yaml(&read("values.schema.json")), &mut all);
    all.remove("");
    for (path, schema) in &all {
        assert!(schema["description"].as_str().is_some_and(|text| text.len() > 3), "{path} has no description");
        assert!(schema["type"] != Value::Null || schema["enum"].is_array(), "{path} takes anything");
    }
    for value in documented(&read("values.yaml")) {
        assert_eq!(all[&value.path]["description"], value.description, "{}", value.path);
    }
}

fn table(values: &str) -> String {
    let defaults = yaml(values);
    let (mut text, mut section) = (String::new(), String::new());
    for value in documented(values) {
        if value.section != section {
            section.clone_from(&value.section);
            text += &format!("\n### {section}\n\n| value | default | meaning |\n|---|---|---|\n");
        }
        let default = defaults.pointer(&format!("/{}", value.path.replace('.', "/"))).unwrap();
        text += &format!("| `{}` | `{default}` | {} |\n", value.path, value.description);
    }
    text + "\n"
}

#[test]
fn readme_lists_the_values() {
    let readme = read("README.md");
    let (before, rest) = readme.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let expected = format!("{before}{BEGIN}{}{END}{after}", table(&read("values.yaml")));
    if std::env::var_os(WRITE).is_some() {
        fs::write(path("README.md"), &expected).unwrap();
    }
    assert!(read("README.md") == expected, "charts/guestlist/README.md is out of date: run make generate");
}

#[test]
fn workspace_values_are_the_defaults_of_the_operator() {
    let values = yaml(&read("values.yaml"));
    let policy = WorkspacePolicy::parse(&values["workspace"].to_string()).unwrap();
    assert_eq!(policy, WorkspacePolicy::default());
}

#[test]
fn artifact_hub_annotations_name_the_crds() {
    let chart = yaml(&read("Chart.yaml"));
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
    assert_eq!(chart["version"], chart["appVersion"]);
    let annotation = |name: &str| chart["annotations"][format!("artifacthub.io/{name}")].as_str().unwrap();
    let named: BTreeSet<_> = yaml(annotation("crds"))
        .as_array()
        .unwrap()
        .iter()
        .map(|crd| ["kind", "name", "version"].map(|field| crd[field].as_str().unwrap().to_owned()))
        .collect();
    let ours: BTreeSet<_> = guestlist::api::crds()
        .into_iter()
        .map(|crd| [crd.spec.names.kind, crd.metadata.name.unwrap(), crd.spec.versions[0].name.clone()])
        .collect();
    assert_eq!(named, ours);

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("examples.yaml");
    let examples = yaml(annotation("crdsExamples"));
    let examples: Vec<_> = examples.as_array().unwrap().iter().map(Value::to_string).collect();
    fs::write(&file, examples.join("\n---\n")).unwrap();
    let (clean, said) = guestlist(&["check", "--workspace", "examples/acme/workspace.yaml", file.to_str().unwrap()]);
    assert!(clean && said.contains("0 warnings"), "{said}");
}
