//! Configuration files: the workspace policy, and the file of people and accounts to import.

use guestlist::cli::read_import;
use guestlist::workspace_policy::WorkspacePolicy;
use serde_json::json;

use super::harness::{Subject, each, fuzz};
use super::shapes::shapes;

const POLICY: &str = "installation: prod
domains: [host.example, host-two.example]
tenants:
- {namespace: partners, hostAdmins: [alice@host.example, '*@host-two.example'], adoption: true}
- {namespace: oil-*, hostAdmins: ['*']}
- namespace: '*'
mfaUnknownMax: 24h
mailInterval: 10m
invitationsPerHour: 30
purge: {after: 24h, perHour: 25%}
";
const POLICY_WORDS: [&str; 10] = [
    "domains: ",
    "tenants:\n",
    "- {namespace: ",
    "hostAdmins: [",
    "*@",
    "adoption: yes\n",
    "720h",
    "&a ",
    "*a",
    "<<: *a",
];
const IMPORT: &str = "users:
- {email: alice@host.example, name: Alice Example, enabled: true}
- email: dan@host.example
  verified: false
accounts:
- {name: instagram-main, owners: [alice@host.example, dan@host.example]}
- name: newsletter
";
const IMPORT_WORDS: [&str; 9] =
    ["users:\n", "accounts:\n", "- {email: ", "name: ", "owners: [", "enabled: no\n", "&a ", "*a", "<<: *a"];

fn policy(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    match WorkspacePolicy::parse(&text) {
        Ok(policy) => {
            policy.wide_patterns(["partners", "oil-gas-prod"]);
        }
        Err(problem) => assert!(problem.len() < 1000 + 2 * text.len(), "a long message: {problem}"),
    }
}

fn import(input: &[u8]) {
    let Ok(file) = read_import(&String::from_utf8_lossy(input)) else { return };
    let users = file.users.iter().map(|user| {
        let mut fields = json!({"email": user.email.as_str()});
        let given = [("name", user.name.clone().map(Into::into))];
        let switches = [("enabled", user.enabled), ("verified", user.verified)];
        for (name, value) in given.into_iter().chain(switches.map(|(name, on)| (name, on.map(Into::into)))) {
            fields.as_object_mut().unwrap().extend(value.map(|value| (name.to_owned(), value)));
        }
        fields
    });
    let accounts = file.accounts.iter().map(|account| {
        let owners: Vec<&str> = account.owners.iter().map(guestlist::domain::Email::as_str).collect();
        json!({"name": account.name, "owners": owners})
    });
    let printed = json!({"users": users.collect::<Vec<_>>(), "accounts": accounts.collect::<Vec<_>>()}).to_string();
    assert_eq!(read_import(&printed), Ok(file), "{printed}");
}

#[test]
fn workspace_policies() {
    let examples = include_bytes!("../../../examples/acme/workspace.yaml").to_vec();
    let corpus = vec![POLICY.into(), examples, b"tenants: []\n".to_vec()];
    assert!(WorkspacePolicy::parse(POLICY).is_ok());
    fuzz(Subject { name: "policies", corpus, words: &POLICY_WORDS, share: 15 }, policy);
}

#[test]
fn files_to_import() {
    let corpus = vec![IMPORT.into(), include_bytes!("../../../examples/acme/directory.yaml").to_vec()];
    assert_eq!(read_import(IMPORT).unwrap().users.len(), 2);
    fuzz(Subject { name: "imports", corpus, words: &IMPORT_WORDS, share: 15 }, import);
}

#[test]
fn large_files_of_settings() {
    let long = "a".repeat(32_000);
    let aliases = "*a,".repeat(8000);
    let own = [
        format!("domains: [&a {long},{aliases}]\ntenants: []\n"),
        format!("tenants:\n- {{namespace: &a {long}, hostAdmins: [{aliases}]}}\n"),
        format!("accounts:\n- {{name: &a {long}, owners: [{aliases}]}}\n"),
        format!("users: [{}]\n", "{email: &a a@b.example, name: *a},".repeat(500)),
        (0..600)
            .map(|n| format!("- {{namespace: n{n}*, hostAdmins: ['*']}}\n"))
            .fold("tenants:\n".to_owned(), |a, b| a + &b),
    ];
    let texts = || shapes(8000).into_iter().chain(own.clone().map(|text| ("settings", text))).collect();
    each(texts(), policy);
    each(texts(), import);
}
