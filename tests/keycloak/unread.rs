//! A realm whose users cannot be listed: `apply` revokes the access that the files end, guest by guest, and nothing else.

use guestlist::domain::{Email, MfaMethod};
use jiff::Timestamp;

use crate::applied::{ends, told};
use crate::held_to_the_contract::realm_with_mail;
use crate::support::contract::Player;
use crate::support::keycloak::{Keycloak, multi};
use crate::support::proxy::{Fate, Proxy};

const CAROL: &str = "carol@acme.example";
const BOB: &str = "bob@acme.example";

#[test]
fn unlistable_users_lose_the_access_that_files_end() {
    multi(async {
        let people = realm_with_mail("unread");
        let proxy = Proxy::start(&Keycloak::shared().base).await;
        let address = format!("keycloak:{}#{}", proxy.base, people.realm);
        ends(&address, 0, &["directory", "import", "--users", "examples/acme/directory.yaml"]);
        ends(&address, 0, &["apply", "examples/acme", "--yes"]);
        for who in [CAROL, BOB] {
            let email = Email::parse(who).unwrap();
            assert!(people.accept(&email, Timestamp::now()).unwrap());
            assert!(people.enroll(&email, MfaMethod::TOTP, Timestamp::now()).unwrap());
        }
        ends(&address, 0, &["apply", "examples/acme", "--yes"]);
        let carol = told(&people, CAROL).await;
        assert_eq!(told(&people, BOB).await, ["instagram-main:collaborator"]);

        // The files suspend Bob and add a guest.
        let folder = tempfile::tempdir().unwrap();
        for file in ["partners.yaml", "shares.yaml", "memberships.yaml"] {
            let text = std::fs::read_to_string(format!("examples/acme/{file}")).unwrap();
            let text = text.replace("  email: bob@acme.example\n", "  email: bob@acme.example\n  suspended: true\n");
            std::fs::write(folder.path().join(file), text).unwrap();
        }
        let new = "apiVersion: guestlist.dev/v1alpha1\nkind: GuestMembership\nmetadata: {name: new, namespace: partners}\n\
                   spec: {partnerRef: {name: acme}, email: new@acme.example, invitedBy: alice@host.example}\n";
        std::fs::write(folder.path().join("new.yaml"), new).unwrap();
        let files = folder.path().to_str().unwrap();
        proxy.listings(Some(Fate::Refused(500)));
        let said = ends(&address, 1, &["apply", files, "--yes"]);
        assert!(said.contains("GET users: Keycloak answered 500"), "{said}");
        assert!(said.contains("operations that revoke access were done, and nothing else"), "{said}");
        assert_eq!(told(&people, BOB).await, Vec::<String>::new());
        assert_eq!(people.user(&Email::parse(BOB).unwrap()).await["enabled"], false);
        assert_eq!(told(&people, CAROL).await, carol);
        let new = people.admin("GET", "/users?email=new@acme.example", None).await;
        assert_eq!(new, serde_json::json!([]), "nobody is invited");

        // A second run has nothing left to revoke.
        let said = ends(&address, 1, &["apply", files, "--yes"]);
        assert!(!said.contains("revoke"), "{said}");

        proxy.listings(None);
        ends(&address, 0, &["apply", files, "--yes"]);
        ends(&address, 0, &["apply", files]);
        assert_eq!(told(&people, CAROL).await, carol);
    });
}
