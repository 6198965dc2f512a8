//! Plans a membership. It owns everything its guest has: the record, the invitation, the login, and the grants of all
//! shares of its partner.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::access::{Access, access};
use super::claims::{Claim, annotation, is_leaving, is_paused, name, namespace, uid};
use super::conditions::{self, Domain, Situation, Truth, show};
use super::judge::membership::mail_due;
use super::judge::{Gate, MemberView, PartnerView, ShareView};
use super::lifecycle::State;
use super::{Finalizer, Notice, Plan, Status, Step, World};
use crate::api;
use crate::directory::{
    Grant, GrantRecord, GuestId, GuestRecord, Mark, MfaRecord, Operation, Origin, PartnerId, Weight,
};
use crate::index::{Membership, Slot};
use crate::rules::{Email, GuestRole, Reason, Sort, entry};

/// `ExpiringSoon` comes this long before the end.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);
/// How many accounts a status holds.
const LISTED_ACCOUNTS: usize = 100;
/// The namespace of identifiers that are derived from UIDs.
const GUEST_IDS: Uuid = Uuid::from_bytes(*b"guestlist-guests");

/// Plans the membership of a name.
pub fn plan(world: World<'_>, namespace: &str, name: &str) -> Plan {
    let slot = world.declared.membership(namespace, name);
    let Some(slot) = slot else { return Plan::nothing() };
    let Slot::Read(entry) = slot else { return unreadable(world, slot) };
    let partner = PartnerView::of(world, namespace, &entry.reading.terms.partner);
    let member = MemberView::of(world, &partner, entry);
    if !world.directory_available {
        let status = unavailable(world, entry);
        return Plan { status: Some(Status::Membership(Box::new(status))), ..Plan::nothing() };
    }
    if is_leaving(&entry.object.metadata) {
        return remove(world, &member);
    }
    let shares = shares(world, &partner, &member);
    let paused = is_paused(&entry.object.metadata) || partner.paused;
    let mut steps = Vec::new();
    match member.claim {
        Claim::Mine(record) | Claim::Passes(record) => {
            take(&partner, &member, record, &shares, world, &mut steps);
            keep_and_give(world, &partner, &member, record, &shares, &mut steps);
        }
        Claim::Free | Claim::Revives(_) => admit(world, &partner, &member, &mut steps),
        Claim::Taken | Claim::Stranger => {}
    }
    steps.retain(|step| step.operation.weight() == Weight::Take || (!paused && may_give(world, step)));
    let record = member.claim.live();
    let finalizer = if record.is_some() || !steps.is_empty() { Finalizer::Hold } else { Finalizer::Leave };
    // Accepted, but the partner's record is not there yet: what there is to say comes with it. One that would not be
    // accepted then either (suspended, expired) says so now.
    let early =
        record.is_none() && steps.is_empty() && is_in_order(&member) && !paused && world.workspace.is_readable();
    let status = (!early).then(|| status(world, &member, &shares, paused));
    Plan {
        notices: notices(&member, &steps),
        basis: match member.claim {
            Claim::Mine(record) | Claim::Passes(record) | Claim::Revives(record) => Some(record.revision),
            Claim::Taken | Claim::Stranger | Claim::Free => None,
        },
        steps,
        finalizer,
        deletions: Vec::new(),
        status: status.map(|status| Status::Membership(Box::new(status))),
        next_look: next_look(world, &partner, &member, &shares),
    }
}

/// Whether a step may be taken though it does not take away.
fn may_give(world: World<'_>, step: &Step) -> bool {
    world.workspace.is_readable() || step.operation.weight() != Weight::Give
}

