//! Objects together: waits, duplicates, namespaces, lists, and large numbers.

use std::fmt::Write as _;

use crate::support::check::{check, check_with, errors, run, short};

fn membership(name: &str, extra: &str) -> String {
    format!(
        "apiVersion: guestlist.dev/v1alpha1\nkind: GuestMembership\nmetadata:\n  name: {name}\n{extra}spec:\n  \
         partnerRef: {{name: acme}}\n  email: {name}@acme.example\n  invitedBy: alice@host.example\n"
    )
}

fn partner(extra: &str) -> String {
    format!(
        "apiVersion: guestlist.dev/v1alpha1\nkind: LocalPartner\nmetadata:\n  name: acme\n{extra}spec:\n  \
         hostAdmins: [alice@host.example]\n"
    )
}

#[test]
fn object_that_would_only_wait_is_a_warning() {
    let (status, report) = check(&membership("bob", ""));
    assert_eq!(short(&report), ["warning PartnerNotFound 6:22 spec.partnerRef.name"]);
    assert_eq!(status, 0);
}

#[test]
fn an_end_that_has_passed_is_a_warning_and_one_to_come_is_none() {
    let end = |year: u32| {
        let both = format!("{}---\n{}", partner(""), membership("bob", ""));
        check(&both.replace("invitedBy:", &format!("expiresAt: '{year}-01-01T00:00:00Z'\n  invitedBy:")))
    };
    let (status, report) = end(2020);
    assert_eq!((status, short(&report).len()), (0, 1), "{report:?}");
    assert!(short(&report)[0].starts_with("warning Expired ") && short(&report)[0].ends_with(" spec.expiresAt"));
    assert_eq!(short(&end(2999).1), [""; 0]);
}

#[test]
fn duration_below_a_minute_is_a_warning() {
    for (field, path) in [
        ("invitations: {expireAfter: TIME}", "spec.invitations.expireAfter"),
        ("mfa: {enrolWithin: TIME}", "spec.mfa.enrolWithin"),
        ("guests: {maxDuration: TIME}", "spec.guests.maxDuration"),
    ] {
        for (time, expected) in [("59s", 1), ("60s", 0), ("1m", 0)] {
            let (status, report) = check(&format!("{}  {}\n", partner(""), field.replace("TIME", time)));
            assert_eq!((status, short(&report).len()), (0, expected), "{path} {time}: {report:?}");
            let found =
                short(&report).iter().all(|one| one.starts_with("warning short-duration ") && one.ends_with(path));
            assert!(found, "{report:?}");
        }
    }
}

#[test]
fn a_partner_in_these_files_ends_the_wait_only_in_its_namespace() {
    let both = format!("{}---\n{}", partner(""), membership("bob", ""));
    assert_eq!(short(&check(&both).1), [""; 0]);
    let apart = format!("{}---\n{}", partner("  namespace: elsewhere\n"), membership("bob", "  namespace: default\n"));
    assert_eq!(errors(&check(&apart).1), [""; 0]);
    assert_eq!(short(&check(&apart).1).len(), 1);
}

#[test]
fn a_missing_namespace_is_the_one_that_is_asked_for() {
    let both = format!("{}---\n{}", partner(""), membership("bob", "  namespace: team\n"));
    let (status, report) = check_with(&["-n", "team"], &both);
    assert_eq!((status, short(&report)), (0, vec![]));
    let (status, report) = check_with(&["-n", "other"], &both);
    assert_eq!(status, 1);
    assert!(short(&report).contains(&"error schema 12:14 metadata.namespace".to_owned()), "{:?}", short(&report));
}

#[test]
fn two_objects_of_one_name_are_an_error_that_names_both_places() {
    let both =
        format!("{}---\n{}---\n{}", partner(""), membership("bob", ""), membership("bob", "  namespace: default\n"));
    let (status, report) = check(&both);
    assert_eq!((status, errors(&report)), (1, vec!["duplicate-object".to_owned()]));
    let finding = &report["findings"][0];
    assert_eq!((&finding["line"], &finding["other"]["line"]), (&serde_json::json!(20), &serde_json::json!(11)));
}

