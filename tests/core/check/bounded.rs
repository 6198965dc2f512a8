//! Reading ends for each text. The tests run in the order of their names, so that this one reports an endless loop
//! before another test waits for it.

use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use guestlist::yaml;

use super::differential::kubectl_habits;
use crate::support::random::Random;

/// The time to read all texts: some thousand times what they take.
const LONGEST: Duration = Duration::from_secs(30);

#[test]
fn reading_ends_for_each_text() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/core/check/corpus");
    let corpus = std::fs::read_dir(folder).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
    let generated = (0..100).map(|seed| kubectl_habits::text(&mut Random::new(seed)));
    let texts: Vec<String> = corpus.chain(generated).filter_map(|bytes| yaml::decode_bytes(bytes).ok()).collect();
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for text in texts {
            sender.send(text.clone()).unwrap();
            yaml::read(&text);
            yaml::ambiguity(&text);
        }
    });
    let mut last = String::new();
    loop {
        match receiver.recv_timeout(LONGEST) {
            Ok(text) => last = text,
            Err(RecvTimeoutError::Timeout) => panic!("reading does not end: {last:?}"),
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
}
