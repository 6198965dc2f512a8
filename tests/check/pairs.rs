//! Each rule that files decide: a manifest that it refuses, and the nearest one that it lets through.

use super::support::{check_with, errors};

/// The world that each pair changes in one place: a field of one object, as `find` → what takes its place.
const WORLD: &str = r#"
apiVersion: guestlist.dev/v1alpha1
kind: LocalPartner
metadata: {name: acme, namespace: partners}
spec:
  hostAdmins: [alice@host.example]
  mfa: {required: true, methods: [TOTP, WebAuthn], enrolWithin: 168h}
  invitations: {expireAfter: 72h}
  guests: {allowedDomains: [acme.example], maxGuests: 3, maxDuration: 4320h}
  expiresAt: "2037-06-30T00:00:00Z"
  adoption: Never
  deletion: Block
---
apiVersion: guestlist.dev/v1alpha1
kind: LocalPartner
metadata: {name: other, namespace: partners}
spec:
  hostAdmins: [zoe@host.example]
---
apiVersion: guestlist.dev/v1alpha1
kind: GuestMembership
metadata: {name: carol, namespace: partners, creationTimestamp: "2026-01-01T00:00:00Z"}
spec:
  partnerRef: {name: acme}
  email: carol@acme.example
  role: GuestAdmin
  invitedBy: alice@host.example
---
apiVersion: guestlist.dev/v1alpha1
kind: GuestMembership
metadata: {name: bob, namespace: partners, creationTimestamp: "2026-01-02T00:00:00Z"}
spec:
  partnerRef: {name: acme}
  email: bob@acme.example
  role: GuestUser
  invitedBy: carol@acme.example
  mfa: {required: true, methods: [WebAuthn]}
  expiresAt: "2026-02-01T00:00:00Z"
---
apiVersion: guestlist.dev/v1alpha1
kind: GuestMembership
metadata: {name: stranger, namespace: partners, creationTimestamp: "2026-01-03T00:00:00Z"}
spec:
  partnerRef: {name: other}
  email: stranger@other.example
  invitedBy: zoe@host.example
---
apiVersion: guestlist.dev/v1alpha1
kind: AccountShare
metadata: {name: instagram, namespace: partners, creationTimestamp: "2026-01-01T00:00:00Z"}
spec:
  partnerRef: {name: acme}
  account: instagram-main
  sharedBy: alice@host.example
  guestAdminRole: Manager
  guestUsers:
  - {name: bob, propagatedBy: carol, role: Collaborator, email: bob@acme.example}
  roleOverrides:
  - {name: carol, role: Manager}
  exclude: []
  mfa: {methods: [WebAuthn]}
"#;

const POLICY: &str = r#"
domains: [host.example]
tenants: [{namespace: partners, hostAdmins: ["*@host.example"]}]
"#;

struct Pair {
    rule: &'static str,
    find: &'static str,
    refused: &'static str,
    passes: &'static str,
}

const fn pair(rule: &'static str, find: &'static str, refused: &'static str, passes: &'static str) -> Pair {
    Pair { rule, find, refused, passes }
}

