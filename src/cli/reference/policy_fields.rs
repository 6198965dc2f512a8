//! The reference of the workspace policy, from the types that read the file.

use std::fmt::Write;

use serde_json::Value;

use super::GENERATED;
use crate::domain::time::show_duration;
use crate::workspace_policy::{WorkspacePolicy, file_schema};

pub(super) fn page() -> String {
    let mut table = "| field | type | default | meaning |\n|---|---|---|---|\n".to_owned();
    rows(&mut table, "", &file_schema());
    let page = include_str!("policy.md").replace("{{fields}}\n", &format!("{table}\n"));
    format!("<!-- Generated from src/workspace_policy and src/cli/reference/policy.md {GENERATED}\n\n{page}")
}

/// A row for each field below a schema. A map is shown by its fields alone.
fn rows(text: &mut String, prefix: &str, schema: &Value) {
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{prefix}{name}");
        if field.get("properties").is_some() {
            rows(text, &format!("{path}."), field);
            continue;
        }
        let meaning = field["description"].as_str().unwrap_or_default().replace('\n', " ").replace('|', "\\|");
        let _ = writeln!(text, "| `{path}` | {} | {} | {meaning} |", type_name(field), default(&path));
        rows(text, &format!("{path}[]."), &field["items"]);
    }
}

/// The type of a field. A field that may be absent also has the type `null`, which is left out.
fn type_name(field: &Value) -> String {
    let name = |value: &Value| value.as_str().map(str::to_owned);
    let types = &field["type"];
    let single = types.as_array().and_then(|types| types.iter().filter_map(name).find(|name| name != "null"));
    let single = single.or_else(|| name(types)).unwrap_or_default();
    if single == "array" { format!("list of {}", type_name(&field["items"])) } else { single }
}

/// The value of a field that is left out, from the default policy.
fn default(path: &str) -> String {
    let policy = WorkspacePolicy::default();
    let value = match path {
        "tenants" | "tenants[].namespace" => return "required".to_owned(),
        "domains" | "tenants[].hostAdmins" => return "none".to_owned(),
        "installation" => policy.installation().to_owned(),
        "tenants[].adoption" => "false".to_owned(),
        "mfaUnknownMax" => show_duration(policy.mfa_unknown_max),
        "mailInterval" => show_duration(policy.mail_interval),
        "invitationsPerHour" => policy.invitations_per_hour.to_string(),
        "purge.after" => show_duration(policy.purge.after),
        "purge.perHour" => format!("{}%", policy.purge.per_hour_percent),
        _ => String::new(),
    };
    format!("`{value}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_field_has_type_default_and_meaning() {
        let page = page();
        let rows: Vec<_> = page.lines().filter(|line| line.starts_with("| `")).collect();
        assert_eq!(rows.len(), 11, "{rows:?}");
        for row in rows {
            assert!(!row.contains("|  |") && !row.contains("``"), "{row}");
        }
        assert!(page.contains("| `mfaUnknownMax` | string | `24h` |"), "{page}");
        assert!(page.contains("| `tenants[].adoption` | boolean | `false` |"), "{page}");
    }
}
