//! The loop that drives the engine, with tasks that panic. The requests to an API server, and the reactions to its answers.

use std::convert::Infallible;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use axum::http::{Request, Response};
use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use kube::client::Body;
use serde_json::{Value, json};

use super::*;
use crate::cache::{Kind, Object, ObjectRef};
use crate::cli::offline::object_store::InMemoryObjects;
use crate::directory::sqlite::{Inline, OpenMode, Store};
use crate::directory::{AccountRecord, DirectoryWriter, Import, Owner, UserRecord};
use crate::domain::{Email, Reason};
use crate::engine::Failure;
use crate::executor::object_store::Watched;
use crate::executor::object_store::{EventContext, ObjectStore, PatchTarget};
use crate::operator::events::EventRecorder;
use crate::operator::kubernetes::{Kubernetes, Readings};
use crate::plan::Event;
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
        sender
            .send(Input::Listed { collection: kind.into(), objects: listed, version: objects.inner.version() })
            .await
            .unwrap();
        sender.send(Input::Bookmark { collection: kind.into(), version: u64::MAX }).await.unwrap();
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

/// The bodies of the requests that an API server received.
type Requests = Arc<Mutex<Vec<Value>>>;

/// An API server that answers each request alike.
fn answering(code: u16, answer: Value) -> (Kubernetes, Requests) {
    let requests = Requests::default();
    let received = requests.clone();
    let service = tower::service_fn(move |request: Request<Body>| {
        let (received, text) = (received.clone(), answer.to_string());
        async move {
            let body = request.into_body().collect_bytes().await.unwrap();
            received.lock().unwrap().push(serde_json::from_slice(&body).unwrap_or_default());
            let response = Response::builder().status(code).body(Body::from(text.into_bytes())).unwrap();
            Ok::<_, Infallible>(response)
        }
    });
    let client = Client::new(service, "guestlist");
    let clock = Clock::new(|| Timestamp::UNIX_EPOCH);
    let objects = Kubernetes {
        client: client.clone(),
        term: LeaseTerm::endless(clock),
        recorder: EventRecorder::new(client, "a".to_owned()),
        readings: Readings::default(),
    };
    (objects, requests)
}

fn refusal(code: u16, message: &str) -> Value {
    json!({"kind": "Status", "status": "Failure", "reason": "Other", "message": message, "code": code,
        "details": {"retryAfterSeconds": 7}})
}

#[tokio::test]
async fn refusal_of_the_api_server_decides_the_reaction() {
    let key = ObjectRef::new(Kind::Membership, "partners", "bob");
    let reaction = |failure: Failure| {
        if let Failure::RetryAfter(after, _) = failure {
            return format!("after {}s", after.as_secs());
        }
        format!("{failure:?}").split('(').next().unwrap_or_default().to_owned()
    };
    for (code, message, expected) in [
        (404, "not found", "NotFound"),
        (409, "modified", "Conflict"),
        (403, "namespace partners is being terminated", "NotFound"),
        (403, "no rights", "Retry"),
        (400, "bad", "Permanent"),
        (422, "invalid", "Permanent"),
        (429, "busy", "after 7s"),
        (500, "error", "Retry"),
        (503, "away", "Retry"),
    ] {
        let (objects, _) = answering(code, refusal(code, message));
        assert_eq!(reaction(objects.get(&key).await.unwrap_err()), expected, "get: {code} {message}");
        let patched = objects.patch(&key, PatchTarget::Status, &json!({})).await;
        assert_eq!(reaction(patched.unwrap_err()), expected, "patch: {code} {message}");
        let deleted = objects.delete(&key, "uid-of-bob").await;
        assert_eq!(reaction(deleted.unwrap_err()), expected, "delete: {code} {message}");
    }
}

#[tokio::test]
async fn deletion_names_the_uid_of_the_object() {
    let (objects, requests) = answering(200, json!({"kind": "Status", "status": "Success", "code": 200}));
    let key = ObjectRef::new(Kind::Membership, "partners", "bob");
    assert!(objects.delete(&key, "uid-of-bob").await.unwrap().is_none());
    let requests = requests.lock().unwrap();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].pointer("/preconditions/uid"), Some(&json!("uid-of-bob")), "{requests:?}");
}

/// A restart publishes the Event again, under a name that exists already.
#[tokio::test]
async fn event_has_one_name_for_each_reason_and_generation() {
    let (objects, requests) =
        answering(201, json!({"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {}}));
    let key = ObjectRef::new(Kind::Membership, "partners", "bob");
    let (quota, domain) = (Event::refused(Reason::QuotaExceeded), Event::refused(Reason::DomainNotAllowed));
    for (uid, generation, event) in [
        ("uid-of-bob", 1, &quota),
        ("uid-of-bob", 1, &quota),
        ("uid-of-bob", 2, &quota),
        ("uid-of-bob", 1, &domain),
        ("another-uid", 1, &quota),
    ] {
        let at = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(generation);
        objects.publish(EventContext { key: &key, uid, generation: Some(generation), event, at }).await;
    }
    let requests = requests.lock().unwrap();
    let names: Vec<&str> = requests.iter().filter_map(|event| event.pointer("/metadata/name")?.as_str()).collect();
    assert_eq!(names.len(), 5, "{requests:?}");
    assert_eq!(names[0], names[1]);
    let different: std::collections::BTreeSet<_> = names.iter().collect();
    assert_eq!(different.len(), 4, "{names:?}");
}
