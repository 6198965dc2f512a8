//! The loop that drives the engine, with tasks that panic.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::*;
use crate::cache::{Kind, Object, ObjectRef};
use crate::cli::offline::object_store::InMemoryObjects;
use crate::directory::sqlite::{Inline, OpenMode, Store};
use crate::directory::{AccountRecord, DirectoryWriter, Import, Owner, UserRecord};
use crate::domain::Email;
use crate::engine::Failure;
use crate::executor::object_store::Watched;
use crate::executor::object_store::{EventContext, ObjectStore, PatchTarget};
use crate::workspace_policy::WorkspacePolicy;

const POLICY: &str = "{domains: [host.example], tenants: [{namespace: partners, hostAdmins: ['*@host.example']}]}";

/// Objects in memory. Writes to one object panic until the counter reaches zero.
struct Panicking {
    inner: InMemoryObjects,
    name: &'static str,
    left: AtomicU32,
}

impl ObjectStore for Panicking {
    fn get<'a>(&'a self, key: &'a ObjectRef) -> BoxFuture<'a, Result<Object, Failure>> {
        self.inner.get(key)
    }

    fn patch<'a>(
        &'a self,
        key: &'a ObjectRef,
        part: PatchTarget,
        patch: &'a Value,
    ) -> BoxFuture<'a, Result<Object, Failure>> {
        let left = |left: u32| left.checked_sub(1);
        let panics =
            &*key.name == self.name && self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left).is_ok();
        async move {
            assert!(!panics, "injected with \"hunter2\"");
            self.inner.patch(key, part, patch).await
        }
        .boxed()
    }

    fn delete<'a>(&'a self, key: &'a ObjectRef, uid: &'a str) -> BoxFuture<'a, Result<Option<Object>, Failure>> {
        self.inner.delete(key, uid)
    }

    fn has_members<'a>(&'a self, partner: &'a ObjectRef) -> BoxFuture<'a, Result<bool, Failure>> {
        self.inner.has_members(partner)
    }

    fn publish<'a>(&'a self, telling: EventContext<'a>) -> BoxFuture<'a, ()> {
        self.inner.publish(telling)
    }
}

fn object<K: Watched>(kind: &str, name: &str, spec: Value) -> Object {
    let metadata =
        json!({"namespace": "partners", "name": name, "uid": format!("uid-of-{name}"), "resourceVersion": "1"});
    let object = json!({"apiVersion": "guestlist.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec});
    serde_json::from_value::<K>(object).unwrap().declared()
}

fn member(name: &str) -> Object {
    let (email, inviter) = (format!("{name}@acme.example"), "alice@host.example");
    let spec = json!({"partnerRef": {"name": "acme"}, "email": email, "invitedBy": inviter});
    object::<api::GuestMembership>("GuestMembership", name, spec)
}

/// A directory in which Alice owns an account.
async fn directory(owner: &Owner) -> (Arc<Inline>, crate::directory::Snapshot, crate::directory::Epoch) {
    let alice = Email::parse("alice@host.example").unwrap();
    let mut store = Store::open(Path::new(":memory:"), OpenMode::Create).unwrap();
    let user = UserRecord { email: alice.clone(), name: "Alice".to_owned(), enabled: true, verified: true };
    let account = AccountRecord { name: "instagram".to_owned(), owners: vec![alice], deleted: false };
    store.import(&Import { users: vec![user], accounts: vec![account] }).unwrap();
    let held = store.everything().unwrap();
    let directory = Arc::new(Inline::new(store));
    directory.claim(owner).await.unwrap();
    let epoch = directory.lead().await.unwrap();
    (directory, held, epoch)
}

#[tokio::test]
async fn panicking_task_is_retried_counted_and_delays_no_other() {
    let (began, start) = (tokio::time::Instant::now(), jiff::Timestamp::UNIX_EPOCH);
    let clock = Clock::new(move || start + began.elapsed());
    let owner = Owner { installation: "default".to_owned(), cluster: "test".to_owned() };
    let (directory, held, epoch) = directory(&owner).await;
    let partner = object::<api::LocalPartner>("LocalPartner", "acme", json!({"hostAdmins": ["alice@host.example"]}));
    let inner = InMemoryObjects::holding([partner, member("bob"), member("carol")], clock.clone());
    let objects = Arc::new(Panicking { inner, name: "bob", left: AtomicU32::new(3) });
    let health = Health::default();
    let executor = Executor {
        objects: objects.clone(),
        directory,
        epoch,
        term: LeaseTerm::endless(clock.clone()),
        clock: clock.clone(),
        metrics: health.metrics.clone(),
    };
    let (sender, inbox) = mpsc::channel(16);
    sender.send(Input::Loading).await.unwrap();
    sender.send(Input::Loaded(Box::new(held))).await.unwrap();
    for kind in Kind::ALL {
        let listed = objects.inner.list(kind).into_iter().map(Into::into).collect();
        sender.send(Input::Listed { kind, objects: listed, version: objects.inner.version() }).await.unwrap();
        sender.send(Input::Bookmark { kind, version: u64::MAX }).await.unwrap();
    }
    // One worker: a task that occupied it would block all objects.
    let engine = Engine::new(owner, WorkspacePolicy::parse(POLICY).unwrap(), 1);
    let invited = || {
        let states = objects.inner.statuses(Kind::Membership, |_, status| status["state"] == "Invited");
        states.iter().filter(|invited| **invited).count()
    };
    let stop = async {
        while invited() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let mut stop = std::pin::pin!(stop);
    let driven = drive(engine, executor, inbox, &health, stop.as_mut());
    tokio::time::timeout(Duration::from_mins(2), driven).await.unwrap().unwrap();
    assert_eq!(objects.left.load(Ordering::Relaxed), 0);
    let metrics = health.metrics.text();
    assert!(metrics.contains("guestlist_task_panics_total{task=\"execute\"} 3"), "{metrics}");
    assert_eq!(health.answer().0, axum::http::StatusCode::OK);
}
