//! A real API server with the operator beside it, and helpers that read both: objects from the server, guests from
//! `guestlist directory show`.

use std::time::Duration;

use serde_json::Value;

use crate::support::controlplane::Said;
use crate::support::operator::{Operator, eventually, usable};
use crate::support::reused_planes::{GROUP, Reused};

pub const CAROL: &str = "carol@acme.example";
pub const BOB: &str = "bob@acme.example";

/// A partner, a Guest Admin, a Guest User and a share, in the wrong order.
pub const WORLD: &str = "
apiVersion: guestlist.dev/v1alpha1
kind: AccountShare
metadata: {name: instagram, namespace: partners}
spec:
  partnerRef: {name: acme}
  account: instagram
  sharedBy: alice@host.example
  guestAdminRole: Manager
  guestUsers: [{name: bob, propagatedBy: carol}]
---
apiVersion: guestlist.dev/v1alpha1
kind: GuestMembership
metadata: {name: bob, namespace: partners}
spec: {partnerRef: {name: acme}, email: bob@acme.example, invitedBy: carol@acme.example}
---
apiVersion: guestlist.dev/v1alpha1
kind: GuestMembership
metadata: {name: carol, namespace: partners}
spec: {partnerRef: {name: acme}, email: carol@acme.example, role: GuestAdmin, invitedBy: alice@host.example}
---
apiVersion: guestlist.dev/v1alpha1
kind: LocalPartner
metadata: {name: acme, namespace: partners}
spec: {hostAdmins: [alice@host.example, dan@host.example]}
";

/// The three kinds, by their short names.
const KINDS: [(&str, &str); 3] = [("lp", "localpartners"), ("gm", "guestmemberships"), ("share", "accountshares")];

/// The operator is dropped first: it ends before its API server does.
pub struct Stage {
    pub operator: Operator,
    pub plane: Reused,
}

impl Stage {
    /// Starts everything. The operator is ready.
    pub fn start() -> Self {
        let mut stage = Self::prepare();
        stage.operator.start();
        stage
    }

    /// Starts everything but the operator.
    pub fn prepare() -> Self {
        let plane = Reused::start();
        Self { operator: crate::furnish(Operator::prepare(&plane)), plane }
    }

    /// Starts everything but the operator, which has rights in the first of these namespaces.
    pub fn prepare_in(watched: usize, namespaces: &[&str]) -> Self {
        let plane = Reused::start();
        let rbac = Operator::rbac_of(&plane, &namespaces[..watched]);
        Self { operator: crate::furnish(Operator::prepare_with(&plane, namespaces, &rbac)), plane }
    }

    /// The same with garbage collection, namespace deletion and aggregated roles.
    pub fn prepare_with_controllers() -> Self {
        let plane = Reused::start_with_controllers();
        Self { operator: crate::furnish(Operator::prepare(&plane)), plane }
    }

    /// A view of a namespace.
    pub fn at<'a>(&'a self, namespace: &'a str) -> Place<'a> {
        Place { stage: self, namespace }
    }

    /// A view of the namespace that most tests use.
    pub fn partners(&self) -> Place<'_> {
        self.at("partners")
    }

    pub fn apply(&self, manifests: &str) {
        self.plane.apply(manifests);
    }

    /// Applies [`WORLD`] and brings both guests to Active.
    #[track_caller]
    pub fn settle(&self) {
        self.apply(WORLD);
        self.operator.joins_with_mfa(CAROL);
        self.operator.joins_with_mfa(BOB);
        self.partners().guest("carol", CAROL, "Active", &["instagram:Manager"]);
        self.partners().guest("bob", BOB, "Active", &["instagram:Collaborator"]);
    }

    /// The resourceVersions of all of guestlist's objects.
    pub fn versions(&self) -> String {
        let mut all = String::new();
        for (_, plural) in KINDS {
            let list = self.plane.read(&format!("{GROUP}/{plural}")).expect("the kinds can be listed");
            for item in list["items"].as_array().unwrap() {
                let text = |name: &str| item["metadata"][name].as_str().unwrap_or_default();
                let version = text("resourceVersion");
                all += &format!("{plural}/{}/{}={version} ", text("namespace"), text("name"));
            }
        }
        all
    }

    /// Waits until nothing was written during this many checks, half a second apart.
    #[track_caller]
    pub fn rests(&self, looks: usize) {
        let mut last = (String::new(), Vec::new());
        let mut quiet = 0;
        eventually("everything is at rest", || {
            let now = (self.versions(), self.operator.bytes());
            quiet = if now == last { quiet + 1 } else { 0 };
            last = now;
            if quiet >= looks {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(400));
            Err(format!("{}\n{}", last.0, self.operator.log()))
        });
    }
}

/// A view of a namespace.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    pub stage: &'a Stage,
    pub namespace: &'a str,
}

