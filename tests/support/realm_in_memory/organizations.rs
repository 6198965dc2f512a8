//! Organizations, with their members and invitations.

use serde_json::{Value, json};

use super::{Asked, Realm, Said, created, done, has, page, refused, said, same, take_in, text, without_attributes};

impl Realm {
    pub(super) fn about_organizations(&mut self, asked: &Asked, path: &[&str]) -> Said {
        if let [id, ..] = path
            && !self.organizations.contains_key(*id)
        {
            return refused(404, "Organization not found.");
        }
        match (asked.method.as_str(), path) {
            ("GET", []) => {
                let found = self.organizations.values().filter(|one| has(one, asked.value("q")));
                let in_full = asked.value("briefRepresentation") == Some("false");
                page(asked, found, "name", 10, |one| if in_full { one.clone() } else { without_attributes(one) })
            }
            ("POST", []) => {
                let id = self.id();
                self.write_organization(&id, &asked.body).unwrap_or_else(|| created(&id, Value::Null))
            }
            ("GET", [id]) => said(200, self.organizations[*id].clone()),
            ("PUT", [id]) => self.write_organization(id, &asked.body).unwrap_or_else(done),
            ("DELETE", [id]) => {
                let members =
                    self.members.iter().filter(|((organization, _), managed)| organization == id && **managed);
                for user in members.map(|((_, user), _)| user.clone()).collect::<Vec<_>>() {
                    self.remove_user(&user);
                }
                self.members.retain(|(organization, _), _| organization != id);
                self.invitations.retain(|_, row| row["organizationId"] != **id);
                self.organizations.remove(*id);
                done()
            }
            (_, [id, "members", rest @ ..]) => self.about_members(asked, id, rest),
            ("GET", [id, "invitations"]) => {
                let of = |row: &&Value| {
                    row["organizationId"] == **id
                        && asked.value("email").is_none_or(|email| same(text(row, "email"), email))
                };
                said(200, self.invitations.values().filter(of).cloned().collect())
            }
            ("DELETE", [_, "invitations", row]) => match self.invitations.remove(*row) {
                Some(_) => done(),
                None => refused(404, "Invitation not found"),
            },
            _ => said(405, json!({"error": "HTTP 405 Method Not Allowed"})),
        }
    }

    /// Replaces an organization. Returns the error, if there is one.
    pub(super) fn write_organization(&mut self, id: &str, body: &Value) -> Option<Said> {
        let clashes = |name: &str| {
            let mut others = self.organizations.iter().filter(|(other, _)| *other != id);
            others.any(|(_, other)| text(other, name) == text(body, name))
        };
        for name in ["name", "alias"] {
            if clashes(name) {
                return Some(refused(409, &format!("A organization with the same {name} already exists.")));
            }
        }
        let kept = self.organizations.get(id).map(|known| known["attributes"].clone());
        let mut written = json!({"attributes": kept.unwrap_or_else(|| json!({}))});
        take_in(&mut written, body);
        written["id"] = json!(id);
        self.organizations.insert(id.to_owned(), written);
        None
    }

    pub(super) fn about_members(&mut self, asked: &Asked, id: &str, path: &[&str]) -> Said {
        let place = |user: &str| (id.to_owned(), user.to_owned());
        let shown = |user: &Value| {
            let managed = self.members[&place(text(user, "id"))];
            let mut user = self.shown(user);
            user["membershipType"] = json!(if managed { "MANAGED" } else { "UNMANAGED" });
            user
        };
        match (asked.method.as_str(), path) {
            ("GET", []) => {
                let found = self.members.iter().filter(|((organization, _), _)| organization == id);
                page(asked, found.map(|((_, user), _)| &self.users[user]), "username", 10, shown)
            }
            ("POST", []) => {
                let user = asked.body.as_str().unwrap_or_default();
                if !self.users.contains_key(user) {
                    return said(400, json!({"errorMessage": "User does not exist"}));
                }
                match self.members.insert(place(user), false) {
                    None => created(user, Value::Null),
                    Some(_) => refused(409, "User is already a member of the organization."),
                }
            }
            ("POST", ["invite-user"]) => self.invite(id, text(&asked.body, "email")),
            ("GET", [user]) => match self.members.get(&place(user)) {
                Some(_) => said(200, shown(&self.users[*user])),
                None => said(404, json!({"error": "HTTP 404 Not Found"})),
            },
            ("DELETE", [user]) => match self.members.remove(&place(user)) {
                Some(managed) => {
                    if managed {
                        self.remove_user(user);
                    }
                    done()
                }
                None => said(404, json!({"error": "HTTP 404 Not Found"})),
            },
            _ => said(405, json!({"error": "HTTP 405 Method Not Allowed"})),
        }
    }

    pub(super) fn invite(&mut self, id: &str, email: &str) -> Said {
        if email.is_empty() {
            return refused(400, "Email is required to invite a member");
        }
        if self.organizations[id]["enabled"] != true {
            return refused(400, "Organization is disabled");
        }
        if self.invitations.values().any(|row| row["organizationId"] == id && same(text(row, "email"), email)) {
            return refused(409, "User already has a pending invitation");
        }
        let user = self.user_at(email).map(|user| text(user, "id").to_owned());
        if user.is_some_and(|user| self.members.contains_key(&(id.to_owned(), user))) {
            return refused(409, "User already a member of the organization");
        }
        self.mails.push(email.to_owned());
        let row = self.id();
        let (sent, ends) = (self.second, self.second + self.invitations_last);
        self.invitations.insert(
            row.clone(),
            json!({"id": row, "organizationId": id, "email": email, "sentDate": sent, "expiresAt": ends, "status": "PENDING"}),
        );
        done()
    }
}
