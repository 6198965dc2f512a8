//! The chart with a realm on a node that runs pods: a leader and a standby, which reach Keycloak by TLS. The leader is
//! killed, and the realm stops. Nobody loses access or gets a second mail.

#[path = "../../cluster/node/cluster.rs"]
mod cluster;
mod realm;

use std::fs;

use serde_json::Value;

use self::cluster::{Cluster, NEWCOMER, Stopwatch, VALUES};
use self::realm::Realm;
use crate::support::keycloak::multi;
use crate::support::operator::eventually;
use crate::support::person::{Person, accounts};

const CAROL: &str = "carol@acme.example";
const NEWSLETTER: &str = "newsletter:collaborator";
const INSTAGRAM: &str = "instagram-main:manager";
/// The kinds, with the number of objects in `examples/acme`.
const KINDS: [(&str, u64); 3] = [("LocalPartner", 2), ("GuestMembership", 12), ("AccountShare", 6)];

#[test]
fn release_on_a_realm_outlives_its_leader_and_an_outage() {
    let Some(mut cluster) = Cluster::start() else { return };
    let realm = Realm::beside(&cluster);
    install(&cluster, &realm);
    let (first, later) = cluster.declare_acme();
    for guest in &first {
        cluster.shows(&object(guest), "{.status.state}", "Invited");
    }
    for guest in &later {
        cluster.says(&object(guest), "InviterNotActive");
    }
    let mut mailed: Vec<&str> = first.iter().map(email).collect();
    realm.has_mailed_once(&mailed);
    multi(carol_joins(&cluster, &realm));
    // Carol is a Guest Admin, so the guests that she invites follow.
    let invited_by_carol = || later.iter().filter(|guest| guest["spec"]["invitedBy"] == CAROL);
    for guest in invited_by_carol() {
        cluster.shows(&object(guest), "{.status.state}", "Invited");
    }
    mailed.extend(invited_by_carol().map(email));

    kill_the_leader(&mut cluster);
    realm.has_mailed_once(&mailed);
    change_something(&cluster, &realm);
    mailed.push("peggy@acme.example");
    realm.has_mailed_once(&mailed);
    stop_the_realm(&mut cluster, &realm);
    realm.has_mailed_once(&mailed);
}

fn object(guest: &Value) -> String {
    format!("gm/{}", guest["metadata"]["name"].as_str().unwrap())
}

fn email(guest: &Value) -> &str {
    guest["spec"]["email"].as_str().unwrap()
}

/// Prepares the realm, and installs the packaged chart with a standby, as the documentation says.
fn install(cluster: &Cluster, realm: &Realm) {
    realm.set_up(cluster);
    let values = format!(
        "{VALUES}directory: {}\nkeycloak: {{existingSecret: guestlist-keycloak, trustCa: true}}\nreplicas: 2\n",
        realm.address
    );
    fs::write(cluster.folder.join("values.yaml"), values).unwrap();
    cluster.kubectl("create namespace guestlist");
    cluster.as_documented("docs/keycloak.md", "kubectl --namespace guestlist create secret");
    cluster.as_documented("README.md", "make chart");
    cluster.rolled_out();
}

/// Carol follows the link of her mail, enrols a one-time password, and signs in to the application.
async fn carol_joins(cluster: &Cluster, realm: &Realm) {
    let mut carol = Person::new(CAROL, &realm.mail, &realm.portal);
    carol.joins().await;
    cluster.shows("gm/carol", "{.status.state}", "Joined");
    carol.signs_in().await.expect_err("nobody signs in without MFA");
    carol.enrols().await;
    cluster.shows("gm/carol", "{.status.state}", "Active");
    tokio::task::block_in_place(|| realm.has(CAROL, &[INSTAGRAM, NEWSLETTER]));
    let tokens = carol.signs_in().await.unwrap();
    assert_eq!(accounts(&tokens), [INSTAGRAM, NEWSLETTER]);
}

