//! A Keycloak on loopback of the machine, and its realm as pods reach it: by TLS in the network of the node.

use std::fs;
use std::process::Command;

use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use super::cluster::Cluster;
use crate::support::browser::Application;
use crate::support::certificates::Authority;
use crate::support::controlplane::run;
use crate::support::keycloak::{ADMIN, Keycloak, block_on, thrifty};
use crate::support::mail::Mail;
use crate::support::operator::eventually;
use crate::support::person::{PORTAL, workspace};

const REALM: &str = "workspace";

pub(super) struct Realm {
    pub(super) keycloak: Keycloak,
    pub(super) mail: Mail,
    pub(super) portal: Application,
    /// The value `directory` of the chart.
    pub(super) address: String,
    /// Runs the TLS proxy.
    _proxy: Runtime,
}

impl Realm {
    /// A realm as a company has it before guestlist. The authority of its certificate is in the cluster's folder.
    pub(super) fn beside(cluster: &Cluster) -> Self {
        let (keycloak, mail) = (Keycloak::start_in(&cluster.folder), Mail::start());
        let realm = thrifty(workspace(REALM, mail.port));
        let (status, answer) = block_on(keycloak.admin("POST", "", Some(realm)));
        assert_eq!(status, 201, "{answer}");
        let authority = Authority::new();
        fs::write(cluster.folder.join("ca.crt"), authority.pem()).unwrap();
        let proxy = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let entered = proxy.enter();
        let base = authority.stand_at(cluster.plane.listen_in_node(), &keycloak.base);
        drop(entered);
        let portal = Application { realm: format!("{}/realms/{REALM}", keycloak.base), client: PORTAL.to_owned() };
        Self { keycloak, mail, portal, address: format!("keycloak:{base}#{REALM}"), _proxy: proxy }
    }

    /// Prepares the realm as an administrator does, outside the cluster, and imports the accounts. The secret is in the
    /// cluster's folder.
    #[track_caller]
    pub(super) fn set_up(&self, cluster: &Cluster) {
        let accounts = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/acme/directory.yaml");
        for arguments in [
            &["setup", "--secret-file", "guestlist.secret", "--application", PORTAL][..],
            &["import", "--users", accounts],
        ] {
            let mut guestlist = Command::new(env!("CARGO_BIN_EXE_guestlist"));
            guestlist.arg("directory").args(arguments).current_dir(&cluster.folder);
            guestlist.env("GUESTLIST_DIRECTORY", format!("keycloak:{}#{REALM}", self.keycloak.base));
            guestlist.env("GUESTLIST_KEYCLOAK_ADMIN_PASSWORD", ADMIN);
            guestlist.env("GUESTLIST_KEYCLOAK_CLIENT_SECRET_FILE", "guestlist.secret");
            run(&mut guestlist, "").ok();
        }
    }

    /// Waits until a user has exactly these accounts, as `account:role`.
    #[track_caller]
    pub(super) fn has(&self, email: &str, accounts: &[&str]) {
        eventually(&format!("{email} has {accounts:?}"), || {
            let path = format!("/{REALM}/users?exact=true&briefRepresentation=false&email={email}");
            let user = block_on(self.keycloak.admin("GET", &path, None)).1[0].take();
            let held = user["attributes"]["guestlist.accounts"].as_array().cloned().unwrap_or_default();
            let mut held: Vec<&str> = held.iter().filter_map(Value::as_str).collect();
            held.sort_unstable();
            if held == accounts { Ok(()) } else { Err(user.to_string()) }
        });
    }

    /// Each of these guests has one mail, and nobody else has any.
    #[track_caller]
    pub(super) fn has_mailed_once(&self, emails: &[&str]) {
        let counts: Vec<_> = emails.iter().map(|email| (*email, self.mail.count(email))).collect();
        assert!(counts.iter().all(|(_, count)| *count == 1), "{counts:?}");
        assert_eq!(self.mail.total(), emails.len(), "{counts:?}");
    }
}
