//! A second implementation of the effect of each operation: its record changes as specified, and everything else stays
//! the same.

use guestlist::directory::{
    GrantRecord, GuestChange, GuestRecord, Login, MfaRecord, NewGuest, Operation, PartnerChange, Revision, Snapshot,
};
use guestlist::domain::{GuestRole, ShareRole};
use jiff::Timestamp;

/// `Err`: the difference from the specified effect of the operation.
pub fn kept(before: &Snapshot, after: &Snapshot, operation: &Operation, at: Timestamp) -> Result<(), String> {
    let mut expected = before.clone();
    if let Some(id) = operation.guest() {
        let place = expected.guests.iter().position(|guest| guest.id == *id);
        let now = after.guests.iter().find(|guest| guest.id == *id);
        match operation {
            Operation::Guest { change: GuestChange::Purge { .. }, .. } => {
                place.map(|place| expected.guests.remove(place));
            }
            Operation::Guest { change: GuestChange::Invite(_) | GuestChange::ResendInvitation { .. }, .. } => {
                let now = now.ok_or("no record is there")?;
                match place {
                    Some(place) => expected.guests[place] = mailed(&expected.guests[place], now, operation, at)?,
                    None => expected.guests.push(mailed(now, now, operation, at)?),
                }
                expected.mails.clone_from(&after.mails);
            }
            Operation::Guest { change: GuestChange::Release | GuestChange::Detach, .. } => {
                // The identity remains, as a user or as a record without an ownership mark.
                expected.guests.retain(|guest| guest.id != *id);
                expected.guests.extend(now.cloned());
                if now.is_some_and(|now| now.mark.is_some() || !now.grants.is_empty() || now.invitation.is_some()) {
                    return Err("something is left of the membership".to_owned());
                }
                expected.users.clone_from(&after.users);
            }
            _ => {
                let place = place.ok_or("the record is not there")?;
                change(&mut expected.guests[place], operation, at)?;
            }
        }
        if let Operation::Guest { change: GuestChange::Grant { grants }, .. } = operation {
            let new = after.shares.iter().filter(|share| !before.shares.contains(share));
            for share in new {
                if !grants.iter().any(|grant| grant.share_uid == share.uid && grant.account == share.account) {
                    return Err(format!("{share:?} is remembered"));
                }
                expected.shares.push(share.clone());
            }
        }
    }
    partner(&mut expected, after, operation, at)?;
    if let Operation::ForgetShare { share_uid } = operation {
        expected.shares.retain(|share| share.uid != *share_uid);
    }
    if let Operation::Guest { change: GuestChange::Purge { .. }, .. }
    | Operation::Partner { change: PartnerChange::Purge { .. }, .. } = operation
    {
        expected.purged.clone_from(&after.purged);
    }
    let (expected, after) = (sorted(expected), sorted(after.clone()));
    if expected == after {
        return Ok(());
    }
    let mut all = expected.guests.iter().zip(&after.guests).filter(|(a, b)| a != b);
    let difference = all.next().map(|(expected, now)| lines(&format!("{expected:#?}"), &format!("{now:#?}")));
    Err(difference.unwrap_or_else(|| lines(&format!("{expected:#?}"), &format!("{after:#?}"))))
}

/// The lines that differ.
fn lines(expected: &str, now: &str) -> String {
    let only = |these: &str, others: &str, sign: &str| {
        let others: Vec<_> = others.lines().collect();
        let lines = these.lines().filter(|line| !others.contains(line));
        lines.map(|line| format!("\n{sign} {}", line.trim())).collect::<Vec<_>>().concat()
    };
    format!("{}{}", only(expected, now, "expected"), only(now, expected, "found"))
}

fn sorted(mut all: Snapshot) -> Snapshot {
    for guest in &mut all.guests {
        guest.revision = Revision(0);
    }
    all.guests.sort_by(|a, b| a.id.cmp(&b.id));
    all.partners.sort_by(|a, b| a.id.cmp(&b.id));
    all.shares.sort_by(|a, b| a.uid.cmp(&b.uid));
    all.mails.sort_by(|a, b| a.address.cmp(&b.address));
    all
}

/// The expected record after a mail. Other fields stay the same.
fn mailed(old: &GuestRecord, now: &GuestRecord, operation: &Operation, at: Timestamp) -> Result<GuestRecord, String> {
    let ends = now.invitation.map(|invitation| invitation.expires_at);
    let mut expected = GuestRecord {
        invitation: now.invitation,
        last_mail_at: now.last_mail_at,
        recent_mails: now.recent_mails.clone(),
        ..old.clone()
    };
    let Operation::Guest {
        change: GuestChange::Invite(NewGuest { expires_at, .. }) | GuestChange::ResendInvitation { expires_at },
        ..
    } = operation
    else {
        return Ok(expected);
    };
    if ends != Some(*expires_at) || now.last_mail_at != Some(at) {
        return Err(format!("the invitation is {:?}, the last mail {:?}", now.invitation, now.last_mail_at));
    }
    if let Operation::Guest {
        change: GuestChange::Invite(NewGuest { mark, partner, partner_name, address, display_name, role, allowed, .. }),
        ..
    } = operation
    {
        expected = GuestRecord {
            mark: Some(mark.clone()),
            partner: partner.clone(),
            partner_name: partner_name.clone(),
            address: address.clone(),
            display_name: display_name.clone(),
            role: *role,
            allowed: allowed.clone(),
            admitted_at: at,
            joined_at: None,
            mfa_lost_at: None,
            login: if old.login == Login::DisabledByOther { old.login } else { Login::Enabled },
            deactivated_at: None,
            integrity: guestlist::directory::Integrity::Intact,
            ..expected
        };
        expected.grants = guestlist::util::small_map::SmallMap::default();
    }
    Ok(expected)
}

