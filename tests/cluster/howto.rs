//! The how-to pages on a real API server: a reader types their commands in order, and does what the sentences say.
//! Elsewhere: `node` uninstalls the release, `operator/detach.rs` moves a directory, `tests/keycloak` has the realms.

use std::collections::VecDeque;
use std::fs;

use serde_json::Value;

use crate::documentation::{block, shell};
use crate::support::docs::{blocks_of, read};
use crate::support::harness::{BOB, CAROL, Stage, deactivated};
use crate::support::operator::eventually;

const ONBOARD: &str = "docs/howto/onboard-and-offboard.md";
/// Gives the commands that scale the operator something to scale. No controller makes pods of it.
const DEPLOYMENT: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: guestlist, namespace: guestlist}
spec:
  selector: {matchLabels: {app: guestlist}}
  template:
    metadata: {labels: {app: guestlist}}
    spec: {containers: [{name: guestlist, image: guestlist}]}
";
const CAROLS: &[&str] = &["instagram-main:Manager"];
const BOBS: &[&str] = &["instagram-main:Collaborator"];

/// A reader of one page, with a cluster, the policy and directory of `examples/acme`, and the files of the page.
struct Reader {
    stage: Stage,
    page: &'static str,
    /// The commands that are not typed yet.
    commands: VecDeque<String>,
}

impl Reader {
    fn of(page: &'static str) -> Self {
        let mut stage = Stage::prepare();
        stage.operator.policy(&read("examples/acme/workspace.yaml"));
        stage.operator.import(&read("examples/acme/directory.yaml"));
        stage.operator.start();
        stage.apply(DEPLOYMENT);
        let folder = &stage.operator.folder;
        fs::create_dir_all(folder.join("acme")).unwrap();
        let entry = "guestUsers: [{name: bob, propagatedBy: carol}]";
        assert!(read(ONBOARD).contains(&format!("in the share: `{entry}`")));
        let manifests = blocks_of(ONBOARD).into_iter().filter(|block| block.language == "yaml").map(|block| block.text);
        for (name, text) in ["partner", "carol", "instagram", "bob"].iter().zip(manifests) {
            let entry = if *name == "instagram" { format!("  {entry}\n") } else { String::new() };
            fs::write(folder.join(format!("acme/{name}.yaml")), text + &entry).unwrap();
        }
        fs::write(folder.join("accounts.yaml"), block("docs/getting-started.md", "accounts:").text).unwrap();
        Self { stage, page, commands: commands_of(page) }
    }

    /// Types the next command, which begins so, and returns its output.
    #[track_caller]
    fn types(&mut self, start: &str) -> String {
        let (success, said) = self.tries(start);
        assert!(success, "{start}: {said}\n{}", self.stage.operator.log());
        said
    }

    #[track_caller]
    fn tries(&mut self, start: &str) -> (bool, String) {
        let command = self.commands.pop_front().unwrap_or_default();
        assert!(command.starts_with(start), "{}: the next command is {command}", self.page);
        if command.contains("scale deployment") && command.contains("--replicas=0") {
            assert_eq!(self.stage.operator.terminate(), Some(0));
        }
        let outcome = shell(&self.stage, &answered(&command));
        if command.contains("scale deployment") && command.contains("--replicas=1") {
            self.stage.operator.start();
        }
        outcome
    }

    /// Types the next command until it has an effect: its time has whole seconds, and has no effect on what is younger.
    #[track_caller]
    fn types_until(&mut self, start: &str, has_effect: impl Fn(&Self) -> bool) {
        let command = self.commands.front().cloned().unwrap_or_default();
        eventually(&format!("{command} has an effect"), || {
            let said = self.types(start);
            if has_effect(self) {
                return Ok(());
            }
            self.commands.push_front(command.clone());
            Err(format!("{said}\n{}", self.stage.operator.log()))
        });
    }

    /// Applies the manifests of "Onboard", and brings both guests to Active.
    #[track_caller]
    fn onboarded(&self) {
        let (success, said) = shell(&self.stage, "kubectl apply --server-side -f acme/");
        assert!(success, "{said}");
        self.stage.operator.joins_with_mfa(CAROL);
        self.stage.operator.joins_with_mfa(BOB);
        self.carol_and_bob_have_access();
    }

