//! guestlist's groups in a realm: the owner and the leader of the directory, and the branches of its other records.

use std::collections::BTreeMap;

use serde_json::json;
use tokio::sync::Mutex;

use super::super::{Error, Owner};
use super::client::{Call, Client, ClientError, optional};
use super::endpoints::{CREATE_CHILD, CREATE_GROUP, DELETE_GROUP, GET_GROUP, LIST_CHILDREN, LIST_GROUPS, PUT_GROUP};
use super::pages::{self, PAGE};
use super::representations::{Attributes, Group, first};

/// guestlist's root group in the realm.
pub const ROOT: &str = "guestlist";

/// The group that names the owner of the directory.
const OWNER: &str = "owner";
const INSTALLATION: &str = "installation";
const CLUSTER: &str = "cluster";
const EPOCH: &str = "epoch";

/// A branch of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Branch {
    /// One group for each account.
    Accounts,
    /// One group for each address.
    Mails,
    /// One group for each share, named by its UID.
    Shares,
    /// No groups, but members: the users whose claims are blocked.
    ClaimsBlocked,
    /// No groups, but an attribute: the leader's epoch.
    Leader,
}

impl Branch {
    /// The name of the branch's group.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accounts => "accounts",
            Self::Mails => "mails",
            Self::Shares => "shares",
            Self::ClaimsBlocked => "claims-blocked",
            Self::Leader => "leader",
        }
    }

    const ALL: [Self; 5] = [Self::Accounts, Self::Mails, Self::Shares, Self::ClaimsBlocked, Self::Leader];
}

/// The known identifiers of guestlist's groups.
#[derive(Default)]
pub struct KnownGroups(Mutex<BTreeMap<Option<Branch>, String>>);

/// guestlist's groups in a realm.
#[derive(Clone, Copy)]
pub struct GroupStore<'a> {
    /// The client of the realm.
    pub client: &'a Client,
    /// The known identifiers.
    pub known: &'a KnownGroups,
}

