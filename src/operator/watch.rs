//! Lists and watches one kind, in one namespace or in all. It does not use the library's loop, because freshness needs
//! the resourceVersions of bookmarks, which the library does not expose.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use kube::api::{Api, ListParams, WatchEvent, WatchParams};
use kube::core::{NamespaceResourceScope, ObjectMeta};
use kube::{Client, Resource};
use tokio::sync::mpsc;

use super::error::describe;
use crate::cache::resource_version;
use crate::cache::resource_version::Malformed;
use crate::cache::{AnyCachedObject, Collection, Object, ObjectRef};
use crate::engine::Input;
use crate::executor::object_store::Watched;
use crate::executor::received_object::ReceivedObject;

/// Page size of a list.
const PAGE: u32 = 500;
/// Timeout for one page of a list.
const LIST_DEADLINE: Duration = Duration::from_secs(30);
/// Duration of a watch, after which the server ends it.
const WATCH_SECONDS: u32 = 290;
/// A watch that lasted this long was ended by its own time limit.
const FULL_TERM: Duration = Duration::from_secs(280);
/// Longest silence of a watch: the server sends a bookmark each minute.
const LONGEST_SILENCE: Duration = Duration::from_secs(150);

/// A watch that lasted this long counts as successful.
const SHORTEST_SUCCESS: Duration = Duration::from_secs(5);

/// The reason for the end of a watch.
enum WatchEnd {
    /// The watch reached its time limit: continue at the same version.
    Expired,
    /// The server does not know the version, or may have been restored: list again.
    Forgotten,
    /// The call failed.
    Failed(String),
}

/// Lists and watches a kind in a loop, in one namespace or in all. Returns when the receiver is closed.
pub async fn follow<K: Watched + Resource<Scope = NamespaceResourceScope>>(
    client: Client,
    namespace: Option<Arc<str>>,
    inbox: mpsc::Sender<Input>,
) {
    let objects: Api<ReceivedObject<K>> = match &namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    };
    let collection = Collection { kind: K::KIND, namespace };
    let failed = async |problem| inbox.send(Input::WatchFailed { collection: collection.clone(), problem }).await;
    let mut failures: u32 = 0;
    'list: loop {
        let (listed, version) = match list::<K, AnyCachedObject>(&objects).await {
            Ok(listed) => listed,
            Err(problem) => {
                failures += 1;
                if failed(problem).await.is_err() {
                    return;
                }
                tokio::time::sleep(pause(failures)).await;
                continue;
            }
        };
        let input = Input::Listed { collection: collection.clone(), objects: listed, version };
        if inbox.send(input).await.is_err() {
            return;
        }
        let mut version = version.to_string();
        loop {
            let began = tokio::time::Instant::now();
            let ended = watch(&objects, &collection, &mut version, &inbox).await;
            // Only a watch that lasted counts as a success. Otherwise a watch that fails at once would restart without
            // a pause.
            let lasted = began.elapsed() >= SHORTEST_SUCCESS;
            if lasted {
                failures = 0;
            }
            let (again, is_failed) = match ended {
                Err(()) => return,
                Ok(WatchEnd::Expired) => (false, false),
                Ok(WatchEnd::Forgotten) => (true, false),
                Ok(WatchEnd::Failed(problem)) => {
                    if failed(problem).await.is_err() {
                        return;
                    }
                    // After an outage the server may have been restored from a backup: the new list replaces the cache.
                    (true, true)
                }
            };
            if is_failed || !lasted {
                failures += 1;
                tokio::time::sleep(pause(failures)).await;
            }
            if again {
                continue 'list;
            }
        }
    }
}

/// All objects of a kind, page by page, and the version of the list. Each has a version that can be compared.
pub(super) async fn list<K: Watched, T: From<Object>>(
    objects: &Api<ReceivedObject<K>>,
) -> Result<(Vec<T>, u64), String> {
    let mut all = Vec::new();
    let mut params = ListParams::default().limit(PAGE);
    loop {
        let page = tokio::time::timeout(LIST_DEADLINE, objects.list(&params))
            .await
            .map_err(|_| format!("the API server did not answer a list of {} in 30s", K::plural(&())))?
            .map_err(|error| explain::<K>("list", &error))?;
        for object in page.items {
            version_of(object.meta())?;
            all.push(T::from(object.declared()));
        }
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok((all, list_version::<K>("a list", page.metadata.resource_version.as_deref())?)),
        }
    }
}

