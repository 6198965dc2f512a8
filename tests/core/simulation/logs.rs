//! The operator logs a problem once, and again when it changes.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use guestlist::cache::Kind::Membership;
use guestlist::directory::{SignInGate, Snapshot};
use guestlist::engine::Input;
use guestlist::workspace_policy::WorkspacePolicy;
use jiff::SignedDuration;
use serde_json::json;

use super::churn::{making, vanish};
use super::driver::{Sim, email, key};
use super::edits::happen;
use super::failed_operations::wait;
use super::server::PatchTarget;
use super::walk;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The lines that the operator logs during an act and that contain a text.
fn logged(text: &str, act: impl FnOnce()) -> Vec<String> {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    tracing::subscriber::with_default(subscriber, act);
    let all = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    all.lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
}

/// An act, and the number of lines that it logs.
type Act = (fn(&mut Sim), usize);

/// Each act of the list follows the one before. The number is how many lines with the text it logs.
fn are_logged<const N: usize>(sim: &mut Sim, text: &str, acts: [Act; N]) {
    for (place, (act, expected)) in acts.into_iter().enumerate() {
        let lines = logged(text, || act(sim));
        assert_eq!(lines.len(), expected, "{text:?}, act {place}: {lines:#?}");
    }
}

fn read(sim: &mut Sim, sign_in: SignInGate) {
    let content = Snapshot { sign_in, ..sim.everything() };
    sim.read_directory(content);
}

fn open(sim: &mut Sim) {
    read(sim, SignInGate::Open(vec!["the browser flow asks for no second factor".to_owned()]));
    assert_eq!(sim.engine.health().sign_in.state(), "open");
}

fn enforced(sim: &mut Sim) {
    read(sim, SignInGate::Enforced);
    assert_eq!(sim.engine.health().sign_in.state(), "enforced");
}

#[test]
fn change_of_the_sign_in_gate_is_logged_once() {
    let mut sim = Sim::new(0);
    are_logged(&mut sim, "sign-in", [(enforced, 0), (open, 1), (open, 0), (enforced, 1), (enforced, 0)]);
}

#[test]
fn orphans_are_logged_when_they_change() {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    let again = |sim: &mut Sim| {
        sim.engine.gc_now();
        sim.settle();
    };
    let gone = |sim: &mut Sim| {
        vanish(sim, Membership, "carol");
        sim.settle();
    };
    let back = |sim: &mut Sim| {
        happen(sim, making(Membership, "carol"));
        sim.settle();
    };
    are_logged(&mut sim, "guestlist::engine::gc: ", [(again, 0), (gone, 1), (again, 0), (back, 1), (again, 0)]);
}

fn annotate(sim: &mut Sim, name: &str, value: &str) {
    let patch = json!({"metadata": {"annotations": {name: value}}});
    sim.server.patch(&key(Membership, "bob"), PatchTarget::Object, &patch, sim.now).unwrap();
    sim.settle();
}

#[test]
fn annotation_without_effect_is_logged_once() {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    let misspell = |sim: &mut Sim| annotate(sim, "guestlist.dev/pausd", "true");
    let edit = |sim: &mut Sim| {
        sim.edit(Membership, "bob", json!({"displayName": "Robert"}));
        sim.settle();
    };
    let another = |sim: &mut Sim| annotate(sim, "guestlist.dev/resend", "now");
    are_logged(&mut sim, "annotation", [(misspell, 1), (edit, 0), (another, 1)]);
}

#[test]
fn watch_and_policy_that_fail_alike_again_are_logged_once() {
    fn watch_fails(sim: &mut Sim, problem: &str) {
        let input = Input::WatchFailed { collection: Membership.into(), problem: problem.to_owned() };
        sim.engine.handle(input, sim.now);
    }
    fn policy_fails(sim: &mut Sim, problem: &str) {
        sim.engine.handle(Input::Policy(Err(problem.to_owned())), sim.now);
    }
    let mut sim = Sim::new(0);
    let lists = |sim: &mut Sim| sim.list_at(Membership, sim.server.version);
    let watch: [Act; 5] = [
        (|sim| watch_fails(sim, "failed to list: 403"), 1),
        (|sim| watch_fails(sim, "failed to list: 403"), 0),
        (|sim| watch_fails(sim, "failed to list: 500"), 1),
        (lists, 0),
        (|sim| watch_fails(sim, "failed to list: 500"), 1),
    ];
    are_logged(&mut sim, "failed to list", watch);
    let policy: [Act; 3] = [
        (|sim| policy_fails(sim, "line 3: unknown field"), 1),
        (|sim| policy_fails(sim, "line 3: unknown field"), 0),
        (|sim| policy_fails(sim, "line 4: unknown field"), 1),
    ];
    are_logged(&mut sim, "PolicyUnreadable", policy);
}

#[test]
fn wide_pattern_of_the_policy_is_logged_once() {
    fn changes(sim: &mut Sim, pattern: &str) {
        let tenants = format!(
            "[{{namespace: 'team-*', hostAdmins: [zoe@host.example]}}, \
              {{namespace: '{pattern}', hostAdmins: ['*@host.example']}}]"
        );
        let policy = WorkspacePolicy::parse(&format!("domains: [host.example]\ntenants: {tenants}")).unwrap();
        sim.engine.handle(Input::Policy(Ok(Box::new(policy))), sim.now);
    }
    let mut sim = Sim::new(0);
    let acts: [Act; 4] = [
        (|sim| changes(sim, "team-a-*"), 1),
        (|sim| changes(sim, "team-a-*"), 0),
        (|sim| changes(sim, "other-*"), 0),
        (|sim| changes(sim, "team-a-*"), 1),
    ];
    are_logged(&mut sim, "also covers", acts);
}

#[test]
fn refused_operation_is_logged_once() {
    let mut sim = Sim::new(0);
    walk::begin(&mut sim);
    sim.cursed = vec![email("bob@acme.example")];
    sim.refuses = Some("department: too short".to_owned());
    sim.edit(Membership, "bob", json!({"suspended": true}));
    let acts: [Act; 2] =
        [(|sim| wait(sim, SignedDuration::from_secs(1)), 1), (|sim| wait(sim, SignedDuration::from_mins(1)), 0)];
    are_logged(&mut sim, "department: too short", acts);
}
