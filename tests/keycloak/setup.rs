//! `guestlist directory setup` on a real server: the objects that it creates, the existing ones that it leaves alone,
//! and the operator's permissions afterwards.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;

use guestlist::directory::{Cursor, DirectoryReader};
use serde_json::{Value, json};

use crate::prepared::{Said, Stage};
use crate::sign_in::{End, application, browser, code, direct, person};
use crate::support::keycloak::block_on;

const ROLES: [&str; 4] = ["manage-organizations", "manage-users", "view-events", "view-realm"];
const PEOPLE: &str = "{users: [{email: alice@host.example, name: Alice Example}],
  accounts: [{name: instagram, owners: [alice@host.example]}]}";

#[test]
fn a_realm_is_prepared_once_and_doing_it_again_changes_nothing() {
    let stage = Stage::empty("setup-twice");
    let first = stage.setup(&["--secret-file", "secret"]);
    assert!(first.ok, "{}", first.error);
    assert_eq!((first.count("changed"), first.count("unchanged")), (15, 0), "{}", first.out);
    let before = stage.state();
    let second = stage.setup(&["--secret-file", "secret"]);
    assert_eq!((second.count("changed"), second.count("unchanged")), (0, 15), "{}", second.out);
    assert_eq!(stage.state(), before);

    let file = stage.folder.path().join("secret");
    let secret = std::fs::read_to_string(&file).unwrap();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    for said in [&first, &second] {
        assert!(!said.out.contains(&secret) && !said.error.contains(&secret));
        assert!(said.out.contains("by hand      no mail server is set"), "{}", said.out);
    }
    // The realm is usable with these objects alone.
    block_on(stage.directory().reachable()).unwrap();
    std::fs::write(stage.folder.path().join("people.yaml"), PEOPLE).unwrap();
    let imported = stage.operator(&["import", "--users", "people.yaml"]);
    assert!(
        imported.out.ends_with("2 created, 0 configured, 0 unchanged, 0 skipped\n"),
        "{}{}",
        imported.out,
        imported.error
    );
    assert_eq!(stage.operator(&["delete-account", "instagram"]).out, "instagram is deleted\n");
    assert_eq!(stage.operator(&["restore-account", "instagram"]).out, "instagram is back\n");
    assert_eq!(stage.operator(&["set-owner", "instagram", "alice@host.example"]).out.lines().count(), 1);
    let shown: Value = serde_json::from_str(&stage.operator(&["show", "-o", "json"]).out).unwrap();
    assert_eq!(shown["accounts"][0]["owners"], json!(["alice@host.example"]));
    for (command, instead) in [
        (&["accept", "bob@acme.example"][..], "the guest follows the link in the invitation mail"),
        (&["enroll-mfa", "bob@acme.example"][..], "the guest sets up the second factor"),
        (&["reset-mfa", "bob@acme.example"][..], "guestlist.dev/reset-mfa"),
    ] {
        let said = stage.operator(command);
        assert!(!said.ok && said.error.contains(instead), "{}", said.error);
    }
}

#[test]
fn a_rehearsal_says_the_same_and_writes_nothing() {
    let stage = Stage::empty("setup-rehearsed");
    let said = stage.setup(&["--dry-run", "--secret-file", "secret"]);
    assert!(said.ok, "{}", said.error);
    assert_eq!(block_on(stage.realm.admin("GET", "", None)).0, 404, "the realm was made");
    assert!(!stage.folder.path().join("secret").exists());
    let done = stage.setup(&["--secret-file", "secret"]);
    let steps = |said: &Said| {
        let steps = said.out.lines().filter_map(|line| Some(line.get(13..)?.to_owned()));
        steps.collect::<Vec<_>>()
    };
    let (rehearsed, done) = (steps(&said), steps(&done));
    assert_eq!(rehearsed[..rehearsed.len() - 1], done[..done.len() - 1]);

    // The same for a partly prepared realm.
    stage.admin("PUT", "", Some(json!({"organizationsEnabled": false, "browserFlow": "browser"})));
    let gate = stage.admin("GET", "/authentication/flows/guestlist%20direct%20grant/executions", None);
    let deny = gate.as_array().unwrap().iter().find(|row| row["providerId"] == "deny-access-authenticator").unwrap();
    stage.admin("DELETE", &format!("/authentication/executions/{}", deny["id"].as_str().unwrap()), None);
    let before = stage.state();
    let said = stage.setup(&["--dry-run"]);
    assert!(said.ok, "{}", said.error);
    assert_eq!(said.count("would change"), 3, "{}", said.out);
    assert_eq!(stage.state(), before);
    // Setup completes the missing parts.
    assert_eq!(stage.setup(&[]).count("changed"), 3);
    let before = stage.state();
    assert_eq!(stage.setup(&[]).count("changed"), 0);
    assert_eq!(stage.state(), before);
}

