//! Renders operations and their reasons for people and for programs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::session::CompletedStep;
use super::unmanaged::UnmanagedGuest;
use crate::api::ConditionType;
use crate::cache::{Kind, ObjectRef};
use crate::cli::check::Places;
use crate::directory::{
    AccessChange, GuestChange, GuestId, GuestRecord, NewGuest, Operation, PartnerChange, PartnerId, Snapshot,
};
use crate::domain::{Email, Reason, ShareRole, printable, printable_lines};
use crate::engine::queue::QueueKey;
use crate::validation::{ReasonGroup, entry};

/// An object that does not match its spec yet.
pub struct Unready {
    /// The object.
    pub key: ObjectRef,
    /// The place in the files, as `file:line:column`.
    pub at: Option<String>,
    /// Whether the object has to be fixed, rather than waits.
    pub broken: bool,
    /// The reason.
    pub reason: String,
    /// The problem and its fix.
    pub message: String,
}

/// Whether an operation revokes or removes something.
pub fn revokes_access(operation: &Operation) -> bool {
    matches!(operation.access_change(), AccessChange::Revoke | AccessChange::Remove)
}

/// The known facts about a guest.
struct KnownGuest {
    address: Email,
    /// The namespace and name of the guest's partner.
    partner: (String, String),
    /// The grants before the operations.
    held: BTreeMap<String, ShareRole>,
}

/// The guests and partners that operations concern, by their identifiers in the directory.
#[derive(Default)]
pub struct Subjects {
    guests: BTreeMap<GuestId, KnownGuest>,
    partners: BTreeSet<PartnerId>,
}

impl Subjects {
    /// Collects the guests of the directory and the guests that these operations admit.
    pub fn of(snapshot: &Snapshot, operations: &[CompletedStep]) -> Self {
        let known = |guest: &GuestRecord| {
            let namespace = guest.mark.as_ref().map(|mark| mark.namespace.clone()).unwrap_or_default();
            KnownGuest {
                address: guest.address.clone(),
                partner: (namespace, guest.partner_name.clone()),
                held: guest.grants.iter().map(|(account, held)| (account.clone(), held.grant.role)).collect(),
            }
        };
        let mut guests: BTreeMap<_, _> = snapshot.guests.iter().map(|guest| (guest.id.clone(), known(guest))).collect();
        for done in operations {
            if let Operation::Guest {
                id: guest,
                change: GuestChange::Invite(NewGuest { address, mark, partner_name, .. }),
            } = &done.step.operation
            {
                let partner = (mark.namespace.clone(), partner_name.clone());
                let person = KnownGuest { address: address.clone(), partner, held: BTreeMap::new() };
                guests.insert(guest.clone(), person);
            }
        }
        let live = snapshot.partners.iter().filter(|partner| partner.deactivated_at.is_none());
        Self { guests, partners: live.map(|partner| partner.id.clone()).collect() }
    }

    fn address(&self, operation: &Operation) -> Option<&Email> {
        self.guests.get(operation.guest()?).map(|person| &person.address)
    }

    /// The partner of an operation's guest.
    fn partner(&self, operation: &Operation) -> Option<Value> {
        let (namespace, name) = &self.guests.get(operation.guest()?)?.partner;
        Some(json!({"namespace": namespace, "name": name}))
    }

    /// The accounts that an operation grants, reduces or revokes, each with its role. A revoked account has its former
    /// role.
    fn accounts(&self, operation: &Operation) -> Vec<Value> {
        let one =
            |account: &str, role: Option<ShareRole>| json!({"account": account, "role": role.map(ShareRole::as_str)});
        match operation {
            Operation::Guest { change: GuestChange::Grant { grants } | GuestChange::Reduce { grants }, .. } => {
                grants.iter().map(|grant| one(&grant.account, Some(grant.role))).collect()
            }
            Operation::Guest { id, change: GuestChange::Revoke { accounts } } => {
                let held = self.guests.get(id).map(|person| &person.held);
                accounts.iter().map(|account| one(account, held.and_then(|held| held.get(account)).copied())).collect()
            }
            Operation::Guest { .. } | Operation::Partner { .. } | Operation::ForgetShare { .. } => Vec::new(),
        }
    }

    /// Whether the operation creates a partner. A separate operation marks a new partner as suspended.
    fn is_new(&self, operation: &Operation) -> bool {
        matches!(operation, Operation::Partner { id: partner, change: PartnerChange::Apply { suspended: false, .. } } if !self.partners.contains(partner))
    }

    /// The change of access for display: a new partner counts as a grant.
    fn access(&self, operation: &Operation) -> AccessChange {
        if self.is_new(operation) { AccessChange::Grant } else { operation.access_change() }
    }