/// An object that does not read grants nothing new and takes nothing away; it can still be deleted.
fn unreadable(world: World<'_>, slot: &Slot<api::GuestMembership, crate::rules::MembershipTerms>) -> Plan {
    let meta = slot.metadata();
    let record = world.observed.live_by_uid(uid(meta));
    if !world.directory_available {
        return Plan::nothing();
    }
    if is_leaving(meta) {
        let steps = record.map(end).unwrap_or_default();
        return Plan { steps, finalizer: Finalizer::Release, ..Plan::nothing() };
    }
    let status =
        api::GuestMembershipStatus { conditions: unreadable_conditions(meta), ..api::GuestMembershipStatus::default() };
    Plan { status: Some(Status::Membership(Box::new(status))), ..Plan::nothing() }
}

/// The conditions of an object whose status cannot be read: the same bytes each time, so that writing them again is none.
pub fn unreadable_conditions(meta: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta) -> api::Conditions {
    let created = meta.creation_timestamp.as_ref().map_or(Timestamp::UNIX_EPOCH, |time| time.0);
    conditions::write(&[], meta.generation, created, &Situation::held(Reason::Unreadable), Vec::new())
}

fn unavailable(world: World<'_>, entry: &Membership) -> api::GuestMembershipStatus {
    let mut status = entry.object.status.clone().unwrap_or_default();
    let generation = entry.object.metadata.generation;
    let mut written =
        conditions::write(&status.conditions, generation, world.now, &Situation::unavailable(), Vec::new());
    keep_domain(&mut written, &status.conditions, &["Joined", "MFASatisfied", "ExpiringSoon"]);
    status.conditions = written;
    status
}

/// Keeps domain conditions as they were while nothing new is known.
pub fn keep_domain(written: &mut Vec<api::Condition>, old: &[api::Condition], types: &[&str]) {
    written.extend(old.iter().filter(|condition| types.contains(&condition.type_.as_str())).cloned());
}

/// Withhold, then deactivate what we made or let go what we adopted; then the finalizer goes.
fn remove(world: World<'_>, member: &MemberView<'_>) -> Plan {
    let record = member.claim.live();
    let steps = record.map(end).unwrap_or_default();
    let notices = if steps.is_empty() { Vec::new() } else { vec![Notice::REMOVED] };
    let status = status(world, member, &[], false);
    Plan {
        basis: record.map(|record| record.revision),
        steps,
        finalizer: Finalizer::Release,
        status: Some(Status::Membership(Box::new(status))),
        notices,
        ..Plan::nothing()
    }
}

/// The steps that end a membership.
pub fn end(record: &GuestRecord) -> Vec<Step> {
    let guest = record.id.clone();
    let mut steps = Vec::new();
    let mut push = |operation, because: &str| {
        steps.push(Step { operation, reason: Reason::Removing, because: because.to_owned() });
    };
    if !record.grants.is_empty() {
        let accounts = record.grants.keys().cloned().collect();
        push(Operation::Withhold { guest: guest.clone(), accounts }, "the membership is being deleted");
    }
    if record.invitation.is_some() {
        push(Operation::RevokeInvitation { guest: guest.clone() }, "the membership is being deleted");
    }
    match record.mark.as_ref().map(|mark| mark.origin) {
        Some(Origin::Made) => push(Operation::Deactivate { guest }, "the membership is being deleted"),
        Some(Origin::Adopted) => push(Operation::Release { guest }, "the identity was adopted and is let go"),
        None => {}
    }
    steps
}

/// What the partner's shares say about this guest, by account. Of two shares of one account the one that stands counts.
type Shared<'a> = (ShareView<'a>, Access);

fn shares<'a>(world: World<'a>, partner: &PartnerView<'a>, member: &MemberView<'a>) -> Vec<Shared<'a>> {
    world
        .declared
        .shares(partner.namespace, &partner.name)
        .filter_map(|entry| {
            let share = ShareView::of(world, partner, entry);
            let access = access(world, partner, &share, member)?;
            Some((share, access))
        })
        .collect()
}