async fn watch<K: Watched>(
    objects: &Api<ReceivedObject<K>>,
    collection: &Collection,
    version: &mut String,
    inbox: &mpsc::Sender<Input>,
) -> Result<WatchEnd, ()> {
    let params = WatchParams::default().timeout(WATCH_SECONDS);
    let stream = match tokio::time::timeout(LIST_DEADLINE, objects.watch(&params, version)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Ok(ended::<K>(&error)),
        Err(_) => {
            return Ok(WatchEnd::Failed(format!("the API server did not open a watch of {} in 30s", K::plural(&()))));
        }
    };
    let mut stream = std::pin::pin!(stream);
    let began = tokio::time::Instant::now();
    loop {
        let event = match tokio::time::timeout(LONGEST_SILENCE, stream.next()).await {
            Ok(None) if began.elapsed() >= FULL_TERM => return Ok(WatchEnd::Expired),
            // The watch ended early or was silent: the server may return restored from a backup, at a lower version. A
            // watch from the old version would then receive nothing until the server reaches that version again.
            Err(_) | Ok(None) => return Ok(WatchEnd::Forgotten),
            Ok(Some(Err(error))) => return Ok(ended::<K>(&error)),
            Ok(Some(Ok(event))) => event,
        };
        let (input, reached) = match input_of::<K>(collection, event) {
            Ok(input) => input,
            Err(end) => return Ok(end),
        };
        *version = reached.to_string();
        inbox.send(input).await.map_err(|_| ())?;
    }
}

fn ended<K: Watched>(error: &kube::Error) -> WatchEnd {
    if matches!(error, kube::Error::Api(status) if status.code == 410) {
        return WatchEnd::Forgotten;
    }
    WatchEnd::Failed(explain::<K>("watch", error))
}

/// Describes a failure with its fix.
#[expect(clippy::wildcard_enum_match_arm, reason = "kube has many errors, and may add more")]
fn explain<K: Watched>(verb: &str, error: &kube::Error) -> String {
    let plural = K::plural(&());
    match error {
        kube::Error::Api(status) if status.code == 404 => {
            format!(
                "the API server does not know {plural}.guestlist.dev; install the CRDs: guestlist crds | kubectl apply --server-side -f -"
            )
        }
        kube::Error::Api(status) if status.code == 403 => {
            format!(
                "not allowed to {verb} {plural}.guestlist.dev: {}; the chart has what is needed: a ClusterRole, or a Role \
                 for each namespace of watchNamespaces",
                status.message
            )
        }
        error => format!("failed to {verb} {plural}: {}", describe(error)),
    }
}

/// The input for a watch event, and the version that the watch has reached with it.
fn input_of<K: Watched>(
    collection: &Collection,
    event: WatchEvent<ReceivedObject<K>>,
) -> Result<(Input, u64), WatchEnd> {
    let (input, version) = match event {
        WatchEvent::Added(object) | WatchEvent::Modified(object) => {
            let version = version_of(object.meta()).map_err(WatchEnd::Failed)?;
            (Input::Applied { object: Box::new(object.declared()), version }, version)
        }
        WatchEvent::Deleted(object) => {
            let meta = object.meta();
            let version = version_of(meta).map_err(WatchEnd::Failed)?;
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            let key = ObjectRef::new(K::KIND, text(&meta.namespace), text(&meta.name));
            (Input::Deleted { key, uid: text(&meta.uid), version }, version)
        }
        WatchEvent::Bookmark(bookmark) => {
            let version = list_version::<K>("a bookmark", Some(&bookmark.metadata.resource_version));
            let version = version.map_err(WatchEnd::Failed)?;
            (Input::Bookmark { collection: collection.clone(), version }, version)
        }
        WatchEvent::Error(status) if status.code == 410 => return Err(WatchEnd::Forgotten),
        WatchEvent::Error(status) => return Err(WatchEnd::Failed(status.message.clone())),
    };
    Ok((input, version))
}

/// An object's version. The error names the object.
fn version_of(meta: &ObjectMeta) -> Result<u64, String> {
    resource_version::parse(meta.resource_version.as_deref().unwrap_or_default()).map_err(|malformed| {
        let part = |part: &Option<String>| part.clone().unwrap_or_default();
        incomparable(&format!("{}/{}", part(&meta.namespace), part(&meta.name)), &malformed)
    })
}

fn list_version<K: Watched>(what: &str, version: Option<&str>) -> Result<u64, String> {
    let parsed = resource_version::parse(version.unwrap_or_default());
    parsed.map_err(|malformed| incomparable(&format!("{what} of {}", K::plural(&())), &malformed))
}

fn incomparable(what: &str, malformed: &Malformed) -> String {
    format!(
        "the API server sent {what}: {malformed}. The operator cannot compare it, and grants nothing on it. Use an API server \
         whose resourceVersions are those of etcd"
    )
}

/// The pause after a number of failures. It stays short, because a revocation in the meantime waits for the next list.
fn pause(failures: u32) -> Duration {
    Duration::from_millis(200 * 2_u64.pow(failures.min(4)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watch_after_outage_of_any_length_retries_within_seconds() {
        assert!(pause(1) < pause(4));
        assert!(pause(u32::MAX) <= Duration::from_secs(4));
    }
}
