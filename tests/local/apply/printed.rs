//! Hidden characters of a tenant, or of an administrator of the directory, reach no terminal and no program. No output
//! has a control, bidirectional or invisible character, and no name starts a line.

use guestlist::domain::text::is_hidden;

use super::folder::{Folder, SHARE, guest};

/// Clears a screen, forges a row, reverses text, ends a string.
const EVIL: &str = "Acme\u{1b}[2J\nforged row\r\u{202e}\u{2066}\u{9b}31m\u{200b}\u{feff}";
const FORGED: &str = "forged row";

/// The output has no hidden character except line breaks, and no line that a name started.
#[track_caller]
fn is_clean(what: &[&str], said: &str) {
    if let Some(c) = said.chars().find(|c| *c != '\n' && is_hidden(*c)) {
        panic!("{what:?} prints {c:?}: {said:?}");
    }
    assert!(said.lines().all(|line| !line.trim_start().starts_with(FORGED)), "{what:?}: {said}");
}

/// A directory as an earlier release, or an administrator in the console, could have written it.
fn spoilt() -> Folder {
    let folder = Folder::settled();
    let connection = rusqlite::Connection::open(folder.path("directory.db")).unwrap();
    guestlist::directory::sqlite::register_digest(&connection).unwrap();
    for sql in [
        "UPDATE partners SET display_name = ?1",
        "UPDATE guests SET display_name = ?1",
        "UPDATE users SET name = ?1",
        "INSERT INTO accounts (name) VALUES (?1)",
    ] {
        connection.execute(sql, [EVIL]).unwrap();
    }
    connection
        .execute("INSERT INTO account_owners (account, email) VALUES (?1, 'alice@host.example')", [EVIL])
        .unwrap();
    folder
}

#[test]
fn no_output_has_a_hidden_character_or_a_forged_line() {
    let folder = spoilt();
    let quoted = serde_json::to_string(EVIL).unwrap();
    let quoted = guestlist::domain::printable_json(&quoted);
    let partner = format!(
        "\n---\napiVersion: guestlist.dev/v1alpha1\nkind: LocalPartner\nmetadata: {{name: acme, namespace: partners}}\nspec: {{displayName: {quoted}, hostAdmins: [alice@host.example, dan@host.example]}}\n"
    );
    let share = format!(
        "{SHARE}---\n{}",
        SHARE.replace("name: instagram", "name: other").replace("account: instagram", &format!("account: {quoted}"))
    );
    folder.declare(&[partner.as_str(), &share, &guest("carol", "GuestAdmin")].concat());
    for command in [
        &["directory", "show"][..],
        &["directory", "show", "-o", "json"],
        &["check", "manifests"],
        &["check", "manifests", "-o", "json"],
        &["check", "manifests", "-o", "sarif"],
        &["plan", "manifests"],
        &["plan", "manifests", "-o", "json"],
        &["plan", "manifests", "--prune"],
        &["apply", "manifests", "--prune", "--yes"],
        &["apply", "manifests", "--prune", "--yes", "-o", "json"],
        &["directory", "set-owner", EVIL, "dan@host.example"],
        &["directory", "delete-account", EVIL],
        &["directory", "delete-account", "no\u{1b}[2J\nforged row"],
        &["explain", "In\u{1b}[2Jvalid"],
        &["directory", "show"],
    ] {
        let (_, said) = folder.says(command);
        is_clean(command, &said);
    }
    // Programs receive the value unchanged.
    let names: Vec<String> = folder.show()["accounts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["name"].as_str().unwrap().to_owned())
        .collect();
    assert!(names.iter().any(|name| name == EVIL), "{names:?}");
}

#[test]
fn stored_invalid_name_is_named_and_fixed_by_a_plain_one() {
    let folder = spoilt();
    let (_, said) = folder.says(&["plan", "manifests"]);
    assert!(said.contains("update the partner \"acme\""), "{said}");
    folder.apply();
    assert!(!folder.ok(&["directory", "show", "-o", "json"]).contains("\"displayName\": \"Acme\\u001b"));
}

#[test]
fn plan_and_apply_warn_of_a_duration_below_a_minute() {
    let folder = Folder::new();
    let partner = super::folder::PARTNER.trim_end().replace("spec: {", "spec: {invitations: {expireAfter: 30s}, ");
    folder.declare(&partner);
    for command in [&["plan", "manifests"][..], &["apply", "manifests", "--yes"]] {
        let (_, said) = folder.says(command);
        assert!(said.contains("spec.invitations.expireAfter: 30s is shorter than a minute"), "{command:?}: {said}");
        assert!(said.contains("warning: manifests/all.yaml:"), "{said}");
    }
}
