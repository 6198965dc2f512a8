//! Many partners with many guests, as manifests and as calls.

use std::path::Path;
use std::time::{Duration, Instant};

use futures::StreamExt;
use guestlist::api;
use guestlist::cache::{Kind, Object};
use guestlist::executor::object_store::Watched;
use guestlist::executor::received_object::ReceivedObject;
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};

/// A hundred guests and five shares a partner.
#[derive(Clone, Copy)]
pub struct Size {
    pub partners: usize,
}

impl Size {
    pub fn of(memberships: usize) -> Self {
        Self { partners: memberships.div_ceil(100) }
    }

    pub fn memberships(self) -> usize {
        self.partners * 100
    }

    pub fn shares(self) -> usize {
        self.partners * 5
    }

    pub fn people(self) -> String {
        let accounts = (0..self.shares()).map(|n| format!("- {{name: account-{n}, owners: [alice@host.example]}}\n"));
        format!("accounts:\n{}", accounts.collect::<String>())
    }
}

/// A client with the rights of a kubeconfig.
pub async fn client(kubeconfig: &Path) -> Client {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    Client::try_from(config).unwrap()
}

pub fn name(number: usize) -> String {
    format!("guest-{number}")
}

fn object(kind: &str, namespace: &str, name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "guestlist.dev/v1alpha1",
        "kind": kind,
        "metadata": {"namespace": namespace, "name": name},
        "spec": spec,
    })
}

/// All objects.
pub fn objects(namespace: &str, size: Size) -> Vec<(Kind, String, Value)> {
    let mut all = Vec::new();
    for partner in 0..size.partners {
        let partner_name = format!("partner-{partner}");
        let spec = json!({"hostAdmins": ["alice@host.example"]});
        all.push((Kind::Partner, partner_name.clone(), object("LocalPartner", namespace, &partner_name, spec)));
        let reference = json!({"name": partner_name});
        for share in partner * 5..partner * 5 + 5 {
            let share_name = format!("share-{share}");
            let spec = json!({"partnerRef": reference, "account": format!("account-{share}"), "sharedBy": "alice@host.example"});
            all.push((Kind::Share, share_name.clone(), object("AccountShare", namespace, &share_name, spec)));
        }
        for guest in partner * 100..partner * 100 + 100 {
            let guest_name = name(guest);
            let spec = json!({
                "partnerRef": reference,
                "email": format!("{guest_name}@acme.example"),
                "invitedBy": "alice@host.example",
            });
            all.push((Kind::Membership, guest_name.clone(), object("GuestMembership", namespace, &guest_name, spec)));
        }
    }
    all
}

/// Runs the calls with this concurrency.
pub async fn at_once<T, F: Future<Output = ()>>(concurrency: usize, items: Vec<T>, call: impl Fn(T) -> F) {
    futures::stream::iter(items).map(call).buffer_unordered(concurrency).for_each(|()| async {}).await;
}

pub async fn create(client: &Client, namespace: &str, size: Size, concurrency: usize) {
    at_once(concurrency, objects(namespace, size), |(kind, _, object)| async move {
        let params = PostParams::default();
        match kind {
            Kind::Partner => drop(
                Api::<api::LocalPartner>::namespaced(client.clone(), namespace)
                    .create(&params, &serde_json::from_value(object).unwrap())
                    .await
                    .unwrap(),
            ),
            Kind::Membership => drop(
                Api::<api::GuestMembership>::namespaced(client.clone(), namespace)
                    .create(&params, &serde_json::from_value(object).unwrap())
                    .await
                    .unwrap(),
            ),
            Kind::Share => drop(
                Api::<api::AccountShare>::namespaced(client.clone(), namespace)
                    .create(&params, &serde_json::from_value(object).unwrap())
                    .await
                    .unwrap(),
            ),
        }
    })
    .await;
}

pub async fn suspend(client: &Client, number: usize) {
    let guests: Api<api::GuestMembership> = Api::namespaced(client.clone(), "partners");
    let patch = json!({"spec": {"suspended": true}});
    guests.patch(&name(number), &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
}

async fn list<K: Watched>(client: &Client) -> Vec<Object> {
    let objects: Api<ReceivedObject<K>> = Api::all(client.clone());
    let mut all = Vec::new();
    let mut params = ListParams::default().limit(500);
    loop {
        let page = objects.list(&params).await.unwrap();
        all.extend(page.items.into_iter().map(ReceivedObject::declared));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return all,
        }
    }
}

pub async fn everything(client: &Client) -> [(Kind, Vec<Object>); 3] {
    let (partners, guests, shares) = tokio::join!(
        list::<api::LocalPartner>(client),
        list::<api::GuestMembership>(client),
        list::<api::AccountShare>(client)
    );
    [(Kind::Partner, partners), (Kind::Membership, guests), (Kind::Share, shares)]
}

/// The time of the three lists.
pub async fn lists(client: &Client) -> Duration {
    let began = Instant::now();
    drop(everything(client).await);
    began.elapsed()
}
