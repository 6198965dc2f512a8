//! `guestlist directory …`: prepares a realm, shows and imports a directory, and simulates the acts of guests.

mod import;
mod setup;
mod show;
mod url_arg;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;

use super::Problem;
pub use import::read_import;
use url_arg::DirectoryArg;

use crate::directory::Imported;
use crate::directory::import::EntryOutcome;
use crate::directory::sqlite::Contents;
use crate::domain::{Email, MfaMethod, printable};

/// Arguments of `guestlist directory`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  guestlist directory import people.yaml
  guestlist directory show -o json
  guestlist directory backup directory-2027-01-31.db
  guestlist directory accept bob@acme.example
  guestlist directory enroll-mfa bob@acme.example --method TOTP
  guestlist directory setup --directory keycloak:https://id.host.example#workspace --dry-run

On sqlite:PATH these commands act for the guest: accept, enroll-mfa, reset-mfa. In a realm of Keycloak guests do it themselves.

A file to import:
  users: [{email: alice@host.example, name: Alice Example, enabled: true, verified: true}]
  accounts: [{name: instagram-main, owners: [alice@host.example]}]
A field that the entry of an existing user leaves out keeps its value. A new user is enabled and verified.")]
pub struct DirectoryArgs {
    /// The directory: sqlite:PATH or keycloak:URL#REALM
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "GUESTLIST_DIRECTORY",
        default_value = "sqlite:guestlist.db",
        global = true
    )]
    directory: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Prepare a realm of Keycloak with an administrator's credentials; doing it again changes nothing
    ///
    /// It makes the realm where there is none and sets what guestlist needs: organizations, events, the user profile, the
    /// client scope that applications read, and the operator's own client with four roles. Its sign-in flows stop a guest
    /// without a second factor. It leaves the objects of other tools alone and reports them. The operator never needs an
    /// administrator.
    Setup(setup::SetupArgs),
    /// Add and update accounts and users from a YAML file; removes nothing
    ///
    /// The embedded directory takes users from the file as well. In a realm of Keycloak, users are left out unless --users is
    /// given: then import adds those who do not exist, and never changes existing ones. It prints a line for each entry: created,
    /// configured, unchanged or skipped.
    #[command(
        after_help = "Examples:\n  guestlist directory import people.yaml --dry-run\n  guestlist directory import people.yaml"
    )]
    Import {
        /// The file, or - for standard input
        file: PathBuf,
        /// On Keycloak: also add the users who do not exist
        #[arg(long)]
        users: bool,
        /// Print the lines without writing anything
        #[arg(long)]
        dry_run: bool,
    },
    /// Copy the embedded directory into a new file, also while an operator runs
    ///
    /// The copy is one state of the directory, readable by its owner alone, and on the disk when the command ends. To restore it,
    /// stop the operator, remove FILE-wal and FILE-shm of the old directory, and put the copy in its place.
    #[command(
        after_help = "Examples:\n  guestlist directory backup --directory sqlite:/var/lib/guestlist/directory.db backup.db"
    )]
    Backup {
        /// The copy. A file that exists is never overwritten
        file: PathBuf,
    },
    /// Show everything that the directory holds
    ///
    /// A guest's state is what the directory alone can tell: Suspended (the login is off, whether by suspension or expiry),
    /// Invited, `InvitationExpired`, Joined (no allowed MFA method is enrolled) or Active. A grant is effective while it can be used.
    #[command(
        after_help = "Examples:\n  guestlist directory show\n  guestlist directory show -o json | jq '.guests[] | {email, state}'"
    )]
    Show {
        /// The output format
        #[arg(short, long, value_enum, default_value_t = Format::Table)]
        output: Format,
    },
    /// A guest accepts the invitation and joins
    Accept {
        /// The guest's address
        email: String,
    },
    /// A guest turns MFA on
    EnrollMfa {
        /// The guest's address
        email: String,
        /// `TOTP` or `WebAuthn`
        #[arg(long, default_value = "TOTP")]
        method: String,
    },
    /// A guest's MFA is reset
    ResetMfa {
        /// The guest's address
        email: String,
    },
    /// An account gets other Owners
    SetOwner {
        /// The account's name
        account: String,
        /// All its Owners from now on
        #[arg(required = true)]
        owners: Vec<String>,
    },
    /// An account is deleted
    DeleteAccount {
        /// The account's name
        account: String,
    },
    /// A deleted account comes back
    RestoreAccount {
        /// The account's name
        account: String,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// For programs
    Json,
}

