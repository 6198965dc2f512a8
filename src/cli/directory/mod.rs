//! `guestlist directory …`: what happens in a workspace without guestlist, on the embedded directory.

mod import;
mod show;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;

use super::Problem;
use crate::directory::scheme;
use crate::directory::sqlite::{Access, Store};
use crate::rules::{Email, MfaMethod};

/// Arguments of `guestlist directory`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  guestlist directory import people.yaml
  guestlist directory show -o json
  guestlist directory accept bob@acme.example
  guestlist directory enroll-mfa bob@acme.example --method TOTP

A file to import:
  users: [{email: alice@host.example, name: Alice Example, enabled: true, verified: true}]
  accounts: [{name: instagram-main, owners: [alice@host.example]}]")]
pub struct DirectoryArgs {
    /// The directory's file
    #[arg(
        long,
        value_name = "sqlite:PATH",
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
    /// Add and update users and accounts from a YAML file; removes nothing
    Import {
        /// The file, or - for standard input
        file: PathBuf,
    },
    /// Show everything that the directory holds
    ///
    /// A guest's state is what the directory alone can tell: Suspended (the login is off, whether by suspension or expiry),
    /// Invited, `InvitationExpired`, Joined (no MFA yet) or Active. A grant is effective while it can be used.
    #[command(
        after_help = "Examples:\n  guestlist directory show\n  guestlist directory show -o json | jq '.guests[] | {email, state}'"
    )]
    Show {
        /// How
        #[arg(short, long, value_enum, default_value_t = Format::Table)]
        output: Format,
    },
    /// A guest follows his invitation and joins
    Accept {
        /// Whose invitation
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
    /// A guest's MFA is taken away
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
    let path = file(&args.directory)?;
    let open = |access| Store::open(path, access);
    let now = Timestamp::now();
    match args.command {
        Command::Import { file } => {
            let import = import::read(&file)?;
            let done = open(Access::Create)?.import(&import)?;
            writeln!(out, "{} added, {} updated, {} unchanged", done.added, done.updated, done.unchanged)?;
        }
        Command::Show { output } => show::show(&open(Access::Read)?.everything()?, output, now, out)?,
        Command::Accept { email } => {
            let email = address(&email)?;
            let done = open(Access::Write)?.accept(&email, now)?;
            said(out, done, &format!("{email} joined"), &format!("{email} had joined already"))?;
        }
        Command::EnrollMfa { email, method } => {
            let email = address(&email)?;
            let method =
                MfaMethod::parse(&method).ok_or_else(|| format!("--method {method:?} is none of TOTP, WebAuthn"))?;
            let done = open(Access::Write)?.enroll_mfa(&email, method, now)?;
            said(out, done, &format!("{email} turned {method} on"), &format!("{email} had {method} on already"))?;
        }
        Command::ResetMfa { email } => {
            let email = address(&email)?;
            let done = open(Access::Write)?.reset_mfa(&email, now)?;
            said(out, done, &format!("{email} has no MFA any more"), &format!("{email} had no MFA"))?;
        }
        Command::SetOwner { account, owners } => {
            let owners = owners.iter().map(|text| address(text)).collect::<Result<BTreeSet<_>, _>>()?;
            let done = open(Access::Write)?.set_owner(&account, &owners)?;
            said(out, done, &format!("{account} has new Owners"), &format!("{account} had these Owners already"))?;
        }
        Command::DeleteAccount { account } => {
            let done = open(Access::Write)?.set_deleted(&account, true)?;
            said(out, done, &format!("{account} is deleted"), &format!("{account} was deleted already"))?;
        }
        Command::RestoreAccount { account } => {
            let done = open(Access::Write)?.set_deleted(&account, false)?;
            said(out, done, &format!("{account} is back"), &format!("{account} was not deleted"))?;
        }
    }
    Ok(())
}

/// The embedded directory's file.
pub(super) fn file(directory: &str) -> Result<&Path, Problem> {
    let said = match directory.split_once(':') {
        Some(("sqlite", path)) if !path.is_empty() => return Ok(Path::new(path)),
        Some(("keycloak", _)) => "people and accounts are kept in Keycloak itself; these commands are for sqlite:PATH",
        Some(_) | None => "write sqlite:PATH, as in sqlite:guestlist.db",
    };
    Err(format!("--directory {} cannot be used here: {said}", scheme(directory)).into())
}

fn said(out: &mut dyn Write, done: bool, now: &str, before: &str) -> std::io::Result<()> {
    writeln!(out, "{}", if done { now } else { before })
}

fn address(text: &str) -> Result<Email, Problem> {
    Email::parse(text).map_err(Problem::Said)
}