#[test]
fn each_role_is_needed_and_a_missing_one_is_named() {
    let stage = Stage::prepared("setup-roles");
    let held = stage.admin("GET", &stage.roles(), None);
    let held: BTreeSet<_> = held.as_array().unwrap().iter().map(|role| role["name"].as_str().unwrap()).collect();
    assert_eq!(held, BTreeSet::from(ROLES));
    for role in &ROLES[..2] {
        stage.admin("DELETE", &stage.roles(), Some(stage.role(role)));
        let said = stage.operator(&["show"]);
        let expected = format!(
            "the service account of client \"guestlist\" may not do this; give it the role {role} of the client \
             realm-management in realm \"setup-roles\", or run `guestlist directory setup`"
        );
        assert!(!said.ok && said.error.contains(&expected), "{role}: {}{}", said.out, said.error);
        stage.admin("POST", &stage.roles(), Some(stage.role(role)));
    }
    assert!(stage.operator(&["show"]).ok);
    // Without events everything works, but changes by others are noticed only at the next full read.
    block_on(stage.directory().reachable()).unwrap();
    assert_ne!(block_on(stage.directory().cursor()).unwrap(), Cursor(0));
    stage.admin("DELETE", &stage.roles(), Some(stage.role("view-events")));
    assert_eq!(block_on(stage.directory().cursor()).unwrap(), Cursor(0));
    // Setup adds missing roles, and removes additional ones.
    stage.admin("POST", &stage.roles(), Some(stage.role("manage-realm")));
    let said = stage.setup(&[]);
    assert_eq!(said.count("changed"), 1, "{}", said.out);
    let held = stage.admin("GET", &stage.roles(), None);
    let held: BTreeSet<_> = held.as_array().unwrap().iter().map(|role| role["name"].as_str().unwrap()).collect();
    assert_eq!(held, BTreeSet::from(ROLES));
}

#[test]
fn guest_without_factor_is_refused_and_no_other_user_affected() {
    let stage = Stage::prepared("setup-gates");
    let realm = &stage.realm;
    let guest = || json!({"guestlist.id": ["g-1"]});
    block_on(async {
        application(realm, "portal").await;
        person(realm, "host@host.example", false, json!({})).await;
        person(realm, "guarded@host.example", true, json!({})).await;
        person(realm, "bare@acme.example", false, guest()).await;
        person(realm, "guarded@acme.example", true, guest()).await;
    });
    let direct = |email: &str, otp: Option<&str>| block_on(direct(realm, "portal", email, otp));
    // Direct grant.
    let (status, said) = direct("bare@acme.example", None);
    assert_eq!((status, said.get("sub")), (401, None), "{said}");
    assert_eq!(direct("host@host.example", None).0, 200);
    for email in ["guarded@acme.example", "guarded@host.example"] {
        assert_eq!(direct(email, None).1["error_description"], "Invalid user credentials", "{email}");
        let (status, claims) = direct(email, Some(&code()));
        assert_eq!((status, claims["sub"].is_string()), (200, true), "{email}: {claims}");
    }
    // A browser.
    for (email, end) in [
        ("bare@acme.example", End::SetsUp),
        ("guarded@acme.example", End::Asked),
        ("host@host.example", End::SignedIn),
        ("guarded@host.example", End::Asked),
    ] {
        assert_eq!(block_on(browser(realm, "portal", email)), end, "{email}");
    }
    assert_eq!(direct("bare@acme.example", None).0, 401, "who walks away from the page has nothing");
}