    /// An operation as a sentence, and the sign of its change.
    fn sentence(&self, operation: &Operation) -> (char, String) {
        if let Operation::Partner { change: PartnerChange::Apply { display_name, host_admins, .. }, .. } = operation
            && self.is_new(operation)
        {
            let admins = host_admins.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            return ('+', format!("create the partner {display_name:?} (Host Admins: {admins})"));
        }
        let sign = match self.access(operation) {
            AccessChange::Revoke | AccessChange::Remove => '-',
            AccessChange::None => '~',
            AccessChange::Grant => '+',
        };
        (sign, operation.describe())
    }
}

/// Renders text for people: the operation, its object and its reason.
pub struct Text {
    colour: bool,
    known: Subjects,
    last: String,
}

impl Text {
    /// Creates a renderer, with or without colours.
    pub fn new(colour: bool, known: Subjects) -> Self {
        Self { colour, known, last: String::new() }
    }

    /// The object of an operation.
    pub fn object(&self, done: &CompletedStep) -> String {
        match (&done.key, self.known.address(&done.step.operation)) {
            (QueueKey::GarbageCollection, Some(address)) => format!("{address}, which no object declares"),
            (QueueKey::GarbageCollection, None) => "records that no object declares".to_owned(),
            (QueueKey::Object(object), _) => object.to_string(),
        }
    }

    /// An operation. The object precedes it unless it is the same as that of the previous operation.
    pub fn operation(&mut self, done: &CompletedStep) -> String {
        let mut text = String::new();
        let object = self.object(done);
        if self.last != object {
            let _ = writeln!(text, "{}", self.paint("1", &printable(&object)));
            self.last = object;
        }
        let (sign, sentence) = self.known.sentence(&done.step.operation);
        let what = format!("{sign} {}", printable(&sentence));
        let why = format!("{}: {}", done.step.reason.as_str(), printable(&done.step.message));
        let _ = writeln!(text, "  {}\n      {why}", self.paint(colour(sign), &what));
        text
    }

    /// A completed operation in one line, without the reason, which was shown before.
    pub fn done(&self, done: &CompletedStep) -> String {
        let (sign, sentence) = self.known.sentence(&done.step.operation);
        let line = format!("{}: {sentence}", self.object(done));
        format!("{} {}\n", self.paint(colour(sign), &sign.to_string()), printable(&line))
    }

    /// An operation as a sentence, and the sign of its change.
    pub fn sentence(&self, done: &CompletedStep) -> (char, String) {
        self.known.sentence(&done.step.operation)
    }

    /// The number of operations by change of access. `when`: the word after the number.
    pub fn summary(&self, operations: &[CompletedStep], when: &str) -> String {
        let count = |access| operations.iter().filter(|done| self.known.access(&done.step.operation) == access).count();
        let (give, keep) = (count(AccessChange::Grant), count(AccessChange::None));
        let (take, end) = (count(AccessChange::Revoke), count(AccessChange::Remove));
        let s = if operations.len() == 1 { "" } else { "s" };
        if operations.is_empty() {
            return format!("0 operations{when}");
        }
        format!(
            "{} operation{s}{when} (grant: {give}, update: {keep}, revoke: {take}, remove: {end})",
            operations.len()
        )
    }

    /// An object that waits or has to be fixed.
    pub fn unready_line(&self, unready: &Unready) -> String {
        let (word, colour) = if unready.broken { ("error", "1;31") } else { ("waits", "1;33") };
        let head = self.paint(colour, &format!("{word}[{}]", unready.reason));
        let at = unready.at.as_ref().map_or_else(String::new, |at| format!(" ({at})"));
        let object = unready.key.to_string();
        format!("{head}: {}{at}\n  {}\n", printable(&object), printable(&unready.message))
    }

    /// A guest that no file declares and that stays as it is.
    pub fn unmanaged_line(&self, left: &UnmanagedGuest) -> String {
        let UnmanagedGuest { namespace, name, guest, .. } = left;
        let head = self.paint("1;33", "unmanaged");
        let object = format!("GuestMembership {namespace}/{name} ({guest})");
        format!("{head}: {}\n  {}\n", printable(&object), printable(&left.message()))
    }

    /// A problem that belongs to no object.
    pub fn problem(&self, problem: &str) -> String {
        format!("{}: {}\n", self.paint("1;31", "error"), printable_lines(problem))
    }

    /// A problem that stops no command.
    pub fn warning(&self, warning: &str) -> String {
        format!("{}: {warning}\n", self.paint("1;33", "warning"))
    }

