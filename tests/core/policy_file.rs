//! How the operator follows the file of the workspace policy while a person or a tool writes it.

use std::path::Path;
use std::time::Duration;

use guestlist::engine::Input;
use guestlist::operator::sources::follow_policy;
use tokio::sync::mpsc::{Receiver, channel};

const FIRST: &str = "installation: first\ntenants: []\n";
const SECOND: &str = "installation: second\ntenants: []\n";

/// The installations of the policies that were sent; `None`: one that cannot be read.
fn sent(inbox: &mut Receiver<Input>) -> Vec<Option<String>> {
    let mut sent = Vec::new();
    while let Ok(input) = inbox.try_recv() {
        let Input::Policy(news) = input else { panic!("{input:?}") };
        sent.push(news.ok().map(|policy| policy.installation().to_owned()));
    }
    sent
}

/// Follows a file that has each of these texts for a second, half a second after the operator reads it.
async fn followed(texts: &[&str]) -> Vec<Option<String>> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("workspace.yaml");
    let write = |file: &Path, text: &str| std::fs::write(file, text).unwrap();
    write(&file, FIRST);
    let (sender, mut inbox) = channel(16);
    let following = tokio::spawn(follow_policy(file.clone(), sender));
    tokio::time::sleep(Duration::from_millis(500)).await;
    for text in texts {
        write(&file, text);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    following.abort();
    sent(&mut inbox)
}

fn installations(names: &[&str]) -> Vec<Option<String>> {
    names.iter().map(|name| Some((*name).to_owned())).collect()
}

#[tokio::test(start_paused = true)]
async fn policy_half_written_is_not_in_force() {
    let half = "installation: seco";
    assert_eq!(followed(&[half, SECOND, SECOND, SECOND]).await, installations(&["first", "second"]));
    assert_eq!(
        followed(&[half, half, SECOND, SECOND]).await,
        [Some("first".to_owned()), None, Some("second".to_owned())]
    );
}

#[tokio::test(start_paused = true)]
async fn policy_restored_before_the_second_look_is_not_sent() {
    assert_eq!(followed(&[SECOND, FIRST, SECOND, FIRST, FIRST]).await, installations(&["first"]));
}
