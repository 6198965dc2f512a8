//! The patterns of the workspace policy: which namespaces they cover, and the warnings about wildcards that cover more
//! than they seem to.

use std::collections::BTreeSet;

use guestlist::workspace_policy::{WorkspacePolicy, file_schema};

fn warnings(tenants: &[String], namespaces: &[&str]) -> Vec<String> {
    let policy = WorkspacePolicy::parse(&format!("tenants: [{}]", tenants.join(", "))).unwrap();
    policy.wide_patterns(namespaces.iter().copied())
}

fn tenant(namespace: &str, admins: &[&str], adoption: bool) -> String {
    format!("{{namespace: '{namespace}', hostAdmins: {admins:?}, adoption: {adoption}}}")
}

/// A wildcard is wide for a name if more than one part follows its prefix.
#[test]
fn wildcard_is_wide_for_names_with_further_parts() {
    for (stem, name, is_wide) in [
        ("oil-", "oil-a", false),
        ("oil-", "oil-a-b", true),
        ("oil-", "oil--", true),
        ("oil-", "oil-", false),
        ("oil-", "oi-a-b", false),
        ("oil", "oil", false),
        ("oil", "oilfield", true),
        ("oil", "oil-a", false),
        ("oil", "oil-a-b", true),
        ("oil", "oil-", false),
        ("oil", "boil-a-b", false),
        ("", "oil-a-b", false),
    ] {
        let wildcard = || tenant(&format!("{stem}*"), &["zoe@host.example"], false);
        assert_eq!(warnings(&[wildcard()], &[name]).len(), usize::from(is_wide), "{stem}* {name}");
        // An entry for the name has the same effect as a namespace of this name, unless it allows as much.
        let other = tenant(name, &["alice@host.example"], false);
        assert_eq!(warnings(&[wildcard(), other], &[]).len(), usize::from(is_wide), "{stem}* {name}");
    }
}

#[test]
fn wildcard_is_wide_for_longer_wildcards_alone() {
    let [zoe, alice] = ["zoe@host.example", "alice@host.example"];
    for (first, second, wide) in [
        ("oil-*", "oil-gas-*", Some(0)),
        ("oil-gas-*", "oil-*", Some(1)),
        ("oil-*", "oil-*", None),
        ("oil-*", "gas-*", None),
        ("oil*", "oil-*", Some(0)),
        ("*", "oil-*", None),
    ] {
        let found = warnings(&[tenant(first, &[zoe], false), tenant(second, &[alice], false)], &[]);
        let expected: Vec<String> =
            wide.into_iter().map(|index: usize| format!("tenants[{index}].namespace: ")).collect();
        let places: Vec<&str> = found.iter().map(|warning| &warning[..22]).collect();
        assert_eq!(places, expected, "{first} {second}: {found:?}");
        if let [warning] = &found[..] {
            let longer = if wide == Some(0) { second } else { first };
            assert!(warning.contains(&format!("also covers {longer}: ")), "{warning}");
        }
    }
}

/// The entry is meant to be covered if it allows at least what the wildcard allows.
#[test]
fn entry_that_allows_as_much_silences_the_warning() {
    let some: [&[&str]; 4] = [&[], &["a@host.example"], &["b@host.example"], &["a@host.example", "b@host.example"]];
    for (wide, own) in some.iter().flat_map(|wide| some.iter().map(move |own| (*wide, *own))) {
        for (wide_adopts, own_adopts) in [(false, false), (false, true), (true, false), (true, true)] {
            for name in ["oil-gas-prod", "oil-gas-*"] {
                let tenants = [tenant("oil-*", wide, wide_adopts), tenant(name, own, own_adopts)];
                let allows_as_much = wide.iter().all(|admin| own.contains(admin)) && (own_adopts || !wide_adopts);
                for namespaces in [&[][..], &["oil-gas-prod"]] {
                    let found = warnings(&tenants, namespaces);
                    assert_eq!(found.is_empty(), allows_as_much, "{tenants:?}: {found:?}");
                }
            }
        }
    }
    // A shorter entry, or one for other names, says nothing about the wildcard.
    let wide = tenant("oil-*", some[1], false);
    for other in [tenant("oil*", some[1], false), tenant("oil-gas-test", some[1], false), tenant("*", some[1], false)] {
        let found = warnings(&[wide.clone(), other], &["oil-gas-prod"]);
        assert!(found.iter().any(|warning| warning.contains("oil-* also covers oil-gas-prod")), "{found:?}");
    }
}

/// Of two equal wildcards, neither is the longer entry that shows an intention.
#[test]
fn equal_wildcards_do_not_silence_each_other() {
    let twice = || [tenant("oil-*", &["a@host.example"], false), tenant("oil-*", &["a@host.example"], false)];
    assert_eq!(warnings(&twice(), &["oil-gas-prod"]).len(), 2);
}

#[test]
fn namespace_of_a_tenant_has_at_most_63_characters() {
    for (namespace, is_read) in
        [("a".repeat(63), true), ("a".repeat(64), false), ("a".repeat(65), false), (String::new(), false)]
    {
        let read = |text: &str| WorkspacePolicy::parse(&format!("tenants: [{{namespace: '{text}'}}]")).is_ok();
        assert_eq!(read(&namespace), is_read, "{namespace}");
        assert_eq!(read(&format!("{namespace}*")), is_read || namespace.is_empty(), "{namespace}*");
    }
}

#[test]
fn schema_of_the_policy_describes_each_field() {
    let schema = file_schema();
    let fields: Vec<&str> = schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
    let expected =
        ["domains", "installation", "invitationsPerHour", "mailInterval", "mfaUnknownMax", "purge", "tenants"];
    assert_eq!(fields.iter().copied().collect::<BTreeSet<_>>(), BTreeSet::from(expected));
    for field in expected {
        assert!(schema["properties"][field]["description"].as_str().is_some_and(|text| text.ends_with('.')), "{field}");
    }
}

#[test]
fn warning_names_three_namespaces_and_counts_the_others() {
    let names = ["oil-a-1", "oil-b-1", "oil-c-1", "oil-d-1", "oil-e-1"];
    for (count, shown) in [
        (1, "oil-a-1"),
        (3, "oil-a-1, oil-b-1, oil-c-1"),
        (4, "oil-a-1, oil-b-1, oil-c-1 and 1 more"),
        (5, "oil-a-1, oil-b-1, oil-c-1 and 2 more"),
    ] {
        let found = warnings(&[tenant("*", &[], false), tenant("oil-*", &["a@host.example"], false)], &names[..count]);
        let expected = format!(
            "tenants[1].namespace: oil-* also covers {shown}: the star stands for any characters, hyphens too. If this is \
             intended, add an entry for oil-a-1 with the same hostAdmins; otherwise list the namespaces one by one"
        );
        assert_eq!(found, [expected]);
    }
}
