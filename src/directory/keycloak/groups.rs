//! guestlist's data besides users and organizations, in a tree of groups. It contains the owner of the directory,
//! accounts with their Owners, mails to addresses without a record, shares, and recent purges.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::json;
use tokio::sync::Mutex;

use super::super::{AccountRecord, Error, MailRecord, Owner, Purged, SENT_KEPT, SentMail, ShareRecord};
use super::client::{Call, Client, ClientError, optional};
use super::endpoints::{CREATE_CHILD, CREATE_GROUP, DELETE_GROUP, GET_GROUP, LIST_CHILDREN, LIST_GROUPS, PUT_GROUP};
use super::pages::{self, PAGE};
use super::representations::{Attributes, Group, first};
use crate::domain::Email;

/// guestlist's root group in the realm.
pub const ROOT: &str = "guestlist";

/// The group that names the owner of the directory.
const OWNER: &str = "owner";
const INSTALLATION: &str = "installation";
const CLUSTER: &str = "cluster";
const EPOCH: &str = "epoch";
const DESTROYED: &str = "purged";
const OWNERS: &str = "guestlist.owners";
const DELETED: &str = "deleted";
const NAME: &str = "name";
const MAILED_AT: &str = "mailed-at";
const RECENT_MAILS: &str = "recent-mails";
const PARTNER: &str = "partner";
const ACCOUNT: &str = "account";

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
pub struct GroupStore {
    ids: Mutex<BTreeMap<Option<Branch>, String>>,
}

impl GroupStore {
    /// The identifier of the root or a branch. A missing group is created.
    pub async fn id(&self, client: &Client, branch: Option<Branch>) -> Result<String, ClientError> {
        // Locked meanwhile, so that no other task creates a second group.
        let mut ids = self.ids.lock().await;
        let root = match ids.get(&None) {
            Some(id) => id.clone(),
            None => {
                let id = find_or_make(client, None, ROOT).await?;
                ids.insert(None, id.clone());
                id
            }
        };
        let Some(branch) = branch else { return Ok(root) };
        if let Some(id) = ids.get(&Some(branch)) {
            return Ok(id.clone());
        }
        let id = find_or_make(client, Some(&root), branch.name()).await?;
        ids.insert(Some(branch), id.clone());
        Ok(id)
    }

    /// Drops all identifiers, because a group may have been deleted.
    pub async fn forget(&self) {
        self.ids.lock().await.clear();
    }

    /// The identifier of a branch, if it exists. Creates nothing.
    async fn found(&self, client: &Client, branch: Branch) -> Result<Option<String>, ClientError> {
        let mut ids = self.ids.lock().await;
        if let Some(id) = ids.get(&Some(branch)) {
            return Ok(Some(id.clone()));
        }
        let root = match ids.get(&None) {
            Some(id) => id.clone(),
            None => match find(client, None, ROOT).await? {
                Some(id) => id,
                None => return Ok(None),
            },
        };
        let id = optional(find(client, Some(&root), branch.name()).await)?.flatten();
        ids.extend(id.clone().map(|id| (Some(branch), id)));
        Ok(id)
    }

    async fn known_root(&self) -> Option<String> {
        self.ids.lock().await.get(&None).cloned()
    }

    /// Replaces the known identifiers by those of the present groups.
    async fn learn(&self, root: &str, children: &[Group]) {
        let mut ids = self.ids.lock().await;
        ids.clear();
        ids.insert(None, root.to_owned());
        for branch in Branch::ALL {
            let group = children.iter().find(|group| group.name == branch.name());
            ids.extend(group.map(|group| (Some(branch), group.id.clone())));
        }
    }
}

async fn find(client: &Client, parent: Option<&str>, name: &str) -> Result<Option<String>, ClientError> {
    let call = match parent {
        None => Call::get(LIST_GROUPS, &["groups"]),
        Some(parent) => Call::get(LIST_CHILDREN, &["groups", parent, "children"]),
    };
    let call = call.with("search", name).with("exact", true).with("briefRepresentation", true).page(0, PAGE);
    let found: Vec<Group> = client.call(call).await?.read()?;
    Ok(found.into_iter().find(|group| group.name == name).map(|group| group.id))
}

