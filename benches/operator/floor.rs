//! The baseline: a finalizer and a status for each object and a directory write for each guest, with three watches open
//! and without logic.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use guestlist::api;
use guestlist::cache::Kind;
use guestlist::directory::sqlite::{Directory, OpenMode, Store};
use guestlist::directory::{
    DirectoryWriter, Epoch, GuestChange, GuestId, NewGuest, Operation, Origin, Owner, OwnershipMark, PartnerChange,
    PartnerId,
};
use guestlist::domain::{Email, GuestRole};
use guestlist::executor::object_store::Watched;
use jiff::{SignedDuration, Timestamp};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, WatchParams};
use kube::core::{DeserializeGuard, NamespaceResourceScope};
use kube::{Client, Resource};
use serde_json::{Value, json};

use super::controlplane::ControlPlane;
use super::world::{self, Size, at_once};

/// The baseline makes its calls as the operator, and everything before and after as the administrator.
pub struct Clients {
    /// With the operator's service account.
    pub operator: Client,
    /// With all rights.
    pub administrator: Client,
}

/// The duration of the baseline in its own namespace. Everything is deleted afterwards.
pub async fn run(clients: &Clients, plane: &ControlPlane, namespace: &str, size: Size, concurrency: usize) -> Duration {
    let client = &clients.operator;
    plane.kubectl(&["create", "namespace", namespace]).ok();
    world::create(&clients.administrator, namespace, size, concurrency).await;
    let watches = [
        tokio::spawn(watch::<api::LocalPartner>(client.clone())),
        tokio::spawn(watch::<api::GuestMembership>(client.clone())),
        tokio::spawn(watch::<api::AccountShare>(client.clone())),
    ];
    let (directory, epoch) = directory(plane, namespace, size).await;
    let began = Instant::now();
    at_once(concurrency, world::objects(namespace, size), |(kind, name, object)| {
        let directory = directory.clone();
        async move {
            patch(client, namespace, kind, &name, false, json!({"metadata": {"finalizers": [api::FINALIZER]}})).await;
            if kind == Kind::Membership {
                let address = object["spec"]["email"].as_str().unwrap();
                let partner = object["spec"]["partnerRef"]["name"].as_str().unwrap();
                directory.execute(&admit(&name, address, partner), None, Timestamp::now(), epoch).await.unwrap();
            }
            patch(client, namespace, kind, &name, true, json!({"status": status(kind)})).await;
        }
    })
    .await;
    let took = began.elapsed();
    at_once(concurrency, world::objects(namespace, size), |(kind, name, _)| async move {
        patch(client, namespace, kind, &name, false, json!({"metadata": {"finalizers": null}})).await;
    })
    .await;
    let client = &clients.administrator;
    tokio::join!(
        delete_all::<api::GuestMembership>(client, namespace),
        delete_all::<api::AccountShare>(client, namespace),
        delete_all::<api::LocalPartner>(client, namespace)
    );
    watches.iter().for_each(tokio::task::JoinHandle::abort);
    took
}

/// One call for each kind: kubectl would delete the objects one by one, and wait for each.
async fn delete_all<K: Watched + Resource<Scope = NamespaceResourceScope>>(client: &Client, namespace: &str) {
    let objects: Api<DeserializeGuard<K>> = Api::namespaced(client.clone(), namespace);
    drop(objects.delete_collection(&DeleteParams::default(), &ListParams::default()).await.unwrap());
}

async fn watch<K: Watched>(client: Client) {
    let objects: Api<DeserializeGuard<K>> = Api::all(client);
    let listed = objects.list_metadata(&ListParams::default().limit(1)).await.unwrap();
    let version = listed.metadata.resource_version.unwrap();
    let mut events = objects.watch(&WatchParams::default(), &version).await.unwrap().boxed();
    while let Some(event) = events.next().await {
        drop(event);
    }
}

