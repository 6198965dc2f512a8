//! The operator on Keycloak, with a real API server: the tests of the main job that the embedded directory has, on a realm.

use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use guestlist::directory::Fault;
use guestlist::rules::{Email, MfaMethod};
use jiff::Timestamp;

use crate::contract::Player;
use crate::held_to_the_contract::{People, realm_with_mail};
use crate::operator::{Elsewhere, Operator};
use crate::support::{Keycloak, SECRET, multi};

/// A realm, and somebody who plays its guests.
struct Realm(People);

impl Elsewhere for Realm {
    fn address(&self) -> String {
        format!("keycloak:{}#{}", Keycloak::shared().base, self.0.realm)
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        vec![("GUESTLIST_KEYCLOAK_CLIENT_SECRET", SECRET.to_owned())]
    }

    fn play(&self, args: &[&str]) -> Option<Output> {
        let (&verb, rest) = args.split_first()?;
        let email = || Email::parse(rest[0]).unwrap();
        let method = || rest.get(2).map_or(MfaMethod::TOTP, |name| MfaMethod::parse(name).unwrap());
        let now = Timestamp::now();
        let done: Result<bool, Fault> = match verb {
            "accept" => multi(async { self.0.accept(&email(), now) }),
            "enroll-mfa" => multi(async { self.0.enroll(&email(), method(), now) }),
            "reset-mfa" => multi(async { self.0.reset(&email(), now) }),
            _ => return None,
        };
        let (code, said) = match done {
            Ok(_) => (0, String::new()),
            Err(fault) => (1, fault.to_string()),
        };
        Some(Output { status: ExitStatus::from_raw(code << 8), stdout: Vec::new(), stderr: said.into_bytes() })
    }
}

/// Gives an operator a realm of its own instead of the embedded directory.
pub fn furnish(mut operator: Operator) -> Operator {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!("operated-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    let people = multi(async { realm_with_mail(&name) });
    operator.elsewhere = Some(Box::new(Realm(people)));
    let file = operator.folder.join("people.yaml");
    operator.directory_ok(&["import", file.to_str().unwrap()]);
    operator
}
