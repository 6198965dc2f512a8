//! The differences of access, now and later, between two sets of files.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::escape::plain;
use super::guest_access::GuestAccess;
use super::later::{condition, conditions};
use crate::directory::Grant;
use crate::domain::Email;
use crate::domain::time::seconds;
use crate::plan::State;
use crate::plan::later::{LaterGrant, Precondition};

/// A guest of a partner: namespace, partner, address.
pub type Subject = (String, String, Email);

/// A grant that is effective now or later.
#[derive(Clone, Debug, PartialEq)]
pub struct ComparedGrant {
    /// The grant.
    pub grant: Grant,
    /// The conditions of the grant. Empty: it is effective now.
    pub conditions: Vec<Precondition>,
}

/// A guest under one set of files.
#[derive(Clone, Debug, PartialEq)]
pub struct ComparedGuest {
    /// The role in the partner.
    pub role: crate::domain::GuestRole,
    /// The state. `None`: no file declares the guest, but the directory contains them.
    pub state: Option<State>,
}

/// One side of a comparison.
#[derive(Debug, Default, PartialEq)]
pub struct Side {
    guests: BTreeMap<Subject, ComparedGuest>,
    rights: BTreeMap<(Subject, String), Vec<ComparedGrant>>,
}

impl Side {
    /// The guests and their grants, now and later.
    pub fn of(guests: &[GuestAccess], later: &[LaterGrant]) -> Self {
        let mut side = Self::default();
        for one in guests {
            let subject = (one.member.namespace.to_string(), one.partner.clone(), one.guest.clone());
            for grant in &one.grants {
                let right = ComparedGrant { grant: grant.clone(), conditions: Vec::new() };
                side.rights.entry((subject.clone(), grant.account.clone())).or_default().push(right);
            }
            side.guests.insert(subject, ComparedGuest { role: one.role, state: one.state });
        }
        for one in later {
            let subject = (one.member.namespace.to_string(), one.partner.clone(), one.guest.clone());
            let right = ComparedGrant { grant: one.grant.clone(), conditions: one.conditions.clone() };
            side.rights.entry((subject, one.grant.account.clone())).or_default().push(right);
        }
        side
    }
}

/// One difference.
#[derive(Clone, Debug, PartialEq)]
pub struct AccessDifference {
    /// The guest.
    pub subject: Subject,
    /// The guest or the account that differs.
    pub about: ChangeSubject,
}

/// The subject of a difference, with its values before and after.
#[derive(Clone, Debug, PartialEq)]
pub enum ChangeSubject {
    /// The guest itself differs.
    Guest {
        /// The guest under the base.
        before: Option<ComparedGuest>,
        /// The guest under the planned files.
        after: Option<ComparedGuest>,
    },
    /// The guest's access to an account differs.
    Account {
        /// The account.
        account: String,
        /// The access under the base: now, and later.
        before: Vec<ComparedGrant>,
        /// The access under the planned files: now, and later.
        after: Vec<ComparedGrant>,
    },
}

/// The direction of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// Only the planned files contain it.
    Gained,
    /// Only the base contains it.
    Lost,
    /// Both contain it, with different values.
    Changed,
}

impl Direction {
    /// The direction as a word of the output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gained => "gained",
            Self::Lost => "lost",
            Self::Changed => "changed",
        }
    }
}

/// All differences, by guest and account.
pub fn compare(before: &Side, after: &Side) -> Vec<AccessDifference> {
    let mut changes = Vec::new();
    let subjects: BTreeSet<&Subject> = before.guests.keys().chain(after.guests.keys()).collect();
    for subject in subjects {
        let about = ChangeSubject::Guest {
            before: before.guests.get(subject).cloned(),
            after: after.guests.get(subject).cloned(),
        };
        changes.push(AccessDifference { subject: subject.clone(), about });
        let of_subject = |side: &Side| -> BTreeSet<String> {
            side.rights.keys().filter(|(one, _)| one == subject).map(|(_, account)| account.clone()).collect()
        };
        for account in of_subject(before).union(&of_subject(after)) {
            let rights =
                |side: &Side| side.rights.get(&(subject.clone(), account.clone())).cloned().unwrap_or_default();
            let about =
                ChangeSubject::Account { account: account.clone(), before: rights(before), after: rights(after) };
            changes.push(AccessDifference { subject: subject.clone(), about });
        }
    }
    changes.retain(AccessDifference::differs);
    changes
}

impl AccessDifference {
    fn differs(&self) -> bool {
        match &self.about {
            ChangeSubject::Guest { before, after } => before != after,
            ChangeSubject::Account { before, after, .. } => before != after,
        }
    }

    /// The direction of this difference.
    pub fn direction(&self) -> Direction {
        let (before, after) = match &self.about {
            ChangeSubject::Guest { before, after } => (before.is_some(), after.is_some()),
            ChangeSubject::Account { before, after, .. } => (!before.is_empty(), !after.is_empty()),
        };
        match (before, after) {
            (false, _) => Direction::Gained,
            (true, false) => Direction::Lost,
            (true, true) => Direction::Changed,
        }
    }