impl GroupStore<'_> {
    /// The identifier of the root or a branch. A missing group is created.
    pub async fn id(&self, branch: Option<Branch>) -> Result<String, ClientError> {
        // Locked meanwhile, so that no other task creates a second group.
        let mut ids = self.known.0.lock().await;
        let root = match ids.get(&None) {
            Some(id) => id.clone(),
            None => {
                let id = self.id_of(None, ROOT).await?;
                ids.insert(None, id.clone());
                id
            }
        };
        let Some(branch) = branch else { return Ok(root) };
        if let Some(id) = ids.get(&Some(branch)) {
            return Ok(id.clone());
        }
        let id = self.id_of(Some(&root), branch.name()).await?;
        ids.insert(Some(branch), id.clone());
        Ok(id)
    }

    /// Drops all identifiers, because a group may have been deleted.
    pub async fn forget(&self) {
        self.known.0.lock().await.clear();
    }

    /// The identifier of a branch, if it exists. Creates nothing.
    async fn found(&self, branch: Branch) -> Result<Option<String>, ClientError> {
        let mut ids = self.known.0.lock().await;
        if let Some(id) = ids.get(&Some(branch)) {
            return Ok(Some(id.clone()));
        }
        let root = match ids.get(&None) {
            Some(id) => id.clone(),
            None => match self.find(None, ROOT).await? {
                Some(root) => root.id,
                None => return Ok(None),
            },
        };
        let id = optional(self.find(Some(&root), branch.name()).await)?.flatten().map(|group| group.id);
        ids.extend(id.clone().map(|id| (Some(branch), id)));
        Ok(id)
    }

    /// Whether a group is the root or a branch, and known.
    pub async fn is_known(&self, id: &str) -> bool {
        self.known.0.lock().await.values().any(|known| known == id)
    }

    async fn known_root(&self) -> Option<String> {
        self.known.0.lock().await.get(&None).cloned()
    }

    /// Replaces the known identifiers by those of the present groups.
    async fn learn(&self, root: &str, children: &[Group]) {
        let mut ids = self.known.0.lock().await;
        ids.clear();
        ids.insert(None, root.to_owned());
        for branch in Branch::ALL {
            let group = children.iter().find(|group| group.name == branch.name());
            ids.extend(group.map(|group| (Some(branch), group.id.clone())));
        }
    }

    async fn find(&self, parent: Option<&str>, name: &str) -> Result<Option<Group>, ClientError> {
        let call = match parent {
            None => Call::get(LIST_GROUPS, &["groups"]),
            Some(parent) => Call::get(LIST_CHILDREN, &["groups", parent, "children"]),
        };
        let call = call.with("search", name).with("exact", true).with("briefRepresentation", parent.is_none());
        let found: Vec<Group> = self.client.call(call.page(0, PAGE)).await?.read()?;
        Ok(found.into_iter().find(|group| group.name == name))
    }

    /// The present group, or the identifier of a new one.
    async fn find_or_make(
        &self,
        parent: Option<&str>,
        name: &str,
        attributes: &Attributes,
    ) -> Result<Result<Group, String>, ClientError> {
        if let Some(group) = self.find(parent, name).await? {
            return Ok(Ok(group));
        }
        match self.make(parent, name, attributes).await {
            Ok(id) => Ok(Err(id)),
            // Another process was faster.
            Err(failed) if failed.is(409) => self.find(parent, name).await?.ok_or(failed).map(Ok),
            Err(failed) => Err(failed),
        }
    }

    async fn id_of(&self, parent: Option<&str>, name: &str) -> Result<String, ClientError> {
        let group = self.find_or_make(parent, name, &Attributes::new()).await?;
        Ok(group.map_or_else(|id| id, |group| group.id))
    }

    async fn make(&self, parent: Option<&str>, name: &str, attributes: &Attributes) -> Result<String, ClientError> {
        let call = match parent {
            None => Call::post(CREATE_GROUP, &["groups"]),
            Some(parent) => Call::post(CREATE_CHILD, &["groups", parent, "children"]),
        };
        let answer = self.client.call(call.json(json!({"name": name, "attributes": attributes}))).await?;
        match &answer.created {
            Some(id) => Ok(id.clone()),
            None => answer.read::<Group>().map(|group| group.id),
        }
    }

    pub async fn put(&self, group: &Group) -> Result<(), ClientError> {
        let call = Call::put(PUT_GROUP, &["groups", &group.id]);
        self.client.call(call.json(json!({"name": group.name, "attributes": group.attributes}))).await.map(drop)
    }

    async fn get(&self, id: &str) -> Result<Group, ClientError> {
        self.client.call(Call::get(GET_GROUP, &["groups", id])).await?.read()
    }

    /// The present root group. If it was deleted, it is created again.
    pub async fn root(&self) -> Result<Group, ClientError> {
        let id = self.id(None).await?;
        if let Some(group) = optional(self.get(&id).await)? {
            return Ok(group);
        }
        self.forget().await;
        let id = self.id(None).await?;
        self.get(&id).await
    }

    /// Writes the root group unchanged, to check whether the realm accepts writes.
    pub async fn rewrite_root(&self) -> Result<(), ClientError> {
        self.put(&self.root().await?).await
    }

    /// The groups directly below the root, in one call: the owner, all branches, and the claims groups. It creates
    /// nothing, so a realm that was created again has no groups and no owner.
    pub async fn survey(&self) -> Result<Vec<Group>, ClientError> {
        // Renamed groups do not count: guestlist's root has a fixed path.
        let is_ours = |group: &Group| group.path.is_empty() || group.path == format!("/{ROOT}/{}", group.name);
        if let Some(root) = self.known_root().await
            && let Some(children) = optional(self.below_root(&root).await)?
            && children.iter().all(is_ours)
        {
            self.learn(&root, &children).await;
            return Ok(children);
        }
        self.forget().await;
        let Some(root) = self.find(None, ROOT).await? else { return Ok(Vec::new()) };
        let children = optional(self.below_root(&root.id).await)?.unwrap_or_default();
        self.learn(&root.id, &children).await;
        Ok(children)
    }

    async fn list(&self, parent: &str) -> Result<Vec<Group>, ClientError> {
        let page = async |first, max| self.client.call(children_of(parent).listing(first, max)).await?.read();
        pages::all(PAGE, |group: &Group| &group.id, page).await
    }

    /// The groups directly below the root. They are few, so each page has the deadline of an ordinary call. Each poll
    /// for changes begins with this listing, and so notices in time that the realm does not answer.
    async fn below_root(&self, root: &str) -> Result<Vec<Group>, ClientError> {
        let page = async |first: usize, max: usize| {
            match self.client.call(children_of(root).with("first", first).with("max", max)).await {
                // A smaller page would take as long again.
                Err(late @ ClientError::Late { .. }) => Err(ClientError::Fault(late.into())),
                answered => answered?.read(),
            }
        };
        pages::all(PAGE, |group: &Group| &group.id, page).await
    }

    /// Writes the owner if there is none. Exactly one of several concurrent calls succeeds, because a group is created
    /// once.
    pub async fn claim(&self, owner: &Owner) -> Result<(), ClientError> {
        let root = self.root().await?;
        match self.make(Some(&root.id), OWNER, &owner_attributes(owner)).await {
            Ok(_) => Ok(()),
            // Another process was faster; the caller reads the owner.
            Err(failed) if failed.is(409) => Ok(()),
            Err(failed) => Err(failed),
        }
    }

    /// Writes the owner, and replaces any other.
    pub async fn take_over(&self, owner: &Owner) -> Result<(), ClientError> {
        self.claim(owner).await?;
        let children = self.survey().await?;
        match children.into_iter().find(|group| group.name == OWNER) {
            Some(group) if read_owner(&group).as_ref() == Some(owner) => Ok(()),
            Some(group) => self.put(&Group { attributes: owner_attributes(owner), ..group }).await,
            None => Ok(()),
        }
    }

    /// The leader's epoch. `None`: there has been no leader, or the realm no longer records one. Creates nothing.
    pub async fn epoch(&self) -> Result<Option<i64>, ClientError> {
        let Some(id) = self.found(Branch::Leader).await? else { return Ok(None) };
        Ok(optional(self.get(&id).await)?.as_ref().and_then(read_epoch))
    }

    /// Writes the epoch that `after` computes from the present one. Returns whether it is the first epoch, and the epoch.
    /// Exactly one of several concurrent first calls succeeds, because a group is created once.
    pub async fn lead(&self, after: impl Fn(Option<i64>) -> i64) -> Result<(bool, i64), ClientError> {
        let attributes = |epoch: i64| -> Attributes { [(EPOCH.to_owned(), vec![epoch.to_string()])].into() };
        let root = self.root().await?;
        if self.found(Branch::Leader).await?.is_none() {
            let first = after(None);
            match self.make(Some(&root.id), Branch::Leader.name(), &attributes(first)).await {
                Ok(_) => return Ok((true, first)),
                // Another process was faster.
                Err(failed) if failed.is(409) => {}
                Err(failed) => return Err(failed),
            }
        }
        let id = self.id(Some(Branch::Leader)).await?;
        let mut tries = 3;
        loop {
            let group = self.get(&id).await?;
            let epoch = after(read_epoch(&group));
            tries -= 1;
            match self.put(&Group { attributes: attributes(epoch), ..group }).await {
                Ok(()) => return Ok((false, epoch)),
                // Keycloak returns this status for two concurrent writes too.
                Err(failed) if failed.is(500) && tries > 0 => {}
                Err(failed) => return Err(failed),
            }
        }
    }

    /// All groups of a branch. A missing one has consequences: grants on a missing account are revoked, and a missing
    /// mail is sent again.
    pub async fn children(&self, branch: Branch) -> Result<Vec<Group>, ClientError> {
        let parent = self.id(Some(branch)).await?;
        self.list(&parent).await
    }

    /// One group of a branch.
    pub async fn child(&self, branch: Branch, name: &str) -> Result<Option<Group>, ClientError> {
        let parent = self.id(Some(branch)).await?;
        self.find(Some(&parent), name).await
    }

    /// Creates a group of a branch. Returns the present one if it exists already.
    pub async fn make_child(
        &self,
        branch: Branch,
        name: &str,
        attributes: &Attributes,
    ) -> Result<Option<Group>, ClientError> {
        let parent = self.id(Some(branch)).await?;
        Ok(self.find_or_make(Some(&parent), name, attributes).await?.ok())
    }

    /// Creates or replaces a group of a branch.
    pub async fn set_child(&self, branch: Branch, name: &str, attributes: Attributes) -> Result<(), ClientError> {
        match self.make_child(branch, name, &attributes).await? {
            Some(known) if known.attributes != attributes => self.put(&Group { attributes, ..known }).await,
            Some(_) | None => Ok(()),
        }
    }

    pub async fn delete(&self, id: &str) -> Result<(), ClientError> {
        optional(self.client.call(Call::delete(DELETE_GROUP, &["groups", id])).await).map(drop)
    }

    /// Whether the root has an attribute.
    pub async fn root_has_attribute(&self, attribute: &str) -> Result<bool, ClientError> {
        let Some(root) = self.known_root().await else { return Ok(false) };
        Ok(optional(self.get(&root).await)?.is_some_and(|root| root.attributes.contains_key(attribute)))
    }

    /// One call that fails early with a fix if the realm cannot be used.
    pub async fn reachable(&self) -> Result<(), Error> {
        self.root().await.map(drop).map_err(Error::from)
    }
}

