//! What the tests share: a real control plane, the operator as a process, kubectl.
#![allow(dead_code, missing_docs, reason = "each test file uses its own part of this module")]

pub mod controlplane;
pub mod operator;

use std::time::{Duration, Instant};

/// Waits for something that comes by itself; says what it was if it does not.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let began = Instant::now();
    let mut pause = Duration::from_millis(20);
    loop {
        match look() {
            Ok(value) => return value,
            Err(seen) if began.elapsed() > Duration::from_secs(90) => panic!("{what}: {seen}"),
            Err(_) => std::thread::sleep(pause),
        }
        pause = (pause * 3 / 2).min(Duration::from_millis(500));
    }
}