#[test]
fn duplicate_names_the_place_of_the_other_object() {
    let again = membership("robert", "").replace("robert@", "bob@");
    let share = |name: &str| {
        format!(
            "apiVersion: guestlist.dev/v1alpha1\nkind: AccountShare\nmetadata: {{name: {name}}}\nspec:\n  \
             partnerRef: {{name: acme}}\n  account: wiki\n  sharedBy: alice@host.example\n"
        )
    };
    let all = [partner(""), membership("bob", ""), again, share("first"), share("second")].join("---\n");
    let (status, report) = check(&all);
    assert_eq!(
        (status, short(&report)),
        (
            1,
            vec![
                "error AlreadyGuest 23:10 spec.email".to_owned(),
                "error DuplicateShare 39:12 spec.account".to_owned()
            ]
        )
    );
    let others: Vec<_> = (0..2).map(|n| report["findings"][n]["other"]["line"].clone()).collect();
    assert_eq!(others, [11, 28]);
    let directory = tempfile::tempdir().unwrap();
    let said = run(directory.path(), &["-"], &all).out;
    assert!(said.contains("note: the other one is at "), "{said}");
}

#[test]
fn the_second_of_two_is_still_judged_alone() {
    let wrong = membership("bob", "").replace("bob@acme", "bob acme");
    let both = format!("{}---\n{}---\n{wrong}", partner(""), membership("bob", ""));
    let found = errors(&check(&both).1);
    assert!(found.contains(&"InvalidEmail".to_owned()), "{found:?}");
}

#[test]
fn a_typing_error_in_a_share_is_seen() {
    let share = "---\napiVersion: guestlist.dev/v1alpha1\nkind: AccountShare\nmetadata: {name: s}\nspec:\n  partnerRef: {name: acme}\n  \
                 account: a\n  sharedBy: alice@host.example\n  exclude: [{name: bbo}]\n";
    let all = format!("{}---\n{}{share}", partner(""), membership("bob", ""));
    let (status, report) = check(&all);
    assert_eq!(short(&report), ["warning MembershipNotFound 24:20 spec.exclude[0].name"]);
    assert_eq!(status, 0);
}

#[test]
fn lists_are_read_item_by_item_and_foreign_kinds_are_counted() {
    let mut items = String::new();
    for item in [partner(""), membership("bob", ""), "apiVersion: v1\nkind: ConfigMap\n".to_owned()] {
        let _ = writeln!(items, "- {}", item.trim_end().replace('\n', "\n  "));
    }
    let (status, report) =
        check(&format!("apiVersion: v1\nkind: List\nitems:\n{items}---\napiVersion: v1\nkind: Secret\n"));
    assert_eq!((status, short(&report)), (0, vec![]));
    assert_eq!(report["summary"]["objects"]["GuestMembership"], 1);
    assert_eq!(report["summary"]["ignored"], 2);
}

#[test]
fn files_directories_and_standard_input_are_read_together() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    std::fs::create_dir_all(path("m/deep")).unwrap();
    std::fs::write(path("m/partner.yaml"), partner("")).unwrap();
    std::fs::write(path("m/deep/bob.yml"), membership("bob", "")).unwrap();
    std::fs::write(path("m/notes.txt"), "not: [a manifest").unwrap();
    std::fs::write(path("m/.hidden.yaml"), "not: [a manifest").unwrap();
    let said = run(directory.path(), &["m", "m/partner.yaml", "-"], &membership("carol", ""));
    assert_eq!(said.status, 0, "{}", said.out);
    assert_eq!(
        said.out,
        "checked 1 LocalPartner, 2 GuestMemberships, 0 AccountShares in 3 files: 0 errors, 0 warnings\n"
    );
}

#[test]
fn unreadable_file_exits_with_two_and_the_rest_is_checked() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("a.yaml"), membership("bob", "").replace("bob@", "bob at ")).unwrap();
    std::fs::write(directory.path().join("b.yaml"), b"a: \xff\n").unwrap();
    std::fs::create_dir(directory.path().join("empty")).unwrap();
    let said = run(directory.path(), &["-o", "json", "a.yaml", "b.yaml", "missing.yaml", "empty"], "");
    assert_eq!(said.status, 2);
    let report = serde_json::from_str(&said.out).unwrap();
    assert_eq!(errors(&report), ["InvalidEmail", "unreadable-file", "unreadable-file", "unreadable-file"]);
}

