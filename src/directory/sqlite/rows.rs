//! Conversion between rows and records.

use crate::util::small_map::SmallMap;

use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, Row, params};

use super::super::{
    AccountRecord, Grant, GrantRecord, GuestId, GuestRecord, Integrity, InvitationRecord, Login, MailRecord, MfaRecord,
    Origin, OwnershipMark, PartnerId, PartnerRecord, Purged, Revision, SentMail, ShareRecord, UserRecord,
};
use super::change_feed::KEPT;
use crate::domain::{Email, GuestRole, Methods, MfaMethod, ShareRole};

type Result<T> = rusqlite::Result<T>;

/// The stored form of an instant: RFC 3339 to the nanosecond. Nothing is lost, and the fixed width makes text order
/// the order in time.
pub fn stamp(time: Timestamp) -> String {
    format!("{time:.9}")
}

/// The stored form of methods.
pub fn methods_text(methods: &Methods) -> String {
    methods.iter().map(|method| method.as_str()).collect::<Vec<_>>().join(",")
}

fn unreadable(column: usize, what: &str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, what.to_owned().into())
}

pub fn time(row: &Row<'_>, column: usize) -> Result<Timestamp> {
    row.get::<_, String>(column)?.parse().map_err(|_| unreadable(column, "a time"))
}

fn maybe_time(row: &Row<'_>, column: usize) -> Result<Option<Timestamp>> {
    match row.get::<_, Option<String>>(column)? {
        None => Ok(None),
        Some(_) => time(row, column).map(Some),
    }
}

fn email(row: &Row<'_>, column: usize) -> Result<Email> {
    Email::parse(&row.get::<_, String>(column)?).map_err(|error| unreadable(column, &error))
}

fn methods(row: &Row<'_>, column: usize) -> Result<Methods> {
    let text: String = row.get(column)?;
    text.split(',')
        .filter(|word| !word.is_empty())
        .map(|word| MfaMethod::parse(word).ok_or_else(|| unreadable(column, "a method")))
        .collect()
}

/// Selects partners, for [`partner`].
pub const PARTNER: &str = "SELECT id, installation, cluster, namespace, name, uid, display_name, host_admins, deactivated_at, suspended FROM partners";

/// Reads a row of [`PARTNER`].
pub fn partner(row: &Row<'_>) -> Result<PartnerRecord> {
    let admins: String = row.get(7)?;
    Ok(PartnerRecord {
        id: PartnerId(row.get(0)?),
        mark: OwnershipMark {
            installation: row.get(1)?,
            cluster: row.get(2)?,
            namespace: row.get(3)?,
            name: row.get(4)?,
            uid: row.get(5)?,
            origin: Origin::Created,
        },
        display_name: row.get(6)?,
        host_admins: admins
            .split_whitespace()
            .map(|text| Email::parse(text).map_err(|error| unreadable(7, &error)))
            .collect::<Result<_>>()?,
        suspended: row.get(9)?,
        deactivated_at: maybe_time(row, 8)?,
        integrity: Integrity::Intact,
    })
}

/// Selects guests, without MFA and grants. The login of an adopted guest comes from the workspace user.
pub const GUEST: &str = "SELECT id, revision, address, installation, cluster, namespace, name, uid, origin, partner, \
partner_name, display_name, role, sent_at, invitation_ends, \
(SELECT mailed_at FROM mails WHERE mails.address = guests.address), joined_at, \
CASE WHEN disabled_by_other OR NOT (origin = 'Created' OR EXISTS (SELECT 1 FROM users WHERE email = address AND enabled)) \
THEN 'Other' WHEN login THEN 'Enabled' ELSE 'Guestlist' END, \
mfa_lost_at, deactivated_at, admitted_at, (SELECT recent FROM mails WHERE mails.address = guests.address), allowed FROM guests";

fn login(row: &Row<'_>, column: usize) -> Result<Login> {
    match row.get::<_, String>(column)?.as_str() {
        "Enabled" => Ok(Login::Enabled),
        "Guestlist" => Ok(Login::DisabledByGuestlist),
        "Other" => Ok(Login::DisabledByOther),
        _ => Err(unreadable(column, "a login")),
    }
}

