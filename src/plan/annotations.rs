//! Annotations of guestlist that have no effect as written. The API server accepts any text, and a reconcile skips text
//! that it cannot parse. `guestlist check`, `plan`, `apply` and the operator report the same problems.

use jiff::Timestamp;

use crate::api;
use crate::cache::Kind;
use crate::domain::{quote, time};
use crate::util::suggest::nearest;

/// A problem of one annotation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ineffective {
    /// The missing effect, and the fix.
    pub message: String,
    /// The annotation has no effect before a time in the future.
    pub is_early: bool,
}

/// The problem of an annotation that has no effect now. `None`: it has an effect, or it is not an annotation of
/// guestlist.
pub fn ineffective(kind: Kind, name: &str, text: &str, now: Timestamp) -> Option<Ineffective> {
    let never = |message| Some(Ineffective { message, is_early: false });
    match name {
        api::PAUSED if ["true", "false"].contains(&text) => None,
        api::PAUSED => never(format!("{} has no effect; write \"true\" or \"false\", in quotes", quote(text))),
        api::RESET_MFA | api::RESEND_INVITATION if kind != Kind::Membership => {
            never(format!("{name} does nothing on a {}; it belongs on a GuestMembership", kind.as_str()))
        }
        api::RESET_MFA | api::RESEND_INVITATION => match time::instant(text) {
            Err(error) => never(format!("the annotation has no effect: {error}")),
            Ok(at) if at > now => Some(Ineffective { message: early(name, text), is_early: true }),
            Ok(_) => None,
        },
        api::RECONCILE_AT => None,
        _ => never(unknown(name)?),
    }
}

/// The annotations of an object that have no effect now, each with its name.
pub fn all_ineffective<'a>(
    kind: Kind,
    annotations: impl Iterator<Item = (&'a String, &'a String)>,
    now: Timestamp,
) -> Vec<String> {
    let message = |(name, text): (&String, &String)| {
        let Ineffective { message, .. } = ineffective(kind, name, text, now)?;
        Some(format!("the annotation {}: {message}", quote(name)))
    };
    annotations.filter_map(message).collect()
}

/// The operator reconciles the object again at that time.
fn early(name: &str, text: &str) -> String {
    let effect = if name == api::RESET_MFA {
        "the operator deletes the factors enrolled before it"
    } else {
        "the operator sends the invitation again, unless the guest has joined"
    };
    format!(
        "{} is in the future, and nothing happens before. At that time {effect}; `guestlist apply` does so when it runs later",
        quote(text)
    )
}

fn unknown(name: &str) -> Option<String> {
    if !api::is_annotation(name) {
        return None;
    }
    let names = api::ANNOTATIONS.map(|annotation| annotation.name);
    let hint = match nearest(name, names.into_iter()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("it reads {}", names.join(", ")),
    };
    Some(format!("guestlist has no annotation {}; {hint}", quote(name)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn annotation_without_effect_says_why() {
        let now = "2027-01-31T12:00:00Z".parse().unwrap();
        for (kind, name, text, said) in [
            (Kind::Membership, api::RESET_MFA, "2027-01-31T12:00:00Z", None),
            (
                Kind::Membership,
                api::RESET_MFA,
                "2027-01-31",
                Some(("the annotation has no effect: \"2027-01-31\" is no time", false)),
            ),
            (
                Kind::Membership,
                api::RESET_MFA,
                "soon",
                Some(("the annotation has no effect: \"soon\" is no time", false)),
            ),
            (
                Kind::Membership,
                api::RESET_MFA,
                "2027-01-31T12:00:01Z",
                Some(("At that time the operator deletes", true)),
            ),
            (
                Kind::Membership,
                api::RESEND_INVITATION,
                "2028-01-31T12:00:00Z",
                Some(("At that time the operator sends", true)),
            ),
            (Kind::Partner, api::RESET_MFA, "2027-01-31T12:00:00Z", Some(("belongs on a GuestMembership", false))),
            (Kind::Share, api::PAUSED, "yes", Some(("has no effect", false))),
            (Kind::Share, api::PAUSED, "true", None),
            (Kind::Share, api::RECONCILE_AT, "yes", None),
            (Kind::Share, "guestlist.dev/pause", "true", Some(("did you mean guestlist.dev/paused?", false))),
            (Kind::Share, "example.com/pause", "true", None),
        ] {
            let found = ineffective(kind, name, text, now);
            let as_expected = match (&found, said) {
                (Some(found), Some((words, is_early))) => found.message.contains(words) && found.is_early == is_early,
                (None, None) => true,
                _ => false,
            };
            assert!(as_expected, "{name} {text}: {found:?}");
        }
    }

    #[test]
    fn annotations_without_effect_are_listed_by_name() {
        let annotations = [(api::PAUSED, "yes"), (api::RECONCILE_AT, "now"), ("example.com/note", "")];
        let annotations = annotations.map(|(name, text)| (name.to_owned(), text.to_owned()));
        let found = all_ineffective(Kind::Share, annotations.iter().map(|(name, text)| (name, text)), Timestamp::MIN);
        let text =
            "the annotation \"guestlist.dev/paused\": \"yes\" has no effect; write \"true\" or \"false\", in quotes";
        assert_eq!(found, [text]);
    }
}
