//! The initial content of realms in tests, and the operations on them.

use guestlist::directory::{
    Grant, GuestChange, GuestId, NewGuest, Operation, Origin, Owner, OwnershipMark, PartnerChange, PartnerId,
};
use guestlist::domain::{Email, GuestRole, ShareRole, all_methods};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::realm_in_memory::{Asked, Realm, text};

pub fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

pub fn bob() -> Email {
    email("bob@acme.example")
}

pub fn us() -> Owner {
    Owner { installation: "prod".to_owned(), cluster: "c-1".to_owned() }
}

/// An instant, in seconds after the start of the tests.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(super::BEGAN + seconds).unwrap()
}

pub fn acme() -> PartnerId {
    PartnerId::of("u-acme")
}

pub fn guest() -> GuestId {
    GuestId("g-bob".to_owned())
}

pub fn mark(name: &str, origin: Origin) -> OwnershipMark {
    let Owner { installation, cluster } = us();
    let (namespace, uid) = ("partners".to_owned(), format!("u-{name}"));
    OwnershipMark { installation, cluster, namespace, name: name.to_owned(), uid, origin }
}

pub fn ensure_partner(suspended: bool) -> Operation {
    Operation::Partner {
        id: acme(),
        change: PartnerChange::Apply {
            mark: mark("acme", Origin::Created),
            display_name: "Acme Agency".to_owned(),
            host_admins: vec![email("alice@host.example")],
            suspended,
        },
    }
}

pub fn admit(origin: Origin) -> Operation {
    Operation::Guest {
        id: guest(),
        change: GuestChange::Invite(NewGuest {
            mark: mark("bob", origin),
            partner: acme(),
            partner_name: "acme".to_owned(),
            address: bob(),
            display_name: "Bob Example".to_owned(),
            role: GuestRole::GuestAdmin,
            allowed: all_methods(),
            expires_at: at(100_000),
        }),
    }
}

pub fn grant(account: &str, role: ShareRole) -> Grant {
    Grant {
        account: account.to_owned(),
        role,
        share: account.to_owned(),
        share_uid: format!("u-{account}"),
        allowed: all_methods(),
        asked: all_methods(),
        until: None,
    }
}

pub fn give(grants: &[(&str, ShareRole)]) -> Operation {
    let grants = grants.iter().map(|(account, role)| grant(account, *role)).collect();
    Operation::Guest { id: guest(), change: GuestChange::Grant { grants } }
}

impl Realm {
    /// A call of an administrator. Returns the created object, or the answer.
    pub fn admin(&mut self, method: &str, path: &str, body: Value) -> Value {
        let path = path.split('/').map(str::to_owned).collect();
        let asked = Asked { method: method.to_owned(), path, query: Vec::new(), body, author: "admin".to_owned() };
        let said = self.answer(&asked);
        assert!(said.status < 300, "{asked:?}: {said:?}");
        said.created.map_or(said.body, |id| json!(id))
    }

    pub fn add(&mut self, path: &str, body: Value) -> String {
        self.admin("POST", path, body).as_str().unwrap().to_owned()
    }

    /// A user of the workspace, named by its place in a listing.
    pub fn stranger(&mut self, name: &str) -> String {
        let address = format!("{name}@host.example");
        let user = json!({
            "username": address, "email": address, "firstName": "A", "lastName": "B", "enabled": true,
            "emailVerified": false, "requiredActions": [], "notBefore": 0, "createdTimestamp": self.second * 1000,
        });
        self.put_user(user)
    }

    /// Creates the group at a path.
    pub fn group(&mut self, path: &str) -> String {
        if let Some(group) = self.groups.values().find(|group| text(group, "path") == path) {
            return text(group, "id").to_owned();
        }
        let (above, name) = path.rsplit_once('/').unwrap();
        let parent =
            if above.is_empty() { "groups".to_owned() } else { format!("groups/{}/children", self.group(above)) };
        self.add(&parent, json!({"name": name}))
    }

    /// The user with an address.
    pub fn id_of(&self, address: &str) -> String {
        text(self.user_at(address).unwrap(), "id").to_owned()
    }

    /// A user becomes a member of the only organization, with a password, without required actions, and with an
    /// enrolled method.
    pub fn joins(&mut self, address: &str, method: Option<&str>) {
        let (user, organization) = (self.id_of(address), self.organizations.keys().next().unwrap().clone());
        self.admin("POST", &format!("organizations/{organization}/members"), json!(user));
        self.invitations.retain(|_, row| text(row, "email") != address);
        let credential = |sort: &str| json!({"type": sort, "createdDate": self.second * 1000});
        let held: Vec<Value> = ["password"].into_iter().chain(method).map(credential).collect();
        self.admin("PUT", &format!("users/{user}"), json!({"requiredActions": [], "credentials": held}));
    }
}

/// A guest without a record.
pub fn other_guest() -> GuestId {
    GuestId("g-nobody".to_owned())
}
