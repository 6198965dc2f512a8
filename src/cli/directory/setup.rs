//! `guestlist directory setup`: prepares a realm with an administrator's credentials, and reports each step.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;

use super::Problem;
use super::url_arg::{environment, is_keycloak, not_applicable, runtime};
use crate::directory::keycloak::setup::{SetupOptions, SetupOutcome, bootstrap};
use crate::directory::keycloak::{Secret, Settings, client_id};

/// Arguments of `guestlist directory setup`.
#[derive(Debug, Args)]
#[command(
    after_help = "The administrator is one of the server or of the realm. The credentials come from the environment alone:
  GUESTLIST_KEYCLOAK_ADMIN_REALM                realm of the administrator: master (the default), or the one to prepare
  GUESTLIST_KEYCLOAK_ADMIN                      name of the administrator, default admin
  GUESTLIST_KEYCLOAK_ADMIN_PASSWORD_FILE        file with the password, or
  GUESTLIST_KEYCLOAK_ADMIN_PASSWORD             the password itself
  GUESTLIST_KEYCLOAK_ADMIN_CLIENT_ID            or a client instead of a person: its service account prepares the realm,
  GUESTLIST_KEYCLOAK_ADMIN_CLIENT_SECRET_FILE   by a file with its secret, or
  GUESTLIST_KEYCLOAK_ADMIN_CLIENT_SECRET        the secret itself
  GUESTLIST_KEYCLOAK_CLIENT_ID                  the operator's client, default guestlist
  GUESTLIST_KEYCLOAK_CA_FILE                    certificates of authorities to trust, as PEM

Examples:
  export GUESTLIST_DIRECTORY=keycloak:https://id.host.example#workspace
  export GUESTLIST_KEYCLOAK_ADMIN_PASSWORD_FILE=/run/secrets/keycloak-admin
  guestlist directory setup --dry-run
  guestlist directory setup --secret-file guestlist.secret --application portal --application wiki

Exit status: 0 done; 1 an error, or a step failed; 2 wrong usage; with --strict 3 while steps remain to be done by hand."
)]
pub struct SetupArgs {
    /// Say what would be done, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// An existing application whose tokens get the accounts of each guest; may be repeated
    #[arg(long = "application", value_name = "CLIENT_ID")]
    applications: Vec<String>,
    /// Write the operator's client secret into this file, readable by you alone
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// Exit with 3 while steps remain to be done by hand
    #[arg(long)]
    strict: bool,
}

/// The number of steps by outcome.
#[derive(Default)]
struct Counted {
    changed: usize,
    unchanged: usize,
    by_hand: usize,
    failed: usize,
}

/// Runs `guestlist directory setup`.
pub fn run(directory: &str, args: SetupArgs, out: &mut dyn Write) -> Result<(), Problem> {
    if !is_keycloak(directory) {
        return Err(not_applicable(
            directory,
            "a realm of Keycloak is prepared, keycloak:URL#REALM; sqlite needs nothing of it",
        ));
    }
    let settings = Settings::administrator(directory, environment)?;
    let (realm, client_id, dry_run) = (settings.realm.clone(), client_id(environment), args.dry_run);
    let known_secret = args.secret_file.as_deref().map(known).transpose()?.flatten();
    let known = known_secret.is_some();
    let wanted = SetupOptions { client_id: client_id.clone(), applications: args.applications, dry_run, known_secret };
    let mut counted = Counted::default();
    let mut written = Ok(());
    let mut tell = |outcome, what: &str| {
        if written.is_ok() {
            written = writeln!(out, "{:<13}{what}", counted.count(outcome, dry_run));
        }
    };
    let done = runtime()?.block_on(bootstrap(settings, &wanted, &mut tell));
    let secret = match done {
        Ok(secret) => secret,
        Err(fault) => {
            written?;
            counted.summary(dry_run, out)?;
            return Err(fault.into());
        }
    };
    match (&args.secret_file, secret) {
        (Some(file), Some(secret)) if !known && !dry_run => {
            keep(file, &secret)?;
            tell(SetupOutcome::Changed, &format!("{} holds the secret of client {client_id:?}", file.display()));
        }
        (Some(file), _) => {
            let outcome = if known { SetupOutcome::Unchanged } else { SetupOutcome::Changed };
            tell(outcome, &format!("{} holds the secret of client {client_id:?}", file.display()));
        }
        (None, _) => tell(
            SetupOutcome::Note,
            &format!(
                "the operator needs the secret of client {client_id:?}: it is in Keycloak's console, realm {realm:?}, Clients, \
                 {client_id}, Credentials; --secret-file FILE writes it into a file"
            ),
        ),
    }
    written?;
    counted.summary(dry_run, out)?;
    if args.strict && counted.by_hand > 0 { Err(Problem::ByHand(counted.by_hand)) } else { Ok(()) }
}

impl Counted {
    fn summary(&self, dry_run: bool, out: &mut dyn Write) -> std::io::Result<()> {
        let Self { changed, unchanged, by_hand, failed } = self;
        // No step ran: the error is the report.
        if changed + unchanged + by_hand + failed == 0 {
            return Ok(());
        }
        let failed = if *failed > 0 { format!("{failed} failed, ") } else { String::new() };
        let would = if dry_run { "would be changed; nothing was written" } else { "changed" };
        writeln!(out, "\n{failed}{unchanged} unchanged, {by_hand} by hand, {changed} {would}")
    }

    fn count(&mut self, outcome: SetupOutcome, dry_run: bool) -> &'static str {
        match outcome {
            SetupOutcome::Changed => {
                self.changed += 1;
                if dry_run { "would change" } else { "changed" }
            }
            SetupOutcome::Unchanged => {
                self.unchanged += 1;
                "unchanged"
            }
            SetupOutcome::ByHand => {
                self.by_hand += 1;
                "by hand"
            }
            SetupOutcome::Failed => {
                self.failed += 1;
                "failed"
            }
            SetupOutcome::Note => "note",
        }
    }
}

/// The secret in an existing file. `None`: the file does not exist, but its folder does.
fn known(file: &Path) -> Result<Option<Secret>, Problem> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(Some(Secret::new(text.trim()))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            if folder.is_dir() {
                return Ok(None);
            }
            Err(format!("--secret-file {}: there is no folder {}", file.display(), folder.display()).into())
        }
        Err(error) => Err(format!("--secret-file {} cannot be read: {error}", file.display()).into()),
    }
}

/// Writes the secret into a new file that only its owner can read.
fn keep(file: &Path, secret: &Secret) -> Result<(), Problem> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    let done = made.and_then(|mut made| made.write_all(secret.reveal().as_bytes()));
    done.map_err(|error| {
        Problem::Message(format!(
            "--secret-file {}: failed to write it: {error}; the realm is prepared, run the same again",
            file.display()
        ))
    })
}