    /// The names of the fields that differ, if both sides contain the subject.
    pub fn fields(&self) -> Vec<&'static str> {
        if self.direction() != Direction::Changed {
            return Vec::new();
        }
        let differing = match &self.about {
            ChangeSubject::Guest { before, after } => {
                let role = before.as_ref().map(|one| one.role) != after.as_ref().map(|one| one.role);
                let state = before.as_ref().map(|one| one.state) != after.as_ref().map(|one| one.state);
                vec![(role, "role"), (state, "state")]
            }
            ChangeSubject::Account { before, after, .. } => {
                fn all<T>(rights: &[ComparedGrant], field: impl Fn(&ComparedGrant) -> T) -> Vec<T> {
                    rights.iter().map(field).collect()
                }
                let methods = |right: &ComparedGrant| (right.grant.allowed.clone(), right.grant.asked.clone());
                let by = |right: &ComparedGrant| (right.grant.share.clone(), right.grant.share_uid.clone());
                vec![
                    (all(before, |it| it.grant.role) != all(after, |it| it.grant.role), "role"),
                    (all(before, |it| it.conditions.clone()) != all(after, |it| it.conditions.clone()), "conditions"),
                    (all(before, |it| it.grant.until) != all(after, |it| it.grant.until), "until"),
                    (all(before, methods) != all(after, methods), "mfa"),
                    (all(before, by) != all(after, by), "share"),
                ]
            }
        };
        differing.into_iter().filter(|(differs, _)| *differs).map(|(_, field)| field).collect()
    }

    /// The account, if the difference concerns one.
    pub fn account(&self) -> Option<&str> {
        match &self.about {
            ChangeSubject::Guest { .. } => None,
            ChangeSubject::Account { account, .. } => Some(account),
        }
    }

    /// A phrase each for the base and the planned files. Empty: nothing.
    pub fn phrases(&self) -> (String, String) {
        let guest = |one: &Option<ComparedGuest>| one.as_ref().map_or_else(String::new, ComparedGuest::phrase);
        match &self.about {
            ChangeSubject::Guest { before, after } => (guest(before), guest(after)),
            ChangeSubject::Account { before, after, .. } => (phrase(before), phrase(after)),
        }
    }
}

impl ComparedGuest {
    fn phrase(&self) -> String {
        let state = self.state.map_or("declared by no file, and left as it is", |state| state.reason().as_str());
        format!("{}, {state}", self.role)
    }
}

fn phrase(rights: &[ComparedGrant]) -> String {
    let one = |right: &ComparedGrant| {
        let grant = &right.grant;
        let until = grant.until.map_or_else(String::new, |until| format!(" until {}", seconds(until)));
        let methods = grant.allowed.intersection(&grant.asked).map(|method| method.as_str());
        let methods = methods.collect::<Vec<_>>().join(" or ");
        let mut text = format!("{}{until}, through {}, MFA {methods}", grant.role, plain(&grant.share));
        if right.conditions.is_empty() {
            text += ", now";
        } else {
            let conditions = right.conditions.iter().map(condition).collect::<Vec<_>>().join("; ");
            let _ = write!(text, ", later ({conditions})");
        }
        text
    };
    rights.iter().map(one).collect::<Vec<_>>().join("; and ")
}

/// The number of differences by direction.
pub fn count(changes: &[AccessDifference]) -> String {
    let count = |direction| changes.iter().filter(|change| change.direction() == direction).count();
    let (gained, lost) = (count(Direction::Gained), count(Direction::Lost));
    format!("{gained} gained, {lost} lost, {} changed", count(Direction::Changed))
}

/// Renders the differences for people.
pub fn text(changes: &[AccessDifference], paint: impl Fn(Direction, &str) -> String) -> String {
    let mut text = String::new();
    for change in changes {
        let (namespace, partner, guest) = &change.subject;
        let direction = change.direction();
        let about = change.account().map_or_else(|| "the guest".to_owned(), plain);
        let fields = change.fields().join(", ");
        let fields = if fields.is_empty() { fields } else { format!(" [{fields}]") };
        let head = paint(direction, direction.as_str());
        let _ = writeln!(text, "{head}{fields}: {guest} of {namespace}/{partner}: {about}");
        let (before, after) = change.phrases();
        for (sign, phrase) in [('-', before), ('+', after)] {
            if !phrase.is_empty() {
                let _ = writeln!(text, "  {sign} {phrase}");
            }
        }
    }
    text
}

/// Renders the differences for programs, as in docs/plan.md.
pub fn json(changes: &[AccessDifference]) -> Value {
    let right = |right: &ComparedGrant| {
        json!({
            "when": if right.conditions.is_empty() { "now" } else { "later" },
            "role": right.grant.role.as_str(),
            "share": right.grant.share,
            "until": right.grant.until.map(|until| seconds(until).to_string()),
            "methods": right.grant.allowed.intersection(&right.grant.asked).map(|it| it.as_str()).collect::<Vec<_>>(),
            "conditions": conditions(&right.conditions),
        })
    };
    let standing = |one: &ComparedGuest| json!({"role": one.role.as_str(), "state": one.state.map(|state| state.reason().as_str())});
    let one = |change: &AccessDifference| {
        let (namespace, partner, guest) = &change.subject;
        let (before, after): (Vec<Value>, Vec<Value>) = match &change.about {
            ChangeSubject::Guest { before, after } => {
                (before.iter().map(standing).collect(), after.iter().map(standing).collect())
            }
            ChangeSubject::Account { before, after, .. } => {
                (before.iter().map(right).collect(), after.iter().map(right).collect())
            }
        };
        json!({
            "change": change.direction().as_str(),
            "fields": change.fields(),
            "guest": guest.as_str(),
            "partner": {"namespace": namespace, "name": partner},
            "account": change.account(),
            "before": before,
            "after": after,
        })
    };
    changes.iter().map(one).collect()
}
