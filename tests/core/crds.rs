//! The committed CRDs match the types and the conventions.
use std::collections::BTreeSet;
use std::path::Path;

use guestlist::api::schema::pattern;
use guestlist::api::{AccountShare, GuestMembership, LocalPartner};
use guestlist::cache::Object;
use guestlist::domain::{DOMAIN_PATTERN, EMAIL_PATTERN, Reason, text, time};
use guestlist::executor::object_store::Watched;
use guestlist::executor::received_object::ReceivedObject;
use kube::Resource;
use kube::core::{DeserializeGuard, ObjectMeta};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Every schema of every kind with its path, `spec.guestUsers[].name`; the root's is empty.
fn schemas() -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for crd in guestlist::api::crds() {
        let kind = crd.spec.names.kind.clone();
        walk(&kind, "", &root(&serde_json::to_value(&crd).unwrap()), &mut all);
    }
    all
}

fn root(crd: &Value) -> Value {
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
}

fn walk(kind: &str, path: &str, schema: &Value, all: &mut Vec<(String, Value)>) {
    all.push((format!("{kind}{path}"), schema.clone()));
    for (name, property) in schema["properties"].as_object().unwrap_or(&Map::new()) {
        walk(kind, &format!("{path}.{name}"), property, all);
    }
    if schema["items"].is_object() {
        walk(kind, &format!("{path}[]"), &schema["items"], all);
    }
}

#[test]
fn committed_crds_match_the_types() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
    let files = guestlist::api::crd_files().unwrap();
    if std::env::var_os("GUESTLIST_WRITE_CRDS").is_some() {
        std::fs::create_dir_all(&folder).unwrap();
        for (name, content) in &files {
            std::fs::write(folder.join(name), content).unwrap();
        }
    }
    for (name, content) in &files {
        let committed = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert!(
            committed == *content,
            "crds/{name} is out of date: GUESTLIST_WRITE_CRDS=1 cargo test --test core crds::"
        );
        assert!(content.len() < 100 * 1024, "{name} has {} bytes", content.len());
    }
}

#[test]
fn schema_patterns_equal_the_domain_patterns() {
    assert_eq!(pattern::ADDRESS, EMAIL_PATTERN);
    assert_eq!(pattern::DOMAIN, DOMAIN_PATTERN);
    assert_eq!(pattern::DURATION, time::DURATION_PATTERN);
    assert_eq!(pattern::INSTANT, time::INSTANT_PATTERN);
    assert_eq!((pattern::HIDDEN.to_owned(), pattern::VISIBLE.to_owned()), text::classes());
}

#[test]
fn everything_is_bounded_and_described_and_nothing_hides_a_rule() {
    for (path, schema) in schemas() {
        match schema["type"].as_str().unwrap() {
            "string" => assert!(schema["maxLength"].is_u64(), "{path} has no maxLength"),
            "array" => assert!(schema["maxItems"].is_u64(), "{path} has no maxItems"),
            "object" => assert!(schema["additionalProperties"].is_null(), "{path} is a map: bound it"),
            _ => {}
        }
        assert!(schema["description"].is_string() || path.ends_with("[]"), "{path} is not described");
        for word in ["enum", "pattern", "format", "nullable", "default", "minItems", "uniqueItems", "title"] {
            let is_status = path.split_once('.').is_some_and(|(_, field)| field == "status");
            let allowed = is_status.then(|| json!({"observedGeneration": -1}));
            assert!(schema.get(word) == allowed.as_ref().filter(|_| word == "default"), "{path} has {word}");
        }
    }
}

#[test]
fn every_crd_rule_is_ratcheting_and_begins_with_a_reason() {
    let mut above_leaves = BTreeSet::new();
    for (path, schema) in schemas() {
        for rule in schema["x-kubernetes-validations"].as_array().unwrap_or(&Vec::new()) {
            let message = rule["message"].as_str().unwrap();
            let word = message.split(':').next().unwrap();
            assert!(Reason::parse(word).is_some(), "{path}: {message}");
            assert!(message.chars().count() <= 200, "{path}: {message}");
            if schema["type"] == "object" {
                above_leaves.insert(format!("{path}: {}", rule["rule"].as_str().unwrap()));
            }
        }
    }
    let expected = [
        "AccountShare: self.metadata.name.size() <= 63",
        "GuestMembership: self.metadata.name.size() <= 63",
        "LocalPartner.spec.guests: !(has(self.allowedDomains) && has(self.deniedDomains))",
        "LocalPartner.spec: has(self.hostAdmins)",
        "LocalPartner: self.metadata.name.size() <= 63",
    ];
    assert_eq!(above_leaves, expected.map(str::to_owned).into());
}

