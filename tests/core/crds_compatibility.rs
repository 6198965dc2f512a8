//! A release never locks, loses or refuses an object that an earlier one stored. The test compares the CRDs with those
//! of the last release in `tests/core/crds_baseline`. A release copies `crds/*.yaml` there.
use std::path::Path;

use serde_json::{Map, Value, json};

fn schema(folder: &str, plural: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(format!("{plural}.yaml"));
    let crd: Value = serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
}

/// The parts of `new` that would refuse, lose or lock an object that `old` accepted.
fn breaks(path: &str, old: &Value, new: &Value, found: &mut Vec<String>) {
    if old["type"] != new["type"] {
        found.push(format!("{path}: another type"));
    }
    for (word, lower_is_tighter) in [
        ("maxLength", true),
        ("maxItems", true),
        ("maxProperties", true),
        ("maximum", true),
        ("minLength", false),
        ("minItems", false),
        ("minProperties", false),
        ("minimum", false),
    ] {
        let tighter = match (old[word].as_f64(), new[word].as_f64()) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(old), Some(new)) => {
                if lower_is_tighter {
                    new < old
                } else {
                    new > old
                }
            }
        };
        if tighter {
            found.push(format!("{path}: tighter {word}"));
        }
    }
    for word in ["enum", "pattern", "format", "x-kubernetes-list-type", "x-kubernetes-list-map-keys"] {
        if !new[word].is_null() && new[word] != old[word] {
            found.push(format!("{path}: another {word}"));
        }
    }
    for name in new["required"].as_array().unwrap_or(&Vec::new()) {
        if !old["required"].as_array().is_some_and(|names| names.contains(name)) {
            found.push(format!("{path}: {name} is newly required"));
        }
    }
    let rules = |schema: &Value| -> Vec<Value> {
        schema["x-kubernetes-validations"].as_array().into_iter().flatten().map(|rule| rule["rule"].clone()).collect()
    };
    let known = rules(old);
    for rule in rules(new).iter().filter(|rule| old["type"] == "object" && !known.contains(rule)) {
        found.push(format!("{path}: a new rule above the leaves, {rule}"));
    }
    for (name, property) in old["properties"].as_object().unwrap_or(&Map::new()) {
        match new["properties"].get(name) {
            Some(now) => breaks(&format!("{path}.{name}"), property, now, found),
            None => found.push(format!("{path}.{name} is gone")),
        }
    }
    if old["items"].is_object() {
        breaks(&format!("{path}[]"), &old["items"], &new["items"], found);
    }
}

fn compare(old: &Value, new: &Value) -> Vec<String> {
    let mut found = Vec::new();
    breaks("", old, new, &mut found);
    found
}

#[test]
fn objects_stored_by_last_release_are_still_accepted() {
    for plural in ["localpartners", "guestmemberships", "accountshares"] {
        let found = compare(&schema("tests/core/crds_baseline", plural), &schema("crds", plural));
        assert_eq!(found, Vec::<String>::new(), "{plural}");
    }
}

type Change = fn(&mut Value);

#[test]
fn a_release_that_would_lock_stored_objects_is_refused() {
    let old = schema("crds", "accountshares");
    let changes: [(&str, Change); 8] = [
        ("a new rule above the leaves", |s| {
            s["x-kubernetes-validations"].as_array_mut().unwrap().push(json!({"rule": "true"}));
        }),
        (".spec: a new rule above", |s| {
            s["properties"]["spec"]["x-kubernetes-validations"] = json!([{"rule": "true"}]);
        }),
        ("\"mfa\" is newly required", |s| {
            s["properties"]["spec"]["required"].as_array_mut().unwrap().push(json!("mfa"));
        }),
        (".spec.mfa is gone", |s| drop(s["properties"]["spec"]["properties"].as_object_mut().unwrap().remove("mfa"))),
        (".spec.account: tighter maxLength", |s| {
            s["properties"]["spec"]["properties"]["account"]["maxLength"] = json!(10);
        }),
        (".spec.account: tighter minLength", |s| {
            s["properties"]["spec"]["properties"]["account"]["minLength"] = json!(3);
        }),
        (".spec.exclude: tighter maxItems", |s| {
            s["properties"]["spec"]["properties"]["exclude"]["maxItems"] = json!(10);
        }),
        (".spec.suspended: another type", |s| {
            s["properties"]["spec"]["properties"]["suspended"]["type"] = json!("string");
        }),
    ];
    for (told, change) in changes {
        let mut new = old.clone();
        change(&mut new);
        let found = compare(&old, &new);
        assert!(found.len() == 1 && found[0].contains(told), "{told}: {found:?}");
    }
    assert_eq!(compare(&old, &old), Vec::<String>::new());
}

#[test]
fn a_release_that_only_adds_is_let_through() {
    let old = schema("crds", "accountshares");
    let mut new = old.clone();
    let spec = &mut new["properties"]["spec"]["properties"];
    spec["note"] = json!({ "type": "string", "maxLength": 10 });
    spec["account"]["maxLength"] = json!(1000);
    spec["account"]["x-kubernetes-validations"].as_array_mut().unwrap().push(json!({ "rule": "self != 'x'" }));
    assert_eq!(compare(&old, &new), Vec::<String>::new());
}