async fn find_or_make(client: &Client, parent: Option<&str>, name: &str) -> Result<String, ClientError> {
    if let Some(id) = find(client, parent, name).await? {
        return Ok(id);
    }
    match make(client, parent, name, &Attributes::new()).await {
        Ok(id) => Ok(id),
        // Another process was faster.
        Err(failed) if failed.is(409) => find(client, parent, name).await?.ok_or(failed),
        Err(failed) => Err(failed),
    }
}

async fn make(
    client: &Client,
    parent: Option<&str>,
    name: &str,
    attributes: &Attributes,
) -> Result<String, ClientError> {
    let call = match parent {
        None => Call::post(CREATE_GROUP, &["groups"]),
        Some(parent) => Call::post(CREATE_CHILD, &["groups", parent, "children"]),
    };
    let answer = client.call(call.json(json!({"name": name, "attributes": attributes}))).await?;
    match &answer.created {
        Some(id) => Ok(id.clone()),
        None => answer.read::<Group>().map(|group| group.id),
    }
}

async fn put(client: &Client, group: &Group) -> Result<(), ClientError> {
    let call = Call::put(PUT_GROUP, &["groups", &group.id]);
    client.call(call.json(json!({"name": group.name, "attributes": group.attributes}))).await.map(drop)
}

async fn get(client: &Client, id: &str) -> Result<Group, ClientError> {
    client.call(Call::get(GET_GROUP, &["groups", id])).await?.read()
}

/// The present root group. If it was deleted, it is created again.
async fn root(client: &Client, tree: &GroupStore) -> Result<Group, ClientError> {
    let id = tree.id(client, None).await?;
    if let Some(group) = optional(get(client, &id).await)? {
        return Ok(group);
    }
    tree.forget().await;
    let id = tree.id(client, None).await?;
    get(client, &id).await
}

/// Writes the root group unchanged, to check whether the realm accepts writes.
pub async fn touch(client: &Client, tree: &GroupStore) -> Result<(), ClientError> {
    put(client, &root(client, tree).await?).await
}

/// The groups directly below the root, in one call: the owner, all branches, and the claims groups. It creates
/// nothing, so a realm that was created again has no groups and no owner.
pub async fn survey(client: &Client, tree: &GroupStore) -> Result<Vec<Group>, ClientError> {
    // Renamed groups do not count: guestlist's root has a fixed path.
    let is_ours = |group: &Group| group.path.is_empty() || group.path == format!("/{ROOT}/{}", group.name);
    if let Some(root) = tree.known_root().await
        && let Some(children) = optional(list(client, &root).await)?
        && children.iter().all(is_ours)
    {
        tree.learn(&root, &children).await;
        return Ok(children);
    }
    tree.forget().await;
    let Some(root) = find(client, None, ROOT).await? else { return Ok(Vec::new()) };
    let children = optional(list(client, &root).await)?.unwrap_or_default();
    tree.learn(&root, &children).await;
    Ok(children)
}

/// The owner, from the groups directly below the root.
pub fn owner(children: &[Group]) -> Option<Owner> {
    children.iter().find(|group| group.name == OWNER).and_then(read_owner)
}

async fn list(client: &Client, parent: &str) -> Result<Vec<Group>, ClientError> {
    let page = async |first, max| {
        // Keycloak would count the subgroups of each group one by one.
        let call = Call::get(LIST_CHILDREN, &["groups", parent, "children"]).with("subGroupsCount", false);
        client.call(call.with("briefRepresentation", false).listing(first, max)).await?.read()
    };
    pages::all(PAGE, |group: &Group| &group.id, page).await
}

fn read_owner(group: &Group) -> Option<Owner> {
    let value = |name| first(&group.attributes, name).map(str::to_owned);
    value(INSTALLATION).zip(value(CLUSTER)).map(|(installation, cluster)| Owner { installation, cluster })
}

fn owner_attributes(owner: &Owner) -> Attributes {
    [(INSTALLATION.to_owned(), vec![owner.installation.clone()]), (CLUSTER.to_owned(), vec![owner.cluster.clone()])]
        .into()
}

