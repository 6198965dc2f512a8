//! A guest's lifecycle from the first manifest to the purge, with the output of each step.

use serde_json::json;

use super::folder::{BOB, CAROL, Folder, PARTNER, POLICY, SHARE, guest, manifests};

#[test]
fn plan_lists_operations_with_reasons_and_writes_nothing() {
    let folder = Folder::new();
    folder.declare(&manifests());
    folder.ok(&["directory", "show"]);
    let before = folder.content();
    let (code, said) = folder.plan();
    assert_eq!(code, 2, "{said}");
    for wanted in [
        "LocalPartner partners/acme\n  + create the partner \"acme\" (Host Admins: alice@host.example, dan@host.example)\n",
        "GuestMembership partners/bob\n  + invite bob@acme.example as GuestUser; the invitation ends 20",
        "\n      Invited: invited by alice@host.example\n",
        "later: GuestMembership partners/bob (bob@acme.example)\n  grant instagram as Collaborator through AccountShare partners/instagram, once\n",
        "      Invited: bob@acme.example accepts the invitation, which ends 20",
        "      MfaNotEnrolled: bob@acme.example has MFA on: TOTP or WebAuthn\n",
        "Plan: 3 operations now (grant: 3, update: 0, revoke: 0, remove: 0), 2 grants later.\n",
    ] {
        assert!(said.contains(wanted), "{wanted} in:\n{said}");
    }
    assert!(folder.content() == before, "a plan wrote into the directory");
}

#[test]
fn a_directory_that_is_not_there_is_not_made() {
    let folder = Folder::new();
    folder.declare(&manifests());
    for command in ["plan", "apply"] {
        let (code, said) = folder.says(&[command, "manifests", "--directory", "sqlite:other.db"]);
        assert!(code == 1 && said.contains("other.db") && said.contains("import"), "{said}");
        assert!(!folder.path("other.db").exists());
    }
}

#[test]
fn apply_gives_access_after_mfa_and_a_second_one_does_nothing() {
    let folder = Folder::settled();
    let both = ["bob@acme.example instagram:Collaborator", "carol@acme.example instagram:Manager"];
    assert_eq!(folder.access(), both);
    let before = folder.content();
    assert_eq!(folder.plan().0, 0);
    let said = folder.ok(&["apply", "manifests"]);
    assert!(said.contains("Plan: 0 operations"), "{said}");
    assert!(folder.content() == before, "a second apply wrote into the directory");
}

#[test]
fn revocation_requires_confirmation() {
    let folder = Folder::settled();
    folder.declare(
        &manifests()
            .replace("guestAdminRole: Manager\n  guestUsers: [{name: bob, propagatedBy: carol}]", "suspended: true"),
    );
    let before = folder.access();
    let (code, said) = folder.says(&["apply", "manifests"]);
    assert!(code == 1 && said.contains("- revoke instagram") && said.contains("Confirm with --yes"), "{said}");
    assert_eq!(folder.access(), before);
    let said = folder.apply();
    assert!(said.contains("Done: 2 operations (grant: 0, update: 0, revoke: 2, remove: 0), 0 grants later."), "{said}");
    assert_eq!(folder.access(), Vec::<String>::new());
}

#[test]
fn undeclared_guest_stays_without_prune_and_is_deactivated_with() {
    let folder = Folder::settled();
    folder.declare(&[SHARE, &guest("carol", "GuestAdmin"), PARTNER].concat());
    let (code, said) = folder.plan();
    let left = "unmanaged: GuestMembership partners/bob (bob@acme.example)\n  no file declares this guest of acme, who keeps instagram; with --prune the guest is removed";
    assert!(code == 0 && said.contains(left), "{said}");
    let (_, plan) = folder.json(&["plan", "manifests"]);
    assert_eq!(
        (&plan["unmanaged"][0]["guest"], &plan["unmanaged"][0]["accounts"]),
        (&json!(BOB), &json!(["instagram"]))
    );
    assert_eq!(folder.access().len(), 2);
    let (_, plan) = folder.json(&["plan", "manifests", "--prune"]);
    let taken = &plan["operations"][0];
    assert_eq!(taken["accounts"], json!([{"account": "instagram", "role": "Collaborator"}]));
    assert_eq!(
        (&taken["partner"], &plan["unmanaged"]),
        (&json!({"namespace": "partners", "name": "acme"}), &json!([]))
    );
    let (code, said) = folder.says(&["plan", "manifests", "--prune"]);
    assert!(code == 2 && said.contains("bob@acme.example, which no object declares\n  - revoke instagram"), "{said}");
    folder.ok(&["apply", "manifests", "--prune", "--yes"]);
    assert_eq!(folder.access(), ["carol@acme.example instagram:Manager"]);
    assert_eq!(folder.addresses("deactivated"), [BOB]);
    // A day later (at once in this test) the record is purged, but not without --prune.
    folder.write("workspace.yaml", &POLICY.replace("after: 24h", "after: 0s"));
    assert_eq!(folder.plan().0, 0);
    folder.ok(&["apply", "manifests", "--prune", "--yes"]);
    assert_eq!(folder.addresses("deactivated"), Vec::<String>::new());
    assert_eq!(folder.says(&["plan", "manifests", "--prune"]).0, 0);
}