#[cfg(unix)]
#[test]
fn directory_with_broken_or_cyclic_links_is_read_to_the_end() {
    use std::os::unix::fs::symlink;
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    std::fs::create_dir_all(path("m/deep")).unwrap();
    std::fs::write(path("partner.yaml"), partner("")).unwrap();
    symlink("../partner.yaml", path("m/linked.yaml")).unwrap();
    symlink("../../partner.yaml", path("m/deep/linked-again.yaml")).unwrap();
    symlink("..", path("m/deep/up")).unwrap();
    symlink("../deep", path("m/deep/itself.yaml")).unwrap();
    let said = run(directory.path(), &["m"], "");
    assert_eq!((said.status, said.out.contains("in 1 file:")), (0, true), "{}", said.out);
    symlink("nowhere.yaml", path("m/nowhere.yaml")).unwrap();
    symlink("round.yaml", path("m/round.yaml")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(path("m/pipe.yaml")).status().unwrap().success());
    let said = run(directory.path(), &["-o", "json", "m"], "");
    let report = serde_json::from_str(&said.out).unwrap();
    assert_eq!((said.status, errors(&report)), (2, vec!["unreadable-file".to_owned(), "unreadable-file".to_owned()]));
    // A link that is named itself is followed.
    symlink("m", path("n")).unwrap();
    std::fs::remove_file(path("m/nowhere.yaml")).unwrap();
    std::fs::remove_file(path("m/round.yaml")).unwrap();
    assert_eq!(run(directory.path(), &["n"], "").status, 0);
}

#[test]
fn a_policy_that_cannot_be_read_stops_the_check() {
    let directory = tempfile::tempdir().unwrap();
    let said = run(directory.path(), &["--workspace", "missing.yaml", "-"], &partner(""));
    assert_eq!((said.status, said.out.as_str()), (2, ""));
    assert!(said.err.contains("missing.yaml"), "{}", said.err);
}

#[test]
fn ten_thousand_documents_are_all_checked() {
    let mut all = partner("");
    for i in 0..9_999 {
        let _ = write!(all, "---\n{}", membership(&format!("guest-{i}"), ""));
    }
    let (status, report) = check(&all.replace("guest-7777@acme.example", "guest-7777"));
    assert_eq!(report["summary"]["objects"]["GuestMembership"], 9_999);
    assert_eq!((status, short(&report)), (1, vec!["error InvalidEmail 70007:10 spec.email".to_owned()]));
}

#[test]
fn guests_beyond_the_room_of_a_partner_are_all_checked() {
    let mut all = partner("").replace("spec:\n", "spec:\n  guests: {maxGuests: 50}\n");
    for i in 0..2_000 {
        let _ = write!(all, "---\n{}", membership(&format!("guest-{i}"), ""));
    }
    let (status, report) = check(&all);
    assert_eq!((status, errors(&report).len()), (1, 1_950));
    assert!(errors(&report).iter().all(|word| word == "QuotaExceeded"));
}

#[test]
fn possible_propagators_are_named_however_large_the_partner() {
    let mut all = partner("");
    for i in 0..2_000 {
        let _ = write!(all, "---\n{}", membership(&format!("guest-{i}"), ""));
        let entry = "{name: guest-1, propagatedBy: guest-2}";
        let _ = write!(
            all,
            "---\napiVersion: guestlist.dev/v1alpha1\nkind: AccountShare\nmetadata: {{name: s-{i}}}\nspec:\n  \
             partnerRef: {{name: acme}}\n  account: a-{i}\n  sharedBy: alice@host.example\n  guestUsers: [{entry}]\n"
        );
    }
    let (status, report) = check(&all);
    assert_eq!((status, errors(&report).len()), (1, 2_000));
    let admin = membership("guest-3", "").replace("email:", "role: GuestAdmin\n  email:");
    let all = all.replace(&membership("guest-3", ""), &admin);
    let manager = all.replace("account: a-7\n", "account: a-7\n  guestAdminRole: Manager\n");
    let by_override =
        manager.replace("account: a-8\n", "account: a-8\n  roleOverrides: [{name: guest-3, role: Manager}]\n");
    let (_, report) = check(&by_override);
    let findings = report["findings"].as_array().unwrap();
    let named = findings.iter().filter(|finding| finding["message"].as_str().unwrap().ends_with("use one of: guest-3"));
    let named: Vec<_> = named.map(|finding| finding["object"]["name"].as_str().unwrap()).collect();
    assert_eq!(named, ["s-7", "s-8"]);
}
