//! The `waits` of a plan, and its lines about a partner that grants nothing yet.

use serde_json::Value;

use super::folder::{Folder, PARTNER, guest};

/// The plan of these manifests: its JSON and its text.
fn planned(manifests: &str) -> (Value, String) {
    let folder = Folder::new();
    folder.declare(manifests);
    (folder.json(&["plan", "manifests"]).1, folder.plan().1)
}

#[test]
fn expired_or_suspended_new_guest_waits() {
    for (more, reason, words) in [
        ("suspended: true", "Suspended", "spec.suspended is true"),
        ("expiresAt: '2025-01-01T00:00:00Z'", "Expired", "2025-01-01T00:00:00Z"),
    ] {
        let bob = guest("bob", "GuestUser").replace("spec: {", &format!("spec: {{{more}, "));
        let (plan, text) = planned(&[PARTNER, &bob].concat());
        let waits = plan["waits"].as_array().unwrap();
        assert_eq!((waits.len(), waits[0]["reason"].as_str()), (1, Some(reason)), "{plan:#}");
        let message = waits[0]["message"].as_str().unwrap();
        assert!(message.contains(words) && message.contains("no invitation is sent"), "{message}");
        assert!(
            text.contains(&format!("waits[{reason}]: GuestMembership partners/bob (manifests/all.yaml:")),
            "{text}"
        );
    }
}

#[test]
fn new_suspended_partner_is_created_once_and_then_marked() {
    let (plan, text) = planned(&PARTNER.replace("spec: {", "spec: {suspended: true, "));
    assert_eq!(text.matches("create the partner").count(), 1, "{text}");
    let marked = "~ update the partner \"acme\" (Host Admins: alice@host.example, dan@host.example), suspended";
    assert!(text.contains(marked), "{text}");
    assert!(text.contains("2 operations now (grant: 1, update: 1,"), "{text}");
    let access: Vec<_> = plan["operations"].as_array().unwrap().iter().map(|one| one["access"].as_str()).collect();
    assert_eq!(access, [Some("grant"), Some("none")]);
}
