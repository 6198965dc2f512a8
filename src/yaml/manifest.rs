//! The objects of a document in the way of kubectl: one object, or the items of a list.

use super::Problem;
use super::metadata;
use super::node::{Node, Value};
use crate::domain::quote;

/// The objects of a document. The error is the cause for which kubectl refuses it.
///
/// # Errors
///
/// A document is no object.
pub fn objects(document: Node) -> Result<Vec<Node>, Problem> {
    let mut found = Vec::new();
    collect(document, false, &mut found)?;
    Ok(found)
}

fn collect(node: Node, is_item: bool, found: &mut Vec<Node>) -> Result<(), Problem> {
    let at = node.mark();
    if !matches!(node.value, Value::Map(_)) {
        let is_list = matches!(node.value, Value::List(_));
        let hint = if is_list { "; write each object after a line of ---, or as items of kind: List" } else { "" };
        let message = format!("kubectl refuses this document: an object is a map, not {}{hint}", node.describe());
        return Err(Problem::syntax(message, at));
    }
    for field in ["apiVersion", "kind"] {
        let text = node.get(field).and_then(Node::text);
        if text.is_none_or(str::is_empty) {
            let mark = node.entry(field).map_or(at, |entry| entry.key_span.clone());
            return Err(Problem::syntax(format!("{field} is missing; it is required in each object"), mark));
        }
    }
    let version = node.get("apiVersion").and_then(Node::text).unwrap_or_default();
    if version.matches('/').count() > 1 || version.split('/').any(str::is_empty) {
        let mark = node.entry("apiVersion").map_or(at, |entry| entry.value.span.clone());
        return Err(Problem::syntax(format!("apiVersion is GROUP/VERSION, not {}", quote(version)), mark));
    }
    let is_list = node.get("kind").and_then(Node::text).is_some_and(|kind| kind == "List");
    match node.entry("items").map(|entry| (entry.key_span.clone(), &entry.value.value)) {
        None if is_list => Err(Problem::syntax("items is missing; a list has a list of objects there", at)),
        None => {
            found.push(node);
            Ok(())
        }
        Some((_, Value::List(_))) => {
            list_items(node, is_item)?.into_iter().try_for_each(|item| collect(item, true, found))
        }
        Some((span, _)) => Err(Problem::syntax("items is a list of objects", span)),
    }
}

/// The items of a list. The fields around them are dropped, but must be valid.
///
/// # Errors
///
/// The list is inside another list, or its metadata has a wrong type.
pub fn list_items(list: Node, is_item: bool) -> Result<Vec<Node>, Problem> {
    if is_item {
        let message = "kubectl refuses a list inside a list; move its items into the outer list";
        return Err(Problem::syntax(message, list.mark()));
    }
    match metadata::problem(&list) {
        Some(problem) => Err(problem),
        None => Ok(items(list)),
    }
}

fn items(node: Node) -> Vec<Node> {
    let Value::Map(entries) = node.value else { return Vec::new() };
    match entries.into_iter().find(|entry| entry.key == "items").map(|entry| entry.value.value) {
        Some(Value::List(items)) => items,
        _ => Vec::new(),
    }
}