#[test]
fn applications_read_accounts_of_a_guest_in_the_token() {
    let stage = Stage::with_realm("setup-claim");
    let realm = &stage.realm;
    block_on(application(realm, "older"));
    block_on(application(realm, "portal"));
    let refused = stage.setup(&["--application", "portal", "--application", "nowhere"]);
    assert!(!refused.ok && refused.error.contains("--application \"nowhere\""), "{}", refused.error);
    assert_eq!(refused.out, "", "something was done before");
    let said = stage.setup(&["--application", "portal"]);
    assert!(said.out.contains("changed      application \"portal\" has the client scope guestlist"), "{}", said.out);
    block_on(application(realm, "newer"));
    let accounts = json!(["instagram:manager", "wiki:collaborator"]);
    block_on(person(realm, "alice@host.example", false, json!({})));
    for (client, claim) in [("portal", &accounts), ("older", &Value::Null), ("newer", &accounts)] {
        // One user each: a one-time password works once.
        let email = format!("{client}@acme.example");
        let attributes = json!({"guestlist.id": [client], "guestlist.accounts": accounts});
        block_on(person(realm, &email, true, attributes));
        let (status, claims) = block_on(direct(realm, client, &email, Some(&code())));
        assert_eq!(status, 200, "{client}: {claims}");
        assert_eq!(&claims["guestlist"]["accounts"], claim, "{client}");
    }
    let (_, claims) = block_on(direct(realm, "portal", "alice@host.example", None));
    assert_eq!(claims["guestlist"]["accounts"], Value::Null);
}

#[test]
fn setup_of_older_realm_keeps_claims_enabled_and_blocked() {
    let stage = Stage::with_realm("setup-older");
    let claimed = |client: &str, email: &str| {
        let (status, claims) = block_on(direct(&stage.realm, client, email, None));
        assert_eq!(status, 200, "{claims}");
        claims["guestlist"]["accounts"].clone()
    };
    let prepare = || {
        let said = stage.setup(&["--application", "portal"]);
        assert!(said.ok, "{}", said.error);
        said
    };
    let told = || {
        let found = stage.admin("GET", "/group-by-path/guestlist/claims-enabled", None);
        found["id"].as_str().unwrap().to_owned()
    };
    block_on(application(&stage.realm, "portal"));
    prepare();
    let held = json!(["instagram:manager"]);
    let [bob, carol] = ["bob@acme.example", "carol@acme.example"];
    for who in [bob, carol] {
        block_on(person(&stage.realm, who, false, json!({"guestlist.accounts": held})));
    }
    // A realm from an earlier version without the group.
    stage.admin("DELETE", &format!("/groups/{}", told()), None);
    stage.admin("DELETE", "/roles/guestlist-claims", None);
    assert_eq!([claimed("portal", bob), claimed("portal", carol)], [held.clone(), held.clone()]);
    let said = stage.setup(&["--dry-run"]);
    assert_eq!(said.count("would change"), 1, "{}", said.out);
    assert_eq!(prepare().count("changed"), 1);
    assert_eq!([claimed("portal", bob), claimed("portal", carol)], [held.clone(), held.clone()]);

    // Bob was removed from the group, because the user could not be written. Another setup does not add Bob again, even
    // if an administrator opened the client scope to all users.
    let found = stage.admin("GET", &format!("/users?exact=true&email={bob}"), None);
    stage.admin("DELETE", &format!("/users/{}/groups/{}", found[0]["id"].as_str().unwrap(), told()), None);
    assert_eq!(claimed("portal", bob), Value::Null);
    let scopes = stage.admin("GET", "/client-scopes", None);
    let scope = scopes.as_array().unwrap().iter().find(|scope| scope["name"] == "guestlist").unwrap();
    let asks = format!("/client-scopes/{}/scope-mappings/realm", scope["id"].as_str().unwrap());
    let role = stage.admin("GET", &asks, None);
    assert_eq!(role[0]["name"], "guestlist-claims");
    stage.admin("DELETE", &asks, Some(role));
    let everybody = stage.admin("GET", "/roles/default-roles-setup-older", None);
    stage.admin("POST", &asks, Some(json!([everybody])));
    assert_eq!(claimed("portal", bob), held);
    assert_eq!(prepare().count("changed"), 1);
    assert_eq!([claimed("portal", bob), claimed("portal", carol)], [Value::Null, held]);
    assert_eq!(prepare().count("changed"), 0);
}

