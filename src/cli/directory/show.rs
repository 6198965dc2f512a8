//! The output of `guestlist directory show`, for people and for programs.

use std::io::Write;

use comfy_table::Table;
use comfy_table::presets;
use jiff::Timestamp;
use serde::Serialize;

use super::{Format, Problem};
use crate::directory::Snapshot;
use crate::directory::{GuestRecord, MfaRecord};
use crate::domain::{Email, printable, printable_json};

/// The JSON output.
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

/// The guest's state, as far as the directory alone can tell it.
fn state(guest: &GuestRecord, now: Timestamp) -> &'static str {
    let has_mfa =
        matches!(&guest.mfa, MfaRecord::Known(methods) if methods.keys().any(|it| guest.allowed.contains(it)));
    match (guest.login.is_enabled(), guest.joined_at, guest.invitation) {
        (false, _, _) => "Suspended",
        (true, Some(_), _) if guest.is_blocked() => "Suspended",
        (true, Some(_), _) if has_mfa => "Active",
        (true, Some(_), _) => "Joined",
        (true, None, Some(invitation)) if now < invitation.expires_at => "Invited",
        (true, None, _) => "InvitationExpired",
    }
}

fn methods(guest: &GuestRecord) -> Vec<&'static str> {
    match &guest.mfa {
        // The methods of a former guest are shown only once the guest has accepted again.
        MfaRecord::Known(_) if guest.joined_at.is_none() => Vec::new(),
        MfaRecord::Known(methods) => methods.keys().map(|method| method.as_str()).collect(),
        MfaRecord::Unknown => Vec::new(),
    }
}

fn shown(all: &Snapshot, now: Timestamp) -> Shown {
    let texts = |emails: &[Email]| emails.iter().map(ToString::to_string).collect::<Vec<_>>();
    let namespace = |guest: &GuestRecord| guest.mark.as_ref().map(|mark| mark.namespace.clone()).unwrap_or_default();
    Shown {
        partners: all
            .partners
            .iter()
            .filter(|partner| partner.is_live())
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

/// Prints everything.
pub fn show(all: &Snapshot, output: Format, now: Timestamp, out: &mut dyn Write) -> Result<(), Problem> {
    let shown = shown(all, now);
    match output {
        Format::Json => {
            let text = serde_json::to_string_pretty(&shown).map_err(|error| Problem::Message(error.to_string()))?;
            writeln!(out, "{}", printable_json(&text))?;
        }
        Format::Table => show_tables(&shown, out)?,
    }
    Ok(())
}

fn show_tables(shown: &Shown, out: &mut dyn Write) -> std::io::Result<()> {
    let mut table = plain(&["NAMESPACE", "PARTNER", "DISPLAY NAME", "HOST ADMINS"]);
    for partner in &shown.partners {
        add(&mut table, [&partner.namespace, &partner.name, &partner.display_name, &partner.host_admins.join(", ")]);
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
        add(&mut table, [&guest.namespace, &guest.partner, &guest.email, guest.role, guest.state, &mfa, &grants]);
    }
    writeln!(out, "{table}\n")?;
    let mut table = plain(&["ACCOUNT", "OWNERS", "DELETED"]);
    for account in &shown.accounts {
        add(&mut table, [&account.name, &account.owners.join(", "), if account.deleted { "yes" } else { "" }]);
    }
    writeln!(out, "{table}")?;
    if !shown.deactivated.is_empty() {
        let mut table = plain(&["DEACTIVATED", "NAMESPACE", "MEMBERSHIP", "SINCE"]);
        for guest in &shown.deactivated {
            add(&mut table, [&guest.email, &guest.namespace, &guest.name, &guest.since]);
        }
        writeln!(out, "\n{table}")?;
    }
    Ok(())
}

/// Adds a row. Text from a tenant or from the directory's console cannot leave its cell.
fn add<const N: usize>(table: &mut Table, cells: [&str; N]) {
    table.add_row(cells.map(printable));
}

fn plain(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    table
}
