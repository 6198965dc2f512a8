//! Keycloak with TLS and a private certificate authority.

use std::sync::Arc;

use guestlist::directory::Error;
use guestlist::directory::keycloak::{Directory, Settings};
use jiff::Timestamp;
use serde_json::json;

use crate::support::certificates::Authority;
use crate::support::keycloak::{Keycloak, SECRET, multi};

const VARIABLE: &str = "GUESTLIST_KEYCLOAK_CA_FILE";

fn directory(base: &str, authority: Option<&std::path::Path>) -> Result<Directory, Error> {
    let environment = |name: &str| match name {
        VARIABLE => authority.map(|file| file.display().to_string()),
        "GUESTLIST_KEYCLOAK_CLIENT_SECRET" => Some(SECRET.to_owned()),
        _ => None,
    };
    Directory::new(Settings::read(&format!("keycloak:{base}#tls"), environment)?, Arc::new(Timestamp::now))
}

#[test]
fn custom_authority_is_trusted_if_named_and_requested_otherwise() {
    multi(async {
        let realm = Keycloak::shared().realm("tls", json!({})).await;
        let authority = Authority::new();
        let base = authority.stand_before(&Keycloak::shared().base);
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let ours = file("ours.pem", &authority.pem());
        directory(&base, Some(&ours)).unwrap().reachable().await.expect("it is trusted");

        let others = file("others.pem", &Authority::new().pem());
        for untrusted in [None, Some(others.as_path())] {
            let fault = directory(&base, untrusted).unwrap().reachable().await.unwrap_err();
            let said = fault.to_string();
            assert!(matches!(fault, Error::Unavailable { .. }), "{said}");
            assert!(said.contains("set GUESTLIST_KEYCLOAK_CA_FILE to a file with the authority"), "{said}");
        }
        let cut = authority.pem().replace("-----END", "");
        for (name, text) in [("empty.pem", ""), ("notes.pem", "the authority of the host"), ("cut.pem", &cut)] {
            let Err(Error::Refused { message }) = directory(&base, Some(&file(name, text))) else { panic!("{name}") };
            assert!(message.contains(VARIABLE) && message.contains("PEM"), "{name}: {message}");
        }
        let Err(Error::Refused { message }) = directory(&base, Some(&folder.path().join("nowhere"))) else {
            panic!("a file that is not there")
        };
        assert!(message.contains(VARIABLE) && message.contains("cannot be read"), "{message}");
        realm.admin("DELETE", "", None).await;
    });
}