fn guest(row: &Row<'_>) -> Result<GuestRecord> {
    let origin: String = row.get(8)?;
    let role: String = row.get(12)?;
    let address = email(row, 2)?;
    Ok(GuestRecord {
        id: GuestId(row.get(0)?),
        revision: Revision(row.get(1)?),
        mark: Some(OwnershipMark {
            installation: row.get(3)?,
            cluster: row.get(4)?,
            namespace: row.get(5)?,
            name: row.get(6)?,
            uid: row.get(7)?,
            origin: if origin == "Adopted" { Origin::Adopted } else { Origin::Created },
        }),
        // Guests of the embedded directory cannot change their address.
        email: address.clone(),
        address,
        partner: PartnerId(row.get(9)?),
        partner_name: row.get(10)?,
        display_name: row.get(11)?,
        role: GuestRole::parse(&role).ok_or_else(|| unreadable(12, "a role"))?,
        invitation: match (maybe_time(row, 13)?, maybe_time(row, 14)?) {
            (Some(sent_at), Some(expires_at)) => Some(InvitationRecord { sent_at, expires_at }),
            _ => None,
        },
        last_mail_at: maybe_time(row, 15)?,
        recent_mails: recent(row, 21)?,
        admitted_at: time(row, 20)?,
        joined_at: maybe_time(row, 16)?,
        login: login(row, 17)?,
        mfa_lost_at: maybe_time(row, 18)?,
        deactivated_at: maybe_time(row, 19)?,
        mfa: MfaRecord::Known(SmallMap::default()),
        allowed: methods(row, 22)?,
        grants: SmallMap::default(),
        integrity: Integrity::Intact,
    })
}

/// The guests that a condition selects, with MFA and grants.
pub fn guests(connection: &Connection, tail: &str, values: &[&dyn rusqlite::ToSql]) -> Result<Vec<GuestRecord>> {
    let mut statement = connection.prepare_cached(&format!("{GUEST} {tail}"))?;
    let mut records = statement.query_map(values, guest)?.collect::<Result<Vec<_>>>()?;
    for record in &mut records {
        record.mfa = MfaRecord::Known(mfa(connection, &record.address)?);
        record.grants = grants(connection, &record.id)?;
    }
    Ok(records)
}

/// One guest, by a condition.
pub fn one_guest(connection: &Connection, tail: &str, value: &str) -> Result<Option<GuestRecord>> {
    Ok(guests(connection, tail, &[&value])?.into_iter().next())
}

/// The methods that an identity has enrolled.
pub fn mfa(connection: &Connection, address: &Email) -> Result<SmallMap<MfaMethod, Timestamp>> {
    let mut statement = connection.prepare_cached("SELECT method, enrolled_at FROM mfa WHERE address = ?1")?;
    statement
        .query_map([address.as_str()], |row| {
            let text: String = row.get(0)?;
            Ok((MfaMethod::parse(&text).ok_or_else(|| unreadable(0, "a method"))?, time(row, 1)?))
        })?
        .collect()
}

fn grants(connection: &Connection, guest: &GuestId) -> Result<SmallMap<String, GrantRecord>> {
    let sql = "SELECT account, role, share, share_uid, allowed, asked, until, since FROM grants WHERE guest = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    statement
        .query_map([&guest.0], |row| {
            let role: String = row.get(1)?;
            let grant = Grant {
                account: row.get(0)?,
                role: ShareRole::parse(&role).ok_or_else(|| unreadable(1, "a role"))?,
                share: row.get(2)?,
                share_uid: row.get(3)?,
                allowed: methods(row, 4)?,
                asked: methods(row, 5)?,
                until: maybe_time(row, 6)?,
            };
            Ok((grant.account.clone(), GrantRecord { grant, since: time(row, 7)? }))
        })?
        .collect()
}