#[test]
fn undeclared_share_keeps_grants_without_prune_and_none_with_it() {
    let folder = Folder::settled();
    folder.declare(&[&guest("bob", "GuestUser"), &guest("carol", "GuestAdmin"), PARTNER].concat());
    let (code, said) = folder.plan();
    let left = "unmanaged: GuestMembership partners/bob (bob@acme.example)\n  keeps instagram, which no share in these files grants";
    assert!(code == 0 && said.contains(left), "{said}");
    folder.ok(&["apply", "manifests", "--prune", "--yes"]);
    assert_eq!(folder.access(), Vec::<String>::new());
    assert_eq!(folder.addresses("guests"), [BOB, CAROL]);
}

#[test]
fn prune_reaches_no_partner_that_is_not_declared() {
    let folder = Folder::settled();
    folder.declare(&PARTNER.replace("acme", "bolt"));
    let (_, said) = folder.says(&["plan", "manifests", "--prune"]);
    assert!(said.contains("revoke: 0, remove: 0)"), "{said}");
    // Nor if the files contain only a part of it.
    folder.declare(&guest("bob", "GuestUser"));
    let (_, said) = folder.says(&["plan", "manifests", "--prune"]);
    assert!(said.contains("Plan: 0 operations now") && said.contains("PartnerNotFound"), "{said}");
}

#[test]
fn so_many_at_once_look_like_a_mistake() {
    let folder = Folder::new();
    let names: Vec<String> = (0..8).map(|n| format!("guest-{n}")).collect();
    let guests: String = names.iter().map(|name| guest(name, "GuestUser")).collect();
    folder.declare(&[PARTNER, &guests].concat());
    folder.apply();
    folder.declare(PARTNER);
    let (code, said) = folder.says(&["apply", "manifests", "--prune", "--yes"]);
    assert!(code == 1 && said.contains("TooManyOrphans: 8 of 8"), "{said}");
    assert_eq!(folder.addresses("guests").len(), 8);
    // --max-removals allows more removals, and must cover all of them.
    let (code, said) = folder.says(&["apply", "manifests", "--prune", "--max-removals", "7", "--yes"]);
    assert!(code == 1 && said.contains("--max-removals 8"), "{said}");
    assert_eq!(folder.addresses("guests").len(), 8);
    let (code, said) = folder.says(&["apply", "manifests", "--max-removals", "8", "--yes"]);
    assert!(code == 2 && said.contains("--prune"), "{said}");
    folder.ok(&["apply", "manifests", "--prune", "--max-removals", "8", "--yes"]);
    assert_eq!(folder.addresses("guests"), Vec::<String>::new());
}

#[test]
fn renamed_partner_is_new_and_its_guests_are_invited_again() {
    let folder = Folder::settled();
    folder.declare(&manifests().replace("name: acme", "name: acme-media"));
    let (code, said) = folder.says(&["plan", "manifests", "--prune"]);
    assert!(code == 1 && said.contains("error[Immutable]: GuestMembership partners/bob"), "{said}");
    let renamed = manifests().replace("{name: bob", "{name: bob-2").replace("{name: carol", "{name: carol-2");
    let renamed =
        renamed.replace("name: acme", "name: acme-media").replace("propagatedBy: carol", "propagatedBy: carol-2");
    folder.declare(&[PARTNER, &renamed.replace("{name: instagram", "{name: instagram-2")].concat());
    folder.ok(&["apply", "manifests", "--prune", "--yes"]);
    assert_eq!(folder.access(), Vec::<String>::new(), "each guest accepts the invitation first");
    let partners =
        folder.show()["guests"].as_array().unwrap().iter().map(|it| it["partner"].clone()).collect::<Vec<_>>();
    assert_eq!(partners, ["acme-media", "acme-media"]);
    folder.joins_with_mfa(CAROL);
    folder.joins_with_mfa(BOB);
    folder.apply();
    assert_eq!(folder.access(), ["bob@acme.example instagram:Collaborator", "carol@acme.example instagram:Manager"]);
}