#[test]
fn mandatory_fields_are_required_and_list_entries_are_keyed() {
    let required: BTreeSet<String> = schemas()
        .iter()
        .filter(|(path, _)| !path.contains(".status"))
        .flat_map(|(path, schema)| {
            let names = schema["required"].as_array().cloned().unwrap_or_default();
            names.into_iter().map(move |name| format!("{path}.{}", name.as_str().unwrap()))
        })
        .collect();
    let expected = [
        "AccountShare.spec",
        "AccountShare.spec.account",
        "AccountShare.spec.exclude[].name",
        "AccountShare.spec.guestUsers[].name",
        "AccountShare.spec.guestUsers[].propagatedBy",
        "AccountShare.spec.partnerRef",
        "AccountShare.spec.partnerRef.name",
        "AccountShare.spec.roleOverrides[].name",
        "AccountShare.spec.roleOverrides[].role",
        "AccountShare.spec.sharedBy",
        "GuestMembership.spec",
        "GuestMembership.spec.email",
        "GuestMembership.spec.invitedBy",
        "GuestMembership.spec.partnerRef",
        "GuestMembership.spec.partnerRef.name",
        "LocalPartner.spec",
    ];
    assert_eq!(required, expected.map(str::to_owned).into());
    for (path, schema) in schemas() {
        let name = path.rsplit('.').next().unwrap();
        let key = match name {
            "guestUsers" | "roleOverrides" | "exclude" => "name",
            "conditions" => "type",
            _ => continue,
        };
        assert_eq!(schema["x-kubernetes-list-type"], "map", "{path}");
        assert_eq!(schema["x-kubernetes-list-map-keys"], json!([key]), "{path}");
    }
}

/// Any value that the structural schema accepts, regardless of CEL.
fn any_value(schema: &Value) -> BoxedStrategy<Value> {
    let size = |word: &str, most: usize| usize::try_from(schema[word].as_u64().unwrap()).unwrap().min(most);
    match schema["type"].as_str().unwrap() {
        "string" => {
            let longest = size("maxLength", 80);
            let shortest = usize::from(schema["minLength"].is_u64());
            proptest::collection::vec(any::<char>(), shortest..=longest)
                .prop_map(|text| json!(text.into_iter().collect::<String>()))
                .boxed()
        }
        "boolean" => any::<bool>().prop_map(|value| json!(value)).boxed(),
        "integer" => {
            let least = schema["minimum"].to_string().trim_end_matches(".0").parse().unwrap_or(i64::MIN);
            let most = schema["maximum"].to_string().trim_end_matches(".0").parse().unwrap_or(i64::MAX);
            prop_oneof![Just(least), Just(most), least..=most].prop_map(|value| json!(value)).boxed()
        }
        "array" => proptest::collection::vec(any_value(&schema["items"]), 0..=size("maxItems", 3))
            .prop_map(Value::Array)
            .boxed(),
        _ => {
            let required = schema["required"].as_array().cloned().unwrap_or_default();
            let mut fields = Just(Map::new()).boxed();
            for (name, property) in schema["properties"].as_object().unwrap_or(&Map::new()) {
                let (name, must) = (name.clone(), required.contains(&json!(name)));
                fields = (fields, any_value(property), any::<bool>())
                    .prop_map(move |(mut fields, value, given)| {
                        if must || given {
                            fields.insert(name.clone(), value);
                        }
                        fields
                    })
                    .boxed();
            }
            fields.prop_map(Value::Object).boxed()
        }
    }
}