#[test]
fn custom_flow_is_unchanged_and_missing_steps_are_named() {
    let stage = Stage::with_realm("setup-flows");
    stage.admin("POST", "/authentication/flows/browser/copy", Some(json!({"newName": "corporate"})));
    stage.admin("PUT", "", Some(json!({"browserFlow": "corporate"})));
    block_on(application(&stage.realm, "kiosk"));
    let flows = stage.admin("GET", "/authentication/flows", None);
    let direct = flows.as_array().unwrap().iter().find(|flow| flow["alias"] == "direct grant").unwrap()["id"].clone();
    let kiosk = stage.client("kiosk");
    let mut client = stage.admin("GET", &format!("/clients/{kiosk}"), None);
    client["authenticationFlowBindingOverrides"] = json!({"direct_grant": direct});
    stage.admin("PUT", &format!("/clients/{kiosk}"), Some(client));
    let executions = "/authentication/flows/corporate/executions";
    let before = stage.admin("GET", executions, None);
    let said = stage.setup(&[]);
    assert!(said.ok, "{}", said.error);
    for expected in [
        "by hand      the realm uses the flow \"corporate\" for browser sign-in, which does not check the MFA of guests after",
        "the steps and settings of \"guestlist key\", \"guestlist code\", \"guestlist factor\" in the flow \"guestlist browser\"",
        "by hand      application \"kiosk\" uses the flow \"direct grant\" for direct grant (its advanced settings)",
    ] {
        assert!(said.out.contains(expected), "{expected}\nis not in\n{}", said.out);
    }
    let realm = stage.admin("GET", "", None);
    assert_eq!(
        (&realm["browserFlow"], &realm["directGrantFlow"]),
        (&json!("corporate"), &json!("guestlist direct grant"))
    );
    assert_eq!(stage.admin("GET", executions, None), before);
}

#[test]
fn realm_letting_guest_edit_own_accounts_is_refused_until_setup() {
    let stage = Stage::prepared("setup-profile");
    let mut profile = stage.admin("GET", "/users/profile", None);
    let attributes = profile["attributes"].as_array_mut().unwrap();
    let own = attributes.iter_mut().find(|attribute| attribute["name"] == "guestlist.accounts").unwrap();
    own["permissions"] = json!({"view": ["admin", "user"], "edit": ["admin", "user"]});
    attributes.push(json!({"name": "badge", "permissions": {"view": ["user"], "edit": ["user"]}}));
    stage.admin("PUT", "/users/profile", Some(profile.clone()));
    let said = block_on(stage.directory().reachable()).unwrap_err().to_string();
    assert!(said.contains("lets others than administrators see or edit the attribute guestlist.accounts"), "{said}");
    assert!(said.contains("guestlist directory setup"), "{said}");
    // Not declared, and open to all users.
    let before = profile.clone();
    profile["attributes"]
        .as_array_mut()
        .unwrap()
        .retain(|one| !one["name"].as_str().unwrap().starts_with("guestlist."));
    profile["unmanagedAttributePolicy"] = json!("ENABLED");
    stage.admin("PUT", "/users/profile", Some(profile));
    let said = block_on(stage.directory().reachable()).unwrap_err().to_string();
    assert!(said.contains("lets users edit the attribute guestlist.id"), "{said}");
    assert_eq!(stage.setup(&[]).count("changed"), 1);
    block_on(stage.directory().reachable()).unwrap();
    let after = stage.admin("GET", "/users/profile", None);
    let badge = |profile: &Value| {
        profile["attributes"].as_array().unwrap().iter().find(|one| one["name"] == "badge").unwrap()["permissions"]
            .clone()
    };
    assert_eq!((badge(&after), &after["unmanagedAttributePolicy"]), (badge(&before), &json!("ENABLED")));
}