/// Writes the owner if there is none. Exactly one of several concurrent calls succeeds, because a group is created
/// once.
pub async fn claim(client: &Client, tree: &GroupStore, owner: &Owner) -> Result<(), ClientError> {
    let root = root(client, tree).await?;
    match make(client, Some(&root.id), OWNER, &owner_attributes(owner)).await {
        Ok(_) => Ok(()),
        // Another process was faster; the caller reads the owner.
        Err(failed) if failed.is(409) => Ok(()),
        Err(failed) => Err(failed),
    }
}

/// Writes the owner, and replaces any other.
pub async fn take_over(client: &Client, tree: &GroupStore, owner: &Owner) -> Result<(), ClientError> {
    claim(client, tree, owner).await?;
    let children = survey(client, tree).await?;
    match children.into_iter().find(|group| group.name == OWNER) {
        Some(group) if read_owner(&group).as_ref() == Some(owner) => Ok(()),
        Some(group) => put(client, &Group { attributes: owner_attributes(owner), ..group }).await,
        None => Ok(()),
    }
}

/// Two concurrent writes may leave both values; the greater one counts.
fn read_epoch(group: &Group) -> Option<i64> {
    let values = group.attributes.get(EPOCH).map(Vec::as_slice).unwrap_or_default();
    values.iter().filter_map(|text| text.parse().ok()).max()
}

/// The leader's epoch. `None`: there has been no leader, or the realm no longer records one. Creates nothing.
pub async fn epoch(client: &Client, tree: &GroupStore) -> Result<Option<i64>, ClientError> {
    let Some(id) = tree.found(client, Branch::Leader).await? else { return Ok(None) };
    Ok(optional(get(client, &id).await)?.as_ref().and_then(read_epoch))
}

/// Writes the epoch that `after` computes from the present one. Returns whether it is the first epoch, and the epoch.
/// Exactly one of several concurrent first calls succeeds, because a group is created once.
pub async fn lead(
    client: &Client,
    tree: &GroupStore,
    after: impl Fn(Option<i64>) -> i64,
) -> Result<(bool, i64), ClientError> {
    let attributes = |epoch: i64| -> Attributes { [(EPOCH.to_owned(), vec![epoch.to_string()])].into() };
    let root = root(client, tree).await?;
    if tree.found(client, Branch::Leader).await?.is_none() {
        let first = after(None);
        match make(client, Some(&root.id), Branch::Leader.name(), &attributes(first)).await {
            Ok(_) => return Ok((true, first)),
            // Another process was faster.
            Err(failed) if failed.is(409) => {}
            Err(failed) => return Err(failed),
        }
    }
    let id = tree.id(client, Some(Branch::Leader)).await?;
    let mut tries = 3;
    loop {
        let group = get(client, &id).await?;
        let epoch = after(read_epoch(&group));
        tries -= 1;
        match put(client, &Group { attributes: attributes(epoch), ..group }).await {
            Ok(()) => return Ok((false, epoch)),
            // Keycloak returns this status for two concurrent writes too.
            Err(failed) if failed.is(500) && tries > 0 => {}
            Err(failed) => return Err(failed),
        }
    }
}

/// The number of recently purged records.
pub async fn read_purges(client: &Client, tree: &GroupStore) -> Result<Purged, ClientError> {
    let root = root(client, tree).await?;
    Ok(parse_purges(&root))
}

fn parse_purges(root: &Group) -> Purged {
    let values = root.attributes.get(DESTROYED).map(Vec::as_slice).unwrap_or_default();
    let read = |text: &String| {
        let (minute, count) = text.split_once('=')?;
        Some((minute.parse::<Timestamp>().ok()?, count.parse().ok()?))
    };
    values.iter().filter_map(read).collect()
}

/// Writes the number of recently purged records.
pub async fn write_purges(client: &Client, tree: &GroupStore, destroyed: &Purged) -> Result<(), ClientError> {
    let mut root = root(client, tree).await?;
    let values = destroyed.iter().map(|(minute, count)| format!("{minute}={count}")).collect();
    root.attributes.insert(DESTROYED.to_owned(), values);
    put(client, &root).await
}