/// The owner, from the groups directly below the root.
pub fn owner(children: &[Group]) -> Option<Owner> {
    children.iter().find(|group| group.name == OWNER).and_then(read_owner)
}

/// A listing of the groups below a group. Keycloak would count the subgroups of each one by one.
fn children_of(parent: &str) -> Call<'_> {
    let call = Call::get(LIST_CHILDREN, &["groups", parent, "children"]).with("subGroupsCount", false);
    call.with("briefRepresentation", false)
}

fn read_owner(group: &Group) -> Option<Owner> {
    let value = |name| first(&group.attributes, name).map(str::to_owned);
    value(INSTALLATION).zip(value(CLUSTER)).map(|(installation, cluster)| Owner { installation, cluster })
}

fn owner_attributes(owner: &Owner) -> Attributes {
    [(INSTALLATION.to_owned(), vec![owner.installation.clone()]), (CLUSTER.to_owned(), vec![owner.cluster.clone()])]
        .into()
}

/// Two concurrent writes may leave both values; the greater one counts.
fn read_epoch(group: &Group) -> Option<i64> {
    let values = group.attributes.get(EPOCH).map(Vec::as_slice).unwrap_or_default();
    values.iter().filter_map(|text| text.parse().ok()).max()
}

/// The error for a realm that has lost its owner.
pub fn owner_lost() -> Error {
    Error::Refused {
        message:
            "the realm no longer names the owner of the directory: the group guestlist/owner or guestlist/leader is \
                  gone. If the realm was created again or restored, restart guestlist"
                .to_owned(),
    }
}
