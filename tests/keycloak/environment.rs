//! The whole system: the operator with a real API server, a realm after `guestlist directory setup`, an application, a
//! mail server, and people with browsers.

use std::process::Output;
use std::sync::Arc;

use tokio::runtime::Runtime;

use crate::pages::harness::{PASSWORD, Person, Stage as Realm};
use crate::support::harness::Stage;
use crate::support::operator::{Elsewhere, Operator, eventually};
use crate::support::reused_planes::Reused;

/// The realm as the operator's directory.
struct Directory(Arc<Realm>);

impl Elsewhere for Directory {
    fn address(&self) -> String {
        self.0.realm.address()
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        vec![("GUESTLIST_KEYCLOAK_CLIENT_SECRET", self.0.secret.clone())]
    }

    fn play(&self, _: &[&str]) -> Option<Output> {
        // People act themselves, with their browsers.
        None
    }

    fn written(&self) -> Vec<u8> {
        Vec::new()
    }

    fn held(&self) -> String {
        String::new()
    }

    fn mails(&self, email: &str) -> usize {
        self.0.mail.count(email)
    }
}

pub struct House {
    /// Dropped before its realm.
    pub stage: Stage,
    pub realm: Arc<Realm>,
    runtime: Runtime,
}

impl House {
    /// Prepares everything. The operator, with verbose logs, is not started.
    pub fn prepare(name: &str) -> Self {
        let plane = Reused::start();
        let mut operator = Operator::prepare(&plane);
        drop(rustls::crypto::ring::default_provider().install_default());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let realm = Arc::new(runtime.block_on(Realm::vacant(name)));
        operator.elsewhere = Some(Box::new(Directory(realm.clone())));
        operator.log_level = "debug";
        let people = operator.folder.join("people.yaml");
        operator.directory_ok(&["import", "--users", people.to_str().unwrap()]);
        Self { stage: Stage { operator, plane }, realm, runtime }
    }

    /// A running, ready operator.
    pub fn start(name: &str) -> Self {
        let mut house = Self::prepare(name);
        house.stage.operator.start();
        house
    }

    /// Runs an act of a person with a browser.
    pub fn now<T>(&self, does: impl Future<Output = T>) -> T {
        self.runtime.block_on(does)
    }

    /// A person who has received an invitation.
    #[track_caller]
    pub fn invited(&self, address: &'static str) -> Person<'_> {
        eventually(&format!("{address} is mailed"), || {
            if self.realm.mail.count(address) > 0 { Ok(()) } else { Err(self.stage.operator.log()) }
        });
        self.realm.person(address)
    }

    /// A person who followed the invitation, chose a password and enrolled a one-time password.
    #[track_caller]
    pub fn joins(&self, address: &'static str) -> Person<'_> {
        let mut person = self.invited(address);
        self.now(async {
            person.accepts().await;
            person.chooses_a_password().await;
            person.enrols().await;
        });
        person
    }

    /// Waits until the operator has reconciled an existing object after this call.
    #[track_caller]
    pub fn looks_at(&self, object: &str) {
        let now = jiff::Timestamp::now().to_string();
        self.stage.partners().annotate(object, &format!("guestlist.dev/reconcile-at={now}"));
        self.stage.partners().becomes(object, "/status/lastHandledReconcileAt", &now);
    }

    /// Searches all output for secrets: the operator's log, objects, Events, metrics, probes, and the output of
    /// commands.
    #[track_caller]
    pub fn tells_no_secret(&self, people: &[&Person<'_>]) {
        let Stage { operator, plane } = &self.stage;
        let mut secrets = vec![self.realm.secret.clone(), PASSWORD.to_owned()];
        // All tokens, including those in the links of invitations.
        secrets.extend(["eyJ", "action-token", "Bearer "].map(str::to_owned));
        secrets.extend(people.iter().filter_map(|person| person.key.clone()));
        for person in people {
            let link = person.link();
            let token = link.split("key=").nth(1).unwrap().split('&').next().unwrap().to_owned();
            assert!(token.starts_with("eyJ"), "an invitation's token begins like any other: {link}");
        }
        let all = |kinds: &str| plane.kubectl(&["get", kinds, "-A", "-o", "json", "--show-managed-fields"]).ok();
        let said = |arguments: &[&str]| {
            let output = operator.guestlist(&operator.kubeconfig, arguments);
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
        };
        let probes = ["/readyz", "/healthz", "/metrics"].map(|path| operator.probe(path).unwrap_or_default()).concat();
        let log = operator.log();
        assert!(log.contains("DEBUG"), "at its most talkative");
        for (place, text) in [
            ("log", log),
            ("objects", all("lp,gm,share,leases")),
            ("events", all("events.events.k8s.io")),
            ("probes", probes),
            ("show", said(&["directory", "show"]) + &said(&["directory", "show", "-o", "json"])),
            ("plan", said(&["plan", "--from-cluster"])),
        ] {
            assert!(text.len() > 20, "{place}: {text}");
            for secret in &secrets {
                let found = text.find(secret.as_str()).map(|at| text[at.saturating_sub(200)..].chars().take(400));
                assert!(found.is_none(), "a secret in {place}: {}", found.unwrap().collect::<String>());
            }
        }
    }
}