/// The grants as they shall be, by account: what is open, and what nobody can tell as far as it is there already.
fn wanted(
    world: World<'_>,
    partner: &PartnerView<'_>,
    member: &MemberView<'_>,
    record: &GuestRecord,
    shares: &[Shared<'_>],
) -> BTreeMap<String, Grant> {
    let mut wanted = BTreeMap::new();
    for (_, access) in shares {
        let held = record.grants.get(&access.grant.account).map(|held| &held.grant);
        match access.gate {
            Gate::Open => {
                wanted.insert(access.grant.account.clone(), access.grant.clone());
            }
            Gate::Keep(_) => {
                if let Some(kept) = held.and_then(|held| meet(held, &access.grant)) {
                    wanted.entry(access.grant.account.clone()).or_insert(kept);
                }
            }
            Gate::Shut(_) => {}
        }
    }
    // What hangs on an object that does not read is left as it is.
    for (account, held) in &record.grants {
        let unreadable = world
            .declared
            .share(partner.namespace, &held.grant.share)
            .is_some_and(|slot| slot.read().is_none() && uid(slot.metadata()) == held.grant.share_uid);
        if (unreadable && !matches!(member.gate, Gate::Shut(_))) || member.gate == Gate::Keep(Reason::Unreadable) {
            wanted.entry(account.clone()).or_insert_with(|| held.grant.clone());
        }
    }
    wanted
}

/// The most that both grants give; `None`: nothing.
fn meet(a: &Grant, b: &Grant) -> Option<Grant> {
    if a.share_uid != b.share_uid {
        return None;
    }
    let allowed: crate::rules::Methods = a.allowed.intersection(&b.allowed).copied().collect();
    let asked: crate::rules::Methods = a.asked.intersection(&b.asked).copied().collect();
    let until = [a.until, b.until].into_iter().flatten().min();
    let empty = allowed.is_empty() || asked.is_empty();
    (!empty).then(|| Grant { role: a.role.min(b.role), allowed, asked, until, ..b.clone() })
}

/// Everything that takes away, in order.
fn take(
    partner: &PartnerView<'_>,
    member: &MemberView<'_>,
    record: &GuestRecord,
    shares: &[Shared<'_>],
    world: World<'_>,
    steps: &mut Vec<Step>,
) {
    let guest = &record.id;
    let terms = &member.entry.reading.terms;
    let whole = world.is_whole(namespace(&member.entry.object.metadata), &terms.partner);
    if !whole && partner.entry.is_none() && member.state != State::Removing {
        return;
    }
    let wanted = wanted(world, partner, member, record, shares);
    // Where not all shares are declared, one that is not may be declared elsewhere.
    let elsewhere = |held: &GrantRecord| !whole && !world.declared.has_share_uid(&held.grant.share_uid);
    let mut withhold: BTreeMap<Reason, Vec<String>> = BTreeMap::new();
    let mut lower = Vec::new();
    for (account, held) in record.grants.iter().filter(|(_, held)| !elsewhere(held)) {
        match wanted.get(account).map(|wanted| (wanted, meet(&held.grant, wanted))) {
            Some((_, Some(less))) if less == held.grant => {}
            Some((_, Some(less))) => lower.push(less),
            Some((_, None)) | None => withhold.entry(why(account, member, shares)).or_default().push(account.clone()),
        }
    }
    for (reason, accounts) in withhold {
        let because = format!("{}: {}", accounts.join(", "), because(reason));
        steps.push(Step { operation: Operation::Withhold { guest: guest.clone(), accounts }, reason, because });
    }
    let mut push =
        |operation, reason, because: &str| steps.push(Step { operation, reason, because: because.to_owned() });
    if !lower.is_empty() {
        let operation = Operation::Lower { guest: guest.clone(), grants: lower };
        push(operation, Reason::Reconciled, "the shares give less than before");
    }
    if record.role == GuestRole::GuestAdmin && member.entry.reading.terms.role == GuestRole::GuestUser {
        push(Operation::Demote { guest: guest.clone() }, Reason::Reconciled, "spec.role says GuestUser");
    }
    if record.invitation.is_some() && matches!(member.gate, Gate::Shut(_)) && revokes(member) {
        let reason = member.violations.first().map_or(member.state.reason(), |violation| violation.reason);
        push(Operation::RevokeInvitation { guest: guest.clone() }, reason, "the membership breaks a rule or ends");
    }
    let off = member.suspended || member.expired || member.state == State::Removing;
    if record.login && off && member.origin == Origin::Made {
        push(Operation::DisableLogin { guest: guest.clone() }, member.state.reason(), "suspended, expired or removed");
    }
    if let Some(before) = reset_asked(world, member.entry, record) {
        let operation = Operation::ResetMfa { guest: guest.clone(), enrolled_before: before };
        push(operation, Reason::MfaNotEnrolled, "the annotation guestlist.dev/reset-mfa asks for it");
    }
}

/// Whether an open invitation must not be followed any more. A suspended guest's stays: his login is off.
fn revokes(member: &MemberView<'_>) -> bool {
    matches!(member.state, State::Rejected | State::Removing)
}

/// Why an account is taken away.
fn why(account: &str, member: &MemberView<'_>, shares: &[Shared<'_>]) -> Reason {
    let said = shares.iter().find(|(_, access)| access.grant.account == account).map(|(_, access)| access.gate);
    match (said, member.gate) {
        (Some(Gate::Shut(reason) | Gate::Keep(reason)), _) | (_, Gate::Shut(reason) | Gate::Keep(reason)) => reason,
        (_, Gate::Open) => Reason::Reconciled,
    }
}

/// A word's meaning, for who reads why something is taken away.
fn because(reason: Reason) -> &'static str {
    let known = entry(reason);
    if known.sort == Sort::Rule { known.meaning } else { conditions::sentence(reason) }
}