#[rustfmt::skip]
const PAIRS: &[Pair] = &[
    pair("InvalidValue", "expireAfter: 72h", "expireAfter: 3d", "expireAfter: 1h30m"),
    pair("InvalidValue", "\"2037-06-30T00:00:00Z\"", "2037-06-30", "2037-06-30T00:00:00+02:00"),
    pair("InvalidValue", "adoption: Never", "adoption: Always", "adoption: Unmarked"),
    pair("InvalidValue", "deletion: Block", "deletion: cascade", "deletion: Cascade"),
    pair("InvalidValue", "maxGuests: 3", "maxGuests: -1", "maxGuests: 2"),
    pair("InvalidValue", "role: GuestUser", "role: Guest", "role: GuestUser"),
    pair("InvalidValue", "guestAdminRole: Manager", "guestAdminRole: Boss", "guestAdminRole: Manager"),
    pair("InvalidValue", "[alice@host.example]", "[alice@host.example, ALICE@host.example]", "[alice@host.example, al@host.example]"),
    pair("InvalidValue", "  - {name: carol, role: Manager}", "  - {name: carol, role: Manager}\n  - {name: carol, role: Manager}", "  - {name: carol, role: Manager}"),
    pair("HostAdminRequired", "hostAdmins: [zoe@host.example]", "hostAdmins: []", "hostAdmins: [zoe@host.example, alice@host.example]"),
    pair("HostAdminNotAllowedHere", "hostAdmins: [zoe@host.example]", "hostAdmins: [zoe@host.example, zoe@else.example]", "hostAdmins: [zoe@host.example, yan@host.example]"),
    pair("HostAdminNotAllowedHere", "sharedBy: alice@host.example", "sharedBy: alice@else.example", "sharedBy: alice@host.example"),
    pair("MfaCannotBeWaived", "mfa: {required: true, methods: [WebAuthn]}", "mfa: {required: false}", "mfa: {required: true}"),
    pair("MfaCannotBeWaived", "mfa: {methods: [WebAuthn]}", "mfa: {required: false}", "mfa: {}"),
    pair("MfaMethodNotAllowed", "methods: [TOTP, WebAuthn]", "methods: [TOTP, WebAuthn, SMS]", "methods: [WebAuthn, TOTP]"),
    pair("MfaMethodNotAllowed", "methods: [TOTP, WebAuthn]", "methods: [TOTP]", "methods: [WebAuthn]"),
    pair("MfaMethodNotAllowed", "mfa: {methods: [WebAuthn]}", "mfa: {methods: []}", "mfa: {methods: [TOTP]}"),
    pair("MfaDeadlineTooLong", "enrolWithin: 168h", "enrolWithin: 720h1s", "enrolWithin: 720h"),
    pair("InvalidEmail", "email: bob@acme.example\n", "email: Bob <bob@acme.example>\n", "email: Bob@acme.example\n"),
    pair("InvalidEmail", "email: stranger@other.example", "email: stranger@localhost", "email: stranger+tag@other.example"),
    pair("HostDomain", "email: stranger@other.example", "email: stranger@sub.host.example", "email: stranger@nothost.example"),
    pair("DomainListsExclusive", "allowedDomains: [acme.example]", "allowedDomains: [acme.example], deniedDomains: [x.example]", "deniedDomains: [x.example]"),
    pair("DomainListsExclusive", "allowedDomains: [acme.example]", "deniedDomains: []", "allowedDomains: [acme.example, b.example]"),
    pair("DomainListsExclusive", "allowedDomains: [acme.example]", "deniedDomains: ['*.x.example']", "deniedDomains: [x.example]"),
    pair("DomainNotAllowed", "allowedDomains: [acme.example]", "allowedDomains: [example.example]", "allowedDomains: [acme.example]"),
    pair("DomainNotAllowed", "allowedDomains: [acme.example]", "deniedDomains: [acme.example]", "deniedDomains: [me.example]"),
    pair("IsWorkspaceUser", "email: stranger@other.example", "email: alice@host.example", "email: alice@other.example"),
    pair("AlreadyGuest", "email: stranger@other.example", "email: BOB@acme.example", "email: bob+2@acme.example"),
    pair("QuotaExceeded", "maxGuests: 3", "maxGuests: 1", "maxGuests: 2"),
    pair("InviterNotAllowed", "invitedBy: zoe@host.example", "invitedBy: alice@host.example", "invitedBy: zoe@host.example"),
    pair("InviterNotAllowed", "role: GuestUser\n", "role: GuestAdmin\n", "role: GuestUser\n"),
    pair("ExpiryTooLong", "\"2026-02-01T00:00:00Z\"", "\"2026-07-02T00:00:00Z\"", "\"2026-07-01T00:00:00Z\""),
    pair("OwnerNeverShared", "guestAdminRole: Manager", "guestAdminRole: Owner", "guestAdminRole: Manager"),
    pair("OwnerNeverShared", "{name: carol, role: Manager}", "{name: carol, role: Owner}", "{name: carol, role: Manager}"),
    pair("OwnerNeverShared", "role: Collaborator, email", "role: Owner, email", "role: Collaborator, email"),
    pair("ManagerNeedsGuestAdmin", "role: Collaborator, email", "role: Manager, email", "email"),
    pair("ManagerNeedsGuestAdmin", "  - {name: carol, role: Manager}", "  - {name: carol, role: Manager}\n  - {name: bob, role: Manager}", "  - {name: carol, role: Manager}\n  - {name: bob, role: Collaborator}"),
    pair("SharerNotHostAdmin", "sharedBy: alice@host.example", "sharedBy: zoe@host.example", "sharedBy: Alice@host.example"),
    pair("NotAGuestOfPartner", "exclude: []", "exclude: [{name: stranger}]", "exclude: [{name: nobody}]"),
    pair("NotAGuestOfPartner", "email: bob@acme.example}", "email: rob@acme.example}", "email: BOB@acme.example}"),
    pair("PropagationNeedsManager", "{name: carol, role: Manager}", "{name: carol, role: Collaborator}", "{name: carol, role: Manager}"),
    pair("PropagationNeedsManager", "exclude: []", "exclude: [{name: carol}]", "exclude: [{name: bob}]"),
];