#[test]
fn setup_by_non_administrator_changes_nothing_and_names_fix() {
    let stage = Stage::empty("setup-refused");
    let password = ("GUESTLIST_KEYCLOAK_ADMIN_PASSWORD", "a planted password");
    let said = stage.run(&["setup"], &[password]);
    assert!(!said.ok && said.out.is_empty(), "{}", said.out);
    let expected =
        "Keycloak does not take the credentials of administrator \"admin\": compare GUESTLIST_KEYCLOAK_ADMIN";
    assert!(said.error.contains(expected) && !said.error.contains(password.1), "{}", said.error);
    let said = stage.run(&["setup"], &[]);
    assert!(said.error.contains("set GUESTLIST_KEYCLOAK_ADMIN_PASSWORD_FILE (a file)"), "{}", said.error);
    // The file already has other content.
    std::fs::write(stage.folder.path().join("notes"), "something else").unwrap();
    let said = stage.setup(&["--secret-file", "notes"]);
    assert!(!said.ok && said.error.contains("is not overwritten"), "{}", said.error);
    assert_eq!(std::fs::read_to_string(stage.folder.path().join("notes")).unwrap(), "something else");
    assert_eq!(block_on(stage.realm.admin("GET", "", None)).0, 404, "the realm was made");
    // Setup refuses the administrators' own realm.
    let address = format!("--directory=keycloak:{}#master", stage.realm.server.base);
    let said = stage.setup(&[&address]);
    assert!(!said.ok && said.error.contains("guests need one of their own"), "{}", said.error);
}

#[test]
fn missing_claims_group_is_reported_until_setup_restores_it() {
    let stage = Stage::prepared("told-gone");
    assert!(stage.operator(&["show"]).ok);
    let group = stage.admin("GET", "/group-by-path/guestlist/claims-enabled", None);
    stage.admin("DELETE", &format!("/groups/{}", group["id"].as_str().unwrap()), None);
    let said = stage.operator(&["show"]);
    for word in ["/guestlist/claims-enabled", "guestlist directory setup"] {
        assert!(!said.ok && said.error.contains(word), "{}{}", said.out, said.error);
    }
    assert!(stage.setup(&[]).ok && stage.operator(&["show"]).ok);
}

#[test]
fn guest_removed_from_claims_group_is_restored_unless_blocked() {
    let stage = Stage::prepared("told-left");
    let group = |name: &str| {
        let root = stage.admin("GET", "/groups?search=guestlist&exact=true", None);
        let path = format!("/groups/{}/children?max=100", root[0]["id"].as_str().unwrap());
        let found = stage.admin("GET", &path, None);
        let group = found.as_array().unwrap().iter().find(|group| group["name"] == name).cloned();
        group.unwrap_or_else(|| {
            stage.admin("POST", &path, Some(json!({"name": name})));
            let found = stage.admin("GET", &path, None);
            found.as_array().unwrap().iter().find(|group| group["name"] == name).unwrap().clone()
        })
    };
    let [told, untold] =
        ["claims-enabled", "claims-blocked"].map(|name| group(name)["id"].as_str().unwrap().to_owned());
    block_on(async {
        for name in ["left", "out"] {
            person(&stage.realm, &format!("{name}@acme.example"), false, json!({"guestlist.id": [name]})).await;
        }
    });
    let user = |name: &str| {
        let found = stage.admin("GET", &format!("/users?exact=true&email={name}@acme.example"), None);
        found[0]["id"].as_str().unwrap().to_owned()
    };
    stage.admin("PUT", &format!("/users/{}/groups/{untold}", user("out")), None);
    let said = stage.setup(&[]);
    assert_eq!(said.count("changed"), 1, "{}", said.out);
    let members = stage.admin("GET", &format!("/groups/{told}/members"), None);
    let members: Vec<_> = members.as_array().unwrap().iter().map(|user| user["email"].as_str().unwrap()).collect();
    assert_eq!(members, ["left@acme.example"]);
    assert_eq!(stage.setup(&[]).count("changed"), 0);
}
