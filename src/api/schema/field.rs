//! The schema of each sort of field: its type, its bounds and its rules.
//!
//! With bounds, the API server can estimate the cost of the CEL rules and refuses megabytes of input. The bounds lie well
//! beyond the limits of the rules, because a violated bound hides every rule beside it. For the same reason no field has
//! an `enum`, `pattern`, `format` or `minItems`: a rule reports the violation with its reason.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use super::validation;

/// The longest string that a rule checks, in characters.
const VALIDATED_LENGTH: u32 = 512;
/// The longest enumeration value, instant or duration, in characters.
const WORD: u32 = 64;
/// The longest object name, in characters.
const NAME: u32 = 63;
/// The largest integer that every JSON parser represents exactly.
const NUMBER: i64 = (1 << 53) - 1;

fn text(max: u32, rules: &[Value]) -> Schema {
    let mut schema = json_schema!({ "type": "string", "maxLength": max });
    if !rules.is_empty() {
        schema.insert("x-kubernetes-validations".into(), json!(rules));
    }
    schema
}

fn named(max: u32, rules: &[Value]) -> Schema {
    let mut schema = text(max, rules);
    schema.insert("minLength".into(), json!(1));
    schema
}

/// A list that one manager owns as a whole. With a set, two managers could add entries that neither decided on, and the
/// server's own error for duplicates has no reason.
fn whole_list(max: u32, item: Schema, rules: &[Value]) -> Schema {
    json_schema!({
        "type": "array", "maxItems": max, "items": item,
        "x-kubernetes-list-type": "atomic", "x-kubernetes-validations": rules,
    })
}

/// A list of entries that several managers may apply side by side, each their own entries.
fn keyed_list<T: JsonSchema>(generator: &mut SchemaGenerator, key: &str, max: u32) -> Schema {
    json_schema!({
        "type": "array", "maxItems": max, "items": generator.subschema_for::<T>(),
        "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key],
    })
}

fn status_list(max: u32, item: Schema) -> Schema {
    json_schema!({ "type": "array", "maxItems": max, "items": item, "x-kubernetes-list-type": "atomic" })
}

// --- spec

pub fn address(_: &mut SchemaGenerator) -> Schema {
    text(VALIDATED_LENGTH, &[validation::address()])
}

pub fn immutable_address(_: &mut SchemaGenerator) -> Schema {
    text(VALIDATED_LENGTH, &[validation::address(), validation::immutable_address()])
}

pub fn host_admins(generator: &mut SchemaGenerator) -> Schema {
    whole_list(64, address(generator), &[validation::host_admins_counted(), validation::addresses_once()])
}

pub fn person(_: &mut SchemaGenerator) -> Schema {
    text(256, &[validation::display_name()])
}

pub fn member_name(_: &mut SchemaGenerator) -> Schema {
    named(NAME, &[])
}

pub fn partner_name(_: &mut SchemaGenerator) -> Schema {
    named(NAME, &[validation::immutable("partnerRef")])
}

pub fn account(_: &mut SchemaGenerator) -> Schema {
    text(256, &[validation::account_name(), validation::immutable("account")])
}

pub fn mfa_required(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "boolean", "x-kubernetes-validations": [validation::mfa_required()] })
}

pub fn flag(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "boolean" })
}

pub fn methods(_: &mut SchemaGenerator) -> Schema {
    whole_list(
        16,
        text(WORD, &[validation::method()]),
        &[validation::methods_listed(), validation::unique_list("method")],
    )
}

pub fn longest_stay(_: &mut SchemaGenerator) -> Schema {
    text(WORD, &[validation::duration(), validation::nonzero_duration("no limit")])
}

pub fn invitation_lifetime(_: &mut SchemaGenerator) -> Schema {
    text(
        WORD,
        &[validation::duration(), validation::nonzero_duration("the default, 72h"), validation::invitation_lifetime()],
    )
}

pub fn enrolment_deadline(_: &mut SchemaGenerator) -> Schema {
    text(
        WORD,
        &[validation::duration(), validation::nonzero_duration("the default, 168h"), validation::enrolment_deadline()],
    )
}

pub fn instant(_: &mut SchemaGenerator) -> Schema {
    text(WORD, &[validation::instant()])
}

pub fn max_guests(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer", "x-kubernetes-validations": [validation::max_guests()] })
}

pub fn domains(_: &mut SchemaGenerator) -> Schema {
    whole_list(
        100,
        text(VALIDATED_LENGTH, &[validation::domain()]),
        &[validation::domains_listed(), validation::unique_list("domain")],
    )
}

pub fn adoption(_: &mut SchemaGenerator) -> Schema {
    text(WORD, &[validation::adoption()])
}

pub fn deletion(_: &mut SchemaGenerator) -> Schema {
    text(WORD, &[validation::deletion()])
}

pub fn guest_role(_: &mut SchemaGenerator) -> Schema {
    text(WORD, &[validation::guest_role()])
}

pub fn share_role(_: &mut SchemaGenerator) -> Schema {
    text(WORD, &[validation::not_owner(), validation::share_role()])
}

pub fn propagated_role(_: &mut SchemaGenerator) -> Schema {
    text(WORD, &[validation::not_owner(), validation::propagated_role(), validation::share_role()])
}

pub fn entries<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    keyed_list::<T>(generator, "name", 1000)
}

// --- status: written by the operator, bounded so that every stored value can be read

pub fn observed_word(_: &mut SchemaGenerator) -> Schema {
    text(128, &[])
}

pub fn observed_text(_: &mut SchemaGenerator) -> Schema {
    text(1024, &[])
}

/// Has the maximum length of messages in `metav1.Condition`.
pub fn observed_message(_: &mut SchemaGenerator) -> Schema {
    text(32_768, &[])
}

/// Has the maximum length of all annotations of an object, so that an echoed value always fits.
pub fn annotation_echo(_: &mut SchemaGenerator) -> Schema {
    text(262_144, &[])
}

pub fn count(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer", "minimum": 0, "maximum": NUMBER })
}

/// A generation, or [`NOT_OBSERVED`](crate::api::NOT_OBSERVED).
pub fn observed_generation(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer", "minimum": crate::api::NOT_OBSERVED, "maximum": NUMBER })
}

pub fn observed_words(generator: &mut SchemaGenerator) -> Schema {
    status_list(16, observed_word(generator))
}

pub fn conditions(generator: &mut SchemaGenerator) -> Schema {
    keyed_list::<crate::api::Condition>(generator, "type", 16)
}

pub fn first_50<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let item = generator.subschema_for::<T>();
    status_list(50, item)
}

pub fn first_100<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let item = generator.subschema_for::<T>();
    status_list(100, item)
}