/// The instant before which enrolled MFA is to be taken away, where somebody asked and there is any.
fn reset_asked(world: World<'_>, entry: &Membership, record: &GuestRecord) -> Option<Timestamp> {
    let before = crate::rules::time::instant(annotation(&entry.object.metadata, api::RESET_MFA)?).ok()?;
    let MfaRecord::Known(methods) = &record.mfa else { return None };
    let made = record.mark.as_ref().is_some_and(|mark| mark.origin == Origin::Made);
    (made && record.joined_at.is_some() && before <= world.now && methods.values().any(|since| *since < before))
        .then_some(before)
}

/// Everything that describes or gives, in order.
fn keep_and_give(
    world: World<'_>,
    partner: &PartnerView<'_>,
    member: &MemberView<'_>,
    record: &GuestRecord,
    shares: &[Shared<'_>],
    steps: &mut Vec<Step>,
) {
    if !member.violations.is_empty() || member.state == State::Removing {
        return;
    }
    let terms = &member.entry.reading.terms;
    let guest = &record.id;
    let mut push = |operation, reason, because: String| steps.push(Step { operation, reason, because });
    let mark = mark(world, member);
    let described = described(member);
    let home = partner.record.map_or_else(|| record.partner.clone(), |record| record.id.clone());
    if record.mark.as_ref() != Some(&mark)
        || record.display_name != described
        || record.partner != home
        || record.partner_name != terms.partner
    {
        let operation = Operation::DescribeGuest {
            guest: guest.clone(),
            mark,
            partner: home,
            partner_name: terms.partner.clone(),
            display_name: described,
        };
        push(operation, Reason::Reconciled, "the record follows the object".to_owned());
    }
    if partner.blocked.is_some() || partner.entry.is_none() {
        return;
    }
    let off = member.suspended || member.expired;
    if !record.login && !off && member.origin == Origin::Made {
        push(
            Operation::EnableLogin { guest: guest.clone() },
            member.state.reason(),
            "no longer suspended or expired".to_owned(),
        );
    }
    if !off && member.wait.is_none() && mail_due(world, member.entry, record) {
        let expires_at = invitation_end(world, partner);
        push(
            Operation::Invite { guest: guest.clone(), expires_at },
            Reason::Invited,
            "the invitation is due again".to_owned(),
        );
    }
    if record.role == GuestRole::GuestUser && terms.role == GuestRole::GuestAdmin {
        push(Operation::Promote { guest: guest.clone() }, Reason::Reconciled, "spec.role says GuestAdmin".to_owned());
    }
    let give: Vec<Grant> = wanted(world, partner, member, record, shares)
        .into_values()
        .filter(|grant| record.grants.get(&grant.account).map(|held| &held.grant) != Some(grant))
        .filter(|grant| shares.iter().any(|(_, access)| access.gate == Gate::Open && access.grant == *grant))
        .collect();
    if !give.is_empty() {
        let names: Vec<_> = give.iter().map(|grant| format!("{} as {}", grant.account, grant.role)).collect();
        let because = format!("shared and MFA is on: {}", names.join(", "));
        push(Operation::Give { guest: guest.clone(), grants: give }, Reason::Active, because);
    }
}

/// Whether nothing stands in the way of a first acceptance but that the partner may have no record yet.
fn is_in_order(member: &MemberView<'_>) -> bool {
    member.violations.is_empty() && member.wait.is_none() && !member.suspended && !member.expired
}

/// First acceptance: everything is in order, so the record is written and the first mail goes out.
fn admit(world: World<'_>, partner: &PartnerView<'_>, member: &MemberView<'_>, steps: &mut Vec<Step>) {
    let terms = &member.entry.reading.terms;
    let home = partner.record.filter(|record| record.deactivated_at.is_none());
    let (true, Some(home), Some(address)) = (is_in_order(member), home, &terms.email) else { return };
    let operation = Operation::Admit {
        guest: match member.claim {
            Claim::Revives(record) => record.id.clone(),
            Claim::Mine(_) | Claim::Passes(_) | Claim::Taken | Claim::Stranger | Claim::Free => {
                guest_id(member.entry, address)
            }
        },
        mark: mark(world, member),
        partner: PartnerId(home.id.0.clone()),
        partner_name: terms.partner.clone(),
        address: address.clone(),
        display_name: described(member),
        role: terms.role,
        expires_at: invitation_end(world, partner),
    };
    let by = terms.invited_by.as_ref().map(ToString::to_string).unwrap_or_default();
    steps.push(Step { operation, reason: Reason::Invited, because: format!("invited by {by}") });
}

/// A guest's identifier: derived from the object's UID and the address, so that creating needs no memory. The UID alone
/// is not enough: from files it comes of the name, and a name may be reused for somebody else.
fn guest_id(entry: &Membership, address: &Email) -> GuestId {
    let who = format!("{} {address}", uid(&entry.object.metadata));
    GuestId(Uuid::new_v5(&GUEST_IDS, who.as_bytes()).to_string())
}

fn invitation_end(world: World<'_>, partner: &PartnerView<'_>) -> Timestamp {
    let lifetime =
        partner.entry.map_or(SignedDuration::from_hours(72), |entry| entry.reading.terms.invitation_lifetime);
    world.now.checked_add(lifetime).unwrap_or(Timestamp::MAX)
}

fn described(member: &MemberView<'_>) -> String {
    let terms = &member.entry.reading.terms;
    terms.display_name.clone().unwrap_or_else(|| terms.email.as_ref().map(ToString::to_string).unwrap_or_default())
}

fn mark(world: World<'_>, member: &MemberView<'_>) -> Mark {
    let meta = &member.entry.object.metadata;
    Mark {
        installation: world.owner.installation.clone(),
        cluster: world.owner.cluster.clone(),
        namespace: namespace(meta).to_owned(),
        name: name(meta).to_owned(),
        uid: uid(meta).to_owned(),
        origin: member.origin,
    }
}

/// What people are told: refusals, and access that is taken away.
fn notices(member: &MemberView<'_>, steps: &[Step]) -> Vec<Notice> {
    let mut notices: Vec<Notice> =
        member.violations.first().map(|first| Notice::refused(first.reason)).into_iter().collect();
    let taken = steps.iter().find(|step| {
        matches!(
            step.operation,
            Operation::Withhold { .. } | Operation::DisableLogin { .. } | Operation::ResetMfa { .. }
        )
    });
    notices.extend(taken.map(|step| Notice::withheld(step.reason)));
    notices
}

/// The earliest instant at which something changes by itself.
fn next_look(
    world: World<'_>,
    partner: &PartnerView<'_>,
    member: &MemberView<'_>,
    shares: &[Shared<'_>],
) -> Option<Timestamp> {
    let record = member.claim.live();
    let invitation = record.and_then(|record| record.invitation).map(|invitation| invitation.expires_at);
    let asked = [api::RESEND_INVITATION, api::RESET_MFA].into_iter().filter_map(|annotated| {
        crate::rules::time::instant(annotation(&member.entry.object.metadata, annotated)?).ok()
    });
    [
        invitation,
        member.deadline,
        member.expires_at,
        member.expires_at.and_then(|end| end.checked_sub(SOON).ok()),
        member.wait.and_then(|wait| wait.until),
        member.unknown_until,
        partner.expires_at,
    ]
    .into_iter()
    .flatten()
    .chain(shares.iter().filter_map(|(share, _)| share.expires_at))
    .chain(asked)
    .filter(|instant| *instant > world.now)
    .min()
}

/// Which row of the table applies.
fn situation(world: World<'_>, member: &MemberView<'_>, paused: bool) -> Situation {
    if let Some(violated) = Situation::violated(&member.violations) {
        return violated;
    }
    if let Some(wait) = member.wait {
        return Situation::waits(wait.reason);
    }
    if paused {
        return Situation::held(Reason::Paused);
    }
    if !world.workspace.is_readable() && member.claim.live().is_none() {
        return Situation::waits(Reason::PolicyUnreadable);
    }
    match member.state {
        State::Removing => Situation::held(Reason::Removing),
        State::Suspended if member.overdue => Situation::fine(Reason::MfaEnrolmentOverdue),
        State::Pending if member.suspended => Situation::fine(Reason::Suspended),
        State::Pending if member.expired => Situation::fine(Reason::Expired),
        State::Pending => Situation::waits(Reason::Pending),
        State::Rejected
        | State::Suspended
        | State::Expired
        | State::InvitationExpired
        | State::Invited
        | State::Joined
        | State::Active => Situation::fine(member.state.reason()),
    }
}

fn status(
    world: World<'_>,
    member: &MemberView<'_>,
    shares: &[Shared<'_>],
    paused: bool,
) -> api::GuestMembershipStatus {
    let object = &member.entry.object;
    let old = object.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let situation = situation(world, member, paused);
    let record = member.claim.live();
    let accounts = accounts(world, member, shares, paused);
    api::GuestMembershipStatus {
        observed_generation: object.metadata.generation,
        last_handled_reconcile_at: annotation(&object.metadata, api::RECONCILE_AT).map(str::to_owned),
        directory_id: record.map(|record| record.id.0.clone()),
        expires_at: member.expires_at.map(show),
        conditions: conditions::write(
            old,
            object.metadata.generation,
            world.now,
            &situation,
            domain_conditions(world, member, &situation),
        ),
        violations: conditions::violations(&member.violations),
        violation_count: count_some(member.violations.len()),
        state: Some(member.state.reason().as_str().to_owned()),
        role: Some(member.entry.reading.terms.role.as_str().to_owned()),
        invitation: record.and_then(|record| record.invitation).map(|invitation| api::InvitationStatus {
            sent_at: Some(show(invitation.sent_at)),
            expires_at: Some(show(invitation.expires_at)),
        }),
        joined_at: record.and_then(|record| record.joined_at).map(show),
        mfa: Some(mfa_status(member)),
        account_count: Some(conditions::count(accounts.len())),
        accounts: accounts.into_iter().take(LISTED_ACCOUNTS).collect(),
    }
}

/// A count that is left out where nothing is counted.
pub fn count_some(n: usize) -> Option<i64> {
    (n > 0).then(|| conditions::count(n))
}

fn mfa_status(member: &MemberView<'_>) -> api::MfaStatus {
    let enrolled = match &member.enrolled {
        None => "Unknown",
        Some(methods) if methods.is_empty() => "NotEnrolled",
        Some(_) => "Enrolled",
    };
    api::MfaStatus {
        enrolled: Some(enrolled.to_owned()),
        methods: member.enrolled.iter().flatten().map(|method| method.as_str().to_owned()).collect(),
        deadline: member.deadline.map(show),
    }
}

fn accounts(
    world: World<'_>,
    member: &MemberView<'_>,
    shares: &[Shared<'_>],
    paused: bool,
) -> Vec<api::AccountGrantStatus> {
    let record = member.claim.live();
    shares
        .iter()
        .map(|(share, access)| {
            let held = record
                .and_then(|record| record.grants.get(&access.grant.account))
                .filter(|held| held.grant.share_uid == access.grant.share_uid);
            let effective = record.zip(held).zip(member.enrolled.as_ref()).is_some_and(|((record, held), enrolled)| {
                held.is_effective(record.login, record.joined_at.is_some(), enrolled, world.now)
            });
            let reason = match access.gate {
                Gate::Shut(reason) | Gate::Keep(reason) => Some(reason),
                Gate::Open if effective => None,
                Gate::Open if paused => Some(Reason::Paused),
                Gate::Open if !world.workspace.is_readable() => Some(Reason::PolicyUnreadable),
                Gate::Open => Some(Reason::Pending),
            };
            api::AccountGrantStatus {
                account: access.grant.account.clone(),
                share: share.name().to_owned(),
                role: access.grant.role.as_str().to_owned(),
                via: access.via.as_str().to_owned(),
                through: access.through.clone(),
                since: held.map(|held| show(held.since)),
                until: access.grant.until.map(show),
                effective,
                reason: reason.filter(|_| !effective).map(|reason| reason.as_str().to_owned()),
            }
        })
        .collect()
}

fn domain_conditions(world: World<'_>, member: &MemberView<'_>, situation: &Situation) -> Vec<Domain> {
    let joined = member.claim.live().is_some_and(|record| record.joined_at.is_some());
    let word = situation.reason.as_str();
    let (mfa, mfa_reason, mfa_message) = match &member.enrolled {
        None if joined => (Truth::Unknown, Reason::MfaUnknown.as_str(), conditions::sentence(Reason::MfaUnknown)),
        None => (Truth::Unknown, word, "Known once the guest has joined."),
        Some(enrolled) if enrolled.is_empty() => {
            (Truth::False, Reason::MfaNotEnrolled.as_str(), conditions::sentence(Reason::MfaNotEnrolled))
        }
        Some(enrolled) if enrolled.is_disjoint(&member.allowed) => {
            (Truth::False, Reason::MfaMethodMissing.as_str(), conditions::sentence(Reason::MfaMethodMissing))
        }
        Some(_) => (Truth::True, "MFASatisfied", "A method that counts is enrolled."),
    };
    let soon = member
        .expires_at
        .is_some_and(|end| end > world.now && end.checked_sub(SOON).is_ok_and(|start| start <= world.now));
    vec![
        Domain {
            type_: "Joined",
            status: joined.into(),
            reason: if joined { "Joined" } else { word },
            message: if joined { "The guest accepted the invitation." } else { "The guest has not accepted yet." }
                .to_owned(),
        },
        Domain { type_: "MFASatisfied", status: mfa, reason: mfa_reason, message: mfa_message.to_owned() },
        Domain {
            type_: "ExpiringSoon",
            status: soon.into(),
            reason: "ExpiringSoon",
            message: match member.expires_at {
                Some(end) => format!("The membership ends at {}.", show(end)),
                None => "The membership has no end.".to_owned(),
            },
        },
    ]
}
