//! Each operation with each fault at each of its requests, followed by a repetition. The realm reaches the same state
//! as without the fault, and nobody gets two mails. At no instant does a guest have more access than before or after.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use guestlist::directory::{
    DirectoryReader as _, DirectoryWriter as _, Error, GrantRecord, GuestChange, GuestRecord, InvitationRecord, Login,
    MfaRecord, NewGuest, Operation, PartnerRecord, Revision,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Stage;
use super::cases::{Action, State, all};
use super::furnish::{at, bob, guest};
use super::representations::Fate;
use super::sessions::Tokens;
use crate::support::realm_in_memory::{Asked, Realm, text};

/// Longer than any operation.
const LONG: Duration = Duration::from_hours(1);

/// The possible faults of a request.
const FATES: [Fate; 7] = [
    Fate::Unreached,
    Fate::Silent,
    Fate::Refused(500),
    Fate::Refused(401),
    Fate::Patience(503, "1"),
    Fate::Lost,
    Fate::Twice,
];
/// The number of faults that concern reads: the others differ only for writes.
const FATES_OF_A_READ: usize = 5;

/// A guest's record without times, and without the fact that an ended record may have lost: whether the guest had
/// joined.
fn timeless(mut record: GuestRecord) -> GuestRecord {
    let never = Timestamp::UNIX_EPOCH;
    record.revision = Revision(0);
    record.admitted_at = never;
    // A mail that counts as sent is recorded, although it may not have been sent.
    (record.last_mail_at, record.recent_mails) = (None, Vec::new());
    record.joined_at = record.joined_at.filter(|_| record.is_live()).map(|_| never);
    record.invitation = record.invitation.map(|_| InvitationRecord { sent_at: never, expires_at: never });
    record.mfa_lost_at = record.mfa_lost_at.map(|_| never);
    record.deactivated_at = record.deactivated_at.map(|_| never);
    if let MfaRecord::Known(methods) = &mut record.mfa {
        methods.values_mut().for_each(|since| *since = never);
    }
    record.grants.values_mut().for_each(|held| held.since = never);
    record
}

/// The final state of the realm, as Keycloak stores it and as guestlist reads it, without Keycloak's identifiers and
/// times.
async fn comes_to(realm: &Realm) -> BTreeMap<String, String> {
    let name = |user: &str| realm.users.get(user).map_or(user, |user| text(user, "username")).to_owned();
    let path = |group: &str| realm.groups.get(group).map_or(group, |group| text(group, "path")).to_owned();
    let alias = |id: &str| realm.organizations.get(id).map_or(id, |one| text(one, "alias")).to_owned();
    let mut all = BTreeMap::new();
    for (id, user) in &realm.users {
        let held = realm.credentials.get(id).into_iter().flatten().map(|one| one["type"].clone());
        let mut shown = user.clone();
        shown["credentials"] = held.collect();
        // The record is compared in the form that guestlist reads.
        let attributes = user["attributes"].as_object().into_iter().flatten();
        let told = attributes.filter(|(name, _)| !["guestlist.record", "guestlist.grants"].contains(&name.as_str()));
        shown["attributes"] = told.map(|(name, value)| (name.clone(), value.clone())).collect();
        shown
            .as_object_mut()
            .unwrap()
            .retain(|name, _| !["id", "notBefore", "createdTimestamp"].contains(&name.as_str()));
        all.insert(format!("user {}", name(id)), shown.to_string());
    }
    for one in realm.organizations.values() {
        all.insert(format!("organization {}", text(one, "alias")), json!([one["name"], one["enabled"]]).to_string());
    }
    let groups = realm.groups.values().map(|group| format!("group {}", text(group, "path")));
    let places = realm.in_group.iter().map(|(group, user)| format!("{} in {}", name(user), path(group)));
    let members = realm.members.keys().map(|(one, user)| format!("{} member of {}", name(user), alias(one)));
    let invited = |row: &Value| format!("{} invited to {}", text(row, "email"), alias(text(row, "organizationId")));
    // While a user's login is disabled, no session's token is refreshed, and all sessions end before the login is
    // enabled.
    let offline = realm.offline.values().map(|(user, _)| user);
    let goes_on = realm
        .sessions
        .values()
        .chain(offline)
        .filter(|user| realm.users.get(*user).is_some_and(|user| user["enabled"] == true));
    let sessions = goes_on.map(|user| format!("session of {}", name(user)));
    let facts = groups.chain(places).chain(members).chain(realm.invitations.values().map(invited)).chain(sessions);
    all.extend(facts.map(|fact| (fact, String::new())));
    let stage = Stage::on(realm.clone());
    all.insert("owner".to_owned(), format!("{:?}", stage.directory.owner().await));
    if stage.directory.owner().await.is_ok_and(|owner| owner.is_some()) {
        let read = stage.directory.everything().await.unwrap();
        let partner = |mut partner: PartnerRecord| {
            partner.deactivated_at = partner.deactivated_at.map(|_| Timestamp::UNIX_EPOCH);
            (format!("partner {}", partner.mark.name), format!("{partner:?}"))
        };
        all.extend(read.partners.into_iter().map(partner));
        all.extend(
            read.guests.into_iter().map(|guest| (format!("guest {}", guest.address), format!("{:?}", timeless(guest)))),
        );
        all.extend(read.accounts.into_iter().map(|one| (format!("account {}", one.name), format!("{one:?}"))));
        all.extend(read.shares.into_iter().map(|one| (format!("share {}", one.uid), format!("{one:?}"))));
        all.extend(read.mails.into_iter().map(|mail| (format!("mail to {}", mail.address), String::new())));
    }
    all
}