impl Place<'_> {
    /// kubectl in this namespace.
    pub fn kubectl(&self, arguments: &[&str]) -> Said {
        self.stage.plane.kubectl(&[&["-n", self.namespace], arguments].concat())
    }

    #[track_caller]
    pub fn patch(&self, object: &str, patch: &str) {
        self.kubectl(&["patch", object, "--type=merge", "-p", patch]).ok();
    }

    #[track_caller]
    pub fn annotate(&self, object: &str, annotation: &str) {
        self.kubectl(&["annotate", object, "--overwrite", annotation]).ok();
    }

    /// Deletes an object and waits until it is gone.
    #[track_caller]
    pub fn delete(&self, object: &str) {
        self.kubectl(&["delete", object, "--timeout=4m"]).ok();
    }

    /// Deletes an object and does not wait.
    #[track_caller]
    pub fn begin_to_delete(&self, object: &str) {
        self.kubectl(&["delete", object, "--wait=false"]).ok();
    }

    /// An object, or null if it does not exist.
    pub fn get(&self, object: &str) -> Value {
        if let Some((kind, name)) = object.split_once('/')
            && let Some((_, plural)) = KINDS.iter().find(|(short, _)| *short == kind)
        {
            let path = format!("{GROUP}/namespaces/{}/{plural}/{name}", self.namespace);
            return self.stage.plane.read(&path).unwrap_or(Value::Null);
        }
        serde_json::from_str(&self.kubectl(&["get", object, "-o", "json"]).stdout).unwrap_or(Value::Null)
    }

    /// Waits until an object satisfies a condition. Otherwise fails with the last version.
    #[track_caller]
    pub fn shows(&self, object: &str, what: &str, right: impl Fn(&Value) -> bool) -> Value {
        eventually(&format!("{object} {what}"), || {
            let seen = self.get(object);
            if right(&seen) { Ok(seen) } else { Err(format!("{seen:#}\n{}", self.stage.operator.log())) }
        })
    }

    /// Waits until a field has this value.
    #[track_caller]
    pub fn becomes(&self, object: &str, pointer: &str, wanted: &str) {
        self.shows(object, &format!("{pointer} is {wanted}"), |seen| {
            seen.pointer(pointer).is_some_and(|value| value.as_str().unwrap_or(&value.to_string()) == wanted)
        });
    }

    /// Waits until an object's Ready condition has this reason.
    #[track_caller]
    pub fn says(&self, object: &str, word: &str) {
        self.shows(object, &format!("says {word}"), |seen| condition(seen, "Ready")["reason"] == word);
    }

    /// Waits until both the object and the directory have this state of a guest and exactly this access.
    #[track_caller]
    pub fn guest(&self, name: &str, email: &str, state: &str, access: &[&str]) {
        eventually(&format!("{name} is {state} with {access:?}"), || {
            let guest = self.stage.operator.guest(email).unwrap_or(Value::Null);
            // The directory stores whether a login is off, but not the cause.
            let there = match state {
                "Expired" => "Suspended",
                state => state,
            };
            if guest["state"] != there || usable(&guest) != access {
                return Err(format!("{guest:#}\n{}", self.stage.operator.log()));
            }
            let object = self.get(&format!("gm/{name}"));
            let seen = (object["status"]["state"].as_str().unwrap_or("nowhere"), accounts(&object));
            if seen == (state, access.iter().map(|text| (*text).to_owned()).collect()) {
                return Ok(());
            }
            Err(format!("{:#}\n{guest:#}\n{}", object["status"], self.stage.operator.log()))
        });
    }

    /// Waits until the directory has no live guest with this address.
    #[track_caller]
    pub fn nobody(&self, email: &str) {
        eventually(&format!("{email} is no guest"), || match self.stage.operator.guest(email) {
            None => Ok(()),
            Some(guest) => Err(format!("{guest:#}\n{}", self.stage.operator.log())),
        });
    }
}

/// A condition of an object, or null if it has none of that type.
pub fn condition(object: &Value, type_: &str) -> Value {
    let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
    conditions.into_iter().find(|condition| condition["type"] == type_).cloned().unwrap_or(Value::Null)
}

/// The effective accounts in a membership's status, as `account:role`, sorted.
fn accounts(object: &Value) -> Vec<String> {
    let all = object["status"]["accounts"].as_array().into_iter().flatten();
    let effective = all.filter(|account| account["effective"] == true);
    let mut seen: Vec<_> = effective
        .map(|account| format!("{}:{}", account["account"].as_str().unwrap(), account["role"].as_str().unwrap()))
        .collect();
    seen.sort();
    seen
}

/// The addresses of the deactivated records.
pub fn deactivated(operator: &Operator) -> Vec<String> {
    let show = operator.show();
    let records = show["deactivated"].as_array().unwrap().iter();
    let mut seen: Vec<_> = records.map(|record| record["email"].as_str().unwrap().to_owned()).collect();
    seen.sort();
    seen
}
