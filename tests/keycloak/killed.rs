//! `guestlist apply` is killed after each write that reached Keycloak, and run again: the same end, one mail each, and
//! no user is lost.

use std::process::{Command, Stdio};
use std::time::Duration;

use guestlist::domain::{Email, MfaMethod};
use jiff::Timestamp;
use serde_json::Value;

use crate::applied::told;
use crate::held_to_the_contract::{People, realm_with};
use crate::support::contract::Player;
use crate::support::keycloak::{Keycloak, SECRET, multi};
use crate::support::mail::Mail;
use crate::support::proxy::{Fate, Proxy};

const POLICY: &str = "installation: demo\ndomains: [host.example]\nmailInterval: 0s\ninvitationsPerHour: 100000\ntenants:\n- {namespace: partners, hostAdmins: ['*@host.example']}\n";
const PEOPLE: &str = "users: [{email: alice@host.example, name: Alice Example}]\naccounts: [{name: instagram, owners: [alice@host.example]}, {name: tiktok, owners: [alice@host.example]}]\n";
const PARTNER: &str = "
apiVersion: guestlist.dev/v1alpha1
kind: LocalPartner
metadata: {name: acme, namespace: partners}
spec: {hostAdmins: [alice@host.example]}
---
apiVersion: guestlist.dev/v1alpha1
kind: GuestMembership
metadata: {name: carol, namespace: partners}
spec: {partnerRef: {name: acme}, email: carol@acme.example, role: GuestAdmin, invitedBy: alice@host.example}
---
apiVersion: guestlist.dev/v1alpha1
kind: AccountShare
metadata: {name: instagram, namespace: partners}
spec: {partnerRef: {name: acme}, account: instagram, sharedBy: alice@host.example, guestAdminRole: Manager}
";
const BOB_TOO: &str = "
---
apiVersion: guestlist.dev/v1alpha1
kind: GuestMembership
metadata: {name: bob, namespace: partners}
spec: {partnerRef: {name: acme}, email: bob@acme.example, role: GuestAdmin, invitedBy: alice@host.example}
---
apiVersion: guestlist.dev/v1alpha1
kind: AccountShare
metadata: {name: tiktok, namespace: partners}
spec: {partnerRef: {name: acme}, account: tiktok, sharedBy: alice@host.example}
";
const GUESTS: [&str; 2] = ["bob@acme.example", "carol@acme.example"];
/// The limit of writes in a run.
const MOST: usize = 30;

/// A realm, its mail server, and the proxy between it and guestlist.
pub struct Scene {
    pub people: People,
    pub mail: Mail,
    pub proxy: Proxy,
    folder: tempfile::TempDir,
}