fn change(record: &mut GuestRecord, operation: &Operation, at: Timestamp) -> Result<(), String> {
    match operation {
        Operation::Guest { change: GuestChange::Revoke { accounts }, .. } => {
            record.grants =
                record.grants.clone().into_iter().filter(|(account, _)| !accounts.contains(account)).collect();
        }
        Operation::Guest { change: GuestChange::Reduce { grants }, .. } => {
            for grant in grants {
                let held = record.grants.get_mut(&grant.account).ok_or("a grant that is not held is lowered")?;
                if grant.role > held.grant.role {
                    return Err(format!("{grant:?} is more than {held:?}"));
                }
                held.grant = grant.clone();
            }
        }
        Operation::Guest { change: GuestChange::Grant { grants }, .. } => {
            for grant in grants {
                let since = record.grants.get(&grant.account).map_or(at, |held| held.since);
                record.grants.insert(grant.account.clone(), GrantRecord { grant: grant.clone(), since });
            }
        }
        Operation::Guest { change: GuestChange::Demote, .. } => {
            record.role = GuestRole::GuestUser;
            record.grants.values_mut().for_each(|held| held.grant.role = ShareRole::Collaborator);
        }
        Operation::Guest { change: GuestChange::Promote, .. } => record.role = GuestRole::GuestAdmin,
        Operation::Guest { change: GuestChange::RevokeInvitation, .. } => record.invitation = None,
        Operation::Guest { change: GuestChange::DisableLogin, .. } => record.login = record.login.disabled(),
        Operation::Guest { change: GuestChange::EnableLogin, .. } => record.login = Login::Enabled,
        Operation::Guest { change: GuestChange::Deactivate, .. } => {
            record.grants = guestlist::util::small_map::SmallMap::default();
            record.invitation = None;
            record.login = record.login.disabled();
            record.deactivated_at = Some(at);
        }
        Operation::Guest {
            change: GuestChange::Update { mark, partner, partner_name, display_name, allowed, .. },
            ..
        } => {
            record.mark = Some(mark.clone());
            record.partner = partner.clone();
            record.partner_name.clone_from(partner_name);
            record.display_name.clone_from(display_name);
            record.allowed.clone_from(allowed);
        }
        Operation::Guest { change: GuestChange::ResetMfa { enrolled_before }, .. } => {
            let MfaRecord::Known(enrolled) = &mut record.mfa else { return Ok(()) };
            let left: guestlist::util::small_map::SmallMap<_, _> =
                enrolled.clone().into_iter().filter(|(_, since)| since >= enrolled_before).collect();
            if left.is_empty() && !enrolled.is_empty() {
                record.mfa_lost_at = Some(at);
            }
            let has = |methods: &guestlist::domain::Methods| left.keys().any(|method| methods.contains(method));
            let kept = |held: &GrantRecord| has(&held.grant.allowed) && has(&held.grant.asked);
            record.grants = record.grants.clone().into_iter().filter(|(_, held)| kept(held)).collect();
            *enrolled = left;
        }
        other => return Err(format!("{other:?} is not about a guest")),
    }
    Ok(())
}

fn partner(expected: &mut Snapshot, after: &Snapshot, operation: &Operation, at: Timestamp) -> Result<(), String> {
    match operation {
        Operation::Partner {
            id: partner,
            change: PartnerChange::Apply { mark, display_name, host_admins, suspended },
        } => {
            let now = after.partners.iter().find(|it| it.id == *partner).ok_or("the partner is not there")?;
            let fits = now.mark == *mark
                && now.display_name == *display_name
                && now.host_admins == *host_admins
                && now.suspended == *suspended
                && now.deactivated_at.is_none();
            if !fits {
                return Err(format!("the partner is {now:?}"));
            }
            expected.partners.retain(|it| it.id != *partner);
            expected.partners.push(now.clone());
        }
        Operation::Partner { id: partner, change: PartnerChange::Deactivate } => {
            let record = expected.partners.iter_mut().find(|it| it.id == *partner).ok_or("the partner is not there")?;
            record.deactivated_at = Some(at);
            record.suspended = false;
        }
        Operation::Partner { id: partner, change: PartnerChange::Purge { .. } } => {
            expected.partners.retain(|it| it.id != *partner);
        }
        _ => {}
    }
    Ok(())
}