/// Runs `guestlist directory`.
pub fn run(args: DirectoryArgs, out: &mut dyn Write) -> Result<(), Problem> {
    let directory = &args.directory;
    let now = Timestamp::now();
    // Setup needs an administrator's credentials; all other commands use the operator's.
    let place = || DirectoryArg::open(directory);
    match args.command {
        Command::Setup(args) => setup::run(directory, args, out)?,
        Command::Import { file, users, dry_run } => {
            let entries = import::read(&file)?;
            let place = place()?;
            let done = place.import(&entries.file, users, dry_run).map_err(|problem| {
                let refused = place.everything().ok().and_then(|held| entries.refused(&held));
                refused.unwrap_or(problem)
            })?;
            show_import(&done, dry_run, out)?;
        }
        Command::Backup { file } => {
            let place = place()?;
            let Contents { partners, guests, accounts } = place.backup(directory, &file)?;
            writeln!(out, "{} holds {partners} partners, {guests} guests and {accounts} accounts", file.display())?;
        }
        Command::Show { output } => show::show(&place()?.everything()?, output, now, out)?,
        Command::Accept { email } => {
            let email = address(&email)?;
            let done = place()?.simulated(directory, ACCEPTS)?.accept(&email, now)?;
            report(out, done, &format!("{email} joined"), &format!("{email} had joined already"))?;
        }
        Command::EnrollMfa { email, method } => {
            let email = address(&email)?;
            let method =
                MfaMethod::parse(&method).ok_or_else(|| format!("--method {method:?} is none of TOTP, WebAuthn"))?;
            let done = place()?.simulated(directory, ENROLS)?.enroll_mfa(&email, method, now)?;
            report(out, done, &format!("{email} turned {method} on"), &format!("{email} had {method} on already"))?;
        }
        Command::ResetMfa { email } => {
            let email = address(&email)?;
            let done = place()?.simulated(directory, RESETS)?.reset_mfa(&email, now)?;
            report(out, done, &format!("MFA of {email} was reset"), &format!("{email} had no MFA"))?;
        }
        Command::SetOwner { account, owners } => {
            let owners = owners.iter().map(|text| address(text)).collect::<Result<BTreeSet<_>, _>>()?;
            let place = place()?;
            let done = place.set_owner(&account, &owners)?;
            for warning in place.owner_warnings(&account, &owners)? {
                eprintln!("warning: {}", printable(&warning));
            }
            report(out, done, &format!("{account} has new Owners"), &format!("{account} had these Owners already"))?;
        }
        Command::DeleteAccount { account } => {
            let done = place()?.set_deleted(&account, true)?;
            report(out, done, &format!("{account} is deleted"), &format!("{account} was deleted already"))?;
        }
        Command::RestoreAccount { account } => {
            let done = place()?.set_deleted(&account, false)?;
            report(out, done, &format!("{account} is back"), &format!("{account} was not deleted"))?;
        }
    }
    Ok(())
}

/// Prints one line for each entry, and the number of entries by outcome. Warnings go to standard error.
fn show_import(done: &Imported, dry_run: bool, out: &mut dyn Write) -> Result<(), Problem> {
    for (outcome, what) in &done.lines {
        writeln!(out, "{:<12}{what}", outcome.as_str())?;
    }
    for warning in &done.warnings {
        eprintln!("warning: {warning}");
    }
    if done.left_out > 0 {
        writeln!(
            out,
            "{} users of the file were left out, because import writes only accounts to Keycloak. Add users who do not exist with --users",
            done.left_out
        )?;
    }
    let counts = [EntryOutcome::Created, EntryOutcome::Configured, EntryOutcome::Unchanged, EntryOutcome::Skipped];
    let counts = counts.map(|outcome| format!("{} {}", done.count(outcome), outcome.as_str())).join(", ");
    let written = if dry_run { "; nothing was written" } else { "" };
    let failed = done.count(EntryOutcome::Failed);
    if failed == 0 {
        return Ok(writeln!(out, "{counts}{written}")?);
    }
    writeln!(out, "{counts}, {failed} failed")?;
    Err(Problem::Message(format!(
        "{failed} of {} entries failed; correct them and import the file again",
        done.lines.len()
    )))
}

/// The reason why guests of a realm cannot be simulated.
const ACCEPTS: &str = "in Keycloak the guest follows the link in the invitation mail";
const ENROLS: &str = "in Keycloak the guest sets up the second factor when they sign in";
const RESETS: &str = "in Keycloak annotate the GuestMembership with guestlist.dev/reset-mfa, or delete the credential in the \
                      console (Users, Credentials)";

fn report(out: &mut dyn Write, done: bool, now: &str, before: &str) -> std::io::Result<()> {
    writeln!(out, "{}", printable(if done { now } else { before }))
}

fn address(text: &str) -> Result<Email, Problem> {
    Email::parse(text).map_err(Problem::Message)
}