#[test]
fn replaced_owner_fails_no_pipeline() {
    let folder = Folder::settled();
    folder.ok(&["directory", "set-owner", "instagram", "dan@host.example"]);
    let (code, said) = folder.plan();
    assert!(code == 2 && said.contains("waits[SharerNotOwner]: AccountShare partners/instagram"), "{said}");
    let said = folder.apply();
    assert!(said.contains("- GuestMembership partners/carol: revoke instagram"), "{said}");
    assert_eq!(folder.access(), Vec::<String>::new());
    let (code, said) = folder.plan();
    assert!(code == 0 && said.contains("waits[SharerNotOwner]"), "{said}");
}

#[test]
fn a_few_at_a_time_do_not_empty_a_partner() {
    let folder = Folder::new();
    let left = |from: usize| -> String {
        let guests = (from..8).map(|n| guest(&format!("guest-{n}"), "GuestUser"));
        [PARTNER.to_owned()].into_iter().chain(guests).collect()
    };
    folder.declare(&left(0));
    folder.apply();
    folder.declare(&left(3));
    folder.ok(&["apply", "manifests", "--prune", "--yes"]);
    folder.declare(&left(4));
    for command in [&["plan", "manifests", "--prune"][..], &["apply", "manifests", "--prune", "--yes"]] {
        let (code, said) = folder.says(command);
        let told = "1 of 8 guests in the directory are declared by no file, after 3 that were removed";
        assert!(code == 1 && said.contains(told) && said.contains("--max-removals 4"), "{said}");
    }
    assert_eq!(folder.addresses("guests").len(), 5);
    // After they are declared again, the first three no longer count. Guests that were omitted before are no problem.
    folder.declare(&left(3));
    folder.ok(&["apply", "manifests", "--prune", "--yes"]);
    folder.declare(&[left(4), guest("guest-0", "GuestUser")].concat());
    folder.ok(&["apply", "manifests", "--prune", "--yes"]);
    assert_eq!(folder.addresses("guests").len(), 5);
    // A day later they no longer count as recent removals.
    let connection = rusqlite::Connection::open(folder.path("directory.db")).unwrap();
    guestlist::directory::sqlite::register_digest(&connection).unwrap();
    let sql = "UPDATE guests SET deactivated_at = '2026-01-01T00:00:00Z' WHERE deactivated_at IS NOT NULL";
    assert_eq!(connection.execute(sql, []).unwrap(), 3);
    folder.declare(&left(4));
    folder.ok(&["apply", "manifests", "--prune", "--yes"]);
    assert_eq!(folder.addresses("guests").len(), 4);
}

#[test]
fn a_broken_rule_is_said_with_its_place_and_the_rest_is_done() {
    let folder = Folder::new();
    folder.declare(
        &[
            SHARE,
            &guest("carol", "GuestAdmin"),
            &guest("eve", "GuestUser").replace("acme.example", "host.example"),
            PARTNER,
        ]
        .concat(),
    );
    let (code, said) = folder.says(&["apply", "manifests"]);
    assert!(
        code == 1 && said.contains("error[HostDomain]: GuestMembership partners/eve (manifests/all.yaml:"),
        "{said}"
    );
    assert_eq!(folder.addresses("guests"), [CAROL]);
    // Facts that only the directory has are found, too.
    folder.ok(&["directory", "set-owner", "instagram", "dan@host.example"]);
    let (code, said) = folder.plan();
    assert!(code == 1 && said.contains("waits[SharerNotOwner]: AccountShare partners/instagram"), "{said}");
}

