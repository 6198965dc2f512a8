//! A copy of any directory in memory, for rehearsals: operations on the copy have the same effects as on the
//! original.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rusqlite::{Connection, params};

use super::rows::{self, put_grant, recent_text, stamp};
use super::schema::fault;
use super::{Error, OpenMode, Store, simulated_guest};
use crate::directory::{
    GuestChange, GuestId, GuestRecord, Integrity, Login, MfaRecord, Operation, Origin, Owner, PartnerChange, PartnerId,
    PartnerRecord, Snapshot,
};

impl Store {
    /// Creates a directory in memory with this content. The copy lacks rules of other backends, such as those for links
    /// in mails.
    ///
    /// # Errors
    ///
    /// SQLite refuses a record.
    pub fn copy(all: &Snapshot, owner: &Owner) -> Result<Self, Error> {
        let mut store = Self::open(Path::new(":memory:"), OpenMode::Create)?;
        let failed = |error: rusqlite::Error| fault("copy the directory", &error);
        drop_constraints(store.connection()).map_err(failed)?;
        let tx = store.connection().transaction().map_err(failed)?;
        fill(&tx, all, owner).map_err(failed)?;
        tx.commit().map_err(failed)?;
        store.copied = CopiedFacts::of(all);
        Ok(store)
    }
}

/// Facts of copied records for which this backend has no columns.
#[derive(Default)]
pub(super) struct CopiedFacts {
    guests: BTreeMap<GuestId, GuestRecord>,
    partners: BTreeMap<PartnerId, Integrity>,
}

impl CopiedFacts {
    fn of(all: &Snapshot) -> Self {
        let integrity = |partner: &PartnerRecord| (partner.id.clone(), partner.integrity);
        Self {
            guests: all.guests.iter().map(|guest| (guest.id.clone(), guest.clone())).collect(),
            partners: all.partners.iter().map(integrity).collect(),
        }
    }

    /// Adds these facts to a record that was read from the rows.
    pub fn complete(&self, record: &mut GuestRecord) {
        let Some(copied) = self.guests.get(&record.id) else { return };
        record.email = copied.email.clone();
        record.integrity = copied.integrity;
        if copied.mfa == MfaRecord::Unknown {
            record.mfa = MfaRecord::Unknown;
        }
        match copied.mark.as_ref().map(|mark| mark.origin) {
            // The workspace, not guestlist, controls the login of an adopted user.
            Some(Origin::Adopted) => record.login = copied.login,
            Some(Origin::Created) => {}
            None => record.mark = None,
        }
    }

    /// Adds these facts to a partner that was read from the rows.
    pub fn complete_partner(&self, record: &mut PartnerRecord) {
        record.integrity = self.partners.get(&record.id).copied().unwrap_or_default();
    }

    /// Applies an operation: a written record is intact. An admission drops the copied facts, because the invited
    /// address is then the current one.
    pub fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Guest { id, change: GuestChange::Invite(_) } => drop(self.guests.remove(id)),
            Operation::Guest { id, change: GuestChange::Update { .. } } => {
                self.guests.entry(id.clone()).and_modify(|copied| copied.integrity = Integrity::Intact);
            }
            Operation::Partner { id, change: PartnerChange::Apply { .. } } => drop(self.partners.remove(id)),
            Operation::Guest { .. } | Operation::Partner { .. } | Operation::ForgetShare { .. } => {}
        }
    }
}

/// Removes constraints and triggers, because another backend may contain data that this one refuses. A plan can then
/// show the fix.
fn drop_constraints(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON")?;
    let triggers: Vec<String> = connection
        .prepare("SELECT name FROM sqlite_master WHERE type = 'trigger'")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    triggers.iter().try_for_each(|name| connection.execute_batch(&format!("DROP TRIGGER {name}")))
}