    #[track_caller]
    fn carol_and_bob_have_access(&self) {
        let partners = self.stage.partners();
        partners.guest("carol", CAROL, "Active", CAROLS);
        partners.guest("bob", BOB, "Active", BOBS);
    }

    /// When the last invitation of a guest was sent.
    fn invited(&self, name: &str) -> Value {
        self.stage.partners().get(&format!("gm/{name}"))["status"]["invitation"]["sentAt"].clone()
    }

    /// The page has no other command.
    #[track_caller]
    fn ends(&self) {
        assert!(self.commands.is_empty(), "{}: {:?}", self.page, self.commands);
    }
}

/// The commands of a page in order, with their continuation lines.
fn commands_of(page: &str) -> VecDeque<String> {
    let blocks = blocks_of(page).into_iter().filter(|block| block.language == "console");
    let text: String = blocks.map(|block| block.text.replace("\\\n", " ")).collect();
    text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// The command with the answer to its question, and with the directory of this cluster instead of the page's.
fn answered(command: &str) -> String {
    let mut answered = command.replace("--directory keycloak:https://id.host.example#workspace", "");
    if command.starts_with("guestlist detach") {
        answered += " --yes";
    }
    answered
}

#[test]
fn agency_is_onboarded_and_offboarded_as_written() {
    let mut reader = Reader::of(ONBOARD);
    reader.types("guestlist directory import accounts.yaml --dry-run");
    reader.types("guestlist directory import accounts.yaml");
    reader.types("guestlist directory set-owner instagram-main");

    reader.types("guestlist check --workspace workspace.yaml acme/");
    reader.types("kubectl apply --server-side -f acme/");
    reader.types("kubectl --namespace partners get lp/acme");
    let partners = || reader.stage.partners();
    partners().guest("carol", CAROL, "Invited", &[]);
    partners().becomes("gm/bob", "/status/state", "Pending");
    reader.stage.operator.joins_with_mfa(CAROL);
    partners().guest("bob", BOB, "Invited", &[]);
    let before = reader.invited("bob");
    reader.types_until("kubectl --namespace partners annotate gm bob --overwrite", |reader| {
        reader.invited("bob") != before
    });
    reader.stage.operator.joins_with_mfa(BOB);
    reader.carol_and_bob_have_access();

    reader.types("kubectl --namespace partners delete gm bob");
    reader.stage.partners().nobody(BOB);
    assert_eq!(deactivated(&reader.stage.operator), [BOB]);
    reader.types(r#"kubectl --namespace partners patch lp acme --type merge -p '{"spec":{"suspended":true}}'"#);
    reader.stage.partners().guest("carol", CAROL, "Suspended", &[]);
    reader.types(r#"kubectl --namespace partners patch lp acme --type merge -p '{"spec":{"deletion":"Cascade"}}'"#);
    reader.types("kubectl --namespace partners delete lp acme --timeout=60s");
    reader.types("guestlist directory show");
    assert_eq!(reader.stage.operator.show()["guests"], serde_json::json!([]));

    // "Take back the deletion of a partner": here a tool deleted it, which the chart's policy does not refuse.
    reader.onboarded();
    let invited = ["carol", "bob"].map(|name| reader.invited(name));
    reader.stage.partners().begin_to_delete("lp/acme");
    reader.stage.partners().says("lp/acme", "DeletionBlocked");
    reader.types("kubectl --namespace guestlist scale deployment guestlist --replicas=0");
    reader.types("kubectl --namespace partners patch lp acme --type merge");
    assert_eq!(reader.stage.partners().get("lp/acme"), Value::Null);
    reader.types("kubectl apply --server-side -f acme/partner.yaml");
    reader.types("kubectl --namespace guestlist scale deployment guestlist --replicas=1");
    reader.stage.partners().says("lp/acme", "Reconciled");
    reader.carol_and_bob_have_access();
    assert_eq!(["carol", "bob"].map(|name| reader.invited(name)), invited, "a mail was sent");
    reader.ends();
}

#[test]
fn host_admin_is_rotated_as_written_without_a_gap() {
    let mut reader = Reader::of("docs/howto/rotate-host-admin.md");
    reader.onboarded();
    let access = |reader: &Reader| {
        // The log has every operation before the next command.
        reader.stage.rests(2);
        let log = reader.stage.operator.log();
        assert!(!log.contains("revoke") && !log.contains("reduce"), "{log}");
        reader.carol_and_bob_have_access();
    };
    access(&reader);
    for start in [
        "guestlist directory set-owner instagram-main alice@host.example dan@host.example",
        "kubectl --namespace partners patch lp acme",
    ] {
        reader.types(start);
        access(&reader);
    }
    assert_eq!(reader.types("kubectl --namespace partners get share"), "instagram\n");
    for start in [
        "kubectl --namespace partners patch share instagram",
        "kubectl --namespace partners patch lp acme",
        "guestlist directory set-owner instagram-main dan@host.example",
    ] {
        reader.types(start);
        access(&reader);
    }
    reader.ends();
}

#[test]
fn access_is_suspended_and_paused_as_written() {
    let mut reader = Reader::of("docs/howto/suspend.md");
    reader.onboarded();
    let invited = reader.invited("bob");
    reader.types(r#"kubectl --namespace partners patch gm bob --type merge -p '{"spec":{"suspended":true}}'"#);
    reader.stage.partners().guest("bob", BOB, "Suspended", &[]);
    reader.types(r#"kubectl --namespace partners patch gm bob --type merge -p '{"spec":{"suspended":false}}'"#);
    reader.carol_and_bob_have_access();
    assert_eq!(reader.invited("bob"), invited, "a mail was sent");

    reader.types("kubectl --namespace partners annotate lp acme guestlist.dev/paused=true");
    // Revoking goes on, and granting does not.
    let exclude = |names: &str| {
        let patch = format!(r#"{{"spec":{{"exclude":{names}}}}}"#);
        reader.stage.partners().patch("share/instagram", &patch);
    };
    exclude(r#"[{"name":"carol"}]"#);
    reader.stage.operator.has_access(CAROL, &[]);
    exclude("[]");
    reader.stage.rests(3);
    assert!(reader.stage.operator.access(CAROL).is_empty());
    reader.types("kubectl --namespace partners annotate lp acme guestlist.dev/paused-");
    reader.carol_and_bob_have_access();
    reader.ends();
}

#[test]
fn mfa_is_reset_and_a_key_required_as_written() {
    let mut reader = Reader::of("docs/howto/reset-mfa.md");
    reader.onboarded();
    reader.types_until("kubectl --namespace partners annotate gm bob --overwrite", |reader| {
        reader.stage.operator.access(BOB).is_empty()
    });
    reader.stage.partners().guest("bob", BOB, "Joined", &[]);
    let shown = reader.types("kubectl --namespace partners get gm bob");
    assert!(shown.contains("Joined"), "{shown}");
    reader.stage.operator.directory_ok(&["enroll-mfa", BOB]);
    reader.carol_and_bob_have_access();

    reader.types(r#"kubectl --namespace partners patch gm bob --type merge -p '{"spec":{"suspended":true}}'"#);
    reader.stage.partners().guest("bob", BOB, "Suspended", &[]);
    reader.stage.partners().patch("gm/bob", r#"{"spec":{"suspended":false}}"#);
    reader.carol_and_bob_have_access();

    reader.types("kubectl --namespace partners patch lp acme --type merge");
    reader.stage.operator.has_access(CAROL, &[]);
    reader.stage.operator.has_access(BOB, &[]);
    reader.stage.operator.directory_ok(&["enroll-mfa", BOB, "--method", "WebAuthn"]);
    reader.stage.operator.directory_ok(&["enroll-mfa", CAROL, "--method", "WebAuthn"]);
    reader.carol_and_bob_have_access();
    reader.ends();
}

#[test]
fn membership_is_renamed_as_written_without_a_mail() {
    let mut reader = Reader::of("docs/howto/rename.md");
    reader.onboarded();
    let invited = reader.invited("bob");
    assert_eq!(reader.stage.operator.terminate(), Some(0));
    reader.types("kubectl --namespace partners patch gm bob --type merge");
    reader.types("kubectl --namespace partners delete gm bob");
    let renamed = |file: &str| {
        let text = fs::read_to_string(reader.stage.operator.folder.join(file)).unwrap();
        text.replace("name: bob", "name: robert")
    };
    reader.stage.apply(&format!("{}---\n{}", renamed("acme/bob.yaml"), renamed("acme/instagram.yaml")));
    reader.stage.operator.start();
    reader.stage.partners().guest("robert", BOB, "Active", BOBS);
    assert_eq!(reader.invited("robert"), invited, "a mail was sent");
    reader.ends();
}

#[test]
fn objects_and_directory_are_restored_as_written() {
    let mut reader = Reader::of("docs/howto/restore.md");
    reader.onboarded();
    let invited = ["carol", "bob"].map(|name| reader.invited(name));
    reader.types("kubectl --namespace guestlist scale deployment guestlist --replicas=0");
    for object in ["share/instagram", "gm/bob", "gm/carol", "lp/acme"] {
        reader.stage.partners().patch(object, r#"{"metadata":{"finalizers":null}}"#);
        reader.stage.partners().delete(object);
    }
    assert!(shell(&reader.stage, "kubectl apply --server-side -f acme/").0);
    reader.stage.operator.start();
    reader.carol_and_bob_have_access();
    assert_eq!(["carol", "bob"].map(|name| reader.invited(name)), invited, "a mail was sent");

    // An empty directory in place of the old one.
    assert_eq!(reader.stage.operator.terminate(), Some(0));
    for file in ["directory.db", "directory.db-wal", "directory.db-shm"] {
        drop(fs::remove_file(reader.stage.operator.folder.join(file)));
    }
    reader.stage.operator.import(&read("examples/acme/directory.yaml"));
    reader.stage.operator.go();
    reader.stage.operator.is_unready(&["DirectoryBehind"]);
    reader.types("guestlist detach --missing --workspace workspace.yaml --directory sqlite:directory.db");
    reader.stage.operator.joins_with_mfa(CAROL);
    reader.stage.operator.joins_with_mfa(BOB);
    reader.carol_and_bob_have_access();

    // tests/keycloak/setup.rs sets up a realm that has been set up before.
    let setup = ["guestlist directory setup --dry-run", "guestlist directory setup"];
    assert_eq!(reader.commands.make_contiguous(), setup);
}

#[test]
fn guestlist_is_removed_as_written() {
    let mut reader = Reader::of("docs/howto/uninstall.md");
    reader.onboarded();
    reader.types("kubectl delete accountshares,guestmemberships --all --all-namespaces");
    reader.types("kubectl delete localpartners --all --all-namespaces");
    reader.types("guestlist directory show");
    let show = reader.stage.operator.show();
    assert_eq!((&show["guests"], &show["partners"]), (&serde_json::json!([]), &serde_json::json!([])));

    reader.onboarded();
    reader.types("kubectl --namespace guestlist scale deployment guestlist --replicas=0");
    reader.types("guestlist detach --all");
    let before = reader.stage.operator.bytes();
    reader.types("kubectl delete accountshares,guestmemberships,localpartners --all --all-namespaces");
    assert_eq!(reader.stage.operator.bytes(), before);
    reader.types("guestlist detach --orphans");
    let show = reader.stage.operator.show();
    assert_eq!(show["guests"], serde_json::json!([]));
    let users = show["users"].as_array().unwrap();
    assert!([CAROL, BOB].iter().all(|guest| users.iter().any(|user| user["email"] == **guest)), "{show:#}");

    // The tests in `node` uninstall a release.
    assert!(reader.commands.pop_front().unwrap().starts_with("helm uninstall guestlist"));
    reader.types("kubectl annotate crd");
    reader.types("kubectl delete crd");
    reader.ends();
}
