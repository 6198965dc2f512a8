//! Reads the whole directory, page by page.

use std::time::Duration;

use crate::directory::{DirectoryReader, Error, Snapshot, all_pages};

/// Interval between two reports of a read that takes long.
pub const REPORT: Duration = Duration::from_secs(30);
/// Timeout of one call to a directory that does not limit its calls itself.
const DEADLINE: Duration = Duration::from_secs(30);

/// Reads the whole directory page by page. If a page fails, the whole read fails, so that no partial snapshot is used.
///
/// # Errors
///
/// The first error of a read.
pub async fn load(directory: &(impl DirectoryReader + ?Sized)) -> Result<Snapshot, Option<Error>> {
    // The order matters: the directory finds guests through their partners, and collects users while it reads guests.
    let partners = all_pages(|page| within(directory, directory.partners(page))).await?;
    let people = async {
        let guests = all_pages(|page| within(directory, directory.guests(page))).await?;
        Ok((guests, all_pages(|page| within(directory, directory.users(page))).await?))
    };
    let ((guests, users), accounts, mails, shares, purged, sign_in) = tokio::try_join!(
        people,
        all_pages(|page| within(directory, directory.accounts(page))),
        all_pages(|page| within(directory, directory.mails(page))),
        all_pages(|page| within(directory, directory.shares(page))),
        within(directory, directory.purged()),
        within(directory, async { Ok(directory.sign_in().await) }),
    )?;
    Ok(Snapshot { partners, guests, accounts, users, mails, shares, purged, sign_in })
}

/// Calls the directory. Where the directory does not limit its calls, the whole call has a timeout.
pub(crate) async fn within<T>(
    directory: &(impl DirectoryReader + ?Sized),
    question: impl Future<Output = Result<T, Error>>,
) -> Result<T, Option<Error>> {
    if directory.bounds_calls() {
        return question.await.map_err(Some);
    }
    match tokio::time::timeout(DEADLINE, question).await {
        Ok(answer) => answer.map_err(Some),
        Err(_) => Err(Some(Error::Unavailable { context: "no answer in 30s".to_owned() })),
    }
}

/// Waits for a read, and calls `report` after each interval of `every`.
pub async fn reported<T>(reading: impl Future<Output = T>, every: Duration, mut report: impl FnMut(Duration)) -> T {
    let began = tokio::time::Instant::now();
    let mut reading = std::pin::pin!(reading);
    loop {
        match tokio::time::timeout(every, reading.as_mut()).await {
            Ok(read) => return read,
            Err(_) => report(began.elapsed()),
        }
    }
}

/// The progress of a directory read, and the call that it waits for.
pub fn progress(directory: &(impl DirectoryReader + ?Sized), elapsed: Duration) -> String {
    let calls: u64 = directory.calls().values().sum();
    let waits =
        directory.waiting().map(|(call, since)| format!("; {call} has been unanswered for {}s", since.as_secs()));
    format!("reading the directory for {}s, {calls} calls so far{}", elapsed.as_secs(), waits.unwrap_or_default())
}