impl Scene {
    pub async fn open(name: &str) -> Self {
        let mail = Mail::start();
        let people = realm_with(name, mail.port);
        let proxy = Proxy::start(&Keycloak::shared().base).await;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("people.txt"), PEOPLE).unwrap();
        std::fs::write(folder.path().join("policy.txt"), POLICY).unwrap();
        let scene = Self { people, mail, proxy, folder };
        assert_eq!(scene.run(&["directory", "import", "--users", "people.txt"]).await.0, Some(0));
        scene
    }

    pub fn declare(&self, manifests: &str) {
        std::fs::write(self.folder.path().join("objects.yaml"), manifests).unwrap();
    }

    /// Sets the policy's interval between two mails to one address.
    pub fn mail_interval(&self, interval: &str) {
        let policy = POLICY.replace("mailInterval: 0s", &format!("mailInterval: {interval}"));
        std::fs::write(self.folder.path().join("policy.txt"), policy).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_guestlist"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("GUESTLIST_DIRECTORY", format!("keycloak:{}#{}", self.proxy.base, self.people.realm))
            .env("GUESTLIST_WORKSPACE", "policy.txt")
            .env("GUESTLIST_KEYCLOAK_CLIENT_SECRET", SECRET)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    pub async fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let mut command = self.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.code(), said)
    }

    /// Runs an apply that is killed once this many writes have reached Keycloak. Returns whether it was.
    async fn is_killed_after(&self, writes: usize) -> bool {
        let mut seen = 0;
        self.proxy.rules(move |method, path| {
            let write = method != "GET" && !path.ends_with("/token");
            seen += usize::from(write);
            if write && seen == writes { Fate::Unanswered } else { Fate::Passes }
        });
        let mut child = self.command(&["apply", "objects.yaml", "--prune", "--yes"]).spawn().unwrap();
        let ended = async {
            loop {
                if let Some(status) = child.try_wait().unwrap() {
                    break status;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let killed = tokio::select! {
            biased;
            () = self.proxy.holds_one() => true,
            status = ended => {
                assert!(status.success());
                false
            }
        };
        if killed {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        self.proxy.rules(|_, _| Fate::Passes);
        killed
    }

    /// Runs an apply to the end. Asserts that nothing remains to be done.
    pub async fn ends(&self, what: &str) {
        let (code, said) = self.run(&["apply", "objects.yaml", "--prune", "--yes"]).await;
        assert_eq!(code, Some(0), "{what}: {said}");
        let (code, said) = self.run(&["plan", "objects.yaml", "--prune"]).await;
        assert_eq!(code, Some(0), "{what}: {said}");
    }

    fn mails(&self) -> [usize; 2] {
        GUESTS.map(|who| self.mail.count(who))
    }

    async fn told(&self) -> [Vec<String>; 2] {
        let [bob, carol] = GUESTS;
        let sorted = |mut held: Vec<String>| {
            held.sort();
            held
        };
        [sorted(told(&self.people, bob).await), sorted(told(&self.people, carol).await)]
    }

    /// Invitations, grants and revocations: each killed after this many writes. Returns whether any was.
    async fn plays(&self, writes: usize) -> bool {
        let what = format!("killed after {writes} writes");
        let mut any = false;
        let everything = [PARTNER, BOB_TOO].concat();
        self.declare(&everything);
        any |= self.is_killed_after(writes).await;
        self.ends(&what).await;
        assert_eq!(self.mails(), [1, 1], "{what}: one mail each");

        for who in GUESTS {
            let email = Email::parse(who).unwrap();
            assert!(self.people.accept(&email, Timestamp::now()).unwrap());
            assert!(self.people.enroll(&email, MfaMethod::TOTP, Timestamp::now()).unwrap());
        }
        any |= self.is_killed_after(writes).await;
        self.ends(&what).await;
        let both = ["instagram:manager", "tiktok:collaborator"].map(str::to_owned).to_vec();
        assert_eq!(self.told().await, [both.clone(), both.clone()], "{what}");

        // Carol loses her MFA; bob and a share are removed from the files.
        self.people.reset(&Email::parse(GUESTS[1]).unwrap(), Timestamp::now()).unwrap();
        self.declare(PARTNER);
        any |= self.is_killed_after(writes).await;
        self.ends(&what).await;
        assert_eq!(self.told().await, [Vec::<String>::new(), Vec::new()], "{what}");
        assert_eq!(self.mails(), [1, 1], "{what}: nobody is mailed again");
        let users = self.people.admin("GET", "/users?max=100", None).await;
        let enabled = |who: &str| {
            let found = users.as_array().unwrap().iter().filter(|user| user["email"] == who).collect::<Vec<_>>();
            assert_eq!(found.len(), 1, "{what}: {who} is there once");
            found[0]["enabled"] == Value::Bool(true)
        };
        assert_eq!(GUESTS.map(enabled), [false, true], "{what}");
        any
    }
}

/// Each number of writes in its own realm, every second one: two tests share them.
fn every_second(first: usize) {
    multi(async {
        for writes in (first..MOST).step_by(2) {
            let scene = Scene::open(&format!("killed-{writes}")).await;
            let any = scene.plays(writes).await;
            if !any {
                assert!(writes > 6, "so few writes make no test: {writes}");
                return;
            }
        }
        panic!("more than {MOST} writes");
    });
}

#[test]
fn apply_killed_after_odd_writes_ends_the_same_with_one_mail() {
    every_second(1);
}

#[test]
fn apply_killed_after_even_writes_ends_the_same_with_one_mail() {
    every_second(2);
}
