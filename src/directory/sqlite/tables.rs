//! The tables, and the steps from an empty file to this version's schema.

use rusqlite::Transaction;
use rusqlite_migration::M;

use super::digest;

/// The tables. Constraints enforce the invariants of single rows.
const TABLES: &str = "
PRAGMA application_id = 0x676c7374;
CREATE TABLE meta (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  installation TEXT,
  cluster TEXT,
  epoch INTEGER NOT NULL DEFAULT 0
);
INSERT INTO meta (id) VALUES (1);

CREATE TABLE users (
  email TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  enabled INTEGER NOT NULL,
  verified INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE accounts (
  name TEXT PRIMARY KEY,
  deleted INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

CREATE TABLE account_owners (
  account TEXT NOT NULL REFERENCES accounts (name),
  email TEXT NOT NULL,
  PRIMARY KEY (account, email)
) WITHOUT ROWID;
CREATE INDEX account_owners_by_email ON account_owners (email);

CREATE TABLE partners (
  id TEXT PRIMARY KEY,
  installation TEXT NOT NULL,
  cluster TEXT NOT NULL,
  namespace TEXT NOT NULL,
  name TEXT NOT NULL,
  uid TEXT NOT NULL,
  display_name TEXT NOT NULL,
  host_admins TEXT NOT NULL,
  suspended INTEGER NOT NULL DEFAULT 0,
  deactivated_at TEXT
) WITHOUT ROWID;

CREATE TABLE guests (
  id TEXT PRIMARY KEY,
  revision INTEGER NOT NULL,
  address TEXT NOT NULL UNIQUE,
  installation TEXT NOT NULL,
  cluster TEXT NOT NULL,
  namespace TEXT NOT NULL,
  name TEXT NOT NULL,
  uid TEXT NOT NULL,
  origin TEXT NOT NULL CHECK (origin IN ('Created', 'Adopted')),
  partner TEXT NOT NULL REFERENCES partners (id),
  partner_name TEXT NOT NULL,
  display_name TEXT NOT NULL,
  role TEXT NOT NULL CHECK (role IN ('GuestUser', 'GuestAdmin')),
  admitted_at TEXT NOT NULL,
  sent_at TEXT,
  invitation_ends TEXT,
  joined_at TEXT,
  login INTEGER NOT NULL CHECK (login IN (0, 1)),
  mfa_lost_at TEXT,
  deactivated_at TEXT,
  CHECK ((sent_at IS NULL) = (invitation_ends IS NULL)),
  CHECK (deactivated_at IS NULL OR (sent_at IS NULL AND login = 0))
) WITHOUT ROWID;
CREATE INDEX guests_by_partner ON guests (partner);

CREATE TABLE mfa (
  address TEXT NOT NULL,
  method TEXT NOT NULL CHECK (method IN ('TOTP', 'WebAuthn')),
  enrolled_at TEXT NOT NULL,
  PRIMARY KEY (address, method)
) WITHOUT ROWID;

CREATE TABLE grants (
  guest TEXT NOT NULL REFERENCES guests (id),
  account TEXT NOT NULL REFERENCES accounts (name),
  role TEXT NOT NULL CHECK (role IN ('Collaborator', 'Manager')),
  share TEXT NOT NULL,
  share_uid TEXT NOT NULL,
  allowed TEXT NOT NULL CHECK (allowed <> ''),
  asked TEXT NOT NULL CHECK (asked <> ''),
  until TEXT,
  since TEXT NOT NULL,
  PRIMARY KEY (guest, account)
) WITHOUT ROWID;
CREATE TRIGGER no_manager_for_a_guest_user BEFORE INSERT ON grants
  WHEN new.role = 'Manager' AND (SELECT role FROM guests WHERE id = new.guest) = 'GuestUser'
  BEGIN SELECT RAISE(ABORT, 'a Guest User is never Manager'); END;
CREATE TRIGGER no_raise_for_a_guest_user BEFORE UPDATE ON grants
  WHEN new.role = 'Manager' AND (SELECT role FROM guests WHERE id = new.guest) = 'GuestUser'
  BEGIN SELECT RAISE(ABORT, 'a Guest User is never Manager'); END;
CREATE TRIGGER no_guest_user_with_manager BEFORE UPDATE OF role ON guests
  WHEN new.role = 'GuestUser' AND EXISTS (SELECT 1 FROM grants WHERE guest = new.id AND role = 'Manager')
  BEGIN SELECT RAISE(ABORT, 'a Guest User is never Manager'); END;
CREATE TRIGGER no_grant_for_the_deactivated BEFORE INSERT ON grants
  WHEN (SELECT deactivated_at FROM guests WHERE id = new.guest) IS NOT NULL
  BEGIN SELECT RAISE(ABORT, 'who is deactivated holds nothing'); END;
CREATE TRIGGER no_deactivation_with_grants BEFORE UPDATE OF deactivated_at ON guests
  WHEN new.deactivated_at IS NOT NULL AND EXISTS (SELECT 1 FROM grants WHERE guest = new.id)
  BEGIN SELECT RAISE(ABORT, 'who is deactivated holds nothing'); END;

CREATE TRIGGER no_owner_for_a_guest BEFORE INSERT ON account_owners
  WHEN EXISTS (SELECT 1 FROM guests WHERE address = new.email AND deactivated_at IS NULL)
  BEGIN SELECT RAISE(ABORT, 'a guest is never Owner'); END;
CREATE TRIGGER no_guest_who_owns BEFORE INSERT ON guests
  WHEN new.deactivated_at IS NULL AND EXISTS (SELECT 1 FROM account_owners WHERE email = new.address)
  BEGIN SELECT RAISE(ABORT, 'a guest is never Owner'); END;
CREATE TRIGGER no_return_of_a_guest_who_owns BEFORE UPDATE OF deactivated_at ON guests
  WHEN new.deactivated_at IS NULL AND EXISTS (SELECT 1 FROM account_owners WHERE email = new.address)
  BEGIN SELECT RAISE(ABORT, 'a guest is never Owner'); END;

CREATE TABLE mails (
  address TEXT PRIMARY KEY,
  mailed_at TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX mails_by_time ON mails (mailed_at);

CREATE TABLE shares (
  uid TEXT PRIMARY KEY,
  partner_name TEXT NOT NULL,
  account TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE purged (
  minute TEXT PRIMARY KEY,
  records INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE changes (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL,
  key TEXT NOT NULL
);
";

/// The mails of the last hour to an address, for the policy's `invitationsPerHour`.
const RECENT_MAILS: &str = "ALTER TABLE mails ADD COLUMN recent TEXT NOT NULL DEFAULT ''";

/// The MFA methods allowed to each guest. Earlier records allow all methods until their membership is next
/// reconciled.
const ALLOWED: &str =
    "ALTER TABLE guests ADD COLUMN allowed TEXT NOT NULL DEFAULT 'TOTP,WebAuthn' CHECK (allowed <> '');";

/// Marks logins that an administrator disabled; `login` holds guestlist's own decision.
const DISABLED_BY_OTHER: &str = "
ALTER TABLE guests ADD COLUMN disabled_by_other INTEGER NOT NULL DEFAULT 0 CHECK (disabled_by_other IN (0, 1));
";

/// The digest of all rows.
const DIGEST: &str = "ALTER TABLE meta ADD COLUMN digest INTEGER NOT NULL DEFAULT 0";

/// The schema version from which a file has a digest.
pub(super) const WITH_DIGEST: i64 = 5;

/// The steps from an empty file to this version's schema. From the digest on, each step ends with [`digest::renew`].
pub(super) fn steps() -> [M<'static>; 5] {
    let renew = |tx: &Transaction<'_>| digest::renew(tx).map_err(Into::into);
    [M::up(TABLES), M::up(RECENT_MAILS), M::up(ALLOWED), M::up(DISABLED_BY_OTHER), M::up_with_hook(DIGEST, renew)]
}
