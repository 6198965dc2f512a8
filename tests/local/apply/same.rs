//! `apply` runs exactly the operations that `plan` shows, in random environments and after random edits.

use serde_json::Value;

use super::folder::{Folder, guest};

/// A stream of numbers from a seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::try_from(self.below(choices.len() as u64)).unwrap()]
    }
}

const NAMES: [&str; 5] = ["ada", "ben", "cleo", "dora", "emil"];

/// A partner, several guests and shares; some of them break rules.
fn world(numbers: &mut Numbers) -> String {
    let extra = numbers.of(&["", ", guests: {maxGuests: 2}", ", suspended: true", ", mfa: {methods: [WebAuthn]}"]);
    let mut text = format!(
        "---\napiVersion: guestlist.dev/v1alpha1\nkind: LocalPartner\nmetadata: {{name: acme, namespace: partners}}\n\
         spec: {{hostAdmins: [{}]{extra}}}\n",
        numbers.of(&["alice@host.example", "alice@host.example, dan@host.example"])
    );
    for name in NAMES {
        if numbers.below(5) == 0 {
            continue;
        }
        let role = numbers.of(&["GuestAdmin", "GuestUser"]);
        let edit = numbers.of(&["", "", "", ", suspended: true", ", expiresAt: \"2020-01-01T00:00:00Z\""]);
        text += &guest(name, role).replace("alice@host.example}", &format!("alice@host.example{edit}}}"));
    }
    for (share, account, sharer) in [("one", "instagram", "alice@host.example"), ("two", "tiktok", "dan@host.example")]
    {
        if numbers.below(4) == 0 {
            continue;
        }
        let role = numbers.of(&["Manager", "Collaborator"]);
        let (user, propagator, excluded) = (numbers.of(&NAMES), numbers.of(&NAMES), numbers.of(&NAMES));
        text += &format!(
            "---\napiVersion: guestlist.dev/v1alpha1\nkind: AccountShare\nmetadata: {{name: {share}, namespace: partners}}\n\
             spec: {{partnerRef: {{name: acme}}, account: {account}, sharedBy: {sharer}, guestAdminRole: {role}, \
             guestUsers: [{{name: {user}, propagatedBy: {propagator}}}], exclude: [{{name: {excluded}}}]}}\n"
        );
    }
    text
}

/// Random events in the workspace.
fn events(folder: &Folder, numbers: &mut Numbers) {
    for _ in 0..numbers.below(6) {
        let email = format!("{}@acme.example", numbers.of(&NAMES));
        match numbers.below(5) {
            0 | 1 => {
                folder.run(&["directory", "accept", &email]);
                folder.run(&["directory", "enroll-mfa", &email]);
            }
            2 => drop(folder.run(&["directory", "accept", &email])),
            3 => drop(folder.run(&["directory", "reset-mfa", &email])),
            _ => drop(folder.run(&[
                "directory",
                "set-owner",
                "instagram",
                numbers.of(&["alice@host.example", "dan@host.example"]),
            ])),
        }
    }
}

/// Operations without the seconds between two commands.
fn operations(value: &Value) -> Vec<String> {
    let one = |operation: &Value| {
        let summary = operation["summary"].as_str().unwrap();
        let summary = summary.split("; ").next().unwrap();
        let object = &operation["object"];
        format!(
            "{} {} {summary}: {} {}",
            object["name"], operation["operation"], operation["reason"], operation["message"]
        )
    };
    value["operations"].as_array().unwrap().iter().map(one).collect()
}

#[test]
fn apply_does_exactly_the_planned_operations_and_leaves_none() {
    let mut done = 0;
    for seed in 1..=12 {
        let mut numbers = Numbers(seed * 7919);
        let folder = Folder::new();
        for _ in 0..4 {
            folder.declare(&world(&mut numbers));
            let prune: &[&str] = if numbers.below(2) == 0 { &["--prune"] } else { &[] };
            let (_, planned) = folder.json(&[&["plan", "manifests"], prune].concat());
            let (_, applied) = folder.json(&[&["apply", "manifests", "--yes"], prune].concat());
            assert_eq!(operations(&applied), operations(&planned), "seed {seed}");
            let (_, again) = folder.json(&[&["plan", "manifests"], prune].concat());
            assert_eq!(operations(&again), Vec::<String>::new(), "seed {seed}");
            done += operations(&applied).len();
            events(&folder, &mut numbers);
        }
    }
    assert!(done > 100, "only {done} operations were compared");
}