fn fill(tx: &Connection, all: &Snapshot, owner: &Owner) -> rusqlite::Result<()> {
    tx.execute("UPDATE meta SET installation = ?1, cluster = ?2", [&owner.installation, &owner.cluster])?;
    for user in &all.users {
        simulated_guest::put_user(tx, user)?;
    }
    for account in &all.accounts {
        simulated_guest::put_account(tx, account)?;
    }
    for partner in &all.partners {
        put_partner(tx, partner)?;
    }
    let mut ids = BTreeSet::new();
    for guest in &all.guests {
        if ids.insert(&guest.id) {
            put_guest(tx, guest)?;
        } else {
            tracing::warn!(guest = guest.id.0, address = %guest.address, "another guest has this identifier");
        }
    }
    for mail in &all.mails {
        let sql = "INSERT INTO mails (address, mailed_at, recent) VALUES (?1, ?2, ?3)";
        tx.prepare_cached(sql)?.execute(params![mail.address.as_str(), stamp(mail.at), recent_text(&mail.recent)])?;
    }
    // A backend may omit mails that the guest's record contains.
    for guest in &all.guests {
        let Some(at) = guest.last_mail_at else { continue };
        let sql = "INSERT INTO mails (address, mailed_at, recent) VALUES (?1, ?2, ?3) ON CONFLICT (address) DO UPDATE \
                   SET mailed_at = max(mailed_at, excluded.mailed_at), recent = max(recent, excluded.recent)";
        let recent = recent_text(&guest.recent_mails);
        tx.prepare_cached(sql)?.execute(params![guest.address.as_str(), stamp(at), recent])?;
    }
    for share in &all.shares {
        let sql = "INSERT INTO shares (uid, partner_name, account) VALUES (?1, ?2, ?3)";
        tx.prepare_cached(sql)?.execute(params![share.uid, share.partner_name, share.account])?;
    }
    for (minute, records) in &all.purged {
        let sql = "INSERT INTO purged (minute, records) VALUES (?1, ?2)";
        tx.execute(sql, params![stamp(*minute), records])?;
    }
    // Revisions continue after the copied ones, so that none is used twice.
    let newest = all.guests.iter().map(|guest| guest.revision.0).max().unwrap_or_default();
    tx.execute("INSERT INTO changes (seq, kind, key) VALUES ((SELECT coalesce(max(seq), 0) FROM changes) + 1 + ?1, 'copy', '')", [newest])?;
    Ok(())
}

fn put_partner(tx: &Connection, partner: &PartnerRecord) -> rusqlite::Result<usize> {
    let PartnerRecord { id, mark, display_name, host_admins, suspended, deactivated_at, integrity: _ } = partner;
    let admins = host_admins.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let sql = "INSERT INTO partners (id, installation, cluster, namespace, name, uid, display_name, host_admins, \
               suspended, deactivated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    tx.prepare_cached(sql)?.execute(params![
        id.0,
        mark.installation,
        mark.cluster,
        mark.namespace,
        mark.name,
        mark.uid,
        display_name,
        admins,
        suspended,
        deactivated_at.map(stamp)
    ])
}

fn put_guest(tx: &Connection, guest: &GuestRecord) -> rusqlite::Result<()> {
    // `CopiedFacts` has the identities without an ownership mark.
    rows::put_guest(tx, &GuestRecord { mark: Some(guest.mark.clone().unwrap_or_default()), ..guest.clone() })?;
    if guest.login == Login::DisabledByOther {
        tx.execute("UPDATE guests SET disabled_by_other = 1 WHERE id = ?1", [&guest.id.0])?;
    }
    if let MfaRecord::Known(methods) = &guest.mfa {
        for (method, since) in methods {
            let sql = "INSERT INTO mfa (address, method, enrolled_at) VALUES (?1, ?2, ?3)";
            tx.prepare_cached(sql)?.execute(params![guest.address.as_str(), method.as_str(), stamp(*since)])?;
        }
    }
    for held in guest.grants.values() {
        put_grant(tx, &guest.id, &held.grant, held.since)?;
    }
    Ok(())
}