/// All groups of a branch. A missing one has consequences: grants on a missing account are revoked, and a missing
/// mail is sent again.
pub async fn children(client: &Client, tree: &GroupStore, branch: Branch) -> Result<Vec<Group>, ClientError> {
    let parent = tree.id(client, Some(branch)).await?;
    list(client, &parent).await
}

/// One group of a branch.
async fn child(client: &Client, tree: &GroupStore, branch: Branch, name: &str) -> Result<Option<Group>, ClientError> {
    let parent = tree.id(client, Some(branch)).await?;
    let call = Call::get(LIST_CHILDREN, &["groups", &parent, "children"]);
    let call = call.with("search", name).with("exact", true).with("briefRepresentation", false).page(0, PAGE);
    let found: Vec<Group> = client.call(call).await?.read()?;
    Ok(found.into_iter().find(|group| group.name == name))
}

/// Creates a group of a branch. Returns the present one if it exists already.
async fn make_child(
    client: &Client,
    tree: &GroupStore,
    branch: Branch,
    name: &str,
    attributes: &Attributes,
) -> Result<Option<Group>, ClientError> {
    if let Some(known) = child(client, tree, branch, name).await? {
        return Ok(Some(known));
    }
    let parent = tree.id(client, Some(branch)).await?;
    match make(client, Some(&parent), name, attributes).await {
        Ok(_) => Ok(None),
        // Another process was faster.
        Err(failed) if failed.is(409) => child(client, tree, branch, name).await?.ok_or(failed).map(Some),
        Err(failed) => Err(failed),
    }
}

/// Creates or replaces a group of a branch.
async fn set_child(
    client: &Client,
    tree: &GroupStore,
    branch: Branch,
    name: &str,
    attributes: Attributes,
) -> Result<(), ClientError> {
    match make_child(client, tree, branch, name, &attributes).await? {
        Some(known) if known.attributes != attributes => put(client, &Group { attributes, ..known }).await,
        Some(_) | None => Ok(()),
    }
}

async fn delete(client: &Client, id: &str) -> Result<(), ClientError> {
    optional(client.call(Call::delete(DELETE_GROUP, &["groups", id])).await).map(drop)
}

/// The account that a group describes.
fn account(group: &Group) -> AccountRecord {
    let owners = group.attributes.get(OWNERS).map(Vec::as_slice).unwrap_or_default();
    // An Owner with an unreadable address is ignored.
    let mut owners: Vec<Email> = owners.iter().filter_map(|text| Email::parse(text).ok()).collect();
    owners.sort();
    owners.dedup();
    let deleted = first(&group.attributes, DELETED) == Some("true");
    let name = first(&group.attributes, NAME).unwrap_or(&group.name).to_owned();
    AccountRecord { name, owners, deleted }
}

/// All accounts.
pub async fn accounts(client: &Client, tree: &GroupStore) -> Result<Vec<AccountRecord>, ClientError> {
    Ok(children(client, tree, Branch::Accounts).await?.iter().map(account).collect())
}

/// One account.
pub async fn one_account(client: &Client, tree: &GroupStore, name: &str) -> Result<Option<AccountRecord>, ClientError> {
    Ok(child(client, tree, Branch::Accounts, name).await?.as_ref().map(account))
}

/// Writes an account.
pub async fn set_account(client: &Client, tree: &GroupStore, account: &AccountRecord) -> Result<(), ClientError> {
    let mut attributes = Attributes::new();
    attributes.insert(OWNERS.to_owned(), account.owners.iter().map(ToString::to_string).collect());
    attributes.insert(NAME.to_owned(), vec![account.name.clone()]);
    if account.deleted {
        attributes.insert(DELETED.to_owned(), vec!["true".to_owned()]);
    }
    attributes.retain(|_, values| !values.is_empty());
    set_child(client, tree, Branch::Accounts, &account.name, attributes).await
}

/// The mails to addresses without a record.
pub async fn mails(client: &Client, tree: &GroupStore) -> Result<Vec<MailRecord>, ClientError> {
    let read = |group: &Group| {
        let at = first(&group.attributes, MAILED_AT)?.parse().ok()?;
        Some(MailRecord { address: Email::parse(&group.name).ok()?, at, recent: recent(group) })
    };
    Ok(children(client, tree, Branch::Mails).await?.iter().filter_map(read).collect())
}