/// The accounts that a condition selects.
pub fn accounts(connection: &Connection, tail: &str, values: &[&dyn rusqlite::ToSql]) -> Result<Vec<AccountRecord>> {
    let mut statement = connection.prepare_cached(&format!("SELECT name, deleted FROM accounts {tail}"))?;
    let rows: Vec<(String, bool)> =
        statement.query_map(values, |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_>>()?;
    rows.into_iter()
        .map(|(name, deleted)| {
            let mut statement =
                connection.prepare_cached("SELECT email FROM account_owners WHERE account = ?1 ORDER BY email")?;
            let owners = statement.query_map([&name], |row| email(row, 0))?.collect::<Result<_>>()?;
            Ok(AccountRecord { name, owners, deleted })
        })
        .collect()
}

/// The users that a condition selects.
pub fn users(connection: &Connection, tail: &str, values: &[&dyn rusqlite::ToSql]) -> Result<Vec<UserRecord>> {
    let mut statement =
        connection.prepare_cached(&format!("SELECT email, name, enabled, verified FROM users {tail}"))?;
    statement
        .query_map(values, |row| {
            Ok(UserRecord { email: email(row, 0)?, name: row.get(1)?, enabled: row.get(2)?, verified: row.get(3)? })
        })?
        .collect()
}

/// The last mails that a condition selects.
pub fn mails(connection: &Connection, tail: &str, values: &[&dyn rusqlite::ToSql]) -> Result<Vec<MailRecord>> {
    let mut statement = connection.prepare_cached(&format!("SELECT address, mailed_at, recent FROM mails {tail}"))?;
    let read = |row: &Row<'_>| Ok(MailRecord { address: email(row, 0)?, at: time(row, 1)?, recent: recent(row, 2)? });
    statement.query_map(values, read)?.collect()
}

/// The stored form of mails, one a line.
pub fn recent_text(mails: &[SentMail]) -> String {
    mails.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn recent(row: &Row<'_>, column: usize) -> Result<Vec<SentMail>> {
    let text: Option<String> = row.get(column)?;
    let read = |line| SentMail::parse(line).ok_or_else(|| unreadable(column, "a mail"));
    text.iter().flat_map(|text| text.lines()).map(read).collect()
}

/// The remembered shares that a condition selects.
pub fn shares(connection: &Connection, tail: &str, values: &[&dyn rusqlite::ToSql]) -> Result<Vec<ShareRecord>> {
    let mut statement = connection.prepare_cached(&format!("SELECT uid, partner_name, account FROM shares {tail}"))?;
    let read = |row: &Row<'_>| Ok(ShareRecord { uid: row.get(0)?, partner_name: row.get(1)?, account: row.get(2)? });
    statement.query_map(values, read)?.collect()
}

/// The partners that a condition selects.
pub fn partners(connection: &Connection, tail: &str, values: &[&dyn rusqlite::ToSql]) -> Result<Vec<PartnerRecord>> {
    let mut statement = connection.prepare_cached(&format!("{PARTNER} {tail}"))?;
    statement.query_map(values, partner)?.collect()
}

/// The number of recently purged records. Entries older than one hour may be among them.
pub fn purged(connection: &Connection) -> Result<Purged> {
    let mut statement = connection.prepare_cached("SELECT minute, records FROM purged")?;
    statement.query_map([], |row| Ok((time(row, 0)?, row.get(1)?)))?.collect()
}

/// Adds a line to the log of changes. For a guest, the line's number becomes the revision. Numbers are never reused,
/// even if a record is deleted and created again.
pub fn changed(connection: &Connection, kind: &str, key: &str) -> Result<i64> {
    let insert = "INSERT INTO changes (kind, key) VALUES (?1, ?2) RETURNING seq";
    let line: i64 = connection.prepare_cached(insert)?.query_row([kind, key], |row| row.get(0))?;
    // The log serves followers that are close behind; others read everything again.
    connection.prepare_cached("DELETE FROM changes WHERE seq <= ?1")?.execute([line - KEPT])?;
    if kind == "guest" {
        let sql = "UPDATE guests SET revision = ?1 WHERE address = ?2";
        connection.prepare_cached(sql)?.execute(params![line, key])?;
    }
    Ok(line)
}

/// Writes a grant, and replaces one for the same account.
pub fn put_grant(connection: &Connection, guest: &GuestId, grant: &Grant, since: Timestamp) -> Result<usize> {
    let Grant { account, role, share, share_uid, allowed, asked, until } = grant;
    let sql = "INSERT OR REPLACE INTO grants (guest, account, role, share, share_uid, allowed, asked, until, since) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    connection.prepare_cached(sql)?.execute(params![
        guest.0,
        account,
        role.as_str(),
        share,
        share_uid,
        methods_text(allowed),
        methods_text(asked),
        until.map(stamp),
        stamp(since)
    ])
}

