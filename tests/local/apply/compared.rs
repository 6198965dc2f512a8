//! `plan --base`: the differences of access, now and later, between two sets of files.

use serde_json::{Value, json};

use super::folder::{BOB, CAROL, Folder, PARTNER, POLICY, SHARE, guest, manifests};

const TIKTOK: &str = "
---
apiVersion: guestlist.dev/v1alpha1
kind: AccountShare
metadata: {name: tiktok, namespace: partners}
spec: {partnerRef: {name: acme}, account: tiktok, sharedBy: dan@host.example, guestAdminRole: Manager, guestUsers: [{name: bob, propagatedBy: carol}]}
";

/// A settled folder with the applied files as its base, and this text as its pull request.
fn pull_request(text: &str) -> Folder {
    let folder = Folder::settled();
    folder.write("base/all.yaml", &manifests());
    folder.declare(text);
    folder
}

/// The exit code, and each difference as `change fields guest account`.
fn differences(folder: &Folder, more: &[&str]) -> (i32, Vec<String>) {
    let (code, value) = folder.json(&[&["plan", "manifests", "--base", "base"], more].concat());
    let one = |change: &Value| {
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let fields: Vec<String> = change["fields"].as_array().unwrap().iter().map(text).collect();
        let (guest, account) = (text(&change["guest"]), text(&change["account"]));
        format!("{} [{}] {guest} {account}", text(&change["change"]), fields.join(","))
    };
    (code, value["changes"].as_array().unwrap().iter().map(one).collect())
}

#[test]
fn equal_sets_of_files_do_not_differ() {
    let folder = Folder::new();
    folder.declare(&manifests());
    folder.write("base/all.yaml", &manifests());
    assert_eq!(differences(&folder, &[]), (0, vec![]));
    assert_eq!(folder.plan().0, 2);
    let (code, said) = folder.says(&["plan", "manifests", "--base", "base"]);
    assert!(code == 0 && said.ends_with("Changes of access: 0 gained, 0 lost, 0 changed.\n"), "{said}");
}

#[test]
fn each_edit_is_a_difference_of_access_of_those_it_concerns() {
    let instagram = manifests();
    let later = "later";
    for (what, text, wanted) in [
        (
            "a share",
            manifests() + TIKTOK,
            vec!["gained [] bob@acme.example tiktok", "gained [] carol@acme.example tiktok"],
        ),
        (
            "no share",
            instagram.replace(SHARE, ""),
            vec!["lost [] bob@acme.example instagram", "lost [] carol@acme.example instagram"],
        ),
        (
            "a guest less",
            [SHARE, &guest("carol", "GuestAdmin"), PARTNER].concat(),
            vec!["lost [] bob@acme.example -", "lost [] bob@acme.example instagram"],
        ),
        ("a guest more", manifests() + &guest("dora", "GuestUser"), vec!["gained [] dora@acme.example -"]),
        (
            "a Guest Admin more",
            manifests() + &guest("dora", "GuestAdmin"),
            vec!["gained [] dora@acme.example -", "gained [] dora@acme.example instagram"],
        ),
        (
            "a role",
            instagram.replace(
                "guestUsers: [{name: bob, propagatedBy: carol}]",
                "roleOverrides: [{name: carol, role: Collaborator}]",
            ),
            vec!["lost [] bob@acme.example instagram", "changed [role] carol@acme.example instagram"],
        ),
        (
            "an end",
            instagram.replace("  account: instagram\n", "  account: instagram\n  expiresAt: 2099-01-01T00:00:00Z\n"),
            vec!["changed [until] bob@acme.example instagram", "changed [until] carol@acme.example instagram"],
        ),
        (
            "a method",
            instagram.replace("  account: instagram\n", "  account: instagram\n  mfa: {methods: [WebAuthn]}\n"),
            vec![
                "changed [conditions,mfa] bob@acme.example instagram",
                "changed [conditions,mfa] carol@acme.example instagram",
            ],
        ),
        (
            "a suspension",
            instagram.replace(
                "name: bob, namespace: partners}\nspec: {",
                "name: bob, namespace: partners}\nspec: {suspended: true, ",
            ),
            vec!["changed [state] bob@acme.example -", "lost [] bob@acme.example instagram"],
        ),
    ] {
        let folder = pull_request(&text);
        assert_eq!(differences(&folder, &[]), (2, wanted.iter().map(ToString::to_string).collect()), "{what}");
    }
    let folder = pull_request(&(manifests() + &guest("dora", "GuestAdmin")));
    let (_, value) = folder.json(&["plan", "manifests", "--base", "base"]);
    let gained = &value["changes"][1];
    assert_eq!((&gained["before"], &gained["after"][0]["when"]), (&json!([]), &json!(later)));
    let conditions = gained["after"][0]["conditions"].as_array().unwrap();
    assert_eq!(conditions.iter().map(|it| &it["reason"]).collect::<Vec<_>>(), ["Invited", "MfaNotEnrolled"]);
    let (code, said) = folder.says(&["plan", "manifests", "--base", "base"]);
    assert!(code == 2 && said.contains("gained: dora@acme.example of partners/acme: instagram\n  + Manager"), "{said}");
    assert!(said.contains("Changes of access: 2 gained, 0 lost, 0 changed."), "{said}");
}

