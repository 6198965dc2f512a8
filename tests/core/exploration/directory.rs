//! The directory's operations on plain data, fast enough for every state. `directory_equivalence.rs` compares it with
//! the embedded directory.

use std::collections::BTreeMap;

use guestlist::directory::{
    AccessChange, Grant, GrantRecord, GuestChange, GuestId, GuestRecord, InvitationRecord, Login, MfaRecord, NewGuest,
    Operation, Origin, PartnerChange, Revision, Snapshot,
};
use guestlist::domain::{Email, GuestRole, Methods, ShareRole};
use jiff::Timestamp;

/// The double of a directory.
#[derive(Clone, Debug, Default)]
pub struct Double {
    pub all: Snapshot,
    /// The MFA of users of the workspace who have no record.
    pub mfa: BTreeMap<Email, MfaRecord>,
}

/// The operation was planned on other facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

/// Executes one operation completely, or not at all.
pub fn execute(
    double: &mut Double,
    operation: &Operation,
    basis: Option<Revision>,
    now: Timestamp,
) -> Result<(), Refused> {
    let all = &mut double.all;
    match operation {
        Operation::Guest { id, change: GuestChange::Invite(new) } => return admit(double, id, new, basis, now),
        Operation::Partner {
            id: partner,
            change: PartnerChange::Apply { mark, display_name, host_admins, suspended },
        } => {
            let record = guestlist::directory::PartnerRecord {
                id: partner.clone(),
                mark: mark.clone(),
                display_name: display_name.clone(),
                host_admins: host_admins.clone(),
                suspended: *suspended,
                deactivated_at: None,
                integrity: guestlist::directory::Integrity::Intact,
            };
            all.partners.retain(|known| known.id != *partner);
            all.partners.push(record);
        }
        Operation::Partner { id: partner, change: PartnerChange::Deactivate } => {
            if all.guests.iter().any(|guest| guest.is_live() && guest.partner == *partner) {
                return Err(Refused);
            }
            for record in all.partners.iter_mut().filter(|record| record.id == *partner) {
                record.deactivated_at.get_or_insert(now);
                record.suspended = false;
            }
        }
        Operation::Partner { id: partner, change: PartnerChange::Purge { since } } => {
            let Some(place) = all.partners.iter().position(|known| known.id == *partner) else { return Ok(()) };
            let inhabited = all.guests.iter().any(|guest| guest.partner == *partner);
            if inhabited || all.partners[place].deactivated_at != Some(*since) {
                return Err(Refused);
            }
            all.partners.remove(place);
        }
        Operation::ForgetShare { share_uid } => {
            let held = |guest: &GuestRecord| guest.grants.values().any(|held| held.grant.share_uid == *share_uid);
            return if all.guests.iter().any(held) { Err(Refused) } else { Ok(()) };
        }
        Operation::Guest { id: guest, change: wanted } => {
            let Some(place) = all.guests.iter().position(|known| known.id == *guest) else {
                let takes = matches!(wanted.access_change(), AccessChange::Revoke | AccessChange::Remove);
                return if takes { Ok(()) } else { Err(Refused) };
            };
            let record = &all.guests[place];
            if basis.is_some_and(|basis| basis != record.revision) {
                return Err(Refused);
            }
            let changed = change(all, record, wanted, now)?;
            let revision = Revision(record.revision.0 + 1);
            match changed {
                None => {
                    let gone = all.guests.remove(place);
                    if all.users.iter().any(|user| user.email == gone.address) {
                        double.mfa.insert(gone.address, gone.mfa);
                    }
                }
                Some(changed) if changed == *record => {}
                Some(changed) => all.guests[place] = GuestRecord { revision, ..changed },
            }
        }
    }
    Ok(())
}