/// The columns of a guest's row that operations change. `login` is guestlist's own decision; `None`: it stays.
fn columns(record: &GuestRecord) -> [Option<String>; 15] {
    let mark = record.mark.as_ref();
    let invitation = record.invitation;
    let login = match record.login {
        Login::Enabled => Some("1"),
        Login::DisabledByGuestlist => Some("0"),
        Login::DisabledByOther => record.deactivated_at.map(|_| "0"),
    };
    [
        mark.map(|mark| mark.installation.clone()),
        mark.map(|mark| mark.cluster.clone()),
        mark.map(|mark| mark.namespace.clone()),
        mark.map(|mark| mark.name.clone()),
        mark.map(|mark| mark.uid.clone()),
        Some(record.partner.0.clone()),
        Some(record.partner_name.clone()),
        Some(record.display_name.clone()),
        Some(record.role.as_str().to_owned()),
        invitation.map(|invitation| stamp(invitation.sent_at)),
        invitation.map(|invitation| stamp(invitation.expires_at)),
        record.mfa_lost_at.map(stamp),
        record.deactivated_at.map(stamp),
        Some(methods_text(&record.allowed)),
        login.map(str::to_owned),
    ]
}

/// Writes a guest's row, without MFA and grants, and replaces one with the same identifier. Another party's decision
/// about the login stays.
pub fn put_guest(connection: &Connection, record: &GuestRecord) -> Result<()> {
    let origin = match record.mark.as_ref().map(|mark| mark.origin) {
        Some(Origin::Adopted) => "Adopted",
        Some(Origin::Created) | None => "Created",
    };
    let sql = "INSERT INTO guests (id, installation, cluster, namespace, name, uid, partner, partner_name, display_name, \
               role, sent_at, invitation_ends, mfa_lost_at, deactivated_at, allowed, login, address, revision, origin, \
               joined_at, admitted_at) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, coalesce(?16, 0), ?17, ?18, ?19, \
               ?20, ?21) \
               ON CONFLICT (id) DO UPDATE SET installation = ?2, cluster = ?3, namespace = ?4, name = ?5, uid = ?6, \
               partner = ?7, partner_name = ?8, display_name = ?9, role = ?10, sent_at = ?11, invitation_ends = ?12, \
               mfa_lost_at = ?13, deactivated_at = ?14, allowed = ?15, login = coalesce(?16, 0), origin = ?19, \
               joined_at = ?20, admitted_at = ?21";
    let others = [
        Some(record.address.to_string()),
        Some(record.revision.0.to_string()),
        Some(origin.to_owned()),
        record.joined_at.map(stamp),
        Some(stamp(record.admitted_at)),
    ];
    let values = [Some(record.id.0.clone())].into_iter().chain(columns(record)).chain(others);
    connection.prepare_cached(sql)?.execute(rusqlite::params_from_iter(values))?;
    Ok(())
}

/// Updates a guest's row. Equal columns are not written.
pub fn update_guest(connection: &Connection, before: &GuestRecord, after: &GuestRecord) -> Result<()> {
    let new = columns(after);
    if new == columns(before) {
        return Ok(());
    }
    let sql = "UPDATE guests SET installation = ?2, cluster = ?3, namespace = ?4, name = ?5, uid = ?6, partner = ?7, \
               partner_name = ?8, display_name = ?9, role = ?10, sent_at = ?11, invitation_ends = ?12, \
               mfa_lost_at = ?13, deactivated_at = ?14, allowed = ?15, login = coalesce(?16, login) WHERE id = ?1";
    let values = [Some(after.id.0.clone())].into_iter().chain(new);
    connection.prepare_cached(sql)?.execute(rusqlite::params_from_iter(values))?;
    Ok(())
}
