//! The log level of `guestlist run`. A file can change it while the operator runs: a mounted ConfigMap changes without a
//! restart.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing_subscriber::EnvFilter;

/// Interval between two reads of the file.
const POLL: Duration = Duration::from_secs(1);

/// Replaces the filter of the log.
pub(super) type Reload = Box<dyn Fn(EnvFilter) -> Result<(), String> + Send>;

/// The source of the log level.
#[derive(Clone, Debug)]
pub(super) struct LogLevel {
    /// The level of the command line. It applies without a file.
    option: String,
    /// The file with the level.
    file: Option<PathBuf>,
    /// The content of the file that was read last.
    last: Result<Option<String>, String>,
}

impl LogLevel {
    /// Reads the file, if there is one.
    pub(super) fn read(option: String, file: Option<PathBuf>) -> Self {
        let last = file.as_deref().map_or(Ok(None), read);
        Self { option, file, last }
    }

    /// The filter at the start. The error is a sentence for people.
    ///
    /// A file may change long before the next start, so a wrong level in it does not prevent the start: the level of the
    /// command line applies, and the second value is the problem.
    pub(super) fn filter(&self) -> Result<(EnvFilter, Option<String>), String> {
        let option = parse(&self.option).map_err(|problem| format!("--log-level {problem}"))?;
        let of_file = self.last.clone().and_then(|level| match (&self.file, level) {
            (Some(file), Some(level)) => parse_of(file, &level).map(Some),
            _ => Ok(None),
        });
        Ok(match of_file {
            Ok(filter) => (filter.unwrap_or(option), None),
            Err(problem) => (option, Some(format!("{problem}; the log level is {:?} instead", self.option))),
        })
    }

    /// Follows the file until the process ends. A level that cannot be read changes nothing.
    pub(super) async fn follow(mut self, reload: Reload) {
        let Some(file) = self.file.clone() else { return };
        loop {
            tokio::time::sleep(POLL).await;
            let present = read(&file);
            if present == self.last {
                continue;
            }
            match self.change(&file, &present, &reload) {
                Ok(level) => tracing::info!("the log level is {level:?} now"),
                Err(problem) => tracing::error!("{problem}; the log level does not change"),
            }
            self.last = present;
        }
    }

    /// Applies the content of the file, and returns the level.
    fn change(&self, file: &Path, content: &Result<Option<String>, String>, reload: &Reload) -> Result<String, String> {
        let level = content.clone()?.unwrap_or_else(|| self.option.clone());
        reload(parse_of(file, &level)?)?;
        Ok(level)
    }
}

/// The level in a file. `None`: the file does not exist, or is empty.
fn read(file: &Path) -> Result<Option<String>, String> {
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(Some(text.trim().to_owned()).filter(|level| !level.is_empty())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("failed to read {}: {error}", file.display())),
    }
}

/// Parses the content of a file. The error names the file.
fn parse_of(file: &Path, level: &str) -> Result<EnvFilter, String> {
    parse(level).map_err(|problem| format!("{}: {problem}", file.display()))
}

/// Parses a level or a filter. guestlist logs the errors of the Kubernetes client in context, so the client's own logs are
/// off by default.
fn parse(level: &str) -> Result<EnvFilter, String> {
    let filter = match level.to_ascii_lowercase().as_str() {
        "error" | "warn" | "info" => format!("{level},kube_client=off"),
        "debug" | "trace" | "off" => level.to_owned(),
        // A filter would take a mistyped level for the name of a module, and turn all other logs off.
        other if !other.contains(['=', ',']) => {
            return Err(format!(
                "{level:?} is not a level; use error, warn, info, debug, or a filter such as info,guestlist::operator=debug"
            ));
        }
        _ => level.to_owned(),
    };
    EnvFilter::try_new(filter).map_err(|error| format!("{level:?}: {error}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A source with a file, and the filters that it sets.
    fn source(folder: &Path) -> (LogLevel, PathBuf, Reload, Arc<Mutex<Vec<String>>>) {
        let (file, set) = (folder.join("log-level"), Arc::new(Mutex::new(Vec::new())));
        let seen = set.clone();
        let reload: Reload = Box::new(move |filter| {
            seen.lock().unwrap().push(filter.to_string());
            Ok(())
        });
        (LogLevel::read("info".to_owned(), Some(file.clone())), file, reload, set)
    }

    fn shown(level: &LogLevel) -> String {
        let LogLevel { option, file, .. } = level.clone();
        LogLevel::read(option, file).filter().unwrap().0.to_string()
    }

    #[test]
    fn file_wins_over_the_option_and_may_be_absent() {
        let folder = tempfile::tempdir().unwrap();
        let (level, file, ..) = source(folder.path());
        assert!(shown(&level).contains("info"), "{}", shown(&level));
        std::fs::write(&file, "debug\n").unwrap();
        assert_eq!(shown(&level), "debug");
        std::fs::write(&file, "\n").unwrap();
        assert!(shown(&level).contains("info"), "{}", shown(&level));
    }

    #[test]
    fn mistyped_level_of_the_option_is_refused() {
        let option = LogLevel::read("verbose".to_owned(), None);
        assert!(option.filter().unwrap_err().starts_with("--log-level \"verbose\" is not a level"));
        assert!(parse("info,guestlist::operator=debug").is_ok());
    }

    #[test]
    fn start_with_a_wrong_file_has_the_level_of_the_option() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("log-level");
        std::fs::write(&file, "debgu").unwrap();
        let started = |file: &Path| {
            let (filter, problem) = LogLevel::read("warn".to_owned(), Some(file.to_owned())).filter().unwrap();
            assert!(filter.to_string().contains("warn"), "{filter}");
            problem.unwrap()
        };
        let problem = started(&file);
        assert!(problem.contains("log-level: \"debgu\" is not a level"), "{problem}");
        assert!(problem.ends_with("the log level is \"warn\" instead"), "{problem}");
        // A folder cannot be read.
        let problem = started(folder.path());
        assert!(problem.starts_with("failed to read "), "{problem}");
    }

    #[tokio::test(start_paused = true)]
    async fn change_of_file_applies_and_a_bad_one_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (level, file, reload, set) = source(folder.path());
        let following = tokio::spawn(level.follow(reload));
        let mut changes = Vec::new();
        for content in ["debug", "debgu", "guestlist=trace", ""] {
            std::fs::write(&file, content).unwrap();
            // By paused time, until the next two reads are over.
            tokio::time::sleep(POLL * 2).await;
            changes.push(set.lock().unwrap().last().cloned());
        }
        following.abort();
        let changes: Vec<String> = changes.into_iter().flatten().collect();
        assert_eq!(changes[..3], ["debug", "debug", "guestlist=trace"]);
        assert!(changes[3].contains("info"), "{changes:?}");
    }
}
