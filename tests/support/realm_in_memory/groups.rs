//! Groups and their members.

use serde_json::{Value, json};

use super::{Asked, Realm, Said, created, done, not_found, page, refused, said, take_in, text, without_attributes};

impl Realm {
    pub(super) fn about_groups(&mut self, asked: &Asked, path: &[&str]) -> Said {
        if let [id, ..] = path
            && !self.groups.contains_key(*id)
        {
            return not_found("Group");
        }
        let in_full = asked.value("briefRepresentation") != Some("true");
        match (asked.method.as_str(), path) {
            ("GET", [] | [_, "children"]) => {
                let parent = path.first().copied().unwrap_or_default();
                let named = |group: &Value| asked.value("search").is_none_or(|name| text(group, "name") == name);
                let found = self.groups.values().filter(|group| text(group, "parentId") == parent && named(group));
                let most = if path.is_empty() { usize::MAX } else { 10 };
                page(
                    asked,
                    found,
                    "name",
                    most,
                    |group| if in_full { group.clone() } else { without_attributes(group) },
                )
            }
            ("POST", [] | [_, "children"]) => self.add_group(path.first().copied(), &asked.body),
            ("GET", [id]) => said(200, self.groups[*id].clone()),
            ("PUT", [id]) => {
                let group = self.groups.get_mut(*id).unwrap();
                take_in(group, &asked.body);
                done()
            }
            ("DELETE", [id]) => {
                self.groups.retain(|known, group| known != id && text(group, "parentId") != *id);
                self.in_group.retain(|(group, _)| group != id);
                done()
            }
            ("GET", [id, "members"]) => {
                let found = self.in_group.iter().filter(|(group, _)| group == id);
                page(asked, found.map(|(_, user)| &self.users[user]), "username", 100, |user| self.shown(user))
            }
            _ => said(405, json!({"error": "HTTP 405 Method Not Allowed"})),
        }
    }

    pub(super) fn add_group(&mut self, parent: Option<&str>, body: &Value) -> Said {
        let above = parent.unwrap_or_default();
        let name = text(body, "name");
        if self.groups.values().any(|group| text(group, "parentId") == above && text(group, "name") == name) {
            let what = if parent.is_some() { "Sibling group named" } else { "Top level group named" };
            return refused(409, &format!("{what} '{name}' already exists."));
        }
        let id = self.id();
        let path = parent.map_or("", |parent| text(&self.groups[parent], "path"));
        let mut group = json!({"id": id, "name": name, "path": format!("{path}/{name}"), "attributes": {}});
        if let Some(parent) = parent {
            group["parentId"] = json!(parent);
        }
        take_in(&mut group, body);
        self.groups.insert(id.clone(), group.clone());
        created(&id, if parent.is_some() { group } else { Value::Null })
    }
}
