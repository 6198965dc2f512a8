//! The reference pages in `docs/`, generated from the tables and types that the code itself uses. Text for people is in
//! the Markdown files of this folder.

mod commands;
mod policy_fields;

use std::fmt::Write;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{JSONSchemaProps, JSONSchemaPropsOrArray};

use crate::api::{self, ConditionType};
use crate::domain::Reason;
use crate::executor::metrics::METRICS;
use crate::validation;

/// A page of the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum ReferencePage {
    /// Rules, reasons and states
    Rules,
    /// The conditions of a status
    Conditions,
    /// The fields of the three kinds
    Fields,
    /// The operator's metrics
    Metrics,
    /// The commands and their options
    Cli,
    /// The fields of the workspace policy
    Policy,
    /// The annotations of the three kinds
    Annotations,
}

impl ReferencePage {
    /// The page as Markdown.
    pub(super) fn text(self) -> String {
        match self {
            Self::Rules => validation::markdown(),
            Self::Conditions => conditions(),
            Self::Fields => fields(),
            Self::Metrics => metrics(),
            Self::Cli => commands::page(),
            Self::Policy => policy_fields::page(),
            Self::Annotations => annotations(),
        }
    }
}

const GENERATED: &str = "by `make generate`; do not edit. -->";

fn conditions() -> String {
    let mut text = format!(
        "<!-- Generated from src/api/condition_type.rs {GENERATED}\n\n# Conditions\n\nEach status has conditions as kstatus and \
         `kubectl wait` read them. A condition's reason is one of the\n[reasons](rules.md), or its own type where nothing is \
         wrong.\n\n| type | of | meaning |\n|---|---|---|\n"
    );
    for type_ in ConditionType::ALL {
        let _ = writeln!(text, "| `{}` | {} | {} |", type_.as_str(), type_.kinds(), type_.meaning());
    }
    text.push_str(
        "\n```console\nkubectl --namespace partners wait gm/bob --for=condition=Ready --timeout=60s\nkubectl --namespace \
         partners get gm -o \\\n  \
         custom-columns='NAME:.metadata.name,MFA:.status.conditions[?(@.type==\"MFASatisfied\")].status'\n```\n",
    );
    text
}

fn metrics() -> String {
    let mut text = format!(
        "<!-- Generated from src/executor/metrics/table.rs {GENERATED}\n\n# Metrics\n\n`/metrics` at `--metrics-address`, in the \
         OpenMetrics format. Labels have a fixed set of values, never the name of an\nobject. Reasons and states are those of \
         [Rules and reasons](rules.md). A histogram has the suffixes `_bucket`, `_sum` and\n`_count`. The chart has \
         [alerts](operations/alerts.md) and a dashboard.\n\nA standby has no metric of objects, guests, grants or the queue, so a \
         sum over all replicas is right.\n\n| metric | type | labels | meaning |\n|---|---|---|---|\n"
    );
    for metric in METRICS {
        let (name, labels) = (metric.full_name(), metric.labels.join(", "));
        let _ = writeln!(text, "| `{name}` | {} | {labels} | {} |", metric.kind.as_str(), metric.help);
    }
    text
}

fn annotations() -> String {
    let mut rows = "| annotation | on | effect |\n|---|---|---|\n".to_owned();
    for api::Annotation { name, value, kinds, effect } in api::ANNOTATIONS {
        let _ = writeln!(rows, "| `{name}: {value}` | {kinds} | {effect} |");
    }
    let page = include_str!("annotations.md").replace("{{annotations}}\n", &format!("{rows}\n"));
    format!("<!-- Generated from src/api/mod.rs and src/cli/reference/annotations.md {GENERATED}\n\n{page}")
}

fn fields() -> String {
    let mut text = format!(
        "<!-- Generated from src/api {GENERATED}\n\n# Fields\n\nThe three kinds of `{}/{}`, as `kubectl explain` shows them. \
         **R**: required. The last column names the [rules](rules.md)\nthat the API server itself checks there.\n",
        api::GROUP,
        api::VERSION
    );
    for crd in api::crds() {
        let names = &crd.spec.names;
        let short = names.short_names.clone().unwrap_or_default().join(", ");
        let _ = write!(text, "\n## {} (`{}`, `{short}`)\n", names.kind, names.plural);
        let schema = crd.spec.versions.first().and_then(|version| version.schema.as_ref());
        let Some(root) = schema.and_then(|schema| schema.open_api_v3_schema.as_ref()) else { continue };
        let _ = writeln!(text, "\n{}", root.description.as_deref().unwrap_or_default());
        for part in ["spec", "status"] {
            let Some(schema) = root.properties.as_ref().and_then(|properties| properties.get(part)) else { continue };
            text.push_str("\n| field | type | | meaning | rules |\n|---|---|---|---|---|\n");
            rows(&mut text, part, schema);
        }
    }
    text
}

/// A row for each field below a schema.
fn rows(text: &mut String, path: &str, schema: &JSONSchemaProps) {
    let required = schema.required.as_deref().unwrap_or_default();
    for (name, field) in schema.properties.iter().flatten() {
        let path = format!("{path}.{name}");
        let item = match &field.items {
            Some(JSONSchemaPropsOrArray::Schema(item)) => Some(&**item),
            Some(JSONSchemaPropsOrArray::Schemas(_)) | None => None,
        };
        let sort = match item {
            Some(item) => format!("list of {}", item.type_.as_deref().unwrap_or("any")),
            None => field.type_.clone().unwrap_or_default(),
        };
        let must = if required.contains(name) { "R" } else { "" };
        let meaning = field.description.as_deref().unwrap_or_default().replace('|', "\\|");
        let _ = writeln!(text, "| `{path}` | {sort} | {must} | {meaning} | {} |", checked(field, item));
        match item {
            Some(item) => rows(text, &format!("{path}[]"), item),
            None => rows(text, &path, field),
        }
    }
}

/// The rules that the API server checks at a field, by its CEL.
fn checked(field: &JSONSchemaProps, item: Option<&JSONSchemaProps>) -> String {
    let validations =
        [Some(field), item].into_iter().flatten().flat_map(|schema| schema.x_kubernetes_validations.iter());
    let mut words: Vec<String> = validations
        .flatten()
        .filter_map(|rule| rule.message.as_deref().or(rule.message_expression.as_deref()))
        .filter_map(|message| Reason::parse(message.trim_start_matches(['\'', '"']).split(':').next()?))
        .map(|reason| format!("`{reason}`"))
        .collect();
    words.sort();
    words.dedup();
    words.join(", ")
}