/// The mails of the last hour in a group's attributes.
fn recent(group: &Group) -> Vec<SentMail> {
    group.attributes.get(RECENT_MAILS).into_iter().flatten().filter_map(|text| SentMail::parse(text)).collect()
}

/// Writes the last mail before its record is removed.
pub async fn remember_mail(client: &Client, tree: &GroupStore, mail: &MailRecord) -> Result<(), ClientError> {
    // Mails to an earlier record of the address were stored then.
    let known = child(client, tree, Branch::Mails, mail.address.as_str()).await?;
    let since = mail.at.checked_sub(SENT_KEPT).unwrap_or(Timestamp::MIN);
    let earlier = known.as_ref().map(recent).unwrap_or_default();
    let all: BTreeSet<SentMail> =
        earlier.into_iter().filter(|sent| sent.at > since).chain(mail.recent.clone()).collect();
    let mut attributes: Attributes = [(MAILED_AT.to_owned(), vec![format!("{:.9}", mail.at)])].into();
    attributes.insert(RECENT_MAILS.to_owned(), all.iter().map(ToString::to_string).collect());
    attributes.retain(|_, values| !values.is_empty());
    set_child(client, tree, Branch::Mails, mail.address.as_str(), attributes).await
}

/// Deletes mails that are too old to have an effect.
pub async fn forget_mails(client: &Client, tree: &GroupStore, before: Timestamp) -> Result<(), ClientError> {
    for group in children(client, tree, Branch::Mails).await? {
        let old = first(&group.attributes, MAILED_AT).and_then(|text| text.parse::<Timestamp>().ok());
        if old.is_some_and(|at| at < before) {
            delete(client, &group.id).await?;
        }
    }
    Ok(())
}

fn share(group: &Group) -> Option<ShareRecord> {
    let value = |name| first(&group.attributes, name).map(str::to_owned);
    Some(ShareRecord { uid: group.name.clone(), partner_name: value(PARTNER)?, account: value(ACCOUNT)? })
}

/// The shares that have had a grant.
pub async fn shares(client: &Client, tree: &GroupStore) -> Result<Vec<ShareRecord>, ClientError> {
    Ok(children(client, tree, Branch::Shares).await?.iter().filter_map(share).collect())
}

/// Records a share at its first grant. Returns the recorded share, which never changes.
pub async fn remember_share(client: &Client, tree: &GroupStore, new: &ShareRecord) -> Result<ShareRecord, ClientError> {
    let attributes =
        [(PARTNER.to_owned(), vec![new.partner_name.clone()]), (ACCOUNT.to_owned(), vec![new.account.clone()])].into();
    if let Some(known) = make_child(client, tree, Branch::Shares, &new.uid, &attributes).await? {
        if let Some(known) = share(&known) {
            return Ok(known);
        }
        put(client, &Group { attributes, ..known }).await?;
    }
    Ok(new.clone())
}

/// Deletes the record of a share.
pub async fn forget_share(client: &Client, tree: &GroupStore, uid: &str) -> Result<(), ClientError> {
    match child(client, tree, Branch::Shares, uid).await? {
        Some(group) => delete(client, &group.id).await,
        None => Ok(()),
    }
}

/// Whether the root has an attribute.
pub async fn root_says(client: &Client, tree: &GroupStore, attribute: &str) -> Result<bool, ClientError> {
    let Some(root) = tree.known_root().await else { return Ok(false) };
    Ok(optional(get(client, &root).await)?.is_some_and(|root| root.attributes.contains_key(attribute)))
}

/// The error for a realm that has lost its owner.
pub fn nobodys() -> Error {
    Error::Refused {
        message:
            "the realm no longer names the owner of the directory: the group guestlist/owner or guestlist/leader is \
                  gone. If the realm was created again or restored, restart guestlist"
                .to_owned(),
    }
}

/// One call that fails early with a fix if the realm cannot be used.
pub async fn reachable(client: &Client, tree: &GroupStore) -> Result<(), Error> {
    root(client, tree).await.map(drop).map_err(Error::from)
}
