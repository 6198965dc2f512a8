//! An object as the API server sends it, without the parts that guestlist never reads.

use std::borrow::Cow;
use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::core::DeserializeGuard;
use kube::core::error_boundary::InvalidObject;
use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::object_store::Watched;
use crate::cache::Object;

/// An object of the server, also one that does not match our types. The library's guard reads an object as a tree, and
/// then copies the tree, with the managed fields: see `docs/adr/0008-partial-object-cache.md`.
#[derive(Clone, Debug)]
pub struct ReceivedObject<K>(DeserializeGuard<K>);

impl<K: Watched> ReceivedObject<K> {
    /// Converts the object to the common type.
    pub fn declared(self) -> Object {
        match self.0.0 {
            Ok(object) => object.declared(),
            Err(InvalidObject { error, metadata }) => {
                Object::Unreadable { kind: K::KIND, metadata: Box::new(metadata), error }
            }
        }
    }
}

/// The fields of an object. The type of `spec` and `status` is not known yet.
#[derive(Deserialize)]
struct Fields {
    #[serde(deserialize_with = "without_managed_fields")]
    metadata: Map<String, Value>,
    #[serde(default)]
    spec: Option<Value>,
    #[serde(default)]
    status: Option<Value>,
}

impl<'de, K: Watched> Deserialize<'de> for ReceivedObject<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Fields { metadata, spec, status } = Fields::deserialize(deserializer)?;
        let fields = [("metadata", Some(Value::Object(metadata))), ("spec", spec), ("status", status)];
        let fields = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        let object = Value::Object(fields.collect());
        let read = match K::deserialize(&object) {
            Ok(read) => Ok(read),
            Err(error) => {
                let metadata = ObjectMeta::deserialize(&object["metadata"]).map_err(D::Error::custom)?;
                Err(InvalidObject { error: error.to_string(), metadata })
            }
        };
        Ok(Self(DeserializeGuard(read)))
    }
}

fn without_managed_fields<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Map<String, Value>, D::Error> {
    struct Metadata;

    impl<'de> Visitor<'de> for Metadata {
        type Value = Map<String, Value>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("the metadata of an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
            let mut kept = Map::new();
            while let Some(name) = fields.next_key::<String>()? {
                if name == "managedFields" {
                    fields.next_value::<IgnoredAny>()?;
                } else {
                    kept.insert(name, fields.next_value()?);
                }
            }
            Ok(kept)
        }
    }

    deserializer.deserialize_map(Metadata)
}

impl<K: Watched> Resource for ReceivedObject<K> {
    type DynamicType = ();
    type Scope = K::Scope;

    fn kind((): &()) -> Cow<'_, str> {
        K::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        K::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        K::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        K::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        self.0.meta()
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        self.0.meta_mut()
    }
}