#[test]
fn with_input_that_does_not_read_nothing_is_done() {
    let folder = Folder::new();
    for (broken, word) in [
        (
            "\n---\napiVersion: guestlist.dev/v1alpha1\nkind: GuestMembership\nmetadata: {name: x, namespace: partners}\nspec: {emial: x}\n",
            "emial",
        ),
        ("\n---\nkind: [\n", "syntax"),
    ] {
        folder.declare(&(manifests() + broken));
        for command in ["plan", "apply"] {
            let (code, said) = folder.says(&[command, "manifests"]);
            assert!(code == 1 && said.contains(word) && said.contains("--> manifests/all.yaml:"), "{said}");
        }
        assert_eq!(folder.addresses("guests"), Vec::<String>::new());
    }
    let (code, said) = folder.says(&["apply", "nowhere", "--yes"]);
    assert!(code == 1 && said.contains("nowhere"), "{said}");
    // An unreadable or missing policy revokes nothing: the policy has to exist and parse.
    let (code, said) = folder.says(&["apply", "manifests", "--workspace", "absent.yaml"]);
    assert!(code == 1 && said.contains("absent.yaml"), "{said}");
}

#[test]
fn a_directory_of_another_installation_is_left_alone() {
    let folder = Folder::settled();
    folder.write("workspace.yaml", &POLICY.replace("installation: test", "installation: other"));
    let before = folder.content();
    for command in ["plan", "apply"] {
        let (code, said) = folder.says(&[command, "manifests", "--prune"]);
        assert!(code == 1 && said.contains("ForeignDirectory") && said.contains("--adopt-directory"), "{said}");
    }
    assert!(folder.content() == before);
}

#[test]
fn reused_name_with_other_address_is_refused_until_prune() {
    let folder = Folder::settled();
    let other = manifests().replace(BOB, "robert@acme.example");
    folder.declare(&other);
    let (code, said) = folder.says(&["plan", "manifests", "--prune"]);
    assert!(code == 1 && said.contains("error[Immutable]"), "{said}");
    folder.declare(&[SHARE, &guest("carol", "GuestAdmin"), PARTNER].concat());
    folder.ok(&["apply", "manifests", "--prune", "--yes"]);
    folder.declare(&other);
    folder.apply();
    assert_eq!(folder.addresses("guests"), [CAROL, "robert@acme.example"]);
}

#[test]
fn maximum_duration_counts_from_admission_and_not_from_apply() {
    let folder = Folder::new();
    let manifests = manifests().replace("hostAdmins:", "guests: {maxDuration: 48h}, hostAdmins:");
    folder.declare(&manifests);
    folder.apply();
    folder.joins_with_mfa(CAROL);
    folder.apply();
    let until = || {
        let connection = rusqlite::Connection::open(folder.path("directory.db")).unwrap();
        connection.query_row("SELECT until FROM grants", [], |row| row.get::<_, String>(0)).unwrap()
    };
    let first = until();
    let admitted: String = rusqlite::Connection::open(folder.path("directory.db"))
        .unwrap()
        .query_row("SELECT admitted_at FROM guests WHERE name = 'carol'", [], |row| row.get(0))
        .unwrap();
    let stay = first.parse::<jiff::Timestamp>().unwrap().duration_since(admitted.parse().unwrap());
    assert_eq!(stay.as_hours(), 48);
    assert_eq!(folder.plan().0, 0, "a later look moves nothing");
    folder.apply();
    assert_eq!(until(), first);
}

#[test]
fn forged_uid_reaches_no_guest_of_another_namespace() {
    let folder = Folder::settled();
    let connection = rusqlite::Connection::open(folder.path("directory.db")).unwrap();
    let uid: String =
        connection.query_row("SELECT uid FROM guests WHERE name = 'carol'", [], |row| row.get(0)).unwrap();
    folder.write(
        "workspace.yaml",
        &(POLICY.replace("tenants:", "tenants:\n- {namespace: others, hostAdmins: ['*@host.example']}")),
    );
    let forged = |name: &str| {
        let mine = [PARTNER, &guest(name, "GuestAdmin")].concat().replace("namespace: partners", "namespace: others");
        mine.replace(&format!("{{name: {name}, "), &format!("{{name: {name}, uid: {uid}, "))
    };
    let before = folder.access();
    // A UID of another namespace, for another guest and for the same one.
    for name in ["eve", "carol"] {
        folder.declare(&forged(name));
        folder.run(&["apply", "manifests", "--yes", "--prune"]);
        assert_eq!(folder.access(), before, "{name}");
    }
    folder.declare(&manifests());
    assert_eq!(folder.plan().0, 0, "carol is as she was");
    // A duplicate UID is refused before any operation.
    folder.declare(
        &[
            forged("eve"),
            guest("mia", "GuestUser").replace("namespace: partners", &format!("namespace: others, uid: {uid}")),
        ]
        .concat(),
    );
    let (code, said) = folder.says(&["apply", "manifests"]);
    assert!(code == 1 && said.contains("metadata.uid") && said.contains("duplicate-object"), "{said}");
}