#[test]
fn a_partner_that_only_the_base_declares_is_said_to_stay() {
    let folder = pull_request(&PARTNER.replace("{name: acme,", "{name: bolt,"));
    let (code, said) = differences(&folder, &[]);
    assert_eq!((code, said), (2, vec![format!("changed [state] {BOB} -"), format!("changed [state] {CAROL} -")]));
}

/// The manifests with another address of carol's membership.
fn other_address() -> String {
    manifests().replace("carol@acme.example", "caroline@acme.example")
}

#[test]
fn edited_address_keeps_the_guest_and_invites_nobody() {
    let before_and_after = |folder: &Folder| {
        let (_, value) = folder.json(&["plan", "manifests", "--base", "base"]);
        let guest = value["changes"].as_array().unwrap().iter().find(|change| change["guest"] == CAROL).unwrap();
        let state = |side: &str| guest[side][0]["state"].as_str().unwrap().to_owned();
        [state("before"), state("after")]
    };
    // Bob's access came from carol, who breaks a rule in the new files.
    let lost = vec![
        format!("lost [] {BOB} instagram"),
        format!("changed [state] {CAROL} -"),
        format!("lost [] {CAROL} instagram"),
    ];
    let applied = pull_request(&other_address());
    assert_eq!(differences(&applied, &[]).1, lost);
    assert_eq!(before_and_after(&applied), ["Active", "Rejected"]);
    let fresh = Folder::new();
    fresh.write("base/all.yaml", &manifests());
    fresh.declare(&other_address());
    assert_eq!(differences(&fresh, &[]).1, lost);
    assert_eq!(before_and_after(&fresh), ["Invited", "Rejected"]);
    // `apply` revokes the same access.
    applied.says(&["apply", "manifests", "--prune", "--yes"]);
    let guests = applied.show()["guests"].as_array().unwrap().clone();
    let carol = guests.iter().find(|guest| guest["email"] == CAROL).unwrap();
    assert!(carol["state"] != "Deactivated" && guests.iter().all(|guest| guest["email"] != "caroline@acme.example"));
}

#[test]
fn renamed_membership_loses_one_guest_and_gains_another() {
    let folder = pull_request(&other_address().replace("name: carol,", "name: caroline,"));
    let (_, said) = differences(&folder, &[]);
    let wanted = [format!("lost [] {CAROL} -"), "gained [] caroline@acme.example -".to_owned()];
    assert!(wanted.iter().all(|one| said.contains(one)), "{said:?}");
}

#[test]
fn edited_address_is_listed_as_unmanaged() {
    let folder = Folder::settled();
    folder.declare(&other_address());
    for more in [&[][..], &["--prune"]] {
        let (_, plan) = folder.json(&[&["plan", "manifests"], more].concat());
        let left = &plan["unmanaged"][0];
        assert_eq!((&left["guest"], &left["accounts"], &left["declared"]), (&json!(CAROL), &json!([]), &json!(true)));
        let message = left["message"].as_str().unwrap();
        assert!(message.contains("caroline@acme.example is not invited"), "{message}");
        let at = plan["violations"][0]["at"].as_str().unwrap();
        assert!(at.starts_with("manifests/all.yaml:"), "{at}");
    }
}