/// The leader ends without giving up its Lease. The standby waits for the end of the Lease, reads, and writes nothing.
fn kill_the_leader(cluster: &mut Cluster) {
    cluster.rests();
    let (leader, versions) = (cluster.leader(), cluster.versions());
    let standby = cluster.pods().into_keys().find(|pod| *pod != leader).unwrap();
    is_a_cold_standby(&cluster.metrics(&standby));

    // A stopped process cannot react to SIGTERM. The kubelet ends it with SIGKILL.
    cluster.signal_container(&leader, "SIGSTOP");
    let watch = Stopwatch::start("the killed leader");
    cluster.kubectl(&format!("--namespace guestlist delete pod {leader} --grace-period=0 --force"));
    eventually("the standby leads", || {
        let holder = cluster.leader();
        if holder == standby { Ok(()) } else { Err(format!("{holder} leads\n{}", cluster.state())) }
    });
    watch.lap("the next leader");
    let metrics = eventually("all objects are reconciled", || {
        let metrics = cluster.metrics(&standby);
        let reconciles = |kind| sum(&metrics, "reconcile_duration_seconds_count", &[("kind", kind)]);
        let are_all = KINDS.iter().all(|(kind, count)| reconciles(kind) >= *count);
        let is_idle = metrics.contains("\nguestlist_workqueue_depth 0\n") && metrics.contains("\nguestlist_ready 1\n");
        if are_all && is_idle { Ok(metrics) } else { Err(metrics) }
    });
    watch.lap("the last reconcile");
    has_read_once_and_written_nothing(&metrics);
    cluster.rolled_out();
    watch.lap("the next standby");
    assert_eq!(cluster.versions(), versions);
    assert_eq!(cluster.leader(), standby);
}

/// A standby has listed no kind and not read the directory: see docs/operations/scaling.md.
fn is_a_cold_standby(metrics: &str) {
    for line in ["guestlist_leader 0", "guestlist_ready 1"] {
        assert!(metrics.lines().any(|found| found == line), "{line}: {metrics}");
    }
    assert!(sum(metrics, "kube_requests_total", &[("kind", "Lease"), ("verb", "get")]) > 0, "{metrics}");
    for verb in ["list", "watch"] {
        assert_eq!(sum(metrics, "kube_requests_total", &[("verb", verb)]), 0, "{metrics}");
    }
    assert_eq!(sum(metrics, "keycloak_requests_total", &[]), 0, "{metrics}");
}

/// The new leader has listed each kind and the directory once. Nothing was due, so it wrote only to its Lease, and made
/// itself the leader of the realm.
fn has_read_once_and_written_nothing(metrics: &str) {
    for (kind, _) in KINDS {
        let requests = |verb| sum(metrics, "kube_requests_total", &[("kind", kind), ("verb", verb)]);
        assert_eq!(requests("list"), 1, "{kind}: {metrics}");
        for verb in ["patch", "patch_status", "create", "update", "delete"] {
            assert_eq!(requests(verb), 0, "{verb} {kind}: {metrics}");
        }
    }
    assert_eq!(sum(metrics, "keycloak_requests_total", &[("request", "GET organizations")]), 1, "{metrics}");
    assert_eq!(sum(metrics, "directory_operations_total", &[]), 0, "{metrics}");
    println!("{} requests to Keycloak at the takeover", sum(metrics, "keycloak_requests_total", &[]));
}

/// The sum of a metric over its series with these labels.
fn sum(metrics: &str, name: &str, labels: &[(&str, &str)]) -> u64 {
    let prefix = format!("guestlist_{name}{{");
    let has = |line: &&str| labels.iter().all(|(label, value)| line.contains(&format!("{label}=\"{value}\"")));
    let lines = metrics.lines().filter(|line| line.starts_with(&prefix)).filter(has);
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

/// The new leader revokes, grants and invites.
fn change_something(cluster: &Cluster, realm: &Realm) {
    cluster.suspend("share/newsletter", true);
    realm.has(CAROL, &[INSTAGRAM]);
    cluster.suspend("share/newsletter", false);
    realm.has(CAROL, &[INSTAGRAM, NEWSLETTER]);
    cluster.plane.apply(NEWCOMER);
    cluster.shows("gm/peggy", "{.status.state}", "Invited");
}

/// Keycloak stops. The leader is not ready, and a suspension waits. Both end when Keycloak runs again.
fn stop_the_realm(cluster: &mut Cluster, realm: &Realm) {
    cluster.rests();
    let (pods, leader) = (cluster.pods(), cluster.leader());
    let watch = Stopwatch::start("the stop of the realm");
    realm.keycloak.stop();
    cluster.is_unready("DirectoryUnavailable", "", &watch);
    for object in ["gm/carol", "gm/dave", "share/instagram", "lp/bolt"] {
        cluster.says(object, "DirectoryUnavailable");
    }
    watch.lap("DirectoryUnavailable in the statuses");
    let standby = pods.keys().find(|pod| **pod != leader).unwrap();
    assert_eq!(cluster.readiness(standby), (200, format!("ok: standby for {leader}\n")));
    cluster.suspend("gm/carol", true);

    realm.keycloak.go_on();
    let watch = Stopwatch::start("the start of the realm");
    realm.has(CAROL, &[]);
    watch.lap("the suspension");
    cluster.is_ready("DirectoryUnavailable", &watch);
    cluster.shows("gm/carol", "{.status.state}", "Suspended");
    cluster.shows("gm/dave", "{.status.state}", "Invited");
    cluster.rests();
    assert_eq!((cluster.pods(), cluster.leader()), (pods, leader));
}