#[test]
fn object_exported_during_deletion_removes_no_guest() {
    let folder = Folder::settled();
    let before = folder.access();
    let leaving = PARTNER
        .replace("{name: acme, ", "{name: acme, deletionTimestamp: '2026-01-01T00:00:00Z', ")
        .replace("spec: {", "spec: {deletion: Cascade, ");
    folder.declare(&[SHARE, &guest("bob", "GuestUser"), &guest("carol", "GuestAdmin"), &leaving].concat());
    let (code, said) = folder.says(&["apply", "manifests", "--yes"]);
    assert!(code == 1 && said.contains("metadata.deletionTimestamp"), "{said}");
    assert_eq!(folder.access(), before);
}

#[test]
fn name_of_pruned_share_is_free_for_another_account() {
    let folder = Folder::settled();
    let guests = [&guest("bob", "GuestUser"), &guest("carol", "GuestAdmin"), PARTNER].map(ToString::to_string).concat();
    let other = SHARE.replace("account: instagram", "account: tiktok").replace("alice@host", "dan@host") + &guests;
    folder.declare(&other);
    let (code, said) = folder.says(&["plan", "manifests", "--prune"]);
    assert!(code == 1 && said.contains("error[Immutable]"), "as long as it is there: {said}");
    folder.declare(&guests);
    let (_, said) = folder.says(&["plan", "manifests"]);
    assert!(said.contains("Plan: 0 operations"), "{said}");
    let said = folder.ok(&["apply", "manifests", "--prune", "--yes"]);
    assert!(said.contains("delete the record of the share"), "{said}");
    folder.declare(&other);
    folder.apply();
    assert_eq!(folder.access(), ["bob@acme.example tiktok:Collaborator", "carol@acme.example tiktok:Manager"]);
}

#[test]
fn immediate_purge_is_done_although_its_instant_moves() {
    let folder = Folder::settled();
    std::fs::write(folder.path("workspace.yaml"), POLICY.replace("after: 24h", "after: 0s")).unwrap();
    folder.declare(
        &[PARTNER, &guest("carol", "GuestAdmin"), SHARE]
            .concat()
            .replace("guestUsers: [{name: bob, propagatedBy: carol}]", "guestUsers: []"),
    );
    let said = folder.ok(&["apply", "manifests", "--prune", "--yes"]);
    assert!(!said.contains("changed meanwhile"), "{said}");
    let shown = folder.ok(&["directory", "show", "-o", "json"]);
    assert!(!shown.contains(BOB), "{shown}");
    assert_eq!(folder.access(), ["carol@acme.example instagram:Manager"]);
}

#[test]
fn policy_without_tenants_is_refused_and_nothing_changes() {
    let folder = Folder::settled();
    let before = folder.access();
    let commented = "installation: test\ntenants:\n# - {namespace: partners, hostAdmins: ['*@host.example']}\n";
    for policy in ["", "# nothing\n", "installation: test\n", "installation: test\ntenants: null\n", commented] {
        folder.write("workspace.yaml", policy);
        for command in [
            &["plan", "manifests"] as &[&str],
            &["apply", "manifests", "--yes"],
            &["check", "manifests", "--workspace", "workspace.yaml"],
            &["detach", "--orphans", "--yes"],
            &["detach", "--adopt-directory=files", "--yes"],
        ] {
            let (code, said) = folder.says(command);
            let told = said.contains("workspace.yaml: tenants: the list is missing") && said.contains("tenants: []");
            assert!(told && code == if command[0] == "check" { 2 } else { 1 }, "{policy:?} {command:?}: {code} {said}");
        }
    }
    assert_eq!(folder.access(), before);
    folder.write(
        "workspace.yaml",
        &POLICY
            .replace("- {namespace: partners, hostAdmins: ['*@host.example']}\n", "")
            .replace("tenants:", "tenants: []"),
    );
    assert_eq!(folder.says(&["apply", "manifests", "--yes"]).0, 1, "the policy allows none of the objects");
    assert!(folder.access().is_empty());
}