#[test]
fn an_empty_base_declares_nobody() {
    let folder = Folder::new();
    folder.declare(&manifests());
    let (code, value) = folder.json(&["plan", "manifests", "--base", "-"]);
    let gained = value["changes"].as_array().unwrap();
    assert_eq!((code, gained.len()), (2, 4), "{value}");
    assert!(gained.iter().all(|change| change["change"] == "gained"), "{value}");
}

#[test]
fn a_policy_that_changes_too_is_compared_with_that_of_the_base() {
    let folder = pull_request(&manifests());
    folder.write("base.yaml", &POLICY.replace("*@host.example", "dan@host.example"));
    let (code, said) = differences(&folder, &["--base-workspace", "base.yaml"]);
    let gained = [format!("gained [] {BOB} instagram"), format!("gained [] {CAROL} instagram")];
    assert_eq!(code, 2);
    assert!(gained.iter().all(|one| said.contains(one)), "{said:?}");
}

#[test]
fn bound_for_removals_applies_to_a_comparison() {
    let folder = pull_request(&[SHARE, &guest("carol", "GuestAdmin"), PARTNER].concat());
    let compared = |bound| folder.says(&["plan", "manifests", "--base", "base", "--max-removals", bound]);
    let (code, said) = compared("0");
    assert!(code == 1 && said.contains("TooManyOrphans"), "{said}");
    let (code, said) = compared("1");
    assert!(code == 2 && said.contains("lost"), "{said}");
    for command in [&["plan", "manifests", "--max-removals", "1"][..], &["apply", "manifests", "--max-removals", "1"]] {
        let (code, said) = folder.says(command);
        assert!(code != 0 && said.contains("--prune"), "{said}");
    }
}

#[test]
fn expired_invitation_waits_until_the_annotation_sends_it_again() {
    let folder = Folder::new();
    let bob = guest("bob", "GuestUser");
    folder.declare(&[&bob, &guest("carol", "GuestAdmin"), PARTNER].concat());
    folder.apply();
    folder.joins_with_mfa(CAROL);
    let connection = rusqlite::Connection::open(folder.path("directory.db")).unwrap();
    guestlist::directory::sqlite::register_digest(&connection).unwrap();
    connection.execute("UPDATE guests SET invitation_ends = sent_at WHERE sent_at IS NOT NULL", []).unwrap();
    drop(connection);
    folder.declare(&manifests());
    folder.apply();
    let (code, said) = folder.plan();
    assert!(code == 0 && said.contains("waits[InvitationExpired]: GuestMembership partners/bob"), "{said}");
    assert!(said.contains("guestlist.dev/resend-invitation"), "{said}");
    let (code, plan) = folder.json(&["plan", "manifests"]);
    let waits: Vec<&Value> = plan["waits"].as_array().unwrap().iter().map(|it| &it["reason"]).collect();
    assert_eq!((code, waits), (0, vec![&json!("InvitationExpired")]), "{plan}");
    let (_, said) = folder.says(&["plan", "manifests", "-o", "markdown"]);
    assert!(said.contains("### Waits") && said.contains("| `InvitationExpired` |"), "{said}");
    let now = jiff::Timestamp::now();
    let annotated = format!("name: bob, annotations: {{guestlist.dev/resend-invitation: '{now}'}},");
    folder.declare(&manifests().replace("metadata: {name: bob,", &format!("metadata: {{{annotated}")));
    let (code, said) = folder.plan();
    assert!(code == 2 && said.contains("resend the invitation") && !said.contains("InvitationExpired"), "{said}");
}

