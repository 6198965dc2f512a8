//! Completes a map: takes in what its merge key names, and finds keys that stand twice.

use std::collections::HashMap;

use super::tree::{Entry, Node, Value};
use super::yaml::Problem;
use crate::rules::quote;

/// The merge key of YAML 1.1, which kubectl knows.
const MERGE: &str = "<<";

/// The entries of a map as they count. Keys that stand twice are problems; the first one counts.
pub fn complete(entries: Vec<Entry>, copies: &mut usize, problems: &mut Vec<Problem>) -> Result<Vec<Entry>, Problem> {
    let mut places = HashMap::with_capacity(entries.len());
    let mut kept: Vec<Entry> = Vec::with_capacity(entries.len());
    let mut merged = Vec::new();
    for entry in entries {
        if entry.key == MERGE {
            merged.push(entry);
            continue;
        }
        if let Some(first) = places.get(&entry.key) {
            problems.push(Problem {
                message: format!("the key {} stands here a second time", quote(&entry.key)),
                span: entry.key_span,
                other: Some(std::ops::Range::clone(first)),
                fatal: false,
            });
            continue;
        }
        places.insert(entry.key.clone(), entry.key_span.clone());
        kept.push(entry);
    }
    for entry in merged {
        for source in maps(entry.value)? {
            for inherited in source {
                // What the map says itself counts before what it inherits.
                if !places.contains_key(&inherited.key) {
                    *copies += 1;
                    places.insert(inherited.key.clone(), inherited.key_span.clone());
                    kept.push(inherited);
                }
            }
        }
    }
    Ok(kept)
}

/// What a merge key names: a map, or a list of maps.
fn maps(node: Node) -> Result<Vec<Vec<Entry>>, Problem> {
    let refuse = |span| Err(Problem::fatal("a merge key (<<) takes a map or a list of maps", span));
    match node.value {
        Value::Map(entries) => Ok(vec![entries]),
        Value::List(items) => {
            let mut all = Vec::new();
            for item in items {
                match item.value {
                    Value::Map(entries) => all.push(entries),
                    Value::Null
                    | Value::Bool(_)
                    | Value::Int(_)
                    | Value::Float(_)
                    | Value::Text(_)
                    | Value::List(_) => return refuse(item.span),
                }
            }
            Ok(all)
        }
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) => refuse(node.span),
    }
}
