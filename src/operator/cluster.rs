//! A cluster as the command line uses it: lists all declared objects and removes finalizers.

use std::time::Duration;

use kube::api::{Api, Patch, PatchParams};
use kube::core::NamespaceResourceScope;
use kube::{Client, Resource};
use serde_json::json;

use super::error::describe;
use super::kubeconfig::ClusterChoice;
use super::term::{connect, identity};
use super::watch::list;
use crate::api;
use crate::cache::{Kind, Object, ObjectRef, has_finalizer};
use crate::executor::object_store::Watched;
use crate::executor::received_object::ReceivedObject;

/// Timeout of one call.
const DEADLINE: Duration = Duration::from_secs(10);

/// A connection to a cluster.
pub struct Cluster {
    client: Client,
    /// Its identity: the UID of kube-system.
    pub identity: String,
}

impl Cluster {
    /// Connects to a cluster.
    ///
    /// # Errors
    ///
    /// There is no kubeconfig or service account, the context does not exist, or the cluster does not answer.
    pub async fn connect(choice: &ClusterChoice) -> Result<Self, String> {
        let client = connect(choice).await?;
        let identity = identity(&client).await?;
        Ok(Self { client, identity })
    }

    /// Lists all declared objects. If one list fails, the whole call fails.
    ///
    /// # Errors
    ///
    /// The API server does not answer, or does not know the kinds.
    pub async fn objects(&self) -> Result<Vec<Object>, String> {
        let mut all = self.of_kind::<api::LocalPartner>().await?;
        all.extend(self.of_kind::<api::GuestMembership>().await?);
        all.extend(self.of_kind::<api::AccountShare>().await?);
        Ok(all)
    }

    async fn of_kind<K: Watched>(&self) -> Result<Vec<Object>, String> {
        let objects: Api<ReceivedObject<K>> = Api::all(self.client.clone());
        list(&objects).await.map(|(objects, _)| objects)
    }

    /// Removes guestlist's finalizer from an object. Returns whether the object had it.
    ///
    /// # Errors
    ///
    /// The API server does not answer, or refuses the patch.
    pub async fn remove_finalizer(&self, object: &Object) -> Result<bool, String> {
        if !has_finalizer(object.metadata().finalizers.iter().flatten()) {
            return Ok(false);
        }
        let key = object.key();
        match key.kind {
            Kind::Partner => self.remove_finalizer_of::<api::LocalPartner>(object, &key).await,
            Kind::Membership => self.remove_finalizer_of::<api::GuestMembership>(object, &key).await,
            Kind::Share => self.remove_finalizer_of::<api::AccountShare>(object, &key).await,
        }
    }

    /// Resets a membership's status to that before the admission. Returns whether the membership still exists.
    ///
    /// # Errors
    ///
    /// The API server does not answer, or refuses the patch.
    pub async fn forget_admission(&self, key: &ObjectRef, uid: &str) -> Result<bool, String> {
        let forgotten = json!({
            "directoryId": null, "state": "Pending", "invitation": null, "joinedAt": null, "mfa": null,
            "accounts": null, "accountCount": null,
        });
        let patch = json!({"metadata": {"uid": uid}, "status": forgotten});
        let objects: Api<ReceivedObject<api::GuestMembership>> = Api::namespaced(self.client.clone(), &key.namespace);
        let (params, patch) = (PatchParams::default(), Patch::Merge(&patch));
        match tokio::time::timeout(DEADLINE, objects.patch_status(&key.name, &params, &patch)).await {
            Ok(Ok(_)) => Ok(true),
            // The membership was deleted, and perhaps created again: then its status is empty.
            Ok(Err(kube::Error::Api(status))) if [404, 409].contains(&status.code) => Ok(false),
            Ok(Err(error)) => Err(format!("failed to write the status of {key}: {}", describe(&error))),
            Err(_) => Err(format!("failed to write the status of {key}: no answer in {}s", DEADLINE.as_secs())),
        }
    }

    async fn remove_finalizer_of<K: Watched + Resource<Scope = NamespaceResourceScope>>(
        &self,
        object: &Object,
        key: &ObjectRef,
    ) -> Result<bool, String> {
        let meta = object.metadata();
        let others: Vec<_> =
            meta.finalizers.iter().flatten().filter(|finalizer| *finalizer != api::FINALIZER).collect();
        let patch = json!({"metadata": {"resourceVersion": meta.resource_version, "finalizers": others}});
        let objects: Api<ReceivedObject<K>> = Api::namespaced(self.client.clone(), &key.namespace);
        let (params, patch) = (PatchParams::default(), Patch::Merge(&patch));
        match tokio::time::timeout(DEADLINE, objects.patch(&key.name, &params, &patch)).await {
            Ok(Ok(_)) => Ok(true),
            Ok(Err(kube::Error::Api(status))) if status.code == 404 => Ok(false),
            Ok(Err(error)) => Err(format!("failed to remove the finalizer of {key}: {}", describe(&error))),
            Err(_) => Err(format!("failed to remove the finalizer of {key}: no answer in {}s", DEADLINE.as_secs())),
        }
    }
}