/// A guest's record after an operation. `None`: there is none.
fn change(
    all: &Snapshot,
    record: &GuestRecord,
    change: &GuestChange,
    now: Timestamp,
) -> Result<Option<GuestRecord>, Refused> {
    let mut new = record.clone();
    let made = record.mark.as_ref().is_some_and(|mark| mark.origin == Origin::Created);
    let needs = |fine: bool| if fine { Ok(()) } else { Err(Refused) };
    let live = record.deactivated_at.is_none();
    match change {
        GuestChange::Revoke { accounts } => new.grants.retain(|account, _| !accounts.contains(account)),
        GuestChange::Reduce { grants } => {
            for grant in grants {
                let Some(held) = new.grants.get_mut(&grant.account) else { continue };
                needs(is_less(grant, &held.grant))?;
                held.grant = grant.clone();
            }
        }
        GuestChange::Demote => {
            new.role = GuestRole::GuestUser;
            new.grants.values_mut().for_each(|held| held.grant.role = ShareRole::Collaborator);
        }
        GuestChange::Promote => {
            needs(live)?;
            new.role = GuestRole::GuestAdmin;
        }
        GuestChange::RevokeInvitation => new.invitation = None,
        GuestChange::DisableLogin => {
            needs(made)?;
            new.login = disabled(record);
        }
        GuestChange::EnableLogin => {
            needs(live && made && record.login != Login::DisabledByOther)?;
            new.login = Login::Enabled;
        }
        GuestChange::Deactivate => {
            needs(made)?;
            new.grants.clear();
            new.invitation = None;
            new.login = disabled(record);
            new.deactivated_at.get_or_insert(now);
        }
        GuestChange::Purge { since, .. } => {
            needs(made && record.deactivated_at == Some(*since) && record.login != Login::DisabledByOther)?;
            return Ok(None);
        }
        GuestChange::Release => {
            needs(!made)?;
            return Ok(None);
        }
        GuestChange::Update { mark, partner, partner_name, display_name, allowed, .. } => {
            needs(live)?;
            new.mark = Some(mark.clone());
            new.partner = partner.clone();
            new.partner_name.clone_from(partner_name);
            new.display_name.clone_from(display_name);
            new.allowed.clone_from(allowed);
            let same = made == (mark.origin == Origin::Created);
            needs(new == *record || (same && is_home(all, &partner.0)))?;
        }
        GuestChange::ResendInvitation { expires_at } => {
            needs(live && record.joined_at.is_none() && record.login != Login::DisabledByOther)?;
            new.invitation = Some(InvitationRecord { sent_at: now, expires_at: *expires_at });
        }
        GuestChange::Grant { grants } => {
            needs(live)?;
            let MfaRecord::Known(methods) = &record.mfa else { return Err(Refused) };
            let enrolled: Methods = methods.keys().copied().collect();
            for grant in grants {
                let held = GrantRecord { grant: grant.clone(), since: now };
                let fits = grant.role == ShareRole::Collaborator || record.role == GuestRole::GuestAdmin;
                needs(fits && held.is_effective(record.login, record.joined_at.is_some(), &enrolled, now))?;
                if record.grants.get(&grant.account).map(|held| &held.grant) != Some(grant) {
                    new.grants.insert(grant.account.clone(), held);
                }
            }
        }
        // The plans of the exploration contain none of these.
        GuestChange::ResetMfa { .. } | GuestChange::Detach => return Err(Refused),
        GuestChange::Invite(_) => {}
    }
    Ok(Some(new))
}

/// Whether a grant allows no more than another one.
fn is_less(grant: &Grant, other: &Grant) -> bool {
    let not_later = other.until.is_none_or(|end| grant.until.is_some_and(|until| until <= end));
    grant.role <= other.role
        && not_later
        && grant.allowed.is_subset(&other.allowed)
        && grant.asked.is_subset(&other.asked)
}

/// Keeps the party that disabled the login.
fn disabled(record: &GuestRecord) -> Login {
    if record.login == Login::DisabledByOther { Login::DisabledByOther } else { Login::DisabledByGuestlist }
}

fn is_home(all: &Snapshot, partner: &str) -> bool {
    all.partners.iter().any(|known| known.id.0 == partner && known.deactivated_at.is_none())
}

fn admit(
    double: &mut Double,
    guest: &GuestId,
    new: &NewGuest,
    basis: Option<Revision>,
    now: Timestamp,
) -> Result<(), Refused> {
    let all = &mut double.all;
    let NewGuest { mark, partner, partner_name, address, display_name, role, allowed, expires_at } = new;
    let place = all.guests.iter().position(|known| known.address == *address);
    if let Some(known) = place.map(|place| &all.guests[place]) {
        if known.is_live() {
            let same = known.mark.as_ref().is_some_and(|held| held.uid == mark.uid);
            return if same { Ok(()) } else { Err(Refused) };
        }
        if known.login == Login::DisabledByOther
            || known.id != *guest
            || basis.is_some_and(|basis| basis != known.revision)
        {
            return Err(Refused);
        }
    }
    let is_user = all.users.iter().any(|user| user.email == *address);
    if !is_home(all, &partner.0) || is_user != (mark.origin == Origin::Adopted) {
        return Err(Refused);
    }
    let mfa = double.mfa.remove(address);
    let old = place.map(|place| all.guests.remove(place));
    all.guests.push(GuestRecord {
        id: guest.clone(),
        revision: Revision(old.as_ref().map_or(1, |old| old.revision.0 + 1)),
        mark: Some(mark.clone()),
        address: address.clone(),
        email: address.clone(),
        partner: partner.clone(),
        partner_name: partner_name.clone(),
        display_name: display_name.clone(),
        role: *role,
        invitation: Some(InvitationRecord { sent_at: now, expires_at: *expires_at }),
        admitted_at: now,
        last_mail_at: Some(now),
        recent_mails: Vec::new(),
        joined_at: None,
        login: Login::Enabled,
        mfa: mfa.or(old.map(|old| old.mfa)).unwrap_or_else(|| MfaRecord::Known([].into())),
        mfa_lost_at: None,
        allowed: allowed.clone(),
        grants: [].into(),
        deactivated_at: None,
        integrity: guestlist::directory::Integrity::Intact,
    });
    Ok(())
}