/// Any object that the structural schema accepts, with all metadata that the server sets.
fn any_object<K: Resource<DynamicType = ()>>(place: usize) -> BoxedStrategy<Value> {
    let crd = serde_json::to_value(&guestlist::api::crds()[place]).unwrap();
    let texts = || proptest::collection::btree_map("[a-z]{1,9}/[a-z]{1,9}", ".*", 0..3);
    let metadata = (texts(), texts(), proptest::option::of(Just("2027-01-01T00:00:00Z")), any::<bool>());
    (any_value(&root(&crd)), metadata)
        .prop_map(|(mut object, (labels, annotations, deleted, kept))| {
            let mut metadata = json!({
                "name": "any", "namespace": "default", "uid": "3e9a", "resourceVersion": "18446744073709551615",
                "generation": i64::MAX, "creationTimestamp": "2026-12-31T23:59:59Z", "labels": labels,
                "annotations": annotations, "deletionTimestamp": deleted, "finalizers": ["a.example/b"],
                "ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "c", "uid": "u", "controller": true}],
            });
            if kept {
                let time = "2026-12-31T23:59:59Z";
                metadata["managedFields"] = json!([{
                    "manager": "kubectl", "operation": "Apply", "apiVersion": "guestlist.dev/v1alpha1", "time": time,
                    "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {}}, "subresource": "status",
                }]);
            }
            object["metadata"] = metadata;
            object["apiVersion"] = json!(K::api_version(&()));
            object["kind"] = json!(K::kind(&()));
            object
        })
        .boxed()
}

/// Reads as the operator's watches do: an object that does not fit is reduced to its metadata. None of these objects
/// is.
fn reads<K: Watched>(object: Value) -> Result<(), String> {
    let received: ReceivedObject<K> = serde_json::from_str(&object.to_string()).map_err(|error| error.to_string())?;
    match received.declared() {
        Object::Unreadable { error, .. } => Err(format!("{error}: {object}")),
        Object::Partner(_) | Object::Membership(_) | Object::Share(_) => Ok(()),
    }
}

/// Asserts that an object reads as by the library's guard, apart from its managed fields and the words of an error.
fn reads_as_the_guard<K: Watched>(object: &Value) {
    let text = object.to_string();
    let received: ReceivedObject<K> = serde_json::from_str(&text).unwrap();
    let mut declared = received.declared();
    if let Object::Unreadable { error, .. } = &mut declared {
        error.clear();
    }
    let expected = match serde_json::from_str::<DeserializeGuard<K>>(&text).unwrap().0 {
        Ok(mut object) => {
            object.meta_mut().managed_fields = None;
            object.declared()
        }
        Err(invalid) => {
            let metadata = Box::new(ObjectMeta { managed_fields: None, ..invalid.metadata });
            Object::Unreadable { kind: K::KIND, metadata, error: String::new() }
        }
    };
    assert_eq!(format!("{declared:?}"), format!("{expected:?}"), "{object}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_the_schema_lets_in_can_be_read(
        partner in any_object::<LocalPartner>(0), membership in any_object::<GuestMembership>(1),
        share in any_object::<AccountShare>(2),
    ) {
        prop_assert_eq!(reads::<LocalPartner>(partner), Ok(()));
        prop_assert_eq!(reads::<GuestMembership>(membership), Ok(()));
        prop_assert_eq!(reads::<AccountShare>(share), Ok(()));
    }

    #[test]
    fn object_outside_the_schema_keeps_its_metadata(object in any_object::<GuestMembership>(1)) {
        for (field, value) in [("suspended", json!("yes")), ("partnerRef", json!([])), ("email", json!(7))] {
            let mut object = object.clone();
            object["spec"][field] = value;
            reads_as_the_guard::<GuestMembership>(&object);
            let received: ReceivedObject<GuestMembership> = serde_json::from_value(object).unwrap();
            let declared = received.declared();
            let unreadable = matches!(declared, Object::Unreadable { .. });
            prop_assert!(unreadable);
            prop_assert_eq!(declared.metadata().name.as_deref(), Some("any"));
        }
    }

    #[test]
    fn object_reads_as_by_the_guard_of_the_library(
        partner in any_object::<LocalPartner>(0), membership in any_object::<GuestMembership>(1),
        share in any_object::<AccountShare>(2),
    ) {
        reads_as_the_guard::<LocalPartner>(&partner);
        reads_as_the_guard::<GuestMembership>(&membership);
        reads_as_the_guard::<AccountShare>(&share);
    }
}
