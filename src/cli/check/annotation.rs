//! The annotations that guestlist reads. The API server takes any text, and the operator passes over what it cannot read: a
//! pause that is misspelt pauses nothing. So this is said before anything reaches a cluster.

use super::finding::{Code, Finding, Location};
use super::schema::Checker;
use crate::api;
use crate::index::Kind;
use crate::rules::{quote, time};
use crate::wording::nearest;
use crate::yaml::tree::{Entry, field_mark};

/// Says what an annotation of ours does not do.
pub fn check(entry: &Entry, kind: Kind, path: &str, checker: &mut Checker<'_>) {
    let Some(text) = entry.value.text() else { return };
    let problem = match entry.key.as_str() {
        api::PAUSED => paused(text),
        api::RESET_MFA | api::RESEND_INVITATION => asked(&entry.key, text, kind),
        api::RECONCILE_AT => None,
        name => unknown(name),
    };
    if let Some(message) = problem {
        let at = Location::new(checker.source, &field_mark(entry));
        checker.add(Finding { path: path.to_owned(), ..Finding::error(Code::Annotation, at, message) });
    }
}

fn paused(text: &str) -> Option<String> {
    let known = ["true", "false"].contains(&text);
    (!known).then(|| format!("{} pauses nothing; write \"true\" or \"false\", in quotes", quote(text)))
}

fn asked(name: &str, text: &str, kind: Kind) -> Option<String> {
    if kind != Kind::Membership {
        return Some(format!("{name} does nothing on a {}; it belongs on a GuestMembership", kind.as_str()));
    }
    let error = time::instant(text).err()?;
    Some(format!("nothing happens: {error}"))
}

fn unknown(name: &str) -> Option<String> {
    let known = [api::PAUSED, api::RESET_MFA, api::RESEND_INVITATION, api::RECONCILE_AT];
    if name.split_once('/').is_none_or(|(group, _)| group != api::GROUP) {
        return None;
    }
    let hint = match nearest(name, known.into_iter()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("there are {}", known.join(", ")),
    };
    Some(format!("guestlist reads no annotation {}; {hint}", quote(name)))
}
