//! Keycloak, the real thing: one server for all of these tests, a realm for each.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "what goes wrong ends the test")]

#[macro_use]
#[path = "../contract/mod.rs"]
mod contract;
#[path = "../support/keycloak.rs"]
mod support;

#[path = "../support/controlplane.rs"]
mod controlplane;
#[path = "../support/operator.rs"]
mod operator;
#[path = "../operator/stage.rs"]
#[allow(dead_code, reason = "what the embedded directory's tests need besides")]
mod stage;

mod applied;
mod bootstrap;
mod held_to_the_contract;
#[path = "../operator/lifecycle.rs"]
mod lifecycle;
mod operated;
#[path = "../operator/roles.rs"]
mod roles;
mod sign_in;

use operated::furnish;

/// The port of a mail server on loopback that takes every mail and keeps none.
fn mail() -> u16 {
    static PORT: std::sync::OnceLock<u16> = std::sync::OnceLock::new();
    *PORT.get_or_init(|| {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                std::thread::spawn(move || take(stream));
            }
        });
        port
    })
}

fn take(stream: std::net::TcpStream) {
    use std::io::{BufRead, BufReader, Write};
    let mut answers = stream.try_clone().unwrap();
    let mut say = |text: &str| answers.write_all(format!("{text}\r\n").as_bytes()).is_ok();
    say("220 ready");
    let mut data = false;
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        let (done, answer) = match line.get(..4).unwrap_or_default().to_ascii_uppercase().as_str() {
            _ if data => (line == ".", "250 kept"),
            "DATA" => (true, "354 go on"),
            "QUIT" => (true, "221 bye"),
            _ => (true, "250 fine"),
        };
        data = if data { line != "." } else { answer.starts_with("354") };
        if done && !say(answer) {
            return;
        }
    }
}
