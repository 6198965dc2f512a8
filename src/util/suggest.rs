//! Help about invalid text: the value that was probably meant, and the problem of a YAML file, without the terms of the
//! YAML library.

use serde_saphyr::{Error, UserMessageFormatter};

/// The position (line and column) and the cause of a YAML error, also of a wrong type.
pub fn yaml_problem(error: &Error) -> (Option<(u64, u64)>, String) {
    let error = error.without_snippet();
    let place = error.location().map(|location| (location.line(), location.column()));
    #[expect(clippy::wildcard_enum_match_arm, reason = "the library has dozens of errors, and may add more")]
    let what = match error {
        Error::SerdeUnknownField { field, expected, .. } => match nearest(field, expected.iter().copied()) {
            Some(near) => format!("there is no field {field:?}; did you mean {near:?}?"),
            None => format!("there is no field {field:?}; known are {}", expected.join(", ")),
        },
        Error::SerdeMissingField { field, .. } => format!("the field {field:?} is missing"),
        Error::DuplicateMappingKey { key: Some(key), .. } => format!("the key {key:?} stands twice"),
        Error::MultipleDocuments { .. } => "a second document begins here; write one document a file".to_owned(),
        Error::Unexpected { expected: "sequence start", .. } => "a list belongs here, as [a, b]".to_owned(),
        Error::Unexpected { expected: "mapping start", .. } => "a map belongs here, as {a: b}".to_owned(),
        // Other problems of YAML: the library's own message, without the position at its end.
        other => {
            let said = other.render_with_formatter(&UserMessageFormatter);
            let said = said.strip_prefix("error: ").unwrap_or(&said);
            let said = said.rsplit_once(" at line ").map_or(said, |(what, _)| what);
            match said.strip_prefix("invalid ") {
                Some("i64" | "u64" | "i32" | "u32" | "usize") => {
                    "expected a whole number in digits, such as 30".to_owned()
                }
                _ => said.to_owned(),
            }
        }
    };
    (place, what)
}

/// The nearest of `words`, if it is near enough for a suggestion.
pub fn nearest<'a>(word: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    nearest_within(word, words, (word.chars().count() / 3).clamp(1, 4))
}

/// The nearest of `words` that differs in no more than `most` letters: added, removed, replaced, or swapped with a neighbour.
pub fn nearest_within<'a>(word: &str, words: impl Iterator<Item = &'a str>, most: usize) -> Option<&'a str> {
    let lower = word.to_ascii_lowercase();
    words
        .filter(|known| known.chars().count().abs_diff(lower.chars().count()) <= most)
        .map(|known| (strsim::osa_distance(&lower, &known.to_ascii_lowercase()), known))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word_and_a_stranger_none() {
        let words = ["hostAdmins", "displayName", "email", "mfa", "exclude"];
        for (word, near) in [
            ("hostAdmin", Some("hostAdmins")),
            ("hostadmins", Some("hostAdmins")),
            ("displayname", Some("displayName")),
            ("emial", Some("email")),
            ("mfo", Some("mfa")),
            ("replicas", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, words.into_iter()), near, "{word}");
        }
    }
}
