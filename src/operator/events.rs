//! Publishes Kubernetes Events: constant sentences, and names derived from UID, reason and generation. A restart does
//! not repeat an Event. A failure to publish never fails the work.

use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::Client;
use kube::api::{Api, PostParams};
use uuid::Uuid;

use super::error::describe;
use crate::api;
use crate::executor::object_store::EventContext;

/// Timeout for publishing an Event.
const DEADLINE: Duration = Duration::from_secs(5);
/// The UUID namespace for the names of Events.
const EVENT_IDS: Uuid = Uuid::from_bytes(*b"guestlist-events");

/// Publishes Events.
#[derive(Clone)]
pub struct EventRecorder {
    client: Client,
    instance: String,
}

impl EventRecorder {
    /// Creates a recorder that reports as `instance`.
    pub fn new(client: Client, instance: String) -> Self {
        Self { client, instance }
    }

    /// Publishes an Event once. A failure is only logged.
    pub async fn publish(&self, telling: &EventContext<'_>) {
        let event = self.event(telling);
        let events: Api<Event> = Api::namespaced(self.client.clone(), &telling.key.namespace);
        let params = PostParams::default();
        match tokio::time::timeout(DEADLINE, events.create(&params, &event)).await {
            Ok(Ok(_)) => {}
            // The Event exists already.
            Ok(Err(kube::Error::Api(status))) if status.code == 409 => {}
            // A terminating namespace accepts no Events.
            Ok(Err(kube::Error::Api(status))) if status.code == 403 && status.message.contains("being terminated") => {}
            Ok(Err(error)) => tracing::warn!(key = %telling.key, "failed to write an Event: {}", describe(&error)),
            Err(_) => tracing::warn!(key = %telling.key, "failed to write an Event in 5s"),
        }
    }

    fn event(&self, telling: &EventContext<'_>) -> Event {
        let EventContext { key, uid, generation, event: notice, at } = telling;
        let identity = format!("{uid}/{}/{}/{}", notice.action, notice.reason, generation.unwrap_or_default());
        let id = Uuid::new_v5(&EVENT_IDS, identity.as_bytes()).simple().to_string();
        Event {
            metadata: ObjectMeta {
                name: Some(format!("{}.{}", key.name, &id[..16])),
                namespace: Some(key.namespace.to_string()),
                ..ObjectMeta::default()
            },
            event_time: Some(MicroTime(*at)),
            type_: Some(if notice.warning { "Warning" } else { "Normal" }.to_owned()),
            reason: Some(notice.reason.as_str().to_owned()),
            action: Some(notice.action.to_owned()),
            note: Some(notice.note.to_owned()),
            reporting_controller: Some("guestlist.dev/operator".to_owned()),
            reporting_instance: Some(self.instance.clone()),
            regarding: Some(ObjectReference {
                api_version: Some(format!("{}/{}", api::GROUP, api::VERSION)),
                kind: Some(key.kind.as_str().to_owned()),
                name: Some(key.name.to_string()),
                namespace: Some(key.namespace.to_string()),
                uid: Some((*uid).to_owned()),
                ..ObjectReference::default()
            }),
            ..Event::default()
        }
    }
}
