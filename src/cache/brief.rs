//! Compact text of statuses. About nine tenths of a membership's status equal those of other memberships. Each frequent
//! phrase is stored as one control character, which JSON text never contains unescaped. A phrase missing from this list
//! only takes more memory.

const PHRASES: [&str; 27] = [
    r#"{"observedGeneration":"#,
    r#","directoryId":""#,
    r#"","conditions":[{"type":""#,
    r#","conditions":[{"type":""#,
    r#"","status":"True","observedGeneration":"#,
    r#"","status":"False","observedGeneration":"#,
    r#"","status":"Unknown","observedGeneration":"#,
    r#","lastTransitionTime":""#,
    r#"","reason":""#,
    r#"","message":""#,
    r#""},{"type":""#,
    r#""}],"state":""#,
    r#"","role":"Guest"#,
    r#"","invitation":{"sentAt":""#,
    r#"","expiresAt":""#,
    r#"","joinedAt":""#,
    r#""},"mfa":{"enrolled":""#,
    r#"","mfa":{"enrolled":""#,
    r#""},"accountCount":"#,
    "The spec breaks no rule.",
    "The membership has no end.",
    "Known once the guest has joined.",
    "The guest has not accepted yet.",
    "The guest accepted the invitation.",
    "The invitation is out and has not been accepted yet.",
    "The guest has joined and turned MFA on; what is shared can be used.",
    "A method that counts is enrolled.",
];

/// The first characters of all phrases; no phrase begins with another character.
const FIRST: [char; 6] = ['{', '"', ',', 'T', 'K', 'A'];

/// JSON text in compact form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Brief(Box<str>);

impl Brief {
    /// Compacts JSON text without line breaks, in the format of `serde_json`.
    pub(super) fn of(text: &str) -> Self {
        let mut brief = String::with_capacity(text.len() / 2);
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let phrase = PHRASES.iter().zip('\u{1}'..).find(|(phrase, _)| begins(rest, phrase));
            let said = match phrase {
                Some((phrase, sign)) => {
                    brief.push(sign);
                    phrase.len()
                }
                None => {
                    let after = first.len_utf8();
                    let plain = rest[after..].find(FIRST).map_or(rest.len(), |next| after + next);
                    brief.push_str(&rest[..plain]);
                    plain
                }
            };
            rest = &rest[said..];
        }
        Self(brief.into())
    }

    /// The original text.
    pub(super) fn text(&self) -> String {
        let mut text = String::with_capacity(self.0.len() * 4);
        for char in self.0.chars() {
            match (char as usize).checked_sub(1).and_then(|sign| PHRASES.get(sign)) {
                Some(phrase) => text.push_str(phrase),
                None => text.push(char),
            }
        }
        text
    }
}

/// Whether a text begins with a phrase. The comparison of the first byte alone makes it ten times as fast, because most
/// phrases differ there.
fn begins(text: &str, phrase: &str) -> bool {
    text.as_bytes().first() == phrase.as_bytes().first() && text.starts_with(phrase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phrase_is_looked_for() {
        assert!(PHRASES.iter().all(|phrase| phrase.starts_with(FIRST)));
    }

    #[test]
    fn the_usual_status_takes_a_third() {
        let text = r#"{"observedGeneration":1,"directoryId":"9b2d2f0c-3a47-5b0e-9c77-2d8d3c0a8f11","conditions":[{"type":"Ready","status":"True","observedGeneration":1,"lastTransitionTime":"2027-01-01T00:00:00Z","reason":"Invited","message":"The invitation is out and has not been accepted yet."},{"type":"Accepted","status":"True","observedGeneration":1,"lastTransitionTime":"2027-01-01T00:00:00Z","reason":"Accepted","message":"The spec breaks no rule."}],"state":"Invited","role":"GuestUser","invitation":{"sentAt":"2027-01-01T00:00:00Z","expiresAt":"2027-01-04T00:00:00Z"},"mfa":{"enrolled":"Unknown"},"accountCount":0}"#;
        let brief = Brief::of(text);
        assert!(brief.0.len() * 5 < text.len() * 2, "{} of {}", brief.0.len(), text.len());
        assert_eq!(brief.text(), text);
    }

    proptest::proptest! {
        #[test]
        fn abbreviated_text_expands_to_the_original(
            parts in proptest::collection::vec((0..PHRASES.len(), 0..40_usize, "\\PC{0,5}"), 0..20),
            value in "(?s).{0,20}",
        ) {
            // The text consists of phrases, parts of them, and any other text, in the format of JSON.
            let mut said = value;
            for (phrase, length, other) in &parts {
                said.extend(PHRASES[*phrase].chars().take(*length));
                said.push_str(other);
            }
            for text in [serde_json::to_string(&said).unwrap(), format!("{{\"a\":{}}}", serde_json::to_string(&said).unwrap())] {
                proptest::prop_assert_eq!(Brief::of(&text).text(), text);
            }
            let text: String = parts.iter().map(|(phrase, ..)| PHRASES[*phrase]).collect();
            proptest::prop_assert_eq!(Brief::of(&text).text(), text);
        }
    }
}
