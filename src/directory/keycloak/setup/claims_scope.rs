//! The claims group: a role that the client scope requires, and a group that has the role.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::super::Error;
use super::super::claims_gate::{NAME, PATH, REQUIRED, ROLE};
use super::super::client::Call;
use super::super::grants::ACCOUNTS;
use super::super::groups::{Branch, ROOT};
use super::super::pages::{PAGE, PageStep, Pages};
use super::admin::{Admin, endpoint, text};
use crate::directory::keycloak::users::guest::ID;

/// Creates the role, then the group with its members, and only then adds the role to the scope. No guest loses access
/// in between.
pub async fn claims_group(admin: &mut Admin<'_>, scope: &str) -> Result<(), Error> {
    let before = admin.writes();
    let role = role(admin).await?;
    let root = group(admin, None, ROOT).await?;
    let group = group(admin, Some(text(&root, "id")), NAME).await?;
    let id = text(&group, "id");
    let path = ["groups", id, "role-mappings", "realm"];
    if !below(admin, "GET groups/{id}/role-mappings/realm", &path, id).await?.iter().any(|held| held["name"] == ROLE) {
        admin.write(Call::post(endpoint("POST groups/{id}/role-mappings/realm"), &path).json(json!([role]))).await?;
    }
    let is_required = group["attributes"][REQUIRED].is_array();
    let mut known = members(admin, id).await?;
    let root_id = text(&root, "id");
    for below in pages(admin, "GET groups/{id}/children", &["groups", root_id, "children"], root_id).await? {
        if below["name"] == Branch::ClaimsBlocked.name() {
            known.extend(members(admin, text(&below, "id")).await?);
        }
    }
    admit(admin, id, if is_required { &[ID] } else { &[ID, ACCOUNTS] }, &known).await?;
    let path = ["client-scopes", scope, "scope-mappings", "realm"];
    let asked = below(admin, "GET client-scopes/{id}/scope-mappings/realm", &path, scope).await?;
    let (ours, others): (Vec<_>, Vec<_>) = asked.into_iter().partition(|role| role["name"] == ROLE);
    if ours.is_empty() {
        let call = Call::post(endpoint("POST client-scopes/{id}/scope-mappings/realm"), &path);
        admin.write(call.json(json!([role]))).await?;
    }
    if !others.is_empty() {
        let call = Call::delete(endpoint("DELETE client-scopes/{id}/scope-mappings/realm"), &path);
        admin.write(call.json(others.into())).await?;
    }
    if !is_required {
        let body = json!({"name": NAME, "attributes": {REQUIRED: ["true"]}});
        admin.write(Call::put(endpoint("PUT groups/{id}"), &["groups", id]).json(body)).await?;
    }
    if !root["attributes"][REQUIRED].is_array() {
        let mut body = root.clone();
        body["attributes"][REQUIRED] = json!(["true"]);
        let call = Call::put(endpoint("PUT groups/{id}"), &["groups", text(&root, "id")]);
        admin.write(call.json(body)).await?;
    }
    admin.done_since(before, &format!("applications see accounts only of members of the group {PATH}"));
    Ok(())
}

async fn role(admin: &mut Admin<'_>) -> Result<Value, Error> {
    let find = || Call::get(endpoint("GET roles"), &["roles"]).with("search", ROLE);
    let pick = |found: Value| found.as_array()?.iter().find(|role| role["name"] == ROLE).cloned();
    if let Some(known) = pick(admin.read(find()).await?) {
        return Ok(known);
    }
    let body = json!({"name": ROLE, "description": "guestlist: applications see the accounts of this guest"});
    admin.write(Call::post(endpoint("POST roles"), &["roles"]).json(body)).await?;
    Ok(pick(admin.read(find()).await?).unwrap_or_default())
}

/// Reads a group, and creates it if it does not exist.
async fn group(admin: &mut Admin<'_>, parent: Option<&str>, name: &str) -> Result<Value, Error> {
    let (looks, makes, path) = match parent {
        None => ("GET groups", "POST groups", vec!["groups"]),
        Some(parent) => ("GET groups/{id}/children", "POST groups/{id}/children", vec!["groups", parent, "children"]),
    };
    let call = Call::get(endpoint(looks), &path).with("search", name).with("exact", true);
    // The parent is missing only in a rehearsal.
    let found = if parent == Some("") {
        Value::Null
    } else {
        admin.read(call.with("briefRepresentation", false).page(0, PAGE)).await?
    };
    if let Some(known) = found.as_array().into_iter().flatten().find(|group| group["name"] == name) {
        return Ok(known.clone());
    }
    let made = admin.write(Call::post(endpoint(makes), &path).json(json!({"name": name}))).await?;
    Ok(json!({"id": made.unwrap_or_default(), "name": name}))
}

/// A list that belongs to an object, which is missing only in a rehearsal.
async fn below(admin: &Admin<'_>, name: &'static str, path: &[&str], of: &str) -> Result<Vec<Value>, Error> {
    if of.is_empty() { Ok(Vec::new()) } else { admin.list(name, path).await }
}

/// A long list that belongs to an object, which is missing only in a rehearsal.
async fn pages(admin: &Admin<'_>, name: &'static str, path: &[&str], of: &str) -> Result<Vec<Value>, Error> {
    if of.is_empty() { Ok(Vec::new()) } else { admin.pages(name, path).await }
}

/// Adds users with one of the attributes `marks` who are in neither group: guests, and at the first setup also other users
/// with claims. Users in `known` stay as they are; the operator may have excluded them.
async fn admit(admin: &mut Admin<'_>, group: &str, marks: &[&str], known: &BTreeSet<String>) -> Result<(), Error> {
    let mut pages = Pages::default();
    loop {
        let call = Call::get(endpoint("GET users"), &["users"]).with("briefRepresentation", false);
        let page = admin.read(call.page(pages.first(), PAGE)).await?;
        let users = page.as_array().map(Vec::as_slice).unwrap_or_default();
        let step = pages.add_page(&users.iter().map(|user| text(user, "id").to_owned()).collect::<Vec<_>>())?;
        let ours = |user: &&Value| {
            let marked = marks.iter().any(|name| user["attributes"][*name].is_array());
            marked && !known.contains(text(user, "id"))
        };
        for user in users.iter().filter(ours) {
            let path = ["users", text(user, "id"), "groups", group];
            admin.write(Call::put(endpoint("PUT users/{id}/groups/{id}"), &path)).await?;
        }
        if step == PageStep::End {
            return Ok(());
        }
    }
}

/// The identifiers of a group's members.
async fn members(admin: &Admin<'_>, group: &str) -> Result<BTreeSet<String>, Error> {
    let all = pages(admin, "GET groups/{id}/members", &["groups", group, "members"], group).await?;
    Ok(all.iter().map(|user| text(user, "id").to_owned()).collect())
}
