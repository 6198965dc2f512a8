//! `guestlist directory …`: what happens in a workspace without guestlist, on the embedded directory.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use comfy_table::Table;
use comfy_table::presets;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Problem;
use crate::directory::sqlite::play::{Everything, Import};
use crate::directory::sqlite::{Access, Store};
use crate::directory::{AccountRecord, GuestRecord, MfaRecord, UserRecord};
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
        /// TOTP or WebAuthn
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
    let Some(path) = args.directory.strip_prefix("sqlite:") else {
        return Err(
            format!("--directory {:?} is not understood; this release knows sqlite:PATH", args.directory).into()
        );
    };
    let open = |access| Store::open(Path::new(path), access);
    let now = Timestamp::now();
    match args.command {
        Command::Import { file } => {
            let import = read_import(&file)?;
            let done = open(Access::Create)?.import(&import)?;
            writeln!(out, "{} added, {} updated, {} unchanged", done.added, done.updated, done.unchanged)?;
        }
        Command::Show { output } => show(&open(Access::Write)?.everything()?, output, now, out)?,
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

fn said(out: &mut dyn Write, done: bool, now: &str, before: &str) -> std::io::Result<()> {
    writeln!(out, "{}", if done { now } else { before })
}

fn address(text: &str) -> Result<Email, Problem> {
    Email::parse(text).map_err(Problem::Said)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ImportFile {
    #[serde(default)]
    users: Vec<ImportUser>,
    #[serde(default)]
    accounts: Vec<ImportAccount>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ImportUser {
    email: String,
    #[serde(default)]
    name: String,
    #[serde(default = "yes")]
    enabled: bool,
    #[serde(default = "yes")]
    verified: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ImportAccount {
    name: String,
    #[serde(default)]
    owners: Vec<String>,
}

fn yes() -> bool {
    true
}

fn read_import(file: &Path) -> Result<Import, Problem> {
    let failed = |error: &dyn std::fmt::Display| Problem::Said(format!("{}: {error}", file.display()));
    let text = if file == Path::new("-") {
        std::io::read_to_string(std::io::stdin()).map_err(|error| failed(&error))?
    } else {
        std::fs::read_to_string(file).map_err(|error| failed(&error))?
    };
    let read: ImportFile = serde_saphyr::from_str(&text).map_err(|error| failed(&error))?;
    let mut import = Import::default();
    for (index, user) in read.users.into_iter().enumerate() {
        let email = Email::parse(&user.email).map_err(|error| failed(&format!("users[{index}].email: {error}")))?;
        import.users.push(UserRecord { email, name: user.name, enabled: user.enabled, verified: user.verified });
    }
    for (index, account) in read.accounts.into_iter().enumerate() {
        if account.name.trim().is_empty() {
            return Err(failed(&format!("accounts[{index}].name is empty")));
        }
        let owners = account.owners.iter().enumerate().map(|(i, text)| {
            Email::parse(text).map_err(|error| failed(&format!("accounts[{index}].owners[{i}]: {error}")))
        });
        let owners: BTreeSet<Email> = owners.collect::<Result<_, _>>()?;
        import.accounts.push(AccountRecord {
            name: account.name,
            owners: owners.into_iter().collect(),
            deleted: false,
        });
    }
    Ok(import)
}

/// What `show -o json` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    partners: Vec<ShownPartner>,
    guests: Vec<ShownGuest>,
    accounts: Vec<ShownAccount>,
    users: Vec<ShownUser>,
    deactivated: Vec<ShownDeactivated>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownPartner {
    namespace: String,
    name: String,
    display_name: String,
    host_admins: Vec<String>,
}

#[derive(Serialize)]
struct ShownGuest {
    namespace: String,
    email: String,
    partner: String,
    role: &'static str,
    state: &'static str,
    mfa: Vec<&'static str>,
    grants: Vec<ShownGrant>,
}

#[derive(Serialize)]
struct ShownGrant {
    account: String,
    role: &'static str,
    effective: bool,
}

#[derive(Serialize)]
struct ShownAccount {
    name: String,
    owners: Vec<String>,
    deleted: bool,
}

#[derive(Serialize)]
struct ShownUser {
    email: String,
}

#[derive(Serialize)]
struct ShownDeactivated {
    namespace: String,
    name: String,
    email: String,
    since: String,
}

/// Where a guest stands by what the directory alone knows.
fn state(guest: &GuestRecord, now: Timestamp) -> &'static str {
    let has_mfa = matches!(&guest.mfa, MfaRecord::Known(methods) if !methods.is_empty());
    match (guest.login, guest.joined_at, guest.invitation) {
        (false, _, _) => "Suspended",
        (true, Some(_), _) if has_mfa => "Active",
        (true, Some(_), _) => "Joined",
        (true, None, Some(invitation)) if now < invitation.expires_at => "Invited",
        (true, None, _) => "InvitationExpired",
    }
}

fn methods(guest: &GuestRecord) -> Vec<&'static str> {
    match &guest.mfa {
        // What a former guest enrolled shows only once he has accepted again.
        MfaRecord::Known(_) if guest.joined_at.is_none() => Vec::new(),
        MfaRecord::Known(methods) => methods.keys().map(|method| method.as_str()).collect(),
        MfaRecord::Unknown => Vec::new(),
    }
}

fn shown(all: &Everything, now: Timestamp) -> Shown {
    let texts = |emails: &[Email]| emails.iter().map(ToString::to_string).collect::<Vec<_>>();
    let namespace = |guest: &GuestRecord| guest.mark.as_ref().map(|mark| mark.namespace.clone()).unwrap_or_default();
    Shown {
        partners: all
            .partners
            .iter()
            .filter(|partner| partner.deactivated_at.is_none())
            .map(|partner| ShownPartner {
                namespace: partner.mark.namespace.clone(),
                name: partner.mark.name.clone(),
                display_name: partner.display_name.clone(),
                host_admins: texts(&partner.host_admins),
            })
            .collect(),
        guests: all
            .guests
            .iter()
            .filter(|guest| guest.is_live())
            .map(|guest| ShownGuest {
                namespace: namespace(guest),
                email: guest.address.to_string(),
                partner: guest.partner_name.clone(),
                role: guest.role.as_str(),
                state: state(guest, now),
                mfa: methods(guest),
                grants: guest
                    .grants
                    .values()
                    .map(|held| ShownGrant {
                        account: held.grant.account.clone(),
                        role: held.grant.role.as_str(),
                        effective: all.is_effective(guest, &held.grant.account, now),
                    })
                    .collect(),
            })
            .collect(),
        accounts: all
            .accounts
            .iter()
            .map(|account| ShownAccount {
                name: account.name.clone(),
                owners: texts(&account.owners),
                deleted: account.deleted,
            })
            .collect(),
        users: all.users.iter().map(|user| ShownUser { email: user.email.to_string() }).collect(),
        deactivated: all
            .guests
            .iter()
            .filter_map(|guest| guest.deactivated_at.map(|since| (guest, since)))
            .map(|(guest, since)| ShownDeactivated {
                namespace: namespace(guest),
                name: guest.mark.as_ref().map(|mark| mark.name.clone()).unwrap_or_default(),
                email: guest.address.to_string(),
                since: since.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            })
            .collect(),
    }
}

fn show(all: &Everything, output: Format, now: Timestamp, out: &mut dyn Write) -> Result<(), Problem> {
    let shown = shown(all, now);
    match output {
        Format::Json => {
            let text = serde_json::to_string_pretty(&shown).map_err(|error| Problem::Said(error.to_string()))?;
            writeln!(out, "{text}")?;
        }
        Format::Table => show_tables(&shown, out)?,
    }
    Ok(())
}

fn show_tables(shown: &Shown, out: &mut dyn Write) -> std::io::Result<()> {
    let mut table = plain(&["NAMESPACE", "PARTNER", "DISPLAY NAME", "HOST ADMINS"]);
    for partner in &shown.partners {
        table.add_row([&partner.namespace, &partner.name, &partner.display_name, &partner.host_admins.join(", ")]);
    }
    writeln!(out, "{table}\n")?;
    let mut table = plain(&["NAMESPACE", "PARTNER", "GUEST", "ROLE", "STATE", "MFA", "GRANTS"]);
    for guest in &shown.guests {
        let grants = guest.grants.iter().map(|grant| {
            let withheld = if grant.effective { "" } else { " (not effective)" };
            format!("{}:{}{withheld}", grant.account, grant.role)
        });
        let grants = grants.collect::<Vec<_>>().join(", ");
        let mfa = guest.mfa.join(", ");
        table.add_row([&guest.namespace, &guest.partner, &guest.email, guest.role, guest.state, &mfa, &grants]);
    }
    writeln!(out, "{table}\n")?;
    let mut table = plain(&["ACCOUNT", "OWNERS", "DELETED"]);
    for account in &shown.accounts {
        table.add_row([
            &account.name,
            &account.owners.join(", "),
            &(if account.deleted { "yes" } else { "" }).to_owned(),
        ]);
    }
    writeln!(out, "{table}")?;
    if !shown.deactivated.is_empty() {
        let mut table = plain(&["DEACTIVATED", "NAMESPACE", "MEMBERSHIP", "SINCE"]);
        for guest in &shown.deactivated {
            table.add_row([&guest.email, &guest.namespace, &guest.name, &guest.since]);
        }
        writeln!(out, "\n{table}")?;
    }
    Ok(())
}

fn plain(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    table
}