    /// Text in a colour of the terminal, where there is one.
    pub fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// The terminal's colour of an addition, a removal or a change.
fn colour(sign: char) -> &'static str {
    match sign {
        '-' => "31",
        '+' => "32",
        _ => "33",
    }
}

/// Renders the JSON output, as in docs/plan.md.
pub fn json(
    operations: &[CompletedStep],
    unready: &[Unready],
    unmanaged: &[UnmanagedGuest],
    problems: &[String],
    known: &Subjects,
) -> Value {
    let object = |key: &ObjectRef| json!({"kind": key.kind.as_str(), "namespace": &*key.namespace, "name": &*key.name});
    let operation = |done: &CompletedStep| {
        let operation = &done.step.operation;
        json!({
            "object": done.key.object().map(object),
            "operation": operation.name(),
            "access": match known.access(operation) {
                AccessChange::Revoke => "revoke",
                AccessChange::None => "none",
                AccessChange::Grant => "grant",
                AccessChange::Remove => "remove",
            },
            "guest": known.address(operation).map(Email::as_str),
            "partner": known.partner(operation),
            "accounts": known.accounts(operation),
            "summary": known.sentence(operation).1,
            "reason": done.step.reason.as_str(),
            "message": done.step.message,
        })
    };
    let entry = |unready: &Unready| {
        json!({
            "object": object(&unready.key),
            "at": unready.at,
            "reason": unready.reason,
            "message": unready.message,
        })
    };
    let of = |broken: bool| unready.iter().filter(|it| it.broken == broken).map(entry).collect::<Vec<_>>();
    let left = |left: &UnmanagedGuest| {
        json!({
            "guest": left.guest.as_str(),
            "partner": {"namespace": left.namespace, "name": left.partner},
            "accounts": left.accounts,
            "declared": left.declared,
            "message": left.message(),
        })
    };
    json!({
        "version": 1,
        "operations": operations.iter().map(operation).collect::<Vec<_>>(),
        "violations": of(true),
        "waits": of(false),
        "unmanaged": unmanaged.iter().map(left).collect::<Vec<_>>(),
        "problems": problems,
    })
}

/// The conditions of a status that are not in order.
pub fn unready_conditions(key: &ObjectRef, status: &Value, places: &Places) -> Vec<Unready> {
    let condition = |type_: ConditionType| {
        let all = status["conditions"].as_array().into_iter().flatten();
        all.into_iter().find(|condition| condition["type"] == type_.as_str()).cloned()
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let violations = status["violations"].as_array().cloned().unwrap_or_default();
    let mut found: Vec<Unready> = violations
        .iter()
        .map(|violation| {
            let path = text(&violation["path"]);
            Unready {
                at: places.of(key, &path).or_else(|| places.of_name(key)).map(str::to_owned),
                key: key.clone(),
                broken: true,
                reason: text(&violation["reason"]),
                message: format!("{path}: {}", text(&violation["message"])),
            }
        })
        .collect();
    if found.is_empty()
        && let Some(ready) = condition(ConditionType::Ready).filter(|ready| ready["status"] != "True")
    {
        let reason = text(&ready["reason"]);
        // Stalled: nothing changes without a fix. A rule that waits is no error of the object.
        let waits = Reason::parse(&reason).is_some_and(|reason| entry(reason).sort == ReasonGroup::WaitingRule);
        let broken = condition(ConditionType::Stalled).is_some() && !waits;
        found.push(Unready {
            at: places.of_name(key).map(str::to_owned),
            key: key.clone(),
            broken,
            reason,
            message: text(&ready["message"]),
        });
    }
    // The membership is in order. The guest is not invited, has to enrol another method, or needs another invitation.
    let is_new = status["state"] == Reason::Pending.as_str();
    let stuck = |type_: ConditionType, status: &str, reason: Reason| {
        condition(type_).filter(|it| it["status"] == status && it["reason"] == reason.as_str())
    };
    if found.is_empty()
        && let Some(condition) = stuck(ConditionType::MfaSatisfied, "False", Reason::MfaMethodMissing)
            .or_else(|| stuck(ConditionType::Ready, "True", Reason::InvitationExpired))
            .or_else(|| stuck(ConditionType::Ready, "True", Reason::Suspended).filter(|_| is_new))
            .or_else(|| stuck(ConditionType::Ready, "True", Reason::Expired).filter(|_| is_new))
    {
        found.push(Unready {
            at: places.of_name(key).map(str::to_owned),
            key: key.clone(),
            broken: false,
            reason: text(&condition["reason"]),
            message: text(&condition["message"]),
        });
    }
    found
}

/// The kinds in the order in which people read them.
pub const ORDER: [Kind; 3] = [Kind::Partner, Kind::Membership, Kind::Share];
