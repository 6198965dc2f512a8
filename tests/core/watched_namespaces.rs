//! One list and one watch for each kind and namespace.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::http::{Request, Response};
use guestlist::api::LocalPartner;
use guestlist::cache::{AnyCachedObject, Collection, Kind, Object, ObjectCache, ObjectRef, WatchedNamespaces};
use guestlist::directory::Owner;
use guestlist::engine::{Engine, Input};
use guestlist::operator::watch::follow;
use guestlist::workspace_policy::WorkspacePolicy;
use jiff::Timestamp;
use kube::Client;
use kube::client::Body;
use serde_json::json;

fn collection(kind: Kind, namespace: &str) -> Collection {
    Collection { kind, namespace: Some(namespace.into()) }
}

fn partner(namespace: &str, name: &str) -> Object {
    let object = json!({
        "apiVersion": "guestlist.dev/v1alpha1", "kind": "LocalPartner",
        "metadata": {"namespace": namespace, "name": name, "uid": format!("{namespace}-{name}"), "resourceVersion": "5"},
        "spec": {"hostAdmins": ["alice@host.example"]},
    });
    Object::Partner(Box::new(serde_json::from_value::<LocalPartner>(object).unwrap()))
}

fn names(objects: &ObjectCache) -> Vec<String> {
    objects.keys(Kind::Partner).map(|ObjectRef { namespace, name, .. }| format!("{namespace}/{name}")).collect()
}

#[test]
fn relist_of_a_namespace_removes_only_its_own_objects() {
    let mut objects = ObjectCache::default();
    let list = |namespace: &str, names: &[&str]| -> Vec<AnyCachedObject> {
        names.iter().map(|name| partner(namespace, name).into()).collect()
    };
    for namespace in ["a", "a-b", "b"] {
        objects.replace(&collection(Kind::Partner, namespace), list(namespace, &["one", "two"]));
    }
    objects.replace(&collection(Kind::Partner, "a"), list("a", &["two"]));
    assert_eq!(names(&objects), ["a/two", "a-b/one", "a-b/two", "b/one", "b/two"]);
    objects.replace(&collection(Kind::Partner, "b"), Vec::new());
    objects.replace(&collection(Kind::Membership, "a"), Vec::new());
    assert_eq!(names(&objects), ["a/two", "a-b/one", "a-b/two"]);
    // The list of all namespaces removes whatever it lacks.
    objects.replace(&Kind::Partner.into(), list("a", &["two"]));
    assert_eq!(names(&objects), ["a/two"]);
}

#[test]
fn leader_is_ready_once_every_collection_is_listed() {
    let owner = Owner { installation: "default".to_owned(), cluster: "test".to_owned() };
    let namespaces = WatchedNamespaces::named(["a", "b"]).unwrap();
    let mut engine = Engine::new(owner, WorkspacePolicy::default(), 4).with_namespaces(namespaces.clone());
    let now = Timestamp::UNIX_EPOCH;
    engine.handle(Input::Loaded(Box::default()), now);
    let listed = |collection: Collection| Input::Listed { collection, objects: Vec::new(), version: 1 };
    let failed = |namespace| Input::WatchFailed {
        collection: collection(Kind::Share, namespace),
        problem: "not allowed".to_owned(),
    };
    engine.handle(failed("a"), now);
    engine.handle(failed("b"), now);
    for collection in namespaces.collections() {
        assert!(engine.health().missing().contains(&format!("no full list of {collection} yet")));
        engine.gc_now();
        assert_eq!(engine.tasks(now), [], "nothing is done before {collection} is listed");
        engine.handle(listed(collection), now);
    }
    assert_eq!(engine.health().missing(), Vec::<String>::new());
    // Each watch has its own problem, and the list of one namespace does not solve that of another.
    engine.handle(failed("a"), now);
    engine.handle(failed("b"), now);
    engine.handle(listed(collection(Kind::Share, "a")), now);
    assert_eq!(engine.health().missing(), ["AccountShare in namespace b: not allowed"]);
}

/// Answers an empty list, and keeps watches open. Notes the path of each request.
fn answering(paths: &Arc<Mutex<Vec<String>>>) -> Client {
    let paths = paths.clone();
    let service = tower::service_fn(move |request: Request<Body>| {
        paths.lock().unwrap().push(request.uri().path().to_owned());
        let watches = request.uri().query().is_some_and(|query| query.contains("watch=true"));
        let list = json!({
            "apiVersion": "guestlist.dev/v1alpha1", "kind": "LocalPartnerList",
            "metadata": {"resourceVersion": "7"}, "items": [],
        });
        async move {
            if watches {
                std::future::pending::<()>().await;
            }
            Ok::<_, Infallible>(Response::new(Body::from(list.to_string().into_bytes())))
        }
    });
    Client::new(service, "default")
}

#[tokio::test]
async fn watch_of_a_namespace_asks_for_that_namespace_alone() {
    let paths = Arc::new(Mutex::new(Vec::new()));
    let (sender, mut inbox) = tokio::sync::mpsc::channel(16);
    let following = tokio::spawn(follow::<LocalPartner>(answering(&paths), Some("team-a".into()), sender));
    let Some(Input::Listed { collection: listed, version: 7, .. }) = inbox.recv().await else { panic!("no list") };
    assert_eq!(listed, collection(Kind::Partner, "team-a"));
    while paths.lock().unwrap().len() < 2 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    following.abort();
    let path = "/apis/guestlist.dev/v1alpha1/namespaces/team-a/localpartners";
    assert_eq!(*paths.lock().unwrap(), [path, path]);
}

/// A server restored from a backup may count its versions again.
#[test]
fn listed_object_with_another_uid_replaces_the_stored_one() {
    let mut objects = ObjectCache::default();
    let mut successor = partner("a", "one");
    let Object::Partner(object) = &mut successor else { unreachable!() };
    object.metadata.uid = Some("another".to_owned());
    objects.replace(&Kind::Partner.into(), vec![partner("a", "one").into()]);
    let key = ObjectRef::new(Kind::Partner, "a", "one");
    let touched = objects.replace(&Kind::Partner.into(), vec![successor.into()]);
    assert!(touched.keys.contains(&key) && objects.has_partner_uid("another") && !objects.has_partner_uid("a-one"));
    assert!(objects.replace(&Kind::Partner.into(), vec![]).keys.contains(&key));
}
