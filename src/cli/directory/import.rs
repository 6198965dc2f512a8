//! Reads a file of people and accounts. Every problem is named with its place, and nothing is imported while there is one.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;

use serde::Deserialize;
use serde_saphyr::{Error, Location, Spanned};

use super::Problem;
use crate::directory::{AccountRecord, ImportFile, Origin, Snapshot, UserEntry};
use crate::domain::{Email, check_text};
use crate::util::suggest::yaml_problem;
use crate::yaml::{self, Switch};

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Lists {
    #[serde(default)]
    users: Option<Vec<ImportUser>>,
    #[serde(default)]
    accounts: Option<Vec<ImportAccount>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ImportUser {
    email: Spanned<String>,
    #[serde(default)]
    name: Option<Spanned<String>>,
    #[serde(default)]
    enabled: Option<Switch>,
    #[serde(default)]
    verified: Option<Switch>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ImportAccount {
    name: Spanned<String>,
    #[serde(default)]
    owners: Vec<Spanned<String>>,
}

/// The content of a file.
pub struct Entries {
    /// The content.
    pub file: ImportFile,
    /// The name of the file.
    name: String,
    people: Vec<NamedPerson>,
}

/// A person in the file.
struct NamedPerson {
    email: Email,
    place: String,
    /// The account that the person owns. `None`: the entry of a user.
    account: Option<String>,
}

impl Entries {
    /// The entries that name a guest of the directory as a user or an Owner. Nothing is imported from such a file. `None`:
    /// there is no such entry.
    pub fn refused(&self, held: &Snapshot) -> Option<Problem> {
        let guest = |email: &Email| held.guests.iter().find(|guest| guest.address == *email && guest.is_live());
        let lines = self.people.iter().filter_map(|NamedPerson { email, place, account }| {
            let guest = guest(email)?;
            let why = match account {
                Some(account) => format!(
                    "{email} is a guest and cannot own {account}; delete the membership first, or name another Owner"
                ),
                None => {
                    guest.mark.as_ref().filter(|mark| mark.origin == Origin::Created)?;
                    format!("{email} is a guest; delete the membership before importing a user")
                }
            };
            Some(format!("{}{place}: {why}", self.name))
        });
        let lines: Vec<String> = lines.collect();
        (!lines.is_empty()).then(|| Problem::Message(format!("{}\n{NOTHING}", lines.join("\n"))))
    }
}

const NOTHING: &str = "nothing was imported";

/// Reads a file, or standard input where it is `-`.
pub fn read(file: &Path) -> Result<Entries, Problem> {
    let name = if file == Path::new("-") { "standard input".to_owned() } else { file.display().to_string() };
    let failed = |error: std::io::Error| Problem::Message(format!("{name} cannot be read: {error}"));
    let mut bytes = Vec::new();
    if file == Path::new("-") {
        std::io::stdin().lock().read_to_end(&mut bytes).map_err(failed)?;
    } else {
        bytes = std::fs::read(file).map_err(failed)?;
    }
    let text =
        yaml::decode_bytes(bytes).map_err(|problem| Problem::Message(format!("{name} cannot be read: {problem}")))?;
    let (file, people) = parse(&text).map_err(|problems| {
        let lines = problems.iter().map(|(place, what)| format!("{name}{place}: {what}"));
        Problem::Message(format!("{}\n{NOTHING}", lines.collect::<Vec<_>>().join("\n")))
    })?;
    Ok(Entries { file, name, people })
}

/// A problem: its place as `:line:column`, and its description.
pub type Found = (String, String);

fn place(location: Location) -> String {
    format!(":{}:{}", location.line(), location.column())
}

/// Reads the text of a file to import. `Err`: all problems.
///
/// # Errors
///
/// All problems of the file, each with its place.
pub fn read_import(text: &str) -> Result<ImportFile, Vec<Found>> {
    parse(text).map(|(file, _)| file)
}

fn parse(text: &str) -> Result<(ImportFile, Vec<NamedPerson>), Vec<Found>> {
    let options = serde_saphyr::options! { with_snippet: false };
    let read: Option<Lists> =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| vec![unreadable(&error)])?;
    if let Some((line, column, what)) = yaml::ambiguity(text) {
        return Err(vec![(format!(":{line}:{column}"), what)]);
    }
    let read = read.unwrap_or_default();
    let mut reader = Reader::default();
    let users = read.users.unwrap_or_default().into_iter().filter_map(|user| reader.user(user)).collect();
    let accounts =
        read.accounts.unwrap_or_default().into_iter().filter_map(|account| reader.account(account)).collect();
    let Reader { problems, people, .. } = reader;
    if problems.is_empty() { Ok((ImportFile { users, accounts }, people)) } else { Err(problems) }
}

/// A YAML error, or a mismatch with the format of import files.
fn unreadable(error: &Error) -> Found {
    let (place, what) = yaml_problem(error);
    (place.map_or_else(String::new, |(line, column)| format!(":{line}:{column}")), what)
}

/// Reads entries and collects their problems.
#[derive(Default)]
struct Reader {
    users: BTreeMap<Email, u64>,
    accounts: BTreeMap<String, u64>,
    people: Vec<NamedPerson>,
    problems: Vec<Found>,
}

impl Reader {
    fn problem(&mut self, at: Location, what: String) {
        self.problems.push((place(at), what));
    }

    fn email(&mut self, text: &Spanned<String>, account: Option<&str>) -> Option<Email> {
        let email = Email::parse(&text.value).map_err(|error| self.problem(text.referenced, error)).ok()?;
        let account = account.map(str::to_owned);
        self.people.push(NamedPerson { email: email.clone(), place: place(text.referenced), account });
        Some(email)
    }

    fn user(&mut self, user: ImportUser) -> Option<UserEntry> {
        let email = self.email(&user.email, None)?;
        let line = user.email.referenced.line();
        if let Some(first) = self.users.insert(email.clone(), line) {
            self.problem(user.email.referenced, format!("{email} stands in line {first} already"));
        }
        if let Some(name) = user.name.as_ref().filter(|name| !name.value.is_empty()) {
            self.visible(name, "a name");
        }
        let switch = |it: Option<Switch>| it.map(|Switch(on)| on);
        Some(UserEntry {
            email,
            name: user.name.map(|name| name.value),
            enabled: switch(user.enabled),
            verified: switch(user.verified),
        })
    }

    fn visible(&mut self, text: &Spanned<String>, what: &str) {
        if let Err(problem) = check_text(&text.value, what) {
            self.problem(text.referenced, problem);
        }
    }

    fn account(&mut self, account: ImportAccount) -> Option<AccountRecord> {
        let owners: BTreeSet<Email> =
            account.owners.iter().filter_map(|text| self.email(text, Some(&account.name.value))).collect();
        if !account.name.value.trim().is_empty() {
            self.visible(&account.name, "the account's name");
        }
        let (name, at) = (account.name.value, account.name.referenced);
        if name.trim().is_empty() {
            self.problem(at, "an account needs a name".to_owned());
            return None;
        }
        if let Some(first) = self.accounts.insert(name.clone(), at.line()) {
            self.problem(at, format!("the account {name:?} stands in line {first} already"));
        }
        Some(AccountRecord { name, owners: owners.into_iter().collect(), deleted: false })
    }
}
