//! Each test has its own realm, and at most two exist at a time: more would slow each other down.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use serde_json::json;

use crate::support::keycloak::{Keycloak, block_on};

#[test]
fn at_most_two_realms_exist_and_failed_test_removes_its_realm() {
    let server = Keycloak::shared();
    let plays = |n: usize| {
        let name = format!("turn-{n}");
        let _own = server.own(&name);
        block_on(server.realm(&name, json!({})));
        let there = server.realms();
        assert!(there.contains(&name) && there.len() <= 2, "{there:?}");
        if n.is_multiple_of(2) {
            resume_unwind(Box::new("it fails"));
        }
    };
    std::thread::scope(|scope| {
        let plays: Vec<_> = (0..4).map(|n| scope.spawn(move || catch_unwind(AssertUnwindSafe(|| plays(n))))).collect();
        let failed: Vec<_> = plays.into_iter().map(|thread| thread.join().unwrap().is_err()).collect();
        assert_eq!(failed, [true, false, true, false]);
    });
    let left: Vec<_> = server.realms().into_iter().filter(|name| name.starts_with("turn-")).collect();
    assert_eq!(left, Vec::<String>::new());
}