fn claims(user: &Value) -> BTreeSet<String> {
    let all = user["attributes"]["guestlist.accounts"].as_array();
    all.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn record(user: &Value) -> Value {
    let text = user["attributes"]["guestlist.record"][0].as_str();
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// The claims that applications get about Bob.
fn told(realm: &Realm) -> BTreeSet<String> {
    realm.user_at(bob().as_str()).map(claims).unwrap_or_default()
}

/// Whether the claims contain a claim, or more.
fn covers(told: &BTreeSet<String>, claim: &str) -> bool {
    told.contains(claim) || told.contains(&claim.replace(":collaborator", ":manager"))
}

/// The unsafe property of the current realm, should nothing else ever happen. Revoked claims of a continuing session
/// are recorded, and a guest whose record has ended has no access.
fn unsafe_about(realm: &Realm, before: &BTreeSet<String>, after: &BTreeSet<String>) -> Option<&'static str> {
    let user = realm.user_at(bob().as_str())?;
    let (now, record, id) = (claims(user), record(user), text(user, "id"));
    let offline = realm.offline.values().map(|(user, _)| user);
    let goes_on = realm.sessions.values().chain(offline).any(|user| user == id);
    let revoked = before.iter().any(|claim| !covers(&now, claim));
    let noted = record["revoked"].as_array().is_some_and(|noted| !noted.is_empty());
    let ended = record.is_null() || record["deactivatedAt"].is_string();
    let invited = realm.invitations.values().any(|row| text(row, "email") == bob().as_str());
    let member = realm.members.keys().any(|(_, user)| user == id);
    let is_new = record.is_null() && !before.is_empty();
    [
        (now.iter().any(|claim| !covers(before, claim) && !covers(after, claim)), "more than was promised"),
        (goes_on && revoked && !noted && (!record.is_null() || is_new), "a session goes on that nobody ends"),
        (ended && (record["deactivatedAt"].is_string() || is_new) && (invited || member), "an ended guest is not out"),
    ]
    .into_iter()
    .find_map(|(is, why)| is.then_some(why))
}

/// The actions of the next plan. A due mail is sent after the policy's interval. A login that was disabled during a
/// reset of MFA is enabled. A grant that was revoked to end sessions is granted again.
async fn plan_goes_on(stage: &Stage, action: &Action, wanted: Option<&GuestRecord>) -> Result<(), Error> {
    let mails = matches!(action, Action::Do(operation) if matches!(**operation, Operation::Guest { change: GuestChange::Invite(_) | GuestChange::ResendInvitation { .. }, .. }));
    let record = stage.directory.guest(&bob()).await?;
    let stray = |record: &GuestRecord| {
        let unshared = record.grants.values().filter(|held| held.grant.share_uid.is_empty());
        unshared.map(|held| held.grant.account.clone()).collect::<Vec<_>>()
    };
    let accounts = record.as_ref().filter(|record| record.is_live()).map(stray).unwrap_or_default();
    if !accounts.is_empty() {
        let withhold = Operation::Guest { id: guest(), change: GuestChange::Revoke { accounts } };
        stage.directory.execute(&withhold, None, at(3600), stage.epoch()).await?;
    }
    let login = |record: Option<&GuestRecord>| record.map(|record| (record.is_live(), record.login));
    if login(stage.directory.guest(&bob()).await?.as_ref()) == Some((true, Login::DisabledByGuestlist))
        && login(wanted) == Some((true, Login::Enabled))
    {
        let enable = Operation::Guest { id: guest(), change: GuestChange::EnableLogin };
        stage.directory.execute(&enable, None, at(3600), stage.epoch()).await?;
    }
    let record = stage.directory.guest(&bob()).await?;
    let gives = |record: &&GuestRecord| record.is_live() && record.login.is_enabled();
    if let (Some(wanted), Some(record)) = (wanted, record.as_ref().filter(gives)) {
        let is_missing =
            |held: &&GrantRecord| record.grants.get(&held.grant.account).is_none_or(|is| is.grant != held.grant);
        let grants: Vec<_> = wanted.grants.values().filter(is_missing).map(|held| held.grant.clone()).collect();
        if !grants.is_empty() {
            let again = Operation::Guest { id: guest(), change: GuestChange::Grant { grants } };
            stage.directory.execute(&again, None, at(3600), stage.epoch()).await?;
        }
    }
    if mails && record.is_some_and(|record| record.invitation.is_none() && record.joined_at.is_none()) {
        let expires_at = match action {
            Action::Do(operation) => match **operation {
                Operation::Guest {
                    change:
                        GuestChange::Invite(NewGuest { expires_at, .. }) | GuestChange::ResendInvitation { expires_at },
                    ..
                } => expires_at,
                _ => at(0),
            },
            _ => at(0),
        };
        let again = Operation::Guest { id: guest(), change: GuestChange::ResendInvitation { expires_at } };
        stage.directory.execute(&again, None, at(3600), stage.epoch()).await?;
    }
    Ok(())
}

/// Reads everything, like the operator at its start.
pub async fn look(stage: &Stage) {
    stage.directory.owner().await.unwrap();
    stage.directory.partners(None).await.unwrap();
    stage.guests().await.unwrap();
}

/// Runs an action without a fault. Returns its requests, each with whether it is a read, and the final realm.
async fn without_fault(realm: &Realm, action: &Action) -> (Vec<bool>, Realm) {
    let stage = Stage::on(realm.clone());
    look(&stage).await;
    stage.wire.seen();
    action.run(&stage, at(1000)).await.unwrap_or_else(|fault| panic!("{action:?}: {fault}"));
    let reads = stage.wire.seen().iter().map(|seen| seen.asked.is_read()).collect();
    (reads, stage.realm(|realm| realm.clone()))
}

/// The result of an action without a fault.
struct Expected {
    realm: Realm,
    all: BTreeMap<String, String>,
    guest: Option<GuestRecord>,
}

/// Runs an action with a fault at one request, and then again until it is done. Returns the problems.
async fn with_fault(
    realm: &Realm,
    action: &Action,
    (request, fate): (usize, Fate),
    expected: &Expected,
) -> Result<(), String> {
    let mut stage = Stage::on(realm.clone());
    look(&stage).await;
    let mut requests = 0;
    let hit: Arc<Mutex<Option<Asked>>> = Arc::default();
    let noted = hit.clone();
    stage.wire.rules(move |asked, _| {
        requests += 1;
        if requests == request + 1 {
            *noted.lock().unwrap() = Some(asked.clone());
            return fate;
        }
        Fate::Passes
    });
    let (before, after) = (told(realm), told(&expected.realm));
    let violations: Arc<Mutex<Vec<String>>> = Arc::default();
    let found = violations.clone();
    let mut tokens = Tokens::of(realm);
    stage.wire.watches(move |asked, realm| {
        let is_reset = asked.method == "DELETE" && asked.path.iter().any(|part| part == "credentials");
        let is_on = realm.user_at(bob().as_str()).is_some_and(|user| user["enabled"] == true);
        let open = (is_reset && is_on).then_some("a session can be made while a factor is reset");
        let why = open.or_else(|| unsafe_about(realm, &before, &after)).or_else(|| tokens.wrong(realm));
        found.lock().unwrap().extend(why.map(|why| format!("after {} {}: {why}", asked.method, asked.path.join("/"))));
    });
    let mut now = at(1000);
    let mut said = Vec::new();
    for attempt in 0.. {
        match tokio::time::timeout(LONG, action.run(&stage, now)).await {
            Ok(Ok(_)) => break,
            Ok(Err(fault)) => said.push(fault),
            Err(_) => return Err("it does not end".to_owned()),
        }
        if attempt == 6 {
            return Err(format!("it is not done after {said:?}"));
        }
        tokio::time::sleep(Duration::from_secs(10)).await;
        now += SignedDuration::from_secs(10);
        if (request + attempt) % 2 == 0 {
            // The process ended there; the next one has no memory.
            stage = stage.restarted();
            look(&stage).await;
        }
    }
    plan_goes_on(&stage.restarted(), action, expected.guest.as_ref())
        .await
        .map_err(|fault| format!("the plan cannot go on: {fault}"))?;
    let ended = stage.realm(|realm| realm.clone());
    let got = comes_to(&ended).await;
    let names: BTreeSet<&String> = got.keys().chain(expected.all.keys()).collect();
    let mut wrong = std::mem::take(&mut *violations.lock().unwrap());
    for name in names.into_iter().filter(|name| got.get(*name) != expected.all.get(*name)) {
        wrong.push(format!("{name}\n    is {:?}\n   for {:?}", got.get(name), expected.all.get(name)));
    }
    let hit = hit.lock().unwrap().take();
    let is_mail = hit.as_ref().is_some_and(|asked| asked.path.last().is_some_and(|last| last == "invite-user"));
    // An object that already exists on the second attempt is guestlist's own.
    let is_own = hit.as_ref().is_some_and(|asked| ["users", "groups"].contains(&asked.path[0].as_str()));
    if fate == Fate::Twice && is_own && !said.is_empty() {
        wrong.push("a request that arrives twice is an error".to_owned());
    }
    let mails = ended.mails.len() - realm.mails.len();
    // A proxy that repeats the request for a mail causes two mails: Keycloak then reports an open invitation.
    let most = expected.realm.mails.len() - realm.mails.len() + usize::from(fate == Fate::Twice && is_mail);
    // No second mail is sent to a guest with an open invitation if the record was written and the answer was lost.
    let least = usize::from(most > 0 && realm.invitations.is_empty());
    if !(least..=most).contains(&mails) {
        wrong.push(format!("{mails} mails"));
    }
    let at = hit.map(|asked| format!("{} {}", asked.method, asked.path.join("/")));
    if wrong.is_empty() { Ok(()) } else { Err(format!("{at:?}, after {said:?}:\n  {}", wrong.join("\n  "))) }
}

async fn holds(cases: impl Iterator<Item = (State, Action)>) {
    let mut realms: BTreeMap<State, Realm> = BTreeMap::new();
    let (mut wrong, mut faults) = (Vec::new(), 0);
    for (state, action) in cases {
        let realm = match realms.entry(state) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(state.realm().await),
        };
        let (requests, ended) = without_fault(realm, &action).await;
        let guest = Stage::on(ended.clone()).directory.guest(&bob()).await.unwrap();
        let expected = Expected { all: comes_to(&ended).await, realm: ended, guest };
        let fates =
            requests.iter().map(|is_read| FATES.iter().take(if *is_read { FATES_OF_A_READ } else { FATES.len() }));
        for fault in fates.enumerate().flat_map(|(request, fates)| fates.map(move |fate| (request, *fate))) {
            faults += 1;
            if let Err(why) = with_fault(realm, &action, fault, &expected).await {
                wrong.push(format!("{state:?}, {action:?}, {fault:?}: {why}"));
            }
        }
    }
    let some = wrong.iter().take(8).cloned().collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{} of {faults} faults:\n{some}", wrong.len());
    assert!(faults > 100, "{faults} faults are few");
}

macro_rules! each {
    ($($name:ident: $place:expr),+ $(,)?) => {
        $(#[tokio::test(start_paused = true)]
        async fn $name() {
            holds(all().into_iter().enumerate().filter(|(n, _)| n % 4 == $place).map(|(_, case)| case)).await;
        })+
    };
}

// Four tests of a quarter each, which run in parallel.
each! {
    first_quarter_of_operations_ends_the_same_after_any_fault: 0,
    second_quarter_of_operations_ends_the_same_after_any_fault: 1,
    third_quarter_of_operations_ends_the_same_after_any_fault: 2,
    last_quarter_of_operations_ends_the_same_after_any_fault: 3,
}
