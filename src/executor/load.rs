//! Reads the whole directory, page by page.

use std::time::Duration;

use crate::directory::{DirectoryReader, Error, Page, PageToken, Snapshot};

/// How often a reading that takes long is reported.
pub const REPORT: Duration = Duration::from_secs(30);
/// How long one question may take to a directory that does not bound its calls.
const DEADLINE: Duration = Duration::from_secs(30);

/// Everything, page by page. A page that fails makes the whole reading fail: a part is never taken for the truth.
pub async fn load(directory: &(impl DirectoryReader + ?Sized)) -> Result<Snapshot, Option<Error>> {
    // Guests are looked for where their partners are; who comes by on the way is a user.
    let partners = pages(|page| within(directory, directory.partners(page))).await?;
    let people = async {
        let guests = pages(|page| within(directory, directory.guests(page))).await?;
        Ok((guests, pages(|page| within(directory, directory.users(page))).await?))
    };
    let ((guests, users), accounts, mails, shares, destroyed, sign_in) = tokio::try_join!(
        people,
        pages(|page| within(directory, directory.accounts(page))),
        pages(|page| within(directory, directory.mails(page))),
        pages(|page| within(directory, directory.shares(page))),
        within(directory, directory.destroyed()),
        within(directory, async { Ok(directory.sign_in().await) }),
    )?;
    Ok(Snapshot { partners, guests, accounts, users, mails, shares, destroyed, sign_in })
}

async fn pages<T, F>(mut page: impl FnMut(Option<PageToken>) -> F) -> Result<Vec<T>, Option<Error>>
where
    F: Future<Output = Result<Page<T>, Option<Error>>>,
{
    let mut all = Vec::new();
    let mut token = None;
    loop {
        let Page { items, next } = page(token).await?;
        all.extend(items);
        match next {
            Some(next) => token = Some(next),
            None => return Ok(all),
        }
    }
}

/// Asks a question. Where the directory does not bound its calls, the question as a whole has a deadline.
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

/// Waits for a reading, and reports each time that so much time has passed.
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

/// How far a reading of the directory has come, and the call that it waits for.
pub fn progress(directory: &(impl DirectoryReader + ?Sized), elapsed: Duration) -> String {
    let calls: u64 = directory.calls().values().sum();
    let waits =
        directory.waiting().map(|(call, since)| format!("; {call} has been unanswered for {}s", since.as_secs()));
    format!("reading the directory for {}s, {calls} calls so far{}", elapsed.as_secs(), waits.unwrap_or_default())
}