async fn patch(client: &Client, namespace: &str, kind: Kind, name: &str, status: bool, patch: Value) {
    match kind {
        Kind::Partner => patch_one::<api::LocalPartner>(client, namespace, name, status, patch).await,
        Kind::Membership => patch_one::<api::GuestMembership>(client, namespace, name, status, patch).await,
        Kind::Share => patch_one::<api::AccountShare>(client, namespace, name, status, patch).await,
    }
}

async fn patch_one<K: Watched + Resource<Scope = NamespaceResourceScope>>(
    client: &Client,
    namespace: &str,
    name: &str,
    status: bool,
    patch: Value,
) {
    let objects: Api<DeserializeGuard<K>> = Api::namespaced(client.clone(), namespace);
    let (params, patch) = (PatchParams::default(), Patch::Merge(&patch));
    if status {
        objects.patch_status(name, &params, &patch).await.unwrap();
    } else {
        objects.patch(name, &params, &patch).await.unwrap();
    }
}

/// A status of about the same size as the operator's.
fn status(kind: Kind) -> Value {
    let condition = |name: &str| {
        json!({
            "type": name, "status": "True", "reason": "Reconciled", "observedGeneration": 1,
            "lastTransitionTime": "2027-01-01T00:00:00Z", "message": "The directory reflects this spec.",
        })
    };
    let conditions = [condition("Accepted"), condition("Ready")];
    match kind {
        Kind::Partner => {
            json!({"observedGeneration": 1, "conditions": conditions, "displayName": "partner", "shares": 5})
        }
        Kind::Share => json!({"observedGeneration": 1, "conditions": conditions, "sharedBy": "alice@host.example"}),
        Kind::Membership => json!({
            "observedGeneration": 1, "conditions": [conditions[0], conditions[1], condition("Joined"), condition("MFASatisfied")],
            "state": "Invited", "role": "GuestUser", "directoryId": "00000000-0000-0000-0000-000000000000",
            "invitation": {"sentAt": "2027-01-01T00:00:00Z", "expiresAt": "2027-01-04T00:00:00Z"}, "mfa": {"enrolled": "Unknown"},
        }),
    }
}

fn mark(name: &str) -> OwnershipMark {
    OwnershipMark {
        installation: "floor".to_owned(),
        cluster: "floor".to_owned(),
        namespace: "floor".to_owned(),
        name: name.to_owned(),
        uid: format!("uid-{name}"),
        origin: Origin::Created,
    }
}

async fn directory(plane: &ControlPlane, name: &str, size: Size) -> (Arc<Directory>, Epoch) {
    let store = Store::open(&plane.dir().join(format!("{name}.db")), OpenMode::Create).unwrap();
    let directory = Arc::new(Directory::start(store).unwrap());
    let owner = Owner { installation: "floor".to_owned(), cluster: "floor".to_owned() };
    directory.claim(&owner).await.unwrap();
    let epoch = directory.lead().await.unwrap();
    for partner in 0..size.partners {
        let name = format!("partner-{partner}");
        let ensure = Operation::Partner {
            id: PartnerId(name.clone()),
            change: PartnerChange::Apply {
                mark: mark(&name),
                display_name: name,
                host_admins: vec![Email::parse("alice@host.example").unwrap()],
                suspended: false,
            },
        };
        directory.execute(&ensure, None, Timestamp::now(), epoch).await.unwrap();
    }
    (directory, epoch)
}

fn admit(name: &str, address: &str, partner: &str) -> Operation {
    Operation::Guest {
        id: GuestId(name.to_owned()),
        change: GuestChange::Invite(NewGuest {
            mark: mark(name),
            partner: PartnerId(partner.to_owned()),
            partner_name: partner.to_owned(),
            address: Email::parse(address).unwrap(),
            display_name: name.to_owned(),
            role: GuestRole::GuestUser,
            allowed: guestlist::domain::all_methods(),
            expires_at: Timestamp::now() + SignedDuration::from_hours(72),
        }),
    }
}
