//! Ordinary manifests, before any unusual spelling, and values of any form below `spec`.

use super::kubectl_habits::Random;
use super::odd::SCALARS;

pub const NAMES: [&str; 6] = ["acme", "bob", "carol", "dan-1", "x.y", "Erin"];
const KEYS: [&str; 12] = [
    "role",
    "suspended",
    "email",
    "displayName",
    "expiresAt",
    "partnerRef",
    "mfa",
    "methods",
    "name",
    "account",
    "maxGuests",
    "hostAdmins",
];

/// One manifest, or several.
pub fn manifests(random: &mut Random) -> String {
    let documents: Vec<String> = (0..=random.below(3)).map(|_| document(random)).collect();
    match random.below(8) {
        0 => list("List", &documents),
        _ => documents.join(random.pick(&["---\n", "---\n", "---\n", "--- # next\n", "---\n---\n"])),
    }
}

fn document(random: &mut Random) -> String {
    let name = random.pick(&NAMES);
    let (kind, spec) = match random.below(5) {
        0 => ("LocalPartner", "  hostAdmins:\n  - alice@host.example\n  displayName: Acme\n  mfa:\n    methods: [TOTP]\n".to_owned()),
        1 | 2 => (
            "GuestMembership",
            "  partnerRef:\n    name: acme\n  email: bob@acme.example\n  role: GuestUser\n  invitedBy: alice@host.example\n  suspended: true\n".to_owned(),
        ),
        3 => (
            "AccountShare",
            "  partnerRef: {name: acme}\n  account: instagram\n  sharedBy: alice@host.example\n  guestUsers:\n  - name: bob\n    propagatedBy: carol\n  - name: dan\n".to_owned(),
        ),
        _ => ("ConfigMap", value(random, 2, 0)),
    };
    let labels = match random.below(4) {
        0 => "  labels:\n    team: a\n    build: \"7\"\n",
        1 => "  annotations:\n    note: |\n      two\n      lines\n",
        _ => "",
    };
    format!("apiVersion: guestlist.dev/v1alpha1\nkind: {kind}\nmetadata:\n  name: {name}\n{labels}spec:\n{spec}")
}

/// Documents as items of a list of this kind.
pub fn list(kind: &str, documents: &[String]) -> String {
    let items = documents.iter().map(|document| {
        let lines: Vec<String> = document.lines().map(|line| format!("  {line}")).collect();
        format!("- {}\n", lines.join("\n").trim_start())
    });
    let version = if kind == "List" { "v1" } else { "guestlist.dev/v1alpha1" };
    format!("apiVersion: {version}\nkind: {kind}\nitems:\n{}", items.collect::<String>())
}

/// A block of any form, at this indentation.
pub fn value(random: &mut Random, indent: usize, depth: usize) -> String {
    let pad = " ".repeat(indent);
    let is_list = depth > 0 && random.below(3) == 0;
    let mut text = String::new();
    for _ in 0..=random.below(3) {
        let key = random.pick(&KEYS);
        let head = match (is_list, random.below(12)) {
            (true, 0) => format!("{pad}-   "),
            (true, _) => format!("{pad}- "),
            (false, 0) => format!("{pad}\"{key}\": "),
            (false, 1) => format!("{pad}? {key}\n{pad}: "),
            (false, 2) => format!("{pad}{key} : "),
            (false, _) => format!("{pad}{key}: "),
        };
        text.push_str(&head);
        if depth < 3 && random.below(4) == 0 {
            let further = 1 + random.below(3);
            let inner = value(random, indent + further, depth + 1);
            let in_line = is_list && random.below(2) == 0;
            text.push_str(&if in_line { inner.trim_start().to_owned() } else { format!("\n{inner}") });
        } else {
            text.push_str(random.pick(SCALARS));
            text.push('\n');
        }
    }
    text
}
