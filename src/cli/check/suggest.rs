//! What somebody may have meant: the nearest known word to an unknown one.

/// The nearest of `words`, if it is near enough to have been meant.
pub fn nearest<'a>(word: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_ascii_lowercase();
    let most = (word.chars().count() / 3).clamp(1, 4);
    words
        .map(|known| (distance(&lower, &known.to_ascii_lowercase(), most), known))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// How many letters have to be put in, left out, replaced or swapped with their neighbour. Words whose lengths differ by
/// more than `most` are not compared.
fn distance(from: &str, to: &str, most: usize) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    if from.len().abs_diff(to.len()) > most {
        return usize::MAX;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in to.iter().enumerate() {
            let mut least = (last[j] + usize::from(a != b)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == to[j - 1] && from[i - 1] == *b {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[to.len()]
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