#[test]
fn input_that_cannot_be_compared_is_an_error() {
    let folder = pull_request(&manifests());
    folder.write("broken.yaml", "a: [\n");
    for base in ["nowhere", "broken.yaml"] {
        let (code, said) = folder.says(&["plan", "manifests", "--base", base]);
        assert!(code == 1 && said.contains("base"), "{base}: {code} {said}");
    }
    let (code, said) = folder.says(&["plan", "-", "--base", "-"]);
    assert!(code == 1 && said.contains("not both"), "{said}");
    folder.declare(&(manifests() + &guest("eve", "GuestUser").replace("acme.example", "host.example")));
    assert_eq!(folder.says(&["plan", "manifests", "--base", "base"]).0, 1);
    // A rule that only the base breaks does not concern the pull request.
    folder.write("base/all.yaml", &(manifests() + &guest("eve", "GuestUser").replace("acme.example", "host.example")));
    folder.declare(&manifests());
    assert_eq!(folder.says(&["plan", "manifests", "--base", "base"]).0, 0);
}

#[test]
fn markdown_is_tables_in_which_a_tenant_forms_nothing() {
    let hostile = "a | b `c` <img src=x> @everyone #1 [x](https://evil.example)";
    let share = TIKTOK.replace("account: tiktok", &format!("account: '{hostile}'"));
    let folder = pull_request(&(manifests() + &share));
    for args in [&["plan", "manifests"][..], &["plan", "manifests", "--base", "base"]] {
        let (code, said) = folder.says(&[args, &["-o", "markdown"]].concat());
        assert!(code != 1 && said.starts_with("## guestlist plan"), "{said}");
        assert!(said.contains(r"a \| b `c` <img src=x> @everyone #1 [x](https://evil.example)"), "{said}");
        assert!(said.contains("| `bob@acme.example` |"), "{said}");
        let tables = said.lines().filter(|line| line.starts_with('|'));
        let columns: Vec<usize> = tables.map(|line| line.matches('|').count()).collect();
        assert!(!columns.is_empty() && columns.iter().all(|count| *count >= 5), "{said}");
    }
}

#[test]
fn later_grants_leave_the_exit_status_of_a_plan_alone() {
    let folder = Folder::new();
    folder.declare(&[&guest("bob", "GuestUser"), &guest("carol", "GuestAdmin"), PARTNER].concat());
    folder.apply();
    folder.declare(&(manifests() + TIKTOK));
    let (code, said) = folder.plan();
    assert!(code == 0 && said.ends_with("Plan: 0 operations now, 4 grants later.\n"), "{said}");
    let (_, plan) = folder.json(&["plan", "manifests"]);
    let later = plan["later"].as_array().unwrap();
    assert_eq!(
        (&later[0]["guest"], &later[0]["partner"], &later[0]["role"], &later[0]["share"], &later[0]["until"]),
        (
            &json!(BOB),
            &json!({"namespace": "partners", "name": "acme"}),
            &json!("Collaborator"),
            &json!("instagram"),
            &json!(null)
        )
    );
    folder.joins_with_mfa(CAROL);
    folder.joins_with_mfa(BOB);
    folder.apply();
    assert_eq!(folder.access().len(), 4);
}

#[test]
fn guest_keeping_an_account_is_listed_beside_already_guest() {
    let folder = Folder::settled();
    // The same person under another partner, and under another name of the same one.
    let bolt = PARTNER.replace("{name: acme,", "{name: bolt,");
    let other = guest("robert", "GuestUser").replace("robert@", "bob@").replace("{name: acme}", "{name: bolt}");
    for declared in
        [[&bolt, other.as_str()].concat(), [PARTNER, &bolt, SHARE, &guest("carol", "GuestAdmin"), &other].concat()]
    {
        folder.declare(&declared);
        let (code, plan) = folder.json(&["plan", "manifests"]);
        assert_eq!((code, &plan["violations"][0]["reason"]), (1, &json!("AlreadyGuest")), "{plan}");
        let left: Vec<&Value> = plan["unmanaged"].as_array().unwrap().iter().filter(|it| it["guest"] == BOB).collect();
        assert_eq!(left.len(), 1, "{plan}");
        assert_eq!(left[0]["accounts"], json!(["instagram"]));
    }
}
