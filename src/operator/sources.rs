//! Inputs from outside Kubernetes: the directory's changes and the workspace policy file.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::directory::{Changed, Cursor, DirectoryWriter, Error};
use crate::engine::{Input, Observed, wanted};
use crate::executor::load::{REPORT, load, progress, reported, within};
use crate::workspace_policy::WorkspacePolicy;

/// Interval between two reads of the policy file.
const POLICY_POLL: Duration = Duration::from_secs(1);
/// Reads the whole directory, then follows its changes. Reads it again at each resync and after an outage.
pub async fn follow_directory(directory: Arc<dyn DirectoryWriter>, resync: Duration, inbox: mpsc::Sender<Input>) {
    let mut failures: u32 = 0;
    loop {
        match read_and_follow(directory.as_ref(), resync, &inbox).await {
            Ok(()) => failures = 0,
            Err(None) => return,
            Err(Some(fault)) => {
                failures += 1;
                if inbox.send(Input::DirectoryDown(fault)).await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(250 * 2_u64.pow(failures.min(6)))).await;
            }
        }
    }
}

/// Runs until the next resync is due. `Err(None)`: the receiver is closed.
async fn read_and_follow(
    directory: &dyn DirectoryWriter,
    resync: Duration,
    inbox: &mpsc::Sender<Input>,
) -> Result<(), Option<Error>> {
    let send = async |input| inbox.send(input).await.map_err(|_| None);
    send(Input::Loading).await?;
    // The cursor comes first, so that changes during the read are reported again.
    let mut cursor = within(directory, directory.cursor()).await?;
    let report = |elapsed| {
        let progress = progress(directory, elapsed);
        tracing::info!("{progress}");
        // If the engine is busy, this report is dropped; the next one follows.
        drop(inbox.try_send(Input::Reading(progress)));
    };
    let load = reported(load(directory), REPORT, report).await?;
    send(Input::Loaded(Box::new(load))).await?;
    let began = tokio::time::Instant::now();
    loop {
        tokio::time::sleep(directory.poll()).await;
        if began.elapsed() >= resync {
            return Ok(());
        }
        let changes = within(directory, directory.changes(cursor)).await?;
        if changes.changed.is_empty() {
            cursor = changes.cursor;
            continue;
        }
        let Some(changed) = wanted(&changes.changed) else { return Ok(()) };
        let mut now = Vec::new();
        for changed in changed {
            now.push(read(directory, changed).await?);
        }
        send(Input::Observed(now)).await?;
        cursor = changes.cursor.max(Cursor(0));
    }
}

async fn read(directory: &dyn DirectoryWriter, changed: &Changed) -> Result<Observed, Option<Error>> {
    Ok(match changed {
        Changed::Guest(email) => {
            Observed::Guest(email.clone(), within(directory, directory.guest(email)).await?.map(Box::new))
        }
        Changed::Partner(id) => {
            Observed::Partner(id.clone(), within(directory, directory.partner(id)).await?.map(Box::new))
        }
        Changed::Account(name) => Observed::Account(name.clone(), within(directory, directory.account(name)).await?),
        Changed::User(email) => Observed::User(email.clone(), within(directory, directory.user(email)).await?),
        Changed::Purged => Observed::Purged(within(directory, directory.purged()).await?),
        Changed::Everything => return Err(Some(Error::Unavailable { context: "everything changed".to_owned() })),
    })
}

/// Reads the policy file and sends each new version. It compares the content, not the modification time: a mounted
/// ConfigMap is swapped by a symbolic link.
pub async fn follow_policy(file: PathBuf, inbox: mpsc::Sender<Input>) {
    let mut last = read_policy(&file).await;
    // A change since the start of the engine is sent at once.
    let news = last.clone().and_then(|text| parse_policy(&file, &text)).map(Box::new);
    if inbox.send(Input::Policy(news)).await.is_err() {
        return;
    }
    let mut candidate: Option<Result<String, String>> = None;
    loop {
        tokio::time::sleep(POLICY_POLL).await;
        let text = read_policy(&file).await;
        if text == last {
            candidate = None;
            continue;
        }
        // The file may be incomplete while it is written, so a change counts only if the next read confirms it.
        if candidate.as_ref() != Some(&text) {
            candidate = Some(text);
            continue;
        }
        candidate = None;
        let news = text.clone().and_then(|text| parse_policy(&file, &text)).map(Box::new);
        last = text;
        if inbox.send(Input::Policy(news)).await.is_err() {
            return;
        }
    }
}

/// Reads the policy file.
///
/// # Errors
///
/// The file cannot be read.
pub async fn read_policy(file: &Path) -> Result<String, String> {
    let file = file.to_owned();
    let read = tokio::task::spawn_blocking(move || {
        std::fs::read_to_string(&file).map_err(|error| format!("failed to read {}: {error}", file.display()))
    });
    read.await.unwrap_or_else(|_| Err("failed to read the policy file".to_owned()))
}

/// Parses the policy. The error names the file and the place.
///
/// # Errors
///
/// The text is no policy. The error names the place and the fix.
pub fn parse_policy(file: &Path, text: &str) -> Result<WorkspacePolicy, String> {
    WorkspacePolicy::parse(text).map_err(|error| format!("{}: {error}", file.display()))
}