fn policy(directory: &tempfile::TempDir) -> String {
    let path = directory.path().join("workspace.yaml");
    std::fs::write(&path, POLICY).unwrap();
    path.to_string_lossy().into_owned()
}

#[test]
fn the_world_of_the_pairs_breaks_no_rule() {
    let directory = tempfile::tempdir().unwrap();
    let (status, report) = check_with(&["--workspace", &policy(&directory)], WORLD);
    assert_eq!((status, report["findings"].as_array().unwrap().len()), (0, 0), "{report:#}");
}

#[test]
fn each_rule_refuses_one_and_lets_the_nearest_through() {
    let directory = tempfile::tempdir().unwrap();
    let file = policy(&directory);
    for Pair { rule, find, refused, passes } in PAIRS {
        assert_eq!(WORLD.matches(find).count(), 1, "{rule}: {find:?} does not stand in the world once");
        let (status, report) = check_with(&["--workspace", &file], &WORLD.replace(find, refused));
        assert!(
            status == 1 && errors(&report).iter().any(|word| word == rule),
            "{rule} lets {refused:?} through: {report:#}"
        );
        let (status, report) = check_with(&["--workspace", &file], &WORLD.replace(find, passes));
        assert!(status == 0, "{rule} refuses {passes:?}: {report:#}");
    }
}

#[test]
fn one_account_is_shared_once_with_a_partner() {
    let directory = tempfile::tempdir().unwrap();
    let file = policy(&directory);
    let share = WORLD.rsplit("---").next().unwrap();
    let second = share.replace("name: instagram,", "name: zz,").replace("2026-01-01", "2026-01-05");
    let (status, report) = check_with(&["--workspace", &file], &format!("{WORLD}---{second}"));
    assert_eq!((status, errors(&report)), (1, vec!["DuplicateShare".to_owned()]), "{report:#}");
    assert_eq!(report["findings"][0]["object"]["name"], "zz");
    let another = second.replace("instagram-main", "facebook-main");
    assert_eq!(check_with(&["--workspace", &file], &format!("{WORLD}---{another}")).0, 0);
}

#[test]
fn without_a_policy_its_rules_are_not_judged() {
    let elsewhere = WORLD.replace("namespace: partners", "namespace: elsewhere");
    assert_eq!(check_with(&[], &elsewhere).0, 0);
    let directory = tempfile::tempdir().unwrap();
    let (status, report) = check_with(&["--workspace", &policy(&directory)], &elsewhere);
    assert_eq!(status, 1);
    assert!(errors(&report).contains(&"HostAdminNotAllowedHere".to_owned()), "{report:#}");
}
